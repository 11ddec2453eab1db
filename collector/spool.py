"""
The spool: an append-only log on disk, one folder per worker, that makes an answer of 200 true.

``Spool`` appends (in a worker), ``SpoolReader`` reads and deletes (in the writer process). What a crash at each line does,
and the bytes on disk, stand in DESIGN-spool.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import queue
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import google_crc32c
import msgspec
import structlog

from collector import metrics

log = structlog.get_logger()

FILE_MAGIC = b"SCNTRLS1"
"""First bytes of a segment; the last character is the version of the format."""
RECORD_MAGIC = 0x5C37E11D
"""
A new version of the format takes a new one, so that a damaged file header is no new version.

Its bytes are 1D E1 37 5C: a control character and no UTF-8, so no body that is JSON holds them, and nobody can plant a
record for a reader that looks for the next whole one.
"""
_RECORD_MAGIC_BYTES = RECORD_MAGIC.to_bytes(4, "little")
_RECORD = struct.Struct("<III")
"""Magic, bytes of the payload, crc32c of the payload."""
MAX_RECORD_BYTES = 32 * 1024 * 1024
_IOV_MAX = 512
"""Buffers in one writev; the kernel's limit is 1024 and a record takes two."""
_SUFFIX = ".spool"
_UNBORN_SUFFIX = ".new"
_SEGMENT_AGE_S = 30.0
_EXIT_COMMIT_FAILED = 70
_END_OF_TIME = 2**63
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


class _Checkpoint(msgspec.Struct, frozen=True):
    """``checkpoint.json``: ``state`` is a ``_Progress``, ``crc32c`` of its bytes: a flipped digit would skip records."""

    crc32c: int
    state: msgspec.Raw


class _Progress(msgspec.Struct):
    """Bytes per segment: stored in ClickHouse; and the ends of the block that was on its way when this was written."""

    stored: dict[str, int] = {}
    intended: dict[str, int] = {}


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


_Group: TypeAlias = list[tuple[bytes, asyncio.Future[None]]]
"""Encoded records, each with the one who waits for it."""


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
        # Records with their waiters; True: seal the segment; None: the end.
        self._queue: queue.SimpleQueue[_Group | bool | None] = queue.SimpleQueue()
        self._arrived: _Group = []
        self._wanted_bytes = 1
        self._pending_bytes = 0
        self._file = -1
        self._file_bytes = 0
        self._file_started_s = 0.0
        self.stored_bytes = folder_bytes(folder)
        self.is_disk_low = False
        self.is_broken = False
        for path in folder.glob(f"*{_UNBORN_SUFFIX}"):
            path.unlink()
        self.measure()
        self._thread = threading.Thread(target=self._commit_or_exit, name="spool", daemon=True)
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
        self._wanted_bytes = size
        if self.stored_bytes + self._pending_bytes + size > self._max_bytes:
            raise SpoolFullError("the spool holds spool_max_bytes; ClickHouse does not keep up")
        if self._pending_bytes and self._pending_bytes + size > self._pending_max_bytes:
            raise SpoolFullError("the disk does not keep up; pending_max_bytes are waiting")
        future: asyncio.Future[None] = self._loop.create_future()
        self._pending_bytes += size
        if not self._arrived:
            # To wake the thread for each record would cost more than to encode it: once for all requests of a turn of the loop.
            self._loop.call_soon(self._hand_over)
        self._arrived.append((payload, future))
        return future

    def _hand_over(self) -> None:
        if self._arrived:
            group, self._arrived = self._arrived, []
            self._queue.put(group)

    @property
    def is_full(self) -> bool:
        """True when another record like the last one would be refused for want of room."""
        used = self.stored_bytes + self._pending_bytes
        return self.is_disk_low or used + self._wanted_bytes > self._max_bytes

    def measure(self) -> None:
        """
        Look at the disk: bytes in use and free. Called twice a second by the worker.

        Seals a segment that is old, so that it is deleted when it is stored though nothing follows, and one that stands
        in its own way: only sealed segments give their room back.
        """
        self.stored_bytes = folder_bytes(self._folder)
        free = os.statvfs(self._folder)
        self.is_disk_low = free.f_bavail * free.f_frsize < self._reserve_bytes
        if self._file >= 0 and (self.is_full or self._is_segment_old()):
            self._queue.put(True)

    def close(self) -> None:
        """Commit what waits, end the thread, release the folder."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        os.close(self._lock)

    def _commit_or_exit(self) -> None:
        """Thread: a fault that nobody foresaw must not leave requests waiting for ever: end, to be started again."""
        try:
            self._commit_forever()
        except BaseException:
            log.exception("spool_thread_failed", effect="this worker ends")
            os._exit(_EXIT_COMMIT_FAILED)

    def _commit_forever(self) -> None:
        """Whatever queued while the last sync ran is the next group. Needs no timer."""
        while True:
            item = self._queue.get()
            group: _Group = []
            with contextlib.suppress(queue.Empty):
                while isinstance(item, list):
                    group += item
                    item = self._queue.get_nowait()
            if group:
                self._commit(group)
            if item is None:
                return
            if item is True:
                self._seal()

    def _commit(self, group: _Group) -> None:
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

    def _seal(self) -> None:
        """Close the segment, which gives its lock back: nothing follows in it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _answer(self, group: _Group, error: SpoolBrokenError | None) -> None:
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
            self._seal()
            self._start_segment()
        buffers: list[bytes] = []
        for payload in payloads:
            buffers.append(_RECORD.pack(RECORD_MAGIC, len(payload), google_crc32c.value(payload)))
            buffers.append(payload)
        for start in range(0, len(buffers), _IOV_MAX):
            _write_all(self._file, buffers[start : start + _IOV_MAX])
        os.fdatasync(self._file)
        metrics.spool_syncs_total.inc()
        self._file_bytes += sum(map(len, buffers))

    def _is_segment_old(self) -> bool:
        """So that stored events leave the disk in time also where few come."""
        return time.monotonic() - self._file_started_s > _SEGMENT_AGE_S

    def _start_segment(self) -> None:
        """
        Open a new file. Its name is never used again: time for the order, randomness against clocks that go back.

        TRICKY: it gets its name only when it is locked; a file with a name and no lock is sealed.
        """
        newest = max((_number(path) for path in segments(self._folder)), default=0)
        number = max(newest + 1, time.time_ns() // 1_000_000)
        path = self._folder / f"{number:016d}-{secrets.token_hex(6)}{_SUFFIX}"
        unborn = path.with_suffix(_UNBORN_SUFFIX)
        descriptor = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, [FILE_MAGIC])
            os.fdatasync(descriptor)
            unborn.rename(path)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                unborn.unlink()
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


class _Piece(msgspec.Struct, frozen=True):
    """
    What lies in one place of a segment: a record, or bytes that are none.

    ``end`` is the offset behind it; damaged bytes carry the time of the record before them.
    """

    path: Path
    end: int
    size: int
    received_at: int
    record: SpoolRecord | None
    damage: bytes


def _received_by(pieces: list[_Piece], newest: int) -> list[_Piece]:
    """The first pieces of one worker, up to the first that was received after ``newest``."""
    return list(itertools.takewhile(lambda piece: piece.received_at <= newest, pieces))


class SpoolReader:
    """
    Reads the records of all workers' folders and forgets what is stored. One process at a time; any of its threads.

    The checkpoint is written after ClickHouse confirmed. Losing it costs only time: records are read again and recognised
    as duplicates.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._lock = lock_folder(folder)
        self._checkpoint = folder / "checkpoint.json"
        self._progress = self._load_checkpoint()
        self._intended = dict(self._progress.intended)
        self._read: dict[str, int] = dict(self._progress.stored)
        self._foreign: set[str] = set()
        self._guard = threading.Lock()
        self.corrupt_bytes = 0

    def close(self) -> None:
        """Release the folder."""
        os.close(self._lock)

    def _load_checkpoint(self) -> _Progress:
        try:
            checkpoint = msgspec.json.decode(self._checkpoint.read_bytes(), type=_Checkpoint)
            if google_crc32c.value(bytes(checkpoint.state)) == checkpoint.crc32c:
                return msgspec.json.decode(checkpoint.state, type=_Progress)
        except FileNotFoundError:
            return _Progress()
        except (ValueError, RecursionError) as error:  # what decoding raises
            log.warning("checkpoint_damaged", error=str(error))
        log.warning("checkpoint_unreadable", effect="the spool is read again from its start")
        return _Progress()

    def _save_checkpoint(self) -> None:
        """Replace the checkpoint durably. Errors: OSError."""
        state = msgspec.json.encode(self._progress)
        temporary = self._checkpoint.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(
                msgspec.json.encode(_Checkpoint(google_crc32c.value(state), msgspec.Raw(state)))
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._checkpoint)
        sync_folder(self._folder)

    def _worker_folders(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.is_dir())

    def read(self, max_bytes: int) -> tuple[list[SpoolRecord], list[Position]]:
        """
        Return records not read yet, about ``max_bytes`` of them, and the positions behind them.

        The records of all workers in the order in which they were received, so that of two copies of an event the first
        is stored first, however much waits. After a crash the first answer is the block that was on its way then, record
        for record. Pass the positions to ``confirm`` once the records are stored.
        """
        with self._guard:
            if self._intended:
                intended, self._intended = self._intended, {}
                found = self._take(
                    [
                        list(self._segment_pieces(path, end, is_sealed=_is_sealed(path)))
                        for path, end in (
                            (self._folder / key, end) for key, end in sorted(intended.items())
                        )
                        if path.exists() and end > self._read.get(_key(path), 0)
                    ]
                )
                if found[1]:
                    return found
            folders = [folder for folder in self._worker_folders() if self._has_more(folder)]
            share = max(1, max_bytes // max(1, len(folders)))
            lines: list[list[_Piece]] = []
            newest = _END_OF_TIME
            for folder in folders:
                pieces, has_more = self._folder_pieces(folder, share)
                lines.append(pieces)
                if has_more:
                    newest = min(newest, max(piece.received_at for piece in pieces))
            return self._take([_received_by(pieces, newest) for pieces in lines])

    def _has_more(self, folder: Path) -> bool:
        """True when a worker's segments are longer than what was read of them."""
        return any(
            path.stat().st_size > self._read.get(_key(path), len(FILE_MAGIC))
            for path in segments(folder)
        )

    def _take(self, lines: list[list[_Piece]]) -> tuple[list[SpoolRecord], list[Position]]:
        """Count pieces as read; what is damaged is set aside now."""
        taken = [piece for pieces in lines for piece in pieces]
        ends: dict[str, int] = {}
        for piece in taken:
            key = _key(piece.path)
            ends[key] = self._read[key] = piece.end
            if piece.damage:
                self._set_aside(piece.path, piece.end - len(piece.damage), piece.damage)
        records = [piece.record for piece in taken if piece.record is not None]
        records.sort(key=lambda record: record.received_at)
        return records, [Position(key, end) for key, end in ends.items()]

    def _folder_pieces(self, folder: Path, max_bytes: int) -> tuple[list[_Piece], bool]:
        """Return what follows in one worker's segments, and whether there is more than ``max_bytes``."""
        found: list[_Piece] = []
        left = max_bytes
        paths = segments(folder)
        for path in paths:
            start = self._read.get(_key(path), len(FILE_MAGIC))
            is_sealed = path != paths[-1] or _is_sealed(path)
            for piece in self._segment_pieces(path, start + left, is_sealed=is_sealed):
                found.append(piece)
                left -= piece.size
            if left <= 0:
                return found, True
        return found, False

    def _segment_pieces(self, path: Path, limit: int, *, is_sealed: bool) -> Iterator[_Piece]:
        """
        Yield what follows in a segment, up to the piece that reaches ``limit`` bytes from its start; at least one.

        An unfinished record at the end of a live segment is left for later. In a sealed segment what does not check is a
        damaged piece, up to the next whole record.
        """
        start = self._read.get(_key(path), 0)
        with path.open("rb") as file:
            if start == 0:
                head = file.read(len(FILE_MAGIC))
                if len(head) < len(FILE_MAGIC) and not is_sealed:
                    return
                if head == FILE_MAGIC:
                    start = len(FILE_MAGIC)
                elif self._is_foreign(path, head, file.read(MAX_RECORD_BYTES)):
                    return
            file.seek(start)
            data = file.read(max(limit - start, _RECORD.size + MAX_RECORD_BYTES))
            is_whole_file = not file.read(1)
        at = 0
        received_at = 0
        while at < len(data) and (at == 0 or start + at < limit):
            payload = _payload_at(data, at)
            if payload is not None:
                size = _RECORD.size + len(payload)
                at += size
                try:
                    record = _decoder.decode(payload)
                except (ValueError, RecursionError):  # what decoding raises
                    yield _Piece(path, start + at, size, received_at, None, payload)
                else:
                    received_at = record.received_at
                    yield _Piece(path, start + at, size, received_at, record, b"")
                continue
            if not is_sealed:
                return
            if not is_whole_file and at and _may_go_on(data, at):
                return  # the rest of it comes with the next read
            skip_to = _next_record(data, at + 1, is_whole_file=is_whole_file)
            damage = data[at:skip_to]
            at = skip_to
            yield _Piece(path, start + at, len(damage), received_at, None, damage)

    def _is_foreign(self, path: Path, head: bytes, following: bytes) -> bool:
        """
        True for a segment of a later version: neither read nor deleted; its version will.

        A record of ours in it says that only the header is damaged.
        """
        if _key(path) in self._foreign:
            return True
        is_whole_file = len(following) < MAX_RECORD_BYTES
        if (
            head[:-1] != FILE_MAGIC[:-1]
            or not head[-1:].isdigit()
            or _next_record(following, 0, is_whole_file=is_whole_file) < len(following)
        ):
            return False
        self._foreign.add(_key(path))
        log.error(
            "spool_segment_of_another_version",
            segment=_key(path),
            hint="start the version of scenetrail that wrote it; the file is left alone",
        )
        return True

    def _set_aside(self, path: Path, offset: int, data: bytes) -> None:
        """Keep bytes that are no record, for a person to look at."""
        self.corrupt_bytes += len(data)
        metrics.spool_corrupt_bytes_total.inc(len(data))
        target = self._folder / f"corrupt-{path.parent.name}-{path.stem}-{offset}.bin"
        try:
            with open(target, "wb", opener=_private) as file:
                file.write(data)
        except OSError as error:  # a full disk must not keep the readable records waiting
            log.error("spool_bytes_not_kept", segment=_key(path), offset=offset, error=str(error))
        log.warning(
            "spool_bytes_unreadable",
            segment=_key(path),
            offset=offset,
            bytes=len(data),
            kept=target.name,
        )

    def intend(self, positions: list[Position]) -> None:
        """
        Remember that the block up to ``positions`` is about to be stored.

        A disk without room for that is no reason to wait: storing is what gives room back.
        """
        with self._guard:
            self._progress.intended = {p.segment: p.offset for p in positions}
            try:
                self._save_checkpoint()
            except OSError as error:
                log.warning("checkpoint_not_written", error=str(error))

    def confirm(self, positions: list[Position]) -> None:
        """
        Everything up to ``positions`` is stored: delete segments that are done, write the checkpoint.

        Errors: OSError; call it again then.
        """
        with self._guard:
            stored = self._progress.stored
            for position in positions:
                stored[position.segment] = max(position.offset, stored.get(position.segment, 0))
            self._progress.intended = {}
            self._forget_done_segments()
            self._save_checkpoint()

    def tidy(self) -> None:
        """Delete what was sealed after it was stored. Called while nothing else is to do."""
        with self._guard:
            if self._forget_done_segments():
                self._save_checkpoint()

    def _forget_done_segments(self) -> bool:
        """Delete sealed segments that are stored to their end; tell whether there was one."""
        known = set()
        is_changed = False
        for folder in self._worker_folders():
            paths = segments(folder)
            for path in paths:
                key = _key(path)
                is_sealed = path != paths[-1] or _is_sealed(path)
                done = self._progress.stored.get(key, len(FILE_MAGIC))
                if is_sealed and done >= path.stat().st_size and key not in self._foreign:
                    path.unlink()
                    is_changed = True
                else:
                    known.add(key)
        for key in set(self._progress.stored) - known:
            del self._progress.stored[key]
            self._read.pop(key, None)
        return is_changed

    def unstored_bytes(self) -> int:
        """Bytes in the spool that ClickHouse has not confirmed."""
        total = 0
        with self._guard:
            for folder in self._worker_folders():
                for path in segments(folder):
                    stored = self._progress.stored.get(_key(path), len(FILE_MAGIC))
                    total += max(0, path.stat().st_size - stored)
        return total

    def oldest_unstored_age_s(self, now_s: float) -> float:
        """Seconds since the oldest segment with something unstored was begun; 0 when all is stored."""
        oldest_s = now_s
        with self._guard:
            for folder in self._worker_folders():
                for path in segments(folder):
                    stored = self._progress.stored.get(_key(path), len(FILE_MAGIC))
                    if path.stat().st_size > stored:
                        oldest_s = min(oldest_s, _number(path) / 1000)
        return max(0.0, now_s - oldest_s)


def _number(path: Path) -> int:
    """What a segment's name begins with: about the epoch ms of its start."""
    return int(path.name.split("-")[0])


def _key(path: Path) -> str:
    """A segment's name within the spool."""
    return f"{path.parent.name}/{path.name}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_sealed(path: Path) -> bool:
    """True when no process appends to a segment any more: its lock is free."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


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


def _may_go_on(data: bytes, at: int) -> bool:
    """True when what stands at ``at`` may be a record whose end was not read yet."""
    if at + _RECORD.size > len(data):
        return _RECORD_MAGIC_BYTES.startswith(data[at : at + len(_RECORD_MAGIC_BYTES)])
    magic, length, _ = _RECORD.unpack_from(data, at)
    is_cut = at + _RECORD.size + length > len(data)
    return bool(magic == RECORD_MAGIC and length <= MAX_RECORD_BYTES and is_cut)


def _next_record(data: bytes, at: int, *, is_whole_file: bool) -> int:
    """Offset of the next whole record, or of one that may go on behind ``data``; else the end of ``data``."""
    while True:
        at = data.find(_RECORD_MAGIC_BYTES, at)
        if at < 0:
            break
        if _payload_at(data, at) is not None or (not is_whole_file and _may_go_on(data, at)):
            return at
        at += 1
    if not is_whole_file:
        for tail in range(len(_RECORD_MAGIC_BYTES) - 1, 0, -1):
            if data.endswith(_RECORD_MAGIC_BYTES[:tail]):
                return len(data) - tail
    return len(data)
