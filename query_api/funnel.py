"""
Report "funnel": how many users go from step to step within a window, how fast, and who drops out.

A user counts once, at the deepest level of any chain; the chain that gives times, entry date and breakdown is the one
with the earliest first event among the deepest, then the earliest second, and so on. Definition and proofs:
DESIGN-funnel.md; the readable reference: tests/reference/funnel.py. Called through ``reports.py``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from query_api.breakdowns import describe, key_of_cell
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.funnel_params import FunnelCell, FunnelParams, FunnelQuery, resolve
from query_api.funnel_sql import (
    KeyOf,
    has_step_sql,
    next_in_sql,
    next_names_sql,
    payload_bits,
    user_events_sql,
    users_sql,
)
from query_api.order_keys import OrderKey, decided
from query_api.periods import Periods, Range, local_day, periods_of, start_of_cell, start_of_day_ms
from query_api.presets import FUNNEL, FunnelAxes, Preset, differing
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


MAX_NEXT_ROWS = 100_000
"""Of all depths: as many different event names as an answer may have."""


async def answer(ask: Ask, query: FunnelQuery) -> Answer:
    """
    Answer with the steps over all, by breakdown (``groups``) and by entry date (``points``).

    With ``compare`` the same of another range; with ``compare_semantics`` the steps under other presets.
    """
    params, left_out = resolve(query, _axes(query.preset))
    if left_out:
        ask.warn("preset_axes_left_out", _left_out(query.preset, left_out))

    async def result_of(one: Ask) -> Row:
        return await _result(one, params, one.range)

    result = await with_comparison(ask, query.compare, result_of)
    meaning = semantics(params) | {"preset": None, "compare_semantics": query.compare_semantics}
    if query.preset is not None:
        meaning["preset"] = _preset_semantics(query.preset, left_out)
    if query.compare_semantics:
        result["compare_semantics"] = [
            await _under(ask, query, params, preset)
            for preset in dict.fromkeys(query.compare_semantics)
        ]
    return Answer(result=result, semantics=meaning)


def _axes(preset: Preset | None) -> FunnelAxes | None:
    return None if preset is None else FUNNEL[preset]


def axes_of(params: FunnelParams) -> Row:
    """Return the declared axes by name."""
    return {
        "window": msgspec.to_builtins(params.window),
        "window_counts": params.window_counts,
        "order": params.order,
        "entry": params.entry,
        "ties": params.ties,
        "exclusion_effect": params.exclusion_effect,
        "breakdown_attribution": params.breakdown_attribution,
    }


def _preset_semantics(preset: Preset, left_out: list[str]) -> Row:
    axes = FUNNEL[preset]
    return {
        "name": preset,
        "axes": axes.values(),
        "left_out": left_out,
        "not_expressed": list(axes.not_expressed),
        "source": axes.source,
    }


def _left_out(preset: str | None, names: list[str]) -> str:
    return f"{', '.join(names)} of {preset} cannot go with the rest of this request; the default is used instead"


def _params_under(query: FunnelQuery, preset: Preset) -> tuple[FunnelParams, list[str]]:
    """Return the funnel that ``compare_semantics`` counts under a preset, and the axes left out."""
    params, left_out = resolve(query, FUNNEL[preset])
    return (
        msgspec.structs.replace(params, breakdown=[], interval=None, dropped_next=0),
        left_out,
    )


async def _under(ask: Ask, query: FunnelQuery, here: FunnelParams, preset: Preset) -> Row:
    """Return the steps under a preset: axes that the request gives itself stay as they are."""
    params, left_out = _params_under(query, preset)
    rows = await _count(ask, params, None, ask.range)
    axes = axes_of(params)
    return {
        "preset": preset,
        "steps": steps_of(params, rows[0]),
        "axes": axes,
        "differs": differing(axes_of(here), axes),
        "left_out": left_out,
        "not_expressed": list(FUNNEL[preset].not_expressed),
        "source": FUNNEL[preset].source,
    }


async def _result(ask: Ask, params: FunnelParams, range_: Range) -> Row:
    periods = _periods(ask, params, range_)
    rows = await _count(ask, params, periods, range_)
    total = next(row for row in rows if row["all_keys"] and row["all_periods"])
    result: Row = {"steps": steps_of(params, total)}
    if params.dropped_next:
        await _add_next(ask, params, range_, result["steps"])
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
        result["points"] = _points(ask, params, periods, rows, range_)
    return result


async def _count(
    ask: Ask, params: FunnelParams, periods: Periods | None, range_: Range
) -> list[Row]:

    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        sql = users_sql(ask, params, bindings, order_key, _starts(periods), range_)
        bindings.named("breakdown_limit", params.breakdown_limit, "UInt32")
        bindings.named("histogram_from_ms", list(HISTOGRAM_FROM_MS), "Array(Int64)")
        return await ask.fetch(
            "funnel.count",
            bindings,
            users=sql,
            has_step=has_step_sql(params, "step"),
            **_TIMES["optional" if params.optional_steps() else "plain"],
        )

    rows, _ = await decided(ask_with, payload_bits(params))
    return rows


_TIMES = {
    "plain": {
        "step_ms": "passed_step_ms",
        "from_first_ms": "passed_first_ms",
        "timed_steps": "arrayEnumerate(passed_step_ms)",
    },
    # By step: a step that the chain skips has no time.
    "optional": {
        "step_ms": "arrayMap(step -> if(has(reached, step), passed_step_ms[indexOf(reached, step) - 1], NULL), "
        "range(2, {steps:UInt8} + 1))",
        "from_first_ms": "arrayMap(step -> if(has(reached, step), passed_first_ms[indexOf(reached, step) - 1], NULL), "
        "range(2, {steps:UInt8} + 1))",
        "timed_steps": "arrayMap(step -> step - 1, arrayPopFront(reached))",
    },
}


async def _add_next(ask: Ask, params: FunnelParams, range_: Range, steps: list[Row]) -> None:
    """Add to each step what those who dropped there did next, the most frequent first."""
    for step, shown in zip(steps, await _shown_next(ask, params, range_), strict=True):
        step["dropped_next"] = [
            {
                "event": name,
                "users": users,
                "share": users / step["dropped"],
            }
            for name, users in shown
        ]
        step["dropped_next_other"] = step["dropped"] - sum(users for _, users in shown)


async def _shown_next(
    ask: Ask, params: FunnelParams, range_: Range
) -> list[list[tuple[str | None, int]]]:
    """Return for each step the ``dropped_next`` most frequent next events of those who dropped there, with their users."""

    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        sql = users_sql(ask, params, bindings, order_key, [0], range_, "next_event")
        bindings.named("dropped_next", MAX_NEXT_ROWS, "UInt32")
        depth = "reached[-1]" if params.optional_steps() else "level"
        return await ask.fetch(
            "funnel.next", bindings, users=sql, depth=depth, names=next_names_sql()
        )

    rows, _ = await decided(ask_with, payload_bits(params))
    shown = []
    for number, before in enumerate(_required_before(params), 1):
        counts: dict[str | None, int] = {}
        # Who stopped at an optional step dropped at the required one after it.
        for row in rows:
            if not params.steps[number - 1].optional and before <= row["depth"] < number:
                name = row["next_event"] if row["has_next"] else None
                counts[name] = counts.get(name, 0) + row["users"]
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or ""))
        shown.append(ordered[: params.dropped_next])
    return shown


def _required_before(params: FunnelParams) -> list[int]:
    """Return for each step the last required step before it; the first step's is itself."""
    numbers = [1]
    for i in range(1, len(params.steps)):
        numbers.append(numbers[-1] if i > 1 and params.steps[i - 1].optional else i)
    return numbers


def _periods(ask: Ask, params: FunnelParams, range_: Range) -> Periods | None:
    if params.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, params.interval, ask.zone)


def _starts(periods: Periods | None) -> list[int]:
    return [0] if periods is None else list(periods.starts_ms[:-1])


def steps_of(params: FunnelParams, row: Row) -> list[Row]:
    """Shape one row of ``funnel.count`` as the steps of the answer."""
    users = [*row["users"], *[0] * (len(params.steps) - len(row["users"]))]
    before = _required_before(params)
    steps: list[Row] = []
    for i, step in enumerate(params.steps):
        previous = users[before[i] - 1]
        steps.append(
            {
                "step": i + 1,
                "event": step.name(),
                "optional": step.optional,
                "users": users[i],
                "previous_users": previous,
                "first_users": users[0],
                "rate_from_previous": users[i] / previous if previous else None,
                "rate_from_first": users[i] / users[0] if users[0] else None,
                "dropped": 0 if step.optional else previous - users[i],
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


def _points(
    ask: Ask, params: FunnelParams, periods: Periods, rows: list[Row], range_: Range
) -> list[Row]:
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
        end_ms = min(periods.starts_ms[i + 1], range_.to_ms)
        point: Row = {
            "time": label,
            "mature": _window_end_ms(ask, params, end_ms) <= ask.now_ms,
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


def _window_end_ms(ask: Ask, params: FunnelParams, end_ms: int) -> int:
    """Return when the last window that begins before ``end_ms`` has ended."""
    if params.window_counts == "elapsed":
        return end_ms + params.window.ms()
    last = local_day(end_ms - 1, ask.zone) + timedelta(days=params.window.value)
    return start_of_day_ms(last, ask.zone)


async def users(ask: Ask, query: FunnelQuery | FunnelParams, cell: FunnelCell) -> UserSelect:
    """Select the users of a cell: exactly as many as the answer shows."""
    if isinstance(query, FunnelParams):
        params = query
        params.check()
    else:
        params, _ = resolve(query, _axes(query.preset))
        if cell.preset is not None:
            if cell.preset not in query.compare_semantics:
                raise InvalidRequest("$.cell.preset", "not one of `compare_semantics`")
            params, _ = _params_under(query, cell.preset)
    if cell.step > len(params.steps):
        raise InvalidRequest("$.cell.step", f"there are {len(params.steps)} steps")
    key_of = _key_of(params, cell)
    periods = _periods(ask, params, ask.range)
    key = key_of_cell(cell.breakdown, cell.other, params.breakdown)
    order_key = await ask.deciding(
        lambda bindings, key: user_events_sql(ask, params, bindings, key, ask.range, key_of),
        payload_bits(params),
    )
    bindings = ask.bindings()
    sql = users_sql(ask, params, bindings, order_key, _starts(periods), ask.range, key_of)
    in_step = has_step_sql(params, str(cell.step))
    if cell.dropped:
        # The first step has none before it, and an optional one drops nobody.
        before = _required_before(params)[cell.step - 1]
        is_last = cell.step > 1 and not params.steps[cell.step - 1].optional
        in_step = f"{has_step_sql(params, str(before))} AND NOT {in_step}" if is_last else "0"
    if cell.next_other:
        shown = [name for name, _ in (await _shown_next(ask, params, ask.range))[cell.step - 1]]
        in_step += f" AND NOT {next_in_sql(shown, bindings)}"
    elif cell.next_event is not msgspec.UNSET:
        in_step += f" AND {next_in_sql([cell.next_event], bindings)}"
    period_ms = -1 if cell.time is None else start_of_cell(periods, cell.time)
    bindings.named("cell_period_ms", period_ms, "Int64")
    bindings.named("all_keys", key is None, "Bool")
    bindings.named("is_other", cell.other, "Bool")
    bindings.named("cell_key", list(key or ()), "Array(String)")
    bindings.named("breakdown_limit", params.breakdown_limit, "UInt32")
    return UserSelect(
        "funnel.cell_users", load_sql("funnel.cell_users", users=sql, in_step=in_step), bindings
    )


def _key_of(params: FunnelParams, cell: FunnelCell) -> KeyOf:
    """Return what the key of a cell's users is: their next event where the cell asks for that. Errors: ``invalid_request``."""
    for name, is_asked in (
        ("next_event", cell.next_event is not msgspec.UNSET),
        ("next_other", cell.next_other),
    ):
        if is_asked and (not cell.dropped or cell.other or cell.breakdown is not None):
            raise InvalidRequest(
                f"$.cell.{name}", "only with dropped, and with neither breakdown nor other"
            )
    if cell.next_other and (not params.dropped_next or cell.next_event is not msgspec.UNSET):
        raise InvalidRequest(
            "$.cell.next_other", "only with `dropped_next` in the request, and without next_event"
        )
    return "next_event" if cell.next_other or cell.next_event is not msgspec.UNSET else "breakdown"


_BETWEEN = {
    "ordered": "any events may lie between",
    "strict": "no other event of the user, of any name, lies between; with a request `filter`, no other that passes it",
    "any": "the steps may come in any order; the window begins with the earliest event of the set, which lies in the "
    "time range; the level is the number of different steps, an event stands for one step only, and users of step n "
    "are those with at least n different steps",
}


_ENTRY = {
    "best": "best: any step-1 event in the time range may begin the chain; of the deepest chains the one with the earliest "
    "first event, then the earliest second, and so on",
    "first": "first: only the user's first step-1 event in the time range that has what is held constant may begin the chain; "
    "then the deepest, then the earliest second event, and so on",
}
_WINDOW = {
    "elapsed": "first event of the chain; the end is included; a day is 24 hours",
    "calendar_days": "first event of the chain; the window ends with the calendar day of the timezone that is the value-th, "
    "that of the first event being the first",
}
_TIES = {
    "order": "by occurred_at in ms, then seq, then event_id, then app_id: events of one millisecond have an order",
    "apart": "an event follows only one of an earlier millisecond: events of one millisecond never convert",
    "any": "events of one millisecond may stand in a chain in any order; of several chains the earliest by occurred_at, seq, "
    "event_id",
    "any_of_day": "events of one calendar day may stand in a chain in any order; the time from one to an earlier one is 0",
}
_EXCLUSION = {
    "chain": "a chain that holds both steps, with an excluded event strictly between them, is no chain; the user may count by "
    "another chain or at a lower level",
    "user": "a user is in no step who at an excluded event stands between the two steps: a chain with its window still open "
    "has from_step before it, and none that begins as late or later has to_step before it",
}


def semantics(params: FunnelParams) -> Row:
    """Return the whole resolved definition with its declared axes."""
    meaning: Row = {
        "steps": params.steps,
        **axes_of(params),
        "window_ms": params.window.ms(),
        "exclusions": params.exclusions,
        "hold_constant": params.hold_constant,
        "interval": params.interval,
        "dropped_next": params.dropped_next,
        "counting_unit": "user, once, at the deepest level",
        "entry_rule": _ENTRY[params.entry] if params.order != "any" else _ENTRY["best"],
        "window_origin": _WINDOW[params.window_counts],
        "between": _BETWEEN[params.order],
        "tie_rule": _TIES[params.ties],
        "event_reuse": "none: the events of a chain are distinct",
        "repeated_steps": "allowed; each needs an event of its own",
        "end_of_range": "the first event lies in the time range, later ones may lie after it",
        "filter_effect": "the request's filter and apps restrict the log as a whole, for every step and between steps",
        "exclusion_rule": _EXCLUSION[params.exclusion_effect],
        "absent_held_value": "an event that lacks a held property is in no chain",
        "dropped": "users of the step before minus users of this one",
        "breakdown_rule": "each user is in one group: the values of the chain's event that breakdown_attribution names; "
        "null where the chain does not reach it; groups by users of step 1, the rest as other",
        "trend_rule": "each user is in one point: the period of the chain's first event",
        "mature": "the period and the window after it have ended by now",
        "times": "of the chain; median of an even number: the mean of the two in the middle",
        "histogram": "of the time from the step before; from_ms included, to_ms excluded",
    }
    if params.optional_steps():
        meaning["optional_steps"] = (
            "a chain may skip an optional step: its events match steps in order, with every required step up to its last. "
            "The chain that counts goes to the latest step, then holds the most steps, then is the earliest, then holds the "
            "earlier optional step. Users of an optional step are those whose chain holds it; its rate, and the rate and the "
            "dropped of the step after it, are of the required step before; nobody drops at an optional step. Times are from "
            "the chain's event before. An exclusion bears on chains that hold both its steps"
        )
    if params.dropped_next:
        meaning["dropped_next_is"] = (
            "the user's event directly after the last of the chain, of any name that passes the request's filter, if it lies "
            "in the window; null: there is none. Over all groups; dropped_next_other: users with events not shown"
        )
    return meaning


def table(result: Row) -> list[Row]:
    """
    Flatten: one row for each step of the whole, of each group and of each point.

    A breakdown's field has its name as a column; ``event``, which a step has as well, is ``breakdown.event``.
    """
    rows: list[Row] = []

    def add(part: dict[str, Any], time: str | None, mature: bool | None) -> None:
        values = {
            "breakdown.event" if name == "event" else name: value
            for name, value in (part.get("breakdown") or {}).items()
        }
        head = {"time": time, "mature": mature, **values, "other": part.get("other", False)}
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
    params=FunnelQuery,
    answer=answer,
    table=table,
    cell=FunnelCell,
    users=users,
)
