"""
History from files into ClickHouse: ``scenetrail import``. Called by ``commands``.

Rows take the path of events over HTTP from the write key on: the same stages (``ingest.screen``: deny-list, decode, limits of
time), the same columns (``rows.build_block``), the same ``Writer.store`` (known ids, erased persons, bindings, dead letters).
Only the spool is left out: the file itself can be read again. So any number of runs, also after a ``kill -9``, gives what one
gives.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeAlias

import msgspec
import numpy as np
import structlog
from msgspec import Struct
from numpy.typing import NDArray

from collector.block import Block
from collector.decode import BodyError, Rejection
from collector.history_files import Reading, Rows, Source, SourceError, read
from collector.history_rows import REFUSED, RowError, Shaped, Shaper, Unread
from collector.history_select import Select, read_select
from collector.ingest import RECORD_VERSION, screen
from collector.rows import build_block
from collector.sinks import TRANSIENT, ClickHouseSink
from collector.spool_format import SpoolRecord
from collector.spool_reader import Position
from collector.sql import load_sql
from collector.writer import Stored, Writer
from sdk_spec import limits
from sdk_spec.access import App

log = structlog.get_logger()

_TRIES = 8
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 20.0
_MESSAGE_CHARS = 300


AnySource: TypeAlias = Source | Select


class HistoryError(Exception):
    """Cannot go on; the message says why. What was stored until then stays and counts once when it is repeated."""


class Refused(Struct, frozen=True):
    """One row that is no event: where it stands and why; ``row`` its values, or ``text`` where it has none."""

    file: str
    number: int
    code: str
    path: str
    message: str
    row: dict[str, Any]
    text: str = ""

    def line(self) -> bytes:
        """As it stands in the file of refused rows, which can be mended and imported."""
        why = {
            "file": self.file,
            "row": self.number,
            "code": self.code,
            "path": self.path,
            "message": self.message,
        }
        if self.text:
            why["text"] = self.text
        return _encode({**self.row, REFUSED: why}) + b"\n"


class Report(Struct):
    """
    What became of the rows of all files; their numbers add up to ``rows``.

    ``refused``: by code and path. ``unreadable``: files that could not be read to their end, and why.
    """

    rows: int = 0
    stored: int = 0
    known: int = 0
    erased: int = 0
    refused: dict[str, dict[str, int]] = {}
    unreadable: dict[str, str] = {}
    unknown_columns: list[str] = []
    seconds: float = 0.0

    @property
    def refused_rows(self) -> int:
        """All of them."""
        return sum(sum(paths.values()) for paths in self.refused.values())


class Importer:
    """
    Imports files, one after the other.

    Args:
        apps: those of the access file; a row of another app is refused.
        hash_key: of the data folder, for apps that keep hashes of openids or sign cards.
        app_id: of rows that name none.
        refused_to: takes the refused rows, one JSON object a line.
        is_dry: look at the rows and store nothing.
    """

    def __init__(
        self,
        apps: Iterable[App],
        sink: ClickHouseSink,
        *,
        hash_key: Callable[[], bytes | None],
        now_ms: int,
        max_clock_skew_ms: int,
        app_id: str = "",
        refused_to: IO[bytes] | None = None,
        is_dry: bool = False,
        rows_at_once: int = 50_000,
    ) -> None:
        self._apps = {app.app_id: app for app in apps}
        self._sink = sink
        self._hash_key = hash_key
        self._now_ms = now_ms
        self._refused_to = refused_to
        self._is_dry = is_dry
        self._rows_at_once = rows_at_once
        self._shaper = Shaper(app_id, self._platform_of, max_clock_skew_ms)
        self._writer = Writer(
            _NoSpool(),
            sink,
            _AskAlways(),
            block_rows=rows_at_once,
            flush_interval_ms=1,
            stopping=threading.Event(),
        )
        self.report = Report()

    def _platform_of(self, app_id: str) -> str:
        app = self._apps.get(app_id)
        return app.platform if app is not None else ""

    def run(
        self,
        sources: Sequence[AnySource],
        how: Reading,
        progress: Callable[[AnySource, float, Report], None],
    ) -> Report:
        """
        Import all rows; ``progress`` is told after each block.

        One thread reads and lays out, the other waits for ClickHouse. A file that cannot be read stops no other.
        Errors: HistoryError.
        """
        started_s = time.monotonic()
        report = self.report
        with ThreadPoolExecutor(1, thread_name_prefix="insert") as inserter:
            storing: Future[Stored] | None = None
            for source, chunk in self._chunks(sources, how):
                block = self._block(source, chunk.first, chunk.rows)
                if storing is not None:
                    self._count(storing.result())
                storing = inserter.submit(self._store, block)
                report.rows += sum(1 for row in chunk.rows if row != {})
                report.seconds = time.monotonic() - started_s
                progress(source, chunk.done, report)
            if storing is not None:
                self._count(storing.result())
        report.unknown_columns = sorted(self._shaper.unknown)
        report.seconds = time.monotonic() - started_s
        if self._refused_to is not None:
            self._refused_to.flush()
        return report

    def _chunks(
        self, sources: Sequence[AnySource], how: Reading
    ) -> Iterator[tuple[AnySource, Rows]]:
        for source in sources:
            try:
                for chunk in self._read(source, how):
                    yield source, chunk
            except SourceError as error:
                self.report.unreadable[source.name] = str(error)

    def _read(self, source: AnySource, how: Reading) -> Iterator[Rows]:
        if isinstance(source, Select):
            return read_select(source, how, self._rows_at_once)
        return read(source, how, self._rows_at_once)

    def _count(self, stored: Stored) -> None:
        self.report.stored += stored.new
        self.report.known += stored.known
        self.report.erased += stored.erased

    def _store(self, block: Block) -> Stored:
        """Errors: HistoryError, when ClickHouse does not take it for some minutes."""
        if self._is_dry:
            return Stored(len(block.keys), 0, 0)
        backoff_s = _FIRST_BACKOFF_S
        for tries_left in reversed(range(_TRIES)):
            try:
                self._leave_out_known_letters(block)
                return self._writer.store(block, [])
            except TRANSIENT as error:
                self._sink.close()
                if not tries_left:
                    raise HistoryError(str(error)) from error
                log.warning(
                    "insert_failed", error=str(error)[:_MESSAGE_CHARS], retry_in_s=backoff_s
                )
                time.sleep(backoff_s)
                backoff_s = min(_MAX_BACKOFF_S, 2 * backoff_s)
        raise AssertionError("a last try returns or raises")

    def _leave_out_known_letters(self, block: Block) -> None:
        """Refused rows of an earlier run stand among the refused events already."""
        if not block.dead_letters:
            return
        rows = self._sink.client.query(
            load_sql("history.known_letters"),
            parameters={"request_ids": [letter.request_id for letter in block.dead_letters]},
        ).result_rows
        known = {request_id for (request_id,) in rows}
        block.dead_letters = [one for one in block.dead_letters if one.request_id not in known]

    def _block(
        self, source: AnySource, first: int, rows: Sequence[dict[str, Any] | Unread]
    ) -> Block:
        """Make rows of a file into a block; refused ones are told on the way."""
        bodies = _Bodies()
        for number, row in enumerate(rows, first):
            if isinstance(row, Unread):
                self._refuse(source, number, row.code, "$", row.message, {}, row.text)
                continue
            if not row:
                continue
            origin = source.place_of(number)
            try:
                self._check_order(source, row)
                shaped = self._shaper.shape(row, origin)
                self._check(shaped)
            except RowError as error:
                self._refuse(source, number, error.code, error.path, error.message, row)
                continue
            bodies.add(number, shaped)
        records: list[tuple[int, int, SpoolRecord]] = []
        for body in bodies.all():
            records += self._screened(source, rows, first, body)
        # In the order in which they were received, else of the file: of two copies of an event the first is stored.
        records.sort(key=lambda record: record[:2])
        return build_block([record for _, _, record in records])

    def _check_order(self, source: AnySource, row: dict[str, Any]) -> None:
        """Errors: RowError, for a row without an id where none can be made that the next run finds again."""
        if isinstance(source, Select) and "event_id" not in row:
            raise RowError(
                "missing_field",
                "$.event_id",
                "rows of a SELECT have no order, so each needs an id of its own: a column, or hex(sipHash128(…)) of "
                "several / 查询结果没有固定顺序，每行需要 event_id",
            )

    def _check(self, shaped: Shaped) -> None:
        """Errors: RowError."""
        if shaped.app_id not in self._apps:
            raise RowError(
                "forbidden",
                "$.app_id",
                "no such app: scenetrail keys create app --help / 应用不存在，请先创建",
            )
        if len(shaped.event) > limits.MAX_BODY_BYTES:
            raise RowError("body_too_large", "$", "more bytes than a request may have")

    def _screened(
        self, source: AnySource, rows: Sequence[dict[str, Any] | Unread], first: int, body: _Body
    ) -> Iterator[tuple[int, int, SpoolRecord]]:
        """Pass one body through the stages of a request; refused rows leave it, each with a record of its own."""
        app = self._apps[body.shaped.app_id]
        received_at = body.shaped.received_at or self._now_ms
        skew_ms = body.shaped.max_clock_skew_ms
        try:
            batch, content = screen(app, body.content(), received_at, skew_ms, self._hash_key)
        except BodyError as error:
            if len(body.numbers) > 1:
                for one in body.rows():
                    yield from self._screened(source, rows, first, one)
                return
            self._refuse_only_row(source, rows, first, body, error)
            return
        if batch.rejections and len(body.numbers) > 1:
            refused = {rejection.index for rejection in batch.rejections}
            each = body.rows()
            for index in sorted(refused):
                yield from self._screened(source, rows, first, each[index])
            good = body.without(refused)
            if good.numbers:
                yield from self._screened(source, rows, first, good)
            return
        for rejection in batch.rejections:
            self._refuse_only_row(source, rows, first, body, rejection)
        number = body.numbers[0]
        place = source.place_of(number).encode("utf-8", "replace")
        digest = hashlib.sha256(place + content).hexdigest()[:32]
        yield (
            received_at,
            number,
            SpoolRecord(
                version=RECORD_VERSION,
                received_at=received_at,
                request_id=f"import-{digest}",
                project=app.project,
                app_id=app.app_id,
                max_clock_skew_ms=skew_ms,
                refused=[rejection.index for rejection in batch.rejections],
                duplicates=[],
                body=content,
            ),
        )

    def _refuse_only_row(
        self,
        source: AnySource,
        rows: Sequence[dict[str, Any] | Unread],
        first: int,
        body: _Body,
        why: BodyError | Rejection,
    ) -> None:
        [number] = body.numbers
        row = rows[number - first]
        # An id that was made for it stays its own when the file of refused rows is imported.
        named = {"event_id": msgspec.Raw(body.ids[0])}
        path = why.path.replace("$.events[0]", "$", 1)
        self._refuse(
            source,
            number,
            why.code,
            path,
            why.message,
            {**named, **row} if isinstance(row, dict) else {},
        )

    def _refuse(
        self,
        source: AnySource,
        number: int,
        code: str,
        path: str,
        message: str,
        row: dict[str, Any],
        text: str = "",
    ) -> None:
        paths = self.report.refused.setdefault(code, {})
        paths[path] = paths.get(path, 0) + 1
        if self._refused_to is None:
            return
        refused = Refused(source.name, number, code, path, message, row, text)
        try:
            line = refused.line()
        except (TypeError, ValueError, RecursionError):  # what JSON cannot hold
            line = msgspec.structs.replace(refused, row={}, text=repr(row)).line()
        self._refused_to.write(line)


class _Body:
    """Rows with one envelope, as the body of a request. ``numbers`` are their numbers in the file."""

    def __init__(self, shaped: Shaped) -> None:
        self.shaped = shaped
        self.numbers: list[int] = []
        self.ids: list[bytes] = []
        self.events: list[bytes] = []

    def content(self) -> bytes:
        return b'%s,"events":[%s]}' % (self.shaped.envelope[:-1], b",".join(self.events))

    def rows(self) -> list[_Body]:
        """Each row by itself."""
        return [self._of([index]) for index in range(len(self.numbers))]

    def without(self, indexes: set[int]) -> _Body:
        return self._of([index for index in range(len(self.numbers)) if index not in indexes])

    def _of(self, indexes: list[int]) -> _Body:
        part = _Body(self.shaped)
        part.numbers = [self.numbers[index] for index in indexes]
        part.ids = [self.ids[index] for index in indexes]
        part.events = [self.events[index] for index in indexes]
        return part


class _Bodies:
    """
    Puts rows with the same envelope into one body, which is quicker than one each.

    Copies of an event get bodies of their own, so that the first of the file comes first.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[bytes, int, int], _Body] = {}
        self._all: list[_Body] = []
        self._bytes: Counter[int] = Counter()

    def add(self, number: int, shaped: Shaped) -> None:
        key = (shaped.envelope, shaped.received_at, shaped.max_clock_skew_ms)
        body = self._open.get(key)
        if body is None or self._is_full(body, len(shaped.event)):
            body = self._open[key] = _Body(shaped)
            self._all.append(body)
        body.numbers.append(number)
        body.ids.append(shaped.event_id)
        body.events.append(shaped.event)
        self._bytes[id(body)] += len(shaped.event)

    def _is_full(self, body: _Body, more: int) -> bool:
        return (
            len(body.numbers) >= limits.MAX_EVENTS_PER_BATCH
            or self._bytes[id(body)] + more > limits.MAX_BODY_BYTES // 2
        )

    def all(self) -> Iterator[_Body]:
        times = Counter(one for body in self._all for one in body.ids)
        if len(times) == sum(times.values()):
            yield from self._all
            return
        for body in self._all:
            copies = {index for index, one in enumerate(body.ids) if times[one] > 1}
            first = body.without(copies)
            if first.numbers:
                yield first
            each = body.rows() if copies else []
            yield from (each[index] for index in sorted(copies))


_encode = msgspec.json.Encoder().encode


class _NoSpool:
    """Nothing waits anywhere: what was not stored is read again from the file."""

    def read(self, max_bytes: int) -> tuple[list[SpoolRecord], list[Position]]:
        del max_bytes
        return [], []

    def intend(self, positions: list[Position]) -> None:
        """Nothing to remember."""

    def confirm(self, positions: list[Position]) -> None:
        """Nothing to delete."""

    def tidy(self) -> None:
        """Nothing to delete."""

    def unstored_bytes(self) -> int:
        return 0


class _AskAlways:
    """No memory of stored keys: each is looked up. Filling a filter would read every key ever stored."""

    fill_ratio = 0.0

    def may_hold(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return np.ones(len(keys), dtype=bool)

    def add(self, keys: NDArray[np.uint64]) -> None:
        """ClickHouse knows it."""


@contextlib.contextmanager
def refused_file(path: Path | None) -> Iterator[IO[bytes] | None]:
    """A private file that is there only if a row was refused."""
    if path is None:
        yield None
        return
    unborn = path.with_name(path.name + ".new")
    unborn.touch(mode=0o600)
    try:
        with unborn.open("wb") as file:
            yield file
        if unborn.stat().st_size:
            unborn.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        unborn.unlink(missing_ok=True)
