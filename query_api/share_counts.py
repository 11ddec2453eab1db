"""
Counts shares, opens and conversions by row, and the users below each sharer. Pure; called by share.py and share_sql.py.

SQL did the same five times slower: every fact carried the texts of six tables through a join, and descendants took a row for
each opening and each card above it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from query_api.numbering import numbered, places_among
from query_api.share_forest import Below, Forest, Indexes, Integers, Labelled
from query_api.sums import Parts, sums_by

NUMBERS = (
    "shares", "sharers", "opens", "openers", "new_users", "conversions", "converters", "revenue"
)  # fmt: skip
"""Columns of a row, in their order."""
Numbers: TypeAlias = dict[str, Any]
T = TypeVar("T", bound=np.generic)
_MARKED = 1 << 26
"""Up to so many pairs of row and user each has a byte: to mark them takes a third of the time of sorting them."""


class Acts(Struct, frozen=True):
    """
    What users did with cards: arrays of one length. ``user`` and ``card`` are places in Facts.users and in the forest.

    ``group``: xxh3 of the group_id, 0 without one.
    """

    user: Indexes
    card: Indexes
    at_ms: NDArray[np.int64]
    group: Integers

    def only(self, which: NDArray[Any]) -> Acts:
        """Return some of them, by a mask or by places."""
        return Acts(self.user[which], self.card[which], self.at_ms[which], self.group[which])

    def of_cards(self, cards: Indexes) -> Acts:
        """Return those with some cards."""
        return self.only(np.isin(self.card, cards))


class Facts(Struct, frozen=True):
    """
    What is counted in a range.

    ``users``: all that stand anywhere, each once. ``new``: opens that were their user's first entry. ``own``: openings by the
    card's own sharer. ``conversions``: groups of them, of one user and open, ``converted``: how many and how much; ``at_ms`` is
    that of the first. ``reshared``: cards of the range below a known one; ``delayed``: those of them whose sharer had opened
    it, ``delays_ms`` before.
    """

    forest: Forest
    users: Integers
    sharer: Indexes
    shares: Acts
    opens: Acts
    new: Acts
    conversions: Acts
    converted: Parts
    own: Acts
    unknown_opens: int
    unknown_share_ids: int
    reshared: Indexes
    delayed: Indexes
    delays_ms: NDArray[np.int64]


Dimension = Literal["total", "depth", "page", "channel", "group", "breakdown", "day", "card"]
CodeOf: TypeAlias = Callable[[Acts], NDArray[Any]]
Taken: TypeAlias = Callable[[Acts], NDArray[np.bool_]]


class Rows(Struct, frozen=True):
    """How facts fall into rows: ``labels`` of the rows (xxh3 of a group, depth, epoch ms, place), and the row of each fact."""

    labels: NDArray[Any]
    row: CodeOf

    def taken(self, labels: list[int] | None) -> Taken:
        """Return which facts lie in the rows of some labels, None: in any."""
        if labels is None:
            return lambda acts: np.ones(len(acts.card), dtype=bool)
        wanted = np.array(labels, self.labels.dtype)
        return lambda acts: np.isin(self.labels[self.row(acts)], wanted)


def labelled(forest: Forest, dimension: Dimension) -> Labelled:
    """Return the text of each card that a dimension counts by."""
    return {"page": forest.page, "channel": forest.channel, "breakdown": forest.key}[dimension]


def rows_of(facts: Facts, dimension: Dimension, starts_ms: list[int]) -> Rows:
    """Return the rows of a table. ``starts_ms``: where the days begin."""
    forest = facts.forest
    if dimension == "total":
        return Rows(np.zeros(1, np.int64), lambda acts: np.zeros(len(acts.card), np.int64))
    if dimension == "day":
        starts = np.array(starts_ms, np.int64)
        return Rows(starts, lambda acts: np.searchsorted(starts, acts.at_ms, side="right") - 1)
    if dimension == "card":
        return Rows(np.arange(len(forest.card)), lambda acts: acts.card)
    if dimension == "depth":
        return Rows(np.arange(forest.deepest + 1), lambda acts: forest.depth[acts.card])
    if dimension == "group":
        groups, _ = numbered(np.concatenate([facts.opens.group, facts.conversions.group]))
        return Rows(groups, lambda acts: places_among(groups, acts.group))
    text = labelled(forest, dimension)
    return Rows(np.arange(len(text.texts)), lambda acts: text.place[acts.card])


class Table(Struct, frozen=True):
    """The numbers of every row: columns of one length with ``labels``."""

    labels: NDArray[Any]
    columns: dict[str, NDArray[Any]]

    def row(self, place: int) -> Numbers:
        """Return one row's numbers."""
        return {name: column[place].item() for name, column in self.columns.items()}

    def filled(self) -> list[int]:
        """Return the places of rows that count anything."""
        columns = self.columns
        return np.flatnonzero(
            columns["shares"] + columns["opens"] + columns["conversions"]
        ).tolist()

    def largest(self, number: int) -> Indexes:
        """Return the places of the rows with the most opens, then shares; more of them where the last ones have the same."""
        places = np.array(self.filled(), dtype=np.int64)
        opens, shares = (self.columns[name][places] for name in ("opens", "shares"))
        order = np.lexsort((-shares, -opens))
        if len(order) > number:
            last = order[number - 1]
            behind = (opens < opens[last]) | ((opens == opens[last]) & (shares < shares[last]))
            order = order[~behind[order]]
        return places[order]


def counted(facts: Facts, dimension: Dimension, starts_ms: list[int]) -> Table:
    """Count every number of every row. A card is shared in no group: only opens and conversions have one."""
    if dimension == "group":
        facts = structs.replace(facts, shares=facts.shares.only(np.zeros(0, np.int64)))
    return _counted(facts, rows_of(facts, dimension, starts_ms))


def _counted(facts: Facts, rows: Rows) -> Table:
    size, users, shares = len(rows.labels), len(facts.users), facts.shares
    of_shares, of_opens, of_new, of_conversions = (
        rows.row(acts) for acts in (shares, facts.opens, facts.new, facts.conversions)
    )
    return Table(
        rows.labels,
        {
            "shares": np.bincount(of_shares, minlength=size),
            "sharers": _distinct(of_shares, shares.user, size, users),
            "opens": np.bincount(of_opens, minlength=size),
            "openers": _distinct(of_opens, facts.opens.user, size, users),
            "new_users": _distinct(of_new, facts.new.user, size, users),
            "conversions": _added(of_conversions, facts.converted.number, size),
            "converters": _distinct(of_conversions, facts.conversions.user, size, users),
            "revenue": sums_by(facts.converted, of_conversions, size),
        },
    )


def _added(row: NDArray[Any], number: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Add up numbers by row."""
    return np.bincount(row, weights=number, minlength=rows).astype(np.int64)


def _distinct(row: NDArray[Any], user: Indexes, rows: int, users: int) -> NDArray[np.int64]:
    """Count the distinct users of each row."""
    if rows * users <= _MARKED:
        is_there = np.zeros(rows * users, dtype=bool)
        is_there[row * users + user] = True
        counts: NDArray[np.int64] = np.count_nonzero(is_there.reshape(rows, users), axis=1)
        return counts
    pairs = once(row.astype(np.int64) * users + user)
    return np.bincount(pairs // max(users, 1), minlength=rows)


def once(numbers: NDArray[T]) -> NDArray[T]:
    """Sort and keep one of each: of a million hashes 1 s sooner than np.unique."""
    numbers = np.sort(numbers)
    is_first = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
    kept: NDArray[T] = numbers[is_first]
    return kept


class Openers:
    """
    Who opened what lies below the cards of each sharer.

    ``bound``: of each of Facts.users, how many openers others than itself the own topmost cards and all below have, one that
    opened several cards counted for each: no fewer than its descendants, and 0 only where there are none.
    """

    def __init__(self, facts: Facts, below: Below) -> None:
        users, cards = len(facts.users), max(len(facts.forest.card), 1)
        first = below.first[facts.opens.card]
        reached = first >= 0
        # Each card with each of its openers once, in the order of places.
        pairs = once(first[reached] * users + facts.opens.user[reached])
        self._place: Indexes = pairs // max(users, 1)
        self._user: Indexes = pairs % max(users, 1)
        own = np.flatnonzero(below.first >= 0)
        own = own[np.argsort(facts.sharer[own] * (cards + 1) + below.first[own])]
        sharer, begin, end = facts.sharer[own], below.first[own], below.end[own]
        # Of one's own cards that lie below one another the topmost counts; intervals lie apart or within one another.
        furthest = np.maximum.accumulate(sharer * (cards + 1) + end) if len(own) else end
        topmost = np.ones(len(own), dtype=bool)
        topmost[1:] = furthest[:-1] <= (sharer * (cards + 1) + begin)[1:]
        sharer, begin, end = sharer[topmost], begin[topmost], end[topmost]
        pairs_before = np.append(0, np.cumsum(np.bincount(self._place, minlength=cards)))
        self._begin, self._end = pairs_before[begin], pairs_before[end]
        by_user = np.sort(self._user * cards + self._place)
        self_opened = np.searchsorted(by_user, sharer * cards + end) - np.searchsorted(
            by_user, sharer * cards + begin
        )
        self._cards = np.searchsorted(sharer, np.arange(users + 1))
        weights = self._end - self._begin - self_opened
        self.bound = np.bincount(sharer, weights=weights, minlength=users).astype(np.int64)
        self._last = np.zeros(users, dtype=np.int64)

    def of(self, sharer: int) -> Indexes:
        """Return the distinct openers below a sharer, itself left out."""
        cards = slice(self._cards[sharer], self._cards[sharer + 1])
        slices = zip(self._begin[cards].tolist(), self._end[cards].tolist(), strict=True)
        found = [self._user[begin:end] for begin, end in slices]
        users = found[0] if len(found) == 1 else np.concatenate([self._user[:0], *found])
        # Every user stands where it was written last.
        places = np.arange(len(users))
        self._last[users] = places
        distinct: Indexes = users[(self._last[users] == places) & (users != sharer)]
        return distinct


_FIRST_SORTED = 50
"""For each sharer that is shown."""


def _of_sharers(facts: Facts, some: Indexes) -> Table:
    """Count every number of the cards of some sharers."""
    row = np.full(len(facts.users), -1)
    row[some] = np.arange(len(some))

    def theirs(acts: Acts) -> Indexes:
        return np.flatnonzero(row[facts.sharer[acts.card]] >= 0)

    due = theirs(facts.conversions)
    only = structs.replace(
        facts,
        shares=facts.shares.only(theirs(facts.shares)),
        opens=facts.opens.only(theirs(facts.opens)),
        new=facts.new.only(theirs(facts.new)),
        conversions=facts.conversions.only(due),
        converted=facts.converted.only(due),
    )
    return _counted(only, Rows(some, lambda acts: row[facts.sharer[acts.card]]))


def top_sharers(facts: Facts, openers: Openers, limit: int) -> tuple[list[Numbers], int]:
    """
    Return the sharers with the most descendant openers, and how many sharers there are.

    Who may have the most is looked at first, until nobody left can be among so many; only of these all is counted.
    """
    bound = openers.bound
    is_there = bound > 0
    for acts in (facts.shares, facts.opens, facts.conversions):
        is_there[facts.sharer[acts.card]] = True
    there = np.flatnonzero(is_there)

    def sharers() -> Iterator[tuple[int, int, int]]:
        """
        Go through all of them, those with the largest bound first: mostly a few are enough, and only these are sorted.

        Each with its direct openers and shares.
        """
        few = len(there) - min(_FIRST_SORTED * limit, len(there))
        least = np.partition(bound[there], few)[few] if limit and len(there) else 0
        for some in (there[bound[there] >= least], there[bound[there] < least]):
            counts = _of_sharers(facts, some).columns
            direct, shares = counts["openers"], counts["shares"]
            order = np.lexsort((facts.users[some], -shares, -direct, -bound[some]))
            yield from zip(*(each[order].tolist() for each in (some, direct, shares)), strict=True)

    top: list[tuple[int, int, int, int, int]] = []  # a heap, the last of them first
    for sharer, direct, shares in sharers() if limit else ():
        rest = (direct, shares, -int(facts.users[sharer]), sharer)
        if len(top) == limit and (int(bound[sharer]), *rest) < top[0]:
            break
        descendants = len(openers.of(sharer)) if bound[sharer] > 1 else int(bound[sharer])
        add = heapq.heappush if len(top) < limit else heapq.heappushpop
        add(top, (descendants, *rest))
    top.sort(reverse=True)
    table = _of_sharers(facts, np.array([sharer for *_, sharer in top], np.int64))
    rows = []
    for place, (descendants, *_, sharer) in enumerate(top):
        row = table.row(place)
        rows.append(
            {
                "user": str(facts.users[sharer]),
                "shares": row["shares"],
                "direct_opens": row["opens"],
                "direct_openers": row["openers"],
                "descendant_openers": descendants,
                **{name: row[name] for name in ("new_users", "conversions", "revenue")},
            }
        )
    return rows, len(there)
