"""
The funnel by its definition: every set of events is tried. Slow, obvious, and written without a look at the SQL.

``chains`` gives each user's chain, ``steps`` the numbers. Knows nothing of filters, identities and time zones: events
carry their user, steps are predicates, times are epoch milliseconds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations, pairwise, permutations
from statistics import fmean, median
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event of a log. ``received_ms`` tells which of two copies came first."""

    user: str
    event: str
    at_ms: int
    seq: int = 0
    event_id: str = ""
    app_id: str = "wx0001"
    received_ms: int = 0
    properties: dict[str, Any] = field(default_factory=dict, hash=False)


Predicate = Callable[[Event], bool]


@dataclass(frozen=True)
class Exclusion:
    """Events that must not lie strictly between the events of two steps, counted from 1."""

    matches: Predicate
    from_step: int
    to_step: int


@dataclass(frozen=True)
class Funnel:
    """A funnel's definition. ``from_ms`` included, ``to_ms`` excluded: where the first event of a chain may lie."""

    steps: list[Predicate]
    window_ms: int
    from_ms: int
    to_ms: int
    order: str = "ordered"
    exclusions: list[Exclusion] = field(default_factory=list)
    hold_constant: list[str] = field(default_factory=list)


Chain = tuple[Event, ...]


def without_duplicates(log: Iterable[Event]) -> list[Event]:
    """Of the copies of one event the first received stays."""
    first: dict[tuple[str, str], Event] = {}
    for event in sorted(log, key=lambda e: e.received_ms):
        first.setdefault((event.app_id, event.event_id), event)
    return list(first.values())


def chains(log: Iterable[Event], funnel: Funnel) -> dict[str, Chain]:
    """Each user's chain: the deepest, then the earliest first event, then the earliest second, and so on."""
    histories: dict[str, list[Event]] = {}
    for event in without_duplicates(log):
        histories.setdefault(event.user, []).append(event)
    found = {}
    for user, history in histories.items():
        history.sort(key=lambda e: (e.at_ms, e.seq, e.event_id.encode(), e.app_id.encode()))
        chain = _chain_of(history, funnel)
        if chain is not None:
            found[user] = chain
    return found


def _chain_of(history: list[Event], funnel: Funnel) -> Chain | None:
    for length in range(len(funnel.steps), 0, -1):
        # In lexicographic order of the places: the first that is a chain is the earliest.
        for places in combinations(range(len(history)), length):
            if _is_chain(history, places, funnel):
                return tuple(history[place] for place in places)
    return None


def _is_chain(history: list[Event], places: tuple[int, ...], funnel: Funnel) -> bool:
    events = [history[place] for place in places]
    if not funnel.from_ms <= events[0].at_ms < funnel.to_ms:
        return False
    if events[-1].at_ms - events[0].at_ms > funnel.window_ms:
        return False
    for name in funnel.hold_constant:
        # repr keeps "1", 1 and true apart.
        if len({repr(event.properties.get(name)) for event in events}) > 1:
            return False
        if events[0].properties.get(name) is None:
            return False
    if funnel.order == "any":
        return any(
            all(step(event) for step, event in zip(steps, events, strict=True))
            for steps in permutations(funnel.steps, len(events))
        )
    if not all(step(event) for step, event in zip(funnel.steps, events, strict=False)):
        return False
    if funnel.order == "strict" and any(after != before + 1 for before, after in pairwise(places)):
        return False
    for exclusion in funnel.exclusions:
        if exclusion.to_step <= len(places):
            between = history[places[exclusion.from_step - 1] + 1 : places[exclusion.to_step - 1]]
            if any(exclusion.matches(event) for event in between):
                return False
    return True


def steps(found: Iterable[Chain], count: int) -> list[dict[str, Any]]:
    """The numbers of each step."""
    found = list(found)
    rows = []
    for step in range(1, count + 1):
        reached = [chain for chain in found if len(chain) >= step]
        before = [chain for chain in found if len(chain) >= step - 1]
        times = [chain[step - 1].at_ms - chain[step - 2].at_ms for chain in reached if step > 1]
        since_first = [chain[step - 1].at_ms - chain[0].at_ms for chain in reached if step > 1]
        rows.append(
            {
                "step": step,
                "users": len(reached),
                "dropped": len(before) - len(reached),
                "rate_from_previous": len(reached) / len(before) if before else None,
                "rate_from_first": len(reached) / len(found) if found else None,
                "median_ms_from_previous": median(times) if times else None,
                "average_ms_from_previous": fmean(times) if times else None,
                "median_ms_from_first": median(since_first) if since_first else None,
                "average_ms_from_first": fmean(since_first) if since_first else None,
            }
        )
    return rows
