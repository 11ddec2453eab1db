"""A token bucket per app and worker: events a second, with room for two seconds at once. Pure, apart from its state."""

from __future__ import annotations

import math

_BURST_S = 2.0


class RateLimit:
    """``wait_s`` asks before a batch is kept, ``charge`` counts what was kept."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, app_id: str, events_per_s: int, now_s: float) -> int:
        """Whole seconds until the app may send again; 0 for now."""
        most = events_per_s * _BURST_S
        left, at_s = self._left.get(app_id, (most, now_s))
        left = min(most, left + (now_s - at_s) * events_per_s)
        self._left[app_id] = (left, now_s)
        return 0 if left > 0 else max(1, math.ceil(-left / events_per_s))

    def charge(self, app_id: str, events: int) -> None:
        """Take events off the bucket; a batch may overdraw it once."""
        if app_id in self._left:
            left, at_s = self._left[app_id]
            self._left[app_id] = (left - events, at_s)
