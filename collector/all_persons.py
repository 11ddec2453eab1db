"""
All persons, worked out anew from the bindings and compared with what is stored: ``scenetrail identity``.

The writer resolves whom a new binding touches. What an older version stored wrongly, and what expired since, stays until the
next binding of the same person; here everyone is gone through, in slices of ids, by the writer's own ``Binder``.

A writer may run meanwhile. It stores bindings before it reads them, and it looks for higher versions before it stores persons;
``_mend`` stores with a new age and reads once more afterwards. So of the two the one that read last has the last word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from collector.binder import Binder, Found
from collector.privacy import FOLLOW_S, places
from collector.sinks import ClickHouseSink, asked
from collector.sql import load_sql
from sdk_spec.persons import MAX_COMPANIONS, Conflict

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

IDS_AT_ONCE = 10_000
"""What hangs together with them is held in memory, about 1 kB a binding."""
_MAX_ROUNDS = 10
"""A slice is looked at again as long as bindings of its ids come in between."""
_MUTATION = {"mutations_sync": 2, "max_execution_time": 0}

_Person = tuple[int, tuple[tuple[int, int], ...]]
"""The person of an id, and its history for the strict mode."""
_Pair = tuple[int, int]
_Listed = tuple[str, int, str]
"""Reason, time and event of a conflict."""


class UnsettledError(Exception):
    """Persons still differ after they were stored; the message says what to do."""


class Wrong(Struct, frozen=True):
    """
    An id whose person is not stored as it should be, or a conflict of which is not listed.

    ``id``: as people know it, "" where no binding holds its text. ``persons``: by node, as they are stored.
    """

    key: int
    project: str
    kind: str
    app_id: str
    id: str
    person: int
    persons: tuple[int, ...]


class Tally(Struct):
    """
    How far it is. ``ids``, ``persons`` and ``conflicts`` were wrong; of a person it is enough that one id was.

    ``settled``: conflicts that were listed once and hold no more, which is no fault of the writer's.
    """

    of_about: int
    seen: int = 0
    ids: int = 0
    persons: int = 0
    conflicts: int = 0
    settled: int = 0


class _Node(Struct, frozen=True):
    """What a node has stored of some ids."""

    persons: dict[int, _Person]
    conflicts: dict[_Pair, _Listed]
    versions: dict[_Pair, int]
    newest: int


class _Look(Struct, frozen=True):
    """What follows from the bindings, what is stored, and where they differ."""

    found: Found
    nodes: list[_Node]
    wrong: dict[int, _Person]
    unlisted: set[_Pair]
    settled: dict[_Pair, int]

    @property
    def newest(self) -> int:
        """The highest version that is stored."""
        return max(node.newest for node in self.nodes)


class AllPersons:
    """
    Goes through all ids. ``nodes``: a client for each node of a cluster; ``sink`` is used as the writer uses it.

    ``follow_s``: how long a writer may need until it has followed what is bound. Errors: TRANSIENT, PrivacyError when a node
    of the cluster is not among ``nodes``.
    """

    def __init__(
        self,
        sink: ClickHouseSink,
        nodes: Sequence[Client],
        *,
        max_companions: int = MAX_COMPANIONS,
        ids_at_once: int = IDS_AT_ONCE,
        follow_s: float = FOLLOW_S,
    ) -> None:
        self._binder = Binder(sink, max_companions)
        self._nodes = [place.client for place in places(nodes[0], nodes)]
        self._ids_at_once = ids_at_once
        self._follow_s = follow_s

    def check(self, told: Callable[[Tally, list[Wrong]], None]) -> Tally:
        """Find what is stored wrongly; ``told`` hears of every slice."""
        tally = self._tally()
        for keys in self._slices():
            look = self._look(keys)
            if look.wrong or look.unlisted:
                # A writer, perhaps on another machine, may be between a binding and its persons: what it is about to
                # store is not wrong. Nothing announces that it has, so it is given the time that it may need.
                time.sleep(self._follow_s)
                look = self._look(keys)
            mine = set(keys)
            # What hangs together with these ids is seen in several slices and counts in its own.
            wrong = {key: person for key, person in look.wrong.items() if key in mine}
            unlisted = {pair for pair in look.unlisted if pair[0] in mine}
            tally.ids += len(wrong)
            tally.persons += len(_persons_of(look) & mine)
            tally.conflicts += len(unlisted)
            tally.settled += sum(key in mine for key, _ in look.settled)
            tally.seen += len(keys)
            told(tally, self._named(look, sorted({*wrong, *(key for key, _ in unlisted)})))
        return tally

    def rebuild(self, told: Callable[[Tally, list[Wrong]], None]) -> Tally:
        """
        Store what is wrong as it should be, on every node; repeating it is safe.

        Errors: UnsettledError.
        """
        tally = self._tally()
        for keys in self._slices():
            look = self._look(keys)
            # Whom an id hangs together with is mended with it, and right when its own slice comes.
            tally.ids += len(look.wrong)
            tally.persons += len(_persons_of(look))
            tally.conflicts += len(look.unlisted)
            tally.settled += len(look.settled)
            named = self._named(look, sorted({*look.wrong, *(key for key, _ in look.unlisted)}))
            self._mend(keys, look)
            tally.seen += len(keys)
            told(tally, named)
        return tally

    def _mend(self, keys: list[int], look: _Look) -> None:
        """Store what a look found, until one finds nothing."""
        for _ in range(_MAX_ROUNDS):
            if look.settled:
                self._remove(look.settled)
            wrong = {*look.wrong, *(key for pair in look.unlisted for key in pair)}
            if not wrong:
                return
            # TRICKY: a new age also where none is higher: ClickHouse drops an insert that equals one of the last 10,000,
            # and that may be the right row which a wrong one of the same version came after.
            self._binder.store(self._binder.survey(wrong), (look.newest >> 32) + 1)
            look = self._look(keys)
        raise UnsettledError(
            "persons still differ after they were stored: repeat it / 仍有不一致，请重试"
        )

    def _remove(self, settled: dict[_Pair, int]) -> None:
        where = load_sql("all_persons.where_settled_conflicts")
        for node in self._nodes:
            node.command(
                f"ALTER TABLE identity_conflicts DELETE WHERE {where}",
                parameters={
                    "keys": sorted({key for key, _ in settled}),
                    "settled": [(*pair, version) for pair, version in settled.items()],
                },
                settings=_MUTATION,
            )

    def _look(self, keys: list[int]) -> _Look:
        """Compare what is stored of some ids, and of everyone who hangs together with them, with what follows from bindings."""
        found = self._binder.survey(set(keys))
        right = {one.id_key: (one.person, one.history) for one in found.assignments}
        listed = {_pair(one): _listed(one) for one in found.conflicts}
        nodes = [self._stored(node, sorted(right)) for node in self._nodes]
        wrong = {
            key: person
            for key, person in right.items()
            if any(node.persons.get(key, (key, ())) != person for node in nodes)
        }
        unlisted = {
            pair
            for pair, conflict in listed.items()
            if any(node.conflicts.get(pair) != conflict for node in nodes)
        }
        settled: dict[_Pair, int] = {}
        for node in nodes:
            for pair, version in node.versions.items():
                if pair not in listed:
                    settled[pair] = max(version, settled.get(pair, 0))
        return _Look(found, nodes, wrong, unlisted, self._without_followed_from_afar(settled))

    def _without_followed_from_afar(self, settled: dict[_Pair, int]) -> dict[_Pair, int]:
        """Leave out conflicts that only the other id leads to: of an id with a crowd of devices not all are followed."""
        if not settled:
            return settled
        again = self._binder.survey({key for pair in settled for key in pair})
        listed = {_pair(one) for one in again.conflicts}
        return {pair: version for pair, version in settled.items() if pair not in listed}

    def _stored(self, node: Client, keys: list[int]) -> _Node:
        persons: dict[int, _Person] = {}
        newest = 0
        for key, person, since, strict, version in self._rows(node, "stored", keys):
            persons[key] = (person, tuple(zip(since, strict, strict=True)))
            newest = max(newest, version)
        conflicts: dict[_Pair, _Listed] = {}
        versions: dict[_Pair, int] = {}
        for _, key, other, reason, at_ms, event_id, version in self._rows(node, "listed", keys):
            conflicts[key, other] = (reason, at_ms, event_id)
            versions[key, other] = version
            newest = max(newest, version)
        return _Node(persons, conflicts, versions, newest)

    def _named(self, look: _Look, keys: list[int]) -> list[Wrong]:
        if not keys:
            return []
        right = {one.id_key: one.person for one in look.found.assignments}
        texts = {
            key: (project, kind, app_id, text)
            for key, project, kind, app_id, text in self._rows(self._nodes[0], "texts", keys)
        }
        return [
            Wrong(
                key,
                *texts.get(key, ("", "", "", "")),
                right[key],
                tuple(node.persons.get(key, (key, ()))[0] for node in look.nodes),
            )
            for key in keys
        ]

    def _tally(self) -> Tally:
        return Tally(
            max(
                int(node.query(load_sql("all_persons.number")).result_rows[0][0])
                for node in self._nodes
            )
        )

    def _slices(self) -> Iterator[list[int]]:
        """All ids in the order of their keys, of whatever node."""
        from_key = 0
        while from_key < 2**64:
            keys: set[int] = set()
            for node in self._nodes:
                keys.update(
                    key
                    for (key,) in node.query(
                        load_sql("all_persons.ids"),
                        parameters={"from_key": from_key, "at_most": self._ids_at_once},
                    ).result_rows
                )
            if not keys:
                return
            # A node may have ids of its own beyond those of another that reached its limit: they come again.
            ids = sorted(keys)[: self._ids_at_once]
            yield ids
            from_key = ids[-1] + 1

    @staticmethod
    def _rows(node: Client, name: str, keys: list[int]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = node.query(
            load_sql(f"all_persons.{name}"), external_data=asked(np.array(keys, dtype=np.uint64))
        ).result_rows
        return rows


def _persons_of(look: _Look) -> set[int]:
    """Who has an id that is stored wrongly, by the key of its strongest id, which is an id like others."""
    return {person for person, _ in look.wrong.values()}


def _pair(conflict: Conflict) -> _Pair:
    return conflict.binding.id_key, conflict.binding.other_key


def _listed(conflict: Conflict) -> _Listed:
    return conflict.reason, conflict.binding.occurred_at, conflict.binding.event_id
