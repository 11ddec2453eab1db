"""
Known bugs of other products and of ClickHouse's own functions, each as a log that they count wrong.

More of them stand beside their subject: ties of one millisecond, repeated steps, one event for two steps, strict order, days
of UTC and conversions after the range in test_funnel_results.py and test_funnel_axes_results.py; first in range taken for
first ever and days of UTC in test_retention_results.py; 24-hour windows with a breakdown in test_retention_axes_results.py.
"""

from typing import Any

import pytest
from query_support import ask, bind, event, id_key, insert, ms

DAY = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}}
A, B, C = {"event": "a"}, {"event": "b"}, {"event": "c"}


def at(second: float, user: str, name: str, **columns: Any) -> dict[str, Any]:
    return event(user, name, ms("2026-10-01T09:00:00+08:00") + round(second * 1000), **columns)


async def steps_of(url: str, **body: Any) -> list[dict[str, Any]]:
    return (await ask(url, "funnel", {**DAY, **body}))["result"]["steps"]


@pytest.mark.parametrize("ties", ["order", "apart"])
async def test_a_repeated_part_of_a_chain_is_not_counted_short(database, database_url, ties):
    """ClickHouse's windowFunnel with strict_increase stops at a step met again (69302, 112629)."""
    for number, log in enumerate(["abac", "ababc", "aabbc", "abcab", "abaabc"]):
        insert(database, [at(n, f"u{number}", name) for n, name in enumerate(log)])

    steps = await steps_of(database_url, steps=[A, B, C], ties=ties)

    assert [step["users"] for step in steps] == [5, 5, 5]


async def test_the_same_step_twice_in_one_millisecond(database, database_url):
    """ClickHouse's windowFunnel with strict_once and equal timestamps (93789); one event for two steps (21835)."""
    insert(database, [at(0, "u1", "a", seq=1), at(0, "u1", "a", seq=2), at(0, "u1", "b", seq=3)])
    insert(database, [at(0, "u2", "a", seq=1), at(0, "u2", "b", seq=2)])

    steps = await steps_of(database_url, steps=[A, A, B])

    assert [step["users"] for step in steps] == [2, 1, 1]


async def test_a_breakdown_loses_no_conversions(database, database_url):
    """A property that only the entry has, or only the last step, lost a sixth of them (OpenPanel 436)."""
    insert(
        database,
        [
            at(0, "u1", "a", properties={"sku": "1"}),
            at(1, "u1", "b"),
            at(0, "u2", "a"),
            at(1, "u2", "b", properties={"sku": "1"}),
        ],
    )

    for attribution in ("first", "last", 2):
        body = {"steps": [A, B], "breakdown": ["properties.sku"]}
        body["breakdown_attribution"] = attribution
        result = (await ask(database_url, "funnel", {**DAY, **body}))["result"]
        assert sum(group["steps"][1]["users"] for group in result["groups"]) == 2


async def test_days_of_retention_are_dates_not_seconds_divided_by_86400(database, database_url):
    """An hour over midnight is a day later; 24 hours and a half on the day of 25 hours are not (Umami, Rybbit)."""
    insert(
        database,
        [
            event("u1", "a", "2026-10-24T23:30:00+02:00"),
            event("u1", "b", "2026-10-25T00:30:00+02:00"),
            event("u2", "a", "2026-10-25T00:10:00+02:00"),
            event("u2", "b", "2026-10-25T23:40:00+01:00"),
        ],
    )
    body = {
        "time_range": {"from": "2026-10-24", "to": "2026-10-25"},
        "timezone": "Europe/Berlin",
        "initial": A,
        "returning": B,
        "periods": 1,
    }

    result = (await ask(database_url, "retention", body))["result"]

    assert [(line["cohort"], line["returned"]) for line in result["cohorts"]] == [
        ("2026-10-24", [0, 1]),
        ("2026-10-25", [1, 0]),
    ]


async def test_retention_knows_more_than_32_periods_and_anonymous_users(database, database_url):
    """retention() stops at 32 conditions (ClickHouse); anonymous profiles were dropped (OpenPanel)."""
    insert(
        database,
        [
            event("anonymous_id:d1", "a", "2026-10-01T12:00:00+08:00"),
            event("anonymous_id:d2", "a", "2026-10-01T12:00:00+08:00"),
            event("u1", "a", "2026-11-10T12:00:00+08:00"),
            event("anonymous_id:d2", "a", "2026-11-09T12:00:00+08:00"),
        ],
    )
    bind(database, id_key("anonymous_id", "d1"), id_key("user_id", "u1"))

    result = (
        await ask(database_url, "retention", {**DAY, "initial": A, "returning": A, "periods": 40})
    )["result"]

    [line] = result["cohorts"]
    assert (line["size"], line["returned"][39:]) == (2, [1, 1])
    assert line["lost"] == 0
