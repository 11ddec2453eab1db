"""
Lifecycle (生命周期): the active users of each period by what they did before, and those who stayed away.

Periods are whole calendar days, weeks (from Monday), months or quarters of the zone: all that the time range touches. A
user is active in a period with at least one event of ``active`` that passes the request's ``filter``.

- ``new``: the user's first event ever lies in the period. Ever means in all of history, among those same events.
- ``returning``: active in the period and in the one before. ``resurrected``: active in it and earlier, not in the one before.
- ``dormant``: active in the period before, not in this one.

So active = new + returning + resurrected, and active of the period before = returning + dormant. A period is ``mature``
when it has ended by now. With a breakdown each user stands under one value: that of the first event ever, but before the end
of the range's last period, with any of the fields, so rows add up.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.filters import all_of, filter_sql, selector_sql
from query_api.params import EventSelector, Query
from query_api.per_user import BreakdownCell
from query_api.periods import (
    Periods,
    Range,
    first_day,
    later,
    local_day,
    periods_of,
    start_of_day_ms,
)
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

MAX_LIFECYCLE_PERIODS = 1_000
STATES = ("new", "returning", "resurrected", "dormant")
"""In the order of the numbers in lifecycle.states, from 1."""


class LifecycleQuery(Query, kw_only=True):
    """Lifecycle by ``interval``. ``active``: which events make a user active (absent: any)."""

    interval: Literal["day", "week", "month", "quarter"] = "day"
    active: EventSelector = msgspec.field(default_factory=EventSelector)


class LifecycleCell(BreakdownCell, kw_only=True):
    """
    One number of a point: ``time`` of the point and which number; without ``time`` those of any point, each once.

    ``gained``: the new and the resurrected, whom the growth index divides by the dormant.
    """

    time: Annotated[str, Meta(max_length=40)] | None = None
    state: Literal["new", "returning", "resurrected", "dormant", "active", "gained"]


def _periods(ask: Ask, query: LifecycleQuery, range_: Range) -> Periods:
    """Return the periods that the range touches, and the one before them as the first."""
    day = first_day(local_day(range_.from_ms, ask.zone), query.interval)
    before_ms = start_of_day_ms(later(day, query.interval, -1), ask.zone)
    periods = periods_of(before_ms, range_.to_ms, query.interval, ask.zone)
    if len(periods.labels) > MAX_LIFECYCLE_PERIODS + 1:
        raise InvalidRequest(
            "$.time_range",
            f"more than {MAX_LIFECYCLE_PERIODS} periods: ask for a shorter range or a longer interval",
        )
    return periods


def _states(ask: Ask, query: LifecycleQuery, bindings: Bindings) -> str:
    """Return the SELECT of (user, period, state, key) that both the points and their users come from."""
    periods = _periods(ask, query, ask.range)
    bindings.named("starts", [0, *periods.starts_ms[:-1]], "Array(Int64)")
    bindings.named("numbers", list(range(len(periods.starts_ms))), "Array(UInt16)")
    parts = [
        filter_sql(query.filter, "$.filter", bindings),
        selector_sql(query.active, "$.active", bindings),
    ]
    where = all_of(parts)
    to_ms = periods.starts_ms[-1]
    number = by_actor.period_sql()
    first_key = per_user.first_key(query)
    if by_actor.pays(ask, bindings, where, keyed=True):
        more, of_person = per_user.first_of_actor(query, bindings)
        sets, numbers = by_actor.sets(
            *(ask, bindings, where, number),
            more=more,
            of_person=of_person,
            from_ms=0,
            to_ms=to_ms,
        )
        active = load_sql(
            "lifecycle.active_by_actor", numbers=numbers, sets=sets, first_key=first_key
        )
    else:
        columns, read = ask.of_maps({"event_key": per_user.event_key(query, bindings)})
        active = load_sql(
            "lifecycle.active",
            number=number,
            source=ask.computed(bindings, where, columns, from_ms=0, to_ms=to_ms),
            **read,
            key_order=per_user.key_order(query),
            first_key=first_key,
        )
    return load_sql("lifecycle.states", active=active)


async def answer(ask: Ask, query: LifecycleQuery) -> Answer:
    """Answer the lifecycle report."""
    result = await per_user.compared(ask, query, _counted, _result)
    return Answer(result=result, semantics=_semantics(query))


async def _counted(ask: Ask, query: LifecycleQuery, top: list[Key] | None) -> list[Row]:
    bindings = ask.bindings()
    of_keys = load_sql("lifecycle.of_keys", states=_states(ask, query, bindings))
    shown = per_user.shown(query, of_keys, top, bindings, "sum(users)")
    return await ask.fetch("lifecycle.counts", bindings, shown=shown)


def _result(ask: Ask, query: LifecycleQuery, rows: list[Row]) -> Row:
    periods = _periods(ask, query, ask.range)
    counts: dict[Key, Counter[tuple[int, int]]] = {}
    for row in rows:
        of_key = counts.setdefault(breakdowns.unpack(row["key"]), Counter())
        of_key[row["period"], row["state"]] = row["users"]
    numbers = range(1, len(periods.labels))
    # Each user stands under one key, so the rows of a breakdown add up to all users.
    everyone: Counter[tuple[int, int]] = sum(counts.values(), Counter())
    result: Row = {"points": [_point(periods, n, everyone, ask.now_ms) for n in numbers]}
    if query.breakdown:
        result["series"] = [
            {
                **per_user.described(key, query),
                "points": [_point(periods, n, counts[key], ask.now_ms) for n in numbers],
            }
            for key in per_user.ordered({k: c.total() for k, c in counts.items()})
        ]
    return result


def _point(periods: Periods, number: int, counts: Counter[tuple[int, int]], now_ms: int) -> Row:
    new, returning, resurrected, dormant = (
        counts[number, state] for state in range(1, len(STATES) + 1)
    )
    gained = new + resurrected
    return {
        "time": periods.labels[number],
        "active": new + returning + resurrected,
        "new": new,
        "returning": returning,
        "resurrected": resurrected,
        "dormant": dormant,
        "growth_index": gained / dormant if dormant else None,
        "growth_index_numerator": gained,
        "growth_index_denominator": dormant,
        "mature": periods.starts_ms[number + 1] <= now_ms,
    }


def _semantics(query: LifecycleQuery) -> Row:
    return {
        "interval": query.interval,
        "active": msgspec.to_builtins(query.active),
        "active_is": "at least one event of `active` that passes `filter`, in the whole calendar period",
        "calendar": "whole days, weeks from Monday, months or quarters of the timezone that the time range touches",
        "new": "the first such event ever, in all of history, lies in the period",
        "returning": "active in the period and in the one before",
        "resurrected": "active in the period and earlier, but not in the one before",
        "dormant": "active in the period before, not in this one",
        "growth_index": "(new + resurrected) / dormant",
        "mature": "the period has ended by now",
        "breakdown_value": "of the user's first such event before the end of the range that has any of the fields",
        "breakdown_order": "by states of users in the range, most first; the rest is `other`",
    }


async def users(ask: Ask, query: LifecycleQuery, cell: LifecycleCell) -> UserSelect:
    """Select the users of a number of a point."""
    periods = _periods(ask, query, ask.range)
    labels = periods.labels[1:]
    if cell.time is not None and cell.time not in labels:
        raise InvalidRequest("$.cell.time", "not the `time` of a point of this request")
    top = await per_user.top_of(ask, query, _states) if cell.other else None
    bindings = ask.bindings()
    per_user.check_other(cell, top)
    states = per_user.with_other(_states(ask, query, bindings), top, bindings)
    states_of = {"active": STATES[:3], "gained": ("new", "resurrected")}
    wanted = [STATES.index(one) + 1 for one in states_of.get(cell.state, (cell.state,))]
    shown = range(1, len(labels) + 1) if cell.time is None else [labels.index(cell.time) + 1]
    bindings.named("cell_periods", list(shown), "Array(UInt16)")
    bindings.named("cell_states", wanted, "Array(UInt8)")
    sql = load_sql("lifecycle.users", states=states, in_key=per_user.in_key(cell, query, bindings))
    return UserSelect("lifecycle.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series and period."""
    lines = result.get("series", [result])
    return [{**head, **point} for head, line in per_user.heads(lines) for point in line["points"]]


def columns(query: LifecycleQuery, result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = per_user.described(OTHER, query)
    return list(table({"series": [{**named, "points": result["points"]}]})[0])


REPORT = Report(
    name="lifecycle",
    summary="New, returning, resurrected and dormant users by period (生命周期)",
    params=LifecycleQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=LifecycleCell,
    users=users,
)
