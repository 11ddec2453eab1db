"""A shard without room, one that hangs, a slow one: collectors take events, answers are whole or say what they lack."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from clickhouse_connect.driver.client import Client

from collector.clickhouse_urls import addresses
from collector.migrate import connect
from collector.spool_format import FILE_MAGIC
from query_api.clickhouse import Database
from query_api.errors import QueryError
from query_api.reports import answer_query
from query_api.settings import Settings
from tests.conftest import ClusterServers
from tests.faults.client import Load, make_batches, now_ms, seeded
from tests.faults.collector_process import APP_ID, Collector
from tests.waiting import until

MakeCollector = Callable[..., Collector]
COUNT = {
    "app_ids": [APP_ID],
    "time_range": {"from": "2020-01-01", "to": "2037-12-31"},
    "measures": [
        {"event": event, "aggregate": "count", "as": event}
        for event in ("page_view", "tap", "app_show", "order_pay")
    ],
}
NO_ROOM = "min_free_disk_bytes_to_perform_insert"


@pytest.fixture
def two(cluster: ClusterServers) -> Iterator[str]:
    """Addresses of an empty database on two shards: a server that is stopped may do later what others asked it."""
    yield from cluster.database(2, is_kept=False)


@pytest.fixture
def nodes(two: str) -> Iterator[list[Client]]:
    """A client of each of them."""
    clients = [connect(url) for url in addresses(two)]
    yield clients
    for client in clients:
        client.close()


async def counted(
    url: str, *, connect_timeout_s: float = 5, **more: object
) -> tuple[int, list[int]]:
    """How many events a report counts, and which shards it says are missing."""
    settings = Settings(clickhouse_reader_url=url, connect_timeout_s=connect_timeout_s)
    database = Database(settings)
    try:
        body = json.dumps(COUNT | more).encode()
        answer = await answer_query(database, "events", body, [APP_ID], now_ms())
    finally:
        await database.close()
    total = answer["result"]["series"][0]["total"]
    return sum(total.values()), answer["meta"]["missing_shards"]


async def reached(url: str, missing: list[int]) -> int:
    """What an answer without some shards counts; asked again where a slow machine did not reach the others in time."""
    deadline = time.monotonic() + 240
    while True:
        with contextlib.suppress(QueryError):
            total, without = await counted(url, connect_timeout_s=1, partial=True)
            if without == missing:
                return total
        assert time.monotonic() < deadline, "no partial answer"


def stored(node: Client) -> int:
    return int(node.command("SELECT count() FROM events FINAL"))


def loaded(collector: Collector, name: str, events: int) -> None:
    """Send events; each batch is taken at the first try."""
    load = Load(collector.port, make_batches(name, events, seeded(len(name))), seed=1).start()
    load.finish()
    assert set(load.statuses) == {200}


def begun(make_collector: MakeCollector, two: str, node: Client) -> Collector:
    """A collector whose first thousand events both shards have stored."""
    collector = make_collector(two, workers=1).start()
    loaded(collector, "before", 1_000)
    until(lambda: stored(node) == 1_000, "all of it is stored")
    return collector


def failed(collector: Collector) -> float:
    return collector.metric('scenetrail_inserts_total{result="failed"')


async def test_a_shard_without_room_keeps_events_in_the_spool_and_answers_go_on(
    two: str, nodes: list[Client], make_collector: MakeCollector
) -> None:
    """ClickHouse's own refusal before a disk is full, as the runbook sets it."""
    collector = begun(make_collector, two, nodes[0])
    nodes[1].command(f"ALTER TABLE events_local MODIFY SETTING {NO_ROOM} = 1000000000000000")
    before = failed(collector)

    loaded(collector, "during", 1_000)
    until(lambda: failed(collector) >= before + 2, "the writer has tried")
    until(collector.is_ready, "the collector takes events all the same")
    total, missing = await counted(two)
    assert 1_000 <= total < 2_000
    assert missing == []
    assert any(path.stat().st_size > len(FILE_MAGIC) for path in collector.spool_files())
    nodes[1].command(f"ALTER TABLE events_local RESET SETTING {NO_ROOM}")

    until(lambda: stored(nodes[0]) == 2_000, "what waited is stored")
    assert await counted(two) == (2_000, [])
    keys = "SELECT uniqExact(event_key) FROM event_ids"
    until(lambda: nodes[0].command(keys) == 2_000, "their keys follow them")
    assert collector.stop() == 0


async def test_a_shard_that_hangs_keeps_nobody_waiting_and_what_waited_counts_once(
    cluster: ClusterServers, two: str, nodes: list[Client], make_collector: MakeCollector
) -> None:
    """Its port takes connections and nobody answers, as a machine does whose disk stands still."""
    collector = begun(make_collector, two, nodes[0])
    on_first = int(nodes[0].command("SELECT count() FROM events_local FINAL"))
    process = cluster.processes[1]
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        loaded(collector, "during", 1_000)
        first, _ = addresses(two)  # the other one hangs
        with pytest.raises(QueryError) as refused:
            await counted(first, connect_timeout_s=1)
        partial = await reached(first, missing=[2])
        until(collector.is_ready, "the collector takes events all the same")
    finally:
        os.kill(process.pid, signal.SIGCONT)

    assert refused.value.code == "storage_unavailable"
    assert on_first <= partial < 2_000
    until(lambda: stored(nodes[0]) == 2_000, "what waited is stored")
    assert await counted(two, partial=True) == (2_000, [])
    assert nodes[1].command("SELECT uniqExact(event_id) FROM events") == 2_000
    assert collector.stop() == 0


@contextlib.contextmanager
def slowed(pid: int, share: float) -> Iterator[None]:
    """Let a process have only so much of its time, in turns of a fifth of a second, as on a machine that is overloaded."""
    turn_s, ended = 0.2, threading.Event()

    def take_turns() -> None:
        while not ended.is_set():
            os.kill(pid, signal.SIGSTOP)
            ended.wait(turn_s * (1 - share))
            os.kill(pid, signal.SIGCONT)
            ended.wait(turn_s * share)

    turns = threading.Thread(target=take_turns)
    turns.start()
    try:
        yield
    finally:
        ended.set()
        turns.join()


async def test_a_slow_shard_costs_no_event_and_no_answer_is_short_of_what_it_holds(
    cluster: ClusterServers, two: str, nodes: list[Client], make_collector: MakeCollector
) -> None:
    """It does everything, at a twentieth of its speed."""
    collector = begun(make_collector, two, nodes[0])
    process = cluster.processes[1]
    assert process is not None
    first, _ = addresses(two)  # the other one is slow
    seen: list[tuple[int, list[int]]] = []
    refused: set[str] = set()
    with slowed(process.pid, 0.05):
        loaded(collector, "during", 1_000)
        for partial in (False, True, False, True):
            try:
                seen.append(await counted(first, partial=partial))
            except QueryError as error:
                refused.add(error.code)
        until(collector.is_ready, "the collector takes events all the same")

    # Whole or not at all, where it took too long; a partial one says so.
    assert refused <= {"storage_unavailable", "query_limit"}
    assert all(missing in ([], [2]) for _, missing in seen)
    assert all(1_000 <= total <= 2_000 for total, missing in seen if not missing)
    until(lambda: stored(nodes[0]) == 2_000, "all of it is stored")
    assert await counted(two) == (2_000, [])
    assert nodes[1].command("SELECT uniqExact(event_id) FROM events") == 2_000
    assert collector.stop() == 0
