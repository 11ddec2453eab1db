"""
Stickiness (粘性): in how many days (hours, weeks) users were active, and how many of the month's users come each day.

A user is active in a ``unit`` (a calendar hour, day or week of the zone) with at least ``min_count`` events of ``active``
that pass the request's ``filter``.

- ``series``: for each period of ``interval`` (null: the whole range as one) the users by their number of active units, and
  those with at least as many. Only what lies in the range counts; a week that two months share counts in each with the
  events that lie there. With a breakdown each user of a period stands under one value: that of the first event there with
  any of the fields, among the events of active units, so rows add up.
- ``rolling``: for each calendar day that the range touches, ``dau``: active on it; ``wau`` and ``mau``: active on at least one
  of the 7 or 30 days that end with it, also before the range; and the ratios. Days whatever the ``unit``, whole ones, all
  values of the breakdown together. ``mature``: the day has ended by now.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.filters import all_of, filter_sql, selector_sql
from query_api.params import EventSelector, Query
from query_api.per_user import BreakdownCell
from query_api.periods import Periods, Range, local_day, periods_of, start_of_day_ms
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

WINDOWS = {"dau": 1, "wau": 7, "mau": 30}
"""Days that end with a day."""
MAX_DAYS = 1_000
MAX_UNITS = 4_294_967_295
_SERIES, _ROLLING = 1, 2
"""Rows of stickiness.counts."""


class StickinessQuery(Query, kw_only=True):
    """Stickiness: active ``unit``s of each ``interval`` (null: of the range). ``active``: which events count (absent: any)."""

    active: EventSelector = msgspec.field(default_factory=EventSelector)
    min_count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    unit: Literal["hour", "day", "week"] = "day"
    interval: Literal["day", "week", "month", "quarter"] | None = None


class StickinessCell(BreakdownCell, kw_only=True):
    """
    One number: of a period the users with ``units`` active units (``at_least``: or more; absent: all).

    ``time`` of the period, absent where ``interval`` is null. Or a ``metric`` of a ``day`` of ``rolling``.
    """

    time: Annotated[str, Meta(max_length=40)] | None = None
    units: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    at_least: bool = False
    day: Annotated[str, Meta(max_length=10)] | None = None
    metric: Literal["dau", "wau", "mau"] | None = None


def _periods(ask: Ask, query: StickinessQuery, range_: Range) -> Periods | None:
    if query.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, query.interval, ask.zone)


def _starts(periods: Periods | None, range_: Range) -> list[int]:
    return [range_.from_ms] if periods is None else list(periods.starts_ms[:-1])


def _where(query: StickinessQuery, bindings: Bindings) -> str:
    parts = [
        filter_sql(query.filter, "$.filter", bindings),
        selector_sql(query.active, "$.active", bindings),
    ]
    return all_of(parts)


def _days(ask: Ask, range_: Range) -> Periods:
    """Return the days that the range touches, and 29 before them."""
    day = local_day(range_.from_ms, ask.zone) - timedelta(days=WINDOWS["mau"] - 1)
    days = periods_of(start_of_day_ms(day, ask.zone), range_.to_ms, "day", ask.zone)
    if len(days.labels) > MAX_DAYS + WINDOWS["mau"] - 1:
        raise InvalidRequest("$.time_range", f"more than {MAX_DAYS} days: ask for a shorter range")
    return days


def _numbers(starts: list[int], first: int) -> list[int]:
    return list(range(first, first + len(starts)))


def _parts(
    ask: Ask,
    query: StickinessQuery,
    bindings: Bindings,
    range_: Range,
    *,
    whole_days: bool = False,
) -> str:
    """Return the SELECT of a user's events by unit and day: of the range, or of all days that rolling numbers look at."""
    units = periods_of(range_.from_ms, range_.to_ms, query.unit, ask.zone, path="$.unit")
    starts, unit_starts = _starts(_periods(ask, query, range_), range_), list(units.starts_ms[:-1])
    days = _days(ask, range_) if whole_days else None
    day_starts = [range_.from_ms] if days is None else list(days.starts_ms[:-1])
    bindings.named("range_from_ms", range_.from_ms, "Int64")
    bindings.named("range_to_ms", range_.to_ms, "Int64")
    bindings.named("starts", starts, "Array(Int64)")
    bindings.named("unit_starts", unit_starts, "Array(Int64)")
    bindings.named("day_starts", day_starts, "Array(Int64)")
    bindings.named("start_numbers", _numbers(starts, 1), "Array(UInt16)")
    bindings.named("unit_numbers", _numbers(unit_starts, 0), "Array(UInt16)")
    bindings.named("day_numbers", _numbers(day_starts, 0), "Array(UInt16)")
    bindings.named("min_count", query.min_count, "UInt32")
    where = _where(query, bindings)
    from_ms = range_.from_ms if days is None else days.starts_ms[0]
    to_ms = range_.to_ms if days is None else days.starts_ms[-1]
    numbers = load_sql("stickiness.numbers")
    if by_actor.pays(ask, bindings, where, keyed=True):
        first, of_person = per_user.first_of_actor(query, bindings)
        parts = by_actor.rows(
            ask,
            bindings,
            where,
            columns=source.listed(numbers, "count() AS events", first),
            keys=("bucket", "unit", "day"),
            of_person=of_person,
            from_ms=from_ms,
            to_ms=to_ms,
        )
        of_part = "event_key AS part_key,\nkey_order AS part_order"
        if not query.breakdown:
            of_part = f"{per_user.NO_KEY} AS part_key,\n{per_user.NO_KEY} AS part_order"
        return load_sql("stickiness.parts_by_actor", parts=parts, of_part=of_part)
    columns, read = ask.of_maps({"event_key": per_user.event_key(query, bindings)})
    return load_sql(
        "stickiness.parts",
        numbers=numbers,
        source=ask.computed(bindings, where, columns, from_ms=from_ms, to_ms=to_ms),
        **read,
        key_order=per_user.key_order(query),
        part_key=per_user.first_key(query),
        part_order="min(key_order)" if query.breakdown else per_user.NO_KEY,
    )


def _active(ask: Ask, query: StickinessQuery, bindings: Bindings) -> str:
    """Return the SELECT of (user, bucket, units, key) by itself."""
    parts = _parts(ask, query, bindings, ask.range)
    return _active_of(f"(\n{parts}\n)", query)


def _active_of(parts: str, query: StickinessQuery) -> str:
    """Return the SELECT of (user, bucket, units, key) that both the series and its users come from."""
    has_key = bool(query.breakdown)
    return load_sql(
        "stickiness.active",
        parts=parts,
        unit_key="argMin(part_key, part_order)" if has_key else per_user.NO_KEY,
        first_key="argMin(unit_key, unit_order)" if has_key else per_user.NO_KEY,
    )


def _rolling_of(parts: str) -> str:
    """Return the SELECT of (user, day, gap) that both the rolling numbers and their users come from."""
    return load_sql("stickiness.rolling", parts=parts)


async def answer(ask: Ask, query: StickinessQuery) -> Answer:
    """Answer the stickiness report."""
    result = await per_user.compared(ask, query, _counted, _result)
    return Answer(result=result, semantics=_semantics(query))


async def _counted(ask: Ask, query: StickinessQuery, top: list[Key] | None) -> list[Row]:
    bindings = ask.bindings()
    of_keys = load_sql("stickiness.of_keys", active=_active_of("parts", query))
    return await ask.fetch(
        "stickiness.counts",
        bindings,
        parts=_parts(ask, query, bindings, ask.range, whole_days=True),
        shown=per_user.shown(query, of_keys, top, bindings, "sum(users)"),
        rolling=_rolling_of("parts"),
    )


def _result(ask: Ask, query: StickinessQuery, rows: list[Row]) -> Row:
    return {
        "series": _series(ask, query, [row for row in rows if row["kind"] == _SERIES]),
        "rolling": _rolling_points(ask, [row for row in rows if row["kind"] == _ROLLING]),
    }


def _series(ask: Ask, query: StickinessQuery, rows: list[Row]) -> list[Row]:
    periods = _periods(ask, query, ask.range)
    found: dict[Key, dict[int, dict[int, int]]] = {} if query.breakdown else {(): {}}
    for row in rows:
        by_bucket = found.setdefault(breakdowns.unpack(row["key"]), {})
        by_bucket.setdefault(row["bucket"], {})[row["units"]] = row["users"]
    labels = [None] if periods is None else list(periods.labels)
    sizes = {k: sum(sum(u.values()) for u in by.values()) for k, by in found.items()}
    return [
        {
            **breakdowns.describe(key, query.breakdown),
            "points": [
                _point(label, found[key].get(bucket, {}))
                for bucket, label in enumerate(labels, start=1)
            ],
        }
        for key in per_user.ordered(sizes)
    ]


def _point(label: str | None, users_by_units: dict[int, int]) -> Row:
    all_users = sum(users_by_units.values())
    rows = []
    at_least = all_users
    for units in range(1, max(users_by_units, default=0) + 1):
        users_there = users_by_units.get(units, 0)
        rows.append(
            {
                "units": units,
                "users": users_there,
                "share": users_there / all_users,
                "at_least": at_least,
                "at_least_share": at_least / all_users,
            }
        )
        at_least -= users_there
    active_units = sum(units * count for units, count in users_by_units.items())
    return {
        "time": label,
        "users": all_users,
        "mean_units": active_units / all_users if all_users else None,
        "mean_units_numerator": active_units,
        "mean_units_denominator": all_users,
        "units": rows,
    }


def _rolling_points(ask: Ask, rows: list[Row]) -> list[Row]:
    days = _days(ask, ask.range)
    found = {(row["day"], row["days"]): row["users"] for row in rows}
    points = []
    for day in range(WINDOWS["mau"] - 1, len(days.labels)):
        dau, wau, mau = (found.get((day, window), 0) for window in WINDOWS.values())
        points.append(
            {
                "day": days.labels[day],
                "dau": dau,
                "wau": wau,
                "mau": mau,
                "dau_wau": dau / wau if wau else None,
                "dau_mau": dau / mau if mau else None,
                "wau_mau": wau / mau if mau else None,
                "mature": days.starts_ms[day + 1] <= ask.now_ms,
            }
        )
    return points


def _semantics(query: StickinessQuery) -> Row:
    return {
        "active": msgspec.to_builtins(query.active),
        "min_count": query.min_count,
        "unit": query.unit,
        "interval": query.interval,
        "active_is": "at least min_count events of `active` that pass `filter` in the unit (rolling: in the calendar day)",
        "calendar": "hours, days, weeks from Monday, months and quarters of the timezone",
        "series": "only what lies in the time range; a unit that two periods share counts in each with its events there",
        "rolling": "dau, wau, mau: active on at least one of the 1, 7, 30 calendar days that end with the day, also before "
        "the time range; all values of a breakdown together",
        "mature": "the day has ended by now",
        "breakdown_value": "of the user's first event in the period that has any of the fields, among the events of active "
        "units",
        "breakdown_order": "by users in the range, most first; the rest is `other`",
    }


async def users(ask: Ask, query: StickinessQuery, cell: StickinessCell) -> UserSelect:
    """Select the users of a number of a period, or of a day of ``rolling``."""
    bindings = ask.bindings()
    if cell.day is not None or cell.metric is not None:
        return _rolling_users(ask, query, cell, bindings)
    periods = _periods(ask, query, ask.range)
    if cell.time not in (periods.labels if periods else (None,)):
        raise InvalidRequest(
            "$.cell.time",
            "not the `time` of a point of this request; with interval null leave it out",
        )
    if cell.at_least and cell.units is None:
        raise InvalidRequest("$.cell.at_least", "needs units")
    top = await per_user.top_of(ask, query, _active) if cell.other else None
    active = per_user.with_other(_active(ask, query, bindings), top, bindings)
    in_key = per_user.in_key(cell, query, bindings)
    per_user.check_other(cell, top)
    bucket = periods.labels.index(cell.time or "") + 1 if periods else 1
    bindings.named("cell_bucket", bucket, "UInt16")
    bindings.named("least_units", cell.units or 1, "UInt32")
    most = MAX_UNITS if cell.at_least or cell.units is None else cell.units
    bindings.named("most_units", most, "UInt32")
    sql = load_sql("stickiness.users", active=active, in_key=in_key)
    return UserSelect("stickiness.users", sql, bindings)


def _rolling_users(
    ask: Ask, query: StickinessQuery, cell: StickinessCell, bindings: Bindings
) -> UserSelect:
    if cell.metric is None:
        raise InvalidRequest("$.cell.metric", "a day needs a metric: dau, wau or mau")
    given: dict[str, Any] = {
        "time": cell.time,
        "units": cell.units,
        "at_least": cell.at_least or None,
        "breakdown": cell.breakdown,
        "other": cell.other or None,
    }
    for name, value in given.items():
        if value is not None:
            raise InvalidRequest(f"$.cell.{name}", "not together with day and metric")
    days = _days(ask, ask.range)
    first = WINDOWS["mau"] - 1
    if cell.day not in days.labels[first:]:
        raise InvalidRequest("$.cell.day", "not a `day` of `rolling` of this request")
    parts = _parts(ask, query, bindings, ask.range, whole_days=True)
    bindings.named("cell_day", days.labels.index(cell.day or ""), "UInt16")
    bindings.named("cell_days", WINDOWS[cell.metric], "UInt8")
    sql = load_sql("stickiness.rolling_users", rolling=_rolling_of(f"(\n{parts}\n)"))
    return UserSelect("stickiness.rolling_users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series, period and number of units."""
    return [
        {"time": point["time"], **head, "period_users": point["users"], **units}
        for head, line in per_user.heads(result["series"])
        for point in line["points"]
        for units in point["units"]
    ]


def columns(query: StickinessQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = breakdowns.describe(OTHER, query.breakdown)
    return list(table({"series": [{**named, "points": [_point(None, {1: 1})]}]})[0])


REPORT = Report(
    name="stickiness",
    summary="Users by number of active days, and DAU, WAU, MAU with their ratios (粘性)",
    params=StickinessQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=StickinessCell,
    users=users,
)
