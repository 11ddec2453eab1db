"""
The SQL of retention, put together from ``sql/retention.*.sql``. Pure; what each part means: retention.py.

What a user's returns are kept as, cheapest first: bits of one number, where all periods fit into 64; an array of periods; an
array of times, where periods are counted from each user's own start. Everything after ``retention.patterns`` is the same.
"""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

from query_api import breakdowns, by_actor, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.fields import number_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector
from query_api.periods import DAY_MS, HOUR_MS, Periods, Range, hour_shifts
from query_api.report import Ask
from query_api.retention_params import RetentionParams
from query_api.sql import load_sql

UNIT_MS = {"day": DAY_MS, "week": 7 * DAY_MS, "month": 30 * DAY_MS}
"""Of a period that is counted from a user's own start."""
FIRST_RETURN = 1000
"""Cell of the first return n periods after the cohort's: this and n; retention.first_return.sql has it too."""
_MAX_BITS = 64


class _Kept(Struct, frozen=True):
    """How returns are kept: the aggregate, and the set of periods after the cohort's."""

    states: str
    pattern: str


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
    bindings.named("starts", list(starts[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(starts) - 1)), "Array(UInt16)")
    bound = "{starts:Array(Int64)}"
    return (
        f"transform(roundDown({at_ms}, {bound}), {bound}, {{numbers:Array(UInt16)}}, toUInt16(0))"
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


def _kept(
    ask: Ask,
    params: RetentionParams,
    periods: Periods,
    range_: Range,
    bindings: Bindings,
    measured: bool,
) -> _Kept:
    bindings.named("last_period", params.last_period(), "UInt16")
    if params.period_counts != "calendar":
        bindings.named("unit_ms", UNIT_MS[params.unit], "Int64")
        kept_at = "one.1" if measured else "one"
        began = _began_sql(params, ask, range_, bindings)
        after = f"intDiv({kept_at} - ({began}), {{unit_ms:Int64}})"
        inside = f"{kept_at} >= {began} AND {after} <= {{last_period:UInt16}}"
    else:
        kept_at = "one.1" if measured else "one"
        after = f"{kept_at} - cohort"
        inside = f"{kept_at} >= cohort AND {after} <= {{last_period:UInt16}}"
    time = "period" if params.period_counts == "calendar" else "at_ms"
    if measured:
        return _Kept(
            states=f"groupArrayIf(({time}, measured_value), is_returning) AS returned",
            pattern=f"arrayMap(one -> (toInt32({after}), one.2), arrayFilter(one -> {inside}, returned))",
        )
    if is_in_bits(params, periods):
        bindings.named("column_mask", (1 << (params.last_period() + 1)) - 1, "UInt64")
        return _Kept(
            states="groupBitOrIf(bitShiftLeft(toUInt64(1), period), is_returning) AS returned",
            pattern="bitAnd(bitShiftRight(returned, cohort), {column_mask:UInt64})",
        )
    states = f"groupUniqArrayIf({time}, is_returning) AS returned"
    if params.period_zero == "repeated":
        states += (
            ",\ngroupArrayIf(period, is_returning OR (is_initial AND at_ms >= {returning_from_ms:Int64}))"
            " AS met"
        )
        inside += " AND (one != cohort OR countEqual(met, one) > 1)"
    return _Kept(
        states=states,
        pattern=f"arraySort(arrayDistinct(arrayMap(one -> toUInt16({after}), "
        f"arrayFilter(one -> {inside}, returned))))",
    )


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
    top: list[Key] | None,
    measured: bool = False,
) -> str:
    """
    Return the SELECT of (user, cohort, key, pattern) that both the table and its users come from.

    ``measured``: the patterns are those of ``retention.measured``.
    """
    initial, returning = initial_and_returning(params, bindings)
    returning_selector: EventSelector = params.returning
    value = "0"
    if measured and params.measure is not None:
        returning_selector = params.measure
        returning = selector_sql(params.measure, "$.measure", bindings)
        value = "toFloat64(1)"
        if params.measure.field is not None:
            number, has_number = number_sql(params.measure.field, "$.measure.field", bindings)
            value = f"toFloat64(if({has_number}, {number}, 0))"
            if params.measure.aggregate in ("avg", "min", "max"):
                returning = f"({returning} AND {has_number})"
    key = breakdowns.top_sql(breakdowns.key_sql(params.breakdown, bindings), top, bindings)
    key = breakdowns.pack_sql(key) if params.breakdown else "''"
    starts = periods.starts_ms
    first_ever = params.cohort == "first"
    to_ms = starts[-1]
    if params.period_counts != "calendar":
        to_ms = range_.to_ms + (params.last_period() + 1) * UNIT_MS[params.unit]
    bindings.named("initial_from_ms", 0 if first_ever else range_.from_ms, "Int64")
    bindings.named("initial_to_ms", range_.to_ms, "Int64")
    bindings.named("returning_from_ms", starts[0], "Int64")
    kept = _kept(ask, params, periods, range_, bindings, measured)
    plain = not first_ever and not params.breakdown and params.period_counts == "calendar"
    if first_ever:
        bindings.named("range_from_ms", range_.from_ms, "Int64")
        cohorts = load_sql(
            "retention.cohorts_first",
            first_period=_period_sql("first_ms", periods, bindings),
            first_key="argMinIf(packed_key, event_order, is_initial)" if params.breakdown else "''",
        )
    elif not plain:
        cohorts = load_sql("retention.cohorts_every")
    elif is_in_bits(params, periods):
        cohorts = "bitPositionsToArray(groupBitOrIf(bitShiftLeft(toUInt64(1), period), is_initial))"
    else:
        cohorts = "groupUniqArrayIf(period, is_initial)"
    where = [
        filter_sql(params.filter, "$.filter", bindings),
        event_names_sql([params.initial, returning_selector], bindings),
        initial if initial == returning else f"({initial} OR {returning})",
    ]
    condition = all_of(where)
    from_ms = 0 if first_ever else starts[0]
    shape = {
        "cohort": "toUInt16(one_cohort)" if plain else "one_cohort.1",
        "cohort_key": "''" if plain else "one_cohort.2",
        "pattern": kept.pattern,
    }
    adds_up = not (measured or params.breakdown) and is_in_bits(params, periods)
    if adds_up and by_actor.pays(ask, bindings, condition, pays_alone=False):
        columns = load_sql(
            f"retention.of_actors_{params.cohort}",
            is_initial=f"({initial}) AND {_at('>=', 'initial_from_ms')} AND {_at('<', 'initial_to_ms')}",
            is_returning=f"({returning}) AND {_at('>=', 'returning_from_ms')}",
            period=_period_sql("toUnixTimestamp64Milli(occurred_at)", periods, bindings),
        )
        first_period = _period_sql("first_ms", periods, bindings)
        return load_sql(
            "retention.patterns",
            rows=by_actor.rows(
                ask, bindings, condition, columns=columns, from_ms=from_ms, to_ms=to_ms
            ),
            cohorts=load_sql("retention.cohorts_first_by_actor", first_period=first_period)
            if first_ever
            else "bitPositionsToArray(groupBitOr(initial_bits))",
            states="groupBitOr(returned_bits) AS returned",
            **shape,
        )
    columns, read = source.of_maps({"event_key": key, "event_value": value})
    rows = load_sql(
        "retention.events",
        source=ask.computed(bindings, condition, columns, from_ms=from_ms, to_ms=to_ms),
        initial=initial,
        returning=returning,
        key=read["event_key"],
        value=read["event_value"],
        period=_period_sql("at_ms", periods, bindings),
        order=source.order() if params.breakdown else "''",
    )
    return load_sql("retention.patterns", rows=rows, cohorts=cohorts, states=kept.states, **shape)


def _at(operator: str, bound: str) -> str:
    """Return the condition that an event lies there."""
    return f"occurred_at {operator} fromUnixTimestamp64Milli({{{bound}:Int64}}, 'UTC')"


def cells_of_sql(params: RetentionParams, periods: Periods, bindings: Bindings) -> dict[str, str]:
    """Return the fragments that turn a pattern into cells."""
    bind_columns(params, bindings)
    return {
        "returns": "bitPositionsToArray(pattern)" if is_in_bits(params, periods) else "pattern",
        "hits": load_sql(f"retention.hits_{params.mode}"),
        "first_return": load_sql("retention.first_return"),
    }


def bind_columns(params: RetentionParams, bindings: Bindings) -> None:
    """Bind the periods of each column."""
    columns = params.columns()
    bindings.named("column_from", [first for first, _ in columns], "Array(UInt16)")
    bindings.named("column_to", [last for _, last in columns], "Array(UInt16)")
