"""
The slow, obvious meaning of identity: replay all events in order, keep persons as plain sets, look everything up by search.

An id is (kind, scope, text); the scope is the app for openid and anonymous_id, empty for the others.
"""

from itertools import combinations
from typing import NamedTuple

Id = tuple[str, str, str]
STRENGTH = ["user_id", "unionid", "openid", "anonymous_id", "phone_hash"]
SEVERAL = ["anonymous_id", "phone_hash"]


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
    phone_hash: str = ""


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
        if kind not in SEVERAL and len(of_kind) > 1:
            return False
    return True


def quarantined(events: list[Seen], most: int) -> set[Id]:
    """Ids that stand with more than ``most`` others of a kind and scope, anonymous_ids aside."""
    together: dict[tuple[Id, str, str], set[Id]] = {}
    for event in events:
        for one in ids_of(event):
            for other in ids_of(event):
                if other != one and other[0] != "anonymous_id":
                    together.setdefault((one, other[0], other[1]), set()).add(other)
    return {one for (one, _, _), others in together.items() if len(others) > most}


def meaning(events: list[Seen], most: int = 20) -> Meaning:
    """
    Replay all events by corrected time, seq and event_id.

    Which pairs are followed is decided without phones first, then for phones; since when, by one more replay of those.
    """
    nobody = quarantined(events, most)
    pairs = [
        (event.occurred_at, strong, weak)
        for event in sorted(events, key=lambda e: (e.occurred_at, e.seq, e.event_id))
        for strong, weak in combinations(ids_of(event), 2)
        if strong not in nobody and weak not in nobody
    ]
    ids = [one for event in events for one in ids_of(event)]
    phones_last = sorted(pairs, key=lambda pair: pair[2][0] == "phone_hash")
    conflicts: set[tuple[Id, Id]] = set()
    persons = {one: [one] for one in ids}
    for _, strong, weak in phones_last:
        if persons[strong] is not persons[weak]:
            if may_join(persons[strong], persons[weak]):
                together = persons[strong] + persons[weak]
                persons |= dict.fromkeys(together, together)
            else:
                conflicts.add((strong, weak))

    known = [one for _, strong, weak in pairs for one in (strong, weak)]

    def name_of(person: list[Id]) -> Id:
        return min(
            person,
            key=lambda one: (STRENGTH.index(one[0]), known.index(one) if one in known else 0),
        )

    history: dict[Id, list[tuple[int, Id]]] = {}
    persons = {one: [one] for one in ids}
    for at, strong, weak in pairs:
        if (strong, weak) in conflicts or persons[strong] is persons[weak]:
            continue
        before = {one: name_of(persons[one]) for one in persons[strong] + persons[weak]}
        together = persons[strong] + persons[weak]
        persons |= dict.fromkeys(together, together)
        for one, name in before.items():
            if name != name_of(together):
                history.setdefault(one, []).append((at, name_of(together)))
    return Meaning({one: name_of(person) for one, person in persons.items()}, history, conflicts)
