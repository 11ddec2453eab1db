"""Sessions: numbers worked out by hand, random logs against the reference, and what must always hold."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert
from reference.people import local_day, period_of
from reference.sessions import duration_ms, pages, visits

MINUTE_MS = 60_000
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def view(user, day, time, page="home", **columns):
    return event(user, "page_view", f"2026-10-{day:02}T{time}+08:00", page=page, **columns)


def test_by_hand(database, asker):
    insert(
        database,
        [
            # u1: two pages in 60 s, then exactly 30 minutes (one session) and 30 minutes and 1 ms (another).
            view("u1", 1, "10:00:00", scene=""),
            view("u1", 1, "10:01:00", "cart"),
            event("u1", "tap", "2026-10-01T10:31:00+08:00", scene="1001"),
            view("u1", 1, "11:01:00.001"),
            # u2: one session_id over midnight, in spite of two hours of silence.
            view("u2", 1, "23:00:00", session_id="s1", scene="1089"),
            view("u2", 2, "01:00:00", "cart", session_id="s1"),
            # u3: began before the range.
            view("u3", 1, "00:10:00"),
            event("u3", "tap", "2026-09-30T23:50:00+08:00"),
            # u4: begins in the range, goes on after it for longer than 12 hours.
            *[view("u4", 2, "23:59:59", "home", session_id="s9")],
            *[view("u4", 3, f"{h:02}:59:59", f"p{h}", session_id="s9") for h in (5, 11, 12, 17)],
            # u5: no page view.
            event("u5", "tap", "2026-10-02T08:00:00+08:00"),
        ],
    )
    answer = asker.whole("sessions", RANGE)
    [series] = answer["result"]["series"]
    assert series["points"][0] == {
        "time": "2026-10-01",
        "sessions": 3,
        "users": 2,
        "sessions_per_user": 1.5,
        "duration_ms_sum": 31 * MINUTE_MS + 0 + 120 * MINUTE_MS,
        "mean_duration_ms": 151 * MINUTE_MS / 3,
        "median_duration_ms": 31 * MINUTE_MS,
        "p90_duration_ms": pytest.approx((31 + 0.8 * 89) * MINUTE_MS),
        "clamped": 0,
        "page_views": 5,
        "mean_depth": 5 / 3,
        "median_depth": 2,
        "bounces": 1,
        "bounce_rate": 1 / 3,
        "sessions_with_page": 3,
    }
    second = series["points"][1]
    assert [second[name] for name in ("sessions", "users", "clamped", "page_views")] == [2, 2, 1, 3]
    assert (second["bounces"], second["sessions_with_page"]) == (1, 1)
    assert second["p90_duration_ms"] == pytest.approx(0.9 * 12 * HOUR_MS)
    assert series["total"]["sessions"] == 5
    durations = {b["from_ms"]: (b["sessions"], b["users"]) for b in series["durations"]}
    assert {k: v for k, v in durations.items() if v[0]} == {
        0: (2, 2),
        1_800_000: (1, 1),
        3_600_000: (2, 2),
    }
    depths = {b["from"]: b["sessions"] for b in series["depths"] if b["sessions"]}
    assert depths == {0: 1, 1: 1, 2: 2, 3: 1}
    result = answer["result"]
    assert result["entry_pages"] == [
        {"page": "home", "entries": 4, "users": 3, "share": 1.0, "bounces": 1, "bounce_rate": 0.25}
    ]
    exits = {r["page"]: (r["exits"], r["views"], r["exit_rate"]) for r in result["exit_pages"]}
    assert exits == {"cart": (2, 2, 1.0), "home": (1, 4, 0.25), "p11": (1, 1, 1.0)}
    assert answer["meta"]["truncated"] is False
    assert answer["semantics"]["max_duration"] == {"value": 12, "unit": "hour"}

    short = asker("sessions", RANGE | {"page_limit": 1})
    assert [r["page"] for r in short["exit_pages"]] == ["cart"]
    assert short["exit_pages_other"] == {"pages": 2, "exits": 2, "views": 5}

    assert "exit_pages" not in asker("sessions", RANGE | {"page_limit": 0})

    users = {f"u{n}": id_key("user_id", f"u{n}") for n in range(1, 6)}
    for cell, names in (
        ({}, ["u1", "u2", "u4", "u5"]),
        ({"time": "2026-10-02"}, ["u4", "u5"]),
        ({"bounced": True}, ["u1", "u5"]),
        ({"bounced": True, "clamped": False, "duration_bucket": 0, "depth_bucket": 1}, ["u1"]),
        ({"clamped": True}, ["u4"]),
        ({"entry_page": "home"}, ["u1", "u2", "u4"]),
        ({"exit_page": "cart"}, ["u1", "u2"]),
        ({"viewed_page": "p5"}, ["u4"]),
        ({"viewed_page": "p12"}, []),  # later than the limit
    ):
        assert asker.users("sessions", RANGE, cell) == {users[name] for name in names}

    # The filter chooses sessions, it does not make them.
    condition = {"filter": {"field": "event", "op": "eq", "values": ["tap"]}, "interval": None}
    [series] = asker("sessions", RANGE | condition)["series"]
    assert series["points"] == []
    assert [series["total"][name] for name in ("sessions", "page_views")] == [2, 2]

    # A session stands under the first scene that it has.
    by_scene = RANGE | {"breakdown": ["scene"]}
    series = asker("sessions", by_scene)["series"]
    assert [(s["breakdown"]["scene"], s["total"]["sessions"]) for s in series] == [
        (None, 3),
        ("1001", 1),
        ("1089", 1),
    ]
    gap = {"session_gap": {"value": 1, "unit": "second"}}
    assert asker("sessions", RANGE | gap)["series"][0]["total"]["sessions"] == 8


def test_event_id_decides_which_of_two_page_views_of_one_moment_is_first(database, asker):
    at = "2026-10-01T10:00:00+08:00"
    same = {"at": at, "session_id": "s1", "seq": 7}
    pages_by_id = [("b", "second"), ("a", "first"), ("c", "third")]
    insert(
        database,
        [event("u1", "page_view", page=page, event_id=id_, **same) for id_, page in pages_by_id]
        # Two views of one page at one moment, and one view: nothing to decide.
        + [view("u2", 1, "10:00:00", "home", session_id="s2", event_id=id_) for id_ in ("d", "e")]
        + [view("u3", 1, "10:00:00", "home", session_id="s3")],
    )

    result = asker("sessions", RANGE)

    assert {row["page"]: row["entries"] for row in result["entry_pages"]} == {"first": 1, "home": 2}
    assert {row["page"]: row["exits"] for row in result["exit_pages"]} == {"third": 1, "home": 2}
    [series] = result["series"]
    assert [series["total"][name] for name in ("sessions", "page_views", "bounces")] == [3, 6, 1]
    for cell in ({"entry_page": "first"}, {"exit_page": "third"}, {"viewed_page": "second"}):
        assert asker.users("sessions", RANGE, cell) == {id_key("user_id", "u1")}


OFFSETS_MS = [-HOUR_MS, -30 * MINUTE_MS, -1, 0, 0, 1, 20 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS]
OFFSETS_MS += [
    *[n * 50 * MINUTE_MS for n in range(-3, 6)],
    23 * HOUR_MS,
    25 * HOUR_MS,
    26 * HOUR_MS,
]


@RANDOM
@given(
    drawn=many(
        events("vvvt", OFFSETS_MS, 24),
        choice(list(ZONES)),
        choice([(30, 60), (60, 60), (20, 150), (30, 720)]),
        choice(["hour", "day", None]),
        choice([None, "p1"]),
        choice(range(-1, 1)),
        choice(range(2)),
        choice(["latest", "strict"]),
        choice(["as drawn", "whole", "whole or silent", "whole or long"]),
    )
)
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(with_ids(part[0], part[-1], part[2][1]), ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, (gap, limit), interval, page, start, length, identity, _) in zip(
        logs, drawn, strict=True
    ):
        zone_info = ZoneInfo(zone)
        first_day = local_day(ZONES[zone], zone_info) + timedelta(days=start)
        last_day = first_day + timedelta(days=length)
        limit_ms = limit * MINUTE_MS
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "interval": interval,
            "identity": identity,
            "page_view": {"event": "v"},
            "session_gap": {"value": gap, "unit": "minute"},
            "max_duration": {"value": limit, "unit": "minute"},
        }
        if page is not None:
            body["filter"] = {"field": "page", "op": "eq", "values": [page]}
        expected = [
            visit
            for visit in visits(
                log.rows,
                log.identity,
                gap_ms=gap * MINUTE_MS,
                limit_ms=limit_ms,
                identity_mode=identity,
            )
            if first_day <= local_day(visit.start_ms, zone_info) <= last_day
            and (page is None or any(e["page"] == page for e in visit.events))
        ]

        result = asker("sessions", body)

        [series] = result["series"]
        for point in [*series["points"], series["total"]]:
            there = expected
            if interval == "day" and "time" in point:
                there = [v for v in there if day_of(v.start_ms, zone_info) == point["time"]]
            elif "time" in point:
                continue
            lengths = [duration_ms(v, limit_ms) for v in there]
            views = [pages(v, is_view) for v in there]
            assert point["sessions"] == len(there)
            assert point["users"] == len({v.user for v in there})
            assert point["clamped"] == sum(v.clamped for v in there)
            assert point["duration_ms_sum"] == sum(lengths)
            assert point["page_views"] == sum(map(len, views))
            assert point["bounces"] == sum(len(v) <= 1 for v in views)
            if there:
                found = [point[f"{name}_duration_ms"] for name in ("median", "p90")]
                assert found == pytest.approx(list(np.percentile(lengths, [50, 90])))
                assert point["median_depth"] == np.median([len(v) for v in views])
        assert sum(p["sessions"] for p in series["points"]) in (0, len(expected))
        for buckets in (series["durations"], series["depths"]):
            assert sum(b["sessions"] for b in buckets) == len(expected)
        viewed = [v for v in views if v]
        first, last = [[v[i] for v in viewed] for i in (0, -1)]
        assert {r["page"]: r["entries"] for r in result["entry_pages"]} == {
            name: first.count(name) for name in first
        }
        assert {r["page"]: (r["exits"], r["views"]) for r in result["exit_pages"]} == {
            name: (last.count(name), sum(v.count(name) for v in viewed)) for name in last
        }
        for row in result["entry_pages"][:1]:
            bounced = sum(v == [row["page"]] for v in viewed)
            assert row["bounces"] == bounced
            cell = {"entry_page": row["page"]}
            assert len(asker.users("sessions", body, cell)) == row["users"]
        assert asker.users("sessions", body, {}) == {v.user for v in expected}
        by_page = asker("sessions", {**body, "breakdown": ["page"]})["series"]
        keys = [next((e["page"] for e in v.events if e["page"]), None) for v in expected]
        assert {s["breakdown"]["page"]: s["total"]["sessions"] for s in by_page} == {
            key: keys.count(key) for key in keys
        }


def with_ids(drawn, kind, limit_minutes):
    """The same events in sessions of one kind: those with an id within the limit are counted without being cut."""
    if kind == "as drawn":
        return drawn
    changed = []
    for user, name, offset, seq, page, session_id, sku, twice in drawn:
        is_whole = kind == "whole" or session_id == "s1"
        other = "" if kind == "whole or silent" else "long"
        given = f"s{offset // (limit_minutes * MINUTE_MS)}" if is_whole else other
        changed.append((user, name, offset, seq, page, given, sku, twice))
    return changed


def is_view(row):
    return row["event"] == "v"


def day_of(at_ms, zone):
    return period_of(local_day(at_ms, zone), "day").isoformat()


def test_wrong_requests_name_the_field(asker):
    for change, path in (
        ({"interval": "minute"}, "$.interval"),
        ({"session_gap": {"value": 0}}, "$.session_gap.value"),
        ({"session_gap": {"value": 1, "unit": "day"}}, "$.session_gap"),
        ({"max_duration": {"value": 8, "unit": "day"}}, "$.max_duration"),
        ({"page_view": {"event": 1}}, "$.page_view.event"),
        ({"page_view": {"filter": {"field": "pagE", "op": "exists"}}}, "$.page_view.filter.field"),
        ({"duration_edges_ms": [0, 5, 5]}, "$.duration_edges_ms[2]"),
        ({"depth_edges": [3, 1]}, "$.depth_edges[1]"),
        ({"depth_edges": [-1]}, "$.depth_edges[0]"),
        ({"page_limit": -1}, "$.page_limit"),
    ):
        assert asker.refused("sessions", RANGE | change) == ("invalid_request", path)
    for cell, path in (
        ({"time": "2026-10-03"}, "$.cell.time"),
        ({"duration_bucket": 10}, "$.cell.duration_bucket"),
        ({"depth_bucket": 9}, "$.cell.depth_bucket"),
        ({"bounced": 1}, "$.cell.bounced"),
        ({"other": True}, "$.cell.other"),
    ):
        refused = asker.refused("sessions/users", RANGE | {"cell": cell})
        assert refused == ("invalid_request", path)
