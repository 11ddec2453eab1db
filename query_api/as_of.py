"""
What was known at an instant: ``"as_of"`` in a request, so that yesterday's answer can be had again.

Events count if they were received by then; of copies the first received wins, which by then was there or none was. Persons
are those of the bindings whose events were received by then and of the unbindings made by then, resolved by the same rule as
the stored ones (sdk_spec/persons.py). Only ids that hang together with a later binding or unbinding can have another person
now; they are resolved again and sent along with the query, all others are read from ``identity_map``. Called by reports.py.

Not undone: what was erased since, and what the collector had received and not yet stored at that moment counts as known.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from query_api.bindings import Bindings
from query_api.clickhouse import Database
from query_api.errors import InvalidRequest, QueryError
from query_api.params import Query, zone
from query_api.periods import instant_ms
from query_api.sql import load_sql
from sdk_spec.ids import KINDS
from sdk_spec.persons import Assignment, Binding, resolve

MAX_CHANGED_IDS = 500_000
"""Ids of later bindings that are resolved again for one question; 450,000 took 4 s of Python, 39 s in all beside other work."""
TABLES = ("changed_since", "changed_history")
"""Sent along with the query, by the names that ``source.map_*_as_of`` read."""

Integers = NDArray[np.uint64]


class AsOf(Struct, frozen=True):
    """An instant (epoch ms, included) and the ids whose person was another then."""

    at_ms: int
    persons: dict[str, Integers]
    history: dict[str, Integers]

    def bind(self, bindings: Bindings) -> None:
        """Send instant and persons with a query."""
        bindings.named("as_of_ms", self.at_ms, "Int64")
        bindings.table("changed_since", self.persons)
        bindings.table("changed_history", self.history)


def instant_of(query: Query, now_ms: int) -> int | None:
    """
    Return the request's ``as_of`` in epoch ms; None without one.

    Errors: ``invalid_request`` for what is no instant or lies in the future.
    """
    if query.as_of is None:
        return None
    at_ms = instant_ms(query.as_of, zone(query), "$.as_of", is_end=True)
    if at_ms > now_ms:
        raise InvalidRequest("$.as_of", "lies in the future (a day means its end)")
    return at_ms


async def load(database: Database, app_ids: list[str], at_ms: int) -> AsOf:
    """
    Find the persons of an instant. Errors: ``query_limit`` when too much has been bound since.

    Complexity: one look at all bindings, and n log n over those that hang together with later ones.
    """
    reader = _Reader(database, app_ids, at_ms)
    changed = await reader.changed()
    if not changed:
        return _tables(at_ms, [])
    if len(changed) > MAX_CHANGED_IDS:
        raise QueryError(
            "query_limit",
            f"{len(changed)} ids were bound since; ask for a later instant",
            "$.as_of",
        )
    known = await reader.component(changed)
    assignments, _ = await asyncio.to_thread(resolve, known)
    alone = changed - {one.id_key for one in assignments}
    assignments += [Assignment(key, key, ()) for key in sorted(alone)]
    return _tables(at_ms, assignments)


def _tables(at_ms: int, assignments: Iterable[Assignment]) -> AsOf:
    rows = list(assignments)
    steps = [
        (one.id_key, place, from_ms, person)
        for one in rows
        for place, (from_ms, person) in enumerate(one.history)
    ]
    return AsOf(
        at_ms,
        {
            "id_key": np.array([one.id_key for one in rows], dtype=np.uint64),
            "person": np.array([one.person for one in rows], dtype=np.uint64),
        },
        {
            name: np.array([step[i] for step in steps], dtype=np.uint64)
            for i, name in enumerate(("id_key", "place", "from_ms", "person"))
        },
    )


class _Reader:
    """Asks for bindings as they were known."""

    def __init__(self, database: Database, app_ids: list[str], at_ms: int) -> None:
        self._database = database
        self._app_ids = app_ids
        self._at_ms = at_ms

    async def _fetch(
        self, name: str, tables: dict[str, Any], **values: tuple[Any, str]
    ) -> list[dict[str, Any]]:
        bindings = Bindings()
        bindings.named("as_of_ms", self._at_ms, "Int64")
        for parameter, (value, type_) in values.items():
            bindings.named(parameter, value, type_)
        fetched = await self._database.fetch(
            name, load_sql(name), bindings.values, uuid.uuid4().hex, tables
        )
        return fetched.rows

    async def changed(self) -> set[int]:
        """Return the ids with a binding or unbinding that came later."""
        rows = await self._fetch(
            "as_of.changed",
            {},
            app_ids=(self._app_ids, "Array(String)"),
            changed_limit=(MAX_CHANGED_IDS + 1, "UInt32"),
        )
        return {row["id_key"] for row in rows}

    async def component(self, keys: set[int]) -> list[Binding]:
        """Return the bindings of all ids that hung together with ``keys``; each pair once, the stronger id first."""
        pairs: dict[tuple[int, int], Binding] = {}
        seen: set[int] = set()
        frontier = keys
        while frontier:
            seen |= frontier
            asked = {"asked": {"key": np.array(sorted(frontier), dtype=np.uint64)}}
            following: set[int] = set()
            for row in await self._fetch("as_of.bindings", asked):
                found = Binding(project="", id="", other_id="", **row)
                if KINDS.index(found.kind) > KINDS.index(found.other_kind):
                    found = found.reversed()
                pairs.setdefault((found.id_key, found.other_key), found)
                following.add(row["other_key"])
            frontier = following - seen
        return list(pairs.values())
