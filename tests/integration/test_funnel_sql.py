"""Every funnel.*.sql file runs under EXPLAIN; events are read no more often than needed."""

from importlib import resources

import pytest
from query_support import ask, event, insert

BODY = {
    "time_range": {"from": "2026-10-01", "to": "2026-10-02"},
    "filter": {"field": "scene_group", "op": "ne", "values": ["扫码"]},
    "interval": "week",
    "explain": True,
}
APART = [{"event": "a"}, {"any_of": [{"event": "b"}, {"event": "c"}]}]
OVERLAPPING = [{"event": "a"}, {"event": "a"}]
EXCLUSION = {"event": "x", "from_step": 1, "to_step": 2}
ALL_FILES = {
    entry.name.removesuffix(".sql")
    for entry in resources.files("query_api.sql").iterdir()
    if entry.name.startswith("funnel.")
}


HOLD = {"hold_constant": ["properties.a", "seq"]}
BREAKDOWN = {"breakdown": ["properties.b", "scene_group"], "breakdown_limit": 1}
QUESTIONS = [
    {"steps": APART, **BREAKDOWN},
    {"steps": OVERLAPPING, "identity": "strict"},
    {"steps": APART, "exclusions": [EXCLUSION], **BREAKDOWN, "breakdown_attribution": 2},
    {"steps": OVERLAPPING, "order": "strict", **HOLD, "exclusions": [EXCLUSION], **BREAKDOWN},
    {"steps": APART, "order": "any", **BREAKDOWN},
    {"steps": [APART[0], {"event": "d", "optional": True}, APART[1]], "dropped_next": 2},
    {"steps": APART, "entry": "first", "ties": "any_of_day", "window_counts": "calendar_days"},
    {"steps": APART, "exclusions": [EXCLUSION], "exclusion_effect": "user", "ties": "apart"},
    {"steps": OVERLAPPING, "order": "any", **HOLD, **BREAKDOWN, "breakdown_attribution": "last"},
]


@pytest.fixture
def tied(database):
    """Users whose events only event_id can tell apart, so that every order key is tried."""
    ids = ("0123456789abcdef0", "0123456789abcdef1")
    at = "2026-10-01T10:00:00+08:00"
    for n in (1, 2):
        insert(database, [event(f"u{n}", "a", at, event_id=f"{id_}{n}", scene="1") for id_ in ids])


async def test_every_statement_can_be_explained(database, database_url):
    seen: set[str] = set()
    for question in QUESTIONS:
        body = {**BODY, **question}
        cell = {"step": 1, "time": "2026-09-28", "other": "breakdown" in body}
        for answer in (
            await ask(database_url, "funnel", body),
            await ask(database_url, "funnel/users", {**body, "cell": cell}),
        ):
            for part in answer["explain"]:
                names = {name for name in ALL_FILES if f"-- {name}:" in part["sql"]}
                if not names <= seen:  # the others have run
                    database.query(f"EXPLAIN PIPELINE {part['sql']}", parameters=part["parameters"])
                seen |= names

    assert seen == ALL_FILES


@pytest.mark.usefixtures("tied")
async def test_events_are_read_once_unless_an_order_is_open(database_url):
    body = {**BODY, "steps": APART, "breakdown": ["page"]}
    open_order = await ask(database_url, "funnel", body)
    decided = await ask(
        database_url, "funnel", {**body, "steps": [{"event": "a"}, {"event": "b"}], "breakdown": []}
    )

    def counts(answer):
        return [part["sql_file"] for part in answer["explain"]].count("funnel.count.sql")

    assert counts(open_order) == 3
    assert counts(decided) == 1
