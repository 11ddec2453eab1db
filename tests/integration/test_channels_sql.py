"""The SQL of recall, exchange and of imported tables under EXPLAIN and with a reader's rights; tables with equal columns."""

import msgspec
from many_logs import NOW_MS
from query_support import APP, PROJECT, event, insert
from test_query_sql import ALL_FILES, EVERY_KIND_OF_FILTER, names_in, reader_url
from test_recall_results import SENT, message, store_messages

from query_api.clickhouse import Database
from query_api.reports import answer_query, table_of
from query_api.settings import Settings
from query_api.sql import load_sql

__all__ = ["reader_url"]
OWNERS = {"recall", "exchange", "qr_codes", "costs", "messages"}
CHANGES = {"qr_codes.delete", "costs.delete", "messages.delete"}
"""INSERT … SELECT, run by the tests of the imports."""
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-09"}, "explain": True}
CODE = {"by": "qr_code", "conversion": {"event": "pay"}}
QUESTIONS = [
    ("recall", {"campaigns": ["回访"], "value": "seq"}),
    ("recall", {"breakdown": ["page"], "breakdown_limit": 1}),
    ("recall", {"breakdown": ["user.city"]}),
    ("recall/users", {"cell": {"campaign": "回访", "metric": "converted"}}),
    ("exchange", {"value": "seq"}),
    ("exchange", {"breakdown": ["page", "properties.a", "seq"]}),
    *[
        ("exchange/users", {"cell": {"metric": metric, "partner_app_id": "'\\"}})
        for metric in ("users_in", "users_both")
    ],
    ("scenes", CODE),
    ("scenes", {"by": "placement", "breakdown": ["page"]}),
    ("scenes/users", {**CODE, "cell": {"metric": "converters"}}),
]


REPORTS = [question for question in QUESTIONS if "/" not in question[0]]


async def answers(url, questions):
    """Answer questions; give report and answer."""
    database = Database(Settings(clickhouse_reader_url=url))
    try:
        for report, body in questions:
            whole = {"app_ids": [APP], **RANGE, "filter": EVERY_KIND_OF_FILTER, **body}
            raw = msgspec.json.encode(whole)
            yield report, await answer_query(database, report, raw, [APP], NOW_MS, PROJECT)
    finally:
        await database.close()


async def test_every_statement_can_be_explained(database, database_url):
    # PIPELINE: the plan's own text names each expression in full, which are 600 MB for some statements.
    seen: set[str] = set()
    async for _, answer in answers(database_url, QUESTIONS):
        for part in answer["explain"]:
            names = names_in(part["sql"])
            if not names <= seen:  # the others have run
                database.query(f"EXPLAIN PIPELINE {part['sql']}", parameters=part["parameters"])
            seen |= names
    asked = {"project": PROJECT, "app_ids": [APP], "limit": 1, "offset": 0, "campaign": "c"}
    asked |= {"code_ids": ["c"], "from_day": "2026-10-01", "to_day": "2026-10-02"}
    for name in ALL_FILES:
        owner, _, part = name.partition(".")
        if owner in OWNERS and part in ("list", "count", "found", "campaigns"):
            database.query(f"EXPLAIN PIPELINE {load_sql(name)}", parameters=asked)
            seen.add(name)

    mine = {name for name in ALL_FILES if name.partition(".")[0] in OWNERS}
    assert mine - seen == CHANGES


async def test_a_reader_has_all_the_rights_and_an_empty_database_is_no_error(reader_url):
    async for _, answer in answers(reader_url, REPORTS[:1] + REPORTS[3:4]):
        assert answer["meta"]["truncated"] is False


async def test_a_table_has_the_same_columns_in_every_row(database, database_url):
    store_messages(
        database, [message("m1", "u1"), message("m2", "u2", "hold_out", campaign="other")]
    )
    partners = ("p", "q")
    insert(
        database,
        [
            event(f"u{i}", "app_show", SENT + i, referrer_app_id=name, scene="77", seq=1)
            for i, name in enumerate(partners)
        ],
    )
    tables = set()
    async for report, answer in answers(database_url, REPORTS):
        rows = table_of(report, answer["result"])
        assert len({tuple(row) for row in rows}) <= 1, report
        assert all(not isinstance(value, list | dict) for row in rows for value in row.values())
        if rows:
            tables.add(report)
    assert tables == {"recall", "exchange", "scenes"}
