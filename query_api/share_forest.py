"""
The forest of share cards: which card lies above which, how deep, with cycles cut. The arithmetic is pure.

All cards come here as arrays of integers. SQL alone cannot: joins that double the steps need each round twice, and ClickHouse
plans a subquery anew at every mention (six rounds: 50 s of planning); a recursive WITH cannot read a materialised one and would
read the events again for every level. Called by share.py.

Complexity: log2(longest walk) passes over arrays of all cards, whatever the parents say; what lies below a card then is one
slice (``Below``). A million cards take 1 s.
"""

from __future__ import annotations

import asyncio
import math
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from query_api.bindings import Bindings
from query_api.numbering import distinct, numbered, places_among
from query_api.report import Ask
from query_api.sql import load_sql

Integers: TypeAlias = NDArray[np.uint64]
Indexes: TypeAlias = NDArray[np.int64]

MAX_DEPTH = 1_000
"""Descendants and cascades are followed down to this depth."""


class Labelled(Struct, frozen=True):
    """A text of each card: the place in ``texts``, each of which stands there once."""

    place: NDArray[np.int32]
    texts: list[str]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Labelled:
        """Take over a column as it was read."""
        one = column.unify_dictionaries().combine_chunks()
        return cls(one.indices.to_numpy(), one.dictionary.to_pylist())


class Forest(Struct, frozen=True):
    """
    All cards, each once, in any order.

    ``above``: place of the card above, len(card) at a root. ``depth``: from 1. ``matches``: passes the request's filter.
    ``key``: of the breakdown. ``unknown_parents``: cards that name a parent which is none.
    """

    card: Integers
    above: Indexes
    sharer: Integers
    depth: NDArray[np.uint32]
    shared_ms: NDArray[np.int64]
    matches: NDArray[np.bool_]
    page: Labelled
    channel: Labelled
    key: Labelled
    unknown_parents: int
    repeated_shares: int
    cycles: int

    @property
    def deepest(self) -> int:
        """Depth of the forest; 0 without cards."""
        return int(self.depth.max()) if len(self.depth) else 0

    @property
    def up(self) -> Integers:
        """Key of the card above each card; 0 at a root."""
        return np.append(self.card, np.uint64(0))[self.above]

    def places(self, card: Integers) -> Indexes:
        """Return the places of known cards."""
        return places_among(self.card, card)

    def made(self, from_ms: int, to_ms: int) -> Indexes:
        """Return the indexes of the cards that count as made in a range: those that pass the filter."""
        in_range = (self.shared_ms >= from_ms) & (self.shared_ms < to_ms)
        return np.flatnonzero(self.matches & in_range)

    def shape_below(self, roots: Indexes, below: Indexes) -> Shape:
        """Measure the trees of ``below``, the cards below some and these, each of which becomes a root."""
        place = np.full(len(self.card) + 1, len(below), dtype=np.int64)
        place[below] = np.arange(len(below))
        above = place[self.above[below]]
        above[place[roots]] = len(below)
        _, steps, _ = walk(above)
        return shape_of(above, (steps + 1).astype(np.uint32))


class Below(Struct, frozen=True):
    """
    The cards in an order in which all that lies below a card follows it: ``first`` to before ``end`` are it and those below.

    Cards deeper than MAX_DEPTH stand nowhere: -1 both.
    """

    first: Indexes
    end: Indexes

    def of(self, roots: Indexes) -> Indexes:
        """Return the indexes of some cards and of all below them."""
        roots = roots[self.first[roots] >= 0]
        inside = np.zeros(int(self.end.max(initial=0)) + 1, dtype=np.int64)
        np.add.at(inside, self.first[roots], 1)
        np.add.at(inside, self.end[roots], -1)
        return np.flatnonzero((np.cumsum(inside)[self.first] > 0) & (self.first >= 0))


def below_of(forest: Forest) -> Below:
    """Lay the trees out one after the other. Complexity: one pass for each depth."""
    up, cards = forest.above, len(forest.card)
    levels = _levels(forest.depth)[:MAX_DEPTH]
    size = np.ones(cards, dtype=np.int64)
    for level in reversed(levels[1:]):
        np.add.at(size, up[level], size[level])
    # The root of all roots stands before the first place.
    first = np.full(cards + 1, -1, dtype=np.int64)
    for level in levels:
        siblings = level[np.argsort(up[level], kind="stable")]
        above = up[siblings]
        before = np.cumsum(size[siblings]) - size[siblings]
        eldest = np.searchsorted(above, above)
        first[siblings] = first[above] + 1 + before - before[eldest]
    first = first[:cards]
    return Below(first, np.where(first < 0, -1, first + size))


def _levels(depth: NDArray[np.uint32]) -> list[Indexes]:
    """Return the indexes of the cards of each depth, from 1."""
    deepest = int(depth.max()) if len(depth) else 0
    # Numbers of up to 16 bits are sorted by their digits: a million in 8 instead of 45 ms.
    order = np.argsort(depth.astype(np.min_scalar_type(deepest)), kind="stable")
    return np.split(order, np.searchsorted(depth[order], np.arange(2, deepest + 1)))


def parents_of(card: Integers, parent: Integers) -> Indexes:
    """
    Return for each card the index of the one above it; len(card) where there is none that is known.

    Each card stands there once; one that names itself has none.
    """
    place = places_among(card, parent)
    return np.where((place >= 0) & (parent != card), place, len(card))


def walk(up: Indexes) -> tuple[Indexes, NDArray[np.uint32], Indexes]:
    """
    Walk up from every card as far as possible, doubling the steps.

    Returns:
        Where the walk stands at its end (len(up): beyond a root), its steps, and the smallest index it met: of a walk that
        never ends, that is one name for its whole cycle when it starts on the cycle.
    """
    none = len(up)
    at = np.append(up, none)
    steps = (at != none).astype(np.uint32)
    least = np.minimum(np.arange(none + 1), at)
    walked = 1
    while walked <= none and bool((at[:none] != none).any()):
        least = np.minimum(least, least[at])
        steps = steps + steps[at]
        at = at[at]
        walked *= 2
    return at[:none], steps[:none], least[:none]


class Shape(Struct, frozen=True):
    """
    The form of a tree of cards, or of all trees of a forest.

    ``depth``: of the deepest card, the root has 1. ``breadth``: cards of the widest depth of one tree. ``structural_virality``:
    mean number of steps between two cards of one tree (Goel, Anderson, Hofman, Watts 2016): 1 for a pair, near 2 where one
    card has all the others below it, about a third of the length in a chain; of a forest the mean over trees of at least two
    cards, None without one.
    """

    trees: int
    cards: int
    largest: int
    depth: int
    breadth: int
    structural_virality: float | None


def shape_of(up: Indexes, depth: NDArray[np.uint32]) -> Shape:
    """
    Measure trees: ``up`` as ``parents_of`` has it, without cycles.

    Complexity: one pass for each depth.
    """
    cards = len(up)
    if not cards:
        return Shape(0, 0, 0, 0, 0, None)
    size = np.ones(cards, dtype=np.int64)
    root = np.arange(cards)
    levels = _levels(depth)
    for level in levels[1:]:
        root[level] = root[up[level]]
    for level in reversed(levels[1:]):
        np.add.at(size, up[level], size[level])
    whole = size[root].astype(np.float64)
    steps = np.where(up == cards, 0.0, size * (whole - size))
    is_root = up == cards
    sums = np.bincount(root, weights=steps, minlength=cards)[is_root]
    sizes = size[is_root].astype(np.float64)
    pairs = sizes * (sizes - 1) / 2
    of_trees = sums[pairs > 0] / pairs[pairs > 0]
    _, widths = np.unique(root * (len(levels) + 1) + depth, return_counts=True)
    return Shape(
        trees=int(is_root.sum()),
        cards=cards,
        largest=int(sizes.max()),
        depth=int(depth.max()),
        breadth=int(widths.max()),
        # Cards come in any order; floats added in another one give another sum.
        structural_virality=math.fsum(of_trees.tolist()) / len(of_trees) if len(of_trees) else None,
    )


async def load(ask: Ask, events_sql: str, bindings: Bindings) -> Forest:
    """Read all cards (``events_sql``: share.events) and build the forest."""
    cards_sql = load_sql("share.cards", events=events_sql)
    made = load_sql("share.made", events=events_sql)
    links = await ask.columns("share.links", bindings, cards=made)
    card = links["card"].to_numpy()
    repeated = links.num_rows - await asyncio.to_thread(distinct, card)
    if repeated:
        # Of several events the first makes the card.
        cards, place = numbered(card)
        again = cards[np.bincount(place) > 1]
        bindings.table("wanted", {"card": again})
        first = await ask.columns("share.links", bindings, cards=cards_sql)
        links = pa.concat_tables([links.filter(pa.array(~np.isin(card, again))), first])
    card, parent = (links[name].to_numpy() for name in ("card", "parent"))
    above = await asyncio.to_thread(parents_of, card, parent)
    unknown = int(((parent != 0) & (parent != card) & (above == len(card))).sum())
    at, steps, least = await asyncio.to_thread(walk, above)
    on_cycle = np.unique(at[at != len(above)])
    cycle = least[on_cycle]
    if len(on_cycle):
        wanted = {"card": card[on_cycle], "cycle": cycle.astype(np.uint64)}
        bindings.table("wanted", wanted, replaces=True)
        sql = load_sql("share.earliest", cards=cards_sql)
        rows = await ask.fetch_sql("share.earliest", sql, bindings)
        cut = np.array([found["card"] for found in rows], dtype=np.uint64)
        above[places_among(card, cut)] = len(card)
        _, steps, _ = await asyncio.to_thread(walk, above)
    return Forest(
        card=card,
        above=above,
        sharer=links["sharer"].to_numpy(),
        depth=steps + np.uint32(1),
        shared_ms=links["shared_ms"].to_numpy(),
        matches=links["matches"].to_numpy(),
        page=Labelled.of(links["page"]),
        channel=Labelled.of(links["channel"]),
        key=Labelled.of(links["key"]),
        unknown_parents=unknown,
        repeated_shares=repeated,
        cycles=len(np.unique(cycle)),
    )
