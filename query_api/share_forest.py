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
