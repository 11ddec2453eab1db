"""
Apply ``collector/sql/NNNN_*.sql`` in order, each file once, and load the scene dictionary.

Every statement can be repeated (``IF NOT EXISTS``), so a run that died half-way is simply run again. Synchronous: runs
before anything serves. On a cluster every node is brought to the same state (``cluster.py`` says which); how, in which
order and why a half-done run does no harm: DESIGN-cluster.md, "Migrations".
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import OperationalError

from collector import nodes as node_states
from collector.clickhouse_urls import addresses
from collector.cluster import (
    COPIES,
    Cluster,
    copied,
    database_everywhere,
    on_node,
    tables_over,
)
from collector.nodes import SETTLE_MS, ClusterError
from sdk_spec import scenes

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations
(
    name String,
    sha256 String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY name
"""


class MigrationChangedError(RuntimeError):
    """A file that was applied before has other content now: write a new file instead."""


def statements(text: str) -> list[str]:
    """Split a file into statements; a statement ends with ``;`` at the end of a line. Comment lines are dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [
        part.strip() for part in re.split(r";\s*$", "\n".join(lines), flags=re.M) if part.strip()
    ]


def files() -> list[tuple[str, str]]:
    """All migrations as (name, text), in order."""
    folder = resources.files("collector.sql")
    return sorted(
        (entry.name, entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if re.fullmatch(r"\d{4}_\w+\.sql", entry.name)
    )


def sha256(text: str) -> str:
    """Digest of a migration file as it is recorded."""
    return hashlib.sha256(text.encode()).hexdigest()


def connect(url: str, **settings: Any) -> Client:  # noqa: ANN401 (ClickHouse settings of any kind)
    """Client for an address with credentials and database: ``http://user:password@host:port/database``."""
    return clickhouse_connect.get_client(
        dsn=addresses(url)[0], autogenerate_session_id=False, settings=settings
    )


def tables_to_all_nodes(client: Any) -> set[str]:  # noqa: ANN401 (clickhouse_connect's clients)
    """
    Return the tables of the database whose rows go to every node of a cluster; none on one server.

    Errors: OperationalError before the first migration and while one is under way, when not all of them are there.
    """
    engines = node_states.tables(client)
    copies = {
        name
        for name, engine in engines.items()
        if engine == "Distributed" and name.endswith(COPIES)
    }
    with_rows = [name for name, engine in engines.items() if engine.endswith("MergeTree")]
    is_half_done = copies and not {name + COPIES for name in copied(with_rows)} <= copies
    if "events" not in engines or is_half_done:
        raise OperationalError(
            "the tables are not all there: scenetrail migrate / 表尚未建好，请执行 scenetrail migrate"
        )
    return copies


def migrate(url: str, cluster: str = "", settle_ms: int = SETTLE_MS) -> list[str]:
    """
    Bring the database of ``url`` up to date and return the names of the files applied now.

    Creates the database if it is missing.

    Args:
        url: with credentials and database; on a cluster without Keeper those of all nodes, by comma.
        cluster: its name in ``remote_servers``; empty: that of the last time, or one server.
        settle_ms: after which a shard that was added takes rows, by their own time.

    Errors: MigrationChangedError; ClusterError; ClickHouse's own.
    """
    urls = addresses(url)
    database = _create_database(urls)
    nodes = [connect(each) for each in urls]
    try:
        cluster = cluster or node_states.recorded_cluster(nodes)
        if cluster:
            return _migrate_cluster(nodes, database, cluster, settle_ms)
        if len(nodes) > 1:
            raise ClusterError(
                "several addresses need the cluster's name: SCENETRAIL_CLICKHOUSE_CLUSTER "
                "/ 给出多个地址时必须同时给出集群名"
            )
        applied = _apply(nodes[0], None)
        load_scenes(nodes[0])
        return applied
    finally:
        for node in nodes:
            node.close()


def _create_database(urls: list[str]) -> str:
    """Create the database on every node; return its name."""
    names = {each.rpartition("/")[2] for each in urls}
    database = min(names)
    if len(names) > 1 or not re.fullmatch(r"\w+", database):
        raise ValueError(
            f"every ClickHouse address must end with the same database name: {sorted(names)}"
        )
    for each in urls:
        server = connect(each.rpartition("/")[0])
        try:
            server.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        finally:
            server.close()
    return database


def _apply(node: Client, cluster: Cluster | None) -> list[str]:
    """Run the files that the node has not recorded yet."""

    def run(statement: str) -> None:
        node.command(statement if cluster is None else on_node(statement, cluster))

    run(_RECORD.strip())
    done = dict(node.query("SELECT name, sha256 FROM migrations FINAL").result_rows)
    applied = []
    for name, text in files():
        digest = sha256(text)
        if name in done:
            if done[name] != digest:
                raise MigrationChangedError(name)
            continue
        for statement in statements(text):
            run(statement)
        node.insert("migrations", [[name, digest]], column_names=["name", "sha256"])
        applied.append(name)
    return applied


def _migrate_cluster(given: list[Client], database: str, name: str, settle_ms: int) -> list[str]:
    """Bring every node to the same state; with Keeper, one is told for all."""
    cluster, nodes = node_states.look_at(given, name)
    if cluster.has_keeper:
        for node in nodes:
            node_states.refuse_unreplicated(node)
        nodes = nodes[:1]
        nodes[0].command(database_everywhere(database, cluster))
    applied: list[str] = []
    for node in nodes:
        node_states.rename_single(node)
        applied += [one for one in _apply(node, cluster) if one not in applied]
        node_states.create_missing_views(node, cluster, [statements(text) for _, text in files()])
        node.command(on_node(node_states.LAYOUTS, cluster))
    layouts = node_states.layouts(nodes, cluster, settle_ms)
    for node in nodes:
        held = node_states.columns(node)
        node_states.spread(node, tables_over(cluster, database, layouts, held))
    load_scenes(nodes[0])
    if not cluster.has_keeper:
        node_states.fill(nodes, cluster)
    return applied


def load_scenes(client: Client) -> None:
    """Insert every grouping scheme of the scene dictionary whose version is not in the table yet."""
    stored = {
        tuple(row)
        for row in client.query("SELECT DISTINCT scheme, scheme_version FROM scenes").result_rows
    }
    dictionary = scenes.dictionary()
    for scheme in dictionary.schemes:
        if (scheme.scheme, scheme.version) in stored:
            continue
        client.insert(
            "scenes",
            [
                [scheme.scheme, scheme.version, s.platform, s.scene, s.name, scheme.group_of(s)]
                for s in dictionary.scenes
            ],
            column_names=[
                "scheme",
                "scheme_version",
                "platform",
                "scene",
                "scene_name",
                "scene_group",
            ],
        )
