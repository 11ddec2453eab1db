"""
What every test may use: one real ClickHouse for the run, a database of its own for each test, free ports, and a cluster.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer

from collector.local_clickhouse import LocalServer, prepare
from collector.migrate import connect, tables_to_all_nodes
from tests import side_by_side
from tests.databases import Databases

_ports = side_by_side.ports()

# How long an example takes is the machine's business. The same examples each time, so that a red run is about a change;
# SCENETRAIL_EXPLORE=1 looks for new ones, as the longer runs do.
hypothesis_settings.register_profile(
    "any machine",
    deadline=None,
    derandomize="SCENETRAIL_EXPLORE" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("any machine")

# TRICKY: a shell starts background jobs with Ctrl-C ignored, children inherit that, and tests that press Ctrl-C on a
# child would wait for ever. A handler here gives the children the default again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The servers of tests are on this machine, whatever proxy it has for others. Children inherit it.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"


def free_port() -> int:
    """
    A TCP port on loopback that nobody listens on and this run gives to nobody else.

    Below the ports of outgoing connections: one of those could take it while a server restarts.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports for tests were given away")


def wait_for_ping(port: int, process: subprocess.Popen[bytes], limit_s: float = 180) -> None:
    """Return when ClickHouse answers; fail with its exit code when it ended or the limit passed."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"ClickHouse ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("ClickHouse did not answer")


def start_server(server: LocalServer, log_path: Path) -> subprocess.Popen[bytes]:
    """Start a prepared server; ``wait_for_ping`` returns when it answers."""
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "collector.local_clickhouse", server.folder, str(os.getpid())],
            stdout=log,
            stderr=log,
        )


@contextlib.contextmanager
def serving(server: LocalServer, log_path: Path) -> Iterator[None]:
    """Serve a prepared server while the block runs."""
    process = start_server(server, log_path)
    try:
        wait_for_ping(server.http_port, process)
        yield
    finally:
        process.terminate()
        process.wait(120)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """The ClickHouse server of this test run."""
    root: Path = tmp_path_factory.mktemp("clickhouse")
    server = prepare(root / "clickhouse", free_port(), free_port())
    with serving(server, root / "clickhouse.log"):
        yield server


@pytest.fixture(scope="session")
def databases(clickhouse: LocalServer) -> Iterator[Databases]:
    """The databases of this test run's server."""
    made = Databases([clickhouse])
    yield made
    made.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--shards 3``: the tests that use ``database`` run on a cluster instead of one server."""
    parser.addoption("--shards", type=int, default=1, choices=(1, 2, 3))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> side_by_side.Scheduler:
    """``-n 2``: which tests never run at the same time."""
    return side_by_side.Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the cluster does so in one process."""
    side_by_side.check(items)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address (writer's credentials) of an empty migrated database that no other test uses at the same time."""
    shards = request.config.getoption("--shards")
    if shards > 1:
        yield from request.getfixturevalue("cluster").database(shards)
        return
    yield from request.getfixturevalue("databases").one()


@pytest.fixture
def database(request: pytest.FixtureRequest, database_url: str) -> Iterator[Client]:
    """A client of this test's own database, with the writer's rights."""
    if request.config.getoption("--shards") == 1:
        yield request.getfixturevalue("databases").client(database_url)
        return
    client = connect(database_url, distributed_foreground_insert=1)
    yield stores_everywhere(client)
    client.close()


CLUSTERS = {2: "two", 3: "three"}


class ClusterServers:
    """
    Three servers as nodes of two clusters: ``two`` has the first two as shards, ``three`` all of them.

    Each can be killed and started again. Give back what you break.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        ports = [(free_port(), free_port()) for _ in range(3)]
        native = [tcp_port for _, tcp_port in ports]
        self.servers = [
            prepare(root / f"clickhouse-{i}", http, tcp, {"two": native[:2], "three": native})
            for i, (http, tcp) in enumerate(ports)
        ]
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * 3
        self._databases: dict[int, Databases] = {}
        for node in range(3):
            self.start(node)
        for node in range(3):
            self.wait(node)

    def start(self, node: int) -> None:
        """Start one server; ``wait`` returns when it answers."""
        log_path = self.root / f"clickhouse-{node}.log"
        self.processes[node] = start_server(self.servers[node], log_path)

    def wait(self, node: int) -> None:
        """Return when a started server answers."""
        process = self.processes[node]
        assert process is not None
        wait_for_ping(self.servers[node].http_port, process)

    def kill(self, node: int) -> None:
        """``kill -9`` one server."""
        for databases in self._databases.values():
            databases.disturbed()
        process = self.processes[node]
        assert process is not None
        process.kill()
        process.wait(120)
        self.processes[node] = None

    def restart(self, node: int) -> None:
        """Start a server again that was killed; return when every other one reaches it."""
        self.start(node)
        self.wait(node)
        deadline = time.monotonic() + 60
        for number, server in enumerate(self.servers):
            while self.processes[number] is not None:
                client = connect(server.url("writer").rpartition("/")[0])
                try:
                    client.query("SELECT count() FROM clusterAllReplicas('three', system.one)")
                except ClickHouseError:
                    assert time.monotonic() < deadline, "the servers do not reach each other"
                    time.sleep(0.1)
                else:
                    break
                finally:
                    client.close()

    def url(self, database: str, shards: int, user: str = "writer") -> str:
        """Addresses of the first nodes, as a setting takes them."""
        return ",".join(
            server.url(user).rpartition("/")[0] + "/" + database for server in self.servers[:shards]
        )

    def database(self, shards: int, *, is_kept: bool = True) -> Iterator[str]:
        """Addresses of an empty migrated database over the first servers; ``is_kept`` as ``Databases.one`` has it."""
        if shards not in self._databases:
            self._databases[shards] = Databases(self.servers[:shards], CLUSTERS[shards])
        yield from self._databases[shards].one(is_kept=is_kept)

    def stop(self) -> None:
        """End all."""
        for databases in self._databases.values():
            databases.close()
        for process in self.processes:
            if process is not None:
                process.terminate()
        for process in self.processes:
            if process is not None:
                process.wait(120)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """The servers of this test run that can be clusters of two and of three shards."""
    servers = ClusterServers(tmp_path_factory.mktemp("cluster"))
    yield servers
    servers.stop()


def stores_everywhere(client: Client) -> Client:
    """Let a client store as the product does: on a cluster, rows of copied tables reach every node."""
    copies = tables_to_all_nodes(client)
    if copies:
        for method in ("insert", "raw_insert", "insert_arrow"):
            setattr(client, method, _to_all_nodes(getattr(client, method), copies))
    return client


def _to_all_nodes(insert: Callable[..., Any], copies: set[str]) -> Callable[..., Any]:
    def to_all_nodes(table: str, *arguments: Any, **named: Any) -> Any:
        return insert(
            f"{table}_copies" if f"{table}_copies" in copies else table, *arguments, **named
        )

    return to_all_nodes
