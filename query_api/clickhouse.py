"""
The read-only client: SQL files, bound values, limits on time, memory and rows, errors in our own words.

The only module that imports clickhouse_connect. Native format over HTTP; the server's summary header gives the rows
read, complete because the server answers only at the end of a query (``wait_end_of_query``).
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import clickhouse_connect
import numpy as np
import pyarrow as pa
import structlog
from clickhouse_connect.driver._backend.http_async import release_lease
from clickhouse_connect.driver._backend.httpcommon import summary_from_headers
from clickhouse_connect.driver.exceptions import ClickHouseError, NotSupportedError
from clickhouse_connect.driver.external import ExternalData
from msgspec import Struct

from query_api import metrics
from query_api.errors import QueryError
from query_api.settings import Settings
from query_api.sql import load_sql

log = structlog.get_logger("query_api.clickhouse")

# Codes of ClickHouse errors: what the one who asked can change, and what passes by itself.
_LIMITS = {
    158: "rows",  # TOO_MANY_ROWS
    159: "time",  # TIMEOUT_EXCEEDED
    160: "time",  # TOO_SLOW
    191: "memory",  # SET_SIZE_LIMIT_EXCEEDED
    241: "memory",  # MEMORY_LIMIT_EXCEEDED
    307: "bytes",  # TOO_MANY_BYTES
    396: "rows",  # TOO_MANY_ROWS_OR_BYTES
}
_UNAVAILABLE = {
    32,  # ATTEMPT_TO_READ_AFTER_EOF: a shard that went away meanwhile
    60,  # UNKNOWN_TABLE: the migrations have not run
    81,  # UNKNOWN_DATABASE
    202,  # TOO_MANY_SIMULTANEOUS_QUERIES
    209,  # SOCKET_TIMEOUT
    210,  # NETWORK_ERROR
    279,  # ALL_CONNECTION_TRIES_FAILED
    516,  # AUTHENTICATION_FAILED
}
_CANNOT_COMPILE_REGEXP = 427
MAX_COLUMN_ROWS = 10_000_000
"""Rows of an answer in columns, half a gigabyte: what the constraints of users allow (deploy/clickhouse-users.xml)."""
MAX_BUFFERED_BYTES = 128 * 1024 * 1024
"""Of an answer in columns that waits in the server's memory for its end; the rest waits on its disk, for a seventh more CPU."""
MAX_QUERY_BYTES = 16 * 1024 * 1024
"""Of one statement: as long as a form field may be (deploy/clickhouse-users.xml)."""
_UNKNOWN_TABLE = 60
ACCESS_DENIED = 497


class Fetched(Struct, frozen=True):
    """The rows of one query, as dicts by column, and what it cost."""

    rows: list[dict[str, Any]]
    rows_read: int
    elapsed_ms: float
    columns: tuple[tuple[str, str], ...] = ()
    """Name and ClickHouse type of each."""


class Connection:
    """
    Pooled connections to one address with its user's rights, made on first use.

    ``url``: of several addresses, with commas between them, one at a time is used; ``move_on`` takes the next.
    ``extra``: ClickHouse settings beside those that reading and writing share.
    """

    def __init__(self, url: str, settings: Settings, extra: dict[str, Any]) -> None:
        self._urls = re.split(r",(?=https?://)", url)
        self._settings = settings
        self._extra = extra
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self._is_over = False

    async def client(self) -> Any:  # noqa: ANN401 (the library is not typed for us)
        """Return the client. Errors: the driver's, see ``translated``; ConnectionError after ``end``."""
        if self._client is None:
            async with self._connecting:
                if self._client is None and not self._is_over:
                    self._client = await self._connect()
        if self._client is None:
            raise ConnectionError("these connections were ended")
        return self._client

    @property
    def addresses(self) -> int:
        """How many there are."""
        return len(self._urls)

    async def move_on(self, failed: Any = None) -> None:  # noqa: ANN401
        """Leave the address of a client that failed (None: the present one), unless another question has done so already."""
        if failed is None or failed is self._client:
            self._urls = [*self._urls[1:], self._urls[0]]
            await self.close()

    async def close(self) -> None:
        """Close the connections; the next use makes new ones."""
        if self._client is not None:
            closing, self._client = self._client, None
            await closing.close()

    async def end(self) -> None:
        """Close them for good: what still runs, such as the rest of a question that failed, makes no new ones."""
        self._is_over = True
        async with self._connecting:
            await self.close()

    async def _connect(self) -> Any:  # noqa: ANN401
        settings = self._settings
        address = urlsplit(self._urls[0])
        return await clickhouse_connect.create_async_client(
            interface=address.scheme,
            host=address.hostname,
            port=address.port,
            username=address.username,
            password=address.password or "",
            database=address.path.strip("/"),
            autogenerate_session_id=False,
            form_encode_query_params=True,  # filter values may be longer than an address can be
            query_retries=0,
            connect_timeout=settings.connect_timeout_s,
            # The server's own limit answers first.
            send_receive_timeout=settings.max_execution_time_s + 10,
            connector_limit_per_host=settings.max_concurrent_queries + 1,
            settings={
                "max_execution_time": settings.max_execution_time_s,
                "max_memory_usage": settings.max_memory_bytes,
                "max_bytes_before_external_group_by": settings.max_memory_bytes // 2,
                "do_not_merge_across_partitions_select_final": 1,
                "join_algorithm": settings.join_algorithm,
                "wait_end_of_query": 1,
                # A rule of many conditions is one statement: 26 KB for each that looks at attributes.
                "max_query_size": MAX_QUERY_BYTES,
                "join_use_nulls": 0,
                "session_timezone": "UTC",
                # A shard that hangs takes connections and says nothing; without these it is waited for half a minute.
                "handshake_timeout_ms": max(1, round(settings.connect_timeout_s * 1000)),
                "connections_with_failover_max_tries": 2,
                **self._extra,
            },
        )


class Database:
    """A pool of connections to one ClickHouse database with a reader's rights. Connects on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = Connection(
            settings.clickhouse_reader_url,
            settings,
            {
                "readonly": 2,
                "max_bytes_before_external_sort": settings.max_memory_bytes // 2,
                "max_result_rows": settings.max_result_rows,
                "result_overflow_mode": "throw",
                "timeout_overflow_mode": "throw",
                "cancel_http_readonly_queries_on_client_close": 1,
                "aggregate_functions_null_for_empty": 0,
            },
        )
        self._slots = asyncio.Semaphore(settings.max_concurrent_queries)
        self._always: dict[str, Any] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._sharded: bool | None = None

    @property
    def is_sharded(self) -> bool:
        """Whether events lie on several servers, once ``look_for_shards`` has looked: which of two ways is cheaper."""
        return bool(self._sharded)

    async def look_for_shards(self) -> None:
        """Find out ``is_sharded``, once. A server that does not answer is asked again at the next question."""
        if self._sharded is None:
            name = "clickhouse.is_sharded"
            # What the question needs of the server fails by itself; a wrong question is told that it is wrong.
            with contextlib.suppress(QueryError):
                fetched = await self.fetch(name, load_sql(name), {}, uuid.uuid4().hex)
                self._sharded = bool(fetched.rows[0]["is_sharded"])

    async def fetch(
        self,
        name: str,
        sql: str,
        parameters: dict[str, Any],
        query_id: str,
        tables: dict[str, dict[str, Any]] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> Fetched:
        """
        Run one SELECT and return its rows.

        Args:
            name: of the .sql file; goes into ``log_comment`` and the metrics.
            sql: text with ``{name:Type}`` for values.
            parameters: the values.
            query_id: as ClickHouse shall know it.
            tables: sent with the query, by name: columns of unsigned numpy arrays.
            settings: of ClickHouse, for this query only.

        Errors: ``query_limit``, ``storage_unavailable``; anything else is a fault of ours.
        """
        result, rows_read, elapsed_ms = await self._measured(
            name, sql, query_id, parameters, tables, settings or {}, ask=_ask_for_rows
        )
        names = result.column_names
        rows = [dict(zip(names, row, strict=True)) for row in result.result_rows]
        types = tuple(type_.name for type_ in result.column_types)
        return Fetched(rows, rows_read, elapsed_ms, tuple(zip(names, types, strict=True)))

    async def columns(
        self,
        name: str,
        sql: str,
        parameters: dict[str, Any],
        query_id: str,
        tables: dict[str, dict[str, Any]] | None = None,
    ) -> tuple[pa.Table, int]:
        """
        Run one SELECT; return its columns as Arrow has them, those of type LowCardinality as dictionaries, and the rows read.

        No value becomes an object of Python: a million rows of five UInt64 are 40 MB. So ``MAX_COLUMN_ROWS`` holds in place of
        the setting ``max_result_rows``.
        Arguments and errors: as ``fetch``.
        """
        settings = {
            "max_result_rows": MAX_COLUMN_ROWS,
            "enable_http_compression": 0,  # hashes do not become smaller
            "http_response_buffer_size": MAX_BUFFERED_BYTES,
            "output_format_arrow_compression_method": "none",
            "output_format_arrow_low_cardinality_as_dictionary": 1,
        }
        body, rows_read, _ = await self._measured(
            name, sql, query_id, parameters, tables, settings, ask=_ask_for_arrow
        )
        return pa.ipc.open_stream(body).read_all(), rows_read

    async def _measured(
        self,
        name: str,
        sql: str,
        query_id: str,
        parameters: dict[str, Any],
        tables: dict[str, dict[str, Any]] | None,
        settings: dict[str, Any],
        ask: Callable[..., Awaitable[tuple[Any, dict[str, Any]]]],
    ) -> tuple[Any, int, float]:
        """Ask when it is this question's turn; return the result, the rows read and the milliseconds."""
        loop = asyncio.get_running_loop()
        async with self._slots:
            began = loop.time()
            try:
                result, summary = await self._query(
                    name,
                    sql,
                    query_id,
                    ask,
                    parameters=parameters,
                    settings={
                        **settings,
                        **self._always,
                        "query_id": query_id,
                        "log_comment": f"{name}.sql",
                    },
                    external_data=_external(tables) if tables else None,
                )
            except asyncio.CancelledError:
                ending = asyncio.create_task(self._break_off(query_id))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
                raise
            elapsed_ms = (loop.time() - began) * 1000
        rows_read = int(summary.get("read_rows", 0))
        metrics.QUERY_SECONDS.labels(sql=name).observe(elapsed_ms / 1000)
        metrics.ROWS_READ.labels(sql=name).inc(rows_read)
        return result, rows_read, elapsed_ms

    async def _break_off(self, query_id: str) -> None:
        """
        End a statement that nobody waits for any longer.

        TRICKY: with cancel_http_readonly_queries_on_client_close ClickHouse looks whether the client is still there, but only
        when more rows were read, which a statement that joins or sorts does not for long. KILL needs rights that the reader
        does not have.
        """
        name = "clickhouse.break_off"
        settings = {"query_id": query_id, "replace_running_query": 1, "log_comment": f"{name}.sql"}
        try:
            client = await self._connection.client()
            await client.query(load_sql(name), settings=settings)
        except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
            translated(error, name, query_id)  # for the log; its limit of time ends it in any case

    async def _query(
        self,
        name: str,
        sql: str,
        query_id: str,
        ask: Callable[..., Awaitable[tuple[Any, dict[str, Any]]]],
        **arguments: Any,  # noqa: ANN401
    ) -> tuple[Any, dict[str, Any]]:
        """Ask one node after another until one answers. Errors: those of ``fetch``."""
        tries = self._connection.addresses
        while True:
            tries -= 1
            client = None
            try:
                client = await self._connection.client()
                return await ask(client, sql, **arguments)
            except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
                if tries <= 0 or not _is_unreached(error):
                    raise translated(error, name, query_id) from error
                log.warning("node_does_not_answer", sql=name, kind=type(error).__name__)
            await self._connection.move_on(client)

    def without_missing_shards(self) -> Database:
        """Return the same database for questions that may be answered from the shards that can be reached."""
        partial = copy.copy(self)
        partial._always = {"skip_unavailable_shards": 1}
        return partial

    async def missing_shards(self) -> list[int] | None:
        """Return the numbers of the shards that do not answer now; None where there is no cluster. Errors: as ``fetch``."""
        database = self.without_missing_shards()
        name, query_id = "clickhouse.shards", uuid.uuid4().hex
        try:
            fetched = await database.fetch(name, load_sql(name), {}, query_id)
        except QueryError as error:
            if clickhouse_code(error) == _UNKNOWN_TABLE:
                return None
            raise
        return [int(shard) for shard in fetched.rows[0]["missing"]]

    async def syntax(self, name: str, sql: str, query_id: str) -> list[str]:
        """Return the lines of an EXPLAIN AST, which nothing of the statement is carried out for. Errors: as ``fetch``."""
        async with self._slots:
            try:
                client = await self._connection.client()
                # As text: FORMAT at the end would belong to the statement that is explained.
                text = await client.raw_query(
                    sql, settings={"query_id": query_id, "log_comment": f"{name}.sql"}
                )
            except (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError) as error:
                raise translated(error, name, query_id) from error
        lines: list[str] = text.decode().rstrip("\n").split("\n")
        return lines

    async def ping(self) -> None:
        """Return when the tables can be read. Errors: those of ``fetch``."""
        await self.fetch("clickhouse.ping", load_sql("clickhouse.ping"), {}, uuid.uuid4().hex)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*self._ending)
        await self._connection.end()


async def _ask_for_rows(
    client: Any,  # noqa: ANN401
    sql: str,
    **arguments: Any,  # noqa: ANN401
) -> tuple[Any, dict[str, Any]]:
    """Return the driver's result, and what the query cost."""
    result = await client.query(sql, **arguments)
    return result, result.summary


async def _ask_for_arrow(
    client: Any,  # noqa: ANN401
    sql: str,
    *,
    parameters: dict[str, Any],
    settings: dict[str, Any],
    external_data: ExternalData | None,
) -> tuple[bytes, dict[str, Any]]:
    """
    Return the answer in Arrow's format, and what the query cost.

    TRICKY: the driver's own ``raw_query`` is this, but drops the head of the answer, which has the rows read. The names are
    private to it: its version is pinned, and every test of the share report goes through here.
    """
    statement, values, runtime = client._prep_raw_query_runtime(
        sql, parameters, settings, "ArrowStream", True
    )
    answer = await client._backend.execute_raw_stream(
        statement, values, external_data, runtime, None
    )
    try:
        body = await answer.read()
    finally:
        release_lease(answer)
    return body, summary_from_headers(answer.headers)


def _external(tables: dict[str, dict[str, Any]]) -> ExternalData:
    """Write tables as RowBinary, which is how numpy lays out records."""
    data = ExternalData()
    for name, columns in tables.items():
        types = {column: values.dtype.newbyteorder("<") for column, values in columns.items()}
        rows = np.empty(len(next(iter(columns.values()))), dtype=list(types.items()))
        for column, values in columns.items():
            rows[column] = values
        data.add_file(
            file_name=name, data=rows.tobytes(), fmt="RowBinary", structure=_structure(columns)
        )
    return data


def _structure(columns: dict[str, Any]) -> str:
    return ", ".join(f"{name} UInt{8 * values.dtype.itemsize}" for name, values in columns.items())


def written(name: str, columns: dict[str, Any]) -> dict[str, str]:
    """Return a table that is sent with a statement as one who runs that by hand sends it: an external table, as text."""
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = ("\t".join(map(str, row)) + "\n" for row in rows)
    return {
        "name": name,
        "structure": _structure(columns),
        "format": "TSV",
        "data": "".join(lines),
    }


def _is_unreached(error: Exception) -> bool:
    """Tell whether the connection failed: without a code of ClickHouse's, unless the driver cannot read a column's type."""
    return getattr(error, "code", None) is None and not isinstance(error, NotSupportedError)


def clickhouse_code(error: QueryError) -> int | None:
    """Return ClickHouse's own code of a failed query; None where it gave none."""
    return getattr(error.__cause__, "code", None)


def translated(error: Exception, name: str, query_id: str) -> QueryError:
    """Turn a failure of the driver into an error of ours and log it."""
    code = getattr(error, "code", None)
    log.warning(
        "query_failed",
        sql=name,
        query_id=query_id,
        clickhouse_code=code,
        kind=getattr(error, "name", None) or type(error).__name__,
    )
    metrics.QUERY_ERRORS.labels(code=str(code or "none")).inc()
    if code in _LIMITS:
        return QueryError(
            "query_limit",
            f"the query passed its limit of {_LIMITS[code]}; ask for a shorter range, fewer steps or fewer values",
        )
    if code == _CANNOT_COMPILE_REGEXP:
        return QueryError("invalid_request", "a `matches` expression is not RE2", "$.filter")
    if code in _UNAVAILABLE or _is_unreached(error):
        return QueryError(
            "storage_unavailable", "ClickHouse does not answer; try again in a moment"
        )
    return QueryError("internal", "the query failed; the log has it under this request's id")
