"""
Requests whose key or signature was refused, counted by the network they come from, a minute at a time.

Pure, apart from its state: at most ``MAX_NETWORKS`` counters. Only ever stands in the way of requests that are refused
anyway: a valid key from the same network is served.
"""

from __future__ import annotations

import math
from collections import Counter

WINDOW_S = 60.0
MAX_NETWORKS = 10_000
OTHERS = "others"
_SHOWN = 10


class RefusedKeys:
    """
    ``count`` each refusal; ``summary`` once the minute is over, or at the end.

    ``limit`` of a network and minute; 0: none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._began_s = 0.0
        self._counts: Counter[str] = Counter()

    def count(self, network: str, now_s: float) -> int:
        """Count one; return the seconds for which this network is over the limit, 0 when it is not."""
        if not self._counts:
            self._began_s = now_s
        if network not in self._counts and len(self._counts) >= MAX_NETWORKS:
            network = OTHERS
        self._counts[network] += 1
        if not self._limit or self._counts[network] <= self._limit:
            return 0
        return max(1, math.ceil(self._began_s + WINDOW_S - now_s))

    def summary(self, now_s: float = math.inf) -> dict[str, int]:
        """Return the networks with the most refusals when the minute is over, and begin a new one; else nothing."""
        if now_s - self._began_s < WINDOW_S:
            return {}
        most = dict(self._counts.most_common(_SHOWN))
        rest = self._counts.total() - sum(most.values())
        self._counts.clear()
        return most | ({OTHERS: most.get(OTHERS, 0) + rest} if rest else {})
