"""All persons worked out anew: what is stored wrongly is named, mended on every node, and nothing else is touched."""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from standalone_process import SCENETRAIL
from writers import WriterOf

from collector.all_persons import AllPersons, Tally, Wrong
from collector.clickhouse_urls import addresses
from collector.identity import id_key
from collector.migrate import connect
from collector.privacy import PrivacyError
from collector.rows import build_block
from collector.sinks import ClickHouseSink
from collector.spool_format import SpoolRecord
from collector.writer import Writer
from sdk_spec.persons import Assignment
from tests.conftest import ClusterServers

PROJECT, APP = "brand", "wx1"
T = 1_790_000_000_000
PERSONS = (
    "SELECT id_key, person, strict_from, strict_person FROM identity_map FINAL ORDER BY id_key"
)
CONFLICTS = "SELECT id, other_id, reason, occurred_at, event_id FROM identity_conflicts FINAL ORDER BY id, other_id"


def together(at: int, **ids: str) -> SpoolRecord:
    """One event with some ids."""
    body = {
        "app_id": APP,
        "platform": "wechat",
        "events": [
            {"event_id": "-".join(ids.values()), "event": "x", "occurred_at": T + at, **ids}
        ],
    }
    return SpoolRecord(
        1, T + at, f"r-{at}", PROJECT, APP, 300_000, [], [], json.dumps(body).encode()
    )


def key(kind: str, value: str) -> int:
    return id_key(PROJECT, kind, APP, value)


FIVE_PEOPLE = [
    *(together(n, openid=f"o{n}", anonymous_id=f"a{n}") for n in range(5)),
    *(together(10 + n, user_id=f"u{n}", openid=f"o{n}") for n in range(4)),
    # A device of two: u2 is not the owner of a1.
    together(20, user_id="u2", anonymous_id="a1"),
    # A tablet in a shop joins nobody.
    *(together(30 + n, openid=f"guest{n}", anonymous_id="tablet") for n in range(30)),
]


@pytest.fixture
def url(cluster: ClusterServers) -> Iterator[str]:
    """Addresses of an empty database on two shards."""
    yield from cluster.database(2)


@pytest.fixture
def nodes(url: str) -> Iterator[list[Client]]:
    clients = [connect(each, distributed_foreground_insert=1) for each in addresses(url)]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def everyone(url: str, nodes: list[Client]) -> Iterator[AllPersons]:
    """In slices of a few ids, so that a person lies in several."""
    sink = ClickHouseSink(url, 60)
    yield AllPersons(sink, nodes, ids_at_once=12, follow_s=0)
    sink.close()


def content(nodes: list[Client]) -> list[object]:
    return [(node.query(PERSONS).result_rows, node.query(CONFLICTS).result_rows) for node in nodes]


def run(go_through: Callable[..., Tally]) -> tuple[Tally, dict[str, tuple[int, ...]]]:
    """What was counted and the ids that were named, with the persons stored of them."""
    named: list[Wrong] = []
    tally = go_through(lambda _, wrong: named.extend(wrong))
    return tally, {one.id or str(one.key): one.persons for one in named}


def plant(node: Client, id_: tuple[str, str], person: int, version: int, history: int = 0) -> None:
    node.command(
        "INSERT INTO identity_map VALUES"
        " ({id:UInt64}, {person:UInt64}, {since:Array(Int64)}, {then:Array(UInt64)}, {version:UInt64})",
        parameters={
            "id": key(*id_),
            "person": person,
            "since": [T] * bool(history),
            "then": [history] * bool(history),
            "version": version,
        },
    )


def test_what_the_writer_stored_is_right(
    writer: Writer, database: Client, database_url: str
) -> None:
    arriving = random.Random(3).sample(FIVE_PEOPLE, len(FIVE_PEOPLE))  # noqa: S311 (no secret)
    for begin in range(0, len(arriving), 12):
        writer.store(build_block(arriving[begin : begin + 12]), [])
    [(persons, conflicts)] = content([database])
    sink = ClickHouseSink(database_url, 60)
    everyone = AllPersons(sink, [database], ids_at_once=12, follow_s=0)

    tally, named = run(everyone.check)

    # 5 openids and devices, 4 users, the tablet and its guests.
    assert (tally.seen, tally.of_about) == (45, 45)
    assert (tally.ids, tally.persons, tally.conflicts, named) == (0, 0, 0, {})
    # Guests who shared the tablet with the first one, until it was one too many.
    assert tally.settled > 0
    run(everyone.rebuild)
    assert content([database]) == [(persons, [row for row in conflicts if row[1] != "tablet"])]
    assert run(everyone.check)[0].settled == 0
    sink.close()


def test_wrong_persons_and_conflicts_are_named_and_mended(
    writer_of: WriterOf, url: str, nodes: list[Client], everyone: AllPersons, tmp_path: Path
) -> None:
    writer_of(url, tmp_path).store(build_block(FIVE_PEOPLE), [])
    before = content(nodes)
    node, u0, u1, u3 = nodes[-1], *(key("user_id", f"u{n}") for n in (0, 1, 3))
    # Of a later age than any, of the right version and history, with a wrong history only, one that is nobody's.
    plant(node, ("anonymous_id", "a0"), u1, 7 << 32)
    plant(node, ("openid", "o1"), u0, 1, history=u1)
    plant(node, ("openid", "o3"), u3, 100, history=u0)
    plant(node, ("openid", "unknown"), u0, 1)
    [[of_tablet]] = node.query(
        "SELECT version FROM identity_map FINAL WHERE id_key = {key:UInt64}",
        parameters={"key": key("anonymous_id", "tablet")},
    ).result_rows
    plant(node, ("anonymous_id", "tablet"), u0, of_tablet)

    tally, named = run(everyone.check)

    assert set(named) == {"a0", "o3", "tablet", str(key("openid", "unknown"))}
    assert named["a0"][-1] == u1
    assert len(named["a0"]) == len(nodes)
    # a0 of u0, o3 of u3; the tablet and the unknown id are each alone.
    assert (tally.ids, tally.persons, tally.conflicts) == (4, 4, 0)

    mended, again = run(everyone.rebuild)

    assert (mended.ids, mended.persons, again) == (4, 4, named)
    assert [each[1] for each in content(nodes)] == [each[1] for each in before]
    alone = key("openid", "unknown")
    assert [[row for row in each[0] if row[0] != alone] for each in content(nodes)] == [
        each[0] for each in before
    ]
    assert [row for each in content(nodes) for row in each[0] if row[0] == alone] == [
        (alone, alone, [], [])
    ] * len(nodes)
    assert run(everyone.check)[1] == {}


def test_conflicts_that_lack_are_listed_and_those_that_hold_no_more_leave(
    writer_of: WriterOf, url: str, nodes: list[Client], everyone: AllPersons, tmp_path: Path
) -> None:
    writer_of(url, tmp_path).store(build_block(FIVE_PEOPLE), [])
    before = content(nodes)
    node, u1, u2, a1 = (
        nodes[-1],
        key("user_id", "u1"),
        key("user_id", "u2"),
        key("anonymous_id", "a1"),
    )
    columns = "project, id_key, other_key, kind, id, other_kind, other_id, reason, occurred_at, event_id, version"
    for values in (
        f"'{PROJECT}', {u2}, {a1}, 'user_id', 'u2', 'anonymous_id', 'a1', 'openid', '2026-01-01', 'e', 4294967296",
        f"'{PROJECT}', {u1}, {a1}, 'user_id', 'u1', 'anonymous_id', 'a1', 'user_id', '2026-01-01', 'e', 4294967296",
    ):
        node.command(f"INSERT INTO identity_conflicts ({columns}) VALUES ({values})")  # noqa: S608 (above)

    tally, named = run(everyone.check)
    assert (tally.ids, tally.persons, tally.conflicts, tally.settled) == (0, 0, 1, 1)
    assert set(named) == {"u2"}
    run(everyone.rebuild)
    assert content(nodes) == before

    node.command("ALTER TABLE identity_conflicts DELETE WHERE 1", settings={"mutations_sync": 2})
    assert run(everyone.check)[0].conflicts == 1
    run(everyone.rebuild)
    assert content(nodes) == before
    tally, named = run(everyone.check)
    assert (tally.conflicts, tally.settled, named) == (0, 0, {})
    with pytest.raises(PrivacyError, match="2 shards"):
        AllPersons(ClickHouseSink(url, 60), nodes[:1])


def test_a_writer_at_the_same_moment_keeps_its_say(
    writer_of: WriterOf, database: Client, database_url: str, tmp_path: Path
) -> None:
    """It binds after the other has read and stores before it; or it looks for higher versions before and stores after it."""
    writer = writer_of(database_url, tmp_path)
    writer.store(build_block(FIVE_PEOPLE), [])
    u0, late, last = (key("user_id", name) for name in ("u0", "late", "last"))

    class Slow(ClickHouseSink):
        def insert_persons(self, assignments: list[Assignment], base_version: int) -> None:
            between.pop()() if between else None
            super().insert_persons(assignments, base_version)

    def persons() -> list[int]:
        return [
            database.query(
                "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}",
                parameters={"key": key("anonymous_id", name)},
            ).result_rows[0][0]
            for name in ("a4", "a0")
        ]

    def login(sink: ClickHouseSink, name: str, at: int) -> Callable[[], None]:
        made = writer_of(database_url, tmp_path / name)
        made.binder._sink = sink
        return lambda: made.binder.bind(
            build_block([together(at, user_id=name, openid="o4")]).bindings(None), name
        )

    sinks = [ClickHouseSink(database_url, 60), Slow(database_url, 60)]
    usual, slow = (AllPersons(sink, [database], follow_s=0) for sink in sinks)

    plant(database, ("anonymous_id", "a4"), u0, 9 << 32)
    between = [login(sinks[0], "late", 50)]
    run(slow.rebuild)
    assert persons() == [late, u0]

    plant(database, ("anonymous_id", "a0"), late, 20 << 32)
    between = [lambda: run(usual.rebuild)]
    login(sinks[1], "last", 5)()
    assert persons() == [last, u0]
    assert run(usual.check)[1] == {}
    for sink in sinks:
        sink.close()


def test_commands(writer_of: WriterOf, database: Client, database_url: str, tmp_path: Path) -> None:
    writer_of(database_url, tmp_path).store(build_block(FIVE_PEOPLE), [])
    plant(database, ("anonymous_id", "a0"), 1, 7 << 32)

    def identity(*arguments: str) -> tuple[int, list[str]]:
        done = subprocess.run(
            [*SCENETRAIL, "identity", *arguments, "--clickhouse-url", database_url],
            capture_output=True,
            text=True,
        )
        assert "45 of about 45 ids" in done.stderr, done.stderr
        return done.returncode, done.stdout.splitlines()

    code, lines = identity("check")
    assert code == 1
    right = key("user_id", "u0")
    assert (
        lines[0]
        == f"anonymous_id:a0  {APP}  key {key('anonymous_id', 'a0')}  person {right}  stored 1"
    )
    assert "45 ids; wrong / 有误: 1 ids of 1 persons, 0 conflicts" in lines[1]
    code, lines = identity("rebuild", "--json")
    assert code == 0
    assert json.loads(lines[0])["id"] == "a0"
    assert json.loads(lines[1])["ids"] == 1
    assert identity("check")[0] == 0
