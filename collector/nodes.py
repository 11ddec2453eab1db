"""
The nodes of a cluster brought to the state that ``cluster.py`` describes. Called by ``migrate``.

Each function looks at what is there and does what is missing, so that all of it can be repeated after it broke off.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.cluster import (
    KEEPS_COPIES,
    LOCAL,
    SHARDED,
    Cluster,
    Layout,
    copied,
    on_node,
)

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SETTLE_MS = 10 * 60_000
"""A shard that was added takes rows of a later time only, so that no block on its way meets two layouts."""
LAYOUTS = """
CREATE TABLE IF NOT EXISTS shard_layouts
(
    from_time DateTime64(3, 'UTC') COMMENT 'rows whose own time is not before this one',
    shards UInt32 COMMENT 'are spread over this many shards',
    cluster String
)
ENGINE = ReplacingMergeTree
ORDER BY from_time
""".strip()


class ClusterError(RuntimeError):
    """The cluster is not as the tables need it; the message says what to change."""


def recorded_cluster(nodes: list[Client]) -> str:
    """Return the cluster that the tables are spread over already; empty: none."""
    for node in nodes:
        if "shard_layouts" in tables(node):
            for (name,) in node.query("SELECT cluster FROM shard_layouts LIMIT 1").result_rows:
                return str(name)
    return ""


def look_at(nodes: list[Client], name: str) -> tuple[Cluster, list[Client]]:
    """
    Ask the nodes what they know of the cluster; return it and its nodes, the first shard's first.

    Errors: ClusterError when they differ, or one that must be told by itself is not among ``nodes``.
    """
    seen = []
    shard_of: dict[int, int] = {}
    for number, node in enumerate(nodes):
        rows = node.query(
            "SELECT shard_num, replica_num, host_name, port, is_local FROM system.clusters"
            " WHERE cluster = {name:String} ORDER BY shard_num, replica_num",
            parameters={"name": name},
        ).result_rows
        seen.append([row[:4] for row in rows])
        for shard_num, *_, is_local in rows:
            if is_local:
                shard_of[number] = int(shard_num)
    if not seen[0] or any(each != seen[0] for each in seen):
        raise ClusterError(
            f"the servers do not all know the same cluster {name!r}; set it in remote_servers of each "
            f"/ 各节点 remote_servers 中的集群 {name!r} 不存在或不一致"
        )
    shards = sorted({int(row[0]) for row in seen[0]})
    has_keeper = all(_has_macros(node) for node in nodes)
    if not has_keeper:
        if len(seen[0]) > len(shards):
            raise ClusterError(
                "replicas need Keeper and the macros shard and replica on every server "
                "/ 副本需要 Keeper 以及每个节点的 shard、replica 宏"
            )
        if missing := sorted(set(shards) - set(shard_of.values())):
            raise ClusterError(
                f"without Keeper every node is migrated by its own address; missing: shards {missing}. Give all in "
                "SCENETRAIL_CLICKHOUSE_URL, by comma / 无 Keeper 时须给出所有节点的地址"
            )
    ordered = sorted(range(len(nodes)), key=lambda number: shard_of.get(number, 0))
    return Cluster(name, len(shards), has_keeper), [nodes[number] for number in ordered]


def _has_macros(node: Client) -> bool:
    [(number,)] = node.query(
        "SELECT count() FROM system.macros WHERE macro IN ('shard', 'replica')"
    ).result_rows
    return int(number) == len(("shard", "replica"))


def tables(node: Client) -> dict[str, str]:
    """Engine of each table of the node's database."""
    return dict(
        node.query(
            "SELECT name, engine FROM system.tables WHERE database = currentDatabase()"
        ).result_rows
    )


def columns(node: Client) -> dict[str, str]:
    """Columns of each table with rows of its own, as one text."""
    return dict(
        node.query(
            "SELECT table, arrayStringConcat(groupArray(concat(name, ' ', type)), ', ')"
            " FROM (SELECT table, name, type FROM system.columns WHERE database = currentDatabase() AND table IN"
            " (SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree'))"
            " ORDER BY table, position) GROUP BY table"
        ).result_rows
    )


def refuse_unreplicated(node: Client) -> None:
    """Errors: ClusterError, when a node whose tables shall be replicated has some that are not."""
    plain = [
        name
        for name, engine in tables(node).items()
        if engine.endswith("MergeTree") and not engine.startswith("Replicated")
    ]
    if plain:
        raise ClusterError(
            f"the servers have the macros shard and replica, and tables that are not replicated: {', '.join(sorted(plain))}. "
            "Take the macros away, or start with an empty database and import an export "
            "/ 已有未复制的表：请去掉 shard、replica 宏，或使用空库并导入导出的数据"
        )


def rename_single(node: Client) -> None:
    """Give the tables of a server that stood alone the names of a shard; its rows stay."""
    engines = tables(node)
    whole = [name for name in SHARDED if engines.get(name, "").endswith("MergeTree")]
    if not whole:
        return
    for view, engine in engines.items():
        if engine == "MaterializedView":
            node.command(f"DROP VIEW {view}")
    for name in whole:
        node.command(f"RENAME TABLE {name} TO {name}{LOCAL}")


def create_missing_views(node: Client, cluster: Cluster, migrations: Iterable[list[str]]) -> None:
    """Make the views that ``rename_single`` dropped, and repeat what stands behind them in their file."""
    there = tables(node)
    for statements in migrations:
        is_missing = False
        for statement in statements:
            view = re.match(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+)", statement)
            if view is not None:
                is_missing = view[1] not in there
            if is_missing:
                node.command(on_node(statement, cluster))


def layouts(nodes: list[Client], cluster: Cluster, settle_ms: int) -> list[Layout]:
    """
    Return how rows are spread over time, the present number of shards last; recorded on every node.

    A first layout holds from the beginning. Errors: ClusterError when there were more shards before.
    """
    recorded: set[Layout] = set()
    for node in nodes:
        rows = node.query(
            "SELECT toUnixTimestamp64Milli(from_time), shards FROM shard_layouts FINAL"
        ).result_rows
        recorded |= {Layout(int(from_ms), int(shards)) for from_ms, shards in rows}
    if not recorded:
        if any(_has_rows(node) for node in nodes[1:]):
            raise ClusterError(
                "a server with events must be the first shard, and only that one "
                "/ 已有数据的节点必须是唯一的第一个分片"
            )
        if _has_rows(nodes[0]):
            # It stood alone: what it holds stays there.
            recorded.add(Layout(0, 1))
    before = max(recorded).shards if recorded else 0
    if before > cluster.shards:
        raise ClusterError(
            f"rows lie on {before} shards and the cluster {cluster.name!r} has {cluster.shards}: some would be missing "
            f"/ 数据分布在 {before} 个分片上，集群只有 {cluster.shards} 个"
        )
    if before < cluster.shards:
        from_ms = time.time_ns() // 1_000_000 + settle_ms if recorded else 0
        recorded.add(Layout(from_ms, cluster.shards))
    for node in nodes:
        node.insert(
            "shard_layouts",
            [
                [datetime.fromtimestamp(one.from_ms / 1000, UTC), one.shards, cluster.name]
                for one in sorted(recorded)
            ],
            column_names=["from_time", "shards", "cluster"],
        )
    return sorted(recorded)


def _has_rows(node: Client) -> bool:
    return bool(node.query("SELECT 1 FROM events_local LIMIT 1").result_rows)


def spread(node: Client, wanted: dict[str, tuple[str, str]]) -> None:
    """Make or replace the Distributed tables that differ from what they must be; they hold no rows."""
    marks = dict(
        node.query(
            "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine = 'Distributed'"
        ).result_rows
    )
    for name, (statement, mark) in wanted.items():
        if marks.get(name) != mark:
            node.command(statement)


def fill(nodes: list[Client], cluster: Cluster) -> None:
    """
    Give each node the rows of copied tables that others have and it lacks: a new node, or an insert that broke off.

    Whether there are any is asked of each node in the order of the table's key, which takes no memory however many rows
    there are; only then are they looked for.
    """
    for table, engine in sorted(tables(nodes[0]).items()):
        if not engine.endswith("MergeTree") or not copied([table]):
            continue
        rows = f"{table} FINAL" if engine != "MergeTree" else table
        digests = {
            node.query(f"SELECT count(), sum(cityHash64(*)) FROM {rows}").result_rows[0]  # noqa: S608 (names of ours)
            for node in nodes
        }
        if len(digests) == 1:
            continue
        everywhere = (
            f"clusterAllReplicas('{cluster.name}{KEEPS_COPIES}', currentDatabase(), '{table}')"
        )
        for node in nodes:
            # GLOBAL: the other nodes must compare with this one's rows, not with their own.
            node.command(
                f"INSERT INTO {table} SELECT * FROM {everywhere}"  # noqa: S608 (names of ours)
                f" WHERE cityHash64(*) GLOBAL NOT IN (SELECT cityHash64(*) FROM {table}) LIMIT 1 BY cityHash64(*)"
            )
