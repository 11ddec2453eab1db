"""
The writer's side of ClickHouse: inserts with deduplication tokens, and the look-ups that decide what to insert.

Synchronous; one instance per thread. Every method may raise what ``TRANSIENT`` names; the writer then repeats the whole
block, so every method can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.external import ExternalData

from collector.clickhouse_urls import addresses
from collector.cluster import COPIES
from collector.dead_letter import DeadLetter
from collector.migrate import tables_to_all_nodes
from collector.sql import load_sql
from sdk_spec.persons import Assignment, Binding, Conflict, Crowd

TRANSIENT = (ClickHouseError, OSError)
"""A server that is down, slow, read-only, full, or not migrated yet: all are waited for."""

_INSERT_SETTINGS = {
    # The writer batches by itself; the server's own batching would blur what an answer means.
    "async_insert": 0,
    # The writer has dropped the duplicates within a block. To merge a block of rows with itself before it is written takes
    # more than half of an insert's time (sql/DESIGN-schema.md, "Columns and parts").
    "optimize_on_insert": 0,
    # A client with a mad clock may spread a block over hundreds of weeks.
    "max_partitions_per_insert_block": 0,
    # On a cluster an insert returns when every shard has its part, not when the first node has queued it.
    "distributed_foreground_insert": 1,
}
_MAX_BINDINGS_OF_AN_ID = 200
"""Followed per id and kind of the other: a bot or a shared device cannot make the work grow without bound."""

_BINDING_COLUMNS = (
    "id_key",
    "other_key",
    "project",
    "kind",
    "app_id",
    "id",
    "other_kind",
    "other_app_id",
    "other_id",
    "occurred_at",
    "seq",
    "event_id",
    "event_app_id",
    "received_at",
)


class ClickHouseSink:
    """
    Connects on first use; ``url`` carries credentials and database.

    Of several addresses, with commas between them, one that answers is used; after an error the next one.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._urls = addresses(url)
        self._timeout_s = timeout_s
        self._client: Any = None
        self._copies: set[str] = set()

    @property
    def client(self) -> Any:  # noqa: ANN401 (clickhouse_connect.driver.client.Client)
        """The connection, made when needed. Errors: TRANSIENT."""
        if self._client is None:
            client = clickhouse_connect.get_client(
                dsn=self._urls[0],
                autogenerate_session_id=False,
                connect_timeout=5,
                send_receive_timeout=self._timeout_s,
            )
            self._copies = tables_to_all_nodes(client)
            self._client = client
        return self._client

    def _everywhere(self, table: str) -> str:
        """Name under which rows of a table reach every node that holds it whole. Only once connected."""
        return table + COPIES if table + COPIES in self._copies else table

    def close(self) -> None:
        """Drop the connection; the next call connects again, to another node if there are several."""
        self._urls = [*self._urls[1:], self._urls[0]]
        if self._client is not None:
            self._client.close()
            self._client = None

    def insert_events(self, events: pa.Table, token: str) -> None:
        """Store a block. The token makes the server ignore the same block sent again."""
        self.client.insert_arrow("events", events, settings=self._settings(token))

    def insert_keys(self, keys: Any, token: str) -> None:  # noqa: ANN401 (numpy array of uint64)
        """Remember which events are stored. Only after ``insert_events`` returned."""
        self.client.insert_arrow(
            "event_ids", pa.table({"event_key": pa.array(keys)}), settings=self._settings(token)
        )

    def insert_dead_letters(self, letters: list[DeadLetter], token: str) -> None:
        """Store refused events."""
        columns = DeadLetter.__struct_fields__
        values = [[getattr(letter, name) for letter in letters] for name in columns]
        table = pa.table(dict(zip(columns, values, strict=True)))
        received_at = table["received_at"].cast(pa.timestamp("ms", tz="UTC"))
        table = table.set_column(columns.index("received_at"), "received_at", received_at)
        self.client.insert_arrow("dead_letters", table, settings=self._settings(token))

    @staticmethod
    def _settings(token: str) -> dict[str, Any]:
        return {**_INSERT_SETTINGS, "insert_deduplication_token": token}

    def stored_keys(self, keys: Any) -> Any:  # noqa: ANN401 (numpy arrays of uint64)
        """Those of ``keys`` whose events are stored."""
        return self._column(
            load_sql("sinks.stored_keys"),
            external_data=asked(keys),
        )

    def all_keys(self) -> Iterator[Any]:
        """Keys of all stored events, in blocks (numpy arrays of uint64)."""
        with self.client.query_np_stream("SELECT event_key FROM event_ids") as stream:
            for block in stream:
                yield np.asarray(block, dtype=np.uint64).reshape(-1)

    def _column(self, query: str, **arguments: Any) -> Any:  # noqa: ANN401 (numpy array of uint64)
        table = self.client.query_arrow(query, **arguments)
        return np.asarray(table.column(0).to_numpy(), dtype=np.uint64)

    def insert_bindings(self, bindings: list[Binding], token: str) -> None:
        """Append bindings, each from both sides."""
        both = [*bindings, *(binding.reversed() for binding in bindings)]
        columns = {name: [getattr(b, name) for b in both] for name in _BINDING_COLUMNS}
        arrays = {
            name: pa.array(values, pa.uint64() if name in ("id_key", "other_key") else None)
            for name, values in columns.items()
        }
        for name in ("occurred_at", "received_at"):
            arrays[name] = arrays[name].cast(pa.timestamp("ms", tz="UTC"))
        client = self.client
        client.insert_arrow(
            self._everywhere("identity_bindings"), pa.table(arrays), settings=self._settings(token)
        )

    def bindings_of(self, keys: list[int]) -> list[Binding]:
        """Earliest binding of each pair with one of ``keys``; per key at most 200 of each kind, earliest first."""
        rows = self.client.query(
            load_sql("sinks.bindings_of"),
            parameters={"limit": _MAX_BINDINGS_OF_AN_ID},
            external_data=asked(np.array(keys, dtype=np.uint64)),
        ).result_rows
        return [Binding(**dict(zip(_BINDING_COLUMNS, row, strict=True))) for row in rows]

    def unbindings(self, since_ms: int) -> list[tuple[int, int, int]]:
        """Pairs of ids taken apart since a time: (id_key, other_key, epoch ms when it was stored)."""
        rows = self.client.query(
            load_sql("sinks.unbindings"), parameters={"since_ms": since_ms}
        ).result_rows
        return [(int(left), int(right), int(at)) for left, right, at in rows]

    def quarantined(self, since_ms: int) -> list[tuple[int, int]]:
        """Ids whose bindings are not followed, since a time: (id_key, epoch ms when it was stored)."""
        rows = self.client.query(
            load_sql("sinks.quarantined"), parameters={"since_ms": since_ms}
        ).result_rows
        return [(int(key), int(at)) for key, at in rows]

    def insert_quarantined(self, crowds: list[Crowd]) -> None:
        """Quarantine ids."""
        columns = ["id_key", "project", "kind", "app_id", "id", "crowded_kind"]
        self.client.insert(
            self._everywhere("identity_quarantine"),
            [[getattr(crowd, name) for name in columns] for crowd in crowds],
            column_names=columns,
            settings=_INSERT_SETTINGS,
        )

    def companions(self, keys: list[int]) -> list[int]:
        """Ids that are one person with one of ``keys``, these included."""
        rows = self.client.query(
            load_sql("sinks.companions"), external_data=asked(np.array(keys, dtype=np.uint64))
        ).result_rows
        return [int(key) for (key,) in rows]

    def erased(self, since_ms: int) -> list[tuple[int, int, int]]:
        """Ids erased since a time: (id_key, epoch ms up to which its events are gone, epoch ms when it was stored)."""
        rows = self.client.query(
            load_sql("sinks.erased"), parameters={"since_ms": since_ms}
        ).result_rows
        return [(int(key), int(until), int(at)) for key, until, at in rows]

    def newer_version(self, assignments: list[Assignment], base_version: int) -> int:
        """Highest stored version of an id that is above what its assignment would have; 0 where there is none."""
        ours = np.array([(a.id_key, base_version + a.evidence) for a in assignments], np.uint64)
        [(version,)] = self.client.query(
            load_sql("sinks.newer_version"),
            external_data=asked(ours, "key UInt64", "version UInt64"),
        ).result_rows
        return int(version)

    def insert_persons(self, assignments: list[Assignment], base_version: int) -> None:
        """Replace the persons of some ids where these assignments know more than the stored ones."""
        client = self.client
        client.insert(
            self._everywhere("identity_map"),
            [
                [
                    a.id_key,
                    a.person,
                    [at for at, _ in a.history],
                    [person for _, person in a.history],
                    base_version + a.evidence,
                ]
                for a in assignments
            ],
            column_names=["id_key", "person", "strict_from", "strict_person", "version"],
            settings=_INSERT_SETTINGS,
        )

    def insert_conflicts(self, conflicts: list[Conflict], base_version: int) -> None:
        """List bindings that were not followed."""
        client = self.client
        client.insert(
            self._everywhere("identity_conflicts"),
            [
                [
                    c.binding.project,
                    c.binding.id_key,
                    c.binding.other_key,
                    c.binding.kind,
                    c.binding.id,
                    c.binding.other_kind,
                    c.binding.other_id,
                    c.reason,
                    datetime.fromtimestamp(c.binding.occurred_at / 1000, UTC),
                    c.binding.event_id,
                    base_version + c.evidence,
                ]
                for c in conflicts
            ],
            column_names=[
                "project",
                "id_key",
                "other_key",
                "kind",
                "id",
                "other_kind",
                "other_id",
                "reason",
                "occurred_at",
                "event_id",
                "version",
            ],
            settings=_INSERT_SETTINGS,
        )


def asked(keys: Any, *columns: str) -> ExternalData:  # noqa: ANN401 (numpy array of uint64)
    """Keys, or rows that begin with them, as a temporary table ``asked`` of the query, in its binary form."""
    return ExternalData(
        file_name="asked",
        data=np.ascontiguousarray(keys, dtype="<u8").tobytes(),
        fmt="RowBinary",
        structure=list(columns) or ["key UInt64"],
    )
