"""Interval: pairs worked out by hand, random logs against the reference, and what must always hold."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert, ms
from reference.interval import held_values, pairs
from reference.people import local_day, period_of

from query_api.periods import start_of_day_ms

NAMES = ("min_ms", "p10_ms", "p25_ms", "p50_ms", "p75_ms", "p90_ms", "max_ms")
BASE = ms("2026-10-01T10:00:00+08:00")
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
A_TO_B = {**RANGE, "start": {"event": "a"}, "end": {"event": "b"}}


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def log(text, user="u1", app_id="wx0001"):
    """Events a second apart, one for each letter."""
    return [event(user, c, BASE + n * 1000, app_id=app_id) for n, c in enumerate(text) if c != " "]


def test_pairing(database, asker):
    table = {
        # log: last_start, first_start, each_start; seconds
        "aabb": ([1], [2], [2, 1]),
        "ba": ([], [], []),
        "abab": ([1, 1], [1, 1], [1, 1]),
        "axxb": ([3], [3], [3]),
        "a axxb": ([3], [3], [3]),  # the first a is older than 4 s
        "b aaxb b": ([2], [3], [3, 2]),
        "a    b ab": ([1], [1], [1]),
    }
    insert(database, [e for n, text in enumerate(table) for e in log(text, app_id=f"wx_{n}")])
    for n, expected in enumerate(table.values()):
        for pairing, seconds in zip(
            ("last_start", "first_start", "each_start"), expected, strict=True
        ):
            body = {
                **A_TO_B,
                "app_ids": [f"wx_{n}"],
                "pairing": pairing,
                "max_gap": {"value": 4, "unit": "second"},
                "edges_ms": [1000, 2000, 3000, 4000],
            }
            total = asker("interval", body)["series"][0]["total"]
            histogram = [bucket["pairs"] for bucket in total["histogram"]]
            assert histogram == [0, *(seconds.count(s) for s in (1, 2, 3, 4))], (n, pairing)
            assert (total["pairs"], total["users"]) == (len(seconds), bool(seconds))


def test_numbers_by_hand(database, asker):
    insert(
        database,
        [
            *log("ab a  b"),  # 1 s and 3 s
            *log("aab", "u2"),  # 1 s
            event("u3", "a", "2026-10-02T23:59:59.999+08:00", scene="1001"),
            event("u3", "b", "2026-10-03T23:59:59.999+08:00"),  # exactly a day later
            event("u4", "a", "2026-10-02T12:00:00+08:00"),
            event(
                "u4", "a", "2026-10-03T00:00:00+08:00"
            ),  # takes the place of the first, lies after the range
            event("u4", "b", "2026-10-03T01:00:00+08:00"),
        ],
    )
    day = {"value": 1, "unit": "day"}
    body = {**A_TO_B, "max_gap": day, "interval": "day", "edges_ms": [0, 2000]}
    answer = asker.whole("interval", body, now_ms=ms("2026-10-03T12:00:00+08:00"))
    [series] = answer["result"]["series"]
    total = series["total"]
    assert [total[name] for name in NAMES] == pytest.approx(
        [1000, 1000, 1000, 2000, 21_602_250, 60_480_900 + 0.0, 86_400_000]
    )
    assert (total["pairs"], total["users"], total["mature"]) == (4, 3, False)
    assert (total["avg_ms"], total["avg_ms_numerator"]) == (86_405_000 / 4, 86_405_000)
    points = [(p["time"], p["pairs"], p["users"], p["mature"]) for p in series["points"]]
    assert points == [("2026-10-01", 3, 2, True), ("2026-10-02", 1, 1, False)]
    assert [(b["from_ms"], b["to_ms"], b["pairs"], b["users"]) for b in total["histogram"]] == [
        (0, 2000, 2, 2),
        (2000, None, 2, 2),
    ]
    cell = {"time": "2026-10-01", "bucket": 1}
    assert asker.users("interval", body, cell) == {id_key("user_id", "u1")}
    assert answer["semantics"]["pairing"] == "last_start"

    shorter = body | {"max_gap": {"value": 86_399, "unit": "second"}}
    assert asker("interval", shorter)["series"][0]["total"]["pairs"] == 3

    by_scene = asker("interval", body | {"breakdown": ["scene"], "breakdown_limit": 1})["series"]
    assert [(s["other"], s["total"]["pairs"]) for s in by_scene] == [(False, 3), (True, 1)]

    second = {"time_range": {"from": "2026-10-02", "to": "2026-10-02"}}
    compared = asker("interval", body | second | {"compare": "previous_period"})
    assert compared["compare"]["series"][0]["total"]["pairs"] == 3


def test_the_same_event_on_both_sides_pairs_neighbours(database, asker):
    insert(database, log("p  p p"))
    body = {**RANGE, "start": {"event": "p"}, "end": {"event": "p"}}
    for pairing in ("last_start", "first_start", "each_start"):
        total = asker("interval", {**body, "pairing": pairing})["series"][0]["total"]
        assert (total["pairs"], total["min_ms"], total["max_ms"]) == (2, 2000, 3000)


OFFSETS_MS = [0, 0, 1, 1, 500, 1000, HOUR_MS, HOUR_MS + 1, 2 * HOUR_MS, 23 * HOUR_MS, 25 * HOUR_MS]
OFFSETS_MS += [-HOUR_MS, -1, 47 * HOUR_MS, 72 * HOUR_MS]


@RANDOM
@given(
    drawn=many(
        events("aabbp", OFFSETS_MS, 24),
        choice(list(ZONES)),
        choice([("a", "b"), ("a", "b"), ("p", "p"), ("a", None), (None, "b")]),
        choice(["last_start", "first_start", "each_start"]),
        choice([(1, "second"), (1, "hour"), (1, "day"), (3, "day")]),
        choice([[], ["sku"]]),
        choice(range(-1, 1)),
        choice(range(3)),
        choice(["latest", "strict"]),
    )
)
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    lengths = {"second": 1000, "hour": HOUR_MS, "day": 24 * HOUR_MS}
    for one, (_, zone, names, pairing, gap, hold, start, length, identity) in zip(
        logs, drawn, strict=True
    ):
        zone_info = ZoneInfo(zone)
        first_day = local_day(ZONES[zone], zone_info) + timedelta(days=start)
        last_day = first_day + timedelta(days=length)
        edges = [0, 1, 1000, HOUR_MS]
        body = {
            "app_ids": [one.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "start": {"event": names[0]},
            "end": {"event": names[1]},
            "pairing": pairing,
            "max_gap": {"value": gap[0], "unit": gap[1]},
            "hold_constant": [f"properties.{name}" for name in hold],
            "interval": "day",
            "identity": identity,
            "edges_ms": edges,
        }
        expected = pairs(
            one.rows,
            one.identity,
            from_ms=start_of_day_ms(first_day, zone_info),
            to_ms=start_of_day_ms(last_day + timedelta(days=1), zone_info),
            max_gap_ms=gap[0] * lengths[gap[1]],
            pairing=pairing,
            hold_constant=hold,
            identity_mode=identity,
            start=lambda e, name=names[0]: name in (None, e["event"]),
            end=lambda e, name=names[1]: name in (None, e["event"]),
        )

        [series] = asker("interval", body)["series"]

        def day(row, zone_info=zone_info):
            return period_of(local_day(row["occurred_at"], zone_info), "day").isoformat()

        for point in [*series["points"], series["total"]]:
            there = [p for p in expected if point.get("time") in (None, day(p[1]))]
            gaps = [gap_ms for _, _, gap_ms in there]
            assert (point["pairs"], point["users"]) == (len(gaps), len({p for p, _, _ in there}))
            if gaps:
                wanted = np.percentile(gaps, [0, 10, 25, 50, 75, 90, 100])
                assert [point[name] for name in NAMES] == pytest.approx(list(wanted))
                assert point["avg_ms_numerator"] == sum(gaps)
            assert sum(bucket["pairs"] for bucket in point["histogram"]) == len(gaps)
            for low, high, bucket in zip(
                edges, [*edges[1:], 10**15], point["histogram"], strict=True
            ):
                inside = {person for person, _, gap_ms in there if low <= gap_ms < high}
                assert bucket["users"] == len(inside)
        assert asker.users("interval", body, {}) == {person for person, _, _ in expected}
        assert asker.users("interval", body, {"bucket": 3}) == inside
        by_sku = asker("interval", {**body, "breakdown": ["properties.sku"]})["series"]
        found = {repr(s["breakdown"]["properties.sku"]): s["total"]["pairs"] for s in by_sku}
        values = [held_values(row, ["sku"]) for _, row, _ in expected]
        for value in set(values):
            shown = repr(value if value is None else plain(value[0][1]))
            assert found[shown] == values.count(value)
        assert sum(found.values()) == len(expected)


def plain(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_wrong_requests_name_the_field(asker):
    for change, path in (
        ({"pairing": "any"}, "$.pairing"),
        ({"start": None}, "$.start"),
        ({"end": {"events": "b"}}, "$.end.events"),
        ({"max_gap": {"value": 0}}, "$.max_gap.value"),
        ({"max_gap": {"value": 367, "unit": "day"}}, "$.max_gap"),
        ({"max_gap": {"value": 1, "unit": "month"}}, "$.max_gap.unit"),
        ({"hold_constant": ["sku"]}, "$.hold_constant[0]"),
        ({"hold_constant": ["page", "page"]}, "$.hold_constant"),
        ({"edges_ms": [5, 5]}, "$.edges_ms[1]"),
        ({"edges_ms": [-1]}, "$.edges_ms[0]"),
        ({"interval": "year"}, "$.interval"),
    ):
        assert asker.refused("interval", A_TO_B | change) == ("invalid_request", path)
    for cell, path in (
        ({"time": "2026-10-01"}, "$.cell.time"),
        ({"bucket": 18}, "$.cell.bucket"),
        ({"other": True}, "$.cell.other"),
        ({"breakdown": {"page": "x"}}, "$.cell.breakdown"),
    ):
        refused = asker.refused("interval/users", A_TO_B | {"cell": cell})
        assert refused == ("invalid_request", path)
