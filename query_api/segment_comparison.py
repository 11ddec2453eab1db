"""
Segments compared (分群对比): sizes, overlaps, and how their persons differ from one another and from everyone (画像, TGI).

Everyone is each person with an event in the time range that passes ``filter``; of a segment only those count. With a breakdown
a person stands under one value, that of its first such event with any of the fields, so the rows of a segment add up.
``index`` is the share in the segment over the share of everyone, times 100, with the counts beside it.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from query_api import breakdowns, per_user
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.filters import filter_sql
from query_api.params import Query
from query_api.per_user import BreakdownCell
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.rules import FIRST_DAY_MS
from query_api.sql import load_sql
from query_api.users import scope_of

MAX_COMPARED = 8
SegmentName = Annotated[str, Meta(min_length=1, max_length=64)]


class SegmentsQuery(Query, kw_only=True):
    """Up to eight stored segments, each ``seg_…`` or ``seg_…@<day>``."""

    segments: Annotated[list[SegmentName], Meta(min_length=1, max_length=MAX_COMPARED)]


class SegmentsCell(BreakdownCell, kw_only=True):
    """Persons in all of ``within`` and none of ``outside``, of a row of the breakdown or of all."""

    within: list[SegmentName] = msgspec.field(default_factory=list)
    outside: list[SegmentName] = msgspec.field(default_factory=list)


async def _persons(ask: Ask, query: SegmentsQuery, bindings: Bindings) -> str:
    """Return the SELECT of (user, mask, key) that both the answer and its users come from."""
    if len(set(query.segments)) != len(query.segments):
        raise InvalidRequest("$.segments", "a segment stands twice")
    scope = scope_of(ask, FIRST_DAY_MS, ask.range.to_ms)
    masks = []
    for i, name in enumerate(query.segments):
        select = await ask.load_segment(name, scope, f"$.segments[{i}]")
        users = bindings.embed(f"s{i}", select.sql, select.bindings)
        masks.append(f"bitShiftLeft(toUInt64({load_sql('source.in_segment', users=users)}), {i})")
    source = ask.source(bindings, filter_sql(query.filter, "$.filter", bindings))
    return load_sql(
        "segments.persons",
        source=source,
        mask=" + ".join(masks),
        event_key=per_user.event_key(query, bindings),
        key_order=per_user.key_order(query),
        first_key=per_user.first_key(query),
    )


async def _top(ask: Ask, query: SegmentsQuery) -> list[Key] | None:
    """Return the keys that the answer shows, for the users of a cell."""
    bindings = ask.bindings()
    persons = await _persons(ask, query, bindings)
    return await per_user.most_frequent(ask, persons, bindings)


async def answer(ask: Ask, query: SegmentsQuery) -> Answer:
    """Answer the comparison."""
    return Answer(
        result=await per_user.compared(ask, query, _counted, _result),
        semantics=_SEMANTICS | {"segments": query.segments},
    )


async def _counted(ask: Ask, query: SegmentsQuery, top: list[Key] | None) -> list[Row]:
    bindings = ask.bindings()
    of_keys = load_sql("segments.of_keys", persons=await _persons(ask, query, bindings))
    shown = per_user.shown(query, of_keys, top, bindings, "sum(users)")
    return await ask.fetch("segments.compare", bindings, shown=shown)


def _result(_ask: Ask, query: SegmentsQuery, rows: list[Row]) -> Row:
    everyone: Counter[Key] = Counter()
    inside: list[Counter[Key]] = [Counter() for _ in query.segments]
    both: Counter[tuple[int, int]] = Counter()
    for row in rows:
        key = breakdowns.unpack(row["key"])
        everyone[key] += row["users"]
        members = [i for i in range(len(query.segments)) if row["mask"] >> i & 1]
        for i in members:
            inside[i][key] += row["users"]
            for j in members:
                both[i, j] += row["users"]
    total = everyone.total()
    result: Row = {
        "everyone": total,
        "segments": [
            {
                "segment": name,
                "users": inside[i].total(),
                "share": inside[i].total() / total if total else None,
            }
            for i, name in enumerate(query.segments)
        ],
        "overlaps": [
            {
                "a": a,
                "b": b,
                "users": both[i, j],
                "either": (either := both[i, i] + both[j, j] - both[i, j]),
                "similarity": both[i, j] / either if either else None,
            }
            for i, a in enumerate(query.segments)
            for j, b in enumerate(query.segments)
            if i < j
        ],
    }
    if query.breakdown:
        result["rows"] = [
            {
                **breakdowns.describe(key, query.breakdown),
                "everyone": everyone[key],
                "everyone_share": everyone[key] / total,
                "segments": [
                    _compared(name, inside[i], everyone, key)
                    for i, name in enumerate(query.segments)
                ],
            }
            for key in per_user.ordered(everyone)
        ]
    return result


def _compared(name: str, inside: Counter[Key], everyone: Counter[Key], key: Key) -> Row:
    size = inside.total()
    share = inside[key] / size if size else None
    return {
        "segment": name,
        "users": inside[key],
        "share": share,
        "index": None if share is None else 100 * share * everyone.total() / everyone[key],
    }


_SEMANTICS: Row = {
    "everyone": "persons with an event in the time range that passes `filter`",
    "users": "of a segment: those of everyone that are in it at the end of the time range (in a comparison: of its range), or "
    "in its snapshot",
    "similarity": "users in both over users in either (Jaccard)",
    "breakdown_value": "of the person's first such event that has any of the fields",
    "index": "share in the segment over share of everyone, times 100 (TGI)",
}


async def users(ask: Ask, query: SegmentsQuery, cell: SegmentsCell) -> UserSelect:
    """Select the persons of a number of the comparison."""
    top = await _top(ask.asked, query) if cell.other else None
    per_user.check_other(cell, top)
    bindings = ask.bindings()
    persons = per_user.with_other(await _persons(ask, query, bindings), top, bindings)
    in_key = per_user.in_key(cell, query, bindings)
    bindings.named("within", _mask(query, cell.within, "$.cell.within"), "UInt64")
    bindings.named("outside", _mask(query, cell.outside, "$.cell.outside"), "UInt64")
    sql = load_sql("segments.members", persons=persons, in_key=in_key)
    return UserSelect("segments.members", sql, bindings)


def _mask(query: SegmentsQuery, names: list[str], path: str) -> int:
    mask = 0
    for i, name in enumerate(names):
        if name not in query.segments:
            raise InvalidRequest(f"{path}[{i}]", "not one of `segments`")
        mask |= 1 << query.segments.index(name)
    return mask


def table(result: Row) -> list[Row]:
    """Flatten: one row for each value and segment, or for each segment."""
    if "rows" not in result:
        return list(result["segments"])
    return [
        {
            **row["breakdown"],
            "other": row["other"],
            "everyone": row["everyone"],
            "everyone_share": row["everyone_share"],
            **segment,
        }
        for row in result["rows"]
        for segment in row["segments"]
    ]


def columns(query: SegmentsQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    nothing = {
        **breakdowns.describe(OTHER, query.breakdown),
        "everyone": 0,
        "everyone_share": None,
        "segments": [_compared("", Counter(), Counter(), OTHER)],
    }
    return list(table({"rows": [nothing]})[0])


REPORT: Any = Report(
    name="segments",
    summary="Segments compared with one another and with everyone (分群对比)",
    params=SegmentsQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=SegmentsCell,
    users=users,
    refuses={
        "identity": "segments hold persons of identity latest",
    },
)
