"""
The events report's request, and its measures as SQL over the events of a range. Pure. Definitions: events.py.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api import breakdowns, by_actor, formula, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.errors import InvalidRequest
from query_api.fields import number_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Interval, Params, Query
from query_api.periods import Range
from query_api.report import Ask
from query_api.sql import load_sql
from query_api.sums import partial_sum_sql, sum_of_parts_sql

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

    def reaches_back(self) -> bool:
        """Tell whether points count events from before the range."""
        return any(measure.trailing_days is not None for measure in self.measures)


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
        where=all_of(parts),
        key=per_user.event_key(query, bindings),
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


def parts_sql(measure: Measure, i: int) -> dict[str, str]:
    """Return aggregates over events by name, from which those of more events and the measure are made."""
    valued = f"is_{i} AND has_value_{i}"
    aggregate = measure.aggregate
    if aggregate in ("users", "count") or (aggregate == "per_user" and measure.field is None):
        return {f"events_{i}": f"countIf(is_{i})"}
    if aggregate == "sessions":
        return {f"sessions_{i}": f"groupUniqArrayIf(cityHash64(app_id, session_id), is_{i})"}
    if aggregate in ("min", "max"):
        return {f"extreme_{i}": f"{aggregate}OrNullIf(value_{i}, {valued})"}
    if aggregate not in ("sum", "avg", "per_user"):
        return {f"values_{i}": f"groupArrayIf(value_{i}, {valued})"}
    parts = partial_sum_sql(f"value_{i}", valued, f"sum_{i}")
    if aggregate == "avg":
        parts[f"values_{i}"] = f"countIf({valued})"
    if aggregate == "per_user":
        parts[f"events_{i}"] = f"countIf(is_{i})"
    return parts


def cell_sql(measure: Measure, i: int, *, of_actors: bool) -> dict[str, str]:
    """
    Return aggregates by name, from which ``measure_sql`` makes the measure.

    Over the rows of events, or ``of_actors`` over rows of ``part`` that have the columns of ``parts_sql``.
    """
    parts = parts_sql(measure, i)
    if measure.aggregate == "sessions":
        sessions = f"uniqExactStateIf({source.SESSION}, is_{i})"
        if of_actors:
            sessions = (
                f"uniqExactArrayState(arrayMap(session -> (user, session), part.sessions_{i}))"
            )
        return {f"sessions_{i}": sessions}
    users = f"uniqExactStateIf(user, {f'part.events_{i} > 0' if of_actors else f'is_{i}'})"
    if measure.aggregate == "users":
        return {f"users_{i}": users}
    if of_actors:
        parts = by_actor.put_together(parts)
    return {**parts, f"users_{i}": users} if measure.aggregate == "per_user" else parts


def measure_sql(measure: Measure, i: int, *, of_actors: bool) -> dict[str, str]:
    """Return the columns ``m<i>`` over cells (``cell_sql``); a rate has ``m<i>_numerator`` and ``m<i>_denominator`` instead."""
    aggregate = measure.aggregate
    amount = f"sum(events_{i})" if measure.field is None else sum_of_parts_sql(f"sum_{i}")
    if aggregate in ("count", "sum"):
        return {f"m{i}": amount}
    if aggregate == "users":
        return {f"m{i}": f"uniqExactMerge(users_{i})"}
    if aggregate == "sessions":
        of_cells = "uniqExactArrayMerge" if of_actors else "uniqExactMerge"
        return {f"m{i}": f"{of_cells}(sessions_{i})"}
    if aggregate == "per_user":
        return {f"m{i}_numerator": amount, f"m{i}_denominator": f"uniqExactMerge(users_{i})"}
    if aggregate == "avg":
        return {f"m{i}_numerator": amount, f"m{i}_denominator": f"sum(values_{i})"}
    if aggregate in ("min", "max"):
        return {f"m{i}": f"{aggregate}OrNull(extreme_{i})"}
    return {f"m{i}": f"quantileExactInclusiveOrNullArray(0.{aggregate[1:]})(values_{i})"}


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
) -> str:
    """
    Return the SELECT of every measure for each period and over the whole range, as ``events.points`` has them.

    ``top``: the values to show; None: the most frequent of the very events. ``has_silent``: the range has events without a
    session_id, and sessions are counted.
    """
    measures = list(enumerate(query.measures))
    if not plan.needs_users:
        return points_alone_sql(ask, bindings, query, plan, range_, top, measures)
    of_actors = not (plan.only_users or has_silent) and _adds_up(ask, bindings, plan)
    if of_actors:
        rows = _parts_by_actor(ask, bindings, query, plan, range_)
    else:
        rows = rows_sql(
            ask, bindings, plan, range_, only_users=plan.only_users, has_silent=has_silent
        )
    cells = load_sql(
        "events.cells",
        given="",
        keys="bucket_ms,\nkey",
        events_number="sum(part_events)",
        parts=source.named(*(cell_sql(one, i, of_actors=of_actors) for i, one in measures)),
        events=f"FROM\n(\n{rows}\n) AS part",
    )
    return _points_of_cells(bindings, query, cells, top, measures, of_actors=of_actors)


def points_alone_sql(
    ask: Ask,
    bindings: Bindings,
    query: EventsQuery,
    plan: Plan,
    range_: Range,
    top: list[Key] | None,
    measures: list[tuple[int, Measure]],
) -> str:
    """Return the same of measures that need no person, each with its number: shards send their cells."""
    cells = load_sql(
        "events.cells",
        given=f"WITH\n{plan.columns}",
        keys=f"{_BUCKET} AS bucket_ms,\n{plan.key} AS key",
        events_number="count()",
        parts=source.named(*(cell_sql(one, i, of_actors=False) for i, one in measures)),
        events=ask.alone(bindings, plan.where, from_ms=range_.from_ms, to_ms=range_.to_ms),
    )
    return _points_of_cells(bindings, query, cells, top, measures, of_actors=False)


def _points_of_cells(
    bindings: Bindings,
    query: EventsQuery,
    cells: str,
    top: list[Key] | None,
    measures: list[tuple[int, Measure]],
    *,
    of_actors: bool,
) -> str:
    return load_sql(
        "events.points",
        cells=per_user.shown(query, cells, top, bindings, "sum(cell_events)"),
        measures=source.named(*(measure_sql(one, i, of_actors=of_actors) for i, one in measures)),
    )


def _adds_up(ask: Ask, bindings: Bindings, plan: Plan) -> bool:
    """Tell whether rows of actors are less than those of events: an own field of these is two bytes, and its text is not."""
    adds_up = _is_wide(plan.key) or not ask.query.breakdown
    return adds_up and by_actor.pays(ask, bindings, plan.where, pays_alone=False, keyed=True)


def _is_wide(key: str) -> bool:
    """Tell whether a key is made of more than own fields of the event."""
    return source.OF_PROPERTIES in key or source.USER_COLUMN in key


def _keys_of_actors(ask: Ask, bindings: Bindings, plan: Plan) -> tuple[dict[str, str], str]:
    """Return by name what rows of actors are grouped by for the breakdown, and the columns over it and the person."""
    if not ask.query.breakdown:
        return {}, ""
    if source.USER_COLUMN not in plan.key:
        return {"key": plan.key}, ""
    parts = breakdowns.apart(ask.query.breakdown, bindings)
    of_person = f"{parts.of_person} AS person_part,\n{parts.packed()} AS key"
    return {"event_part": parts.of_event}, of_person


def _parts_by_actor(
    ask: Ask,
    bindings: Bindings,
    query: EventsQuery,
    plan: Plan,
    range_: Range,
) -> str:
    """Return the SELECT of what an actor's events in each period add to each measure."""
    keys, of_person = _keys_of_actors(ask, bindings, plan)
    keys = {"bucket_ms": _BUCKET, **(keys or {"key": plan.key})}
    parts = [parts_sql(measure, i) for i, measure in enumerate(query.measures)]
    return by_actor.rows(
        ask,
        bindings,
        plan.where,
        columns=source.named(keys, {"part_events": "count()"}, *parts),
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
    *,
    only_users: bool = False,
    has_silent: bool = False,
    flags: dict[str, str] | None = None,
) -> str:
    """
    Return the SELECT of the events that some measure counts, with period, breakdown and which measures.

    ``only_users``: no values are counted; then a row may stand for several events of a user, ``part_events``. ``has_silent``:
    see ``points_sql``. ``flags``: more conditions, by the names of their columns.
    """
    flags = flags or {}
    if only_users and _adds_up(ask, bindings, plan):
        keys, of_person = _keys_of_actors(ask, bindings, plan)
        of_measures = {f"is_{i}": condition for i, condition in enumerate(plan.conditions)}
        periods = len(bindings.values["starts"])
        bindings.named("numbers", list(range(periods)), "Array(UInt16)")
        sets, numbers = by_actor.sets(
            ask,
            bindings,
            plan.where,
            by_actor.period_sql(),
            flags=flags | of_measures | keys,
            more="count() AS set_events",
            of_person=of_person,
            from_ms=range_.from_ms,
            to_ms=range_.to_ms,
        )
        no_key = "" if ask.query.breakdown else ",\n'' AS key"
        return load_sql("events.rows_by_actor", sets=sets, numbers=numbers, key=no_key)
    is_wide = _is_wide(plan.key)
    of_flags = [f"{condition} AS {name}" for name, condition in flags.items()]
    columns = source.listed(f"{plan.key} AS key" if is_wide else "", plan.columns, *of_flags)
    return load_sql(
        "events.rows",
        source=_source(ask, bindings, plan, range_, columns, has_silent=has_silent),
        key="" if is_wide else f",\n{plan.key} AS key",
    )
