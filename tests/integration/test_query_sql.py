"""The SQL files run under EXPLAIN and with the reader's rights, with every option that changes them."""

import re
from importlib import resources

import pytest
from query_support import APP, ask, event, insert

from collector.local_clickhouse import LocalServer
from collector.migrate import connect, migrate
from query_api.sql import load_sql

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-05"}, "explain": True}
PAY = {"event": "pay"}
EVERY_KIND_OF_FILTER = {
    "relation": "or",
    "conditions": [
        {"field": "scene_group", "op": "eq", "values": ["扫码"]},
        {"field": "properties.a", "op": "in", "values": ["x", 1, True, 2**60]},
        {"field": "properties.a", "op": "matches", "values": ["^x"], "not": True},
        {"field": "device.screen_width", "op": "between", "values": [1, 2]},
        {"relation": "and", "conditions": [{"field": "utm.source", "op": "not_exists"}]},
    ],
}
MEASURES = [
    {**PAY, "aggregate": name, "field": "properties.price"}
    for name in ("sum", "avg", "min", "max", "p50", "p90", "p99")
]
MEASURES += [{**PAY, "aggregate": name} for name in ("count", "users", "sessions", "per_user")]
RETENTION = {"initial": PAY, "returning": {"event": None}}
QUESTIONS = [
    ("events", {"measures": MEASURES, "interval": "hour"}),
    (
        "events",
        {
            "measures": [
                {**PAY, "aggregate": "users", "trailing_days": 7},
                {**PAY, "aggregate": "per_user", "field": "properties.price", "cumulative": True},
            ],
            "breakdown": ["scene_group"],
        },
    ),
    (
        "events",
        {
            "measures": MEASURES,
            "breakdown": ["scene_group", "properties.a", "seq"],
            "breakdown_limit": 1,
        },
    ),
    # Measures that need no person are counted without one.
    ("events", {"measures": MEASURES[:8], "breakdown": ["platform"]}),
    (
        "events/users",
        {"measures": MEASURES, "breakdown": ["scene"], "cell": {"breakdown": {"scene": "1"}}},
    ),
    *[
        (
            f"retention{part}",
            {**RETENTION, "cohort": cohort, "breakdown": breakdown, **mode, **cell},
        )
        for cohort in ("every", "first")
        for breakdown in ([], ["platform"])
        for mode in (
            {"mode": "on"},
            {"mode": "on_or_after"},
            {"mode": "bracket", "brackets": [[1, 2]]},
            {"periods": 70, "period_zero": "repeated"},
            {
                "period_counts": "elapsed",
                "measure": {"field": "properties.price", "aggregate": "per_user"},
            },
        )
        for part, cell in (("", {}), ("/users", {"cell": {"cohort": "2026-10-01"}}))
    ],
    (
        "retention/users",
        {
            **RETENTION,
            "measure": {"field": "properties.price", "aggregate": "sum"},
            "cell": {"period": 0, "measured": True},
        },
    ),
    ("scenes", {"breakdown": ["platform"]}),
    ("scenes", {"time_range": {"from": "2026-11-05", "to": "2026-11-05"}}),
    (
        "scenes",
        {"time_range": {"from": "2026-11-05", "to": "2026-11-05"}, "identity": "strict"},
    ),
    ("scenes", {"time_range": {"from": "2026-11-05", "to": "2026-11-05"}, "by": "store"}),
    ("scenes", {"by": "group", "scheme": "domain"}),
    ("scenes", {"by": "qr_code", "conversion": PAY, "value": "properties.price"}),
    ("scenes/users", {"cell": {}}),
    ("scenes/users", {"cell": {"metric": "sessions"}}),
    ("scenes/users", {"by": "store", "conversion": PAY, "cell": {"metric": "converters"}}),
]
OWNERS = {
    "breakdowns",
    "clickhouse",
    "event_schema",
    "events",
    "fields",
    "report",
    "retention",
    "scenes",
    "source",
}
"""Modules whose files must all be seen here; those of other reports are explained in their own tests."""
EXPLAINED_WITH_SEGMENTS = {
    # Tables that only a cluster has, and what is done only there: the tests of several shards.
    "clickhouse.is_sharded",
    "clickhouse.shards",
    "source.beside_strict",
    "events.rows_by_actor",
    "source.in_segment",
    "source.restricted",
    # Asked for by reports with tests of their own: share, summary, stickiness; ltv; recall.
    "source.beside_latest",
    "source.by_actor",
    "source.changes",
    "source.since",
    "source.computed",
    "source.any",
    "source.no_silent",
    # With tables of their own: test_as_of.
    "source.known_then",
    "source.map_latest_as_of",
    "source.map_strict_as_of",
}
ALL_FILES = sorted(
    e.name.removesuffix(".sql")
    for e in resources.files("query_api.sql").iterdir()
    if e.name.endswith(".sql")
)


def names_in(sql: str) -> set[str]:
    """The .sql files a statement was put together from: each begins with its name in a comment."""
    return {name for name in ALL_FILES if f"-- {name}:" in sql}


async def test_every_statement_can_be_explained(database, database_url):
    events = [event(f"u{i}", "pay", "2026-10-01T10:00:00+08:00", scene=f"{i}") for i in (1, 2)]
    # Entries with a session_id need other statements than those without.
    events.append(event("u1", "app_show", "2026-10-01T10:00:00+08:00", scene="1"))
    # Of two entries of one millisecond and seq event_id decides which was first.
    events.append(event("u1", "app_show", "2026-10-01T10:00:00+08:00", scene="2"))
    events.append(event("u1", "app_show", "2026-11-05T10:00:00+08:00", scene="1", session_id="s"))
    insert(database, events)
    seen: set[str] = set()
    parameters = {"app_ids": [APP], "max_rows": 10, "since_ms": 0}
    for name in (
        "clickhouse.break_off",
        "clickhouse.ping",
        "event_schema.events",
        "event_schema.properties",
    ):
        sql = load_sql(name)
        database.query(f"EXPLAIN PIPELINE {sql}", parameters=parameters)
        seen |= names_in(sql)
    # Strict identity is one fragment, the same in every question: each report is asked once with it.
    strictly = [
        (report, {**body, "identity": "strict"}) for report, body in dict(QUESTIONS).items()
    ]
    for report, body in QUESTIONS + strictly:
        whole = {**RANGE, "filter": EVERY_KIND_OF_FILTER, **body}
        answer = await ask(database_url, report, whole)
        for part in answer["explain"]:
            names = names_in(part["sql"])
            if not names <= seen:  # the others have run
                database.query(f"EXPLAIN PIPELINE {part['sql']}", parameters=part["parameters"])
            seen |= names

    mine = {
        name for name in ALL_FILES if name.partition(".")[0] in OWNERS
    } - EXPLAINED_WITH_SEGMENTS
    assert mine - seen == set()


async def test_a_source_reads_only_the_columns_that_are_used(database, database_url):
    answer = await ask(
        database_url, "events", {**RANGE, "measures": [{**PAY, "aggregate": "users"}]}
    )
    [points] = [part for part in answer["explain"] if part["sql_file"] == "events.points.sql"]
    rows = database.query(
        f"EXPLAIN header = 1 {points['sql']}", parameters=points["parameters"]
    ).result_rows
    plan = "\n".join(row[0] for row in rows)

    assert "occurred_at" in plan
    assert not {name for name in ("properties_text", "device_brand", "strict_from") if name in plan}


@pytest.fixture
def reader_url(clickhouse: LocalServer):
    """The database that the reader may read, migrated; dropped afterwards."""
    url = clickhouse.url("writer")
    migrate(url)
    yield clickhouse.url("reader")
    client = connect(url)
    client.command("DROP DATABASE scenetrail")
    client.close()


async def test_a_reader_has_all_the_rights_that_reports_need(reader_url):
    for report, body in QUESTIONS:
        answer = await ask(reader_url, report, {**RANGE, "filter": EVERY_KIND_OF_FILTER, **body})
        assert answer["meta"]["data_complete_until"] is None


@pytest.mark.parametrize("name", ALL_FILES)
def test_every_file_has_the_four_header_lines(name):
    text = resources.files("query_api.sql").joinpath(f"{name}.sql").read_text("utf-8")
    header = [line for line in text.splitlines() if line.startswith("-- ")]
    assert header[0].startswith(f"-- {name}: ")
    joined = "\n".join(header)
    caller = re.search(
        r"Caller: query_api/(?P<module>[\w/]+)\.py(?P<functions>(,? \w+\(\))*)", joined
    )
    assert caller is not None
    module = resources.files("query_api").joinpath(f"{caller['module']}.py").read_text("utf-8")
    for function in re.findall(r"\w+(?=\(\))", caller["functions"]):
        assert f"def {function}(" in module
    assert "-- Params: " in joined
    assert "-- Rows:   " in joined
