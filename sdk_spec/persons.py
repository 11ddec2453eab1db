"""
The rule that turns bindings into persons. Pure.

Shared by the collector, which stores who is who now, and the query API, which asks who was who at an instant.

Two user_ids, two unionids of a project, or two openids of one app never become one person: the id that would join them stays
with the first, and the later binding is a conflict. A phone is the weakest evidence: its bindings are followed after all
others, whatever came first, so that a shared or passed-on number never takes a device or an account from its owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct, structs

from sdk_spec.ids import KINDS, MANY_OF_A_PERSON

MAX_COMPANIONS = 20
"""Ids of a kind (but anonymous_ids) with which an id may stand; with more it is a bot, a tablet, a test device, a hotline."""


class Binding(Struct, frozen=True):
    """
    Two ids of one event, the stronger first; times in epoch ms.

    ``occurred_at``, ``seq`` and ``event_id`` are those of the earliest event seen with both: the evidence.
    """

    project: str
    id_key: int
    kind: str
    app_id: str
    id: str
    other_key: int
    other_kind: str
    other_app_id: str
    other_id: str
    occurred_at: int = 0
    seq: int = 0
    event_id: str = ""
    event_app_id: str = ""
    received_at: int = 0

    @property
    def order(self) -> tuple[int, int, str]:
        """The order of events: corrected time, then seq, then event_id."""
        return self.occurred_at, self.seq, self.event_id

    def reversed(self) -> Binding:
        """The same binding seen from the other id."""
        return structs.replace(
            self,
            id_key=self.other_key,
            kind=self.other_kind,
            app_id=self.other_app_id,
            id=self.other_id,
            other_key=self.id_key,
            other_kind=self.kind,
            other_app_id=self.app_id,
            other_id=self.id,
        )


class Assignment(Struct, frozen=True):
    """
    The person of one id.

    ``person`` is the key of the person's strongest id; ``history`` says for the strict mode from which epoch ms on the id
    belonged to which person, oldest first; before that it was a person by itself. ``evidence`` is the number of bindings
    it follows from: of two assignments of an id, the one with more knows more.
    """

    id_key: int
    person: int
    history: tuple[tuple[int, int], ...]
    evidence: int = 0


class Conflict(Struct, frozen=True):
    """A binding that was not followed, the kind of id that both sides already had, and ``evidence`` as above."""

    binding: Binding
    reason: str
    evidence: int = 0


class Crowd(Struct, frozen=True):
    """An id that stood with more ids of a kind than anybody has: its bindings are not followed."""

    id_key: int
    project: str
    kind: str
    app_id: str
    id: str
    crowded_kind: str


def crowds(
    bindings: Iterable[Binding],
    most: int = MAX_COMPANIONS,
    known: Collection[int] = frozenset(),
) -> list[Crowd]:
    """
    Find the ids that stand with more than ``most`` different ids of a kind (of an app, for openids), anonymous_ids aside.

    Those that are ``known`` as such are left out, but count as companions.

    Complexity: linear.
    """
    companions: dict[tuple[int, str, str], set[int]] = {}
    kept = list(bindings)
    for b in kept:
        companions.setdefault((b.other_key, b.kind, b.app_id), set()).add(b.id_key)
        if b.other_kind != "anonymous_id":
            companions.setdefault((b.id_key, b.other_kind, b.other_app_id), set()).add(b.other_key)
    found = {
        key: kind
        for (key, kind, _), others in sorted(companions.items())
        if len(others) > most and kind != "anonymous_id" and key not in known
    }
    sides: dict[int, Crowd] = {}
    for b in kept if found else ():
        for side in (b, b.reversed()):
            if side.id_key in found and side.id_key not in sides:
                kind = found[side.id_key]
                sides[side.id_key] = Crowd(
                    side.id_key, side.project, side.kind, side.app_id, side.id, kind
                )
    return [sides[key] for key in sorted(sides)]


class _Person:
    """Ids bound so far, while bindings are replayed in order."""

    def __init__(self, key: int, kind: str, app_id: str, born: int) -> None:
        self.members: list[int] = [key]
        # What there may be only one of: (kind, app_id) → key.
        self.unique: dict[tuple[str, str], int] = (
            {} if kind in MANY_OF_A_PERSON else {(kind, app_id): key}
        )
        self.label_rank = KINDS.index(kind), born
        self.label = key

    def clash(self, other: _Person) -> str | None:
        """The strongest kind of which the two have different ids."""
        clashing = {
            scope[0] for scope, key in self.unique.items() if other.unique.get(scope, key) != key
        }
        return next((kind for kind in KINDS if kind in clashing), None)


def resolve(bindings: Iterable[Binding]) -> tuple[list[Assignment], list[Conflict]]:
    """
    Turn all bindings of some ids into persons. Give whole components: every binding of every id that occurs.

    Complexity: n log n over the bindings.
    """
    assignments: list[Assignment] = []
    conflicts: list[Conflict] = []
    for component in components(bindings):
        persons, refused = _resolve_component(component)
        assignments += persons
        conflicts += refused
    return assignments, conflicts


def components(bindings: Iterable[Binding]) -> list[list[Binding]]:
    """Group bindings whose ids hang together, whether they may be merged or not."""
    groups: dict[int, list[Binding]] = {}
    members: dict[int, list[int]] = {}
    group_of: dict[int, int] = {}
    for binding in bindings:
        left, right = (group_of.setdefault(key, key) for key in (binding.id_key, binding.other_key))
        for key in (left, right):
            groups.setdefault(key, [])
            members.setdefault(key, [key])
        if left != right:
            if len(members[left]) < len(members[right]):
                left, right = right, left
            for key in members[right]:
                group_of[key] = left
            members[left] += members.pop(right)
            groups[left] += groups.pop(right)
        groups[left].append(binding)
    return list(groups.values())


def _resolve_component(bindings: list[Binding]) -> tuple[list[Assignment], list[Conflict]]:
    """
    Turn the bindings of one component into persons.

    Replays the bindings in the order of their events; of one event the pair of the strongest ids comes first. Where there are
    phones, the replay first decides about all other bindings and then about those of phones; what it followed is replayed
    once more in the order of events, which says since when. The answer depends only on the set of bindings, not on when they
    arrived.

    Complexity: n log n over the bindings, and n log n relabelling (the smaller person joins the larger).
    """
    ordered = sorted(
        bindings,
        key=lambda b: (
            b.order,
            KINDS.index(b.kind),
            KINDS.index(b.other_kind),
            b.id_key,
            b.other_key,
        ),
    )
    replay = _Replay()
    weak = [b for b in ordered if b.other_kind == "phone_hash"]
    if weak:
        deciding = _Replay()
        deciding.follow(b for b in ordered if b.other_kind != "phone_hash")
        deciding.follow(weak)
        refused = {(b.id_key, b.other_key) for b, _ in deciding.refused}
        replay.follow(ordered, without=refused)
        replay.refused = deciding.refused
    else:
        replay.follow(ordered)
    return (
        [
            Assignment(key, person.label, tuple(replay.history.get(key, ())), len(ordered))
            for key, person in replay.persons.items()
        ],
        [Conflict(binding, reason, len(ordered)) for binding, reason in replay.refused],
    )


class _Replay:
    """Persons while bindings are followed one after the other."""

    def __init__(self) -> None:
        self.persons: dict[int, _Person] = {}
        self.history: dict[int, list[tuple[int, int]]] = {}
        self.refused: list[tuple[Binding, str]] = []

    def follow(
        self, bindings: Iterable[Binding], without: Collection[tuple[int, int]] = ()
    ) -> None:
        """Join what the bindings join, but those ``without``: their ids are only known."""
        for binding in bindings:
            left = self._person(binding.id_key, binding.kind, binding.app_id)
            right = self._person(binding.other_key, binding.other_kind, binding.other_app_id)
            if left is right or (binding.id_key, binding.other_key) in without:
                continue
            reason = left.clash(right)
            if reason is not None:
                self.refused.append((binding, reason))
                continue
            _merge(left, right, self.persons, self.history, binding.occurred_at)

    def _person(self, key: int, kind: str, app_id: str) -> _Person:
        found = self.persons.get(key)
        if found is None:
            found = self.persons[key] = _Person(key, kind, app_id, len(self.persons))
        return found


def _merge(
    left: _Person,
    right: _Person,
    persons: dict[int, _Person],
    history: dict[int, list[tuple[int, int]]],
    occurred_at: int,
) -> None:
    """Join two persons at a moment; the strongest id names the result, of equals (joined by a phone) the one known first."""
    label_rank, label = (
        (left.label_rank, left.label)
        if left.label_rank <= right.label_rank
        else (right.label_rank, right.label)
    )
    for side in (left, right):
        if side.label != label:
            for key in side.members:
                history.setdefault(key, []).append((occurred_at, label))
    large, small = (left, right) if len(left.members) >= len(right.members) else (right, left)
    large.members.extend(small.members)
    large.unique.update(small.unique)
    large.label_rank, large.label = label_rank, label
    for key in small.members:
        persons[key] = large
