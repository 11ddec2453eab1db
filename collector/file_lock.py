"""Locks on files (``flock``): they end with the process that holds them, also by ``kill -9``."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_S = 0.01
"""``flock`` waits for ever or not at all, so it is asked again."""


def lock_within(descriptor: int, limit_s: float) -> bool:
    """Lock an open file for as long as it is open; False where another holds it until the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)
        else:
            return True


@contextmanager
def one_at_a_time(path: Path, flags: int = 0) -> Iterator[None]:
    """Wait for the lock of a file, which is made where it is not there, and hold it. ``flags``: more of ``os.open``."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
