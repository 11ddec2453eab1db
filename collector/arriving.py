"""
How many bytes of request bodies a worker holds while they arrive. Pure, apart from its state.

Without a bound, a thousand slow clients with a known write key would fill the memory before any of their bodies is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Body:
    """One body that arrives."""

    def __init__(self, arriving: Arriving) -> None:
        self._arriving = arriving
        self.bytes = 0

    def take(self, size: int) -> bool:
        """
        Count ``size`` more bytes; False when this body must be given up.

        While there is room, every body may grow. Beyond ``max_bytes``, those are given up that hold more than an equal
        share: an ordinary client never does, whatever the others hold.
        """
        self.bytes += size
        self._arriving.bytes += size
        return (
            self._arriving.bytes <= self._arriving.max_bytes
            or self.bytes * self._arriving.bodies <= self._arriving.max_bytes
        )


class Arriving:
    """All bodies that arrive at one worker. ``bytes`` stays near ``max_bytes``, whoever sends."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.bodies = 0

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Count one body from its first byte until it was handed on or given up."""
        body = Body(self)
        self.bodies += 1
        try:
            yield body
        finally:
            self.bodies -= 1
            self.bytes -= body.bytes
