"""Whatever some clients do, memory and disk stay bounded and the others are served. Counts only, no timings."""

import contextlib
import http.client
import itertools
import json
import resource
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from collector import keys
from tests.faults.clickhouse_proxy import Proxy
from tests.faults.client import (
    Load,
    make_batch,
    make_batches,
    make_event,
    seeded,
    send,
    send_batch,
)
from tests.faults.collector_process import APP_ID, OTHER_APP_ID, OTHER_KEY, WRITE_KEY, Collector
from tests.waiting import until

MakeCollector = Callable[..., Collector]
Rows = Callable[[], int]
MIB = 1024 * 1024
IDLE_CONNECTIONS = 10_000


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let this process open as many connections as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def serve_others(collector: Collector, name: str, events: int = 2_000) -> Load:
    """Ordinary clients, all of whose batches are accepted at the first try."""
    load = Load(collector.port, make_batches(name, events, seeded(21)), seed=21).start()
    load.finish()
    assert set(load.statuses) == {200}, load.statuses
    return load


def memory_bytes(collector: Collector, word: str = "collector.worker") -> int:
    """Resident bytes of the largest process of a kind."""
    return max(child.memory_info().rss for child in collector.children(word))


def open_body(port: int, length: int, first: bytes = b"") -> socket.socket:
    """A connection whose request promises ``length`` bytes of body and has sent ``first``."""
    one = socket.create_connection(("127.0.0.1", port), 30)
    one.sendall(
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Write-Key: {WRITE_KEY}\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
        + first
    )
    return one


def status_of(one: socket.socket) -> int:
    """Status of the answer on a connection; 0 when it was closed without one."""
    with contextlib.suppress(OSError), one.makefile("rb") as stream:
        line = stream.readline().split()
        return int(line[1]) if len(line) > 1 else 0
    return 0


def test_memory_is_bounded_while_clickhouse_is_down(
    make_collector: MakeCollector, proxy: Proxy, rows: Rows
) -> None:
    """The writer holds two blocks, a worker its recent ids; the rest lies on disk."""
    proxy.decide = lambda query: "refuse" if "INSERT INTO" in query else "pass"
    collector = make_collector(
        proxy.url, workers=1, recent_ids=10_000, block_rows=2_000, spool_max_bytes=12_000_000
    ).start()
    serve_others(collector, "warm", 5_000)
    before = memory_bytes(collector), memory_bytes(collector, "writer_process")
    load = Load(collector.port, make_batches("e", 120_000, seeded(22), 2_000), seed=22).start()
    until(lambda: load.statuses[503] >= 20, "the spool is full")
    after = memory_bytes(collector), memory_bytes(collector, "writer_process")

    assert after[0] - before[0] < 80 * MIB
    assert after[1] - before[1] < 80 * MIB
    assert sum(path.stat().st_size for path in collector.spool_files()) <= 12_000_000
    assert load.without_retry_after == 0

    proxy.decide = lambda _: "pass"
    load.finish()
    until(lambda: rows() == 125_000, "all are stored")
    assert set(load.statuses) == {200, 503}


def test_one_byte_a_second_costs_others_nothing(make_collector: MakeCollector, rows: Rows) -> None:
    collector = make_collector(workers=1, body_timeout_s=5).start()
    with contextlib.ExitStack() as stack:
        bodies = [
            stack.enter_context(open_body(collector.port, 1_000, b'{"app_id')) for _ in range(200)
        ]
        headers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", collector.port), 30))
            for _ in range(200)
        ]
        dripping = threading.Event()

        def drip() -> None:
            while not dripping.wait(0.2):
                for one, byte in [*((b, b" ") for b in bodies), *((h, b"P") for h in headers)]:
                    with contextlib.suppress(OSError):  # closed by the collector
                        one.send(byte)

        thread = threading.Thread(target=drip)
        thread.start()
        serve_others(collector, "while-dripping")
        answers = Counter(status_of(one) for one in bodies)
        dripping.set()
        thread.join()

    assert answers == {408: 200}, "they are told that they were too slow"
    until(lambda: rows() == 2_000, "stored")


@pytest.mark.usefixtures("many_descriptors")
def test_10000_idle_connections_cost_others_nothing(make_collector: MakeCollector) -> None:
    """
    Or as many as the system lets a process open.

    From several addresses of loopback, as one address has too few ports on some systems.
    """
    collector = make_collector(workers=1, keepalive_timeout_s=600).start()
    connections = min(IDLE_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    with contextlib.ExitStack() as stack:
        for n in range(connections):
            source = (f"127.0.0.{2 + n % 4}", 0)
            stack.enter_context(
                socket.create_connection(("127.0.0.1", collector.port), 30, source_address=source)
            )
        until(
            lambda: collector.children("collector.worker")[0].num_fds() > connections,
            "all are connected",
        )

        serve_others(collector, "while-idle")


def test_flood_of_bad_keys_costs_others_nothing(make_collector: MakeCollector) -> None:
    collector = make_collector(workers=1).start()
    body = json.dumps(make_batch([make_event("e", seeded(1))], seeded(1))).encode()
    answers: Counter[int] = Counter()
    stopping = threading.Event()

    def flood(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=30)
        while not stopping.is_set():
            answers[send(collector.port, body, connection, key=f"wk_{number}")[0]] += 1
        connection.close()

    threads = [threading.Thread(target=flood, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: answers[401] > 100, "the flood has begun")
    serve_others(collector, "while-flooded")
    stopping.set()
    for thread in threads:
        thread.join()

    assert set(answers) == {401}
    assert collector.metric('scenetrail_request_errors_total{code="unauthorized"') >= answers[401]


def test_network_with_too_many_bad_keys_waits_and_its_good_keys_are_served(
    make_collector: MakeCollector,
) -> None:
    """Clients behind a trusted proxy: by the network that the proxy names, not by what a client writes there."""
    collector = make_collector(workers=1, bad_keys_per_minute=20, trusted_proxies="127.0.0.1")
    collector.start()
    body = json.dumps(make_batch([make_event("e", seeded(1))], seeded(1))).encode()

    def answers(client: str, key: str, times: int) -> list[tuple[int, dict[str, str]]]:
        forwarded = f"10.9.8.7, {client}"
        found = []
        for _ in range(times):
            status, _, headers = send(collector.port, body, key=key, X_Forwarded_For=forwarded)
            found.append((status, headers))
        return found

    first = answers("203.0.113.5", "wk_wrong", 10)
    refused = until(lambda: answers("203.0.113.77", "wk_wrong", 1)[0][0] == 429, "it must wait")
    headers = next(h for status, h in answers("203.0.113.5", "wk_wrong", 50) if status == 429)

    assert refused
    assert [status for status, _ in first] == [401] * 10
    assert 1 <= int(headers["retry-after"]) <= 60
    assert answers("203.0.113.77", WRITE_KEY, 1)[0][0] == 200
    assert answers("198.51.100.1", "wk_wrong", 1)[0][0] == 401
    assert collector.stop() == 0
    lines = collector.log_lines("keys_refused")
    assert any("203.0.113.0/24" in line for line in lines)
    assert not any("203.0.113.5" in line or "10.9.8" in line for line in lines)


def test_large_bodies_that_arrive_slowly_are_bounded(
    make_collector: MakeCollector, rows: Rows
) -> None:
    """A public key is enough to open many of them: the largest are given up, small ones go on."""
    collector = make_collector(workers=1, arriving_max_bytes=20_000_000, body_timeout_s=60).start()
    before = memory_bytes(collector)
    part = b"[" * MIB
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(open_body(collector.port, 8 * MIB - 1, b"")) for _ in range(60)]
        for _ in range(7):
            for one in slow:
                with contextlib.suppress(OSError):  # given up by the collector
                    one.sendall(part)
        assert memory_bytes(collector) - before < 150 * MIB
        serve_others(collector, "while-arriving")
        until(
            lambda: collector.metric('scenetrail_request_errors_total{code="overloaded"') >= 30,
            "the largest are given up",
        )
    until(lambda: rows() == 2_000, "stored")


def test_rate_limit_of_one_app_leaves_the_other_alone(make_collector: MakeCollector) -> None:
    collector = make_collector(workers=1, rate_limit_events=10).start()
    rng = seeded(23)
    answers = Counter[int]()
    for n in range(20):
        batch = make_batch([make_event(f"e{n}-{i}", rng) for i in range(50)], rng)
        status, _, headers = send(collector.port, json.dumps(batch).encode())
        answers[status] += 1
        assert status == 200 or int(headers["retry-after"]) >= 1
    other = make_batch([make_event("other", rng)], rng, app_id="wx-other", platform="alipay")

    assert answers[429] > 0
    assert set(answers) == {200, 429}
    assert send(collector.port, json.dumps(other).encode(), key="wk_other")[0] == 200


def test_refused_events_use_up_the_rate_as_well(make_collector: MakeCollector) -> None:
    """They are kept for repair: whoever has a write key, which any phone can tell, could fill the disk with them."""
    collector = make_collector(workers=1, rate_limit_events=1).start()
    rng = seeded(26)
    batch = make_batch([make_event(f"e{i}", rng) | {"occurred_at": "soon"} for i in range(50)], rng)

    answers = [send(collector.port, json.dumps(batch).encode())[0] for _ in range(5)]

    assert answers == [422, 429, 429, 429, 429]


def test_rate_limit_of_an_apps_own_leaves_the_others_alone(make_collector: MakeCollector) -> None:
    """Set while the collector runs."""
    collector = make_collector(workers=1).start()
    rng = seeded(25)
    keys.change_only(
        collector.folder / "access.json",
        lambda file: keys.set_app(file, OTHER_APP_ID, max_events_per_s=1),
    )
    numbers = itertools.count()

    def send_100(app_id: str, key: str) -> int:
        events = [make_event(f"r{next(numbers)}", rng) for _ in range(100)]
        batch = make_batch(events, rng, app_id=app_id)
        return send(collector.port, json.dumps(batch).encode(), key=key)[0]

    until(lambda: send_100(OTHER_APP_ID, OTHER_KEY) == 429, "the limit holds")

    assert [send_100(APP_ID, WRITE_KEY) for _ in range(5)] == [200] * 5


def test_refused_requests_keep_nothing(make_collector: MakeCollector, rows: Rows) -> None:
    """429 and 503 promise it: what was refused is stored only if it is sent again."""
    collector = make_collector(workers=1, rate_limit_events=10).start()
    rng = seeded(24)
    accepted, refused = set(), set()
    for n in range(10):
        events = [make_event(f"e{n}-{i}", rng) for i in range(30)]
        status, _ = send_batch(collector.port, make_batch(events, rng))
        (accepted if status == 200 else refused).update(e["event_id"] for e in events)

    assert refused
    until(lambda: rows() == len(accepted), "what was accepted is stored")
    assert collector.stop() == 0
    assert rows() == len(accepted)
