"""Fixtures of the tests of faults: processes of their own, ended afterwards whatever happened."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.faults.clickhouse_proxy import Proxy
from tests.faults.collector_process import Collector, System, systems


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Makes a ClickHouse and a collector in a folder of their own; not started."""
    yield from systems(tmp_path)


@pytest.fixture
def make_collector(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Collector]]:
    """Makes collectors that store in this test's database on the run's ClickHouse; not started."""
    made: list[Collector] = []

    def make(url: str = database_url, folder: Path | None = None, **settings: object) -> Collector:
        one = Collector(folder or tmp_path / f"data-{len(made)}", url, **settings)
        made.append(one)
        return one

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """Stands between a collector and ClickHouse and misbehaves as told."""
    with Proxy(database_url) as one:
        yield one


@pytest.fixture
def rows(database: Client) -> Callable[[], int]:
    """What queries count in this test's database."""
    return lambda: int(database.command("SELECT count() FROM events FINAL"))
