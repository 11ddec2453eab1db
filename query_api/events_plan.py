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
from query_api.sums import sum_sql

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


class Plan(Struct, frozen=True):
    """The request as SQL, before its range is bound."""

    names: list[str]
    conditions: list[str]
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
        columns.append(f"{condition} AS is_{i}")
        _check_window(query, measure, path)
        if measure.aggregate in OF_A_FIELD and measure.field is None:
            raise InvalidRequest(f"{path}.field", f"{measure.aggregate} needs a field")
        if measure.field is not None:
            if measure.aggregate not in OF_A_FIELD and measure.aggregate != "per_user":
                raise InvalidRequest(f"{path}.field", f"{measure.aggregate} takes no field")
            number, has_number = number_sql(measure.field, f"{path}.field", bindings)
            columns += [f"{number} AS value_{i}", f"{has_number} AS has_value_{i}"]
        aggregates += aggregates_sql(measure, i)
    parts = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql(list(query.measures), bindings),
    ]
    parts.append(f"({' OR '.join(dict.fromkeys(conditions))})")
    return Plan(
        names=names,
        conditions=conditions,
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


def aggregates_sql(measure: Measure, i: int) -> list[str]:
    """Return the columns ``m<i>`` of a measure; a rate has ``m<i>_numerator`` and ``m<i>_denominator`` instead."""
    aggregate = measure.aggregate
    condition, value = f"is_{i}", f"value_{i}"
    valued = f"{condition} AND has_value_{i}"
    if aggregate == "count":
        return [f"countIf({condition}) AS m{i}"]
    if aggregate == "users":
        return [f"uniqExactIf(user, {condition}) AS m{i}"]
    if aggregate == "sessions":
        return [f"uniqExactIf({source.SESSION}, {condition}) AS m{i}"]
    if aggregate == "per_user":
        return [
            f"{amount_sql(measure, i)} AS m{i}_numerator",
            f"uniqExactIf(user, {condition}) AS m{i}_denominator",
        ]
    if aggregate == "avg":
        return [
            f"{sum_sql(value, valued)} AS m{i}_numerator",
            f"countIf({valued}) AS m{i}_denominator",
        ]
    if aggregate == "sum":
        return [f"{sum_sql(value, valued)} AS m{i}"]
    if aggregate in ("min", "max"):
        return [f"{aggregate}OrNullIf({value}, {valued}) AS m{i}"]
    return [f"quantileExactInclusiveOrNullIf(0.{aggregate[1:]})({value}, {valued}) AS m{i}"]


def amount_sql(measure: Measure, i: int) -> str:
    """Return what ``per_user`` divides: the events, or the sum of the field over them."""
    if measure.field is None:
        return f"countIf(is_{i})"
    return sum_sql(f"value_{i}", f"is_{i} AND has_value_{i}")


def _source(ask: Ask, bindings: Bindings, plan: Plan, range_: Range, columns: str) -> str:
    rows = ask.computed(bindings, plan.where, columns, from_ms=range_.from_ms, to_ms=range_.to_ms)
    if not plan.needs_sessions:
        return rows
    silent = ask.source(bindings, "session_id = ''", from_ms=range_.from_ms, to_ms=range_.to_ms)
    return source.with_sessions(bindings, rows, silent)


def points_sql(
    ask: Ask, bindings: Bindings, plan: Plan, range_: Range, top: list[Key] | None
) -> tuple[str, str]:
    """Return the name and the SELECT of every measure for each period and over the whole range."""
    if plan.needs_users:
        rows = rows_sql(ask, bindings, plan, range_, top, only_users=plan.only_users)
        return "events.points", load_sql("events.points", rows=rows, aggregates=plan.aggregates)
    name = "events.points_alone"
    events = ask.alone(bindings, plan.where, from_ms=range_.from_ms, to_ms=range_.to_ms)
    sql = load_sql(
        name,
        events=events,
        key=_key_sql(ask, bindings, plan, top),
        measures=plan.columns,
        aggregates=plan.aggregates,
    )
    return name, sql


def _key_sql(ask: Ask, bindings: Bindings, plan: Plan, top: list[Key] | None) -> str:
    if not ask.query.breakdown:
        return "''"
    return breakdowns.shown_sql(plan.key, top, bindings)


def rows_sql(
    ask: Ask,
    bindings: Bindings,
    plan: Plan,
    range_: Range,
    top: list[Key] | None,
    *,
    only_users: bool = False,
) -> str:
    """
    Return the SELECT of the events that some measure counts, with period, breakdown and which measures.

    ``only_users``: neither events nor values are counted; then a row may stand for several events of a user.
    """
    key = _key_sql(ask, bindings, plan, top)
    is_wide = source.OF_PROPERTIES in key
    is_persons = source.USER_COLUMN in key
    adds_up = only_users and (is_wide or is_persons or not ask.query.breakdown)
    if adds_up and by_actor.pays(ask, bindings, plan.where, pays_alone=False, keyed=True):
        periods = len(bindings.values["starts"])
        bindings.named("numbers", list(range(periods)), "Array(UInt16)")
        keys, of_person = {"key": key} if ask.query.breakdown else {}, ""
        if is_persons:
            parts = breakdowns.apart(ask.query.breakdown, bindings)
            keys = {"event_part": parts.of_event}
            shown = breakdowns.shown_sql(parts.key(), top, bindings)
            of_person = f"{parts.of_person} AS person_part,\n{shown} AS key"
        sets, numbers = by_actor.sets(
            ask,
            bindings,
            plan.where,
            by_actor.period_sql(),
            flags={f"is_{i}": condition for i, condition in enumerate(plan.conditions)} | keys,
            of_person=of_person,
            from_ms=range_.from_ms,
            to_ms=range_.to_ms,
        )
        no_key = "" if ask.query.breakdown else ",\n'' AS key"
        return load_sql("events.rows_by_actor", sets=sets, numbers=numbers, key=no_key)
    columns = f"{key} AS key,\n    {plan.columns}" if is_wide else plan.columns
    return load_sql(
        "events.rows",
        source=_source(ask, bindings, plan, range_, columns),
        key="" if is_wide else f",\n{key} AS key",
    )
