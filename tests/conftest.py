"""
What every test may use: one real ClickHouse for the run, a database of its own for each test, free ports.
"""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from collector.local_clickhouse import LocalServer, prepare
from collector.migrate import connect, migrate

_database_numbers = itertools.count(1)

# TRICKY: a shell starts background jobs with Ctrl-C ignored, children inherit that, and tests that press Ctrl-C on a
# child would wait for ever. A handler here gives the children the default again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_ping(port: int, process: subprocess.Popen[bytes], limit_s: float = 60) -> None:
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


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """The ClickHouse server of this test run."""
    root: Path = tmp_path_factory.mktemp("clickhouse")
    server = prepare(root / "clickhouse", free_port(), free_port())
    with (root / "clickhouse.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "collector.local_clickhouse", server.folder, str(os.getpid())],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_ping(server.http_port, process)
        yield server
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def database_url(clickhouse: LocalServer) -> Iterator[str]:
    """Address (writer's credentials) of an empty migrated database of this test's own; dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_database_numbers)}"
    url = clickhouse.url("writer").rsplit("/", 1)[0] + "/" + name
    migrate(url)
    yield url
    client = connect(url)
    client.command(f"DROP DATABASE {name}")
    client.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Client]:
    """A client of this test's own database, with the writer's rights."""
    client = connect(database_url)
    yield client
    client.close()
