"""
Distribution (分布): how many users did something how often, on how many days, in how many hours, for how much.

In each period of ``interval`` (null: the whole range as one) every user with an event of ``measured`` that passes the request's
``filter`` has one value; users without one are in no bucket.

- ``of`` ``times``: events. ``days``, ``hours``: different calendar days or hours of the zone with an event. ``sum``: the sum of
  ``field`` over the events that have it as a number; a user without such an event is left out.
- Buckets lie between ``edges``: the n-th holds edge n-1 <= value < edge n, the last everything from the last edge on. A bucket
  below the first edge is shown where values can lie there (``sum``, or a first edge above 1).
- Of each period: users, mean, min, max and percentiles of the value (exact, interpolated linearly between neighbours).
- ``measure``: one more number for each bucket, over the events of another kind that the bucket's users have in the same period.
- Only what lies in the range counts. With a breakdown each user of a period stands under one value: that of the first
  measured event there with any of the fields (``sum``: of those that have its number), so rows add up.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.fields import number_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Query
from query_api.per_user import BreakdownCell
from query_api.periods import Periods, Range, periods_of
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql
from query_api.sums import partial_sum_sql, sum_of_parts_sql, sum_sql

MAX_EDGES = 100
DEFAULT_EDGES: dict[str, list[float]] = {
    "times": [1, 2, 3, 4, 5, 6, 8, 11, 21, 51],
    "days": [1, 2, 3, 4, 5, 6, 7, 8, 15, 31],
    "hours": [1, 2, 3, 4, 5, 9, 13, 25, 73],
    "sum": [0, 10, 50, 100, 200, 500, 1_000, 5_000, 10_000],
}
_PERCENTILES = ("p25", "median", "p75", "p90")


class ExtraMeasure(EventSelector, kw_only=True):
    """One more number for each bucket; ``sum`` and ``avg`` need a ``field``."""

    aggregate: Literal["count", "users", "per_user", "sum", "avg"] = "count"
    field: FieldName | None = None


class DistributionQuery(Query, kw_only=True):
    """Distribution of the users by a value. ``measured``: the events that make it (absent: any)."""

    measured: EventSelector = msgspec.field(default_factory=EventSelector)
    of: Literal["times", "days", "hours", "sum"] = "times"
    field: FieldName | None = None
    edges: (
        Annotated[
            list[Annotated[float, Meta(ge=-1e15, le=1e15)]],
            Meta(min_length=1, max_length=MAX_EDGES),
        ]
        | None
    ) = None
    interval: Literal["day", "week", "month", "quarter"] | None = None
    measure: ExtraMeasure | None = None


class DistributionCell(BreakdownCell, kw_only=True):
    """The users of a ``bucket`` (its number; absent: all) of a period (``time``; absent with interval null)."""

    time: Annotated[str, Meta(max_length=40)] | None = None
    bucket: Annotated[int, Meta(ge=0, le=MAX_EDGES)] | None = None


def _edges(query: DistributionQuery) -> list[float]:
    edges = DEFAULT_EDGES[query.of] if query.edges is None else query.edges
    for i, (edge, following) in enumerate(pairwise(edges)):
        if not edge < following:
            raise InvalidRequest(f"$.edges[{i + 1}]", "edges must ascend")
    return [float(edge) for edge in edges]


def _has_lowest(query: DistributionQuery, edges: list[float]) -> bool:
    """Tell whether a value can lie below the first edge."""
    return query.of == "sum" or edges[0] > 1


def _periods(ask: Ask, query: DistributionQuery, range_: Range) -> Periods | None:
    if query.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, query.interval, ask.zone)


def _starts(periods: Periods | None, range_: Range) -> list[int]:
    return [range_.from_ms] if periods is None else list(periods.starts_ms[:-1])


def _number(field: str | None, needed: bool, path: str, bindings: Bindings) -> tuple[str, str]:
    """Return the expressions of a field's number and of whether it is there; ``0`` and ``1`` where no field is needed."""
    if not needed:
        if field is not None:
            raise InvalidRequest(path, "only where a sum or an average is asked for")
        return "0", "1"
    if field is None:
        raise InvalidRequest(path, "is required for a sum or an average")
    return number_sql(field, path, bindings)


def _values(ask: Ask, query: DistributionQuery, bindings: Bindings) -> str:
    """Return the SELECT of (user, bucket_ms, value, bucket, …) that both the buckets and their users come from."""
    range_ = ask.range
    bindings.named("edges", _edges(query), "Array(Float64)")
    bindings.named("starts", _starts(_periods(ask, query, range_), range_), "Array(Int64)")
    unit_starts: tuple[int, ...] = (range_.from_ms,)
    if query.of in ("days", "hours"):
        unit: Literal["day", "hour"] = "day" if query.of == "days" else "hour"
        units = periods_of(range_.from_ms, range_.to_ms, unit, ask.zone, path="$.time_range")
        unit_starts = units.starts_ms[:-1]
    bindings.named("unit_starts", list(unit_starts), "Array(Int64)")
    amount, has_amount = _number(query.field, query.of == "sum", "$.field", bindings)
    extra = query.measure
    selectors: list[EventSelector] = [query.measured, *([] if extra is None else [extra])]
    is_measured = selector_sql(query.measured, "$.measured", bindings)
    is_extra, extra_amount, has_extra_amount = "0", "0", "1"
    if extra is not None:
        is_extra = selector_sql(extra, "$.measure", bindings)
        extra_amount, has_extra_amount = _number(
            extra.field, extra.aggregate in ("sum", "avg"), "$.measure.field", bindings
        )
    parts = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql(selectors, bindings),
        is_measured if extra is None else f"({is_measured} OR {is_extra})",
    ]
    where = all_of(parts)
    adds_extra = extra is not None and extra.aggregate in ("sum", "avg")
    # Sums in parts are wide: more work than a look at the person of each event saves on one server.
    pays_alone = query.of != "sum" and not adds_extra
    if by_actor.pays(ask, bindings, where, pays_alone=pays_alone, keyed=True):
        measured = f"({is_measured} AND {has_amount})"
        counted_extra = f"({is_extra} AND {has_extra_amount})"
        first, of_person = per_user.first_of_actor(query, bindings, measured)
        given: list[str] = []
        added: dict[str, str] = {}
        if query.of == "sum":
            given.append(f"toFloat64({amount}) AS amount")
            added |= partial_sum_sql("amount", measured, "amount")
        if adds_extra:
            given.append(f"toFloat64({extra_amount}) AS extra_amount")
            added |= partial_sum_sql("extra_amount", counted_extra, "extra_amount")
        actors = by_actor.rows(
            ask,
            bindings,
            where,
            columns=source.listed(
                load_sql("distribution.of_actors", is_measured=measured, is_extra=counted_extra),
                source.named(added),
                first,
            ),
            keys=("bucket_ms", "unit_ms"),
            given=source.listed(*given),
            of_person=of_person,
            from_ms=range_.from_ms,
            to_ms=range_.to_ms,
        )
        of_users = load_sql(
            "distribution.of_users_by_actor",
            value={
                "times": "sum(measured)",
                "days": "uniqExactIf(unit_ms, measured > 0)",
                "hours": "uniqExactIf(unit_ms, measured > 0)",
                "sum": sum_of_parts_sql("amount"),
            }[query.of],
            extra_sum=sum_of_parts_sql("extra_amount") if adds_extra else "toFloat64(0)",
            actors=actors,
            first_key=per_user.first_key(query, "measured > 0"),
        )
    else:
        columns, read = ask.of_maps(
            {
                "event_key": per_user.event_key(query, bindings),
                "amount_there": amount,
                "has_amount": has_amount,
                "extra_there": extra_amount,
                "has_extra_amount": has_extra_amount,
            }
        )
        of_users = load_sql(
            "distribution.of_users",
            source=ask.computed(
                bindings, where, columns, from_ms=range_.from_ms, to_ms=range_.to_ms
            ),
            value={
                "times": "countIf(is_measured)",
                "days": "uniqExactIf(unit_ms, is_measured)",
                "hours": "uniqExactIf(unit_ms, is_measured)",
                "sum": sum_sql("amount", "is_measured"),
            }[query.of],
            is_measured=is_measured,
            is_extra=is_extra,
            **read,
            key_order=per_user.key_order(query),
            first_key=per_user.first_key(query, "is_measured"),
        )
    return load_sql("distribution.values", of_users=of_users)


async def answer(ask: Ask, query: DistributionQuery) -> Answer:
    """Answer the distribution report."""
    result = await per_user.compared(ask, query, _counted, _result)
    return Answer(result=result, semantics=_semantics(query))


async def _counted(ask: Ask, query: DistributionQuery, top: list[Key] | None) -> list[Row]:
    bindings = ask.bindings()
    values = _values(ask, query, bindings)
    shown = per_user.shown(query, values, top, bindings)
    return await ask.fetch("distribution.buckets", bindings, values=shown)


def _result(ask: Ask, query: DistributionQuery, rows_found: list[Row]) -> Row:
    range_ = ask.range
    periods = _periods(ask, query, range_)
    found: dict[Key, dict[tuple[int, int], Row]] = {} if query.breakdown else {(): {}}
    for row in rows_found:
        found.setdefault(breakdowns.unpack(row["key"]), {})[row["bucket_ms"], row["bucket"]] = row
    labels = [None] if periods is None else list(periods.labels)
    starts = _starts(periods, range_)
    sizes = {
        key: sum(row["users"] for (_, bucket), row in rows.items() if bucket == 0)
        for key, rows in found.items()
    }
    series = [
        {
            **breakdowns.describe(key, query.breakdown),
            "points": [
                _point(query, label, start, found[key])
                for label, start in zip(labels, starts, strict=True)
            ],
        }
        for key in per_user.ordered(sizes)
    ]
    return {"series": series}


def _point(
    query: DistributionQuery, label: str | None, start: int, rows: dict[tuple[int, int], Row]
) -> Row:
    whole = rows.get((start, 0))
    users_of_all = whole["users"] if whole else 0
    edges = _edges(query)
    bounds = [None, *edges, None]
    first = 0 if _has_lowest(query, edges) else 1
    buckets = []
    for number in range(first, len(edges) + 1):
        row = rows.get((start, number + 1))
        users_there = row["users"] if row else 0
        buckets.append(
            {
                "bucket": number,
                "from": _plain(bounds[number]),
                "to": _plain(bounds[number + 1]),
                "users": users_there,
                "share": users_there / users_of_all if users_of_all else None,
                **_extra(query, row),
            }
        )
    return {
        "time": label,
        "users": users_of_all,
        "mean": whole["value_sum"] / users_of_all if whole else None,
        "mean_numerator": _plain(whole["value_sum"]) if whole else 0,
        "mean_denominator": users_of_all,
        "min": _plain(whole["least"]) if whole else None,
        **{
            name: _plain(whole["quantiles"][i]) if whole else None
            for i, name in enumerate(_PERCENTILES)
        },
        "max": _plain(whole["most"]) if whole else None,
        **_extra(query, whole),
        "buckets": buckets,
    }


def _plain(value: float | None) -> float | int | None:
    """Return whole numbers as integers."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _extra(query: DistributionQuery, row: Row | None) -> Row:
    """Return the extra measure of a bucket."""
    if query.measure is None:
        return {}
    aggregate = query.measure.aggregate
    count, total, users_with, users_there = (
        (row["extra_events"], row["extra_sum"], row["extra_users"], row["users"])
        if row
        else (0, 0.0, 0, 0)
    )
    if aggregate == "count":
        return {"measure": count}
    if aggregate == "users":
        return {"measure": users_with}
    if aggregate == "sum":
        return {"measure": _plain(total)}
    numerator, denominator = (
        (count, users_there) if aggregate == "per_user" else (_plain(total), count)
    )
    return {
        "measure": (total if aggregate == "avg" else count) / denominator if denominator else None,
        "measure_numerator": numerator,
        "measure_denominator": denominator,
    }


def _semantics(query: DistributionQuery) -> Row:
    return {
        "measured": msgspec.to_builtins(query.measured),
        "of": query.of,
        "field": query.field,
        "edges": [_plain(edge) for edge in _edges(query)],
        "interval": query.interval,
        "value_is": {
            "times": "measured events of the user in the period",
            "days": "different calendar days of the timezone with a measured event",
            "hours": "different calendar hours of the timezone with a measured event",
            "sum": "sum of the field over the measured events that have it as a number; users without one are left out",
        }[query.of],
        "bucket_is": "from <= value < to; null: no bound",
        "users": "those with a value; a user without a measured event is in no bucket",
        "calendar": "days, weeks from Monday, months and quarters of the timezone; only what lies in the time range",
        "percentiles": "exact, interpolated linearly",
        "measure": None if query.measure is None else msgspec.to_builtins(query.measure),
        "measure_is": "over the events of `measure` that the bucket's users have in the same period; per_user: for each "
        "user of the bucket",
        "breakdown_value": "of the user's first measured event in the period that has any of the fields "
        "(sum: among those that add to it)",
        "breakdown_order": "by users in the range, most first; the rest is `other`",
    }


async def users(ask: Ask, query: DistributionQuery, cell: DistributionCell) -> UserSelect:
    """Select the users of a bucket."""
    periods = _periods(ask, query, ask.range)
    if cell.time not in (periods.labels if periods else (None,)):
        raise InvalidRequest(
            "$.cell.time",
            "not the `time` of a point of this request; with interval null leave it out",
        )
    edges = _edges(query)
    first = 0 if _has_lowest(query, edges) else 1
    if cell.bucket is not None and not first <= cell.bucket <= len(edges):
        raise InvalidRequest("$.cell.bucket", f"a bucket of this request: {first} to {len(edges)}")
    top = await per_user.top_of(ask, query, _values) if cell.other else None
    bindings = ask.bindings()
    values = per_user.with_other(_values(ask, query, bindings), top, bindings)
    in_key = per_user.in_key(cell, query, bindings)
    per_user.check_other(cell, top)
    start = periods.starts_ms[periods.labels.index(cell.time or "")] if periods else None
    bindings.named("cell_bucket_ms", ask.range.from_ms if start is None else start, "Int64")
    bindings.named("cell_bucket", 0 if cell.bucket is None else cell.bucket + 1, "UInt16")
    sql = load_sql("distribution.users", values=values, in_key=in_key)
    return UserSelect("distribution.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series, period and bucket."""
    return [
        {"time": point["time"], **head, "period_users": point["users"], **bucket}
        for head, line in per_user.heads(result["series"])
        for point in line["points"]
        for bucket in point["buckets"]
    ]


def columns(query: DistributionQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = breakdowns.describe(OTHER, query.breakdown)
    return list(table({"series": [{**named, "points": [_point(query, None, 0, {})]}]})[0])


REPORT = Report(
    name="distribution",
    summary="Users by how often, on how many days or for how much (分布)",
    params=DistributionQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=DistributionCell,
    users=users,
)
