"""
The events report's request, and its measures as SQL over the events of a range. Pure. Definitions: events.py.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api import breakdowns, by_actor, formula, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.errors import InvalidRequest
from query_api.fields import number_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Interval, Params, Query
from query_api.periods import Range
from query_api.report import Ask
from query_api.sql import load_sql
from query_api.sums import partial_sum_sql, sum_of_parts_sql, sum_sql

MAX_MEASURES = 20
MAX_TRAILING_DAYS = 366

Aggregate: TypeAlias = Literal[
    "count", "users", "sessions", "sum", "avg", "min", "max", "p50", "p90", "p99", "per_user"
]
OF_A_FIELD = {"sum", "avg", "min", "max", "p50", "p90", "p99"}
RATES = {"avg", "per_user"}
_OF_USERS = {"users", "sessions", "per_user"}
_NOT_TRAILING = {"sessions", "p50", "p90", "p99"}
_RESERVED = {"time", "formula", "breakdown", "other", "compared"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


class Measure(EventSelector, kw_only=True):
    """
    One number: ``aggregate`` over the events of a name (absent: any) that pass a filter, named ``as`` (else A, B, …).

    ``cumulative``: each point counts from the beginning of the range on. ``trailing_days``: each point counts so many
    calendar days, up to its last one, also before the range.
    """

    aggregate: Aggregate = "count"
    field: FieldName | None = None
    cumulative: bool = False
    trailing_days: Annotated[int, Meta(ge=1, le=MAX_TRAILING_DAYS)] | None = None
    as_: Annotated[str, Meta(max_length=32)] | None = msgspec.field(name="as", default=None)

    def is_windowed(self) -> bool:
        """Tell whether points count more than their own period."""
        return self.cumulative or self.trailing_days is not None


class EventsQuery(Query, kw_only=True):
    """Events: ``measures`` for each ``interval`` (null: only totals), a ``formula`` of them, a range to ``compare`` with."""

    measures: Annotated[list[Measure], Meta(min_length=1, max_length=MAX_MEASURES)]
    interval: Interval | None = "day"
    formula: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class EventsCell(Params, kw_only=True):
    """
    One number of the answer.

    ``measure``: its name (absent: the first). ``time``: of the point (absent: the total). ``breakdown`` as in the series, or
    ``other``; neither: all series together.
    """

    measure: str | None = None
    time: str | None = None
    breakdown: dict[str, Any] | None = None
    other: bool = False


_BUCKET = "roundDown(toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)})"
"""The start of an event's period."""


class Plan(Struct, frozen=True):
    """
    The request as SQL, before its range is bound.

    ``conditions``, ``counted``: of each measure, which events are of it, and which of them add to its number.
    """

    names: list[str]
    conditions: list[str]
    counted: list[str]
    columns: str
    aggregates: str
    where: str
    key: str
    needs_sessions: bool
    needs_users: bool
    only_users: bool
    formula: formula.Node | None


def plan_of(query: EventsQuery, bindings: Bindings) -> Plan:
    """Return the request's measures as SQL. Errors: ``invalid_request`` with the field's path."""
    names: list[str] = []
    columns: list[str] = []
    aggregates: list[str] = []
    conditions: list[str] = []
    counted: list[str] = []
    for i, measure in enumerate(query.measures):
        path = f"$.measures[{i}]"
        name = chr(ord("A") + i) if measure.as_ is None else measure.as_
        if (
            not _NAME.fullmatch(name)
            or name in _RESERVED
            or name.endswith(("_numerator", "_denominator"))
        ):
            raise InvalidRequest(
                f"{path}.as", "a letter, then letters, digits and _; not a name the answer uses"
            )
        if name in names or name in query.breakdown:
            raise InvalidRequest(
                f"{path}.as", "another measure or a field of the breakdown has this name"
            )
        names.append(name)
        condition = selector_sql(measure, path, bindings)
        conditions.append(condition)
        counted.append(condition)
        columns.append(f"{condition} AS is_{i}")
        _check_window(query, measure, path)
        if measure.aggregate in OF_A_FIELD and measure.field is None:
            raise InvalidRequest(f"{path}.field", f"{measure.aggregate} needs a field")
        if measure.field is not None:
            if measure.aggregate not in OF_A_FIELD and measure.aggregate != "per_user":
                raise InvalidRequest(f"{path}.field", f"{measure.aggregate} takes no field")
            number, has_number = number_sql(measure.field, f"{path}.field", bindings)
            columns += [f"{number} AS value_{i}", f"{has_number} AS has_value_{i}"]
            if measure.aggregate in OF_A_FIELD:
                counted[i] = f"({condition} AND {has_number})"
        aggregates += aggregates_sql(measure, i)
    parts = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql(list(query.measures), bindings),
    ]
    parts.append(f"({' OR '.join(dict.fromkeys(conditions))})")
    return Plan(
        names=names,
        conditions=conditions,
        counted=counted,
        columns=",\n    ".join(columns),
        aggregates=",\n    ".join(aggregates),
        where=all_of(parts),
        key=breakdowns.key_sql(query.breakdown, bindings),
        needs_sessions=any(m.aggregate == "sessions" for m in query.measures),
        needs_users=any(m.aggregate in _OF_USERS for m in query.measures),
        only_users=all(m.aggregate == "users" for m in query.measures),
        formula=None if query.formula is None else formula.parse(query.formula, set(names)),
    )


def _check_window(query: EventsQuery, measure: Measure, path: str) -> None:
    if not measure.is_windowed():
        return
    name = "cumulative" if measure.cumulative else "trailing_days"
    if measure.cumulative and measure.trailing_days is not None:
        raise InvalidRequest(f"{path}.trailing_days", "either this or cumulative")
    if measure.aggregate in _NOT_TRAILING:
        raise InvalidRequest(f"{path}.{name}", f"not for {measure.aggregate}")
    if query.interval in (None, "hour"):
        raise InvalidRequest(f"{path}.{name}", "needs an interval of a day or longer")


def aggregates_sql(measure: Measure, i: int, *, in_parts: bool = False) -> list[str]:
    """
    Return the columns ``m<i>`` of a measure; a rate has ``m<i>_numerator`` and ``m<i>_denominator`` instead.

    Over the rows of events, or ``in_parts`` over those with the columns of ``parts_sql``.
    """
    aggregate = measure.aggregate
    condition, value = f"is_{i}", f"value_{i}"
    valued = f"{condition} AND has_value_{i}"
    users = f"uniqExactIf(user, {f'events_{i} > 0' if in_parts else condition})"
    if aggregate == "count":
        return [f"{amount_sql(measure, i, in_parts=in_parts)} AS m{i}"]
    if aggregate == "users":
        return [f"{users} AS m{i}"]
    if aggregate == "sessions":
        if in_parts:
            return [f"uniqExactArray(arrayMap(session -> (user, session), sessions_{i})) AS m{i}"]
        return [f"uniqExactIf({source.SESSION}, {condition}) AS m{i}"]
    if aggregate == "per_user":
        return [
            f"{amount_sql(measure, i, in_parts=in_parts)} AS m{i}_numerator",
            f"{users} AS m{i}_denominator",
        ]
    if aggregate == "avg":
        values = f"sum(values_{i})" if in_parts else f"countIf({valued})"
        return [
            f"{amount_sql(measure, i, in_parts=in_parts)} AS m{i}_numerator",
            f"{values} AS m{i}_denominator",
        ]
    if aggregate == "sum":
        return [f"{amount_sql(measure, i, in_parts=in_parts)} AS m{i}"]
    if aggregate in ("min", "max"):
        if in_parts:
            return [f"{aggregate}OrNull(extreme_{i}) AS m{i}"]
        return [f"{aggregate}OrNullIf({value}, {valued}) AS m{i}"]
    quantile = f"(0.{aggregate[1:]})"
    if in_parts:
        return [f"quantileExactInclusiveOrNullArray{quantile}(values_{i}) AS m{i}"]
    return [f"quantileExactInclusiveOrNullIf{quantile}({value}, {valued}) AS m{i}"]


def amount_sql(measure: Measure, i: int, *, in_parts: bool = False) -> str:
    """Return the number of events, or the sum of the field over them. ``in_parts``: see ``aggregates_sql``."""
    if measure.field is None:
        return f"sum(events_{i})" if in_parts else f"countIf(is_{i})"
    if in_parts:
        return sum_of_parts_sql(f"sum_{i}")
    return sum_sql(f"value_{i}", f"is_{i} AND has_value_{i}")


def parts_sql(measure: Measure, i: int) -> list[str]:
    """Return the aggregates over some events of one user from which ``aggregates_sql`` makes a measure of them all."""
    valued = f"is_{i} AND has_value_{i}"
    if measure.aggregate == "sessions":
        return [f"groupUniqArrayIf(cityHash64(app_id, session_id), is_{i}) AS sessions_{i}"]
    parts = [f"countIf(is_{i}) AS events_{i}"]
    if measure.field is None:
        return parts
    if measure.aggregate in ("min", "max"):
        return [*parts, f"{measure.aggregate}OrNullIf(value_{i}, {valued}) AS extreme_{i}"]
    if measure.aggregate in ("sum", "avg", "per_user"):
        number = f"countIf({valued}) AS values_{i}"
        return [*parts, number, *partial_sum_sql(f"value_{i}", valued, f"sum_{i}")]
    return [*parts, f"groupArrayIf(value_{i}, {valued}) AS values_{i}"]


def _source(
    ask: Ask, bindings: Bindings, plan: Plan, range_: Range, columns: str, *, has_silent: bool
) -> str:
    rows = ask.computed(bindings, plan.where, columns, from_ms=range_.from_ms, to_ms=range_.to_ms)
    if not plan.needs_sessions:
        return rows
    silent = None
    if has_silent:
        silent = ask.source(bindings, source.SILENT, from_ms=range_.from_ms, to_ms=range_.to_ms)
    return source.with_sessions(bindings, rows, silent)


def points_sql(
    ask: Ask,
    bindings: Bindings,
    query: EventsQuery,
    plan: Plan,
    range_: Range,
    top: list[Key] | None,
    *,
    has_silent: bool,
) -> tuple[str, str]:
    """
    Return the name and the SELECT of every measure for each period and over the whole range.

    ``has_silent``: the range has events without a session_id, and sessions are counted.
    """
    if not plan.needs_users:
        return points_alone_sql(ask, bindings, plan, range_, top, plan.aggregates)
    aggregates = plan.aggregates
    if plan.only_users or has_silent or not _adds_up(ask, bindings, plan):
        rows = rows_sql(
            ask, bindings, plan, range_, top, only_users=plan.only_users, has_silent=has_silent
        )
    else:
        rows = _parts_by_actor(ask, bindings, query, plan, range_, top)
        measures = enumerate(query.measures)
        aggregates = source.listed(
            *(one for i, measure in measures for one in aggregates_sql(measure, i, in_parts=True))
        )
    return "events.points", load_sql("events.points", rows=rows, aggregates=aggregates)


def points_alone_sql(
    ask: Ask,
    bindings: Bindings,
    plan: Plan,
    range_: Range,
    top: list[Key] | None,
    aggregates: str,
) -> tuple[str, str]:
    """Return the name and the SELECT of aggregates that need no person, as ``points_sql``."""
    name = "events.points_alone"
    events = ask.alone(bindings, plan.where, from_ms=range_.from_ms, to_ms=range_.to_ms)
    sql = load_sql(
        name,
        events=events,
        key=_key_sql(ask, bindings, plan, top),
        measures=plan.columns,
        aggregates=aggregates,
    )
    return name, sql


def _key_sql(ask: Ask, bindings: Bindings, plan: Plan, top: list[Key] | None) -> str:
    if not ask.query.breakdown:
        return "''"
    return breakdowns.shown_sql(plan.key, top, bindings)


def _adds_up(ask: Ask, bindings: Bindings, plan: Plan) -> bool:
    """Tell whether rows of actors are less than those of events: an own field of these is two bytes, and its text is not."""
    adds_up = _is_wide(plan.key) or not ask.query.breakdown
    return adds_up and by_actor.pays(ask, bindings, plan.where, pays_alone=False, keyed=True)


def _is_wide(key: str) -> bool:
    """Tell whether a key is made of more than own fields of the event."""
    return source.OF_PROPERTIES in key or source.USER_COLUMN in key


def _keys_of_actors(
    ask: Ask, bindings: Bindings, plan: Plan, top: list[Key] | None
) -> tuple[dict[str, str], str]:
    """Return by name what rows of actors are grouped by for the breakdown, and the columns over it and the person."""
    if not ask.query.breakdown:
        return {}, ""
    if source.USER_COLUMN not in plan.key:
        return {"key": _key_sql(ask, bindings, plan, top)}, ""
    parts = breakdowns.apart(ask.query.breakdown, bindings)
    shown = breakdowns.shown_sql(parts.key(), top, bindings)
    return {"event_part": parts.of_event}, f"{parts.of_person} AS person_part,\n{shown} AS key"


def _parts_by_actor(
    ask: Ask,
    bindings: Bindings,
    query: EventsQuery,
    plan: Plan,
    range_: Range,
    top: list[Key] | None,
) -> str:
    """Return the SELECT of what an actor's events in each period add to each measure."""
    keys, of_person = _keys_of_actors(ask, bindings, plan, top)
    keys = {"bucket_ms": _BUCKET, **(keys or {"key": "''"})}
    parts = [one for i, measure in enumerate(query.measures) for one in parts_sql(measure, i)]
    return by_actor.rows(
        ask,
        bindings,
        plan.where,
        columns=source.listed(*(f"{made} AS {name}" for name, made in keys.items()), *parts),
        keys=tuple(keys),
        given=plan.columns,
        of_person=of_person,
        from_ms=range_.from_ms,
        to_ms=range_.to_ms,
    )


def rows_sql(
    ask: Ask,
    bindings: Bindings,
    plan: Plan,
    range_: Range,
    top: list[Key] | None,
    *,
    only_users: bool = False,
    has_silent: bool = False,
    flags: dict[str, str] | None = None,
) -> str:
    """
    Return the SELECT of the events that some measure counts, with period, breakdown and which measures.

    ``only_users``: neither events nor values are counted; then a row may stand for several events of a user. ``has_silent``:
    see ``points_sql``. ``flags``: more conditions, by the names of their columns.
    """
    flags = flags or {}
    if only_users and _adds_up(ask, bindings, plan):
        keys, of_person = _keys_of_actors(ask, bindings, plan, top)
        of_measures = {f"is_{i}": condition for i, condition in enumerate(plan.conditions)}
        periods = len(bindings.values["starts"])
        bindings.named("numbers", list(range(periods)), "Array(UInt16)")
        sets, numbers = by_actor.sets(
            ask,
            bindings,
            plan.where,
            by_actor.period_sql(),
            flags=flags | of_measures | keys,
            of_person=of_person,
            from_ms=range_.from_ms,
            to_ms=range_.to_ms,
        )
        no_key = "" if ask.query.breakdown else ",\n'' AS key"
        return load_sql("events.rows_by_actor", sets=sets, numbers=numbers, key=no_key)
    key = _key_sql(ask, bindings, plan, top)
    is_wide = _is_wide(key)
    of_flags = [f"{condition} AS {name}" for name, condition in flags.items()]
    columns = source.listed(f"{key} AS key" if is_wide else "", plan.columns, *of_flags)
    return load_sql(
        "events.rows",
        source=_source(ask, bindings, plan, range_, columns, has_silent=has_silent),
        key="" if is_wide else f",\n{key} AS key",
    )
