"""
What several tests of this folder use on the test's own database: the collector's writer, the query API over HTTP.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from query_support import APP, OTHER_APP, PROJECT
from writers import WriterOf, writer_on

from collector.writer import Writer
from query_api.app import create_app
from query_api.settings import Settings
from sdk_spec.access import AccessFile, App, ReadToken, digest, save


@pytest.fixture
def writer_of() -> Iterator[WriterOf]:
    """Make writers on databases, each with its spool in a folder; closed after the test."""
    with ExitStack() as opened:

        def make(url: str, folder: Path, **options: Any) -> Writer:
            return opened.enter_context(writer_on(url, folder, **options))

        yield make


@pytest.fixture
def writer(writer_of: WriterOf, database_url: str, tmp_path: Path) -> Writer:
    """A writer on this test's own database."""
    return writer_of(database_url, tmp_path)


@pytest.fixture
def access_file(tmp_path: Path) -> Path:
    """Two apps of a project and one of another; ``query_support`` has the headers with their tokens."""
    path = tmp_path / "access.json"
    save(
        path,
        AccessFile(
            apps=(App(APP, PROJECT), App(OTHER_APP, PROJECT), App("wx9", "stranger")),
            read_tokens=(
                ReadToken("t1", PROJECT, digest("rt_all")),
                ReadToken("t2", PROJECT, digest("rt_one"), (APP,)),
                ReadToken("t3", "stranger", digest("rt_other")),
            ),
        ),
    )
    return path


@pytest.fixture
async def client(database_url: str, access_file: Path) -> AsyncIterator[TestClient]:
    """The query API with rights to change what people change."""
    settings = Settings(
        clickhouse_reader_url=database_url,
        clickhouse_editor_url=database_url,
        access_file=access_file,
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        yield client
