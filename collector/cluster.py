"""
Where each table lives on a cluster of ClickHouse servers, and the statements that follow from it. Pure; called by ``migrate``.

Sharded tables hold their rows as ``<name>_local`` on the shards; ``<name>`` is a Distributed table over them on every node,
so that no reading query changes. All other tables are copied: every node holds all rows under the plain name, so that joins
find them at home; ``<name>_copies`` writes to every node. With Keeper, Replicated engines do both. DESIGN-cluster.md says why.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct


class Sharded(Struct, frozen=True):
    """
    Which shard takes a row: ``key`` modulo the number of shards.

    ``since``: column of the row's own time, DateTime64(3). Rows before the time at which a shard was added go where they went
    before, so that a copy of an old row meets it. Empty: copies may lie on several shards and do no harm.
    """

    key: str
    since: str = ""


SHARDED: dict[str, Sharded] = {
    # Only what a retry repeats: the event's key and the client's own time. See DESIGN-cluster.md, "The sharding key".
    "events": Sharded("event_key", "client_occurred_at"),
    # Read with DISTINCT over all shards.
    "event_ids": Sharded("event_key"),
    "dead_letters": Sharded("cityHash64(request_id)", "received_at"),
    # Filled on each shard by its own materialized view; read as a maximum over all.
    "arrivals": Sharded("cityHash64(app_id)"),
}
PER_NODE = frozenset({"migrations"})
"""What a node tells about itself. Every table that is neither here nor in SHARDED is copied."""

LOCAL = "_local"
COPIES = "_copies"
KEEPS_COPIES = "_copies"
"""Added to the name of a cluster: the same nodes as replicas of one shard with ``internal_replication`` false."""


class Cluster(Struct, frozen=True):
    """
    A cluster as its servers know it.

    ``has_keeper``: tables are Replicated and DDL runs ON CLUSTER; else each node is told in turn.
    """

    name: str
    shards: int
    has_keeper: bool = False


class Layout(Struct, frozen=True, order=True):
    """From ``from_ms`` (epoch ms of a row's own time) on, rows are spread over this many shards."""

    from_ms: int
    shards: int


_TABLE_AFTER = re.compile(
    r"\b(CREATE TABLE IF NOT EXISTS|ALTER TABLE|DROP TABLE IF EXISTS|INSERT INTO|TO|FROM|JOIN)(\s+)(\w+)\b"
)
_DEFINES = re.compile(
    r"^((?:CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS|ALTER TABLE|DROP TABLE IF EXISTS)\s+(\w+))"
)
_ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)(?:\(([^()]*)\))?")


def copied(tables: Iterable[str]) -> set[str]:
    """Return those of a node's tables with rows (no views, nothing Distributed) that every node holds whole."""
    sharded = {name + LOCAL for name in SHARDED}
    return {name for name in tables if name not in sharded | SHARDED.keys() | PER_NODE}


def on_node(statement: str, cluster: Cluster) -> str:
    """Return a statement of a migration as a node of the cluster must run it."""

    def local(found: re.Match[str]) -> str:
        keyword, space, table = found.groups()
        return f"{keyword}{space}{table}{LOCAL if table in SHARDED else ''}"

    statement = _TABLE_AFTER.sub(local, statement)
    return replicated(statement, cluster) if cluster.has_keeper else statement


def replicated(statement: str, cluster: Cluster) -> str:
    """Return a statement for a cluster with Keeper: ON CLUSTER, with a Replicated engine."""
    named = _DEFINES.match(statement)
    if named is None:
        return statement
    is_shard = named[2].removesuffix(LOCAL) in SHARDED and named[2].endswith(LOCAL)
    # Copied tables are one group of replicas over all nodes, so its replicas need names of their own in each shard.
    place = (
        "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        if is_shard
        else "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'"
    )

    def engine(found: re.Match[str]) -> str:
        arguments = f", {found[2]}" if found[2] else ""
        return f"ENGINE = Replicated{found[1]}({place}{arguments})"

    statement = _ENGINE.sub(engine, statement)
    statement = statement.replace(
        "non_replicated_deduplication_window", "replicated_deduplication_window"
    )
    return _DEFINES.sub(rf"\1 ON CLUSTER '{cluster.name}'", statement, count=1)


def database_everywhere(database: str, cluster: Cluster) -> str:
    """Return the statement that makes the database on all nodes of a cluster with Keeper, also on those without an address."""
    return f"CREATE DATABASE IF NOT EXISTS {database} ON CLUSTER '{cluster.name}'"


def shard_of(placement: Sharded, layouts: Sequence[Layout]) -> str:
    """Return the expression that gives the shard of a row, 0 for the first; constant over time for a given row."""
    newest = max(layouts)
    if not placement.since or len(layouts) == 1:
        return f"{placement.key} % {newest.shards}"
    ordered = sorted(layouts)
    branches = [
        f"{placement.since} < fromUnixTimestamp64Milli({after.from_ms}, 'UTC'), {placement.key} % {layout.shards}"
        for layout, after in pairwise(ordered)
    ]
    return f"multiIf({', '.join(branches)}, {placement.key} % {newest.shards})"


def tables_over(
    cluster: Cluster, database: str, layouts: Sequence[Layout], columns: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """
    Return name → (statement, mark) of the Distributed tables of a node, in the order in which they are made.

    ``columns``: table → its columns as text; only tables that are there get one. The mark stands as the table's comment and
    changes with everything that the statement depends on. ``events`` is the last: who finds it finds the others
    (``migrate.tables_to_all_nodes``).
    """
    on_cluster = f" ON CLUSTER '{cluster.name}'" if cluster.has_keeper else ""
    wanted = {}
    if "migrations" in columns:
        # Has rows on every node: who answers a question over it is there.
        engine = f"Distributed('{cluster.name}', '{database}', 'migrations')"
        wanted["cluster_shards"] = ("migrations", engine, columns["migrations"])
    if not cluster.has_keeper:
        for table in sorted(copied(columns)):
            engine = f"Distributed('{cluster.name}{KEEPS_COPIES}', '{database}', '{table}')"
            wanted[table + COPIES] = (table, engine, columns[table])
    for table, placement in reversed(SHARDED.items()):
        if (held := columns.get(table + LOCAL)) is not None:
            engine = f"Distributed('{cluster.name}', '{database}', '{table}{LOCAL}', {shard_of(placement, layouts)})"
            wanted[table] = (table + LOCAL, engine, held)
    statements = {}
    for name, (source, engine, held) in wanted.items():
        mark = hashlib.sha256(f"{engine}\n{held}".encode()).hexdigest()[:16]
        statements[name] = (
            f"CREATE OR REPLACE TABLE {name}{on_cluster} AS {source}\nENGINE = {engine}\nCOMMENT '{mark}'",
            mark,
        )
    return statements
