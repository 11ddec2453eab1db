"""
What a cluster is: tables where they belong, one row where two were sent, answers that are whole or say what is missing.

Two and three servers without Keeper, told in turn; statements for a cluster with Keeper are only parsed.
"""

import re
import threading

import pytest
from many_logs import asker_of
from query_support import APP, PROJECT, ask, event, insert, ms

from collector import cluster as plans
from collector import doctor_clickhouse, privacy
from collector import nodes as node_states
from collector.clickhouse_urls import addresses, without_password
from collector.cluster import Cluster, Layout, on_node, tables_over
from collector.findings import Setup
from collector.migrate import connect, files, migrate, statements, tables_to_all_nodes
from collector.nodes import ClusterError
from collector.rows import build_block
from collector.sinks import TRANSIENT, ClickHouseSink
from collector.spool_format import SpoolRecord
from collector.upkeep import keep_up
from query_api.errors import QueryError
from sdk_spec.access import App
from tests.conftest import ClusterServers, stores_everywhere

T = ms("2026-10-01T00:00:00Z")
RANGE = {"time_range": {"from": "2026-09-01", "to": "2026-12-31"}}
COUNT = RANGE | {"measures": [{"event": "view", "aggregate": "count", "as": "n"}]}


@pytest.fixture
def two(cluster: ClusterServers):
    """Addresses of an empty database on two shards."""
    yield from cluster.database(2)


@pytest.fixture
def clients(two):
    """A client of each node of it."""
    nodes = [connect(url, distributed_foreground_insert=1) for url in addresses(two)]
    yield nodes
    for node in nodes:
        node.close()


def numbers(nodes, table):
    """Rows that each node holds of a table."""
    return [node.query(f"SELECT count() FROM {table}").result_rows[0][0] for node in nodes]  # noqa: S608


def records(ids, at=T, name="view", who="openid"):
    """One request with an event for each id, of as many people."""
    events = ",".join(
        f'{{"event_id":"{one}","event":"{name}","occurred_at":{at},"{who}":"o{one}","user_id":"u{one}"}}'
        for one in ids
    )
    body = f'{{"app_id":"{APP}","platform":"wechat","events":[{events}]}}'
    return [SpoolRecord(1, at, f"r-{at}", PROJECT, APP, 300_000, [], [], body.encode())]


def test_events_lie_on_one_shard_each_and_persons_on_every_node(writer_of, two, clients, tmp_path):
    writer = writer_of(two, tmp_path)
    writer.store(build_block(records(range(200))), [])

    assert sum(numbers(clients, "events_local")) == 200
    assert min(numbers(clients, "events_local")) > 50
    assert numbers(clients, "events") == [200, 200]
    assert sum(numbers(clients, "event_ids_local")) == 200
    assert numbers(clients, "identity_bindings") == [400, 400]
    assert numbers(clients, "identity_map") == [400, 400]
    assert numbers(clients, "arrivals") == [2, 2]


def test_a_copy_through_another_collector_and_node_counts_once(writer_of, two, clients, tmp_path):
    """With the writer's own memory empty each time: the sort key must meet its equal on one shard."""
    first, second = addresses(two)
    for number, url in enumerate((first, second, two)):
        writer = writer_of(url, tmp_path / str(number))
        block = build_block(records(range(100), T))
        writer._sink.insert_events(block.table, f"token {number}")
        writer._sink.close()

    assert sum(numbers(clients, "events_local")) == 300
    for node in clients:
        assert node.query("SELECT count() FROM events FINAL").result_rows == [(100,)]


async def test_a_shard_that_is_down_keeps_the_writer_waiting_and_the_block_counts_once(
    writer_of, cluster, two, clients, tmp_path
):
    writer = writer_of(two, tmp_path)
    block = build_block(records(range(100)))
    cluster.kill(1)
    try:
        with pytest.raises(TRANSIENT):
            writer.store(block, [])
        writer._sink.close()
        with pytest.raises(TRANSIENT):  # through the other address
            writer.store(block, [])
        writer._sink.close()
        with pytest.raises(QueryError) as refused:
            await ask(two, "events", COUNT)
        partial = await ask(two, "events", COUNT | {"partial": True})
    finally:
        cluster.restart(1)
    writer.store(block, [])
    again = await ask(two, "events", COUNT | {"partial": True})

    assert refused.value.code == "storage_unavailable"
    assert partial["meta"]["missing_shards"] == [2]
    assert "partial" in [warning["code"] for warning in partial["meta"]["warnings"]]
    assert again["meta"]["missing_shards"] == []
    assert again["result"]["series"][0]["total"]["n"] == 100
    assert sum(numbers(clients, "event_ids_local")) == 100


async def test_the_first_node_may_be_the_one_that_is_down(cluster, two, clients):
    insert(clients[0], [event(f"u{i}", "view", T) for i in range(100)])
    [_, on_second] = numbers(clients, "events_local")
    cluster.kill(0)
    try:
        partial = await ask(two, "events", COUNT | {"partial": True})
    finally:
        cluster.restart(0)

    assert partial["meta"]["missing_shards"] == [1]
    assert partial["result"]["series"][0]["total"]["n"] == on_second


async def test_partial_on_one_server_changes_nothing(database, database_url):
    insert(database, [event("u1", "view", T)])
    answer = await ask(database_url, "events", COUNT | {"partial": True})

    assert answer["meta"]["missing_shards"] == []
    with pytest.raises(QueryError):
        await ask("http://default:@127.0.0.1:1/none", "events", COUNT | {"partial": True})


def test_migrations_can_be_repeated_after_half_of_them_failed(cluster):
    name = "test_half_migrated"
    url = cluster.url(name, 2)
    first, second = addresses(url)
    clients = []
    for each in (first, second):
        server = connect(each.rpartition("/")[0])
        server.command(f"CREATE DATABASE {name}")
        server.close()
        clients.append(connect(each))
    try:
        # In the way of the second node: another table under the name of one that a later file makes and fills.
        clients[1].command(
            "CREATE TABLE arrivals_local (other UInt8) ENGINE = MergeTree ORDER BY other"
        )
        with pytest.raises(TRANSIENT):
            migrate(url, "two")
        done = numbers(clients, "migrations")
        clients[1].command("DROP TABLE arrivals_local")
        migrate(url, "two")

        assert migrate(url) == []  # the cluster's name is remembered
        made = [
            node.query(
                "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name"
            ).result_rows
            for node in clients
        ]
        assert 0 < done[1] < done[0] == numbers(clients, "migrations")[1]
        assert made[0] == made[1]
        assert len(made[0]) > 30
    finally:
        for client in clients:
            client.command(f"DROP DATABASE {name}")
            client.close()


def test_nodes_that_are_missing_or_know_no_such_cluster_are_told(cluster):
    with pytest.raises(ClusterError, match="missing: shards"):
        migrate(cluster.url("test_refused", 1), "two")
    with pytest.raises(ClusterError, match="remote_servers"):
        migrate(cluster.url("test_refused", 2), "no_such")
    with pytest.raises(ClusterError, match="SCENETRAIL_CLICKHOUSE_CLUSTER"):
        migrate(cluster.url("test_refused", 2))
    for url in addresses(cluster.url("test_refused", 2)):
        server = connect(url)
        server.command("DROP DATABASE test_refused")
        server.close()


async def test_one_server_grows_to_two_shards_and_to_three(writer_of, cluster, tmp_path):
    """Rows stay where they are; a copy of an old event meets it there; what happens later goes to the new shard as well."""
    name = "test_grown"
    one, both, three = (cluster.url(name, shards) for shards in (1, 2, 3))
    later = ms("2099-01-01T00:00:00Z")
    ids = range(300)
    migrate(one)
    try:
        writer_of(one, tmp_path / "1").store(build_block(records(ids)), [])
        before = await ask(one, "events", COUNT)
        for url, folder, name_of_cluster in ((both, "2", "two"), (three, "3", "three")):
            migrate(url, name_of_cluster)
            # A collector that remembers nothing sends all of it again, and a part of it that is new.
            sink = ClickHouseSink(url, 30)
            sink.insert_events(build_block(records(ids)).table, folder)
            sink.insert_events(
                build_block(records(ids, later, f"later {folder}")).table, folder * 2
            )
            sink.close()
            after = await ask(url, "events", COUNT)
            assert after["result"] == before["result"]
            nodes = [connect(each) for each in addresses(url)]
            assert numbers(nodes, "identity_map") == [600] * len(nodes)
            assert len(set(numbers(nodes, "scenes"))) == 1
            spread = [
                node.query(
                    f"SELECT count() FROM events_local FINAL WHERE event = 'later {folder}'"  # noqa: S608
                ).result_rows[0][0]
                for node in nodes
            ]
            old = [
                node.query(
                    "SELECT count() FROM events_local FINAL WHERE event = 'view'"
                ).result_rows[0][0]
                for node in nodes
            ]
            for node in nodes:
                node.close()
            # The last shard took some of what is later. Which, the event's key says; of old ones it has none.
            assert sum(spread) == 300
            assert spread[-1] > 30
            assert sum(old) == 300
            assert old == [300] + [0] * (len(nodes) - 1)
        with pytest.raises(ClusterError, match="rows lie on 3 shards"):
            migrate(both, "two")
    finally:
        for url in addresses(three):
            client = connect(url)
            client.command(f"DROP DATABASE IF EXISTS {name}")
            client.close()


def test_an_erased_person_is_gone_from_every_node(writer_of, two, clients, tmp_path):
    writer = writer_of(two, tmp_path)
    block = build_block(records(range(20), who="unionid"))
    writer.store(block, [])
    insert(clients[1], [event("u3", f"more {i}", T + i) for i in range(20)])
    person = privacy.find(clients[0], PROJECT, "user_id:u3", [APP])

    with pytest.raises(privacy.PrivacyError, match="2 shards"):
        privacy.erase(clients[0], tmp_path / "none", person, "user_id:u3", wait_s=0)
    receipt = privacy.erase(
        clients[0], tmp_path / "none", person, "user_id:u3", wait_s=0, nodes=clients
    )
    writer.store(build_block(records(range(20), who="unionid")), [])

    assert receipt.rows["events"] == 21
    assert numbers(clients, "events FINAL") == [19, 19]
    assert numbers(clients, "identity_map FINAL") == [38, 38]
    assert numbers(clients, "erased_ids FINAL") == [2, 2]
    assert numbers(clients, "privacy_receipts") == [1, 1]


def test_upkeep_that_lacks_the_address_of_a_node_goes_on(two):
    """It says so at every interval; else it would have ended for ever, and the address that is given later not be seen."""
    stopping = threading.Event()
    looked = []

    def kept():
        looked.append(len(looked))
        if len(looked) == 3:
            stopping.set()
        return [App(APP, PROJECT, retention_days=1)]

    keep_up(addresses(two)[0], kept, lambda: T, stopping, 0.01, lambda *_: None)

    assert looked == [0, 1, 2]


def test_doctor_looks_at_every_node_and_at_the_cluster(cluster, two, tmp_path):
    def findings(url, **addresses_of):
        setup = Setup(tmp_path, tmp_path / "access.json", clickhouse_url=url, **addresses_of)
        return {
            (one.check, one.level): one.found
            for one in doctor_clickhouse.check_clickhouse(setup)
            if one.check not in ("clickhouse_disk", "clock")  # of this machine
        }

    name = two.rpartition("/")[2]
    well = findings(two, clickhouse_editor_url=cluster.url(name, 2))
    assert well["clickhouse", "ok"].startswith("2 of 2 nodes: version ")
    assert well["schema", "ok"] == f"2 of 2 nodes: {len(files())} migrations applied"
    assert well["cluster", "ok"] == "two: 2 shards, each reaches the others"
    assert [check for check, level in well if level == "problem"] == []
    one = findings(addresses(two)[0])
    assert "shards [2]" in one["cluster", "problem"]

    client = connect(addresses(two)[1])
    client.command(
        f"ALTER TABLE migrations DELETE WHERE name = '{files()[-1][0]}'",
        settings={"mutations_sync": 1},
    )
    client.close()
    second = without_password(addresses(two)[1])
    behind = findings(two)
    assert behind["schema", "ok"].startswith("1 of 2 nodes")
    assert behind["schema", "problem"] == f"{second}: not applied yet: {files()[-1][0]}"

    cluster.kill(1)
    try:
        down = findings(two)
    finally:
        cluster.restart(1)
    assert down["clickhouse", "ok"].startswith("1 of 2 nodes: version ")
    assert down["clickhouse", "problem"].startswith(second)
    assert "shards [2]" in down["cluster", "problem"]
    assert findings(two.replace(name, "default"))["cluster", "problem"].startswith(
        "several addresses"
    )


def test_what_one_node_missed_is_there_after_a_migration_and_nobody_writes_before(two, clients):
    """A writer that found only some of the tables over all nodes would store the rows of the others on one node only."""
    clients[1].command("INSERT INTO identity_map (id_key, person, version) VALUES (1, 2, 3)")
    clients[0].command("DROP TABLE identity_map_copies")
    assert numbers(clients, "identity_map") == [0, 1]
    sink = ClickHouseSink(two, 30)
    with pytest.raises(TRANSIENT, match="scenetrail migrate"):
        sink.unbindings(0)
    sink.close()

    migrate(two)

    assert "identity_map_copies" in tables_to_all_nodes(clients[0])
    assert numbers(clients, "identity_map") == [1, 1]
    migrate(two)
    assert numbers(clients, "identity_map") == [1, 1]


def test_a_statement_of_others_sees_its_own_apps_on_all_shards(cluster):
    """As the reader, whose rights and limits hold on every shard."""
    url = cluster.url("scenetrail", 2)
    migrate(url, "two")
    try:
        client = stores_everywhere(connect(url, distributed_foreground_insert=1))
        insert(client, [event(f"u{i}", "view", T, page="home") for i in range(40)])
        insert(
            client, [event(f"v{i}", "view", T, app_id="wx0002", page="other") for i in range(40)]
        )
        client.close()
        asking = asker_of(cluster.url("scenetrail", 2, "reader"))
        asker = next(asking)
        rows = asker(
            "sql",
            RANGE
            | {
                "sql": "SELECT page, count() AS n, uniqExact(user) AS users FROM events GROUP BY page"
            },
        )["rows"]
        refused = asker.refused("sql", RANGE | {"sql": "SELECT count() AS n FROM events_local"})
        asker.close()

        assert rows == [{"page": "home", "n": 40, "users": 40}]
        assert refused[0] == "invalid_request"
    finally:
        for each in addresses(url):
            client = connect(each)
            client.command("DROP DATABASE scenetrail")
            client.close()


KEEPER = Cluster("production", 4, has_keeper=True)


def test_statements_for_a_cluster_with_keeper_are_statements(clickhouse):
    """Nothing runs them here: there is no Keeper. ClickHouse parses each, and the tree shows cluster and engine."""
    made = [on_node(one, KEEPER) for _, text in files() for one in statements(text)]
    columns = dict.fromkeys([f"{name}_local" for name in plans.SHARDED] + ["migrations"], "a UInt8")
    over = tables_over(KEEPER, "scenetrail", [Layout(0, 3), Layout(1_800_000_000_000, 4)], columns)
    made += [statement for statement, _ in over.values()]
    made.append(plans.database_everywhere("scenetrail", KEEPER))
    server = connect(clickhouse.url("writer").rpartition("/")[0])
    # As text: the format would belong to the statement that is explained.
    trees = [server.raw_query(f"EXPLAIN AST {one}").decode() for one in made]
    server.close()

    tables = [one for one in made if one.startswith(("CREATE TABLE", "CREATE MATERIALIZED"))]
    assert all(f"ON CLUSTER '{KEEPER.name}'" in one for one in tables)
    engines = [one for one in tables if "ENGINE" in one]
    assert all("ENGINE = Replicated" in one for one in engines)
    assert all("non_replicated" not in one for one in made)
    assert all(tree.startswith(("CreateQuery", "InsertQuery", "AlterQuery")) for tree in trees)
    events = next(one for one in made if "TABLE IF NOT EXISTS events_local" in one)
    assert (
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', precedence)"
        in events
    )
    persons = next(one for one in made if "TABLE IF NOT EXISTS identity_map" in one)
    assert "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', version" in persons
    assert not [name for name in over if name.endswith("_copies")]
    assert list(over)[-1] == "events"


def test_a_node_with_tables_that_are_not_replicated_is_refused_where_they_shall_be(database):
    with pytest.raises(ClusterError, match=r"not replicated: arrivals.*segments"):
        node_states.refuse_unreplicated(database)


def test_statements_for_one_server_are_what_they_were():
    """A table that is sharded is named as such wherever a migration names it."""
    alone = Cluster("any", 2)
    for _, text in files():
        for one in statements(text):
            changed = on_node(one, alone)
            names = "|".join(plans.SHARDED)
            assert changed == one or "_local" in changed
            assert not re.search(rf"\b(TABLE IF NOT EXISTS|TO|FROM|INTO) ({names})\b", changed)
            assert changed.replace("_local", "") == one


def test_the_shard_of_a_row_never_changes():
    layouts = [Layout(0, 1), Layout(1_000, 2), Layout(2_000, 3)]

    assert plans.shard_of(plans.SHARDED["events"], layouts) == (
        "multiIf(client_occurred_at < fromUnixTimestamp64Milli(1000, 'UTC'), event_key % 1, "
        "client_occurred_at < fromUnixTimestamp64Milli(2000, 'UTC'), event_key % 2, event_key % 3)"
    )
    assert plans.shard_of(plans.SHARDED["events"], layouts[:1]) == "event_key % 1"
    assert plans.shard_of(plans.SHARDED["event_ids"], layouts) == "event_key % 3"
