"""Distribution: tables worked out by hand, random logs against the reference, and what must always hold."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert
from reference.distribution import values
from reference.people import local_day

HOURS = (-60, -48, -25, -24, -23, -1, 0, 1, 2, 3, 24, 25, 49)
OFFSETS_MS = [-1, 1, *[hours * HOUR_MS for hours in HOURS]]


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def pay(user, day, price=None, time="12:00:00", **columns):
    at = f"2026-10-{day:02}T{time}+08:00"
    return event(user, "pay", at, properties={"price": price}, **columns)


def test_by_hand(database, asker):
    insert(
        database,
        [
            pay("u1", 1, 5, scene="1001"),
            pay("u1", 1, 5, time="12:59:59"),
            pay("u1", 2, 90),
            pay("u2", 1, 9.5),
            pay("u3", 3),  # without a price
            event("u1", "view", "2026-10-02T00:00:00+08:00", properties={"stay": 4}),
            event("u1", "view", "2026-10-03T00:00:00+08:00", properties={"stay": 8}),
            event("u3", "view", "2026-10-03T00:00:00+08:00"),
            event("u4", "view", "2026-10-03T00:00:00+08:00"),  # never pays
        ],
    )
    body = {
        "time_range": {"from": "2026-10-01", "to": "2026-10-03"},
        "measured": {"event": "pay"},
        "edges": [1, 2, 3],
    }
    [series] = asker("distribution", body)["series"]
    [point] = series["points"]
    buckets = [(b["bucket"], b["from"], b["to"], b["users"], b["share"]) for b in point["buckets"]]
    assert buckets == [(1, 1, 2, 2, 2 / 3), (2, 2, 3, 0, 0.0), (3, 3, None, 1, 1 / 3)]
    del point["buckets"]
    assert point == {
        "time": None,
        "users": 3,
        "mean": 5 / 3,
        "mean_numerator": 5,
        "mean_denominator": 3,
        "min": 1,
        "p25": 1,
        "median": 1,
        "p75": 2,
        "p90": pytest.approx(2.6),
        "max": 3,
    }
    assert asker.users("distribution", body, {"bucket": 3}) == {id_key("user_id", "u1")}

    def counts(**change):
        points = asker("distribution", body | change)["series"][0]["points"]
        return [[b["users"] for b in p["buckets"]] for p in points]

    assert counts(of="days") == [[2, 1, 0]]
    assert counts(of="hours") == [[2, 1, 0]]  # 12:00 and 12:59:59 are one hour
    assert counts(edges=[2]) == [[2, 1]]  # a bucket below 2
    assert counts(of="sum", field="properties.price", edges=[0, 9.5, 100]) == [[0, 0, 1, 1]]
    assert counts(interval="day") == [[1, 1, 0], [1, 0, 0], [1, 0, 0]]

    measure = {"event": "view", "aggregate": "avg", "field": "properties.stay"}
    point = asker("distribution", body | {"measure": measure})["series"][0]["points"][0]
    assert (point["measure"], point["measure_numerator"], point["measure_denominator"]) == (
        6,
        12,
        2,
    )
    assert [b["measure"] for b in point["buckets"]] == [None, None, 6]
    for aggregate, expected in (
        ("count", [1, 0, 2]),
        ("users", [1, 0, 1]),
        ("per_user", [0.5, None, 2]),
    ):
        extra = {"measure": {"event": "view", "aggregate": aggregate}}
        point = asker("distribution", body | extra)["series"][0]["points"][0]
        assert [b["measure"] for b in point["buckets"]] == expected

    by_scene = body | {"breakdown": ["scene"], "breakdown_limit": 1}
    series = asker("distribution", by_scene)["series"]
    assert [(s["breakdown"]["scene"], s["other"], s["points"][0]["users"]) for s in series] == [
        (None, False, 2),
        (None, True, 1),
    ]
    assert asker.users("distribution", by_scene, {"other": True}) == {id_key("user_id", "u1")}


@RANDOM
@given(
    drawn=many(
        events("aaab", OFFSETS_MS),
        choice(list(ZONES)),
        choice(["times", "times", "days", "hours", "sum"]),
        choice([None, "day", "week"]),
        choice(range(-2, 1)),
        choice(range(4)),
        choice(["latest", "strict"]),
        choice([[1], [2, 3], [1, 2, 2.5, 4]]),
    )
)
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, of, interval, start, length, identity, edges) in zip(
        logs, drawn, strict=True
    ):
        first_day = local_day(ZONES[zone], ZoneInfo(zone)) + timedelta(days=start)
        last_day = first_day + timedelta(days=length)
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "of": of,
            "interval": interval,
            "edges": edges,
            "identity": identity,
            "measured": {"event": "a"},
            "measure": {"event": "b", "aggregate": "count"},
        } | ({"field": "properties.sku"} if of == "sum" else {})
        common = {
            "first_day": first_day,
            "last_day": last_day,
            "zone": zone,
            "interval": interval,
            "identity_mode": identity,
        }
        expected = values(
            log.rows,
            log.identity,
            **common,
            of=of,
            measured=lambda e: e["event"] == "a",
            field="sku",
        )
        extra = values(
            log.rows, log.identity, **common, of="times", measured=lambda e: e["event"] == "b"
        )

        [series] = asker("distribution", body)["series"]

        bounds = [float("-inf"), *edges, float("inf")]
        for point in series["points"]:
            there = expected.get(point["time"], {})
            assert point["users"] == len(there)
            assert sum(bucket["users"] for bucket in point["buckets"]) == len(there)
            for bucket in point["buckets"]:
                low, high = bounds[bucket["bucket"]], bounds[bucket["bucket"] + 1]
                inside = [user for user, value in there.items() if low <= value < high]
                assert bucket["users"] == len(inside)
                more = extra.get(point["time"], {})
                assert bucket["measure"] == sum(more.get(user, 0) for user in inside)
            if there:
                found = [point[name] for name in ("min", "p25", "median", "p75", "p90", "max")]
                wanted = np.percentile(list(there.values()), [0, 25, 50, 75, 90, 100])
                assert found == pytest.approx(list(wanted))
                assert point["mean"] == pytest.approx(sum(there.values()) / len(there))
        cell = {"bucket": bucket["bucket"]} | ({"time": point["time"]} if interval else {})
        assert asker.users("distribution", body, cell) == set(inside)
        by_page = asker("distribution", {**body, "breakdown": ["page"], "breakdown_limit": 1})
        for number, point in enumerate(series["points"]):
            assert point["users"] == sum(s["points"][number]["users"] for s in by_page["series"])


def test_a_user_with_ten_thousand_events_is_not_cut(database, asker):
    insert(database, [event("u1", "pay", 1790827200000 + n) for n in range(10_000)])
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}, "edges": [10_000]}
    [point] = asker("distribution", body)["series"][0]["points"]
    assert point["max"] == 10_000
    assert [b["users"] for b in point["buckets"]] == [0, 1]


def test_wrong_requests_name_the_field(asker):
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-04"}}
    for change, path in (
        ({"of": "weeks"}, "$.of"),
        ({"of": "sum"}, "$.field"),
        ({"field": "properties.price"}, "$.field"),
        ({"of": "sum", "field": "page"}, "$.field"),
        ({"edges": []}, "$.edges"),
        ({"edges": [1, 3, 2]}, "$.edges[2]"),
        ({"edges": [1, 1]}, "$.edges[1]"),
        ({"edges": ["1"]}, "$.edges[0]"),
        ({"measure": {"aggregate": "sum"}}, "$.measure.field"),
        ({"measure": {"aggregate": "count", "field": "seq"}}, "$.measure.field"),
        ({"measure": {"filter": {"field": "x", "op": "exists"}}}, "$.measure.filter.field"),
        ({"time_range": {"from": "2001-01-01", "to": "2026-10-04"}, "of": "hours"}, "$.time_range"),
    ):
        assert asker.refused("distribution", body | change) == ("invalid_request", path)
    for cell, path in (
        ({"time": "2026-10-01"}, "$.cell.time"),
        ({"bucket": 0}, "$.cell.bucket"),
        ({"bucket": 11}, "$.cell.bucket"),
        ({"other": True}, "$.cell.other"),
    ):
        refused = asker.refused("distribution/users", body | {"cell": cell})
        assert refused == ("invalid_request", path)
