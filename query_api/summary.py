"""
Summary (日报 周报 月报 季报): the numbers of each day, week, month or quarter, beside the period before and a year before.

Periods are whole calendar periods of the zone: all that the time range touches; weeks begin on Monday. ``previous_period`` is
the one directly before. ``previous_year`` is the same day (29 February: the 28th), month or quarter a year earlier; for weeks
the week 52 weeks earlier. The request's ``filter`` bounds what counts as an event. Numbers:

- ``users``: with an event of ``active`` (default: any). ``new_users``: whose first such event ever lies in the period.
- ``sessions``: whose first event lies in the period, followed for a day beyond the range; ``average_stay_ms``,
  ``median_stay_ms``: from the first to the last event of a session.
- ``page_views``, ``shares`` and ``sharers``, ``orders`` and ``payers``: events of ``page_view``, ``share``, ``order``, and
  their users. ``revenue``: the number in ``revenue`` added up over the orders. ``revenue_per_order``.

``change``: (now - then) / then for every number; null where then is 0 or the period has not ended (``mature``).

Days carry the Chinese holiday calendar (``day_type``, ``holiday``; holidays.py), longer periods how many days of each type they
have. With ``interval`` ``day``, ``day_types`` adds the days up by type and holiday.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api import by_actor, source
from query_api.bindings import Bindings
from query_api.errors import InvalidRequest
from query_api.fields import amount_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.holidays import DAY_TYPES, day_of
from query_api.order_keys import AT
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.periods import (
    DAY_MS,
    Periods,
    a_year_before,
    first_day,
    later,
    local_day,
    periods_of,
    start_of_day_ms,
)
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql
from query_api.sums import added

MAX_SUMMARY_PERIODS = 400
WEEKS_OF_A_YEAR = 52
LOOK_AROUND_MS = DAY_MS
"""How far sessions are followed beyond the periods."""
COUNTS = ("users", "new_users", "sessions", "page_views", "shares", "sharers", "orders", "payers")
STAYS = ("average_stay_ms", "median_stay_ms")
NUMBERS = (*COUNTS, *STAYS, "revenue", "revenue_per_order")
_SESSIONS = 4
_ACTIVITY = {
    1: ("users", "page_views", "shares", "sharers", "orders", "payers"),
    2: ("revenue",),
    3: ("new_users",),
    _SESSIONS: ("sessions", *STAYS),
}
"""Kinds of rows of summary.activity, and what each has."""
_AMOUNTS, _NO_AMOUNTS = "groupArrayIf(amount, is_order)", "emptyArrayFloat64()"
_NO_PERIOD = 65_535
"""Greater than the number of any period."""
_ADDITIVE = ("new_users", "sessions", "page_views", "shares", "orders", "revenue")


class SummaryQuery(Query, kw_only=True):
    """The summary by ``interval``; ``active``, ``page_view``, ``share``, ``order``, ``revenue`` say what counts as what."""

    interval: Literal["day", "week", "month", "quarter"] = "day"
    active: EventSelector = msgspec.field(default_factory=EventSelector)
    page_view: EventSelector = msgspec.field(
        default_factory=lambda: EventSelector(event="page_view")
    )
    share: EventSelector = msgspec.field(default_factory=lambda: EventSelector(event="share"))
    order: EventSelector = msgspec.field(default_factory=lambda: EventSelector(event="order_pay"))
    revenue: FieldName | None = "properties.amount"


class SummaryCell(Params, kw_only=True):
    """
    One number of a period: ``time`` of the period, of the range or one it is compared with.

    ``sessions``, ``page_views``: the users with at least one of them; the stay is that of the sessions.
    """

    time: Annotated[str, Meta(max_length=40)]
    metric: Literal["users", "new_users", "sessions", "page_views", "sharers", "payers"] = "users"


def _periods(ask: Ask, query: SummaryQuery) -> tuple[Periods, Periods]:
    """Return the periods of the range with the one before them as the first, and the periods that cover a year before."""
    day = first_day(local_day(ask.range.from_ms, ask.zone), query.interval)
    before_ms = start_of_day_ms(later(day, query.interval, -1), ask.zone)
    periods = periods_of(before_ms, ask.range.to_ms, query.interval, ask.zone)
    if len(periods.labels) > MAX_SUMMARY_PERIODS + 1:
        raise InvalidRequest(
            "$.time_range",
            f"more than {MAX_SUMMARY_PERIODS} periods: ask for a shorter range or a longer interval",
        )
    last = date.fromisoformat(periods.labels[-1])
    year_from = start_of_day_ms(_year_before(day, query), ask.zone)
    year_to = start_of_day_ms(later(_year_before(last, query), query.interval, 1), ask.zone)
    return periods, periods_of(year_from, year_to, query.interval, ask.zone)


def _year_before(day: date, query: SummaryQuery) -> date:
    """Return the first day of the period that one is compared with a year before."""
    if query.interval == "week":
        return day - timedelta(weeks=WEEKS_OF_A_YEAR)
    return a_year_before(day)


def _around(periods: Periods) -> dict[str, int]:
    """Return the range in which the sessions of periods are followed."""
    return {
        "from_ms": periods.starts_ms[0] - LOOK_AROUND_MS,
        "to_ms": periods.starts_ms[-1] + LOOK_AROUND_MS,
    }


def _conditions(query: SummaryQuery, bindings: Bindings) -> dict[str, str]:
    return {
        name: selector_sql(getattr(query, name), f"$.{name}", bindings)
        for name in ("active", "page_view", "share", "order")
    }


async def _numbers(ask: Ask, query: SummaryQuery, periods: Periods) -> dict[str, Row]:
    """Return the numbers of each period by its label."""
    found: dict[int, Row] = {start: {} for start in periods.starts_ms[:-1]}

    around = _around(periods)
    bindings = ask.bindings()
    bindings.named("starts", list(periods.starts_ms[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(periods.labels))), "Array(UInt16)")
    bindings.named("no_period", _NO_PERIOD, "UInt16")
    bindings.named("end_ms", periods.starts_ms[-1], "Int64")
    bindings.named("around_ms", around["from_ms"], "Int64")
    around_at = "fromUnixTimestamp64Milli({around_ms:Int64}, 'UTC')"
    where = filter_sql(query.filter, "$.filter", bindings)
    active = selector_sql(query.active, "$.active", bindings)
    ever = {"from_ms": 0, "to_ms": around["to_ms"]}
    activity = await ask.fetch(
        "summary.activity",
        bindings,
        parts=_parts(ask, query, bindings, f"{where} AND occurred_at >= {around_at}", **ever),
        before=_active_before(
            ask, bindings, f"{where} AND {active} AND occurred_at < {around_at}", **ever
        ),
    )
    silent = any(row["silent"] for row in activity)
    sessions = await _silent_sessions(ask, query, periods, around) if silent else []
    for row in activity:
        if row["kind"] != _SESSIONS or not silent:
            found[row["start_ms"]].update({name: row[name] for name in _ACTIVITY[row["kind"]]})
    for row in sessions:
        found[row.pop("start_ms")].update(row)
    return {
        label: _complete(found[start])
        for label, start in zip(periods.labels, periods.starts_ms, strict=False)
    }


def _parts(
    ask: Ask, query: SummaryQuery, bindings: Bindings, where: str, *, from_ms: int, to_ms: int
) -> str:
    """Return the SELECT of what each session adds to each period; by actor, where parts of actors can be put together."""
    conditions = _conditions(query, bindings)
    order = load_sql(
        "summary.order_events",
        order=conditions.pop("order"),
        amount=amount_sql(query.revenue, "$.revenue", bindings),
    )
    kinds = load_sql("summary.activity_events", **conditions)
    is_order = event_names_sql([query.order], bindings)

    def part(amounts: str) -> str:
        return load_sql("summary.part", number=by_actor.period_sql(), amounts=amounts)

    def parts(where: str, kinds: str, amounts: str) -> str:
        return by_actor.rows(
            ask,
            bindings,
            where,
            columns=part(amounts),
            keys=("place",),
            given=kinds,
            from_ms=from_ms,
            to_ms=to_ms,
        )

    with_order = source.listed(kinds, order)
    if not by_actor.pays(ask, bindings, where):
        events = ask.computed(bindings, where, with_order, from_ms=from_ms, to_ms=to_ms)
        return load_sql("summary.parts", part=part(_AMOUNTS), source=events)
    orders = parts(all_of([where, is_order]), with_order, _AMOUNTS)
    if is_order == "1":
        return orders
    # An amount lies in a map that is read of events of one name alone.
    others = parts(all_of([where, f"NOT ({is_order})"]), kinds, _NO_AMOUNTS)
    return f"{orders}\nUNION ALL\n{others}"


def _active_before(ask: Ask, bindings: Bindings, where: str, *, from_ms: int, to_ms: int) -> str:
    """Return the SELECT of users and times of active events, with the first of each user among them."""
    if not by_actor.pays(ask, bindings, where):
        columns = f"{AT} AS active_ms"
        return ask.computed(bindings, where, columns, from_ms=from_ms, to_ms=to_ms)
    columns = load_sql("summary.first_active")
    return by_actor.rows(ask, bindings, where, columns=columns, from_ms=from_ms, to_ms=to_ms)


async def _silent_sessions(
    ask: Ask, query: SummaryQuery, periods: Periods, around: dict[str, int]
) -> list[Row]:
    """Return the sessions of each period where some are to be cut."""
    bindings = ask.bindings()
    bindings.named("starts", list(periods.starts_ms[:-1]), "Array(Int64)")
    bindings.named("end_ms", periods.starts_ms[-1], "Int64")
    events = _in_sessions(ask, query, bindings, around)
    return await ask.fetch("summary.sessions", bindings, source=events)


def _in_sessions(ask: Ask, query: SummaryQuery, bindings: Bindings, around: dict[str, int]) -> str:
    """Return the SELECT of the events with the session that each belongs to."""
    where = filter_sql(query.filter, "$.filter", bindings)
    return source.with_sessions(
        bindings,
        ask.source(bindings, where, **around),
        ask.source(bindings, source.SILENT, **around),
    )


def _complete(row: Row) -> Row:
    orders, revenue = row.get("orders", 0), row.get("revenue", 0.0)
    return {
        **{name: row.get(name, 0) for name in COUNTS},
        **{name: row.get(name) for name in STAYS},
        "revenue": revenue,
        "revenue_per_order": revenue / orders if orders else None,
    }


async def answer(ask: Ask, query: SummaryQuery) -> Answer:
    """Answer the summary."""
    periods, year_before = _periods(ask, query)
    numbers = await _numbers(ask, query, periods)
    numbers_before = await _numbers(ask, query, year_before)
    points = []
    for i, label in enumerate(periods.labels[1:], start=1):
        mature = periods.starts_ms[i + 1] <= ask.now_ms
        then = _year_before(date.fromisoformat(label), query).isoformat()
        now = numbers[label]
        points.append(
            {
                "time": label,
                **_calendar(date.fromisoformat(label), query),
                **now,
                "mature": mature,
                "previous_period": _compared(
                    periods.labels[i - 1], now, numbers[periods.labels[i - 1]], mature
                ),
                "previous_year": _compared(then, now, numbers_before[then], mature),
            }
        )
    result: Row = {"points": points}
    if query.interval == "day":
        result["day_types"] = _day_types(points)
    if any(point.get("day_type", "") is None for point in points):
        ask.warn(
            "holidays_unknown", "the holidays of a year are announced at the end of the year before"
        )
    return Answer(result=result, semantics=_semantics(query))


def _compared(time: str, now: Row, then: Row, mature: bool) -> Row:
    return {
        "time": time,
        **then,
        "change": {
            name: (now[name] - then[name]) / then[name]
            if mature and then[name] and now[name] is not None
            else None
            for name in NUMBERS
        },
    }


def _calendar(day: date, query: SummaryQuery) -> Row:
    """Return what the holiday calendar says of a day, or of the days of a longer period."""
    if query.interval == "day":
        kind = day_of(day)
        return {
            "day_type": kind.day_type if kind else None,
            "holiday": kind.holiday if kind else None,
        }
    days: dict[str, int] = dict.fromkeys(DAY_TYPES, 0)
    end = later(day, query.interval, 1)
    while day < end:
        kind = day_of(day)
        if kind is None:
            return {"days": None}
        days[kind.day_type] += 1
        day += timedelta(days=1)
    return {"days": days}


def _day_types(points: list[Row]) -> list[Row]:
    """Add the days up by type and holiday; users are not additive, so they stand as the mean of a day."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for point in points:
        if point["day_type"] is not None:
            groups.setdefault((point["day_type"], point["holiday"] or ""), []).append(point)
    order: dict[Any, int] = {name: i for i, name in enumerate(DAY_TYPES)}
    return [
        {
            "day_type": day_type,
            "holiday": holiday or None,
            "days": len(days),
            "users_per_day": sum(day["users"] for day in days) / len(days),
            **{name: added(day[name] for day in days) for name in _ADDITIVE},
        }
        for (day_type, holiday), days in sorted(
            groups.items(), key=lambda group: (order[group[0][0]], group[0][1])
        )
    ]


def _semantics(query: SummaryQuery) -> Row:
    return {
        "interval": query.interval,
        **{
            name: msgspec.to_builtins(getattr(query, name))
            for name in ("active", "page_view", "share", "order")
        },
        "revenue": query.revenue,
        "calendar": "whole days, weeks from Monday, months or quarters of the timezone that the time range touches",
        "users": "with an event of `active` in the period",
        "new_users": "whose first event of `active` ever lies in the period",
        "sessions": "whose first event lies in the period; followed for a day before and after the periods asked for",
        "session": source.SESSION_DEFINITION,
        "stay": "last minus first event of a session",
        "revenue_is": "the number in `revenue` added up over the events of `order`",
        "previous_period": "the period directly before",
        "previous_year": "the same day (29 February: the 28th), month or quarter a year before; a week: 52 weeks before",
        "change": "(now - then) / then; null where then is 0 or the period has not ended",
        "holidays": "of mainland China as the State Council announces them; null for years not announced; weekend: "
        "free without a holiday; adjusted_workday: a Saturday or Sunday that is worked (调休)",
    }


_EVENTS_OF = {"users": "active", "page_views": "page_view", "sharers": "share", "payers": "order"}


async def users(ask: Ask, query: SummaryQuery, cell: SummaryCell) -> UserSelect:
    """Select the users of a number of a period."""
    periods = next((one for one in _periods(ask, query) if cell.time in one.labels), None)
    if periods is None:
        raise InvalidRequest("$.cell.time", "not the `time` of a period of this answer")
    number = periods.labels.index(cell.time)
    from_ms, to_ms = periods.starts_ms[number : number + 2]
    bindings = ask.bindings()
    if cell.metric == "sessions":
        bindings.named("cell_from_ms", from_ms, "Int64")
        bindings.named("cell_to_ms", to_ms, "Int64")
        events = _in_sessions(ask, query, bindings, _around(periods))
        sql = load_sql("summary.session_users", source=events)
        return UserSelect("summary.session_users", sql, bindings)
    where = filter_sql(query.filter, "$.filter", bindings)
    conditions = _conditions(query, bindings)
    if cell.metric == "new_users":
        bindings.named("cell_from_ms", from_ms, "Int64")
        events = ask.source(bindings, f"{where} AND {conditions['active']}", from_ms=0, to_ms=to_ms)
        return UserSelect(
            "summary.users_new", load_sql("summary.users_new", source=events), bindings
        )
    matches = conditions[_EVENTS_OF[cell.metric]]
    events = ask.source(bindings, where, from_ms=from_ms, to_ms=to_ms)
    sql = load_sql("summary.users", source=events, matches=matches)
    return UserSelect("summary.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each period, the compared numbers beside it."""
    rows = []
    for point in result["points"]:
        row = {name: point[name] for name in point if not name.startswith("previous_")}
        for name in ("previous_period", "previous_year"):
            then = point[name]
            row[f"{name}_time"] = then["time"]
            for number in NUMBERS:
                row[f"{name}_{number}"] = then[number]
                row[f"{name}_{number}_change"] = then["change"][number]
        rows.append(row)
    return rows


REPORT = Report(
    name="summary",
    summary="Day, week, month and quarter report with the previous period and year (日报 周报 月报)",
    params=SummaryQuery,
    answer=answer,
    table=table,
    cell=SummaryCell,
    users=users,
    refuses={
        "breakdown": "the summary has none; the events report breaks down",
        "compare": "every point has `previous_period` and `previous_year` already",
    },
)
