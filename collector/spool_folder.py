"""
The spool's folder: one in it for each worker, with segments named by the time of their start. Who appends holds a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from collector.file_lock import lock_within

SUFFIX = ".spool"
_LOCK = "lock"
_LOCK_PATIENCE_S = 1.0


class SpoolInUseError(Exception):
    """Another process appends to this folder."""


def lock_folder(folder: Path) -> int:
    """
    Take the folder for this process and return the lock's descriptor; it ends with the process.

    Errors: SpoolInUseError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # TRICKY: the reader takes a worker's lock for microseconds to see whether the worker lives; so look twice.
    if not lock_within(descriptor, _LOCK_PATIENCE_S):
        os.close(descriptor)
        raise SpoolInUseError(f"{folder} is in use by another process")
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
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)


def folder_bytes(folder: Path) -> int:
    """Bytes of all segments of one worker."""
    total = 0
    for path in segments(folder):
        with contextlib.suppress(FileNotFoundError):  # the writer deleted it meanwhile
            total += path.stat().st_size
    return total


def segment_number(path: Path) -> int:
    """What a segment's name begins with: about the epoch ms of its start."""
    return int(path.name.split("-")[0])


def segment_key(path: Path) -> str:
    """A segment's name within the spool."""
    return f"{path.parent.name}/{path.name}"


def is_segment_sealed(path: Path) -> bool:
    """True when no process appends to a segment any more: its lock is free."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
