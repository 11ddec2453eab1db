"""
The slow, obvious meaning of identity: replay all events in order, keep persons as plain sets, look everything up by search.

An id is (kind, scope, text); the scope is the app for openid and anonymous_id, empty for user_id and unionid.
"""

from itertools import combinations
from typing import NamedTuple

Id = tuple[str, str, str]
STRENGTH = ["user_id", "unionid", "openid", "anonymous_id"]


class Seen(NamedTuple):
    """One event as far as identity goes; absent ids are empty."""

    app_id: str
    occurred_at: int
    seq: int
    event_id: str
    user_id: str
    unionid: str
    openid: str
    anonymous_id: str


class Meaning(NamedTuple):
    """
    What the events say.

    ``person``: the strongest id of each id's person. ``history``: for each id the moments at which its person's name
    changed. ``conflicts``: pairs that were never followed.
    """

    person: dict[Id, Id]
    history: dict[Id, list[tuple[int, Id]]]
    conflicts: set[tuple[Id, Id]]


def ids_of(event: Seen) -> list[Id]:
    """Ids of an event, the strongest first."""
    found = []
    for kind in STRENGTH:
        text = getattr(event, kind)
        if text:
            found.append((kind, event.app_id if kind in ("openid", "anonymous_id") else "", text))
    return found


def may_join(left: list[Id], right: list[Id]) -> bool:
    """Nobody has two user_ids, two unionids or two openids of one app."""
    together = {*left, *right}
    for kind, scope, _ in together:
        of_kind = [one for one in together if one[0] == kind and one[1] == scope]
        if kind != "anonymous_id" and len(of_kind) > 1:
            return False
    return True


def quarantined(events: list[Seen], most: int) -> set[Id]:
    """Ids that stand with more than ``most`` others of a kind and scope of which a person has one."""
    together: dict[tuple[Id, str, str], set[Id]] = {}
    for event in events:
        for one in ids_of(event):
            for other in ids_of(event):
                if other != one and other[0] != "anonymous_id":
                    together.setdefault((one, other[0], other[1]), set()).add(other)
    return {one for (one, _, _), others in together.items() if len(others) > most}


def meaning(events: list[Seen], most: int = 20) -> Meaning:
    """Replay all events by corrected time, seq and event_id."""
    nobody = quarantined(events, most)
    persons: list[list[Id]] = []
    history: dict[Id, list[tuple[int, Id]]] = {}
    conflicts: set[tuple[Id, Id]] = set()

    def person_of(one: Id) -> list[Id]:
        for person in persons:
            if one in person:
                return person
        persons.append([one])
        return persons[-1]

    def name_of(person: list[Id]) -> Id:
        return min(person, key=lambda one: STRENGTH.index(one[0]))

    for event in sorted(events, key=lambda e: (e.occurred_at, e.seq, e.event_id)):
        for strong, weak in combinations(ids_of(event), 2):
            left, right = person_of(strong), person_of(weak)
            if left is right or strong in nobody or weak in nobody:
                continue
            if not may_join(left, right):
                conflicts.add((strong, weak))
                continue
            before = {one: name_of(person) for person in (left, right) for one in person}
            persons.remove(left)
            persons.remove(right)
            persons.append(left + right)
            for one in left + right:
                if before[one] != name_of(persons[-1]):
                    history.setdefault(one, []).append((event.occurred_at, name_of(persons[-1])))
    return Meaning(
        {one: name_of(person) for person in persons for one in person}, history, conflicts
    )
