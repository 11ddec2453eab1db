"""Lifecycle: a table worked out by hand, random logs against the reference, and what must always hold."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import bind, event, id_key, insert
from reference.lifecycle import lifecycle
from reference.people import local_day

STATES = ("new", "returning", "resurrected", "dormant", "active")


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def at(day, time="12:00:00"):
    return f"2026-10-{day:02}T{time}+08:00"


def test_by_hand(database, asker):
    insert(
        database,
        [
            event("u1", "open", "2026-09-01T12:00:00+08:00"),  # long ago
            event("u1", "open", at(2)),
            event("u1", "open", at(3)),
            event("u1", "open", at(3, "23:59:59.999")),
            event("u2", "open", at(1), platform="alipay"),
            event("u2", "open", at(2)),
            event("u3", "open", at(3, "00:00:00")),
            event("u4", "buy", at(2)),  # opens for the first time on the 3rd
            event("u4", "open", at(3)),
            event("anonymous_id:d5", "open", at(1)),
            event("u5", "open", at(3)),
        ],
    )
    bind(database, id_key("anonymous_id", "d5"), id_key("user_id", "u5"))
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-04"}, "active": {"event": "open"}}
    now_ms = 1790996400000  # 2026-10-03T11:00:00+08:00
    answer = asker.whole("lifecycle", body, now_ms)

    points = answer["result"]["points"]
    assert [[p[name] for name in ("time", *STATES)] for p in points] == [
        ["2026-10-01", 2, 0, 0, 0, 2],  # u2, u5
        ["2026-10-02", 0, 1, 1, 1, 2],  # u2; u1; u5 away
        ["2026-10-03", 2, 1, 1, 1, 4],  # u3, u4; u1; u5; u2 away
        ["2026-10-04", 0, 0, 0, 4, 0],
    ]
    assert [p["mature"] for p in points] == [True, True, False, False]
    assert points[2]["growth_index"] == 3.0
    assert points[0]["growth_index"] is None
    assert asker.users("lifecycle", body, {"time": "2026-10-03", "state": "resurrected"}) == {
        id_key("user_id", "u5")
    }
    assert answer["semantics"]["active"] == {"event": "open", "filter": None}

    # Any event counts when none is named: u4 is new on the 2nd.
    points = asker("lifecycle", {"time_range": body["time_range"]})["points"]
    assert [p["new"] for p in points] == [2, 1, 1, 0]

    # The value of the first event ever; rows add up.
    series = asker("lifecycle", body | {"breakdown": ["platform"]})["series"]
    assert [(s["breakdown"], s["points"][2]["active"]) for s in series] == [
        ({"platform": "wechat"}, 4),
        ({"platform": "alipay"}, 0),
    ]
    body |= {"breakdown": ["platform"], "breakdown_limit": 1}
    series = asker("lifecycle", body)["series"]
    assert [(s["breakdown"], s["other"]) for s in series] == [
        ({"platform": "wechat"}, False),
        ({"platform": None}, True),
    ]
    cell = {"time": "2026-10-01", "state": "new", "other": True}
    assert asker.users("lifecycle", body, cell) == {id_key("user_id", "u2")}

    body = {
        "time_range": {"from": "2026-10-02", "to": "2026-10-02"},
        "active": {"event": "open"},
        "compare": "previous_period",
    }
    result = asker("lifecycle", body)
    assert result["points"][0]["active"] == 2
    assert result["compare"]["points"][0]["time"] == "2026-10-01"
    assert result["compare"]["points"][0]["new"] == 2

    # All values of the 4th are shown; a comparison shows these and no others.
    day = {"from": "2026-10-04", "to": "2026-10-04"}
    body |= {"time_range": day, "breakdown": ["platform"]}
    result = asker("lifecycle", body)
    assert [s["other"] for s in result["series"]] == [False]
    assert [
        (s["breakdown"]["platform"], s["points"][0]["dormant"]) for s in result["compare"]["series"]
    ] == [("wechat", 0), (None, 1)]
    cell = {"state": "dormant", "other": True}
    assert asker.users("lifecycle", body | {"compared": True}, cell) == {id_key("user_id", "u2")}


@RANDOM
@given(
    drawn=many(
        events(
            "aab",
            [h * HOUR_MS for h in (-900, -400, -72, -49, -25, -24, -1, 0, 1, 23, 24, 25, 47, 170)],
        ),
        choice(list(ZONES)),
        choice(["day", "day", "week", "month"]),
        choice(range(-3, 2)),
        choice(range(5)),
        choice(["latest", "strict"]),
    )
)
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, interval, start, length, identity) in zip(logs, drawn, strict=True):
        first_day = local_day(ZONES[zone], ZoneInfo(zone)) + timedelta(days=start)
        last_day = first_day + timedelta(days=length)
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "interval": interval,
            "identity": identity,
            "active": {"event": "a"},
        }
        expected = lifecycle(
            log.rows,
            log.identity,
            first_day=first_day,
            last_day=last_day,
            zone=zone,
            interval=interval,
            identity_mode=identity,
            active=lambda e: e["event"] == "a",
        )

        points = asker("lifecycle", body)["points"]

        assert [p["time"] for p in points] == list(expected)
        for point in points:
            users = expected[point["time"]]
            assert {s: point[s] for s in STATES} == {s: len(users[s]) for s in STATES}
            assert point["active"] == point["new"] + point["returning"] + point["resurrected"]
        for before, after in pairwise(points):
            assert before["active"] == after["returning"] + after["dormant"]
        state = STATES[len(log.rows) % len(STATES)]
        cell = {"time": points[-1]["time"], "state": state}
        assert asker.users("lifecycle", body, cell) == expected[points[-1]["time"]][state]
        gained = asker.users("lifecycle", body, {**cell, "state": "gained"})
        assert len(gained) == points[-1]["growth_index_numerator"]
        ever = set().union(*(users[state] for users in expected.values()))
        assert asker.users("lifecycle", body, {"state": state}) == ever
        by_page = asker("lifecycle", {**body, "breakdown": ["page"], "breakdown_limit": 1})
        assert by_page["points"] == points
        for number, point in enumerate(points):
            for state in STATES:
                assert point[state] == sum(s["points"][number][state] for s in by_page["series"])


def test_wrong_requests_name_the_field(asker):
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-04"}}
    for change, path in (
        ({"interval": "hour"}, "$.interval"),
        ({"active": {"event": ""}}, "$.active.event"),
        ({"active": {"filter": {"field": "nonsense", "op": "exists"}}}, "$.active.filter.field"),
        ({"time_range": {"from": "2001-01-01", "to": "2026-10-04"}}, "$.time_range"),
        ({"compare": "yesterday"}, "$.compare"),
    ):
        assert asker.refused("lifecycle", body | change) == ("invalid_request", path)
    for cell, path in (
        ({"time": "2026-10-05", "state": "new"}, "$.cell.time"),
        ({"time": "2026-09-30", "state": "new"}, "$.cell.time"),
        ({"time": "2026-10-01", "state": "lost"}, "$.cell.state"),
        ({"time": "2026-10-01", "state": "new", "other": True}, "$.cell.other"),
    ):
        refused = asker.refused("lifecycle/users", body | {"cell": cell})
        assert refused == ("invalid_request", path)
