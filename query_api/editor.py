"""
The only writing client: appends what people change through the query API (unbindings, segments and their snapshots).

Its ClickHouse user may insert into those tables and nothing else; without an address for it every method answers
``storage_unavailable`` with what to set. Statements that store rows chosen by a SELECT come from .sql files.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

import aiohttp
from clickhouse_connect.driver.exceptions import ClickHouseError

from query_api.clickhouse import Connection, translated
from query_api.errors import QueryError
from query_api.settings import Settings
from query_api.sql import load_sql

COPIES = "_copies"
"""After a table's name: what writes its rows to every node of a cluster."""
_INSERT_INTO = re.compile(r"((?:--.*\n|\s)*INSERT INTO )(\w+)")


class Editor:
    """A pool of connections with the rights of the user ``editor``. Connects on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # On a cluster a change is there when every node has it, not when the first has queued it.
        extra = {
            "async_insert": 0,
            "distributed_foreground_insert": 1,
            "parallel_distributed_insert_select": 0,
        }
        self._connection = Connection(settings.clickhouse_editor_url, settings, extra)

    async def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Append rows; returns when they are on disk. Errors: ``storage_unavailable``."""
        query_id = uuid.uuid4().hex
        try:
            client = await self._connected()
            await client.insert(
                await self._everywhere(table),
                rows,
                column_names=list(columns),
                settings={"query_id": query_id},
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise await self._failed(error, f"insert {table}", query_id) from error

    async def run(self, name: str, sql: str, parameters: dict[str, Any]) -> None:
        """
        Run one ``INSERT … SELECT`` put together from .sql files.

        Errors: ``query_limit``, ``storage_unavailable``.
        """
        query_id = uuid.uuid4().hex
        try:
            client = await self._connected()
            if target := _INSERT_INTO.match(sql):
                everywhere = await self._everywhere(target[2])
                sql = f"{target[1]}{everywhere}{sql[target.end() :]}"
            await client.command(
                sql,
                parameters=parameters,
                settings={"query_id": query_id, "log_comment": f"{name}.sql"},
            )
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise await self._failed(error, name, query_id) from error

    async def _everywhere(self, table: str) -> str:
        """Name under which rows of a table reach every node that holds it whole: on one server its own."""
        client = await self._connected()
        exists = await client.query(load_sql("editor.exists"), parameters={"table": table + COPIES})
        return table + COPIES if exists.result_rows[0][0] else table

    async def _failed(self, error: Exception, name: str, query_id: str) -> QueryError:
        """Translate an error; where the node did not answer, the next change goes to another."""
        if getattr(error, "code", None) is None:
            await self._connection.move_on()
        return translated(error, name, query_id)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.end()

    async def _connected(self) -> Any:  # noqa: ANN401 (the library is not typed for us)
        if not self._settings.clickhouse_editor_url:
            raise QueryError(
                "storage_unavailable",
                "nothing can be changed here: SCENETRAIL_CLICKHOUSE_EDITOR_URL is not set for the query API",
            )
        return await self._connection.client()
