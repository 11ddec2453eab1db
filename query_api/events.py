"""
Events (事件分析): how often, by how many, how much; in periods, broken down, compared.

A measure counts the events of its name that pass its filter and the request's filter. Aggregates:

- ``count``: events. ``users``: distinct users. ``sessions``: distinct sessions (source.py says what a session is).
- ``sum avg min max p50 p90 p99``: of ``field`` over the events that have it as a number; null without such an event, but
  ``sum`` is 0 then. Percentiles are exact, interpolated linearly between neighbours (as numpy's default).
- ``per_user``: events for each user that has one; with ``field`` its sum for each user with an event of the measure.

A measure with ``cumulative`` counts, in each point, from the beginning of the range to the point's end; one with
``trailing_days`` the so many calendar days that end with the point's last one, also before the range. Users are distinct
over that whole time. Not for ``sessions`` and percentiles.

``total`` is computed over the whole range from the same rows: its users are distinct over the range, which is not the sum
of the days. ``avg`` and ``per_user`` stand with their ``<as>_numerator`` and ``<as>_denominator``. Periods are calendar
periods of the zone; the first and last count only what lies in the range.
"""

from __future__ import annotations

import msgspec

from query_api import attributes, breakdowns, formula, per_user, source, sums
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.events_plan import (
    RATES,
    EventsCell,
    EventsQuery,
    Plan,
    plan_of,
    points_sql,
    rows_sql,
)
from query_api.events_windows import Windowed, earliest_ms, window_of, windowed_values
from query_api.periods import Periods, Range, periods_of, start_of_cell
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

MAX_POINTS = 200_000
"""Periods times series of one answer."""


def _periods(query: EventsQuery, ask: Ask, range_: Range) -> Periods | None:
    if query.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, query.interval, ask.zone)


async def _top(ask: Ask, query: EventsQuery) -> list[Key] | None:
    """Return the values that the answer shows by themselves, for what cannot find them among its own rows."""
    if not query.breakdown:
        return None
    bindings = ask.bindings()
    plan = plan_of(query, bindings)
    # Values seen only before the range have points as well.
    from_ms = earliest_ms(ask, query.measures, ask.range, _periods(query, ask, ask.range))
    events = ask.alone(bindings, plan.where, from_ms=from_ms, to_ms=ask.range.to_ms)
    return await breakdowns.most_frequent(ask, events, plan.key, bindings)


async def answer(ask: Ask, query: EventsQuery) -> Answer:
    """Answer the events report."""
    periods = _periods(query, ask, ask.range)
    # Values seen only before the range are in no row of events.points.
    top = await _top(ask, query) if query.reaches_back() else None

    async def result_of(one: Ask) -> Row:
        nonlocal top
        periods_there = _periods(query, one, one.range)
        series, top = await _series(one, query, one.range, periods_there, top)
        return {"series": series}

    result = await with_comparison(ask, query.compare, result_of)
    if periods is not None and (periods.starts_ms[0], periods.starts_ms[-1]) != (
        ask.range.from_ms,
        ask.range.to_ms,
    ):
        ask.warn(
            "partial_period",
            "the first or last period reaches beyond the time range; it counts only what lies in it",
        )
    return Answer(
        result=result,
        semantics={
            "measures": [
                {**msgspec.to_builtins(m), "as": name}
                for m, name in zip(
                    query.measures, plan_of(query, ask.bindings()).names, strict=True
                )
            ],
            "interval": query.interval,
            "weeks_start": "monday",
            "formula": query.formula,
            "session": source.SESSION_DEFINITION,
            "percentiles": "exact, interpolated linearly",
            "sums": sums.MEANING,
            "cumulative": "a point counts from the beginning of the range to its end; users are distinct over all of that",
            "trailing_days": "a point counts the calendar days that end with its last one, also before the range; users are "
            "distinct over them, not added up; the total counts the range, as without it",
            "total": "over the whole range: users and sessions are distinct over it, not the sum of the points",
            "breakdown_order": "by events that the measures count (with trailing_days also before the range), "
            "most first; the rest is `other`",
        },
        truncated=False,
    )


async def _series(
    ask: Ask, query: EventsQuery, range_: Range, periods: Periods | None, top: list[Key] | None
) -> tuple[list[Row], list[Key] | None]:
    """
    Return a line for each value shown, and these values: what a comparison shows as well.

    ``top``: the values to show; None: the most frequent of the range, or, where measures reach back, all.
    """
    bindings = ask.bindings()
    plan = plan_of(query, bindings)
    # Without an interval everything lies in one period, which is the total.
    bindings.named(
        "starts", list(periods.starts_ms[:-1]) if periods else [range_.from_ms], "Array(Int64)"
    )
    has_silent = plan.needs_sessions and await ask.has_any(
        source.SILENT, range_.from_ms, range_.to_ms
    )
    sql = points_sql(ask, bindings, query, plan, range_, top, has_silent=has_silent)
    rows = (await ask.run("events.points", sql, bindings, source.GROUPED_ON_SHARDS)).rows
    if query.breakdown and top is None and not query.reaches_back():
        top = per_user.keys_of(rows)
    found: dict[Key, dict[int, Row]] = {}
    for row in rows:
        found.setdefault(breakdowns.unpack(row["key"]), {})[row["bucket_ms"]] = row
    windowed: Windowed = {}
    if periods is not None:
        _check_points(max(len(found), len(top or ())), periods)
        windowed = await windowed_values(ask, query, range_, periods, top)
    for key in windowed if query.breakdown else [()]:
        found.setdefault(key, {})
    if periods is not None:
        _check_points(len(found), periods)
    lines = {
        key: {
            **breakdowns.describe(key, query.breakdown),
            "points": _points(query, plan, periods, by_bucket, windowed.get(key, {})),
            "total": _values(query, plan, by_bucket.get(0)),
        }
        for key, by_bucket in found.items()
    }
    first = plan.names[0]

    def rank(key: Key) -> tuple[bool, float, Key]:
        line = lines[key]
        return line["other"], -(line["total"][first] or 0), key

    return [lines[key] for key in sorted(lines, key=rank)], top


def _check_points(series: int, periods: Periods) -> None:
    if series * len(periods.labels) > MAX_POINTS:
        raise InvalidRequest(
            "$.breakdown_limit", f"more than {MAX_POINTS} points: fewer series or longer periods"
        )


def _points(
    query: EventsQuery,
    plan: Plan,
    periods: Periods | None,
    by_bucket: dict[int, Row],
    windowed: dict[int, Row],
) -> list[Row]:
    """Return a point for each period; ``by_bucket``: rows by its start, ``windowed``: values by its number."""
    if periods is None:
        return []
    return [
        {"time": label, **_values(query, plan, by_bucket.get(start), windowed.get(number))}
        for number, (label, start) in enumerate(
            zip(periods.labels, periods.starts_ms, strict=False)
        )
    ]


def _values(query: EventsQuery, plan: Plan, row: Row | None, windowed: Row | None = None) -> Row:
    """
    Return the measures of one point by name; a point without events has zero counts and null values.

    ``windowed``: what stands in place of the period's own for measures that count more than it.
    """
    values: Row = {}
    own = row
    for i, (name, measure) in enumerate(zip(plan.names, query.measures, strict=True)):
        aggregate = measure.aggregate
        row = windowed if measure.is_windowed() and windowed is not None else own
        if aggregate in RATES:
            numerator = row[f"m{i}_numerator"] if row else 0
            denominator = row[f"m{i}_denominator"] if row else 0
            values[name] = numerator / denominator if denominator else None
            values[f"{name}_numerator"] = numerator
            values[f"{name}_denominator"] = denominator
        elif row is not None:
            values[name] = row[f"m{i}"]
        else:
            values[name] = 0 if aggregate in ("count", "users", "sessions", "sum") else None
    if plan.formula is not None:
        values["formula"] = formula.evaluate(plan.formula, values)
    return values


async def users(ask: Ask, query: EventsQuery, cell: EventsCell) -> UserSelect:
    """Select the users of a number of the answer: those with an event that it counts."""
    bindings = ask.bindings()
    plan = plan_of(query, bindings)
    measure = plan.names[0] if cell.measure is None else cell.measure
    if measure not in plan.names:
        raise InvalidRequest(
            "$.cell.measure", f"no such measure; there are {', '.join(plan.names)}"
        )
    periods = _periods(query, ask, ask.range)
    bucket_ms = start_of_cell(periods, cell.time)
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    # Only "other" depends on which values are the most frequent.
    top = await _top(ask.asked, query) if cell.other else None
    if cell.other and top is None:
        raise InvalidRequest("$.cell.other", "this answer has no `other`: all values are shown")
    bindings.named(
        "starts", list(periods.starts_ms[:-1]) if periods else [ask.range.from_ms], "Array(Int64)"
    )
    i = plan.names.index(measure)
    range_ = ask.range
    if cell.time is not None and periods is not None and query.measures[i].is_windowed():
        range_ = window_of(
            ask, query.measures[i], ask.range, periods, periods.labels.index(cell.time)
        )
        bucket_ms = 0
    bindings.named("cell_bucket_ms", bucket_ms, "Int64")
    return UserSelect(
        "events.users",
        load_sql(
            "events.users",
            rows=per_user.with_other(
                rows_sql(
                    ask, bindings, plan, range_, only_users=True, flags={"counts": plan.counted[i]}
                ),
                top,
                bindings,
            ),
            is_measure="counts",
            in_key="1" if key is None else f"key = {bindings.add(breakdowns.pack(key), 'String')}",
        ),
        bindings,
    )


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series and period; without periods one for each series."""
    rows = []
    for line in result["series"]:
        head = {**line["breakdown"], **({"other": line["other"]} if line["breakdown"] else {})}
        points = line["points"] or [line["total"]]
        rows += [{**({"time": p["time"]} if "time" in p else {}), **head, **p} for p in points]
    return rows


def columns(query: EventsQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    plan = plan_of(query, Bindings(query.scheme, attributes.named_in(query)))
    values = _values(query, plan, None)
    points = [] if query.interval is None else [{"time": None, **values}]
    nothing = {**breakdowns.describe(OTHER, query.breakdown), "points": points, "total": values}
    return list(table({"series": [nothing]})[0])


REPORT = Report(
    name="events",
    summary="Counts, users, sums and percentiles of events in periods (事件分析)",
    params=EventsQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=EventsCell,
    users=users,
)
