"""The SQL of sessions, lifecycle, stickiness, distribution, interval and paths under EXPLAIN and with a reader's rights."""

import msgspec
from many_logs import NOW_MS
from query_support import APP, event, insert
from test_query_sql import ALL_FILES, EVERY_KIND_OF_FILTER, names_in, reader_url

from query_api.clickhouse import Database
from query_api.reports import REPORTS, answer_query, table_of
from query_api.settings import Settings

__all__ = ["reader_url"]
OWNERS = {"sessions", "lifecycle", "stickiness", "distribution", "interval", "paths"}
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-05"}, "explain": True}
BROKEN_DOWN = {"breakdown": ["page", "properties.a", "seq"], "breakdown_limit": 1}
BY_ACTOR = {"filter": {"field": "event", "op": "eq", "values": ["pay"]}}
"""Without attributes of persons; where nothing depends on the order of events these are then added up by actor."""
PAIR = {"start": {"event": "pay"}, "end": {"event": "pay"}}
QUESTIONS = [
    ("sessions", {}),
    ("sessions", {**BROKEN_DOWN, "compare": "previous_year"}),
    ("sessions/users", {**BROKEN_DOWN, "cell": {"entry_page": "'\\", "bounced": True}}),
    ("lifecycle", {}),
    ("lifecycle", {**BY_ACTOR, "interval": "week"}),
    ("lifecycle", {**BROKEN_DOWN, "interval": "quarter"}),
    ("lifecycle/users", {"cell": {"time": "2026-10-01", "state": "active"}}),
    ("stickiness", {}),
    ("stickiness", BY_ACTOR),
    ("stickiness", {**BROKEN_DOWN, "unit": "hour", "interval": "week"}),
    ("stickiness/users", {"cell": {"units": 1, "at_least": True}}),
    ("stickiness/users", {"cell": {"day": "2026-10-01", "metric": "wau"}}),
    ("distribution", {"measure": {"event": "pay", "aggregate": "avg", "field": "seq"}}),
    ("distribution", {**BROKEN_DOWN, "of": "sum", "field": "properties.a"}),
    ("distribution", {**BY_ACTOR, "of": "days"}),
    ("distribution/users", {"of": "hours", "cell": {"bucket": 1}}),
    *[("interval", {**PAIR, "pairing": p}) for p in ("last_start", "first_start", "each_start")],
    ("interval", {**PAIR, **BROKEN_DOWN, "hold_constant": ["page"], "interval": "day"}),
    ("interval/users", {**PAIR, "cell": {"bucket": 0}}),
    ("paths", {"start": {"event": "pay"}, "split": [{"event": "pay", "field": "properties.a"}]}),
    ("paths", {"end": {"event": "pay"}, "collapse_repeats": True}),
    ("paths/users", {"start": {"event": "pay"}, "cell": {"node": '[1,"pay"]', "exits": True}}),
]


async def answers(url, *identities):
    """Answer every question with these identities; give report and answer."""
    database = Database(Settings(clickhouse_reader_url=url))
    try:
        for identity in identities:
            for report, body in QUESTIONS:
                filtered = {"identity": identity, "filter": EVERY_KIND_OF_FILTER}
                raw = msgspec.json.encode({"app_ids": [APP], **RANGE, **filtered, **body})
                yield report, await answer_query(database, report, raw, [APP], NOW_MS)
    finally:
        await database.close()


async def test_every_statement_can_be_explained(database, database_url):
    day = "2026-10-01T10:00:00+08:00"
    rows = [event(f"u{i}", "pay", day, page=f"{i}", properties={"a": 1}) for i in (1, 2)]
    # A session_id over most of a day has to be cut.
    rows += [
        event("u1", "pay", f"2026-10-01T{h}:30:00+08:00", session_id="s1") for h in ("00", "23")
    ]
    insert(database, rows)
    seen: set[str] = set()
    async for _, answer in answers(database_url, "latest", "strict"):
        for part in answer["explain"]:
            names = names_in(part["sql"])
            if not names <= seen:  # the others have run
                database.query(f"EXPLAIN PIPELINE {part['sql']}", parameters=part["parameters"])
            seen |= names

    owners = OWNERS | {"by_actor"}
    assert {name for name in ALL_FILES if name.partition(".")[0] in owners} - seen == set()


async def test_a_reader_has_all_the_rights_and_an_empty_database_is_no_error(reader_url):
    async for report, answer in answers(reader_url, "latest"):
        assert answer["meta"]["data_complete_until"] is None
        assert answer["meta"]["truncated"] is False
        for row in table_of(report, answer["result"]):
            assert all(not isinstance(value, list | dict) for value in row.values())


async def test_a_table_has_the_same_columns_in_every_row(database, database_url):
    day = "2026-10-01T10:00:00+08:00"
    insert(
        database,
        [event("u1", "pay", day, page=f"{i}", seq=i, properties={"a": "x"}) for i in (1, 2, 3)],
    )
    tables = set()
    async for report, answer in answers(database_url, "latest"):
        rows = table_of(report, answer["result"])
        assert len({tuple(row) for row in rows}) <= 1, report
        if rows:
            tables.add(report)
    assert {report for report in tables if "/" not in report} == OWNERS
    assert set(REPORTS) >= OWNERS
