"""
The only writing client: appends what people change through the query API (unbindings, segments and their snapshots).

Its ClickHouse user may insert into those tables and nothing else; without an address for it every method answers
``storage_unavailable`` with what to set. Statements that store rows chosen by a SELECT come from .sql files.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from query_api.clickhouse import translated
from query_api.errors import QueryError
from query_api.settings import Settings


class Editor:
    """A pool of connections with the rights of the user ``editor``. Connects on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Append rows; returns when they are on disk. Errors: ``storage_unavailable``."""
        query_id = uuid.uuid4().hex
        try:
            client = await self._connected()
            await client.insert(
                table, rows, column_names=list(columns), settings={"query_id": query_id}
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise translated(error, f"insert {table}", query_id) from error

    async def run(self, name: str, sql: str, parameters: dict[str, Any]) -> None:
        """
        Run one ``INSERT … SELECT`` put together from .sql files.

        Errors: ``query_limit``, ``storage_unavailable``.
        """
        query_id = uuid.uuid4().hex
        try:
            client = await self._connected()
            await client.command(
                sql,
                parameters=parameters,
                settings={"query_id": query_id, "log_comment": f"{name}.sql"},
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise translated(error, name, query_id) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _connected(self) -> Any:  # noqa: ANN401 (the library is not typed for us)
        if not self._settings.clickhouse_editor_url:
            raise QueryError(
                "storage_unavailable",
                "nothing can be changed here: SCENETRAIL_CLICKHOUSE_EDITOR_URL is not set for the query API",
            )
        if self._client is None:
            async with self._connecting:
                if self._client is None:
                    self._client = await self._connect()
        return self._client

    async def _connect(self) -> Any:  # noqa: ANN401
        settings = self._settings
        address = urlsplit(settings.clickhouse_editor_url)
        return await clickhouse_connect.create_async_client(
            interface=address.scheme,
            host=address.hostname,
            port=address.port,
            username=address.username,
            password=address.password or "",
            database=address.path.strip("/"),
            autogenerate_session_id=False,
            form_encode_query_params=True,
            query_retries=0,
            connect_timeout=settings.connect_timeout_s,
            send_receive_timeout=settings.max_execution_time_s + 10,
            settings={
                "async_insert": 0,
                "max_execution_time": settings.max_execution_time_s,
                "max_memory_usage": settings.max_memory_bytes,
                "max_bytes_before_external_group_by": settings.max_memory_bytes // 2,
                "do_not_merge_across_partitions_select_final": 1,
                "wait_end_of_query": 1,
                "join_use_nulls": 0,
                "session_timezone": "UTC",
            },
        )
