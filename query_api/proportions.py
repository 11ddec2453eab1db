"""
Intervals of proportions: Wilson's score interval, and Newcombe's for the difference of two. Pure; called by recall.py.

Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven methods",
Statistics in Medicine 17 (1998), 873-890, method 10 (score intervals without continuity correction). Unlike the textbook
(Wald) interval it stays within -1 to 1 and holds its level where few convert.
"""

from __future__ import annotations

import math

from msgspec import Struct

Z_95 = 1.959963984540054
"""Two-sided 95 %: the 0.975 quantile of the normal distribution."""


class Interval(Struct, frozen=True):
    """An estimate and the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float


def wilson(hits: int, of: int, z: float = Z_95) -> Interval:
    """Return hits/of with Wilson's score interval. ``of`` must not be 0."""
    share = hits / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    # Exact at the ends, where rounding would leave 1e-17.
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == of else centre + half
    return Interval(share, low, high)


def newcombe(hits: int, of: int, other_hits: int, other_of: int, z: float = Z_95) -> Interval:
    """Return hits/of minus other_hits/other_of with Newcombe's hybrid score interval. Neither denominator may be 0."""
    one, other = wilson(hits, of, z), wilson(other_hits, other_of, z)
    difference = one.estimate - other.estimate
    below = math.hypot(one.estimate - one.low, other.high - other.estimate)
    above = math.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(difference, max(-1.0, difference - below), min(1.0, difference + above))
