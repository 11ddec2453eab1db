"""Fixtures of the tests of faults: systems of their own, ended afterwards whatever happened."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.collector_process import System, systems


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Makes a ClickHouse and a collector in a folder of their own; not started."""
    yield from systems(tmp_path)
