"""
The SQL of retention, put together from ``sql/retention.*.sql``. Pure; what each part means: retention.py.

What a user's returns are kept as, cheapest first: bits of one number, where all periods fit into 64; an array of periods; an
array of times, where periods are counted from each user's own start. Everything after ``retention.patterns`` is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from msgspec import Struct

from query_api import breakdowns, by_actor, source
from query_api.bindings import Bindings
from query_api.fields import number_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector
from query_api.per_user import NO_KEY
from query_api.periods import DAY_MS, HOUR_MS, Periods, Range, hour_shifts, periods_of
from query_api.report import Ask
from query_api.retention_params import RetentionMeasure, RetentionParams
from query_api.sql import load_sql

UNIT_DAYS = {"day": 1, "week": 7, "month": 30}
"""Of a period that is counted from a user's own start."""
FIRST_RETURN = 1000
"""Cell of the first return n periods after the cohort's: this and n; retention.first_return.sql has it too."""
MEASURED = 100_000
"""Cell of measured events n periods after the cohort's: this and n; retention.cells_measured.sql has it too."""
USERS_MEASURED = MEASURED - 2
"""Cell of the users with a measured event in column n: this less n; what is greater than the cells of users is measured."""
_MAX_BITS = 64


class _Kept(Struct, frozen=True):
    """
    How returns are kept: the aggregates by name, and the set of periods after the cohort's.

    ``measured``: a column of ``retention.patterns``, or nothing.
    """

    states: dict[str, str]
    pattern: str
    measured: str = ""


def initial_and_returning(params: RetentionParams, bindings: Bindings) -> tuple[str, str]:
    """Return the conditions of the two events."""
    return (
        selector_sql(params.initial, "$.initial", bindings),
        selector_sql(params.returning, "$.returning", bindings),
    )


def _period_sql(at_ms: str, periods: Periods, bindings: Bindings) -> str:
    """Return the number of the period of an instant; for one before the first period anything."""
    starts = periods.starts_ms
    lengths = {after - before for before, after in pairwise(starts)}
    if len(lengths) == 1:
        # No clock changes: half the price of a search.
        bindings.named("first_start_ms", starts[0], "Int64")
        bindings.named("period_ms", lengths.pop(), "Int64")
        return f"toUInt16(intDiv({at_ms} - {{first_start_ms:Int64}}, {{period_ms:Int64}}))"
    return _number_sql(at_ms, periods, bindings, "starts", "numbers")


def _number_sql(at_ms: str, periods: Periods, bindings: Bindings, starts: str, numbers: str) -> str:
    """Return the number of the period of an instant by a search; 0 before the first. ``starts``, ``numbers``: names to bind."""
    bindings.named(starts, list(periods.starts_ms[:-1]), "Array(Int64)")
    bindings.named(numbers, list(range(len(periods.labels))), "Array(UInt16)")
    bound = f"{{{starts}:Array(Int64)}}"
    return (
        f"transform(roundDown({at_ms}, {bound}), {bound}, {{{numbers}:Array(UInt16)}}, toUInt16(0))"
    )


def _began_sql(params: RetentionParams, ask: Ask, range_: Range, bindings: Bindings) -> str:
    """Return when a user's own period 0 begins; an hour is one of the zone."""
    first = "one_cohort.3"
    if params.period_counts != "elapsed_from_hour":
        return first
    shifts = hour_shifts(range_.from_ms, range_.to_ms, ask.zone)
    if len(shifts) == 1:
        bindings.named("hour_shift_ms", shifts[0][1], "Int64")
        shift = "{hour_shift_ms:Int64}"
    else:
        bindings.named("shifted_from_ms", [at for at, _ in shifts], "Array(Int64)")
        bindings.named("hour_shifts_ms", [ms for _, ms in shifts], "Array(Int64)")
        bound = "{shifted_from_ms:Array(Int64)}"
        shift = f"transform(roundDown({first}, {bound}), {bound}, {{hour_shifts_ms:Array(Int64)}}, toInt64(0))"
    return f"intDiv({first} + {shift}, {HOUR_MS}) * {HOUR_MS} - {shift}"


def _own_days(ask: Ask, params: RetentionParams, periods: Periods, range_: Range) -> Periods:
    """Return the days in which users' own periods lie, from the first cohort's on. ``periods``: the cohorts'."""
    to_ms = _last_elapsed_ms(params, range_)
    # One more for the hours by which clocks change.
    return periods_of(periods.starts_ms[0], to_ms, "day", ask.zone, 1, "$.periods")


def _last_elapsed_ms(params: RetentionParams, range_: Range) -> int:
    """Return when the last period of a user's own ends who starts at the end of the range."""
    return range_.to_ms + (params.last_period() + 1) * UNIT_DAYS[params.unit] * DAY_MS


def _after_sql(
    ask: Ask,
    params: RetentionParams,
    periods: Periods,
    range_: Range,
    bindings: Bindings,
    kept: str,
) -> tuple[str, str]:
    """Return the period after the cohort's of the time ``kept`` of an event, and whether a column asks about it."""
    bindings.named("last_period", params.last_period(), "UInt16")
    if params.period_counts == "calendar":
        began, after = "cohort", f"{kept} - cohort"
    elif params.period_counts == "elapsed_from_day":
        days = _own_days(ask, params, periods, range_)
        bindings.named("unit_days", UNIT_DAYS[params.unit], "UInt16")
        began, kept = (
            _number_sql(at_ms, days, bindings, "days_ms", "days")
            for at_ms in ("one_cohort.3", kept)
        )
        after = f"intDiv({kept} - {began}, {{unit_days:UInt16}})"
    else:
        bindings.named("unit_ms", UNIT_DAYS[params.unit] * DAY_MS, "Int64")
        began = _began_sql(params, ask, range_, bindings)
        after = f"intDiv({kept} - ({began}), {{unit_ms:Int64}})"
    return after, f"{kept} >= {began} AND {after} <= {{last_period:UInt16}}"


def _kept(
    ask: Ask, params: RetentionParams, periods: Periods, range_: Range, bindings: Bindings
) -> _Kept:
    after, inside = _after_sql(ask, params, periods, range_, bindings, "one")
    time = _time(params)
    if is_in_bits(params, periods):
        bindings.named("column_mask", (1 << (params.last_period() + 1)) - 1, "UInt64")
        return _Kept(
            states={"returned": "groupBitOrIf(bitShiftLeft(toUInt64(1), period), is_returning)"},
            pattern="bitAnd(bitShiftRight(returned, cohort), {column_mask:UInt64})",
        )
    states = {"returned": f"groupUniqArrayIf({time}, is_returning)"}
    if params.period_zero == "repeated":
        states["met"] = (
            "groupArrayIf(period, is_returning OR (is_initial AND at_ms >= {returning_from_ms:Int64}))"
        )
        inside += " AND (one != cohort OR countEqual(met, one) > 1)"
    return _Kept(
        states=states,
        pattern=f"arraySort(arrayDistinct(arrayMap(one -> toUInt16({after}), "
        f"arrayFilter(one -> {inside}, returned))))",
    )


def _with_measured(
    kept: _Kept,
    ask: Ask,
    params: RetentionParams,
    periods: Periods,
    range_: Range,
    bindings: Bindings,
) -> _Kept:
    after, inside = _after_sql(ask, params, periods, range_, bindings, "one.1")
    of_user = f"groupArrayIf(({_time(params)}, measured_value), is_measured)"
    counted = f"arrayFilter(one -> {inside}, measured_events)"
    return _Kept(
        {**kept.states, "measured_events": of_user},
        kept.pattern,
        f",\narrayMap(one -> (toInt32({after}), one.2), {counted}) AS measured",
    )


def _time(params: RetentionParams) -> str:
    """Return the column of an event's time that is kept."""
    return "period" if params.period_counts == "calendar" else "at_ms"


def is_in_bits(params: RetentionParams, periods: Periods) -> bool:
    """Tell whether a user's periods fit into one number."""
    usual = params.period_counts == "calendar" and params.period_zero == "any"
    return usual and len(periods.labels) <= _MAX_BITS


def patterns_sql(
    ask: Ask,
    params: RetentionParams,
    bindings: Bindings,
    periods: Periods,
    range_: Range,
    measured: bool = False,
) -> str:
    """
    Return the SELECT of (user, cohort, key, pattern) that both the table and its users come from.

    ``measured``: with the events of the request's measure.
    """
    initial, returning = initial_and_returning(params, bindings)
    selectors: list[EventSelector] = [params.initial, params.returning]
    conditions = [initial, returning]
    of_measure = ""
    measure = params.measure if measured else None
    if measure is not None:
        counted, value = _measured_event(measure, bindings)
        selectors.append(measure)
        conditions.append(counted)
        of_measure = load_sql("retention.events_measured", value=value, measured=counted)
    key = _key(params, bindings)
    starts = periods.starts_ms
    first_ever = params.cohort == "first"
    to_ms = starts[-1]
    if params.period_counts == "elapsed_from_day":
        to_ms = _own_days(ask, params, periods, range_).starts_ms[-1]
    elif params.period_counts != "calendar":
        to_ms = _last_elapsed_ms(params, range_)
    bindings.named("initial_from_ms", 0 if first_ever else range_.from_ms, "Int64")
    bindings.named("initial_to_ms", range_.to_ms, "Int64")
    bindings.named("returning_from_ms", starts[0], "Int64")
    kept = _kept(ask, params, periods, range_, bindings)
    if measure is not None:
        kept = _with_measured(kept, ask, params, periods, range_, bindings)
    began = _cohorts(params, periods, range_, bindings, key)
    where = [
        filter_sql(params.filter, "$.filter", bindings),
        event_names_sql(selectors, bindings),
        f"({' OR '.join(dict.fromkeys(conditions))})",
    ]
    collected = by_actor.collected(
        ask,
        bindings,
        all_of(where),
        computed=source.listed(
            load_sql(
                "retention.events",
                initial=initial,
                returning=returning,
                key=key.of_event,
                period=_period_sql("toUnixTimestamp64Milli(occurred_at)", periods, bindings),
                order=source.order() if key.is_ordered() else NO_KEY,
            ),
            of_measure,
        ),
        aggregates={**began.states, **kept.states},
        together=began.together,
        having=began.having,
        person_part=key.of_person,
        pays_alone=False,
        from_ms=0 if first_ever else starts[0],
        to_ms=to_ms,
    )
    return load_sql(
        "retention.patterns",
        collected=collected,
        cohorts=began.cohorts,
        cohort="toUInt16(one_cohort)" if began.plain else "one_cohort.1",
        cohort_key=key.whole(NO_KEY if began.plain else "one_cohort.2"),
        pattern=kept.pattern,
        measured=kept.measured,
    )


def _measured_event(measure: RetentionMeasure, bindings: Bindings) -> tuple[str, str]:
    """Return which events are measured, and the number that each adds."""
    is_measured = selector_sql(measure, "$.measure", bindings)
    if measure.field is None:
        return is_measured, "toFloat64(1)"
    number, has_number = number_sql(measure.field, "$.measure.field", bindings)
    if measure.aggregate in ("avg", "min", "max"):
        is_measured = f"({is_measured} AND {has_number})"
    return is_measured, f"toFloat64(if({has_number}, {number}, 0))"


class _CohortKey(Struct, frozen=True):
    """
    The key of a cohort: SQL.

    ``of_event``: what the first event has of it; ``of_person``: its person's part, or ''; ``whole``: makes the packed key of
    what the first event has and the column ``person_part``.
    """

    of_event: str
    of_person: str
    whole: Callable[[str], str]

    def is_ordered(self) -> bool:
        """Tell whether a user's events can have different keys."""
        return self.of_event != NO_KEY


def _key(params: RetentionParams, bindings: Bindings) -> _CohortKey:
    if not params.breakdown:
        return _CohortKey(NO_KEY, "", str)
    parts = breakdowns.apart(params.breakdown, bindings)
    if not parts.of_person:
        elements = breakdowns.elements_sql(params.breakdown, bindings)
        return _CohortKey(breakdowns.pack_elements_sql(elements), "", str)
    return _CohortKey(parts.of_event, parts.of_person, parts.packed)


class _Began(Struct, frozen=True):
    """
    How initial events are kept: the aggregates by name, what puts the parts of some together, who has any.

    ``cohorts``: what follows from them; ``plain``: numbers of periods alone.
    """

    states: dict[str, str]
    cohorts: str
    having: str
    together: dict[str, str] = {}
    plain: bool = False


def _cohorts(
    params: RetentionParams,
    periods: Periods,
    range_: Range,
    bindings: Bindings,
    key: _CohortKey,
) -> _Began:
    if params.cohort == "first":
        bindings.named("range_from_ms", range_.from_ms, "Int64")
        states = {"is_started": "max(is_initial)", "first_ms": "minIf(at_ms, is_initial)"}
        together = {"first_ms": "minIf(part.first_ms, part.is_started)"}
        if key.is_ordered():
            states["first_order"] = "minIf(event_order, is_initial)"
            states["first_key"] = "argMinIf(packed_key, event_order, is_initial)"
            together["first_order"] = "minIf(part.first_order, part.is_started)"
            together["first_key"] = "argMinIf(part.first_key, part.first_order, part.is_started)"
        first_period = _period_sql("first_ms", periods, bindings)
        return _Began(
            states,
            f"[({first_period}, {'first_key' if key.is_ordered() else NO_KEY}, first_ms)]",
            "is_started AND first_ms >= {range_from_ms:Int64}",
            together,
        )
    if key.is_ordered() or params.period_counts != "calendar":
        # The order begins with the time; it is one number more for each event that leaves a shard.
        at_ms = "toInt64(0)" if params.period_counts == "calendar" else "at_ms"
        initials = f"groupArrayIf((period, {at_ms}, event_order, packed_key), is_initial)"
        return _Began(
            {"initials": initials}, load_sql("retention.cohorts_every"), "notEmpty(initials)"
        )
    if is_in_bits(params, periods):
        bits = "groupBitOrIf(bitShiftLeft(toUInt64(1), period), is_initial)"
        return _Began(
            {"initials": bits}, "bitPositionsToArray(initials)", "initials != 0", plain=True
        )
    numbers = "groupUniqArrayIf(period, is_initial)"
    return _Began({"initials": numbers}, "initials", "notEmpty(initials)", plain=True)


def cells_of_sql(params: RetentionParams, periods: Periods, bindings: Bindings) -> dict[str, str]:
    """Return the fragments that turn a pattern into cells."""
    bind_columns(params, bindings)
    return {
        "returns": "bitPositionsToArray(pattern)" if is_in_bits(params, periods) else "pattern",
        "cells": load_sql(
            "retention.cells",
            hits=load_sql(f"retention.hits_{params.mode}"),
            first_return=load_sql("retention.first_return"),
        ),
    }


def bind_columns(params: RetentionParams, bindings: Bindings) -> None:
    """Bind the periods of each column."""
    columns = params.columns()
    bindings.named("column_from", [first for first, _ in columns], "Array(UInt16)")
    bindings.named("column_to", [last for _, last in columns], "Array(UInt16)")
