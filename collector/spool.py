"""
The spool: an append-only log on disk, one folder per worker, that makes an answer of 200 true.

``Spool`` appends (in a worker), ``SpoolReader`` reads and deletes (in the writer process). What a crash at each line does,
and the bytes on disk, stand in DESIGN-spool.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import msgspec
import structlog

log = structlog.get_logger()

FILE_MAGIC = b"SCNTRLS1"
"""First bytes of a segment; the last character is the version of the format."""
RECORD_MAGIC = 0x5C37E11D
_RECORD = struct.Struct("<III")
"""Magic, bytes of the payload, crc32c of the payload."""
MAX_RECORD_BYTES = 32 * 1024 * 1024
_IOV_MAX = 512
"""Buffers in one writev; the kernel's limit is 1024 and a record takes two."""
_SUFFIX = ".spool"
_LOCK = "lock"
_LOCK_PATIENCE_S = 1.0


class SpoolFullError(Exception):
    """A limit of bytes or of free disk is reached. Nothing was written; answer 503."""


class SpoolBrokenError(Exception):
    """The disk refused a write or a sync. The record is not durable; answer 503."""


class SpoolInUseError(Exception):
    """Another process appends to this folder."""


class SpoolRecord(msgspec.Struct, frozen=True, array_like=True):
    """
    One accepted request as it lies in the spool (MessagePack array).

    ``body`` is the request's body after decompression, byte for byte; ``refused`` and ``duplicates`` are indexes into
    its events that were not accepted. ``max_clock_skew_ms`` is kept so that the writer corrects clocks as the worker did.
    """

    version: int
    received_at: int
    request_id: str
    project: str
    app_id: str
    max_clock_skew_ms: int
    refused: list[int]
    duplicates: list[int]
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SpoolRecord)


def lock_folder(folder: Path) -> int:
    """
    Take the folder for this process and return the lock's descriptor; it ends with the process.

    Errors: SpoolInUseError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # TRICKY: the reader takes a worker's lock for microseconds to see whether the worker lives; so look twice.
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            os.close(descriptor)
            raise SpoolInUseError(f"{folder} is in use by another process") from None
        return descriptor


def sync_folder(folder: Path) -> None:
    """Make created, renamed and deleted names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def segments(folder: Path) -> list[Path]:
    """Segment files of one worker's folder, oldest first."""
    return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)


def folder_bytes(folder: Path) -> int:
    """Bytes of all segments of one worker."""
    total = 0
    for path in segments(folder):
        with contextlib.suppress(FileNotFoundError):  # the writer deleted it meanwhile
            total += path.stat().st_size
    return total


class Spool:
    """
    Appends records for one worker; one commit thread shares each ``fdatasync`` among all requests that wait.

    ``append`` may be called from the event loop only. Limits: ``max_bytes`` on disk for this worker,
    ``reserve_bytes`` of free disk, ``pending_max_bytes`` waiting in memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        segment_bytes: int,
        reserve_bytes: int,
        pending_max_bytes: int,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes
        self._pending_max_bytes = pending_max_bytes
        self._lock = lock_folder(folder)
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._pending_bytes = 0
        self._file = -1
        self._file_bytes = 0
        self._file_started_s = 0.0
        self.stored_bytes = folder_bytes(folder)
        self.is_disk_low = False
        self.is_broken = False
        self.syncs = 0
        self.measure()
        self._thread = threading.Thread(target=self._commit_forever, name="spool", daemon=True)
        self._thread.start()

    def append(self, record: SpoolRecord) -> asyncio.Future[None]:
        """
        Queue one record; the future is done when it is durable.

        Errors: SpoolFullError at once; SpoolBrokenError through the future.
        """
        payload = _encoder.encode(record)
        size = len(payload) + _RECORD.size
        if self.is_disk_low:
            raise SpoolFullError("the disk has less free space than spool_reserve_bytes")
        if self.stored_bytes + self._pending_bytes + size > self._max_bytes:
            raise SpoolFullError("the spool holds spool_max_bytes; ClickHouse does not keep up")
        if self._pending_bytes and self._pending_bytes + size > self._pending_max_bytes:
            raise SpoolFullError("the disk does not keep up; pending_max_bytes are waiting")
        future: asyncio.Future[None] = self._loop.create_future()
        self._pending_bytes += size
        self._queue.put((payload, future))
        return future

    @property
    def is_full(self) -> bool:
        """True when the next record would be refused for want of room."""
        return self.is_disk_low or self.stored_bytes + self._pending_bytes >= self._max_bytes

    def measure(self) -> None:
        """Look at the disk: bytes in use and free. Called once a second by the worker."""
        self.stored_bytes = folder_bytes(self._folder)
        free = os.statvfs(self._folder)
        self.is_disk_low = free.f_bavail * free.f_frsize < self._reserve_bytes

    def close(self) -> None:
        """Commit what waits, end the thread, release the folder."""
        self._queue.put(None)
        self._thread.join()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        os.close(self._lock)

    def _commit_forever(self) -> None:
        """Thread: whatever queued while the last sync ran is the next group. Needs no timer."""
        while True:
            first = self._queue.get()
            if first is None:
                return
            group = [first]
            is_last = False
            with contextlib.suppress(queue.Empty):
                while True:
                    item = self._queue.get_nowait()
                    if item is None:
                        is_last = True
                        break
                    group.append(item)
            error: SpoolBrokenError | None = None
            try:
                self._write([payload for payload, _ in group])
                self.is_broken = False
            except OSError as cause:
                self.is_broken = True
                self._abandon_segment()
                error = SpoolBrokenError(f"the spool cannot write: {cause.strerror}")
                error.__cause__ = cause
                log.error("spool_write_failed", error=str(cause), folder=str(self._folder))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._answer, group, error)
            if is_last:
                return

    def _answer(
        self, group: list[tuple[bytes, asyncio.Future[None]]], error: SpoolBrokenError | None
    ) -> None:
        """In the event loop: wake the requests of a committed group."""
        size = sum(len(payload) + _RECORD.size for payload, _ in group)
        self._pending_bytes -= size
        if error is None:
            self.stored_bytes += size
        for _, future in group:
            if future.done():  # the request was cancelled
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _write(self, payloads: list[bytes]) -> None:
        """Append and sync one group. Errors: OSError; nothing of the group counts as durable then."""
        if self._file < 0 or self._file_bytes >= self._segment_bytes or self._is_segment_old():
            self._start_segment()
        buffers: list[bytes] = []
        for payload in payloads:
            buffers.append(_RECORD.pack(RECORD_MAGIC, len(payload), google_crc32c.value(payload)))
            buffers.append(payload)
        for start in range(0, len(buffers), _IOV_MAX):
            _write_all(self._file, buffers[start : start + _IOV_MAX])
        os.fdatasync(self._file)
        self.syncs += 1
        self._file_bytes += sum(map(len, buffers))

    def _is_segment_old(self) -> bool:
        """A quiet worker starts a new file after 30 s, so that the old one can be deleted when it is stored."""
        return time.monotonic() - self._file_started_s > 30

    def _start_segment(self) -> None:
        """
        Open a new file. Its name is never used again: time for the order, randomness against clocks that go back.
        """
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        newest = max((int(path.name.split("-")[0]) for path in segments(self._folder)), default=0)
        number = max(newest + 1, time.time_ns() // 1_000_000)
        path = self._folder / f"{number:016d}-{secrets.token_hex(6)}{_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, [FILE_MAGIC])
            os.fdatasync(descriptor)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        self._file = descriptor
        self._file_bytes = len(FILE_MAGIC)
        self._file_started_s = time.monotonic()

    def _abandon_segment(self) -> None:
        """
        After a failed write or sync: never touch this file again (the kernel may have dropped its pages).

        Records of the failed group may or may not be in it; they were not accepted, and if the writer finds them they
        are stored as the first copy of what the client sends again.
        """
        if self._file >= 0:
            with contextlib.suppress(OSError):  # give the room of the unfinished group back
                os.ftruncate(self._file, self._file_bytes)
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1


def _write_all(descriptor: int, buffers: list[bytes]) -> None:
    """``writev`` until everything is written."""
    while buffers:
        written = os.writev(descriptor, buffers)
        while buffers and written >= len(buffers[0]):
            written -= len(buffers[0])
            buffers.pop(0)
        if written:
            buffers[0] = buffers[0][written:]


class Position(msgspec.Struct, frozen=True):
    """Where reading stands in one segment: bytes from its start."""

    segment: str
    offset: int


class SpoolReader:
    """
    Reads the records of all workers' folders and forgets what is stored. One process at a time.

    The checkpoint (``checkpoint.json``: offset per segment) is written after ClickHouse confirmed. Losing it costs only
    time: records are read again and recognised as duplicates.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._lock = lock_folder(folder)
        self._checkpoint = folder / "checkpoint.json"
        self._stored: dict[str, int] = self._load_checkpoint()
        self._read: dict[str, int] = dict(self._stored)
        self.corrupt_bytes = 0

    def close(self) -> None:
        """Release the folder."""
        os.close(self._lock)

    def _load_checkpoint(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._checkpoint.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError:
            log.warning("checkpoint_unreadable", effect="the spool is read again from its start")
            return {}

    def _worker_folders(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.is_dir())

    def read(self, max_bytes: int) -> tuple[list[SpoolRecord], list[Position]]:
        """
        Return records not read yet, about ``max_bytes`` of them, and the positions behind them.

        Pass the positions to ``confirm`` once the records are stored.
        """
        records: list[SpoolRecord] = []
        positions: list[Position] = []
        for folder in self._worker_folders():
            paths = segments(folder)
            for path in paths:
                if max_bytes <= 0:
                    return records, positions
                key = f"{folder.name}/{path.name}"
                start = self._read.get(key, 0)
                is_sealed = path != paths[-1] or self._is_deserted(folder)
                end = start
                for record, behind in self._records(path, start, max_bytes, is_sealed=is_sealed):
                    end = behind
                    if record is not None:
                        records.append(record)
                if end > start:
                    max_bytes -= end - start
                    self._read[key] = end
                    positions.append(Position(key, end))
        return records, positions

    def _is_deserted(self, folder: Path) -> bool:
        """True when no process appends to a worker's folder any more."""
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _records(
        self, path: Path, start: int, max_bytes: int, *, is_sealed: bool
    ) -> Iterator[tuple[SpoolRecord | None, int]]:
        """
        Yield (record, offset behind it) from ``start`` on.

        An unfinished record at the end of a live segment is left for later. In a sealed segment what does not check is
        skipped to the next whole record, counted, and copied to ``corrupt/``.
        """
        with path.open("rb") as file:
            if start == 0:
                magic = file.read(len(FILE_MAGIC))
                if len(magic) < len(FILE_MAGIC) and not is_sealed:
                    return
                start = len(FILE_MAGIC) if magic == FILE_MAGIC else 0
            file.seek(start)
            data = file.read(max(max_bytes, _RECORD.size + MAX_RECORD_BYTES))
            is_whole_file = not file.read(1)
        at = 0
        while at < len(data) and at < max_bytes:
            payload = _payload_at(data, at)
            if payload is not None:
                at += _RECORD.size + len(payload)
                record = self._decode(payload, path)
                yield record, start + at
                continue
            if not is_sealed:
                return
            following = _next_record(data, at + 1)
            if following is None and not is_whole_file and at:
                return  # more of the file is needed to judge
            skip_to = len(data) if following is None else following
            self._set_aside(path, start + at, data[at:skip_to])
            at = skip_to
            yield None, start + at

    def _decode(self, payload: bytes, path: Path) -> SpoolRecord | None:
        try:
            return _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._set_aside(path, 0, payload)
            return None

    def _set_aside(self, path: Path, offset: int, data: bytes) -> None:
        """Keep bytes that are no record, for a person to look at."""
        self.corrupt_bytes += len(data)
        target = self._folder / f"corrupt-{path.stem}-{offset}.bin"
        log.warning(
            "spool_bytes_unreadable",
            segment=path.name,
            offset=offset,
            bytes=len(data),
            kept=target.name,
        )
        target.write_bytes(data)

    def confirm(self, positions: list[Position]) -> None:
        """Everything up to ``positions`` is stored: write the checkpoint, delete segments that are done."""
        for position in positions:
            self._stored[position.segment] = max(
                position.offset, self._stored.get(position.segment, 0)
            )
        self._forget_done_segments()
        temporary = self._checkpoint.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(self._stored))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._checkpoint)
        sync_folder(self._folder)

    def _forget_done_segments(self) -> None:
        """Delete sealed segments that are stored to their end, and folders of workers that are gone."""
        for folder in self._worker_folders():
            paths = segments(folder)
            is_deserted = self._is_deserted(folder)
            for path in paths:
                key = f"{folder.name}/{path.name}"
                is_sealed = path != paths[-1] or is_deserted
                if is_sealed and self._stored.get(key, 0) >= path.stat().st_size:
                    path.unlink()
                    self._stored.pop(key, None)
                    self._read.pop(key, None)
        known = {
            f"{folder.name}/{path.name}"
            for folder in self._worker_folders()
            for path in segments(folder)
        }
        for key in set(self._stored) - known:
            del self._stored[key]

    def unstored_bytes(self) -> int:
        """Bytes in the spool that ClickHouse has not confirmed."""
        total = 0
        for folder in self._worker_folders():
            for path in segments(folder):
                stored = self._stored.get(f"{folder.name}/{path.name}", len(FILE_MAGIC))
                with contextlib.suppress(FileNotFoundError):
                    total += max(0, path.stat().st_size - stored)
        return total


def _payload_at(data: bytes, at: int) -> bytes | None:
    """The payload of the record at ``at`` if it is whole and its checksum holds."""
    if at + _RECORD.size > len(data):
        return None
    magic, length, crc = _RECORD.unpack_from(data, at)
    if magic != RECORD_MAGIC or length > MAX_RECORD_BYTES:
        return None
    payload = data[at + _RECORD.size : at + _RECORD.size + length]
    if len(payload) < length or google_crc32c.value(payload) != crc:
        return None
    return payload


def _next_record(data: bytes, at: int) -> int | None:
    """Offset of the next whole record at or behind ``at``."""
    magic = RECORD_MAGIC.to_bytes(4, "little")
    while True:
        at = data.find(magic, at)
        if at < 0:
            return None
        if _payload_at(data, at) is not None:
            return at
        at += 1
