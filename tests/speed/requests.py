"""
``python -m tests.speed.requests``: what one request costs a worker, in µs of CPU, beside the bare decoding handler.

The worker runs alone (no writer, no ClickHouse), the two take turns, and all threads count, so the load generator and other
work on the machine disturb little. Not collected by pytest: it measures and judges nothing. ``collector/DESIGN-speed.md``
quotes the table.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from loadtest import rivals
from loadtest.driver import Plan
from loadtest.generate import FlatWorkload
from loadtest.send import Target, run_load, run_name
from sdk_spec import access
from tests.conftest import free_port

_ROUNDS = 5
_REQUESTS = {1: 4_000, 50: 1_000}
"""By events a request."""
_CONNECTIONS = (16, 64)
_APP_ID = "wx1"


class Server(Struct, frozen=True):
    """A process that takes batches."""

    pid: int
    target: Target

    def cpu_s(self) -> float:
        """CPU of all its threads until now."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def served(module: list[str], port: int, headers: dict[str, str]) -> Iterator[Server]:
    """Run a server of ours until the block ends."""
    with rivals.serving([sys.executable, "-m", *module], port) as pid:
        yield Server(pid, Target(f"http://127.0.0.1:{port}/v1/events", _APP_ID, headers))


def worker(folder: Path, port: int) -> AbstractContextManager[Server]:
    """Run one worker with nothing behind its spool."""
    key = access.new_secret("wk")
    access.save(
        folder / "access.json",
        access.AccessFile(
            apps=(access.App(_APP_ID, "project", "wechat"),),
            write_keys=(access.WriteKey("key", _APP_ID, access.digest(key)),),
        ),
    )
    metrics = folder / "metrics"
    metrics.mkdir()
    os.environ |= {
        "SCENETRAIL_DATA_DIR": str(folder),
        "SCENETRAIL_COLLECTOR_PORT": str(port),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    return served(["collector.worker"], port, {"X-Write-Key": key})


def request_us(server: Server, batch: int, connections: int) -> float:
    """µs of CPU of the server for one of many requests."""
    run = run_name(time.time_ns() // 1_000_000)
    workload = FlatWorkload(seed=1, run=run, app_id=_APP_ID, batch=batch)
    requests = _REQUESTS[batch]
    plan = Plan(batch=batch, duration_s=60.0, connections=connections, limit=requests)
    before = server.cpu_s()
    run_load(server.target, workload, plan)
    return (server.cpu_s() - before) / requests * 1e6


def main() -> None:
    """Measure, taking turns, and print the table."""
    table = Table(title="µs of CPU a request, median; least")
    for name in (
        "events a request",
        "connections",
        "worker",
        "decoding handler",
        "handler / worker",
    ):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port = free_port()
        servers = [stack.enter_context(worker(Path(folder), port))]
        port = free_port()
        command = ["loadtest.bare_server", str(port), "decode"]
        servers.append(stack.enter_context(served(command, port, {})))
        for batch in _REQUESTS:
            for connections in _CONNECTIONS:
                rounds = [
                    [request_us(server, batch, connections) for server in servers]
                    for _ in range(_ROUNDS)
                ]
                costs = list(zip(*rounds, strict=True))
                ours, bare = (statistics.median(cost) for cost in costs)
                shown = [f"{statistics.median(cost):.0f}; {min(cost):.0f}" for cost in costs]
                table.add_row(str(batch), str(connections), *shown, f"{bare / ours:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
