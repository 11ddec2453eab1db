"""
The spool of an instance that will not come back, taken over by another: ``scenetrail spool adopt``. Called by ``commands``.

Its segments are copied into this spool, durably, a folder for each worker's, and only then deleted there. The running writer
reads them like those of a worker, by ``received_at``; what the dead instance had stored already is recognised by its key.
So it may break off anywhere and be repeated, also after half a segment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from collector.spool_folder import lock_folder, segments, sync_folder

ADOPTED = "adopted"
"""Begins the name of such a folder; nobody appends there."""


class Adopted(Struct, frozen=True):
    """What was taken over: files and their bytes."""

    segments: int
    size_bytes: int


class AdoptError(Exception):
    """Cannot be done; the message says why and what to do."""


def adopt(dead_spool: Path, spool: Path) -> Adopted:
    """
    Move all segments of ``dead_spool`` into ``spool``.

    Errors: AdoptError; SpoolInUseError while a process of the other instance lives; OSError.
    """
    if not dead_spool.is_dir():
        raise AdoptError(f"{dead_spool} is no spool / 目录中没有缓冲: give the other data folder")
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    if dead_spool.samefile(spool):
        raise AdoptError(f"{dead_spool} is this instance's own spool / 不能接管自己的缓冲")
    number, size_bytes = 0, 0
    with ExitStack() as locks:
        workers = sorted(path for path in dead_spool.iterdir() if path.is_dir())
        for folder in (dead_spool, *workers):
            locks.callback(os.close, lock_folder(folder))
        origin = hashlib.sha256(str(dead_spool.resolve()).encode()).hexdigest()[:8]
        for folder in workers:
            # One for each, since a worker's segments are in the order in which they were received.
            target = spool / f"{ADOPTED}-{origin}-{folder.name.removeprefix(ADOPTED)}"
            target.mkdir(exist_ok=True, mode=0o700)
            _give_like(target, spool)
            sync_folder(spool)
            for path in segments(folder):
                size_bytes += path.stat().st_size
                _copy(path, target / path.name)
                path.unlink()
                number += 1
            sync_folder(folder)
    return Adopted(number, size_bytes)


def _give_like(path: Path, folder: Path) -> None:
    """Let the collector read what root adopts for it: the owner is that of the folder."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _copy(path: Path, to: Path) -> None:
    """Copy a file durably; it has its name only when it is whole."""
    unborn = to.with_suffix(".new")
    with path.open("rb") as source, unborn.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        shutil.copyfileobj(source, file, 1024 * 1024)
        file.flush()
        os.fsync(file.fileno())
    _give_like(unborn, to.parent)
    unborn.rename(to)
    sync_folder(to.parent)
