"""
Two test processes at once (``pytest -n 2``): what each has of its own, and what never runs at the same time.

Each has its own ClickHouse, ports, folders and databases. A report's test keeps one core busy, in turn in Python and in
ClickHouse, and a test of whole processes mostly waits, so two side by side use three quarters of two cores. Three use
them wholly and were no sooner done: what waits less for a core then waits for the caches.
"""

import itertools
import os
import random
from collections.abc import Iterable, Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ONE_AFTER_THE_OTHER = (
    "tests/e2e/",
    "tests/integration/test_loadtest_commands",
    "tests/integration/test_standalone",
)
"""
Tests that start whole installations, and browsers, which look for ports by themselves. Two installations that
start at the same moment could choose the same one; and each has its deadlines.
"""
ON_THE_CLUSTER = (
    "tests/faults/test_shard_faults.py",
    *(
        f"tests/integration/test_{name}.py"
        for name in (
            "all_persons",
            "backup",
            "cluster",
            "export",
            "history",
            "reports_on_a_cluster",
        )
    ),
)
"""Tests that use the three servers of a cluster: in one process, or each would start and keep three of its own."""
_PORTS = range(10_000, 20_000)
"""Apart from those that ``scenetrail up`` chooses from, and from those of outgoing connections."""


class Scheduler(LoadScopeScheduling):
    """A file at a time to whoever is free, in the order of their names: the slow ones stand first, the unit tests last."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ONE_AFTER_THE_OTHER):
            return "one after the other"
        file = nodeid.partition("::")[0]
        return "on the cluster" if file in ON_THE_CLUSTER else file


def check(items: Iterable[pytest.Item]) -> None:
    """Errors: pytest.UsageError for a test that uses the cluster from a file that ON_THE_CLUSTER does not name."""
    for item in items:
        used = "cluster" in getattr(item, "fixturenames", ())
        file = item.nodeid.partition("::")[0]
        if used and file not in ON_THE_CLUSTER and not file.startswith(ONE_AFTER_THE_OTHER):
            raise pytest.UsageError(
                f"{file} uses the cluster: name it in {__name__}.ON_THE_CLUSTER"
            )


def ports() -> Iterator[int]:
    """Ports that no other process of this run takes, each once, from a random one on: runs may meet on a machine."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = _PORTS[number % processes :: processes]
    begin = random.randrange(len(mine))  # noqa: S311 (no secret)
    return itertools.chain(mine[begin:], mine[:begin])
