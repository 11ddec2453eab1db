"""Stickiness: a table worked out by hand, random logs against the reference, and what must always hold."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert
from reference.people import local_day
from reference.stickiness import rolling, units

U1 = id_key("user_id", "u1")
HOURS = (-960, -500, -170, -48, -24, -23, -1, 0, 1, 2, 3, 24, 25, 49, 168)
OFFSETS_MS = [-1, 1, *[hours * HOUR_MS for hours in HOURS]]


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def at(day, time="12:00:00"):
    return f"2026-10-{day:02}T{time}+08:00"


def test_by_hand(database, asker):
    insert(
        database,
        [
            *[event("u1", "open", at(day), scene="1001") for day in (1, 2, 4, 31)],
            event("u1", "open", at(2, "23:59:59.999"), scene="1089"),
            event("u2", "open", at(1, "00:00:00")),
            event("u2", "open", at(1, "10:00:00"), scene="1089"),
            event("u3", "open", "2026-09-30T23:59:59.999+08:00"),  # only in rolling
            event("u3", "buy", at(3)),
        ],
    )
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-07"}, "active": {"event": "open"}}
    answer = asker.whole("stickiness", body, now_ms=1791000000000)  # 2026-10-03T12:00:00+08:00

    [series] = answer["result"]["series"]
    assert series["points"] == [
        {
            "time": None,
            "users": 2,
            "mean_units": 2.0,
            "mean_units_numerator": 4,
            "mean_units_denominator": 2,
            "units": [
                {"units": 1, "users": 1, "share": 0.5, "at_least": 2, "at_least_share": 1.0},
                {"units": 2, "users": 0, "share": 0.0, "at_least": 1, "at_least_share": 0.5},
                {"units": 3, "users": 1, "share": 0.5, "at_least": 1, "at_least_share": 0.5},
            ],
        }
    ]
    days = [[r["day"][-2:], r["dau"], r["wau"], r["mau"]] for r in answer["result"]["rolling"]]
    assert days == [
        ["01", 2, 3, 3],
        ["02", 1, 3, 3],
        ["03", 0, 3, 3],
        ["04", 1, 3, 3],
        ["05", 0, 3, 3],
        ["06", 0, 3, 3],
        ["07", 0, 2, 3],  # u3's September day is the eighth before
    ]
    assert answer["result"]["rolling"][0]["dau_mau"] == 2 / 3
    assert [r["mature"] for r in answer["result"]["rolling"]][:4] == [True, True, False, False]

    # Two events in the day: u1 on the 2nd, u2 on the 1st.
    twice = asker("stickiness", body | {"min_count": 2})
    assert [u["users"] for u in twice["series"][0]["points"][0]["units"]] == [2]
    assert [r["dau"] for r in twice["rolling"]][:2] == [1, 1]

    # The value of the first event that has one: u2's event without a scene does not decide.
    series = asker("stickiness", body | {"breakdown": ["scene"]})["series"]
    assert {s["breakdown"]["scene"]: s["points"][0]["users"] for s in series} == {
        "1001": 1,
        "1089": 1,
    }
    cell = {"breakdown": {"scene": "1001"}, "units": 3}
    assert asker.users("stickiness", body | {"breakdown": ["scene"]}, cell) == {U1}
    assert len(asker.users("stickiness", body, {"day": "2026-10-07", "metric": "mau"})) == 3
    assert len(asker.users("stickiness", body, {"units": 2, "at_least": True})) == 1

    # 2026-10-01 is a Thursday: the range touches two weeks, u1 is in both.
    weeks = asker("stickiness", body | {"interval": "week"})["series"][0]["points"]
    assert [(p["time"], p["users"], p["mean_units_numerator"]) for p in weeks] == [
        ("2026-09-28", 2, 4),
        ("2026-10-05", 0, 0),
    ]


@RANDOM
@given(
    drawn=many(
        events("aaab", OFFSETS_MS),
        choice(list(ZONES)),
        choice(
            [("day", None), ("day", "month"), ("hour", "day"), ("week", "month"), ("hour", None)]
        ),
        choice(range(1, 3)),
        choice(range(-8, 1)),
        choice(range(13)),
        choice(["latest", "strict"]),
    )
)
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, (unit, interval), least, start, length, identity) in zip(
        logs, drawn, strict=True
    ):
        first_day = local_day(ZONES[zone], ZoneInfo(zone)) + timedelta(days=start)
        last_day = first_day + timedelta(days=length)
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "unit": unit,
            "interval": interval,
            "min_count": least,
            "identity": identity,
            "active": {"event": "a"},
        }
        common = {
            "zone": zone,
            "min_count": least,
            "identity_mode": identity,
            "active": lambda e: e["event"] == "a",
        }
        expected = units(
            log.rows,
            log.identity,
            first_day=first_day,
            last_day=last_day,
            unit=unit,
            interval=interval,
            **common,
        )

        result = asker("stickiness", body)

        [series] = result["series"]
        for point in series["points"]:
            people = expected.get(point["time"], {})
            assert point["users"] == len(people)
            assert point["mean_units_numerator"] == sum(people.values())
            assert len(point["units"]) == max(people.values(), default=0)
            for row in point["units"]:
                assert row["users"] == sum(n == row["units"] for n in people.values())
                assert row["at_least"] == sum(n >= row["units"] for n in people.values())
        last = series["points"][-1]
        cell = {"units": 1, "at_least": True} | ({"time": last["time"]} if interval else {})
        assert asker.users("stickiness", body, cell) == set(expected.get(last["time"], {}))
        for row in result["rolling"]:
            for metric, days in (("dau", 1), ("wau", 7), ("mau", 30)):
                people = rolling(
                    log.rows, log.identity, day=date.fromisoformat(row["day"]), days=days, **common
                )
                assert row[metric] == len(people)
        cell = {"day": row["day"], "metric": "mau"}
        assert asker.users("stickiness", body, cell) == people
        by_page = asker("stickiness", {**body, "breakdown": ["page"], "breakdown_limit": 1})
        for number, point in enumerate(series["points"]):
            parts = [s["points"][number]["users"] for s in by_page["series"]]
            assert sum(parts) == point["users"]


def test_wrong_requests_name_the_field(asker):
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-04"}}
    for change, path in (
        ({"unit": "month"}, "$.unit"),
        ({"interval": "hour"}, "$.interval"),
        ({"min_count": 0}, "$.min_count"),
        ({"unit": "hour", "time_range": {"from": "2020-01-01", "to": "2026-10-04"}}, "$.unit"),
        ({"time_range": {"from": "2020-01-01", "to": "2026-10-04"}}, "$.time_range"),
        ({"active": {"filter": {"field": "page", "op": "gt"}}}, "$.active.filter.values"),
    ):
        assert asker.refused("stickiness", body | change) == ("invalid_request", path)
    for cell, path in (
        ({"time": "2026-10-01"}, "$.cell.time"),
        ({"at_least": True}, "$.cell.at_least"),
        ({"units": 0}, "$.cell.units"),
        ({"day": "2026-10-01"}, "$.cell.metric"),
        ({"metric": "dau"}, "$.cell.day"),
        ({"metric": "dau", "day": "2026-10-01", "units": 1}, "$.cell.units"),
        ({"other": True}, "$.cell.other"),
    ):
        refused = asker.refused("stickiness/users", body | {"cell": cell})
        assert refused == ("invalid_request", path)
