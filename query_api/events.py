"""
Events (事件分析): how often, by how many, how much; in periods, broken down, compared.

A measure counts the events of its name that pass its filter and the request's filter. Aggregates:

- ``count``: events. ``users``: distinct users. ``sessions``: distinct sessions (source.py says what a session is).
- ``sum avg min max p50 p90 p99``: of ``field`` over the events that have it as a number; null without such an event, but
  ``sum`` is 0 then. Percentiles are exact, interpolated linearly between neighbours (as numpy's default).
- ``per_user``: events for each user that has one.

``total`` is computed over the whole range from the same rows: its users are distinct over the range, which is not the sum
of the days. ``avg`` and ``per_user`` stand with their ``<as>_numerator`` and ``<as>_denominator``. Periods are calendar
periods of the zone; the first and last count only what lies in the range.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api import breakdowns, formula, source
from query_api.breakdowns import OTHER, Key
from query_api.comparison import Compare, range_before
from query_api.errors import InvalidRequest
from query_api.filters import Bindings, event_names_sql, field_sql, filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Interval, Params, Query
from query_api.periods import Periods, Range, periods_of, rfc3339
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

MAX_MEASURES = 20
MAX_POINTS = 200_000
"""Periods times series of one answer."""

Aggregate: TypeAlias = Literal[
    "count", "users", "sessions", "sum", "avg", "min", "max", "p50", "p90", "p99", "per_user"
]
_OF_A_FIELD = {"sum", "avg", "min", "max", "p50", "p90", "p99"}
_RATES = {"avg", "per_user"}
_RESERVED = {"time", "formula", "breakdown", "other"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


class Measure(EventSelector, kw_only=True):
    """One number: ``aggregate`` over the events of a name (absent: any) that pass a filter, named ``as`` (else A, B, …)."""

    aggregate: Aggregate = "count"
    field: FieldName | None = None
    as_: Annotated[str, Meta(max_length=32)] | None = msgspec.field(name="as", default=None)


class EventsQuery(Query, kw_only=True):
    """Events: ``measures`` for each ``interval`` (null: only totals), a ``formula`` of them, a range to ``compare`` with."""

    measures: Annotated[list[Measure], Meta(min_length=1, max_length=MAX_MEASURES)]
    interval: Interval | None = "day"
    formula: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    compare: Compare | None = None


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


class _Plan(Struct, frozen=True):
    """The request as SQL, before its range is bound."""

    names: list[str]
    columns: str
    aggregates: str
    where: str
    key: str
    needs_sessions: bool
    formula: formula.Node | None


def _plan(query: EventsQuery, bindings: Bindings) -> _Plan:
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
        if name in names:
            raise InvalidRequest(f"{path}.as", "another measure has this name")
        names.append(name)
        condition = selector_sql(measure, path, bindings)
        conditions.append(condition)
        columns.append(f"{condition} AS is_{i}")
        if measure.aggregate in _OF_A_FIELD:
            if measure.field is None:
                raise InvalidRequest(f"{path}.field", f"{measure.aggregate} needs a field")
            read = field_sql(measure.field, f"{path}.field", bindings)
            if read.number is None:
                raise InvalidRequest(f"{path}.field", "this field is never a number")
            columns += [f"{read.number} AS value_{i}", f"{read.has_number} AS has_value_{i}"]
        elif measure.field is not None:
            raise InvalidRequest(f"{path}.field", f"{measure.aggregate} takes no field")
        aggregates += _aggregates(measure.aggregate, i)
    parts = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql(list(query.measures), bindings),
    ]
    parts.append(f"({' OR '.join(dict.fromkeys(conditions))})")
    return _Plan(
        names=names,
        columns=",\n    ".join(columns),
        aggregates=",\n    ".join(aggregates),
        where=" AND ".join(part for part in parts if part != "1"),
        key=breakdowns.key_sql(query.breakdown, bindings),
        needs_sessions=any(m.aggregate == "sessions" for m in query.measures),
        formula=None if query.formula is None else formula.parse(query.formula, set(names)),
    )


def _aggregates(aggregate: Aggregate, i: int) -> list[str]:
    """Return the columns ``m<i>`` of a measure; a rate has ``m<i>_numerator`` and ``m<i>_denominator`` instead."""
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
            f"countIf({condition}) AS m{i}_numerator",
            f"uniqExactIf(user, {condition}) AS m{i}_denominator",
        ]
    if aggregate == "avg":
        return [
            f"sumIf({value}, {valued}) AS m{i}_numerator",
            f"countIf({valued}) AS m{i}_denominator",
        ]
    if aggregate == "sum":
        return [f"sumIf({value}, {valued}) AS m{i}"]
    if aggregate in ("min", "max"):
        return [f"{aggregate}OrNullIf({value}, {valued}) AS m{i}"]
    return [f"quantileExactInclusiveOrNullIf(0.{aggregate[1:]})({value}, {valued}) AS m{i}"]


def _source(ask: Ask, bindings: Bindings, plan: _Plan, range_: Range) -> str:
    rows = ask.source(bindings, plan.where, from_ms=range_.from_ms, to_ms=range_.to_ms)
    if not plan.needs_sessions:
        return rows
    silent = ask.source(bindings, "session_id = ''", from_ms=range_.from_ms, to_ms=range_.to_ms)
    return source.with_sessions(bindings, rows, silent)


def _rows(ask: Ask, bindings: Bindings, plan: _Plan, range_: Range, top: list[Key] | None) -> str:
    return load_sql(
        "events.rows",
        source=_source(ask, bindings, plan, range_),
        key=breakdowns.pack_sql(breakdowns.top_sql(plan.key, top, bindings))
        if ask.query.breakdown
        else "''",
        measures=plan.columns,
    )


def _periods(query: EventsQuery, ask: Ask, range_: Range) -> Periods | None:
    if query.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, query.interval, ask.zone)


async def _top(ask: Ask, query: EventsQuery) -> list[Key] | None:
    bindings = ask.bindings()
    plan = _plan(query, bindings)
    if not query.breakdown:
        return None
    # Sessions are not needed to count events.
    rows = ask.source(bindings, plan.where)
    return await breakdowns.top(ask, rows, plan.key, bindings)


async def answer(ask: Ask, query: EventsQuery) -> Answer:
    """Answer the events report."""
    periods = _periods(query, ask, ask.range)
    top = await _top(ask, query)
    series = await _series(ask, query, ask.range, periods, top)
    result: Row = {"series": series}
    if query.compare is not None:
        before = range_before(ask.range, query.compare, ask.zone)
        shown = top if top is not None else [s["key"] for s in series if query.breakdown]
        compared = await _series(
            ask, query, before, _periods(query, ask, before), shown if query.breakdown else None
        )
        result["compare"] = {
            "time_range": {
                "from": rfc3339(before.from_ms, ask.zone),
                "to": rfc3339(before.to_ms, ask.zone),
            },
            "series": compared,
        }
        for line in compared:
            del line["key"]
    for line in series:
        del line["key"]
    if periods is not None and (periods.starts_ms[0], periods.starts_ms[-1]) != (
        ask.range.from_ms,
        ask.range.to_ms,
    ):
        ask.warn(
            "partial_period",
            "the first or last period reaches beyond the time range; it counts only what lies in it",
        )
    return Answer(
        result=result,
        semantics={
            "measures": [
                {**msgspec.to_builtins(m), "as": name}
                for m, name in zip(query.measures, _plan(query, ask.bindings()).names, strict=True)
            ],
            "interval": query.interval,
            "weeks_start": "monday",
            "formula": query.formula,
            "compare": query.compare,
            "session": source.SESSION_DEFINITION,
            "percentiles": "exact, interpolated linearly",
            "total": "over the whole range: users and sessions are distinct over it, not the sum of the points",
            "breakdown_order": "by events of the measures in the range, most first; the rest is `other`",
        },
        truncated=False,
    )


async def _series(
    ask: Ask, query: EventsQuery, range_: Range, periods: Periods | None, top: list[Key] | None
) -> list[Row]:
    bindings = ask.bindings()
    plan = _plan(query, bindings)
    # Without an interval everything lies in one period, which is the total.
    bindings.named(
        "starts", list(periods.starts_ms[:-1]) if periods else [range_.from_ms], "Array(Int64)"
    )
    rows = await ask.fetch(
        "events.points",
        bindings,
        rows=_rows(ask, bindings, plan, range_, top),
        aggregates=plan.aggregates,
    )
    found: dict[Key, dict[int, Row]] = {}
    for row in rows:
        found.setdefault(breakdowns.unpack(row["key"]), {})[row["bucket_ms"]] = row
    if not query.breakdown:
        found.setdefault((), {})
    if periods is not None and len(found) * len(periods.labels) > MAX_POINTS:
        raise InvalidRequest(
            "$.breakdown_limit", f"more than {MAX_POINTS} points: fewer series or longer periods"
        )
    series = []
    for key, by_bucket in found.items():
        line: Row = {
            "key": key,
            **breakdowns.describe(key, query.breakdown),
            "points": [
                {"time": label, **_values(query, plan, by_bucket.get(start))}
                for label, start in zip(periods.labels, periods.starts_ms, strict=False)
            ]
            if periods
            else [],
            "total": _values(query, plan, by_bucket.get(0)),
        }
        series.append(line)
    first = plan.names[0]
    series.sort(key=lambda line: (line["other"], -(line["total"][first] or 0), line["key"]))
    return series


def _values(query: EventsQuery, plan: _Plan, row: Row | None) -> Row:
    """Return the measures of one point by name; a point without events has zero counts and null values."""
    values: Row = {}
    for i, (name, measure) in enumerate(zip(plan.names, query.measures, strict=True)):
        aggregate = measure.aggregate
        if aggregate in _RATES:
            numerator = row[f"m{i}_numerator"] if row else 0
            denominator = row[f"m{i}_denominator"] if row else 0
            values[name] = numerator / denominator if denominator else None
            values[f"{name}_numerator"] = numerator
            values[f"{name}_denominator"] = denominator
        elif row is not None:
            values[name] = row[f"m{i}"]
        else:
            values[name] = 0 if aggregate in ("count", "users", "sessions", "sum") else None
    if plan.formula is not None:
        values["formula"] = formula.evaluate(plan.formula, values)
    return values


async def users(ask: Ask, query: EventsQuery, cell: EventsCell) -> UserSelect:
    """Select the users of a number of the answer: those with an event that it counts."""
    bindings = ask.bindings()
    plan = _plan(query, bindings)
    measure = plan.names[0] if cell.measure is None else cell.measure
    if measure not in plan.names:
        raise InvalidRequest(
            "$.cell.measure", f"no such measure; there are {', '.join(plan.names)}"
        )
    periods = _periods(query, ask, ask.range)
    bucket_ms = 0
    if cell.time is not None:
        if periods is None or cell.time not in periods.labels:
            raise InvalidRequest("$.cell.time", "not the `time` of a point of this request")
        bucket_ms = periods.starts_ms[periods.labels.index(cell.time)]
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    # Only "other" depends on which values are the most frequent.
    top = await _top(ask, query) or [] if key == OTHER and cell.other else None
    if cell.other and not top:
        raise InvalidRequest("$.cell.other", "this answer has no `other`: all values are shown")
    bindings.named(
        "starts", list(periods.starts_ms[:-1]) if periods else [ask.range.from_ms], "Array(Int64)"
    )
    bindings.named("cell_bucket_ms", bucket_ms, "Int64")
    i = plan.names.index(measure)
    is_measure = f"is_{i}"
    if query.measures[i].aggregate in _OF_A_FIELD:
        is_measure = f"is_{i} AND has_value_{i}"
    return UserSelect(
        "events.users",
        load_sql(
            "events.users",
            rows=_rows(ask, bindings, plan, ask.range, top),
            is_measure=is_measure,
            in_key="1" if key is None else f"key = {bindings.add(breakdowns.pack(key), 'String')}",
        ),
        bindings,
    )


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series and period; without periods one for each series."""
    rows = []
    for line in result["series"]:
        head = {**line["breakdown"], **({"other": line["other"]} if line["breakdown"] else {})}
        points = line["points"] or [line["total"]]
        rows += [{**({"time": p["time"]} if "time" in p else {}), **head, **p} for p in points]
    return rows


REPORT = Report(
    name="events",
    summary="Counts, users, sums and percentiles of events in periods (事件分析)",
    params=EventsQuery,
    answer=answer,
    table=table,
    cell=EventsCell,
    users=users,
)
