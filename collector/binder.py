"""
Bindings → persons, in ClickHouse: what the writer does with the ids of a block before its events can be seen.

The rule itself is pure (``sdk_spec.persons``); here is what it is applied to: everyone who hangs together with the ids of
new bindings, less what people took apart, had erased, or what joins a crowd. Used by one thread.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import NamedTuple, Protocol

from collector import metrics
from sdk_spec.ids import KINDS
from sdk_spec.persons import Assignment, Binding, Conflict, Crowd, crowds, resolve

_KNOWN_BINDINGS = 100_000
"""Pairs remembered, so that the next event with the same two ids costs no look-up."""
_LOOK_S = 1.0
_OVERLAP_MS = 10_000
"""Rows may become visible a little after the time they carry."""


class BindingSink(Protocol):
    """What binding needs of ClickHouse; see ``sinks.ClickHouseSink``."""

    def insert_bindings(self, bindings: list[Binding], token: str) -> None: ...  # noqa: D102
    def bindings_of(self, keys: list[int]) -> list[Binding]: ...  # noqa: D102
    def unbindings(self, since_ms: int) -> list[tuple[int, int, int]]: ...  # noqa: D102
    def quarantined(self, since_ms: int) -> list[tuple[int, int]]: ...  # noqa: D102
    def insert_quarantined(self, crowds: list[Crowd]) -> None: ...  # noqa: D102
    def newer_version(self, assignments: list[Assignment], base_version: int) -> int: ...  # noqa: D102
    def companions(self, keys: list[int]) -> list[int]: ...  # noqa: D102
    def erased(self, since_ms: int) -> list[tuple[int, int, int]]: ...  # noqa: D102
    def insert_persons(self, assignments: list[Assignment], base_version: int) -> None: ...  # noqa: D102
    def insert_conflicts(self, conflicts: list[Conflict], base_version: int) -> None: ...  # noqa: D102


class Found(NamedTuple):
    """What follows from the bindings as they are now; ``crowds`` are ids that are quarantined from now on."""

    assignments: list[Assignment]
    conflicts: list[Conflict]
    crowds: list[Crowd]


class Binder:
    """
    Remembers what it bound and what was taken apart since.

    ``erased_until``: id → epoch ms up to which its events are gone.
    """

    def __init__(self, sink: BindingSink, max_companions: int) -> None:
        self._sink = sink
        self._max_companions = max_companions
        self._known_bindings: OrderedDict[tuple[int, int], Binding] = OrderedDict()
        self._unbindings: set[tuple[int, int, int]] = set()
        self._newest_unbinding_ms = 0
        self._taken_apart: set[int] = set()
        self._next_look_s = 0.0
        self._quarantined: set[int] = set()
        self._age = 0
        self._newest_quarantine_ms = 0
        self.erased_until: dict[int, int] = {}
        self._newest_erasure_ms = 0
        self._expired_until: dict[str, int] = {}

    def bind(self, bindings: list[Binding], token: str) -> None:
        """Append new bindings and resolve the persons of everyone they touch."""
        new = [b for b in self._without_erased(bindings) if not self._is_known(b)]
        if not new:
            return
        self._sink.insert_bindings(new, token)
        self._resolve({b.id_key for b in new} | {b.other_key for b in new})
        metrics.identity_bindings_total.inc(len(new))
        for binding in new:
            self._remember(binding)
        while len(self._known_bindings) > _KNOWN_BINDINGS:
            self._known_bindings.popitem(last=False)

    def _without_erased(self, bindings: list[Binding]) -> list[Binding]:
        """The bindings but those of events before an erasure of one of their ids."""
        if not self.erased_until:
            return bindings
        return [
            b
            for b in bindings
            if min(b.occurred_at, b.received_at)
            > max(self.erased_until.get(b.id_key, -1), self.erased_until.get(b.other_key, -1))
        ]

    def follow(self) -> None:
        """Follow what people took apart or had erased: at most once a second, resolve again whom it touches."""
        while self._expired_until:
            self._forget(*self._expired_until.popitem())
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + _LOOK_S
        self._follow_erasures()
        self._follow_quarantine()
        since_ms = max(0, self._newest_unbinding_ms - _OVERLAP_MS)
        new = set(self._sink.unbindings(since_ms)) - self._unbindings
        for left, right, at_ms in new:
            # The next event with both binds them again, so it must not look known.
            self._known_bindings.pop((left, right), None)
            self._newest_unbinding_ms = max(self._newest_unbinding_ms, at_ms)
            self._taken_apart |= {left, right}
        self._unbindings |= new
        if self._taken_apart:
            # Kept until it is done: a server that is away in between must not make an unbinding look followed.
            self._resolve(self._taken_apart)
            self._taken_apart = set()

    def forget(self, app_id: str, before_ms: int) -> None:
        """
        Take what events of an app bound before a time for unknown: its rows may have expired. Any thread may say so.

        The next event with both ids binds them again.
        """
        self._expired_until[app_id] = before_ms

    def _forget(self, app_id: str, before_ms: int) -> None:
        self._known_bindings = OrderedDict(
            (pair, known)
            for pair, known in self._known_bindings.items()
            if known.event_app_id != app_id or known.occurred_at >= before_ms
        )

    def _follow_erasures(self) -> None:
        """Learn which ids were erased; their later bindings are new and must not look known."""
        since_ms = max(0, self._newest_erasure_ms - _OVERLAP_MS)
        for key, until_ms, at_ms in self._sink.erased(since_ms):
            self._newest_erasure_ms = max(self._newest_erasure_ms, at_ms)
            if self.erased_until.get(key, -1) < until_ms:
                self.erased_until[key] = until_ms
                for pair in [pair for pair in self._known_bindings if key in pair]:
                    del self._known_bindings[pair]

    def _follow_quarantine(self) -> None:
        """Learn which ids are quarantined, by this writer before a restart or by another one, which resolved them."""
        since_ms = max(0, self._newest_quarantine_ms - _OVERLAP_MS)
        for key, at_ms in self._sink.quarantined(since_ms):
            self._newest_quarantine_ms = max(self._newest_quarantine_ms, at_ms)
            self._quarantined.add(key)

    def _resolve(self, keys: set[int]) -> None:
        """
        Work out the persons of everyone who hangs together with ``keys`` and store them.

        Of two writers at the same moment the one that read more bindings is right, whichever writes last: their number is the
        version. But they become fewer when people take ids apart or have them erased, and when they expire. So the version
        begins with an age: where a higher one is stored already, all is read once more, after that was written, and what
        has fewer bindings then begins a new age.
        """
        found = self._work_out(keys)
        newer = self._sink.newer_version(found.assignments, self._age << 32)
        if newer:
            self._follow_quarantine()
            found = self._work_out(keys)
            self._age = newer >> 32
            more = self._sink.newer_version(found.assignments, self._age << 32)
            if more:
                self._age = (more >> 32) + 1
        self.store(found, self._age)

    def survey(self, keys: set[int]) -> Found:
        """Work out the persons of everyone who hangs together with ``keys`` as they should be now; stores nothing."""
        self._follow_quarantine()
        return self._work_out(keys)

    def store(self, found: Found, age: int) -> None:
        """Store what was worked out, with versions of an age."""
        base_version = age << 32
        self._sink.insert_persons(found.assignments, base_version)
        if found.conflicts:
            self._sink.insert_conflicts(found.conflicts, base_version)
            metrics.identity_conflicts_total.inc(len(found.conflicts))
        if found.crowds:
            # Last: a crash before it leaves a crowd that is found again, one after it nothing to do.
            self._sink.insert_quarantined(found.crowds)
            self._quarantined |= {one.id_key for one in found.crowds}
            metrics.identity_quarantined_total.labels("crowd").inc(len(found.crowds))

    def _work_out(self, keys: set[int]) -> Found:
        """Read everyone who hangs together with ``keys`` and apply the rule."""
        quarantined, found = self._quarantined, list[Crowd]()
        component, stood = self._component(keys, quarantined)
        # Companions that are quarantined themselves count too: which of two crowds came first must not matter.
        while new := crowds(stood, self._max_companions, quarantined):
            # Whom such an id had joined is worked out again without it.
            ids = {one.id_key for one in new}
            keys = keys | set(self._sink.companions(sorted(ids))) | ids
            quarantined = quarantined | ids
            found += new
            component, stood = self._component(keys, quarantined)
        assignments, conflicts = resolve(component)
        alone = keys - {assignment.id_key for assignment in assignments}
        assignments += [Assignment(key, key, ()) for key in sorted(alone)]
        return Found(assignments, conflicts, found)

    def _is_known(self, binding: Binding) -> bool:
        """True when the same pair was bound by an event that neither happened nor was received later than this one."""
        known = self._known_bindings.get((binding.id_key, binding.other_key))
        return (
            known is not None
            and known.order <= binding.order
            and known.received_at <= binding.received_at
        )

    def _remember(self, binding: Binding) -> None:
        """Keep the evidence that happened first."""
        pair = (binding.id_key, binding.other_key)
        known = self._known_bindings.get(pair)
        if known is None or binding.order <= known.order:
            self._known_bindings[pair] = binding

    def _component(
        self, keys: set[int], quarantined: set[int]
    ) -> tuple[list[Binding], list[Binding]]:
        """
        All bindings of all ids that hang together with ``keys``; each pair once, the stronger id first.

        Those that are followed, and with them those that lead to ``quarantined`` ids and are not.
        """
        pairs: dict[tuple[int, int], Binding] = {}
        ending: dict[tuple[int, int], Binding] = {}
        seen: set[int] = set()
        frontier = keys - quarantined
        while frontier:
            seen |= frontier
            following: set[int] = set()
            for found in self._sink.bindings_of(sorted(frontier)):
                binding = found if _is_stronger_first(found) else found.reversed()
                pair = (binding.id_key, binding.other_key)
                if found.other_key in quarantined:
                    ending.setdefault(pair, binding)
                    continue
                pairs.setdefault(pair, binding)
                following.add(found.other_key)
            frontier = following - seen
        followed = list(pairs.values())
        return followed, [*followed, *ending.values()]


def _is_stronger_first(binding: Binding) -> bool:
    """Kinds are ordered; within one event two ids never have the same kind."""
    return KINDS.index(binding.kind) <= KINDS.index(binding.other_kind)
