"""
The forest of share cards: which card lies above which, how deep, with cycles cut. The arithmetic is pure.

The cards and their parents come here as three arrays of integers, and go back as a table of the query that needs them. SQL
alone cannot: joins that double the steps need each round twice, and ClickHouse plans a subquery anew at every mention (six
rounds: 50 s of planning); a recursive WITH cannot read a materialised one and would read the events again for every level.
Events, openings and users stay in ClickHouse. Called by share.py.

Complexity: log2(longest walk) passes over arrays of all cards, whatever the parents say; a million cards take 0.3 s.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from query_api.filters import Bindings
from query_api.report import Ask
from query_api.sql import load_sql

Integers: TypeAlias = NDArray[np.uint64]
Indexes: TypeAlias = NDArray[np.int64]


class Forest(Struct, frozen=True):
    """
    All cards, in ascending order of their key.

    ``up``: key of the card above, 0 at a root. ``depth``: from 1. ``unknown_parents``: cards that name a parent which is none.
    """

    card: Integers
    up: Integers
    sharer: Integers
    depth: NDArray[np.uint32]
    unknown_parents: int
    repeated_shares: int
    cycles: int

    @property
    def deepest(self) -> int:
        """Depth of the forest; 0 without cards."""
        return int(self.depth.max()) if len(self.depth) else 0

    def parents(self) -> Indexes:
        """Return for each card the index of the one above it; len(card) at a root."""
        return np.where(self.up == 0, len(self.card), np.searchsorted(self.card, self.up)).astype(
            np.int64
        )

    def below(self, root: Indexes) -> Shape:
        """Measure what lies below some cards, these included, each of which becomes a root."""
        up, none = self.parents(), len(self.card)
        up[root] = none
        inside = np.zeros(none + 1, dtype=bool)
        inside[root] = True
        frontier = np.append(inside[:none], False)
        while True:
            reached = frontier[up] & ~inside[:none]
            if not reached.any():
                break
            inside[:none] |= reached
            frontier = np.append(reached, False)
        kept = np.flatnonzero(inside[:none])
        place = np.full(none + 1, len(kept), dtype=np.int64)
        place[kept] = np.arange(len(kept))
        above = place[up[kept]]
        _, steps, _ = walk(above)
        return shape_of(above, (steps + 1).astype(np.uint32))

    def bind(self, bindings: Bindings) -> None:
        """Send the forest with a query, as table ``given``."""
        columns = {"card": self.card, "up": self.up, "sharer": self.sharer, "depth": self.depth}
        bindings.table("given", columns)


def parents_of(card: Integers, parent: Integers) -> Indexes:
    """
    Return for each card the index of the one above it; len(card) where there is none that is known.

    ``card`` ascends; a card that names itself has none.
    """
    none = len(card)
    found = np.searchsorted(card, parent)
    known = found < none
    known[known] = card[found[known]] == parent[known]
    known &= parent != card
    return np.where(known, found, none).astype(np.int64)


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


def cycles_of(up: Indexes) -> tuple[Indexes, Indexes]:
    """Return the indexes of the cards that lie on cycles, and for each the name of its cycle."""
    at, _, least = walk(up)
    on_cycle = np.unique(at[at != len(up)])
    return on_cycle, least[on_cycle]


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
    order = np.argsort(depth, kind="stable")
    levels = np.split(order, np.searchsorted(depth[order], np.arange(2, int(depth.max()) + 1)))
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
    _, widths = np.unique(np.stack([root, depth.astype(np.int64)]), axis=1, return_counts=True)
    return Shape(
        trees=int(is_root.sum()),
        cards=cards,
        largest=int(sizes.max()),
        depth=int(depth.max()),
        breadth=int(widths.max()),
        structural_virality=float(of_trees.mean()) if len(of_trees) else None,
    )


async def load(ask: Ask, cards_sql: str, bindings: Bindings) -> Forest:
    """Read all cards (``cards_sql``: share.cards) and build the forest."""
    [row] = await ask.fetch_sql("share.links", load_sql("share.links", cards=cards_sql), bindings)
    card, parent, sharer = (
        np.array(row[name], dtype=np.uint64) for name in ("cards", "parents", "sharers")
    )
    order = np.argsort(card)
    card, parent, sharer = card[order], parent[order], sharer[order]
    up = parents_of(card, parent)
    unknown = int(((parent != 0) & (parent != card) & (up == len(card))).sum())
    on_cycle, cycle = await asyncio.to_thread(cycles_of, up)
    if len(on_cycle):
        columns = {"card": card[on_cycle], "cycle": cycle.astype(np.uint64)}
        bindings.table("cycles", columns)
        sql = load_sql("share.earliest", cards=cards_sql)
        rows = await ask.fetch_sql("share.earliest", sql, bindings)
        cut = np.array([found["card"] for found in rows], dtype=np.uint64)
        up[np.searchsorted(card, cut)] = len(card)
    _, steps, _ = await asyncio.to_thread(walk, up)
    return Forest(
        card=card,
        up=np.append(card, np.uint64(0))[up],
        sharer=sharer,
        depth=(steps + 1).astype(np.uint32),
        unknown_parents=unknown,
        repeated_shares=int(row["repeated_shares"]),
        cycles=len(np.unique(cycle)),
    )
