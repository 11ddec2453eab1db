"""
Comparison: the range before, or a year before, the one asked for. Pure, but for ``with_comparison``.

Called by the reports with ``compare``. ``previous_period``: as many days (or milliseconds, where instants were given)
directly before; ``previous_year``: the same days or local times a year earlier, 29 February becoming the 28th.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from query_api.periods import Range, a_year_before, a_year_before_ms, rfc3339, start_of_day_ms
from query_api.report import Ask, Row

Compare: TypeAlias = Literal["previous_period", "previous_year"]


def range_before(range_: Range, compare: Compare, zone: ZoneInfo) -> Range:
    """Return the range to compare with."""
    if range_.from_day is not None and range_.to_day is not None:
        if compare == "previous_year":
            return _days(a_year_before(range_.from_day), a_year_before(range_.to_day), zone)
        days = timedelta(days=(range_.to_day - range_.from_day).days + 1)
        return _days(range_.from_day - days, range_.to_day - days, zone)
    if compare == "previous_year":
        from_ms, to_ms = (a_year_before_ms(at, zone) for at in (range_.from_ms, range_.to_ms))
        return Range(from_ms, to_ms)
    length = range_.to_ms - range_.from_ms
    return Range(range_.from_ms - length, range_.from_ms)


def _days(from_day: date, to_day: date, zone: ZoneInfo) -> Range:
    return Range(
        start_of_day_ms(from_day, zone),
        start_of_day_ms(to_day + timedelta(days=1), zone),
        from_day,
        to_day,
    )


async def with_comparison(
    ask: Ask, compare: Compare | None, result_of: Callable[[Range], Awaitable[Row]]
) -> Row:
    """Return the result for the request's range, with ``compare``: that for the range before, and its ``time_range``."""
    result = await result_of(ask.range)
    if compare is not None:
        before = range_before(ask.range, compare, ask.zone)
        result["compare"] = {
            "time_range": {
                "from": rfc3339(before.from_ms, ask.zone),
                "to": rfc3339(before.to_ms, ask.zone),
            },
            **await result_of(before),
        }
    return result
