"""Backup and restore by ClickHouse's own BACKUP, into servers that have nothing yet."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from writers import WriterOf

from collector.backup import BackupError, Step, backup, restore
from collector.clickhouse_urls import addresses
from collector.migrate import connect, migrate
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from tests.conftest import ClusterServers
from tests.waiting import until

APP, PROJECT, T = "wx0001", "brand", 1790812800_000
TABLES = ("events", "event_ids", "identity_bindings", "identity_map", "dead_letters", "arrivals")


def record(number: int, size: int = 50) -> SpoolRecord:
    """A request with events of a person, and one event that is refused."""
    events = ",".join(
        f'{{"event_id":"{number}-{i}","event":"view","occurred_at":{T + i},'
        f'"openid":"o{i % 7}-{number % 5}","user_id":"u{i % 7}"}}'
        for i in range(size)
    )
    body = (
        f'{{"app_id":"{APP}","platform":"wechat","events":[{events},{{"event_id":"b{number}"}}]}}'
    )
    return SpoolRecord(1, T + 1_000, f"r{number}", PROJECT, APP, 300_000, [size], [], body.encode())


def rows(client: Client, table: str) -> list[Any]:
    order = {"events": "event_key", "event_ids": "event_key"}.get(table, "tuple(*)")
    return list(client.query(f"SELECT DISTINCT * FROM {table} ORDER BY {order}").result_rows)  # noqa: S608


def names_of(url: str) -> list[str]:
    return [f"node {number}" for number, _ in enumerate(addresses(url))]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name of this test's backups in the folder that the servers may write to."""
    return f"{tmp_path.name}-{request.node.name}"


def without_tables(url: str) -> None:
    """Drop the database on all nodes and make it again, empty."""
    for each in addresses(url):
        address, _, name = each.rpartition("/")
        server = connect(address)
        server.command(f"DROP DATABASE IF EXISTS {name} SYNC")
        server.command(f"CREATE DATABASE {name}")
        server.close()


def test_a_backup_under_load_has_an_event_for_each_key_and_a_person_for_each_event(
    writer_of: WriterOf, database_url: str, folder: str, tmp_path: Path
) -> None:
    """On one server; with ``--shards 2`` on a cluster, where each node is restored from its own."""
    writer = writer_of(database_url, tmp_path)
    writer.store(build_block([record(number) for number in range(10)]), [])
    nodes = [connect(url) for url in addresses(database_url)]
    stopping = threading.Event()
    numbers: list[int] = []

    def load() -> None:
        while not stopping.is_set() and len(numbers) < 500:
            writer.store(build_block([record(100 + len(numbers))]), [])
            numbers.append(1)

    loader = threading.Thread(target=load)
    loader.start()
    steps: list[Step] = []
    place = f"File('{folder}/{{part}}')"
    try:
        until(numbers.__len__, "events come")
        backup(nodes, names_of(database_url), place, steps.append)
    finally:
        stopping.set()
        loader.join()
    assert [step.part[0] for step in steps] == sorted("123" * len(nodes))
    without_tables(database_url)
    restore(nodes, names_of(database_url), place, steps.append)

    def values(query: str) -> set[int]:
        return {value for (value,) in nodes[0].query(query).result_rows}

    count = nodes[0].command
    assert 500 <= count("SELECT count() FROM events FINAL") <= 500 + 50 * len(numbers)
    assert values("SELECT event_key FROM event_ids") <= values("SELECT event_key FROM events")
    assert values("SELECT actor FROM events") <= values("SELECT id_key FROM identity_map")
    # What was stored after the backup comes again, as out of a spool, and counts once.
    again = writer_of(database_url, tmp_path / "again")
    again.store(build_block([record(number) for number in range(10)]), [])
    again.store(build_block([record(100 + number) for number in range(len(numbers))]), [])
    assert count("SELECT count() FROM events FINAL") == 50 * (10 + len(numbers))
    assert migrate(database_url) == []
    with pytest.raises(BackupError, match="empty database"):
        restore(nodes, names_of(database_url), place, steps.append)
    for node in nodes:
        node.close()


def test_a_server_that_had_nothing_has_every_row_of_the_old_one(
    writer_of: WriterOf, cluster: ClusterServers, folder: str, tmp_path: Path
) -> None:
    """With the files of the backup brought to another machine."""
    old, _, fresh = cluster.servers
    name = "test_brought_over"
    source, target = (
        server.url("writer").rpartition("/")[0] + "/" + name for server in (old, fresh)
    )
    migrate(source)
    without_tables(target)
    before, after = connect(source), connect(target)
    try:
        writer_of(source, tmp_path).store(build_block([record(one) for one in range(20)]), [])
        place = f"File('{folder}/{{part}}')"
        with pytest.raises(BackupError, match="part"):
            backup([before], ["old"], "File('everything')", lambda _: None)
        backup([before], ["old"], place, lambda _: None)
        shutil.copytree(Path(old.folder, "backups", folder), Path(fresh.folder, "backups", folder))

        restore([after], ["fresh"], place, lambda _: None)

        for table in TABLES:
            assert rows(after, table) == rows(before, table), table
        assert len(rows(after, "events")) == 1_000
        assert len(rows(after, "dead_letters")) == 20
        assert migrate(target) == []
    finally:
        for client in (before, after):
            client.command(f"DROP DATABASE {name}")
            client.close()
