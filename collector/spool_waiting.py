"""
What waits in a spool, seen by another process than the writer that stores it. ``privacy`` asks before it removes anything.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from collector.spool_folder import segment_key, segments
from collector.spool_format import FILE_MAGIC


class CheckpointError(Exception):
    """The checkpoint says nothing; the message says what to do."""


def waiting_bytes(spool_dir: Path, ends: dict[str, int] | None = None) -> int:
    """
    Bytes of the spool that are not stored yet; ``ends``: only up to these.

    A segment that is gone was stored. Errors: CheckpointError.
    """
    stored = _stored(spool_dir)
    existing = segment_ends(spool_dir)
    wanted = existing if ends is None else ends
    return sum(
        max(0, end - max(stored.get(name, 0), len(FILE_MAGIC)))
        for name, end in wanted.items()
        if name in existing
    )


def segment_ends(spool_dir: Path) -> dict[str, int]:
    """Return the size of each segment by ``<worker>/<file>``."""
    if not spool_dir.is_dir():
        return {}
    found = {}
    for folder in spool_dir.iterdir():
        if folder.is_dir():
            for path in segments(folder):
                try:
                    found[segment_key(path)] = path.stat().st_size
                except FileNotFoundError:
                    continue  # stored and deleted meanwhile
    return found


class _State(Struct):
    stored: dict[str, int] = {}


class _Checkpoint(Struct):
    state: _State


def _stored(spool_dir: Path) -> dict[str, int]:
    try:
        content = (spool_dir / "checkpoint.json").read_bytes()
        return msgspec.json.decode(content, type=_Checkpoint).state.stored
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise CheckpointError(
            "the spool's checkpoint cannot be read; start scenetrail, which mends it, then repeat "
            "/ 缓冲检查点无法读取，请先启动 scenetrail"
        ) from error
