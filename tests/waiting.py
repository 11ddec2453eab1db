"""
Waiting for what another thread or process does: until it is seen, never for a length of time.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

_LIMIT_S = 300.0
"""Far beyond what a slow machine needs: only a fault reaches it."""


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's first true value; fail after the limit."""
    deadline = time.monotonic() + _LIMIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {_LIMIT_S:g} s: {what}"
        time.sleep(0.02)
    return value


async def until_async(condition: Callable[[], object], what: str) -> None:
    """Return when the condition holds, while the loop goes on; fail after the limit."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {_LIMIT_S:g} s: {what}"
        await asyncio.sleep(0.01)
