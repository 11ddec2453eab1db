"""
The spool, an append-only log on disk that makes an answer of 200 true: its appending side, in a worker.

``spool_reader`` is the other side, in the writer process. What a crash at each line does, and the bytes on disk, stand in
DESIGN-spool.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import secrets
import threading
import time
from pathlib import Path
from typing import TypeAlias

import structlog

from collector import metrics
from collector.spool_folder import (
    SUFFIX,
    folder_bytes,
    lock_folder,
    segment_number,
    segments,
    sync_folder,
)
from collector.spool_format import FILE_MAGIC, FRAME_BYTES, SpoolRecord, encode, framed

log = structlog.get_logger()

_IOV_MAX = 512
"""Buffers in one writev; the kernel's limit is 1024 and a record takes two."""
_UNBORN_SUFFIX = ".new"
_SEGMENT_AGE_S = 30.0
_EXIT_COMMIT_FAILED = 70


class SpoolFullError(Exception):
    """A limit of bytes or of free disk is reached. Nothing was written; answer 503."""


class SpoolBrokenError(Exception):
    """The disk refused a write or a sync. The record is not durable; answer 503."""


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
        payload = encode(record)
        size = len(payload) + FRAME_BYTES
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
        size = sum(len(payload) + FRAME_BYTES for payload, _ in group)
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
            buffers += framed(payload)
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
        newest = max((segment_number(path) for path in segments(self._folder)), default=0)
        number = max(newest + 1, time.time_ns() // 1_000_000)
        path = self._folder / f"{number:016d}-{secrets.token_hex(6)}{SUFFIX}"
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
