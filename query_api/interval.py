"""
Interval (间隔): how long it takes from a start event to the end event that follows.

A user's starts and ends are walked in order (occurred_at, seq, event_id). The starts since the end before wait for an end;
each end takes from those that wait, and none waits afterwards:

- ``pairing`` ``last_start`` (default): the last of them: of A A B B the second A and the first B. ``first_start``: the first
  that is not older than ``max_gap``. ``each_start``: all of them.
- A pair is no longer apart than ``max_gap``, the end included. One event may end a pair and start the next, so with the same
  event on both sides (re-purchase, 复购) neighbours are pairs.
- The walk begins with the time range. Starts of pairs lie in it; ends may lie up to ``max_gap`` after it. A start after the
  range is seen (it takes the place of an earlier one) but counts in no number.
- ``hold_constant``: only events with the same values are walked together; events that lack one are left out.

Numbers count pairs; ``users`` are distinct users with a pair. ``points``: by the period of the start. A breakdown takes the
start event's own values. ``mature``: every end that can count has its time behind it by now.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.fields import is_of_person
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.funnel_params import MAX_HELD, MAX_WINDOW_DAYS, Window
from query_api.order_keys import MAX_PAYLOAD, ORDER_KEYS, PAYLOAD_BITS, OrderKey, decided
from query_api.params import EventSelector, FieldName, Interval, Query
from query_api.per_user import BreakdownCell
from query_api.periods import DAY_MS, HOUR_MS, Periods, Range, periods_of, start_of_cell
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

MAX_EDGES = 100
MAX_POINTS = 200_000
"""Periods times series times buckets of one answer."""
_MINUTE_MS = 60_000
DEFAULT_EDGES_MS = (
    0,
    10_000,
    *(n * _MINUTE_MS for n in (1, 5, 10, 30)),
    *(n * HOUR_MS for n in (1, 3, 6, 12)),
    *(n * DAY_MS for n in (1, 2, 3, 7, 14, 30, 60, 90, 180)),
)
_LARGEST_KEY = MAX_PAYLOAD >> 2
_MARK_BITS = 2
"""Of an event's mark without a key: whether it is an end, whether it is a start."""
"""Below the number of a key two bits say whether the event is an end and a start (interval.pairs)."""
_PERCENTILES = ("p10_ms", "p25_ms", "p50_ms", "p75_ms", "p90_ms")


class IntervalQuery(Query, kw_only=True):
    """Time from ``start`` to ``end``. ``edges_ms``: of the histogram; absent: from seconds to half a year."""

    start: EventSelector
    end: EventSelector
    pairing: Literal["last_start", "first_start", "each_start"] = "last_start"
    max_gap: Window = msgspec.field(default_factory=lambda: Window(value=30, unit="day"))
    hold_constant: Annotated[list[FieldName], Meta(max_length=MAX_HELD)] = msgspec.field(
        default_factory=list
    )
    interval: Interval | None = None
    edges_ms: (
        Annotated[
            list[Annotated[int, Meta(ge=0, le=2**53)]], Meta(min_length=1, max_length=MAX_EDGES)
        ]
        | None
    ) = None


class IntervalCell(BreakdownCell, kw_only=True):
    """The users with a pair: of a point (``time``; absent: the total), in a ``bucket`` of its histogram (absent: any)."""

    time: Annotated[str, Meta(max_length=40)] | None = None
    bucket: Annotated[int, Meta(ge=0, le=MAX_EDGES)] | None = None


def _edges(query: IntervalQuery) -> list[int]:
    """Return the lower ends of the histogram's buckets; the first is 0."""
    if query.edges_ms is None:
        return [edge for edge in DEFAULT_EDGES_MS if edge <= query.max_gap.ms()]
    for i, (edge, following) in enumerate(pairwise(query.edges_ms)):
        if not edge < following:
            raise InvalidRequest(f"$.edges_ms[{i + 1}]", "edges must ascend")
    return query.edges_ms if query.edges_ms[0] == 0 else [0, *query.edges_ms]


def _periods(ask: Ask, query: IntervalQuery, range_: Range) -> Periods | None:
    if query.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, query.interval, ask.zone)


def _pairs(
    ask: Ask,
    query: IntervalQuery,
    bindings: Bindings,
    order_key: OrderKey,
) -> str:
    """Return the SELECT of (user, start_ms, bucket_ms, gap_ms, key, undecided) that both numbers and users come from."""
    range_ = ask.range
    max_gap_ms = query.max_gap.ms()
    if max_gap_ms > MAX_WINDOW_DAYS * DAY_MS:
        raise InvalidRequest("$.max_gap", f"longer than {MAX_WINDOW_DAYS} days")
    if len(set(query.hold_constant)) != len(query.hold_constant):
        raise InvalidRequest("$.hold_constant", "a field stands twice")
    periods = _periods(ask, query, range_)
    starts = [range_.from_ms] if periods is None else list(periods.starts_ms[:-1])
    bindings.named("starts", starts, "Array(Int64)")
    bindings.named("max_gap_ms", max_gap_ms, "Int64")
    bindings.named("pair_from_ms", range_.from_ms, "Int64")
    bindings.named("pair_to_ms", range_.to_ms, "Int64")
    is_start = selector_sql(query.start, "$.start", bindings)
    is_end = selector_sql(query.end, "$.end", bindings)
    where = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql([query.start, query.end], bindings),
        is_start if is_start == is_end else f"({is_start} OR {is_end})",
    ]
    from_ms, to_ms = range_.from_ms, range_.to_ms + max_gap_ms + 1  # the end of the gap counts
    of_start = per_user.numbered_key(
        query, bindings, event_names_sql([query.start], bindings), _LARGEST_KEY
    )
    held_there, held = "1", ""
    if query.hold_constant:
        values = breakdowns.key_sql(query.hold_constant, bindings, "$.hold_constant")
        held_there = f"NOT has({values}, '')"
        held = f"reinterpretAsUInt128(sipHash128Reference({values})) AS held"
    key = ORDER_KEYS[order_key]
    mark = f"toUInt64({is_end}) + if({is_start}, 2 + bitShiftLeft({of_start.number}, 2), 0) AS mark"
    collected = by_actor.collected(
        ask,
        bindings,
        all_of(where),
        computed=source.listed(mark, f"{key.key.format('mark')} AS number", held),
        wanted=held_there,
        aggregates={"numbers": "groupArray(number)", "marks": "groupBitOr(mark)"},
        keys=("held",) if held else (),
        person_part=of_start.person_part,
        having="bitAnd(marks, 3) = 3",
        from_ms=from_ms,
        to_ms=to_ms,
    )
    return load_sql(
        "interval.pairs",
        collected=collected,
        undecided=key.undecided("keys", payload_decides=True),
        at_start=key.at.format("start"),
        at_stretch_end=key.at.format("stretch_end"),
        payload_start=key.payload.format("start"),
        payload_previous=key.payload.format("previous"),
        payload_stretch_end=key.payload.format("stretch_end"),
        pairing=_pairing(query, key.at.format("start")),
        key=of_start.key,
        names=of_start.names,
        person=of_start.person_column(),
    )


def _pairing(query: IntervalQuery, at: str) -> str:
    name = f"interval.pairing_{query.pairing}"
    return load_sql(name, at=at) if query.pairing == "first_start" else load_sql(name)


def _payload_bits(query: IntervalQuery) -> int:
    return _MARK_BITS if all(map(is_of_person, query.breakdown)) else PAYLOAD_BITS


async def _top(ask: Ask, query: IntervalQuery) -> list[Key] | None:
    """Return what ``per_user.top_of`` does."""
    asked = ask.asked
    order_key = await asked.deciding(
        partial(_pairs, asked, query),
        _payload_bits(query),
    )
    return await per_user.top_of(ask, query, partial(_pairs, order_key=order_key))


async def answer(ask: Ask, query: IntervalQuery) -> Answer:
    """Answer the interval report."""
    result = await per_user.compared(ask, query, _counted, _result)
    return Answer(result=result, semantics=_semantics(query))


async def _counted(ask: Ask, query: IntervalQuery, top: list[Key] | None) -> list[Row]:
    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        pairs = _pairs(ask, query, bindings, order_key)
        shown = per_user.shown(query, pairs, top, bindings)
        bindings.named("edges", _edges(query), "Array(Int64)")
        return await ask.fetch("interval.measures", bindings, pairs=shown)

    rows, _ = await decided(ask_with, _payload_bits(query))
    return rows


def _result(ask: Ask, query: IntervalQuery, rows_found: list[Row]) -> Row:
    range_ = ask.range
    periods = _periods(ask, query, range_)
    edges = _edges(query)
    found: dict[Key, dict[tuple[int, int], Row]] = {} if query.breakdown else {(): {}}
    for row in rows_found:
        found.setdefault(breakdowns.unpack(row["key"]), {})[row["bucket_ms"], row["slot"]] = row
    labels = () if periods is None else periods.labels
    if len(found) * len(labels) * len(edges) > MAX_POINTS:
        raise InvalidRequest(
            "$.interval", f"more than {MAX_POINTS} numbers: fewer series, edges or periods"
        )
    max_gap_ms = query.max_gap.ms()
    series = []
    for key in per_user.ordered(
        {k: rows[0, 0]["pairs"] if rows else 0 for k, rows in found.items()}
    ):
        rows = found[key]
        points = []
        for number, label in enumerate(labels):
            assert periods is not None  # noqa: S101 (labels come from it)
            end = min(periods.starts_ms[number + 1], range_.to_ms)
            points.append(
                {
                    "time": label,
                    **_numbers(rows, periods.starts_ms[number], edges),
                    "mature": end + max_gap_ms <= ask.now_ms,
                }
            )
        total = {**_numbers(rows, 0, edges), "mature": range_.to_ms + max_gap_ms <= ask.now_ms}
        series.append(
            {**breakdowns.describe(key, query.breakdown), "points": points, "total": total}
        )
    return {"series": series}


def _numbers(rows: dict[tuple[int, int], Row], bucket_ms: int, edges: list[int]) -> Row:
    whole = rows.get((bucket_ms, 0))
    pairs = whole["pairs"] if whole else 0
    histogram = []
    for number, edge in enumerate(edges):
        row = rows.get((bucket_ms, number + 1))
        histogram.append(
            {
                "bucket": number,
                "from_ms": edge,
                "to_ms": edges[number + 1] if number + 1 < len(edges) else None,
                "pairs": row["pairs"] if row else 0,
                "users": row["users"] if row else 0,
                "share": (row["pairs"] if row else 0) / pairs if pairs else None,
            }
        )
    return {
        "users": whole["users"] if whole else 0,
        "pairs": pairs,
        "min_ms": whole["least"] if whole else None,
        **{name: whole["quantiles"][i] if whole else None for i, name in enumerate(_PERCENTILES)},
        "max_ms": whole["most"] if whole else None,
        "avg_ms": whole["gap_sum"] / pairs if whole else None,
        "avg_ms_numerator": whole["gap_sum"] if whole else 0,
        "avg_ms_denominator": pairs,
        "histogram": histogram,
    }


def _semantics(query: IntervalQuery) -> Row:
    return {
        "start": msgspec.to_builtins(query.start),
        "end": msgspec.to_builtins(query.end),
        "pairing": query.pairing,
        "pairing_is": {
            "last_start": "an end takes the last start since the end before (A A B B: the second A, the first B)",
            "first_start": "an end takes the first start since the end before that is not older than max_gap",
            "each_start": "an end takes every start since the end before that is not older than max_gap",
        }[query.pairing],
        "max_gap": {"value": query.max_gap.value, "unit": query.max_gap.unit},
        "max_gap_is": "included; a day is 24 hours; an end up to max_gap after the time range counts",
        "order": "occurred_at, seq, event_id; an event that is both ends a pair first and then starts the next",
        "walk": "begins with the time range; a start after it is seen but not counted",
        "hold_constant": query.hold_constant,
        "hold_constant_is": "only events with equal values are paired; events that lack one are left out",
        "interval": query.interval,
        "point": "by the period of the start; weeks from Monday",
        "edges_ms": _edges(query),
        "bucket_is": "from_ms <= time < to_ms; null: no bound",
        "percentiles": "over pairs; exact, interpolated linearly",
        "users": "distinct users with a pair",
        "mature": "max_gap after the end of the period, or of the range, has passed by now",
        "breakdown_value": "of the start event itself",
        "breakdown_order": "by pairs in the range, most first; the rest is `other`",
    }


async def users(ask: Ask, query: IntervalQuery, cell: IntervalCell) -> UserSelect:
    """Select the users with a pair in a cell."""
    periods = _periods(ask, query, ask.range)
    bucket_ms = start_of_cell(periods, cell.time)
    edges = [*_edges(query), 2**62]
    if cell.bucket is not None and cell.bucket >= len(edges) - 1:
        raise InvalidRequest("$.cell.bucket", f"the last bucket of this request: {len(edges) - 2}")
    top = await _top(ask, query) if cell.other else None
    order_key = await ask.deciding(
        partial(_pairs, ask, query),
        _payload_bits(query),
    )
    bindings = ask.bindings()
    pairs = _pairs(ask, query, bindings, order_key)
    pairs = per_user.with_other(pairs, top, bindings)
    in_key = per_user.in_key(cell, query, bindings)
    per_user.check_other(cell, top)
    bindings.named("cell_bucket_ms", bucket_ms, "Int64")
    low, high = (0, len(edges) - 1) if cell.bucket is None else (cell.bucket, cell.bucket + 1)
    bindings.named("least_ms", edges[low], "Int64")
    bindings.named("below_ms", edges[high], "Int64")
    sql = load_sql("interval.users", pairs=pairs, in_key=in_key)
    return UserSelect("interval.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series and point, and its total (``time`` null)."""
    return [
        {"time": point.get("time"), **head, **point}
        for head, line in per_user.heads(result["series"])
        for point in [*line["points"], line["total"]]
    ]


def columns(query: IntervalQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = breakdowns.describe(OTHER, query.breakdown)
    total = {**_numbers({}, 0, _edges(query)), "mature": False}
    return list(table({"series": [{**named, "points": [], "total": total}]})[0])


REPORT = Report(
    name="interval",
    summary="Time from a start event to the end event that follows (间隔)",
    params=IntervalQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=IntervalCell,
    users=users,
)
