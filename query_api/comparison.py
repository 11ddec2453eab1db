"""
Comparison: the range before, or a year before, the one asked for. Pure, but for ``with_comparison``.

The one way through for every report: ``with_comparison`` for the answer, ``of_cell`` for the users of a compared number.
``previous_period``: as many days (or milliseconds, where instants were given) directly before; ``previous_year``: the same
days or local times a year earlier, 29 February becoming the 28th.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from query_api.errors import InvalidRequest
from query_api.params import Compare
from query_api.periods import Range, a_year_before, a_year_before_ms, rfc3339, start_of_day_ms
from query_api.report import Ask, Row


def range_before(range_: Range, compare: Compare, zone: ZoneInfo) -> Range:
    """
    Return the range to compare with.

    Errors: ``invalid_request`` where none is: a year before, the clocks were put forward over all of it.
    """
    before = _before(range_, compare, zone)
    if before.to_ms <= before.from_ms:
        raise InvalidRequest("$.compare", "the zone had no such time then: its clocks skipped it")
    return before


def _before(range_: Range, compare: Compare, zone: ZoneInfo) -> Range:
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
    ask: Ask, compare: Compare | None, result_of: Callable[[Ask], Awaitable[Row]]
) -> Row:
    """Return the result for the request's range, with ``compare``: that for the range before, and its ``time_range``."""
    result = await result_of(ask)
    if compare is not None:
        before = ask.during(range_before(ask.range, compare, ask.zone))
        result["compare"] = {
            "time_range": {
                "from": rfc3339(before.range.from_ms, ask.zone),
                "to": rfc3339(before.range.to_ms, ask.zone),
            },
            **await result_of(before),
        }
        ask.rows_read += before.rows_read
    return result


def of_cell(ask: Ask, compared: bool) -> Ask:
    """
    Return the question that a cell stands in: the request's own, or with ``compared`` that about the range before.

    Errors: ``invalid_request`` for a compared cell of a request that does not compare.
    """
    if not compared:
        return ask
    if ask.query.compare is None:
        raise InvalidRequest("$.compared", "only with `compare` in the request")
    return ask.during(range_before(ask.range, ask.query.compare, ask.zone))
