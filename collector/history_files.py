"""
Files of history, local, on S3 or behind HTTP, as rows: NDJSON, CSV and Parquet. Called by ``history``.

This process reads them, which costs less than by ClickHouse (DESIGN-cluster.md, "Bulk") and refuses a line by itself; what
else ClickHouse can read comes by ``history_select``.
"""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import glob
import io
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import urllib3
from msgspec import Struct

from collector.decode import mark_lone_surrogates
from collector.history_columns import ColumnError, places_of, rows_of
from collector.history_rows import Unread, from_text

FORMATS = ("ndjson", "csv", "parquet")
_ENDINGS = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_BUFFER_BYTES = 1024 * 1024
MAX_ROW_BYTES = 32 * 1024 * 1024
_DOWNLOAD_TIMEOUT_S = 60.0


class SourceError(Exception):
    """A file that cannot be found or read; the message says why and what to do."""


class Source(Struct, frozen=True):
    """
    One file: ``name`` stands in reports and, by its last part, in the ids made for its rows.

    ``path``: on ``filesystem``, which for HTTP is that of a copy that is removed at the end.
    """

    name: str
    format: str
    size_bytes: int
    path: str
    compression: str | None
    filesystem: pyarrow.fs.FileSystem

    @property
    def base_name(self) -> str:
        """Without folders, so that the same file elsewhere is the same."""
        return re.split(r"[/\\]", self.name)[-1]

    def place_of(self, number: int) -> str:
        """Return what tells a row from all others."""
        return f"{self.base_name}\x1f{number}\x1f"


class Reading(Struct, frozen=True):
    """What files do not say themselves: the encoding of CSV, and the zone of times that name none; None: nobody knows."""

    encoding: str = "utf-8"
    zone: ZoneInfo | None = None


class Rows(Struct):
    """
    Some rows of a file, in its order: values by column, or why there are none.

    ``first``: number of the first (from 1, a header not counted). ``done``: share of the file that was read.
    """

    first: int
    rows: Sequence[dict[str, Any] | Unread]
    done: float


def find(names: list[str], wanted_format: str, downloads: contextlib.ExitStack) -> list[Source]:
    """
    Return the files that are meant, each once: paths, patterns (``2026-*/*.parquet``), ``s3://`` or ``http(s)://`` addresses.

    What HTTP answers is kept on this machine until ``downloads`` is closed. Errors: SourceError.
    """
    found: dict[str, Source] = {}
    for name in names:
        if name.startswith("s3://"):
            each = _on_s3(name, wanted_format)
        elif name.startswith(("http://", "https://")):
            each = [_downloaded(name, wanted_format, downloads)]
        else:
            each = _local(name, wanted_format)
        for source in each:
            found.setdefault(source.path, source)
    return list(found.values())


def _local(name: str, wanted_format: str) -> list[Source]:
    paths = [name] if Path(name).is_file() else sorted(glob.glob(name, recursive=True))
    files = [path for path in paths if Path(path).is_file()]
    if not files:
        raise SourceError(f"no such file / 没有这个文件: {name}")
    here = pyarrow.fs.LocalFileSystem()
    return [
        _source(path, wanted_format, Path(path).stat().st_size, str(Path(path).resolve()), here)
        for path in files
    ]


def _on_s3(name: str, wanted_format: str) -> list[Source]:
    """Credentials as every AWS client finds them; ``?region=…&endpoint_override=…`` for other stores."""
    address, question, options = name.partition("?")
    # TRICKY: ``?`` begins the options of an address, so it is no wildcard here.
    first = min((address.find(char) for char in "*[" if char in address), default=-1)
    folder = address if first < 0 else address[:first].rpartition("/")[0]
    try:
        filesystem, path = pyarrow.fs.FileSystem.from_uri(folder + question + options)
        if first < 0:
            infos = [filesystem.get_file_info(path)]
        else:
            pattern = (path + address[len(folder) :]).split("/")
            infos = [
                info
                for info in filesystem.get_file_info(pyarrow.fs.FileSelector(path, recursive=True))
                if _fits(info.path.split("/"), pattern)
            ]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SourceError(f"{address}: {error}") from error
    files = [info for info in infos if info.type == pyarrow.fs.FileType.File]
    if not files:
        raise SourceError(f"no such object / 没有这个对象: {address}")
    return [
        _source(f"s3://{info.path}", wanted_format, info.size or 0, info.path, filesystem)
        for info in sorted(files, key=lambda info: info.path)
    ]


def _fits(path: list[str], pattern: list[str]) -> bool:
    """As patterns of local files: ``*`` stays within a folder, ``**`` is any number of them."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return _fits(path, pattern[1:]) or (bool(path) and _fits(path[1:], pattern))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _fits(path[1:], pattern[1:])


def _downloaded(address: str, wanted_format: str, downloads: contextlib.ExitStack) -> Source:
    """A copy on this machine: the end of a Parquet file is read first, and a stream may break off."""
    name = unquote(urlsplit(address)._replace(query="", fragment="").geturl())
    copy = downloads.enter_context(
        tempfile.NamedTemporaryFile(prefix="scenetrail-import-")  # noqa: SIM115 (the caller closes it)
    )
    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "GET", address, preload_content=False, timeout=_DOWNLOAD_TIMEOUT_S
            )
            if answer.status != 200:
                raise SourceError(f"{name}: HTTP {answer.status}")
            shutil.copyfileobj(answer, copy, _BUFFER_BYTES)
            answer.release_conn()
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise SourceError(f"{name}: {error}") from error
    copy.flush()
    size = Path(copy.name).stat().st_size
    return _source(name, wanted_format, size, copy.name, pyarrow.fs.LocalFileSystem())


def _source(
    name: str, wanted_format: str, size: int, path: str, filesystem: pyarrow.fs.FileSystem
) -> Source:
    stem, compression = name, None
    for ending, kind in _COMPRESSIONS.items():
        if name.lower().endswith(ending):
            stem, compression = name[: -len(ending)], kind
    known = wanted_format or _ENDINGS.get(Path(stem).suffix.lower(), "")
    if not known:
        raise SourceError(
            f"{name}: of what format? --format {'|'.join(FORMATS)} / 请用 --format 指定格式"
        )
    return Source(name, known, size, path, compression, filesystem)


def read(source: Source, how: Reading, rows_at_once: int) -> Iterator[Rows]:
    """Yield the rows of a file. Errors: SourceError, where the rest of it cannot be read."""
    readers: dict[str, Callable[[Source, Reading, int], Iterator[Rows]]] = {
        "ndjson": _ndjson,
        "csv": _csv,
        "parquet": _parquet,
    }
    try:
        yield from readers[source.format](source, how, rows_at_once)
    except (
        OSError,
        EOFError,
        pa.ArrowException,
        csv.Error,
        UnicodeError,
        LookupError,
        ColumnError,
    ) as error:
        raise SourceError(f"{source.name}: {error}") from error


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNMARK = re.compile(rb"\xff(u[dD][89a-fA-F][0-9a-fA-F]{2})")


class _Stream(io.RawIOBase):
    """Arrow's stream for Python's readers, which ask streams that cannot seek where they stand."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (a writable buffer)
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _counted(source: Source) -> tuple[io.BufferedReader, Callable[[], float]]:
    """The decompressed bytes, and how much of the file that is."""
    raw = source.filesystem.open_input_file(source.path)
    stream = pa.CompressedInputStream(raw, source.compression) if source.compression else raw
    size = max(1, source.size_bytes)
    return io.BufferedReader(_Stream(stream), _BUFFER_BYTES), lambda: min(1.0, raw.tell() / size)


def _ndjson(source: Source, how: Reading, rows_at_once: int) -> Iterator[Rows]:
    """Values stay the bytes that they are in the file; the wire's decoder reads them."""
    del how  # JSON is UTF-8, and its times are the wire's
    stream, done = _counted(source)
    with stream:
        first, number = 1, 0
        rows: list[dict[str, Any] | Unread] = []
        while line := stream.readline(MAX_ROW_BYTES + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.isspace():
                if not rows:
                    first += 1
                    continue
                rows.append({})  # keeps the numbers those of the lines
            else:
                rows.append(_members(line))
            if len(rows) >= rows_at_once:
                yield Rows(first, rows, done())
                first, rows = number + 1, []
        yield Rows(first, rows, 1.0)


def _members(line: bytes) -> dict[str, Any] | Unread:
    try:
        members = _MEMBERS.decode(line)
    except (ValueError, RecursionError) as error:
        # Half of a surrogate pair costs its own field only, as on the wire.
        marked = mark_lone_surrogates(line)
        if marked is not None:
            with contextlib.suppress(ValueError, RecursionError):
                return {
                    name: msgspec.Raw(_UNMARK.sub(rb"\\\1", bytes(value)))
                    for name, value in _MEMBERS.decode(marked).items()
                }
        text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        return Unread("not_json", f"not a JSON object on one line: {error}", text)
    return {name: value for name, value in members.items() if bytes(value) != b"null"}


def _csv(source: Source, how: Reading, rows_at_once: int) -> Iterator[Rows]:
    """The first line names the columns; an empty field is an absent value."""
    stream, done = _counted(source)
    csv.field_size_limit(MAX_ROW_BYTES)
    with io.TextIOWrapper(
        stream,
        encoding="utf-8-sig" if how.encoding == "utf-8" else how.encoding,
        errors="surrogateescape",
        newline="",
    ) as text:
        lines = csv.reader(text, strict=True)
        places = places_of(next(lines, []))
        first = 1
        rows: list[dict[str, Any] | Unread] = []
        for fields in _numbered(source, lines):
            if len(fields) != len(places):
                rows.append(
                    Unread(
                        "invalid_value",
                        f"{len(fields)} fields where the header has {len(places)}",
                        ",".join(fields),
                    )
                    if fields
                    else {}
                )
            else:
                rows.append(
                    {
                        name: from_text(field, where, how.zone)
                        for (name, where), field in zip(places, fields, strict=True)
                        if field
                    }
                )
            if len(rows) >= rows_at_once:
                yield Rows(first, rows, done())
                first, rows = first + len(rows), []
        yield Rows(first, rows, 1.0)


def _numbered(source: Source, lines: Any) -> Iterator[list[str]]:  # noqa: ANN401 (csv's reader has no name)
    """Yield lines of a CSV file; a quote in the wrong place ends it, since nobody knows where the next row begins."""
    try:
        yield from lines
    except csv.Error as error:
        raise SourceError(f"{source.name}, line {lines.line_num}: {error}") from error


def _parquet(source: Source, how: Reading, rows_at_once: int) -> Iterator[Rows]:
    with source.filesystem.open_input_file(source.path) as file:
        parquet = pq.ParquetFile(file)
        total = max(1, parquet.metadata.num_rows)
        places = places_of(parquet.schema_arrow.names)
        first = 1
        for batch in parquet.iter_batches(rows_at_once):
            rows = rows_of(batch, places, how.zone)
            yield Rows(first, rows, (first + len(rows) - 1) / total)
            first += len(rows)
