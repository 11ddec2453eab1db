"""
Report "funnel": how many users go from step to step within a window, how fast, and who drops out.

A user counts once, at the deepest level of any chain; the chain that gives times, entry date and breakdown is the one
with the earliest first event among the deepest, then the earliest second, and so on. Definition and proofs:
DESIGN-funnel.md; the readable reference: tests/reference/funnel.py. Called through ``reports.py``.
"""

from __future__ import annotations

from typing import Any

from query_api.breakdowns import describe, key_of_cell
from query_api.errors import InvalidRequest
from query_api.filters import Bindings
from query_api.funnel_params import FunnelCell, FunnelParams
from query_api.funnel_sql import ORDER_KEYS, OrderKey, user_events_sql, users_sql
from query_api.periods import Periods, periods_of
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

_S = 1_000
_MIN = 60 * _S
_HOUR = 60 * _MIN
_DAY = 24 * _HOUR
HISTOGRAM_FROM_MS = (
    *(0, _S, 2 * _S, 5 * _S, 10 * _S, 15 * _S, 30 * _S),
    *(_MIN, 2 * _MIN, 5 * _MIN, 10 * _MIN, 15 * _MIN, 30 * _MIN),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 60 * _DAY, 90 * _DAY, 180 * _DAY),
)
"""Lower ends of the bins, the same for every funnel, so that histograms can be compared and added."""


async def answer(ask: Ask, params: FunnelParams) -> Answer:
    """Answer with the steps over all, by breakdown (``groups``) and by entry date (``points``)."""
    params.check()
    periods = _periods(ask, params)
    rows = await _count(ask, params, periods)
    total = next(row for row in rows if row["all_keys"] and row["all_periods"])
    result: Row = {"steps": steps_of(params, total)}
    if params.breakdown:
        result["groups"] = [
            {
                **describe(tuple(row["shown_key"]), params.breakdown),
                "steps": steps_of(params, row),
            }
            for row in rows
            if not row["all_keys"] and row["all_periods"]
        ]
    if periods is not None:
        result["points"] = _points(ask, params, periods, rows)
    return Answer(result=result, semantics=semantics(params))


async def _count(ask: Ask, params: FunnelParams, periods: Periods | None) -> list[Row]:
    """Count with the cheapest key that decides the order of every user's events."""
    rows: list[Row] = []
    for order_key in ORDER_KEYS:
        bindings = ask.bindings()
        sql = users_sql(ask, params, bindings, order_key, _starts(periods))
        bindings.named("breakdown_limit", params.breakdown_limit, "UInt32")
        bindings.named("histogram_from_ms", list(HISTOGRAM_FROM_MS), "Array(Int64)")
        rows = await ask.fetch("funnel.count", bindings, users=sql)
        if rows[0]["undecided"] == 0:
            break
    return rows


def _periods(ask: Ask, params: FunnelParams) -> Periods | None:
    if params.interval is None:
        return None
    return periods_of(ask.range.from_ms, ask.range.to_ms, params.interval, ask.zone)


def _starts(periods: Periods | None) -> list[int]:
    return [0] if periods is None else list(periods.starts_ms[:-1])


def steps_of(params: FunnelParams, row: Row) -> list[Row]:
    """Shape one row of ``funnel.count`` as the steps of the answer."""
    users = [*row["users"], *[0] * (len(params.steps) - len(row["users"]))]
    steps: list[Row] = []
    for i, step in enumerate(params.steps):
        previous = users[i - 1] if i else users[0]
        steps.append(
            {
                "step": i + 1,
                "event": step.name(),
                "users": users[i],
                "previous_users": previous,
                "first_users": users[0],
                "rate_from_previous": users[i] / previous if previous else None,
                "rate_from_first": users[i] / users[0] if users[0] else None,
                "dropped": previous - users[i],
                "median_ms_from_previous": _time(row["median_ms"], i),
                "average_ms_from_previous": _time(row["average_ms"], i),
                "median_ms_from_first": _time(row["median_from_first_ms"], i),
                "average_ms_from_first": _time(row["average_from_first_ms"], i),
                "histogram": _histogram(row["histogram"], i, params.window.ms()),
            }
        )
    return steps


def _time(values: list[float], step: int) -> float | None:
    """Return the time of a step (from 0); None for the first step and for one that nobody reached."""
    return values[step - 1] if 1 <= step <= len(values) else None


def _histogram(bins: dict[int, int], step: int, window_ms: int) -> list[Row]:
    """Return the bins from the first to the last that has users; empty for the first step."""
    counts = {key % 100: users for key, users in bins.items() if key // 100 == step}
    if not counts:
        return []
    ends = [*HISTOGRAM_FROM_MS[1:], window_ms + 1]
    return [
        {
            "from_ms": HISTOGRAM_FROM_MS[place - 1],
            "to_ms": min(ends[place - 1], window_ms + 1),
            "users": counts.get(place, 0),
        }
        for place in range(min(counts), max(counts) + 1)
    ]


_NOBODY: Row = {
    "users": [],
    "median_ms": [],
    "average_ms": [],
    "median_from_first_ms": [],
    "average_from_first_ms": [],
    "histogram": {},
}


def _points(ask: Ask, params: FunnelParams, periods: Periods, rows: list[Row]) -> list[Row]:
    """Return one point for each period, also where nobody entered."""
    cells = {
        (None if row["all_keys"] else tuple(row["shown_key"]), row["period_ms"]): row
        for row in rows
        if not row["all_periods"]
    }
    keys = [tuple(row["shown_key"]) for row in rows if not row["all_keys"] and row["all_periods"]]
    points = []
    for i, label in enumerate(periods.labels):
        start_ms = periods.starts_ms[i]
        end_ms = min(periods.starts_ms[i + 1], ask.range.to_ms)
        point: Row = {
            "time": label,
            "mature": end_ms + params.window.ms() <= ask.now_ms,
            "steps": steps_of(params, cells.get((None, start_ms), _NOBODY)),
        }
        if params.breakdown:
            point["groups"] = [
                {
                    **describe(key, params.breakdown),
                    "steps": steps_of(params, cells.get((key, start_ms), _NOBODY)),
                }
                for key in keys
            ]
        points.append(point)
    return points


async def users(ask: Ask, params: FunnelParams, cell: FunnelCell) -> UserSelect:
    """Select the users of a cell: exactly as many as the answer shows."""
    params.check()
    if cell.step > len(params.steps):
        raise InvalidRequest("$.cell.step", f"there are {len(params.steps)} steps")
    periods = _periods(ask, params)
    key = key_of_cell(cell.breakdown, cell.other, params.breakdown)
    order_key = await _deciding_key(ask, params)
    bindings = ask.bindings()
    sql = users_sql(ask, params, bindings, order_key, _starts(periods))
    # The first step has none before it, so nobody dropped there: no level lies between 1 and 0.
    levels = (cell.step, len(params.steps))
    if cell.dropped:
        levels = (cell.step - 1, cell.step - 1) if cell.step > 1 else (1, 0)
    bindings.named("deepest_from", levels[0], "UInt8")
    bindings.named("deepest_to", levels[1], "UInt8")
    bindings.named("cell_period_ms", _cell_period_ms(cell, periods), "Int64")
    bindings.named("all_keys", key is None, "Bool")
    bindings.named("is_other", cell.other, "Bool")
    bindings.named("cell_key", list(key or ()), "Array(String)")
    bindings.named("breakdown_limit", params.breakdown_limit, "UInt32")
    return UserSelect("funnel.cell_users", load_sql("funnel.cell_users", users=sql), bindings)


async def _deciding_key(ask: Ask, params: FunnelParams) -> OrderKey:
    for order_key in ORDER_KEYS:
        bindings: Bindings = ask.bindings()
        user_events = user_events_sql(ask, params, bindings, order_key)
        if order_key == "event_id":
            break
        rows = await ask.fetch("funnel.undecided", bindings, user_events=user_events)
        if rows[0]["undecided"] == 0:
            return order_key
    return "event_id"


def _cell_period_ms(cell: FunnelCell, periods: Periods | None) -> int:
    if cell.time is None:
        return -1
    if periods is None:
        raise InvalidRequest("$.cell.time", "only with an interval in the request")
    if cell.time not in periods.labels:
        raise InvalidRequest("$.cell.time", "no `time` of the answer's points")
    return periods.starts_ms[periods.labels.index(cell.time)]


_BETWEEN = {
    "ordered": "any events may lie between",
    "strict": "no other event of the user, of any name, lies between; with a request `filter`, no other that passes it",
    "any": "the steps may come in any order; the window begins with the earliest event of the set, which lies in the "
    "time range; the level is the number of different steps, an event stands for one step only, and users of step n "
    "are those with at least n different steps",
}


def semantics(params: FunnelParams) -> Row:
    """Return the whole resolved definition with its declared axes."""
    return {
        "steps": params.steps,
        "window": params.window,
        "window_ms": params.window.ms(),
        "order": params.order,
        "exclusions": params.exclusions,
        "hold_constant": params.hold_constant,
        "breakdown_attribution": params.breakdown_attribution,
        "interval": params.interval,
        "counting_unit": "user, once, at the deepest level",
        "entry_rule": "best: of the deepest chains the one with the earliest first event, then the earliest second, and so on",
        "window_origin": "first event of the chain; the end is included; a day is 24 hours",
        "between": _BETWEEN[params.order],
        "tie_rule": "by occurred_at in ms, then seq, then event_id, then app_id: events of one millisecond have an order",
        "event_reuse": "none: the events of a chain are distinct",
        "repeated_steps": "allowed; each needs an event of its own",
        "end_of_range": "the first event lies in the time range, later ones may lie after it",
        "filter_effect": "the request's filter and apps restrict the log as a whole, for every step and between steps",
        "exclusion_effect": "a chain that holds both steps, with an excluded event strictly between them, is no chain; the "
        "user may count by another chain or at a lower level",
        "absent_held_value": "an event that lacks a held property is in no chain",
        "dropped": "users of the step before minus users of this one",
        "breakdown_rule": "each user is in one group: the values of the chain's event that breakdown_attribution names; "
        "null where the chain does not reach it; groups by users of step 1, the rest as other",
        "trend_rule": "each user is in one point: the period of the chain's first event",
        "mature": "the period and the window after it have ended by now",
        "times": "of the chain; median of an even number: the mean of the two in the middle",
        "histogram": "of the time from the step before; from_ms included, to_ms excluded",
    }


def table(result: Row) -> list[Row]:
    """Flatten: one row for each step of the whole, of each group and of each point."""
    rows: list[Row] = []

    def add(part: dict[str, Any], time: str | None, mature: bool | None) -> None:
        head = {
            "time": time,
            "mature": mature,
            **(part.get("breakdown") or {}),
            "other": part.get("other", False),
        }
        rows.extend({**head, **step} for step in part["steps"])

    add(result, None, None)
    for group in result.get("groups", []):
        add(group, None, None)
    for point in result.get("points", []):
        add(point, point["time"], point["mature"])
        for group in point.get("groups", []):
            add(group, point["time"], point["mature"])
    return rows


REPORT = Report(
    name="funnel",
    summary="Users and times from step to step within a window",
    params=FunnelParams,
    answer=answer,
    table=table,
    cell=FunnelCell,
    users=users,
)
