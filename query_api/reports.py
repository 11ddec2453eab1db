"""
All reports by name, and how one is asked: body, rights, answer with ``result``, ``semantics`` and ``meta``.

A new report is a module with a ``REPORT`` and one line in ``_MODULES``. Called by handlers.py and by tests.
"""

from __future__ import annotations

import asyncio
from functools import cache, partial
from typing import Any

import msgspec

from query_api import (
    as_of,
    attribution,
    distribution,
    events,
    exchange,
    funnel,
    health,
    interval,
    layers,
    lifecycle,
    ltv,
    paths,
    people,
    profile,
    promoters,
    recall,
    retention,
    scenes,
    segment_comparison,
    sessions,
    share,
    sql_report,
    stickiness,
    summary,
    timeline,
    users,
)
from query_api.clickhouse import Database
from query_api.comparison import of_cell
from query_api.errors import InvalidRequest, QueryError
from query_api.params import Query, decode
from query_api.people import MAX_SUMMARIES
from query_api.report import Answer, Ask, Report, Row, users_page
from query_api.rules import FIRST_DAY_MS
from query_api.segments import Segments
from query_api.users import scope_of

_MODULES: tuple[Any, ...] = (
    attribution,
    distribution,
    events,
    exchange,
    funnel,
    health,
    interval,
    layers,
    lifecycle,
    ltv,
    paths,
    profile,
    promoters,
    recall,
    retention,
    scenes,
    segment_comparison,
    sessions,
    share,
    sql_report,
    stickiness,
    summary,
    timeline,
    users,
)

REPORTS: dict[str, Report] = {module.REPORT.name: module.REPORT for module in _MODULES}


@cache
def params_of(name: str, users: bool) -> type[Query]:
    """
    Return the Struct of a report's request or of its ``/users`` request.

    Errors: ``not_found`` for a report that does not exist.
    """
    report = REPORTS.get(name)
    if report is None:
        raise QueryError(
            "not_found", f"no report of this name; there are {', '.join(sorted(REPORTS))}"
        )
    if not users:
        return report.params
    if report.users is None:
        raise QueryError("not_found", "this report has no lists of users")
    return report.users_params()


def allowed_apps(asked: list[str] | None, readable: list[str]) -> list[str]:
    """
    Return the apps a question is about: those it names, or all that the token may read.

    Errors: ``forbidden`` when it names another app, whether that exists or not.
    """
    if asked is None:
        if not readable:
            raise QueryError("forbidden", "this token can read no app")
        return readable
    for i, app_id in enumerate(asked):
        if app_id not in readable:
            raise QueryError("forbidden", "this token cannot read this app", f"$.app_ids[{i}]")
    return sorted(set(asked))


async def answer_query(
    database: Database,
    name: str,
    body: bytes,
    readable: list[str],
    now_ms: int,
    project: str | None = None,
    query_id: str | None = None,
) -> Row:
    """
    Answer one question.

    Args:
        database: where the events are.
        name: of the report, or "<report>/users".
        body: the request's JSON.
        readable: apps that the token may read.
        now_ms: wall clock, epoch ms; decides which periods have ended.
        project: that of the token, whose segments the question may name; None: it may name none.
        query_id: how that in ``meta`` begins, chosen by who asks so that the question can be looked after.

    Errors: QueryError.
    """
    report_name, _, part = name.partition("/")
    query = decode(body, params_of(report_name, part == "users"))
    try:
        return await _answer(database, name, query, readable, now_ms, project, query_id)
    except QueryError as error:
        if not query.partial or error.code != "storage_unavailable":
            raise
        missing = await database.missing_shards()
        if missing is None:
            raise
    # All of it from the shards that can be reached: no answer is put together from whole and partial queries.
    reachable = database.without_missing_shards()
    whole = await _answer(reachable, name, query, readable, now_ms, project, query_id)
    missing = sorted({*missing, *(await database.missing_shards() or [])})
    whole["meta"]["missing_shards"] = missing
    whole["meta"]["warnings"].append(
        {
            "code": "partial",
            "message": f"without the events of shards {missing}, which do not answer; ask again later for all of it",
        }
    )
    return whole


async def _answer(
    database: Database,
    name: str,
    query: Query,
    readable: list[str],
    now_ms: int,
    project: str | None,
    query_id: str | None,
) -> Row:
    """Answer one question with all of its queries over the same shards. Errors: QueryError."""
    report_name, _, part = name.partition("/")
    ask = Ask(database, query, allowed_apps(query.app_ids, readable), now_ms)
    if query_id is not None:
        ask.query_id = f"{query_id}-{ask.query_id}"
    report = REPORTS[report_name]
    report.check(query)
    await database.look_for_shards()
    ask.answer_within = partial(_answer_within, ask)
    if project is not None:
        ask.project = project
        ask.load_segment = Segments(database, project, readable).users
    then_ms = as_of.instant_of(query, now_ms)
    if then_ms is not None:
        ask.as_of = await as_of.load(database, ask.app_ids, then_ms)
        ask.now_ms = then_ms
    if query.segment is not None:
        scope = scope_of(ask, FIRST_DAY_MS, ask.range.to_ms)
        ask.segment = await ask.load_segment(query.segment, scope, "$.segment")
    work = _users(report, ask) if part else report.answer(ask, query)
    newest = asyncio.ensure_future(ask.data_complete_until())
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        answer: Answer = await work
        complete_until = await newest
    finally:
        newest.cancel()
    whole: Row = {
        "result": answer.result,
        "semantics": {**ask.semantics(), **answer.semantics},
        "meta": {
            "query_id": ask.query_id,
            "elapsed_ms": round((loop.time() - began) * 1000),
            "rows_read": ask.rows_read,
            "data_complete_until": complete_until,
            "truncated": answer.truncated,
            "missing_shards": [],
            "warnings": ask.warnings,
        },
    }
    if query.explain:
        whole["explain"] = ask.explained
    return whole


async def _answer_within(ask: Ask, name: str, body: bytes) -> Row:
    """Answer another report as part of a question. Errors: ``not_found`` for a report that does not exist; its own."""
    query = decode(body, params_of(name, False))
    REPORTS[name].check(query)
    inner = ask.part(query)
    answer = await REPORTS[name].answer(inner, query)
    ask.rows_read += inner.rows_read
    return answer.result


async def _users(report: Report, ask: Ask) -> Answer:
    if report.users is None:
        raise QueryError("not_found", "this report has no lists of users")
    query: Any = ask.query
    if query.details and query.limit > MAX_SUMMARIES:
        raise InvalidRequest("$.limit", f"with `details` at most {MAX_SUMMARIES} users a page")
    inner = of_cell(ask, query.compared)
    select = await report.users(inner, query, query.cell)
    page = await users_page(inner, select, query.limit, query.after)
    if query.details:
        page.result["users"] = await people.with_summaries(ask, page.result["users"])
    if inner is not ask:
        ask.rows_read += inner.rows_read
    return page


def _flat(report: Report, result: Row) -> list[Row]:
    rows = report.table(result)
    if "compare" not in result:
        return rows
    before = report.table(result["compare"])
    return [
        *({"compared": False, **row} for row in rows),
        *({"compared": True, **row} for row in before),
    ]


def _flat_users(result: Row) -> list[Row]:
    rows = result["users"]
    return [people.flat(row) for row in rows] if rows and "ids" in rows[0] else rows


def table_of(name: str, result: Row) -> list[Row]:
    """
    Flatten a result into rows for CSV and Arrow: nested lists become JSON texts.

    With a comparison: its rows after the others, told apart by a first column ``compared``.
    """
    report_name, _, part = name.partition("/")
    rows = _flat_users(result) if part else _flat(REPORTS[report_name], result)
    return [
        {
            key: msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value
            for key, value in row.items()
        }
        for row in rows
    ]


def columns_of(name: str, body: bytes, result: Row) -> list[str]:
    """Return the columns of a table without rows; none where only rows would tell them."""
    report_name, _, part = name.partition("/")
    if part:
        query: Any = decode(body, params_of(report_name, True))
        return people.flat_columns() if query.details else ["user"]
    columns = REPORTS[report_name].columns
    if columns is None:
        return []
    compared = ["compared"] if "compare" in result else []
    return [*compared, *columns(decode(body, params_of(report_name, False)), result)]
