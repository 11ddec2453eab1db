"""
Paths (路径): what users do after a start event, or before an end event, step by step.

The events that take part: those of ``events`` (absent: all), and the start or end itself, that pass the request's ``filter``
and lie in the time range. Each user's events are walked in order (occurred_at, seq, event_id) and cut into sessions where
more than ``session_gap`` lies between neighbours; the range cuts too, whatever their session_id.

- With ``start``: the way of a session begins at its first start event, which is level 1, and goes forward. With ``end``: it
  begins at the last end event and goes back in time. Sessions without that event have no way. Each session has one.
- A node is an event at a level; ``split`` makes one for each value of a field (a page, say). ``collapse_repeats``: the same
  node several times in a row is one step.
- The ``top`` nodes with the most sessions of each level are shown, the others of the level are one node "other". So the
  sessions of a level are those of the level before less those that stop there.
- Of each node: ``sessions`` and distinct ``users``; ``exits``: the way ends there (with ``end``: the session began there);
  ``goes_on``: only at the last level, sessions with more events than are shown. Links lead in time order from source to target.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from query_api import breakdowns, by_actor
from query_api.bindings import Bindings
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.fields import field_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.funnel_params import MAX_WINDOW_DAYS, Window
from query_api.order_keys import ORDER_KEYS, OrderKey, decided, hashed, names_sql
from query_api.params import EventName, EventSelector, FieldName, Params, Query
from query_api.periods import DAY_MS
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

MAX_DEPTH = 20
MAX_TOP = 100
MAX_SELECTORS = 100
MAX_SPLITS = 20
_LARGEST_NODE = (1 << 51) - 1
"""The bit above it marks an anchor (paths.mark)."""
NEXT, EXIT, GOES_ON = 1, 2, 3
"""What follows a node: ``step`` of paths.steps."""

_Node = tuple[int, bool, str, str]
"""Level, whether it is "other", event, element of a breakdown key ('' without a split)."""


class Split(Params, kw_only=True):
    """Nodes of an event: one for each value of a field."""

    event: EventName
    field: FieldName


class PathsQuery(Query, kw_only=True):
    """Ways from a ``start`` or to an ``end`` event (one of them): ``depth`` levels with ``top`` nodes each."""

    start: EventSelector | None = None
    end: EventSelector | None = None
    events: Annotated[list[EventSelector], Meta(min_length=1, max_length=MAX_SELECTORS)] | None = (
        None
    )
    session_gap: Window = msgspec.field(default_factory=lambda: Window(value=30, unit="minute"))
    depth: Annotated[int, Meta(ge=2, le=MAX_DEPTH)] = 5
    top: Annotated[int, Meta(ge=1, le=MAX_TOP)] = 10
    split: Annotated[list[Split], Meta(max_length=MAX_SPLITS)] = msgspec.field(default_factory=list)
    collapse_repeats: bool = False


class PathsCell(Params, kw_only=True):
    """
    One number: of a ``node`` by its id, with ``exits`` of those who stop there, with ``goes_on`` of those who do not.

    Or of the link from ``source`` to ``target``; or, with nothing given, all users with a way.
    """

    node: Annotated[str, Meta(max_length=40_000)] | None = None
    exits: bool = False
    goes_on: bool = False
    source: Annotated[str, Meta(max_length=40_000)] | None = None
    target: Annotated[str, Meta(max_length=40_000)] | None = None


def _check(query: PathsQuery) -> EventSelector:
    """Check what needs more than one field; return the start or end."""
    if query.start is not None and query.end is not None:
        raise InvalidRequest("$.end", "either `start` or `end`")
    anchor = query.start or query.end
    if anchor is None:
        raise InvalidRequest("$.start", "give `start` or `end`")
    if query.session_gap.ms() > MAX_WINDOW_DAYS * DAY_MS:
        raise InvalidRequest("$.session_gap", f"longer than {MAX_WINDOW_DAYS} days")
    names = [split.event for split in query.split]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InvalidRequest(f"$.split[{i}].event", "this event is split already")
    return anchor


class _Sql(Struct, frozen=True):
    """``flows``: the SELECT of every user's ways; ``names``: of what stands behind the nodes' numbers."""

    flows: str
    names: str

    def steps(self) -> str:
        """Return the SELECT of every node of every way with what follows."""
        return load_sql("paths.steps", flows=self.flows)


def _sql(ask: Ask, query: PathsQuery, bindings: Bindings, order_key: OrderKey) -> _Sql:
    anchor = _check(query)
    bindings.named("gap_ms", query.session_gap.ms(), "Int64")
    bindings.named("depth", query.depth, "UInt8")
    is_anchor = selector_sql(anchor, "$.start" if query.start else "$.end", bindings)
    taking_part = [is_anchor]
    named = [anchor]
    for i, selector in enumerate(query.events or [EventSelector()]):
        taking_part.append(selector_sql(selector, f"$.events[{i}]", bindings))
        named.append(selector)
    names = event_names_sql(named, bindings)
    where = [
        filter_sql(query.filter, "$.filter", bindings),
        names,
        "1" if "1" in taking_part else f"({' OR '.join(taking_part)})",
    ]
    value = _value(query, bindings)
    number = hashed("event", value, largest=_LARGEST_NODE)
    key = ORDER_KEYS[order_key]
    way_key = key.key.format(load_sql("paths.mark", node=number, is_anchor=is_anchor))
    collected = by_actor.collected(
        ask,
        bindings,
        all_of(where),
        computed=f"{way_key} AS way_key,\ntoBool({is_anchor}) AS is_anchor",
        aggregates={"way_keys": "groupArray(way_key)", "has_anchor": "max(is_anchor)"},
        having="has_anchor",
        from_ms=ask.range.from_ms,
        to_ms=ask.range.to_ms,
    )
    flows = load_sql(
        "paths.flows",
        collected=collected,
        undecided=key.undecided("keys", payload_decides=True),
        at=key.at.format("k"),
        payload=key.payload.format("k"),
        way=load_sql(f"paths.way_{'start' if query.start else 'end'}"),
        compact="arrayCompact" if query.collapse_repeats else "",
    )
    # One column of few values is grouped by in a quarter of the time of two.
    made_of = f"event, {value}" if query.split else "event"
    named_by = f"(toString(event), {value})"
    events = ask.unmerged(bindings, all_of(where), named_by)
    return _Sql(flows, names_sql(named_by, number, names, events, made_of=made_of))


def _value(query: PathsQuery, bindings: Bindings) -> str:
    """Return what an event is split by: an element of a breakdown key, '' without a split."""
    cases = []
    for i, split in enumerate(query.split):
        field_sql(split.field, f"$.split[{i}].field", bindings)  # names the path of a wrong one
        [element] = breakdowns.elements_sql([split.field], bindings)
        cases.append(f"event = {bindings.add(split.event, 'String')}, {element}")
    return f"multiIf({', '.join(cases)}, '')" if cases else "''"


async def _ask(
    ask: Ask, query: PathsQuery, name: str, rows_of: Callable[[_Sql], dict[str, str]], key: OrderKey
) -> list[Row]:
    """Run paths.top or paths.counts with a key; ``rows_of``: the fragment that it counts."""
    bindings = ask.bindings()
    sql = _sql(ask, query, bindings, key)
    bindings.named("top", query.top, "UInt32")
    return await ask.fetch(name, bindings, **rows_of(sql), names=sql.names)


async def _folded(ask: Ask, query: PathsQuery, bindings: Bindings) -> str:
    """Return the SELECT of all steps with rare nodes as "other", in two statements; paths.counts does the same in one."""
    asked = partial(_ask, ask, query, "paths.top", lambda sql: {"steps": sql.steps()})
    top, order_key = await decided(asked)
    sql = _sql(ask, query, bindings, order_key)
    bindings.named("top_levels", [row["level"] for row in top], "Array(UInt8)")
    bindings.named("top_nodes", [row["number"] for row in top], "Array(UInt64)")
    return load_sql("paths.folded", steps=sql.steps())


async def _counted(ask: Ask, query: PathsQuery) -> list[Row]:
    asked = partial(_ask, ask, query, "paths.counts", lambda sql: {"flows": sql.flows})
    rows, _ = await decided(asked)
    return rows


async def answer(ask: Ask, query: PathsQuery) -> Answer:
    """Answer the paths report."""

    async def result_of(one: Ask) -> Row:
        return await _result(one, query)

    return Answer(
        result=await with_comparison(ask, query.compare, result_of), semantics=_semantics(query)
    )


async def _result(ask: Ask, query: PathsQuery) -> Row:
    levels: dict[int, Row] = {}
    nodes: dict[_Node, Row] = {}
    links: list[Row] = []
    for row in await _counted(ask, query):
        counts = {"sessions": row["sessions"], "users": row["users"]}
        level = row["level"]
        if not row["has_node"]:
            levels[level] = {"level": level, **counts}
            continue
        place = (level, bool(row["is_other"]), *row["shown_node"])
        node = nodes.setdefault(place, _new_node(place, query))
        if row["step"] == 0:
            node.update(counts)
        elif row["step"] == NEXT:
            following = (level + 1, bool(row["following_is_other"]), *row["shown_following"])
            ends = [node["id"], _id(following, query)]
            source, target = ends if query.start else reversed(ends)
            links.append({"source": source, "target": target, "level": level, **counts})
        elif row["step"] == EXIT:
            node.update(exits=row["sessions"], exit_users=row["users"])
        else:
            node.update(goes_on=row["sessions"], goes_on_users=row["users"])
    for node in nodes.values():
        node["exit_rate"] = node["exits"] / node["sessions"]
    for level, line in levels.items():
        there = [node for node in nodes.values() if node["level"] == level]
        line["exits"] = sum(node["exits"] for node in there)
        line["goes_on"] = sum(node["goes_on"] for node in there)
    whole = levels.get(1, {"sessions": 0, "users": 0})
    return {
        "direction": "forward" if query.start else "backward",
        "sessions": whole["sessions"],
        "users": whole["users"],
        "levels": [levels[level] for level in sorted(levels)],
        "nodes": sorted(
            nodes.values(),
            key=lambda n: (n["level"], n["other"], -n["sessions"], n["id"]),
        ),
        "links": sorted(
            links, key=lambda n: (n["level"], -n["sessions"], n["source"], n["target"])
        ),
    }


def _new_node(place: _Node, query: PathsQuery) -> Row:
    level, other, event, element = place
    return {
        "id": _id(place, query),
        "level": level,
        "event": None if other else event,
        "value": breakdowns.decode_element(element),
        "other": other,
        "sessions": 0,
        "users": 0,
        "exits": 0,
        "exit_users": 0,
        "exit_rate": None,
        "goes_on": 0,
        "goes_on_users": 0,
    }


def _id(place: _Node, query: PathsQuery) -> str:
    """Name a node by what it is: ``[2,"page_view","pages/home"]``; "other" of a level: ``[2]``."""
    level, other, event, element = place
    parts: list[Any] = [level]
    if not other:
        parts.append(event)
        if any(split.event == event for split in query.split):
            parts.append(breakdowns.decode_element(element))
    return msgspec.json.encode(parts).decode()


def _place(node_id: str, path: str) -> _Node:
    """Read an id: the inverse of ``_id``."""
    wrong = InvalidRequest(path, 'an id of the answer, such as [2,"page_view"]')
    try:
        parts = msgspec.json.decode(node_id)
    except msgspec.DecodeError as error:
        raise wrong from error
    match parts:
        case [int(level)] if 1 <= level <= MAX_DEPTH:
            return level, True, "", ""
        case [int(level), str(event), *value] if 1 <= level <= MAX_DEPTH and len(value) <= 1:
            return level, False, event, breakdowns.encode_element(value[0], path) if value else ""
    raise wrong


def _semantics(query: PathsQuery) -> Row:
    return {
        "start": None if query.start is None else msgspec.to_builtins(query.start),
        "end": None if query.end is None else msgspec.to_builtins(query.end),
        "events": None
        if query.events is None
        else [msgspec.to_builtins(selector) for selector in query.events],
        "taking_part": "the events of `events` (null: all) and the start or end, that pass `filter` and lie in the time range",
        "session": "a user's events that take part, cut where more than session_gap lies between neighbours and at the ends "
        "of the time range; session_id is not looked at",
        "session_gap": {"value": query.session_gap.value, "unit": query.session_gap.unit},
        "way": "from the first start event of the session on"
        if query.start
        else "back in time from the last end event of the session",
        "level": "1 is the start or end event itself, then one more for each step away from it",
        "order": "occurred_at, seq, event_id",
        "depth": query.depth,
        "top": query.top,
        "top_is": "nodes with the most sessions of each level, in a comparison of its own range; the others of the level are "
        "one node, `other`",
        "split": [msgspec.to_builtins(split) for split in query.split],
        "collapse_repeats": query.collapse_repeats,
        "users": "distinct users; one may be in several nodes of a level by several sessions",
        "exits": "sessions whose way ends at the node"
        if query.start
        else "sessions that began with the node",
        "goes_on": "at the last level: sessions with more steps than are shown",
        "conserved": "sessions of a level = those of the level before less its exits; of a node = its links onward + exits "
        "+ goes_on",
        "links": "source and target in time order; level of the node nearer to the start or end",
    }


async def users(ask: Ask, query: PathsQuery, cell: PathsCell) -> UserSelect:
    """Select the users of a node or link."""
    _check(query)
    bindings = ask.bindings()
    conditions = _conditions(query, cell, bindings)
    folded = await _folded(ask, query, bindings)
    sql = load_sql("paths.users", folded=folded, in_cell=" AND ".join(conditions))
    return UserSelect("paths.users", sql, bindings)


def _conditions(query: PathsQuery, cell: PathsCell, bindings: Bindings) -> list[str]:
    if cell.source is None and cell.target is None:
        if cell.node is None:
            for name, given in (("exits", cell.exits), ("goes_on", cell.goes_on)):
                if given:
                    raise InvalidRequest(f"$.cell.{name}", "needs a node")
            return ["level = 1"]
        if cell.exits and cell.goes_on:
            raise InvalidRequest("$.cell.goes_on", "either exits or goes_on")
        conditions = _is_node(_place(cell.node, "$.cell.node"), bindings)
        if cell.exits:
            conditions.append(f"step = {EXIT}")
        if cell.goes_on:
            conditions.append(f"step = {GOES_ON}")
        return conditions
    if cell.source is None or cell.target is None:
        raise InvalidRequest(
            "$.cell.source" if cell.source is None else "$.cell.target", "is required for a link"
        )
    if cell.node is not None or cell.exits or cell.goes_on:
        raise InvalidRequest("$.cell.node", "either a node, or source and target")
    source, target = _place(cell.source, "$.cell.source"), _place(cell.target, "$.cell.target")
    near, far = (source, target) if query.start else (target, source)
    if far[0] != near[0] + 1:
        raise InvalidRequest(
            "$.cell.target", "not a link of this answer: levels must be neighbours"
        )
    return [
        *_is_node(near, bindings),
        f"step = {NEXT}",
        f"following_is_other = {bindings.add(far[1], 'Bool')}",
        f"shown_following = {_shown(far, bindings)}",
    ]


def _is_node(place: _Node, bindings: Bindings) -> list[str]:
    return [
        f"level = {bindings.add(place[0], 'UInt8')}",
        f"is_other = {bindings.add(place[1], 'Bool')}",
        f"shown_node = {_shown(place, bindings)}",
    ]


def _shown(place: _Node, bindings: Bindings) -> str:
    """Return the number of a node in paths.folded."""
    _, other, event, element = place
    if other:
        return "0"
    return hashed(
        bindings.add(event, "String"), bindings.add(element, "String"), largest=_LARGEST_NODE
    )


def table(result: Row) -> list[Row]:
    """Flatten: one row for each link, then one for each node's exits (``target`` null)."""
    rows = [dict(link) for link in result["links"]]
    for node in result["nodes"]:
        if node["exits"]:
            ends = (node["id"], None) if result["direction"] == "forward" else (None, node["id"])
            rows.append(
                {
                    "source": ends[0],
                    "target": ends[1],
                    "level": node["level"],
                    "sessions": node["exits"],
                    "users": node["exit_users"],
                }
            )
    return rows


def columns(_query: PathsQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return ["source", "target", "level", "sessions", "users"]


REPORT = Report(
    name="paths",
    summary="Ways from a start event or to an end event, level by level (路径)",
    params=PathsQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=PathsCell,
    users=users,
    refuses={
        "breakdown": "paths have none: use `split`, or `filter` and ask twice",
    },
)
