"""
Waiting for what another thread or process does: until it is seen, never for a length of time.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

_LIMIT_S = 300.0
"""Far beyond what a slow machine needs: only a fault reaches it."""
_PAUSE_S = 0.02
"""
Between two looks. Nobody announces a port, a file or a row of another process, so one has to look again; the pause leaves
the processor to who is waited for, and no outcome depends on its length.
"""


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's first true value; fail after the limit."""
    deadline = time.monotonic() + _LIMIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {_LIMIT_S:g} s: {what}"
        time.sleep(_PAUSE_S)
    return value


async def until_async(condition: Callable[[], object], what: str) -> None:
    """Return when the condition holds, while the loop goes on; fail after the limit."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {_LIMIT_S:g} s: {what}"
        await asyncio.sleep(_PAUSE_S)
