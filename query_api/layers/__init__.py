"""
Layers (用户分层): a declared tree, every person in exactly one leaf at the end of a day, and the flow between two days.

A node holds its children in order. A person goes to the first child whose ``when`` (a rule, rules.py) is satisfied; the last
child has no ``when`` and takes the rest. So each person seen by then is in exactly one leaf, whatever the rules are. A tree is
JSON, named and versioned; ``<name>.v<version>.json`` in this folder are shipped, a request may bring its own.

The dates are the first and the last day of the time range. ``from`` null in the flow: not seen yet at the first date.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from query_api import rules, source
from query_api.bindings import Bindings
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.params import Params, Query
from query_api.periods import start_of_day_ms
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.rules import FIRST_DAY_MS, Compiler, Rule
from query_api.sql import load_sql
from query_api.users import scope_of

MAX_NODES = 100
MAX_LEVELS = 8

Key = Annotated[str, Meta(pattern="^[a-z0-9_]{1,64}$")]


class Node(Params, kw_only=True):
    """A layer. ``when``: absent in the last of its parent's children only. Without ``children`` it is a leaf."""

    key: Key
    title: Annotated[str, Meta(max_length=200)] = ""
    when: Rule | None = None
    children: Annotated[list[Node], Meta(min_length=2, max_length=MAX_NODES)] | None = None


class Tree(Params, kw_only=True):
    """A tree of layers; ``version`` changes with its rules."""

    name: Key
    version: Annotated[int, Meta(ge=1)]
    title: Annotated[str, Meta(max_length=200)] = ""
    children: Annotated[list[Node], Meta(min_length=2, max_length=MAX_NODES)]


class LayersQuery(Query, kw_only=True):
    """Layers at the first and the last day. ``tree``: the name of a shipped one such as ``group.v1``, or a tree."""

    tree: str | Tree


class LayersCell(Params, kw_only=True):
    """
    Persons of a layer: ``layer`` at the last day; with ``first`` true at the first day; ``from`` and ``to`` of the flow.

    A layer is named by its keys, ``new/returned``; one that is no leaf means all leaves below it; null: not seen yet.
    ``from`` alone: wherever they went. ``moved``: only persons whose leaf at the last day is another than at the first.
    """

    layer: str | None = None
    first: bool = False
    from_: str | msgspec.UnsetType | None = msgspec.field(name="from", default=msgspec.UNSET)
    to: str | None = None
    moved: bool = False


class Leaf(Struct, frozen=True):
    """A leaf with its path of keys and titles."""

    path: str
    titles: tuple[str, ...]


@cache
def shipped() -> dict[str, Tree]:
    """Return the trees of this folder by ``<name>.v<version>``."""
    found = {}
    for entry in resources.files(__name__).iterdir():
        if entry.name.endswith(".json"):
            tree = msgspec.json.decode(entry.read_bytes(), type=Tree)
            check(tree, entry.name)
            found[f"{tree.name}.v{tree.version}"] = tree
    return found


def tree_of(query: LayersQuery) -> Tree:
    """Return the tree of a request. Errors: ``invalid_request`` for an unknown name or a tree that is none."""
    if isinstance(query.tree, Tree):
        check(query.tree, "$.tree")
        return query.tree
    if query.tree not in shipped():
        raise InvalidRequest("$.tree", f"a tree, or one of {', '.join(sorted(shipped()))}")
    return shipped()[query.tree]


def check(tree: Tree, path: str) -> None:
    """
    Refuse a tree in which a person might be in no leaf or in two.

    Errors: ``invalid_request`` with the path of the node.
    """
    count = [0]
    _check_children(tree.children, f"{path}.children", 1, count)


def _check_children(children: list[Node], path: str, level: int, count: list[int]) -> None:
    if level > MAX_LEVELS:
        raise InvalidRequest(path, f"more than {MAX_LEVELS} levels")
    seen: set[str] = set()
    for i, node in enumerate(children):
        here = f"{path}[{i}]"
        count[0] += 1
        if count[0] > MAX_NODES:
            raise InvalidRequest(here, f"more than {MAX_NODES} layers")
        if node.key in seen:
            raise InvalidRequest(f"{here}.key", "two children of one layer have this key")
        seen.add(node.key)
        is_last = i == len(children) - 1
        if is_last and node.when is not None:
            raise InvalidRequest(f"{here}.when", "the last child takes the rest: it has no rule")
        if not is_last and node.when is None:
            raise InvalidRequest(f"{here}.when", "is required; only the last child takes the rest")
        if node.children is not None:
            _check_children(node.children, f"{here}.children", level + 1, count)


def leaves_of(children: list[Node], path: str = "", titles: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Give the leaves in the order of the tree; their numbers in SQL count from 1."""
    for node in children:
        here, named = f"{path}{node.key}", (*titles, node.title)
        if node.children is None:
            yield Leaf(here, named)
        else:
            yield from leaves_of(node.children, f"{here}/", named)


async def _leaf_sql(
    compiler: Compiler, children: list[Node], numbers: Iterator[int], path: str
) -> str:
    """Return the number of a person's leaf as an expression over ``bits``."""
    sql = []
    for i, node in enumerate(children):
        here = f"{path}[{i}]"
        if node.when is not None:
            sql.append(await compiler.condition(node.when, f"{here}.when"))
        if node.children is None:
            sql.append(str(next(numbers)))
        else:
            sql.append(await _leaf_sql(compiler, node.children, numbers, f"{here}.children"))
    return f"multiIf({', '.join(sql)})"


def _instants(ask: Ask) -> list[tuple[str, int]]:
    """Return the first and last day and the ends of both, epoch ms."""
    first, last = ask.range.from_day, ask.range.to_day
    if first is None or last is None:
        raise InvalidRequest("$.time_range", "layers are asked for days, such as 2026-10-01")
    return [
        (day.isoformat(), start_of_day_ms(day + timedelta(days=1), ask.zone))
        for day in (first, last)
    ]


async def _flow(ask: Ask, query: LayersQuery, bindings: Bindings) -> str:
    """Return the SELECT of (user, from_leaf, to_leaf) that both the answer and its users come from."""
    tree = tree_of(query)
    sides = []
    for side, (_, to_ms) in enumerate(_instants(ask)):
        compiler = Compiler(scope_of(ask, FIRST_DAY_MS, to_ms))
        numbers = iter(range(1, MAX_NODES + 1))
        leaf = await _leaf_sql(compiler, tree.children, numbers, "$.tree.children")
        select = compiler.leaves(leaf)
        sides.append(bindings.embed(f"side{side}", select.sql, select.bindings))
    rows = load_sql("layers.flow", before=sides[0], after=sides[1])
    return source.restricted(bindings, rows, "1", ask.segment)


async def answer(ask: Ask, query: LayersQuery) -> Answer:
    """Answer the layers report."""

    async def result_of(one: Ask) -> Row:
        return await _result(one, query)

    return Answer(
        result=await with_comparison(ask, query.compare, result_of),
        semantics={
            "tree": msgspec.to_builtins(tree_of(query)),
            "dates": "the first and the last day of the time range, each at its end in the timezone",
            "leaf": "a person goes to the first child whose rule is satisfied; the last child takes the rest",
            "everyone": "every person with an event in the asked apps by then is in exactly one leaf",
            "flow": "persons by their leaves at the two dates; from null: not seen by the first date",
            "rules": rules.SEMANTICS,
        },
    )


async def _result(ask: Ask, query: LayersQuery) -> Row:
    tree = tree_of(query)
    leaves = list(leaves_of(tree.children))
    bindings = ask.bindings()
    flow = await _flow(ask, query, bindings)
    counts = {
        (row["from_leaf"], row["to_leaf"]): row["users"]
        for row in await ask.fetch("layers.counts", bindings, flow=flow)
    }
    dates = []
    for side, (day, _) in enumerate(_instants(ask)):
        users_of: Counter[int] = Counter()
        for pair, number in counts.items():
            users_of[pair[side]] += number
        total = sum(number for leaf, number in users_of.items() if leaf)
        dates.append(
            {
                "date": day,
                "total": total,
                "leaves": [
                    {
                        "layer": leaf.path,
                        "titles": leaf.titles,
                        "users": users_of[i],
                        "share": users_of[i] / total if total else None,
                    }
                    for i, leaf in enumerate(leaves, 1)
                ],
            }
        )
    paths = [None, *(leaf.path for leaf in leaves)]
    return {
        "dates": dates,
        "flow": [
            {"from": paths[before], "to": paths[after], "users": number}
            for (before, after), number in sorted(counts.items())
        ],
    }


def _numbers(leaves: list[Leaf], layer: str | None, path: str) -> list[int]:
    """Return the numbers of the leaves that a cell names."""
    if layer is None:
        return [0]
    found = [
        i
        for i, leaf in enumerate(leaves, 1)
        if leaf.path == layer or leaf.path.startswith(f"{layer}/")
    ]
    if not found:
        raise InvalidRequest(
            path, "no layer of the tree; name it by its keys, such as new/returned"
        )
    return found


async def users(ask: Ask, query: LayersQuery, cell: LayersCell) -> UserSelect:
    """Select the persons of a layer or of a flow."""
    leaves = list(leaves_of(tree_of(query).children))
    everywhere = list(range(len(leaves) + 1))
    before, after = everywhere, everywhere
    if cell.from_ is not msgspec.UNSET:
        if cell.layer is not None or cell.first:
            raise InvalidRequest("$.cell", "give either `layer` and `first`, or `from` and `to`")
        before = _numbers(leaves, cell.from_, "$.cell.from")
        after = everywhere[1:] if cell.to is None else _numbers(leaves, cell.to, "$.cell.to")
    elif cell.to is not None:
        raise InvalidRequest(
            "$.cell.from", "is required with `to`; null: not seen by the first date"
        )
    elif cell.first:
        before = (
            everywhere[1:] if cell.layer is None else _numbers(leaves, cell.layer, "$.cell.layer")
        )
    else:
        after = (
            everywhere[1:] if cell.layer is None else _numbers(leaves, cell.layer, "$.cell.layer")
        )
    bindings = ask.bindings()
    flow = await _flow(ask, query, bindings)
    if cell.moved:
        before = [leaf for leaf in before if leaf]
    bindings.named("moved", cell.moved, "Bool")
    bindings.named("from_leaves", before, "Array(UInt16)")
    bindings.named("to_leaves", after, "Array(UInt16)")
    return UserSelect("layers.users", load_sql("layers.users", flow=flow), bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each date and leaf."""
    return [
        {"date": point["date"], **leaf, "titles": " / ".join(leaf["titles"])}
        for point in result["dates"]
        for leaf in point["leaves"]
    ]


REPORT: Any = Report(
    name="layers",
    summary="A declared tree of layers: each person in one leaf, and the flow between two days (用户分层)",
    params=LayersQuery,
    answer=answer,
    table=table,
    cell=LayersCell,
    users=users,
    refuses={
        "filter": "the tree says which events count; put conditions into its rules, or use a segment",
        "breakdown": "the tree says which events count; put conditions into its rules, or use a segment",
    },
)
