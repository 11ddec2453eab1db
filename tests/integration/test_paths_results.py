"""Paths: ways worked out by hand, random logs against the reference, and what must always hold."""

from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from msgspec import json
from query_support import event, id_key, insert, ms
from reference.paths import shown, ways
from reference.people import local_day

from query_api.periods import start_of_day_ms

MINUTE_MS = 60_000
BASE = ms("2026-10-01T10:00:00+08:00")
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def log(text, user, minutes=1):
    """Events a minute apart, one for each letter."""
    return [event(user, c, BASE + n * minutes * MINUTE_MS) for n, c in enumerate(text) if c != " "]


def links(result):
    return {(link["source"], link["target"]): link["sessions"] for link in result["links"]}


def nodes(result, *names):
    return {n["id"]: tuple(n[name] for name in names) for n in result["nodes"]}


def test_by_hand(database, asker):
    insert(
        database,
        [
            *log("xabc", "u1"),
            *log("aab", "u2"),
            *log("ac" + " " * 31 + "ab", "u3"),  # 32 minutes of silence: two sessions
            *log("cb", "u4"),  # never a
            event("u5", "a", "2026-10-02T23:59:00+08:00"),
            event("u5", "b", "2026-10-03T00:00:00+08:00"),  # after the range
        ],
    )
    body = {**RANGE, "start": {"event": "a"}, "depth": 2}
    answer = asker.whole("paths", body)
    result = answer["result"]
    assert result["levels"] == [
        {"level": 1, "sessions": 5, "users": 4, "exits": 1, "goes_on": 0},
        {"level": 2, "sessions": 4, "users": 3, "exits": 2, "goes_on": 2},
    ]
    assert nodes(result, "sessions", "users", "exits", "goes_on") == {
        '[1,"a"]': (5, 4, 1, 0),
        '[2,"b"]': (2, 2, 1, 1),
        '[2,"a"]': (1, 1, 0, 1),
        '[2,"c"]': (1, 1, 1, 0),
    }
    assert links(result) == {
        ('[1,"a"]', '[2,"b"]'): 2,
        ('[1,"a"]', '[2,"a"]'): 1,
        ('[1,"a"]', '[2,"c"]'): 1,
    }
    u = {name: id_key("user_id", name) for name in ("u1", "u2", "u3", "u5")}
    assert asker.users("paths", body, {}) == set(u.values())
    assert asker.users("paths", body, {"node": '[1,"a"]', "exits": True}) == {u["u5"]}
    assert asker.users("paths", body, {"node": '[2,"b"]', "goes_on": True}) == {u["u1"]}
    link = {"source": '[1,"a"]', "target": '[2,"b"]'}
    assert asker.users("paths", body, link) == {u["u1"], u["u3"]}

    backward = {**RANGE, "end": {"event": "b"}, "depth": 3}
    result = asker("paths", backward)
    assert result["direction"] == "backward"
    assert links(result) == {
        ('[2,"a"]', '[1,"b"]'): 3,
        ('[2,"c"]', '[1,"b"]'): 1,
        ('[3,"x"]', '[2,"a"]'): 1,
        ('[3,"a"]', '[2,"a"]'): 1,
    }
    assert nodes(result, "exits")['[2,"a"]'] == (1,)
    link = {"source": '[3,"x"]', "target": '[2,"a"]'}
    assert asker.users("paths", backward, link) == {u["u1"]}

    few = asker("paths", body | {"top": 1})
    assert nodes(few, "sessions", "other") == {
        '[1,"a"]': (5, False),
        '[2,"b"]': (2, False),
        "[2]": (2, True),
    }
    assert asker.users("paths", body | {"top": 1}, {"node": "[2]"}) == {u["u2"], u["u3"]}

    once = asker("paths", body | {"collapse_repeats": True})
    assert nodes(once, "sessions") == {'[1,"a"]': (5,), '[2,"b"]': (3,), '[2,"c"]': (1,)}

    some = asker("paths", body | {"events": [{"event": "c"}]})
    # With b left out, u3's events are still 31 minutes apart.
    assert nodes(some, "sessions", "exits") == {
        '[1,"a"]': (5, 2),
        '[2,"c"]': (2, 2),
        '[2,"a"]': (1, 1),
    }
    longer = body | {"session_gap": {"value": 1, "unit": "hour"}}
    assert asker("paths", longer)["sessions"] == 4
    assert answer["semantics"]["session_gap"] == {"value": 30, "unit": "minute"}


def test_split_by_a_value_with_quotes_and_types(database, asker):
    pages = ['p"\\', "页/主", "", 'p"\\']
    insert(
        database,
        [
            *[event("u1", "view", BASE + n, page=page) for n, page in enumerate(pages)],
            event("u2", "view", BASE, page="页/主"),
            event("u2", "buy", BASE + 1, properties={"sku": 1}),
            event("u3", "view", BASE, page="页/主"),
            event("u3", "buy", BASE + 1, properties={"sku": "1"}),
        ],
    )
    splits = [{"event": "view", "field": "page"}, {"event": "buy", "field": "properties.sku"}]
    body = {**RANGE, "start": {"event": "view"}, "split": splits}
    result = asker("paths", body)
    found = {(n["level"], n["event"], n["value"]): n["sessions"] for n in result["nodes"]}
    assert found == {
        (1, "view", "页/主"): 2,
        (1, "view", 'p"\\'): 1,
        (2, "view", "页/主"): 1,
        (2, "buy", 1): 1,
        (2, "buy", "1"): 1,
        (3, "view", None): 1,
        (4, "view", 'p"\\'): 1,
    }
    for node in result["nodes"]:
        assert len(asker.users("paths", body, {"node": node["id"]})) == node["users"]


OFFSETS_MS = [0, 0, 1, 1, *[n * 15 * MINUTE_MS for n in range(-4, 10)], 23 * HOUR_MS, 25 * HOUR_MS]


@RANDOM
@given(
    drawn=many(
        events("aabbcd", OFFSETS_MS, 30),
        choice(list(ZONES)),
        choice(["start", "end"]),
        choice([15, 30, 60]),
        choice(range(2, 6)),
        choice([1, 2, 10]),
        choice([False, True]),
        choice([None, "ab"]),
        choice([False, True]),
        choice(["latest", "strict"]),
    )
)
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for one, (_, zone, side, gap, depth, top, splits, names, collapse, identity) in zip(
        logs, drawn, strict=True
    ):
        zone_info = ZoneInfo(zone)
        day = local_day(ZONES[zone], zone_info)
        body = {
            "app_ids": [one.app_id],
            "time_range": {"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat()},
            "timezone": zone,
            "identity": identity,
            side: {"event": "a"},
            "session_gap": {"value": gap, "unit": "minute"},
            "depth": depth,
            "top": top,
            "collapse_repeats": collapse,
        }
        if splits:
            body["split"] = [{"event": "b", "field": "page"}]
        if names:
            body["events"] = [{"event": name} for name in names]

        def node(row, splits=splits):
            return (row["event"], row["page"] if splits and row["event"] == "b" else "")

        expected = ways(
            one.rows,
            one.identity,
            from_ms=start_of_day_ms(day, zone_info),
            to_ms=start_of_day_ms(day + timedelta(days=2), zone_info),
            gap_ms=gap * MINUTE_MS,
            anchor=lambda e: e["event"] == "a",
            forward=side == "start",
            takes_part=lambda e, names=names: names is None or e["event"] in names,
            node=node,
            collapse_repeats=collapse,
            identity_mode=identity,
        )
        kept = shown(expected, depth, top)

        def id_of(level, place, kept=kept, splits=splits):
            if place not in kept[level]:
                return json.encode([level + 1]).decode()
            value = [place[1] or None] if splits and place[0] == "b" else []
            return json.encode([level + 1, place[0], *value]).decode()

        result = asker("paths", body)

        at_node: dict = {}
        on_link: dict = {}
        ends: Counter = Counter()
        goes_on: Counter = Counter()
        for person, way in expected:
            ids = [id_of(level, place) for level, place in enumerate(way[:depth])]
            for here, following in zip(ids, [*ids[1:], None], strict=True):
                at_node.setdefault(here, []).append(person)
                if following is not None:
                    pair = (here, following) if side == "start" else (following, here)
                    on_link.setdefault(pair, []).append(person)
            (ends if len(way) <= depth else goes_on)[ids[-1]] += 1
        assert nodes(result, "sessions", "users", "exits", "goes_on") == {
            name: (len(people), len(set(people)), ends[name], goes_on[name])
            for name, people in at_node.items()
        }
        found = {(n["source"], n["target"]): (n["sessions"], n["users"]) for n in result["links"]}
        assert found == {pair: (len(p), len(set(p))) for pair, p in on_link.items()}
        assert_conserved(result)
        if result["links"]:
            link = result["links"][-1]
            cell = {"source": link["source"], "target": link["target"]}
            assert asker.users("paths", body, cell) == set(on_link[link["source"], link["target"]])
            name = result["nodes"][-1]["id"]
            assert asker.users("paths", body, {"node": name}) == set(at_node[name])


def assert_conserved(result):
    """No session is lost or made on the way."""
    near, far = ("source", "target") if result["direction"] == "forward" else ("target", "source")
    for node in result["nodes"]:
        onward = sum(n["sessions"] for n in result["links"] if n[near] == node["id"])
        inward = sum(n["sessions"] for n in result["links"] if n[far] == node["id"])
        assert node["sessions"] == onward + node["exits"] + node["goes_on"]
        assert node["level"] == 1 or node["sessions"] == inward
    for before, after in zip(result["levels"], result["levels"][1:], strict=False):
        assert after["sessions"] == before["sessions"] - before["exits"]
    for level in result["levels"]:
        there = [n["sessions"] for n in result["nodes"] if n["level"] == level["level"]]
        assert sum(there) == level["sessions"]
    whole = result["sessions"]
    stops = sum(n["exits"] + n["goes_on"] for n in result["nodes"])
    assert whole == stops


def test_wrong_requests_name_the_field(asker):
    body = {**RANGE, "start": {"event": "a"}}
    for change, path in (
        ({"start": None}, "$.start"),
        ({"end": {"event": "b"}}, "$.end"),
        ({"breakdown": ["page"]}, "$.breakdown"),
        ({"depth": 1}, "$.depth"),
        ({"depth": 21}, "$.depth"),
        ({"top": 0}, "$.top"),
        ({"session_gap": {"value": 400, "unit": "day"}}, "$.session_gap"),
        ({"split": [{"event": "a", "field": "nope"}]}, "$.split[0].field"),
        ({"split": [{"event": "a", "field": "page"}] * 2}, "$.split[1].event"),
        ({"split": [{"event": "a"}]}, "$.split[0].field"),
        ({"events": []}, "$.events"),
        (
            {"events": [{"event": "a"}, {"filter": {"field": "x", "op": "exists"}}]},
            "$.events[1].filter.field",
        ),
    ):
        assert asker.refused("paths", body | change) == ("invalid_request", path)
    for cell, path in (
        ({"node": "a"}, "$.cell.node"),
        ({"node": "[0]"}, "$.cell.node"),
        ({"node": '{"level":1}'}, "$.cell.node"),
        ({"node": '[1,"a",{}]'}, "$.cell.node"),
        ({"exits": True}, "$.cell.exits"),
        ({"node": "[1]", "exits": True, "goes_on": True}, "$.cell.goes_on"),
        ({"source": "[1]"}, "$.cell.target"),
        ({"source": "[1]", "target": "[3]"}, "$.cell.target"),
        ({"source": "[1]", "target": "[2]", "node": "[1]"}, "$.cell.node"),
    ):
        refused = asker.refused("paths/users", body | {"cell": cell})
        assert refused == ("invalid_request", path)
