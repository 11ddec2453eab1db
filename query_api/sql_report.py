"""
SQL: one read-only SELECT over documented views, restricted to the apps, the time range and the filter of the request.

The views: ``events`` (an event once, all columns, ``user``), ``sessions``, ``users``, ``scenes``; their columns are in
README.md. They are subqueries that stand around the statement with the apps bound, so nothing is stored for
them. What a statement may contain is decided by sql_guard.py, where the table of threats is.

Numbers beyond 2^53 are texts in the answer, as JSON readers round them.
"""

from __future__ import annotations

import ipaddress
import math
import re
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from query_api import as_of, source, sql_guard
from query_api.bindings import Bindings
from query_api.clickhouse import clickhouse_code
from query_api.errors import InvalidRequest, QueryError
from query_api.filters import EXACT_FLOAT, filter_sql
from query_api.params import Query
from query_api.report import Answer, Ask, Report, Row
from query_api.sql import load_sql

MAX_SQL_CHARS = 20_000
MAX_ROWS = 100_000
MAX_SECONDS = 60
MAX_MEMORY_BYTES = 2 * 1024**3
MAX_RESULT_BYTES = 256 * 1024**2
UNDER_VIEWS = ("events", "identity_map", "scenes")
"""The tables that the views read."""

_TELLING = {
    0: "a column of a type that no answer can hold, such as a state",
    36: "a wrong argument",
    42: "a wrong number of arguments",
    43: "an argument of a wrong type",
    44: "a wrong column",
    46: "an unknown function",
    47: "an unknown column",
    53: "types that do not match",
    60: "an unknown view",
    62: "a syntax error",
    70: "a value that cannot be converted",
    179: "one name for two things",
    184: "an aggregate inside an aggregate",
    207: "an ambiguous name",
    215: "a column that is neither grouped nor aggregated",
    352: "an ambiguous column",
    386: "types without a common one",
    403: "a join condition that is not offered",
}
"""ClickHouse's error codes that tell of the statement itself, not of values it met; 0: the driver's own complaint."""


class SqlQuery(Query, kw_only=True):
    """One SELECT over the views. ``limit``: rows of the answer. ``max_execution_time_s``: then 422 query_limit."""

    sql: Annotated[str, Meta(min_length=1, max_length=MAX_SQL_CHARS)]
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 10_000
    max_execution_time_s: Annotated[int, Meta(ge=1, le=MAX_SECONDS)] = 30


async def _check(ask: Ask, statement: str) -> tuple[str, set[str]]:
    """Refuse what is not allowed; return the database's name and its tables."""
    rows = await ask.fetch("sql_report.names", ask.bindings())
    names: dict[str, set[str]] = {"table": set(), "database": set(), "current": set()}
    for row in rows:
        names[row["kind"]].add(row["name"])
    databases = names["database"] | {"system", "information_schema", "INFORMATION_SCHEMA"}
    # Sent along where the question has as_of: they hold ids of all apps of the project.
    hidden = names["table"] | set(as_of.TABLES)
    sql_guard.check_text(statement, hidden)
    try:
        tree = await ask.syntax("sql_report.syntax", statement)
    except QueryError as error:
        raise _told(error) from error
    sql_guard.check_tree(tree, hidden, databases)
    return next(iter(names["current"])), names["table"]


_TABLE = re.compile(rf"\bFROM ({'|'.join(UNDER_VIEWS)}) FINAL\b")


def _views(ask: Ask, query: SqlQuery, bindings: Bindings, database: str) -> dict[str, str]:
    """
    Return the SELECT behind each view.

    TRICKY: ClickHouse looks names in a WITH element up where the element is used, so that `events` under a view would mean the
    view; here the tables stand with their database.
    """
    where = filter_sql(query.filter, "$.filter", bindings)
    events = ask.source(bindings, where)
    with_sessions = source.with_sessions(bindings, events, ask.source(bindings, source.SILENT))
    bindings.scheme()
    views = {
        "events": load_sql("sql_report.view_events", source=events),
        "sessions": load_sql("sql_report.view_sessions", source=with_sessions),
        "users": load_sql("sql_report.view_users", source=events),
        "scenes": load_sql("sql_report.view_scenes"),
    }
    return {name: _TABLE.sub(rf"FROM `{database}`.\1 FINAL", sql) for name, sql in views.items()}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _apps_read(ask: Ask) -> list[str]:
    """Return the apps of the question and of its segment, whose rule reads its own; a token may read all of them."""
    bound = {} if ask.segment is None else ask.segment.bindings.values
    of_segment = [apps for name, apps in bound.items() if name.endswith("app_ids")]
    return sorted({*ask.app_ids, *(app_id for apps in of_segment for app_id in apps)})


def _settings(ask: Ask, query: SqlQuery, database: str, tables: set[str]) -> Row:
    """Return the settings of the query: limits, and filters on every table for the case that the guard was passed."""
    apps = ", ".join(_quoted(app_id) for app_id in _apps_read(ask))
    filters = {f"{database}.{table}": "0" for table in tables - set(UNDER_VIEWS)}
    if ask.segment is not None:
        for table in tables & {"segment_users", "segment_users_local"}:  # the second: on a cluster
            filters[f"{database}.{table}"] = f"project = {_quoted(ask.project)}"
    for table in tables & {"events", "events_local"}:  # the second: on the shards of a cluster
        filters[f"{database}.{table}"] = f"app_id IN ({apps})"
    pairs = ", ".join(f"{_quoted(name)}: {_quoted(sql)}" for name, sql in filters.items())
    return {
        "additional_table_filters": f"{{{pairs}}}",
        "max_execution_time": query.max_execution_time_s,
        "max_memory_usage": MAX_MEMORY_BYTES,
        "max_result_bytes": MAX_RESULT_BYTES,
        "max_ast_elements": 5_000,
        "max_expanded_ast_elements": 50_000,
        "max_subquery_depth": 30,
        "max_columns_to_read": 200,
        "max_threads": 2,
        # The filters by app must be computed before anything of the statement: an error, or none, would else tell of rows of
        # other apps.
        "optimize_move_to_prewhere": 0,
        "query_plan_optimize_prewhere": 0,
        "query_plan_filter_push_down": 0,
        "query_plan_merge_filters": 0,
        "query_plan_merge_expressions": 0,
        "enable_optimize_predicate_expression": 0,
    }


async def answer(ask: Ask, query: SqlQuery) -> Answer:
    """Answer a statement."""
    database, tables = await _check(ask, query.sql)
    bindings = ask.bindings()
    views = _views(ask, query, bindings, database)
    bindings.named("row_limit", query.limit + 1, "UInt32")
    sql = load_sql("sql_report.statement", statement=query.sql, **views)
    settings = _settings(ask, query, database, tables)
    try:
        found = await ask.run("sql_report.statement", sql, bindings, settings)
        columns = found.columns or await _described(ask, sql, bindings, settings)
    except QueryError as error:
        raise _told(error) from error
    if len({name for name, _ in columns}) < len(columns):
        raise InvalidRequest(sql_guard.PATH, "two columns have one name: give each its own with AS")
    return Answer(
        result={
            "columns": [{"name": name, "type": type_} for name, type_ in columns],
            "rows": [
                {name: _plain(value) for name, value in row.items()}
                for row in found.rows[: query.limit]
            ],
        },
        semantics={
            "sql": query.sql,
            "views": {
                "events": "one row for each event of the apps, the time range and the filter, once; user: the resolved person",
                "sessions": f"one row for each session of those events; {source.SESSION_DEFINITION}",
                "users": "one row for each user with such an event",
                "scenes": "the dictionary of entry scenes in the scheme",
            },
            "limits": {
                "rows": query.limit,
                "seconds": query.max_execution_time_s,
                "memory_bytes": MAX_MEMORY_BYTES,
            },
            "max_execution_time_s": query.max_execution_time_s,
            "large_numbers": "integers beyond 2^53 are texts",
        },
        truncated=len(found.rows) > query.limit,
    )


async def _described(
    ask: Ask, sql: str, bindings: Bindings, settings: Row
) -> tuple[tuple[str, str], ...]:
    """Return name and type of the columns of a statement that found nothing: an answer without rows tells neither."""
    described = load_sql("sql_report.columns", statement=sql)
    found = await ask.run("sql_report.columns", described, bindings, settings)
    return tuple((row["name"], row["type"]) for row in found.rows)


def _told(error: QueryError) -> QueryError:
    """Turn ClickHouse's complaint about the statement into one for its author; limits stay what they are."""
    code = clickhouse_code(error)
    if error.code == "query_limit":
        return QueryError(
            "query_limit",
            error.message.partition(";")[0] + "; ask for a shorter range or for less",
        )
    if error.code == "internal" or code == 60:
        what = _TELLING.get(int(code or 0), f"an error while it ran (ClickHouse code {code})")
        return InvalidRequest(sql_guard.PATH, f"ClickHouse found {what} in the statement")
    return error


def _plain(value: Any) -> Any:  # noqa: ANN401 (any value that ClickHouse has)
    """Turn a value into one of JSON; there is no infinity in it, and no bytes: what is not UTF-8 is shown in hex."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, int):
        return value if abs(value) <= EXACT_FLOAT else str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def table(result: Row) -> list[Row]:
    """Return the rows: they are flat already."""
    rows: list[Row] = result["rows"]
    return rows


def columns(_query: SqlQuery, result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return [column["name"] for column in result["columns"]]


REPORT = Report(
    name="sql",
    summary="One read-only SELECT over documented views",
    params=SqlQuery,
    answer=answer,
    table=table,
    columns=columns,
    refuses={
        "breakdown": "write GROUP BY in the statement",
        "compare": "the statement says what is counted when: compare in it",
    },
)
