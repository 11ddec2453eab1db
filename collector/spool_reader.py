"""
The spool's reading side, in the writer process: records of all workers as they came, and what is stored of them.

``spool`` appends. What a crash at each line does stands in DESIGN-spool.md.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import msgspec
import structlog

from collector import metrics
from collector.spool_folder import (
    is_segment_sealed,
    lock_folder,
    segment_key,
    segments,
    sync_folder,
)
from collector.spool_format import (
    FILE_MAGIC,
    FRAME_BYTES,
    MAX_RECORD_BYTES,
    SpoolRecord,
    decode,
    may_go_on,
    next_record,
    payload_at,
    payload_bytes,
)

log = structlog.get_logger()

_END_OF_TIME = 2**63


class _Checkpoint(msgspec.Struct, frozen=True):
    """``checkpoint.json``: ``state`` is a ``_Progress``, ``crc32c`` of its bytes: a flipped digit would skip records."""

    crc32c: int
    state: msgspec.Raw


class _Progress(msgspec.Struct):
    """Bytes per segment: stored in ClickHouse; and the ends of the block that was on its way when this was written."""

    stored: dict[str, int] = {}
    intended: dict[str, int] = {}


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
                        list(self._segment_pieces(path, end, is_sealed=is_segment_sealed(path)))
                        for path, end in (
                            (self._folder / key, end) for key, end in sorted(intended.items())
                        )
                        if path.exists() and end > self._read.get(segment_key(path), 0)
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
            path.stat().st_size > self._read.get(segment_key(path), len(FILE_MAGIC))
            for path in segments(folder)
        )

    def _take(self, lines: list[list[_Piece]]) -> tuple[list[SpoolRecord], list[Position]]:
        """Count pieces as read; what is damaged is set aside now."""
        taken = [piece for pieces in lines for piece in pieces]
        ends: dict[str, int] = {}
        for piece in taken:
            key = segment_key(piece.path)
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
            start = self._read.get(segment_key(path), len(FILE_MAGIC))
            is_sealed = path != paths[-1] or is_segment_sealed(path)
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
        start = self._read.get(segment_key(path), 0)
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
            data = file.read(max(limit - start, FRAME_BYTES + MAX_RECORD_BYTES))
            is_whole_file = not file.read(1)
        at = 0
        received_at = 0
        while at < len(data) and (at == 0 or start + at < limit):
            payload = payload_at(data, at)
            if payload is not None:
                size = FRAME_BYTES + len(payload)
                at += size
                try:
                    record = decode(payload)
                except (ValueError, RecursionError):  # what decoding raises
                    yield _Piece(path, start + at, size, received_at, None, payload)
                else:
                    received_at = record.received_at
                    yield _Piece(path, start + at, size, received_at, record, b"")
                continue
            if not is_sealed:
                return
            if not is_whole_file and at and may_go_on(data, at):
                return  # the rest of it comes with the next read
            skip_to = next_record(data, at + 1, is_whole_file=is_whole_file)
            damage = data[at:skip_to]
            at = skip_to
            yield _Piece(path, start + at, len(damage), received_at, None, damage)

    def _is_foreign(self, path: Path, head: bytes, following: bytes) -> bool:
        """
        True for a segment of a later version: neither read nor deleted; its version will.

        A record of ours in it says that only the header is damaged.
        """
        if segment_key(path) in self._foreign:
            return True
        is_whole_file = len(following) < MAX_RECORD_BYTES
        if (
            head[:-1] != FILE_MAGIC[:-1]
            or not head[-1:].isdigit()
            or next_record(following, 0, is_whole_file=is_whole_file) < len(following)
        ):
            return False
        self._foreign.add(segment_key(path))
        log.error(
            "spool_segment_of_another_version",
            segment=segment_key(path),
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
            log.error(
                "spool_bytes_not_kept", segment=segment_key(path), offset=offset, error=str(error)
            )
        log.warning(
            "spool_bytes_unreadable",
            segment=segment_key(path),
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
                key = segment_key(path)
                is_sealed = path != paths[-1] or is_segment_sealed(path)
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
                    stored = self._progress.stored.get(segment_key(path), len(FILE_MAGIC))
                    total += max(0, path.stat().st_size - stored)
        return total

    def oldest_unstored_age_s(self, now_s: float) -> float:
        """Seconds since the oldest record that ClickHouse has not confirmed was received; 0 when all are stored."""
        oldest_s = now_s
        with self._guard:
            for folder in self._worker_folders():
                for path in segments(folder):
                    stored = self._progress.stored.get(segment_key(path), len(FILE_MAGIC))
                    received_at = (
                        _received_at(path, stored) if path.stat().st_size > stored else None
                    )
                    if received_at is not None:
                        oldest_s = min(oldest_s, received_at / 1000)
                        break  # what follows is younger
        return max(0.0, now_s - oldest_s)


def _received_at(path: Path, offset: int) -> int | None:
    """When the record at an offset was received; None for bytes that are no whole record."""
    with path.open("rb") as file:
        file.seek(offset)
        frame = file.read(FRAME_BYTES)
        payload = payload_at(frame + file.read(payload_bytes(frame)), 0)
    try:
        return None if payload is None else decode(payload).received_at
    except (ValueError, RecursionError):  # what decoding raises
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
