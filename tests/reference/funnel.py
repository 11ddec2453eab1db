"""
The funnel by its definition: every set of events is tried. Slow, obvious, and written without a look at the SQL.

``chains`` gives each user's chain, ``steps`` the numbers. Knows nothing of filters, identities and time zones: events
carry their user, steps are predicates, times are epoch milliseconds, ``day_of`` gives an instant's day number.
"""

from collections import Counter
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
    """
    A funnel's definition. ``from_ms`` included, ``to_ms`` excluded: where the first event of a chain may lie.

    ``window_days``: instead of ``window_ms``, the number of calendar days. ``optional``: numbers of steps.
    """

    steps: list[Predicate]
    window_ms: int
    from_ms: int
    to_ms: int
    order: str = "ordered"
    exclusions: list[Exclusion] = field(default_factory=list)
    hold_constant: list[str] = field(default_factory=list)
    optional: list[int] = field(default_factory=list)
    entry: str = "best"
    ties: str = "order"
    exclusion_effect: str = "chain"
    window_days: int | None = None
    day_of: Callable[[int], int] = int


Chain = dict[int, Event]
"""Step, from 1, to its event; in order "any" the event's number."""
Places = tuple[int, ...]


def without_duplicates(log: Iterable[Event]) -> list[Event]:
    """Of the copies of one event the first received stays."""
    first: dict[tuple[str, str], Event] = {}
    for event in sorted(log, key=lambda e: e.received_ms):
        first.setdefault((event.app_id, event.event_id), event)
    return list(first.values())


def histories(log: Iterable[Event]) -> dict[str, list[Event]]:
    """Each user's events in order."""
    found: dict[str, list[Event]] = {}
    for event in without_duplicates(log):
        found.setdefault(event.user, []).append(event)
    for history in found.values():
        history.sort(key=lambda e: (e.at_ms, e.seq, e.event_id.encode(), e.app_id.encode()))
    return found


def chains(log: Iterable[Event], funnel: Funnel) -> dict[str, Chain]:
    """Each user's chain: the deepest, then the earliest first event, then the earliest second, and so on."""
    found = {}
    for user, history in histories(log).items():
        chain = _chain_of(history, funnel)
        if chain is not None and not _is_taken_out(history, funnel):
            found[user] = chain
    return found


def _chain_of(history: list[Event], funnel: Funnel) -> Chain | None:
    for depth in range(len(funnel.steps), 0, -1):
        for kept in _steps_up_to(depth, funnel):
            # In lexicographic order of the places: the first that is a chain is the earliest.
            found = [
                (places, numbers)
                for numbers in kept
                for places in [next(_chains(history, numbers, funnel), None)]
                if places is not None
            ]
            if found:
                places, numbers = min(found)
                return {n: history[place] for n, place in zip(numbers, places, strict=True)}
    return None


def _steps_up_to(depth: int, funnel: Funnel) -> list[list[Places]]:
    """The steps that a chain to ``depth`` may hold: those that hold most first, as many together."""
    skippable = [step for step in funnel.optional if step < depth]
    return [
        [
            tuple(step for step in range(1, depth + 1) if step not in skipped)
            for skipped in combinations(skippable, size)
        ]
        for size in range(len(skippable) + 1)
    ]


def _chains(history: list[Event], numbers: Places, funnel: Funnel) -> Iterable[Places]:
    """Places of the chains that hold these steps."""
    choose = permutations if funnel.ties in ("any", "any_of_day") else combinations
    return (
        places
        for places in choose(range(len(history)), len(numbers))
        if _is_chain(history, places, numbers, funnel)
    )


def _is_chain(history: list[Event], places: Places, numbers: Places, funnel: Funnel) -> bool:
    events = [history[place] for place in places]
    if not funnel.from_ms <= events[0].at_ms < funnel.to_ms:
        return False
    if not all(_in_window(events[0], event, funnel) for event in events):
        return False
    for before, after in pairwise(events):
        if funnel.ties == "apart" and not after.at_ms > before.at_ms:
            return False
        if funnel.ties == "any" and not after.at_ms >= before.at_ms:
            return False
        if funnel.ties == "any_of_day" and funnel.day_of(after.at_ms) < funnel.day_of(before.at_ms):
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
    if not all(funnel.steps[n - 1](event) for n, event in zip(numbers, events, strict=True)):
        return False
    if funnel.entry == "first":
        entries = [
            place
            for place, event in enumerate(history)
            if funnel.steps[0](event)
            and funnel.from_ms <= event.at_ms < funnel.to_ms
            and all(event.properties.get(name) is not None for name in funnel.hold_constant)
        ]
        if places[0] != entries[0]:
            return False
    if funnel.order == "strict" and any(after != before + 1 for before, after in pairwise(places)):
        return False
    if funnel.exclusion_effect == "user":
        return True
    place_of = dict(zip(numbers, places, strict=True))
    for exclusion in funnel.exclusions:
        if exclusion.from_step in place_of and exclusion.to_step in place_of:
            between = history[place_of[exclusion.from_step] + 1 : place_of[exclusion.to_step]]
            if any(exclusion.matches(event) for event in between):
                return False
    return True


def _in_window(first: Event, event: Event, funnel: Funnel) -> bool:
    if funnel.window_days is not None:
        return funnel.day_of(event.at_ms) - funnel.day_of(first.at_ms) < funnel.window_days
    return event.at_ms - first.at_ms <= funnel.window_ms


def _is_taken_out(history: list[Event], funnel: Funnel) -> bool:
    """Whether some excluded event finds the user between the two steps, with the window still open."""
    if funnel.exclusion_effect != "user":
        return False

    def begun(step: int, place: int) -> list[Event]:
        """First events of the chains up to a step that lies before a place."""
        numbers = tuple(range(1, step + 1))
        return [history[c[0]] for c in _chains(history, numbers, funnel) if c[-1] < place]

    def start(event: Event) -> int:
        return event.at_ms if funnel.window_days is None else funnel.day_of(event.at_ms)

    return any(
        exclusion.matches(excluded)
        and any(
            _in_window(first, excluded, funnel)
            and not any(start(done) >= start(first) for done in begun(exclusion.to_step, place))
            for first in begun(exclusion.from_step, place)
        )
        for exclusion in funnel.exclusions
        for place, excluded in enumerate(history)
    )


def required_before(step: int, funnel: Funnel) -> int:
    """The required step before a step; the first itself."""
    return max((n for n in range(1, step) if n not in funnel.optional), default=1)


def steps(found: Iterable[Chain], funnel: Funnel) -> list[dict[str, Any]]:
    """The numbers of each step."""
    found = list(found)
    rows = []
    for step in range(1, len(funnel.steps) + 1):
        reached = [chain for chain in found if step in chain]
        before = [chain for chain in found if required_before(step, funnel) in chain]
        times, since_first = [], []
        for chain in reached if step > 1 else []:
            events = list(chain.values())
            # An event that lies before the one it follows (ties of a day) counts as simultaneous.
            at_ms = [max(e.at_ms for e in events[: i + 1]) for i in range(len(events))]
            place = list(chain).index(step)
            times.append(at_ms[place] - at_ms[place - 1])
            since_first.append(at_ms[place] - at_ms[0])
        rows.append(
            {
                "step": step,
                "users": len(reached),
                "dropped": 0 if step in funnel.optional else len(before) - len(reached),
                "rate_from_previous": len(reached) / len(before) if before else None,
                "rate_from_first": len(reached) / len(found) if found else None,
                "median_ms_from_previous": median(times) if times else None,
                "average_ms_from_previous": fmean(times) if times else None,
                "median_ms_from_first": median(since_first) if since_first else None,
                "average_ms_from_first": fmean(since_first) if since_first else None,
            }
        )
    return rows


def dropped_next(
    log: Iterable[Event], found: dict[str, Chain], funnel: Funnel, step: int
) -> Counter[str | None]:
    """What those who dropped at a step did next within the window: names of events, None for nothing."""
    counts: Counter[str | None] = Counter()
    before = required_before(step, funnel)
    for user, history in histories(log).items():
        chain = found.get(user)
        if step == 1 or step in funnel.optional or chain is None:
            continue
        if before in chain and max(chain) < step:
            first, last = next(iter(chain.values())), list(chain.values())[-1]
            after = history[history.index(last) + 1 :][:1]
            counts[after[0].event if after and _in_window(first, after[0], funnel) else None] += 1
    return counts
