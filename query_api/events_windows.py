"""
Measures whose points count more than their own period: cumulative, and over trailing days.

Measures of one window (cumulative, or so many days) are counted together: numbers that can be added come from one row for each
day, added up here; distinct users from ``events.window_users``. Called by events.py.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import msgspec

from query_api import breakdowns, per_user, source
from query_api.breakdowns import Key
from query_api.events_plan import (
    EventsQuery,
    Measure,
    plan_of,
    points_alone_sql,
    rows_sql,
)
from query_api.periods import Periods, Range, local_day, periods_of, start_of_day_ms
from query_api.report import Ask, Row
from query_api.sql import load_sql
from query_api.sums import added_in

Windowed: TypeAlias = dict[Key, dict[int, Row]]
"""Breakdown value and number of the point to ``m<i>`` columns, as a row of ``events.points`` has them."""
_EVER_DAYS = 1_000_000
"""Longer than any range: who came stays."""


def _from_ms(ask: Ask, days: int | None, range_: Range, end_ms: int) -> int:
    """Return where the window begins that ends at ``end_ms``; ``days`` None: cumulative."""
    if days is None:
        return range_.from_ms
    first = local_day(end_ms - 1, ask.zone) - timedelta(days=days - 1)
    return start_of_day_ms(first, ask.zone)


def window_of(ask: Ask, measure: Measure, range_: Range, periods: Periods, number: int) -> Range:
    """Return what the point of this number counts."""
    end_ms = min(periods.starts_ms[number + 1], range_.to_ms)
    return Range(_from_ms(ask, measure.trailing_days, range_, end_ms), end_ms)


def earliest_ms(ask: Ask, measures: list[Measure], range_: Range, periods: Periods | None) -> int:
    """Return the first instant that any point of these measures counts, or the total does."""
    firsts = [
        window_of(ask, measure, range_, periods, 0).from_ms
        for measure in measures
        if periods is not None and measure.is_windowed()
    ]
    return min([range_.from_ms, *firsts])


async def windowed_values(
    ask: Ask, query: EventsQuery, range_: Range, periods: Periods, top: list[Key] | None
) -> Windowed:
    """Return the values of all measures that count more than a point's own period."""
    windows: dict[int | None, list[int]] = {}
    for i, measure in enumerate(query.measures):
        if measure.is_windowed():
            windows.setdefault(measure.trailing_days, []).append(i)
    found = [
        (of_window, await _of_window(ask, query, range_, periods, top, days, of_window))
        for days, of_window in windows.items()
    ]
    values: Windowed = {}
    for key in {key: None for _, points in found for key in points}:
        for number in range(len(periods.labels)):
            row: Row = {}
            for of_window, points in found:
                # A breakdown value may have events in one window and none in another.
                row.update(
                    points[key][number] if key in points else _nothing(query.measures, of_window)
                )
            values.setdefault(key, {})[number] = row
    return values


def _nothing(measures: list[Measure], of_window: list[int]) -> Row:
    """Return the values of a window without events, named as in a row of ``events.points``."""
    row: Row = {}
    for i in of_window:
        values = _values(measures[i], i, i, {}, {}, [(0, 0)])
        row.update({name: number for name, [number] in values.items()})
    return row


async def _of_window(
    ask: Ask,
    query: EventsQuery,
    range_: Range,
    periods: Periods,
    top: list[Key] | None,
    days: int | None,
    of_window: list[int],
) -> Windowed:
    measures = [query.measures[i] for i in of_window]
    whole = Range(earliest_ms(ask, measures, range_, periods), range_.to_ms)
    calendar = periods_of(whole.from_ms, whole.to_ms, "day", ask.zone)
    number_of = {start: number for number, start in enumerate(calendar.starts_ms)}
    part = msgspec.structs.replace(query, measures=measures, formula=None)
    summed = await _by_day(ask, part, whole, calendar, top)
    users = await _user_changes(ask, part, whole, calendar, top, days)
    ends = [
        number_of[start_of_day_ms(local_day(min(end_ms, range_.to_ms) - 1, ask.zone), ask.zone)]
        for end_ms in periods.starts_ms[1:]
    ]
    windows = [(0 if days is None else max(0, end - days + 1), end) for end in ends]
    values: Windowed = {}
    for key in {**summed, **users}:
        by_day = {number_of[day]: row for day, row in summed.get(key, {}).items()}
        points: list[Row] = [{} for _ in windows]
        for j, (i, measure) in enumerate(zip(of_window, measures, strict=True)):
            changes = users.get(key, {}).get(j, {})
            for name, numbers in _values(measure, i, j, by_day, changes, windows).items():
                for point, number in zip(points, numbers, strict=True):
                    point[name] = number
        values[key] = dict(enumerate(points))
    return values


def _values(
    measure: Measure,
    i: int,
    j: int,
    by_day: dict[int, Row],
    changes: dict[int, int],
    windows: list[tuple[int, int]],
) -> dict[str, list[Any]]:
    """
    Put the days of each window together, named as in a row of ``events.points``.

    ``windows``: numbers of the first and the last day. ``changes``: how many users more, or fewer, there are from a day on.
    """

    def sums(column: str) -> list[float]:
        return added_in({day: row[column] for day, row in by_day.items()}, windows)

    aggregate = measure.aggregate
    active = added_in(changes, [(0, last) for _, last in windows])
    if aggregate == "users":
        return {f"m{i}": active}
    if aggregate == "per_user":
        return {f"m{i}_numerator": sums(f"m{j}"), f"m{i}_denominator": active}
    if aggregate == "avg":
        return {f"m{i}_{part}": sums(f"m{j}_{part}") for part in ("numerator", "denominator")}
    if aggregate in ("min", "max"):
        there = {day: row[f"m{j}"] for day, row in by_day.items() if row[f"m{j}"] is not None}
        ordered = sorted(there)
        numbers = [there[day] for day in ordered]
        extreme: Callable[..., Any] = min if aggregate == "min" else max
        return {
            f"m{i}": [
                extreme(
                    numbers[bisect_left(ordered, first) : bisect_right(ordered, last)], default=None
                )
                for first, last in windows
            ]
        }
    return {f"m{i}": sums(f"m{j}")}


async def _by_day(
    ask: Ask, part: EventsQuery, whole: Range, calendar: Periods, top: list[Key] | None
) -> dict[Key, dict[int, Row]]:
    """Return what can be added up: breakdown value and start of the day to columns."""
    measures = [(j, _amount(m)) for j, m in enumerate(part.measures) if m.aggregate != "users"]
    if not measures:
        return {}
    bindings = ask.bindings()
    plan = plan_of(part, bindings)
    bindings.named("starts", list(calendar.starts_ms[:-1]), "Array(Int64)")
    sql = points_alone_sql(ask, bindings, part, plan, whole, top, measures)
    rows = (await ask.run("events.points", sql, bindings, source.GROUPED_ON_SHARDS)).rows
    found: dict[Key, dict[int, Row]] = {}
    for row in rows:
        if row["bucket_ms"]:
            found.setdefault(breakdowns.unpack(row["key"]), {})[row["bucket_ms"]] = row
    return found


def _amount(measure: Measure) -> Measure:
    """Return what of a measure can be added up: of a rate for each user the events, or their sum."""
    if measure.aggregate != "per_user":
        return measure
    return msgspec.structs.replace(measure, aggregate="sum" if measure.field else "count")


async def _user_changes(
    ask: Ask,
    part: EventsQuery,
    whole: Range,
    calendar: Periods,
    top: list[Key] | None,
    days: int | None,
) -> dict[Key, dict[int, dict[int, int]]]:
    """Return for each breakdown value and measure how the number of users changes, by day number."""
    counted = [j for j, m in enumerate(part.measures) if m.aggregate in ("users", "per_user")]
    if not counted:
        return {}
    bindings = ask.bindings()
    plan = plan_of(part, bindings)
    bindings.named("starts", list(calendar.starts_ms[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(calendar.labels))), "Array(UInt16)")
    bindings.named("window_days", _EVER_DAYS if days is None else days, "Int32")
    rows = await ask.fetch(
        "events.window_users",
        bindings,
        rows=per_user.with_other(
            rows_sql(ask, bindings, plan, whole, only_users=True), top, bindings
        ),
        days=",\n".join(f"arraySort(groupUniqArrayIf(day, is_{j})) AS days_{j}" for j in counted),
        changes=",\n".join(
            load_sql("events.window_changes", active=f"days_{j}", changes=f"changes_{j}")
            for j in counted
        ),
    )
    return {
        breakdowns.unpack(row["key"]): {
            j: dict(zip(*row[f"changes_{j}"], strict=True)) for j in counted
        }
        for row in rows
    }
