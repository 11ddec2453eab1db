"""The summary: numbers and comparisons worked out by hand, random logs against the reference, the holiday calendar."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert, ms
from reference.people import local_day, period_of
from reference.summary import summary

from query_api.holidays import day_of
from query_api.periods import later, start_of_day_ms

NUMBERS = ("users", "new_users", "sessions", "page_views", "shares", "sharers", "orders", "payers", "revenue")  # fmt: skip


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def visit(user, day, *names, amount=None):
    """One session of events a minute apart from noon on."""
    noon = ms(f"{day}T12:00:00+08:00")
    properties = {} if amount is None else {"amount": amount}
    return [
        event(user, name, noon + i * 60_000, session_id=f"{user}{day}", properties=properties)
        for i, name in enumerate(names)
    ]


LOG = [
    *visit("u1", "2025-10-01", "page_view", "order_pay", amount=50),
    *visit("u1", "2026-09-30", "page_view"),
    *visit("u2", "2026-09-30", "page_view"),
    *visit("u1", "2026-10-01", "page_view", "page_view", "share", "order_pay", amount=80),
    *visit("u3", "2026-10-01", "page_view"),
    *visit("u4", "2026-10-01", "share", "order_pay", amount=20),
    *visit("u4", "2026-10-10", "page_view"),
]


def test_by_hand(database, asker):
    insert(database, LOG)
    insert(database, LOG[:3])
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
    result = asker("summary", body, ms("2026-10-02T08:00:00+08:00"))

    first, second = result["points"]
    assert [first[name] for name in NUMBERS] == [3, 2, 3, 3, 2, 2, 2, 2, 100.0]
    assert (first["average_stay_ms"], first["median_stay_ms"]) == (80_000, 60_000)
    assert first["revenue_per_order"] == 50.0
    assert (first["day_type"], first["holiday"], first["mature"]) == ("holiday", "国庆节", True)
    before, year = first["previous_period"], first["previous_year"]
    assert (before["time"], year["time"]) == ("2026-09-30", "2025-10-01")
    assert [before[name] for name in NUMBERS] == [2, 1, 2, 2, 0, 0, 0, 0, 0.0]
    assert [year[name] for name in NUMBERS] == [1, 1, 1, 1, 0, 0, 1, 1, 50.0]
    assert before["change"]["users"] == 0.5
    assert before["change"]["revenue"] is None
    assert year["change"]["revenue"] == 1.0
    assert (second["users"], second["average_stay_ms"], second["mature"]) == (0, None, False)
    assert second["previous_period"]["change"]["users"] is None
    assert second["previous_period"]["users"] == 3

    [month] = asker("summary", body | {"interval": "month"})["points"]
    assert [month[name] for name in NUMBERS] == [3, 2, 4, 4, 2, 2, 2, 2, 100.0]
    assert month["previous_year"]["time"] == "2025-10-01"
    assert month["previous_period"]["users"] == 2
    assert month["days"] == {"workday": 17, "weekend": 6, "holiday": 7, "adjusted_workday": 1}
    [week] = asker("summary", body | {"interval": "week"})["points"]
    assert (week["time"], week["previous_year"]["time"]) == ("2026-09-28", "2025-09-29")
    assert (week["users"], week["previous_year"]["users"]) == (4, 1)
    [quarter] = asker("summary", body | {"interval": "quarter"})["points"]
    assert (quarter["time"], quarter["users"]) == ("2026-10-01", 3)
    assert quarter["previous_period"]["new_users"] == 1

    body = {"time_range": {"from": "2026-09-30", "to": "2026-10-10"}}
    types = asker("summary", body)["day_types"]
    names = ("day_type", "holiday", "days", "users_per_day", "revenue")
    assert [tuple(of[name] for name in names) for of in types] == [
        ("workday", None, 3, 2 / 3, 0.0),
        ("holiday", "国庆节", 7, 3 / 7, 100.0),
        ("adjusted_workday", "国庆节", 1, 1.0, 0.0),
    ]  # fmt: skip
    for metric, users in (("users", "134"), ("new_users", "34"), ("sharers", "14"), ("payers", "14")):  # fmt: skip
        cell = {"time": "2026-10-01", "metric": metric}
        assert asker.users("summary", body, cell) == {id_key("user_id", f"u{n}") for n in users}
    cell = {"time": "2025-10-01", "metric": "payers"}
    assert asker.users("summary", body, cell) == {id_key("user_id", "u1")}
    pays = {"order": {"event": "share"}, "revenue": None, "active": {"event": "order_pay"}}
    [point] = asker("summary", pays | {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}})["points"]  # fmt: skip
    assert (point["users"], point["new_users"], point["orders"], point["revenue"]) == (2, 1, 2, 0.0)


def test_leap_days_and_years_without_an_announced_calendar(asker):
    body = {"time_range": {"from": "2028-02-28", "to": "2028-03-01"}}
    answer = asker.whole("summary", body)
    points = answer["result"]["points"]
    assert [(p["time"], p["previous_year"]["time"]) for p in points] == [
        ("2028-02-28", "2027-02-28"),
        ("2028-02-29", "2027-02-28"),
        ("2028-03-01", "2027-03-01"),
    ]
    assert points[0]["day_type"] is None
    assert answer["meta"]["warnings"][0]["code"] == "holidays_unknown"
    one_day = {"interval": "month", "time_range": {"from": "2028-02-28", "to": "2028-02-28"}}
    [month] = asker("summary", one_day)["points"]
    assert (month["days"], month["previous_year"]["time"]) == (None, "2027-02-01")
    body = {"time_range": {"from": "2025-02-28", "to": "2025-03-01"}}
    assert [p["previous_year"]["time"] for p in asker("summary", body)["points"]] == [
        "2024-02-28",
        "2024-03-01",
    ]


@pytest.mark.parametrize(
    ("day", "day_type", "holiday"),
    [
        ("2026-01-01", "holiday", "元旦"),
        ("2026-02-14", "adjusted_workday", "春节"),
        ("2026-02-17", "holiday", "春节"),
        ("2026-03-07", "weekend", None),
        ("2026-03-09", "workday", None),
        ("2026-10-10", "adjusted_workday", "国庆节"),
    ],
)
def test_the_holiday_calendar(day, day_type, holiday):
    kind = day_of(date.fromisoformat(day))
    assert kind is not None
    assert (kind.day_type, kind.holiday) == (day_type, holiday)


@RANDOM
@given(
    drawn=many(
        events(
            ["page_view", "share", "order_pay"],
            [h * HOUR_MS + m for h in (-8760, -900, -49, -25, -1, 0, 1, 24) for m in (0, 1_740_000, 1_800_001)],
        ),
        choice(ZONES),
        choice(["day", "day", "week", "month", "quarter"]),
        choice(range(4)),
        choice(["latest", "strict"]),
    )
)  # fmt: skip
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    # In every second log all events have a session_id.
    logs = [
        Log(named(part[0]) if number % 2 else part[0], ZONES[part[1]])
        for number, part in enumerate(drawn)
    ]
    store(database, logs)
    for log, (_, zone, interval, length, identity) in zip(logs, drawn, strict=True):
        last_day = local_day(ZONES[zone], ZoneInfo(zone))
        first_day = last_day - timedelta(days=length)
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "interval": interval,
            "identity": identity,
            "revenue": "properties.sku",
        }

        points = asker("summary", body)["points"]

        for point in points:
            for of in (point, point["previous_period"], point["previous_year"]):
                ends = [points[0]["previous_period"]["time"], points[-1]["time"]]
                if of is point["previous_year"]:
                    ends = [p["previous_year"]["time"] for p in (points[0], points[-1])]
                from_day, to_day = (date.fromisoformat(end) for end in ends)
                start = date.fromisoformat(of["time"])
                expected, behind = summary(
                    log.rows,
                    log.identity,
                    period=lambda day, start=start, unit=interval: period_of(day, unit) == start,
                    zone=zone,
                    identity_mode=identity,
                    followed=(
                        start_of_day_ms(from_day, ZoneInfo(zone)) - 24 * HOUR_MS,
                        start_of_day_ms(later(to_day, interval, 1), ZoneInfo(zone)) + 24 * HOUR_MS,
                    ),
                )
                assert {name: of[name] for name in expected} == expected
                if of is points[-1]:
                    for metric, users in behind.items():
                        cell = {"time": of["time"], "metric": metric}
                        assert asker.users("summary", body, cell) == users


def named(drawn):
    return [(*one[:5], one[5] or "s", *one[6:]) for one in drawn]


def test_wrong_requests_name_the_field(asker):
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
    for change, path in (
        ({"interval": "hour"}, "$.interval"),
        ({"breakdown": ["page"]}, "$.breakdown"),
        ({"revenue": "page"}, "$.revenue"),
        ({"order": {"filter": {"field": "x", "op": "exists"}}}, "$.order.filter.field"),
        ({"time_range": {"from": "2001-01-01", "to": "2026-10-04"}}, "$.time_range"),
    ):
        assert asker.refused("summary", body | change) == ("invalid_request", path)
    for cell, path in (
        ({"time": "2026-10-03"}, "$.cell.time"),
        ({"time": "2026-10-01", "metric": "orders"}, "$.cell.metric"),
    ):
        assert asker.refused("summary/users", body | {"cell": cell}) == ("invalid_request", path)
