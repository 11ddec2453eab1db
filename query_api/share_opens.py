"""
Finds the opens among visits, the open that conversions are due to, and what sharers had opened before. Pure.

Everything is a number. A *place* is where an event stands in its user's order: epoch ms, and PLACE_BITS of what decides within
one ms (share.placed_seq, share.placed_rank). Where two events share a place and their order matters, the user is *undecided*.
Called by share_sql.py; what an open is: share.py.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import Struct, structs
from numpy.typing import NDArray

from query_api.numbering import arrays, numbered, places_among, slots
from query_api.share_counts import Acts, Facts, once
from query_api.share_forest import Forest, Indexes, Integers
from query_api.sums import Parts

PLACE_BITS = 20
NEVER = np.uint64(2**63 - 1)
"""The place of what did not happen. All places are the same numbers as Int64."""
_LAST_OF_MS = np.uint64((1 << PLACE_BITS) - 1)

_SEEN_BITS = 24

Mask: TypeAlias = NDArray[np.bool_]


NO_PLACES = (np.empty(0, np.uint64), np.empty(0, np.uint64))


class Visits(Struct, frozen=True):
    """
    The rows of share.visits: arrays of one length.

    ``card`` and ``session`` are 0 for entries without a card; ``fresh`` and ``relaunched`` are NEVER where there is none.
    """

    user: Integers
    card: Integers
    session: Integers
    fresh: Integers
    relaunched: Integers
    group: Integers
    undecided: Mask

    @classmethod
    def of(cls, columns: pa.Table) -> Visits:
        """Take over the columns as they were read."""
        user, card, session, fresh, relaunched, group, undecided = arrays(columns)
        return cls(user, card, session, fresh, relaunched, group, undecided.astype(bool))

    def only(self, which: Mask) -> Visits:
        """Return some of them."""
        return Visits(**{name: getattr(self, name)[which] for name in self.__struct_fields__})

    def and_(self, others: Visits) -> Visits:
        """Return both."""
        names = self.__struct_fields__
        return Visits(**{n: np.concatenate([getattr(self, n), getattr(others, n)]) for n in names})

    def continued(self, before: Visits) -> Visits:
        """Add visits of a time before: those that went on are one. Their earlier part has the earlier group."""
        both = before.and_(self)
        went_on = np.flatnonzero(
            (both.card != 0) & _maybe_among(both.session, before.session[before.card != 0])
        )
        key = (both.session[went_on], both.card[went_on], both.user[went_on])
        order = went_on[np.lexsort(key)]  # stable: what was before stands first
        same = np.ones(max(len(order) - 1, 0), dtype=bool)
        for column in (both.user, both.card, both.session):
            same &= column[order[1:]] == column[order[:-1]]
        first, second = order[:-1][same], order[1:][same]
        for places in (both.fresh, both.relaunched):
            places[first] = np.minimum(places[first], places[second])
        grouped = both.group[first] != 0
        both.undecided[first] |= ~grouped & both.undecided[second]
        both.group[first] = np.where(grouped, both.group[first], both.group[second])
        stays = np.ones(len(both.user), dtype=bool)
        stays[second] = False
        return both.only(stays)


class Conversions(Struct, frozen=True):
    """
    The rows of share.converted, groups of conversions: arrays of one length.

    ``carried``: the card that the events carry, 0 without one. ``first``, ``last``: places of the first and the last of them.
    ``number`` to ``large``: those of sums.Parts.
    """

    user: Integers
    session: Integers
    carried: Integers
    first: Integers
    last: Integers
    number: NDArray[np.int64]
    millionths: NDArray[Any]
    rests: NDArray[Any]
    large: NDArray[np.float64]

    @classmethod
    def of(cls, columns: pa.Table) -> Conversions:
        """Take over the columns as they were read."""
        return cls(*arrays(columns))

    @property
    def converted(self) -> Parts:
        """How many, and how much."""
        return Parts(self.number, self.millionths, self.rests, self.large)

    def only(self, which: Mask) -> Conversions:
        """Return some of them."""
        return Conversions(*(getattr(self, name)[which] for name in self.__struct_fields__))

    def instead(self, users: Integers, others: Conversions) -> Conversions:
        """Put others in place of those of some users."""
        stay = self.only(~np.isin(self.user, users))
        names = self.__struct_fields__
        return Conversions(*(np.concatenate([getattr(stay, n), getattr(others, n)]) for n in names))


class Read(Struct, frozen=True):
    """
    What was read of a range, which begins at ``from_ms``.

    ``decided``: users whose places are ranks, so that no two events share one; of their
    cards ``shared`` has the places (card, place).
    """

    visits: Visits
    conversions: Conversions
    from_ms: int
    decided: Integers = NO_PLACES[0]
    shared: tuple[Integers, Integers] = NO_PLACES

    @property
    def begin(self) -> np.uint64:
        """The least place in the range."""
        return np.uint64(self.from_ms << PLACE_BITS)

    def asks_before(self, forest: Forest, made: Indexes) -> tuple[Integers, Integers]:
        """Return the users, and the cards or sessions, whose visits before the range matter in it."""
        visits, conversions = self.visits, self.conversions
        of_visits = visits.card != 0
        below = reshared(forest, made)
        pairs = [
            (visits.user[of_visits], visits.card[of_visits]),
            (conversions.user, conversions.carried),
            (conversions.user, conversions.session),
            (forest.sharer[below], forest.up[below]),
        ]
        users, numbers = zip(*pairs, strict=True)
        return np.concatenate(users), np.concatenate(numbers)

    def settled(self, again: Read) -> Read:
        """Put what was read again of the users that are decided there in place of what was known of them."""
        users = again.decided
        return structs.replace(
            again,
            visits=self.visits.only(~np.isin(self.visits.user, users)).and_(again.visits),
            conversions=self.conversions.instead(users, again.conversions),
        )


def reshared(forest: Forest, made: Indexes) -> Indexes:
    """Return those of some cards that lie below a known one."""
    return made[forest.above[made] < len(forest.card)]


class _Opens(Struct, frozen=True):
    """Opens of known cards, not by the own sharer: places of users and cards, and when each was opened."""

    user: Indexes
    card: Indexes
    session: Integers
    place: Integers
    group: Integers

    def only(self, which: Mask | Indexes) -> _Opens:
        return _Opens(*(getattr(self, name)[which] for name in self.__struct_fields__))

    def acts(self) -> Acts:
        return Acts(self.user, self.card, _ms(self.place), self.group)


class Due(Struct, frozen=True):
    """
    The groups of conversions that are due to an open, the open of each, and undecided users.

    ``apart``: users of whom an open lies between conversions of one group: those before it are due to another one.
    """

    conversions: Indexes
    to: Indexes
    undecided: Integers
    apart: Integers


class Opened(Struct, frozen=True):
    """
    What was opened, and which conversions are due to that, by the cards ``made`` in a range and what was read of it.

    ``opens``: those that count, also of before the range; ``is_new``: of each, whether it is its user's first entry. ``own``:
    openings by the card's own sharer; ``unknown``: cards of the openings that no card has. ``delayed``, ``delays_ms``: as in
    Facts. ``undecided``: users of whom these may be wrong.
    """

    forest: Forest
    made: Indexes
    read: Read
    users: Integers
    sharer: Indexes
    opens: _Opens
    is_new: Mask
    own: Acts
    unknown: Indexes
    delayed: Indexes
    delays_ms: NDArray[np.int64]
    due: Due
    undecided: Integers

    def again(self, users: Integers, conversions: Conversions) -> Opened:
        """Put others in place of the conversions of some users."""
        together = self.read.conversions.instead(users, conversions)
        due = _due(self.forest, self.users, together, self.opens)
        read = structs.replace(self.read, conversions=together)
        return structs.replace(self, read=read, due=due)

    def facts(self) -> tuple[Facts, Integers]:
        """
        Return what is counted; only cards that pass the filter count.

        Returns:
            The facts, and the undecided users: of these they may be wrong.
        """
        forest, opens, made, read = self.forest, self.opens, self.made, self.read
        passes = forest.matches[opens.card]
        due, by = self.due.conversions, self.due.to
        due, by = due[passes[by]], by[passes[by]]
        counted = np.flatnonzero(passes & (opens.place >= read.begin))
        acts = (opens if len(counted) == len(opens.card) else opens.only(counted)).acts()
        undecided = once(np.concatenate([self.undecided, self.due.undecided]))
        facts = Facts(
            forest=forest,
            users=self.users,
            sharer=self.sharer,
            shares=Acts(
                self.sharer[made], made, forest.shared_ms[made], np.zeros(len(made), np.uint64)
            ),
            opens=acts,
            new=acts.only(self.is_new[counted]),
            conversions=Acts(
                opens.user[by], opens.card[by], _ms(read.conversions.first[due]), opens.group[by]
            ),
            converted=read.conversions.converted.only(due),
            own=self.own.only(forest.matches[self.own.card]),
            unknown_opens=len(self.unknown),
            unknown_share_ids=len(once(self.unknown)),
            reshared=reshared(forest, made),
            delayed=self.delayed,
            delays_ms=self.delays_ms,
        )
        return facts, undecided[~np.isin(undecided, read.decided)]


def opened_of(forest: Forest, made: Indexes, read: Read) -> Opened:
    """Put the cards ``made`` in the range and what was read of it together."""
    visits = read.visits
    with ThreadPoolExecutor(1) as beside:  # hashing and sorting let go of the interpreter
        cards = beside.submit(places_among, forest.card, visits.card)
        # Whose conversion is due to an open is numbered with the open.
        users, numbers = numbered(np.concatenate([forest.sharer, visits.user]))
        sharer, visitor = np.split(numbers, [len(forest.sharer)])
        card = cards.result()
        is_known = card >= 0
        # Those that no card has stand behind, the same alike.
        card[~is_known] = len(forest.card) + numbered(visits.card[~is_known])[1]
        opened, is_new, open_order = _opened(visits, visitor, card, len(users))
        is_own = is_known.copy()
        is_own[is_known] = sharer[card[is_known]] == visitor[is_known]
        in_range = (opened >= read.begin) & (opened != NEVER)
        all_opens = _Opens(visitor, card, visits.session, opened, visits.group)

        counts = np.flatnonzero((opened != NEVER) & is_known & ~is_own)
        opens = all_opens.only(counts)
        reshares = beside.submit(_delays, forest, made, sharer, opens, read.shared)
        due = _due(forest, users, read.conversions, opens)
        delayed, delays, open_delays = reshares.result()
    return Opened(
        forest=forest,
        made=made,
        read=read,
        users=users,
        sharer=sharer,
        opens=opens,
        is_new=is_new[counts],
        own=all_opens.only(in_range & is_own).acts(),
        unknown=card[in_range & ~is_known],
        delayed=delayed,
        delays_ms=delays,
        due=due,
        undecided=users[np.concatenate([open_order, open_delays])],
    )


def _ms(places: Integers) -> NDArray[np.int64]:
    return (places >> np.uint64(PLACE_BITS)).astype(np.int64)


def _opened(
    visits: Visits, visitor: Indexes, card: Indexes, users: int
) -> tuple[Integers, Mask, Indexes]:
    """
    Return where each visit opened its card (NEVER: nowhere), whether that was the user's first entry, and undecided users.

    A relaunch opens a card only if it is the user's first entry with it.
    """
    first = np.minimum(visits.fresh, visits.relaunched)
    is_visit = visits.card != 0
    tied = visits.undecided | (is_visit & (visits.fresh == visits.relaunched))
    opened = np.where(is_visit, visits.fresh, NEVER)
    late = np.flatnonzero(is_visit & (visits.relaunched < visits.fresh))
    if len(late):
        pair = visitor * (int(card.max()) + 1) + card
        near = np.flatnonzero(is_visit & _maybe_among(pair, pair[late]))
        near = near[np.lexsort((first[near], pair[near]))]
        again = near[1:][pair[near[1:]] == pair[near[:-1]]]
        tied[near[1:]] |= (pair[near[1:]] == pair[near[:-1]]) & (
            first[near[1:]] == first[near[:-1]]
        )
        opens = np.zeros(len(first), dtype=bool)
        opens[late] = True
        opens[again] = False
        opened[opens] = first[opens]
    entry = np.full(users, NEVER)
    # As Int64: 15 times as fast as of UInt64.
    np.minimum.at(entry.view(np.int64), visitor, first.view(np.int64))
    is_first = first == entry[visitor]
    is_new = is_visit & (opened == entry[visitor])
    tied |= is_new & (np.bincount(visitor[is_first], minlength=users) > 1)[visitor]
    return opened, is_new, visitor[tied]


def _due(forest: Forest, users: Integers, conversions: Conversions, opens: _Opens) -> Due:
    """
    Find the open that each group of conversions is due to. Users are hashes, as ``users``.

    One that carries a known card: its user's last open of that card before it; others: the last open of their session.
    """
    # Of a million sessions few carry a card to the order.
    some = np.flatnonzero(conversions.carried)
    card = places_among(forest.card, conversions.carried[some])
    some, card = some[card >= 0], card[card >= 0]
    carries = np.zeros(len(conversions.user), dtype=bool)
    carries[some] = True
    others = np.flatnonzero(~carries)
    width = len(forest.card) + 1
    pair = places_among(users, conversions.user[some]) * width + card
    open_of = np.full(len(carries), -1)
    tied, apart = np.zeros(len(carries), dtype=bool), np.zeros(len(carries), dtype=bool)
    for which, decider, wanted in (
        (some, opens.user * width + opens.card, pair),
        (others, opens.session, conversions.session[others]),
    ):
        open_of[which], tied[which], apart[which] = _latest(
            decider, opens.place, wanted, conversions.first[which], conversions.last[which]
        )
    due = np.flatnonzero(open_of >= 0)
    return Due(due, open_of[due], conversions.user[tied], once(conversions.user[apart]))


def _delays(
    forest: Forest,
    made: Indexes,
    sharer: Indexes,
    opens: _Opens,
    shared: tuple[Integers, Integers],
) -> tuple[Indexes, NDArray[np.int64], Indexes]:
    """
    Return the cards whose sharer had opened the card above, how long before the share; and undecided users.

    ``shared``: cards whose place is known; of others the ms is, so an open in that very ms leaves the order open.
    """
    below = reshared(forest, made)
    width = len(forest.card) + 1
    last = (forest.shared_ms[below].astype(np.uint64) << np.uint64(PLACE_BITS)) | _LAST_OF_MS
    place = places_among(forest.card[below], shared[0])
    last[place[place >= 0]] = shared[1][place >= 0]
    open_of, _, _ = _latest(
        opens.user * width + opens.card,
        opens.place,
        sharer[below] * width + forest.above[below],
        last,
        last,
    )
    had = open_of >= 0
    delayed = below[had]
    delays = forest.shared_ms[delayed] - _ms(opens.place[open_of[had]])
    return delayed, delays, sharer[delayed][delays == 0]


def _latest(
    decider: NDArray[Any],
    place: Integers,
    wanted: NDArray[Any],
    first: Integers,
    last: Integers,
) -> tuple[Indexes, Mask, Mask]:
    """
    Return for each wanted decider the index of its last open at or before the place ``first``, -1: none.

    Also whether that is undecided: the open lies at that very place, or another open at the place of this one; and whether
    one comes between, after ``first`` and at or before ``last``.
    """
    keys, of_wanted = numbered(wanted)
    of_opens = places_among(keys, decider)
    mine = np.flatnonzero(of_opens >= 0)
    of_opens = of_opens[mine]
    one = np.full(len(keys), -1)
    one[of_opens] = mine
    found = one[of_wanted]
    has = np.flatnonzero(found >= 0)
    at = place[found[has]]
    is_later = at > first[has]
    tied, between = np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=bool)
    tied[has] = at == first[has]
    between[has] = is_later & (at <= last[has])
    found[has[is_later]] = -1
    # Mostly a decider has one open, and that was all.
    has_several = np.bincount(of_opens, minlength=len(keys)) > 1
    several = np.flatnonzero(has_several[of_wanted])
    found[several], tied[several], between[several] = _latest_of_several(
        mine[has_several[of_opens]], decider, place, wanted[several], first[several], last[several]
    )
    return found, tied, between


def _latest_of_several(
    mine: Indexes,
    decider: NDArray[Any],
    place: Integers,
    wanted: NDArray[Any],
    first: Integers,
    last: Integers,
) -> tuple[Indexes, Mask, Mask]:
    """Return the same as ``_latest``, by bisection among some opens in order; each wanted decider is one of theirs."""
    mine = mine[np.argsort(place[mine])]
    mine = mine[np.argsort(decider[mine], kind="stable")]
    deciders, places = decider[mine], place[mine]
    begin, end = (np.searchsorted(deciders, wanted, side=side) for side in ("left", "right"))
    low, high = begin.copy(), end.copy()
    while len(left := np.flatnonzero(low < high)):
        middle = (low[left] + high[left]) // 2
        is_before = places[middle] <= first[left]
        low[left[is_before]] = middle[is_before] + 1
        high[left[~is_before]] = middle[~is_before]
    has = low > begin
    latest = low[has] - 1
    found = np.full(len(wanted), -1)
    found[has] = mine[latest]
    tied, between = np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=bool)
    another = np.maximum(latest - 1, begin[has])  # itself, where it is the only one before
    tied[has] = (places[latest] == first[has]) | (
        (another != latest) & (places[another] == places[latest])
    )
    follows = np.flatnonzero(low < end)
    between[follows] = places[low[follows]] <= last[follows]
    return found, tied, between


def _maybe_among(keys: NDArray[Any], wanted: NDArray[Any]) -> Mask:
    """Tell which keys may be among some: all that are, and few others. Much cheaper than to sort them."""
    seen = np.zeros(1 << _SEEN_BITS, dtype=bool)
    seen[slots(wanted, _SEEN_BITS)] = True
    found: Mask = seen[slots(keys, _SEEN_BITS)]
    return found
