"""Layers: the shipped tree by hand, random trees on random logs against the slow definition, wrong trees."""

from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import bind, event, id_key, insert
from reference.people import by_person, local_day
from reference.rules import leaf

from query_api.layers import check, leaves_of, shipped
from query_api.periods import start_of_day_ms


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def at(day, time="12:00:00"):
    return f"2026-10-{day:02}T{time}+08:00"


def test_the_shipped_tree_by_hand(database, asker):
    insert(
        database,
        [
            event("u1", "app_show", at(1)),
            event("u2", "app_show", at(1)),
            event("u2", "app_show", at(1, "20:00:00")),
            event("u2", "app_show", at(20)),
            event("u3", "app_show", at(1)),
            event("u3", "app_show", at(2)),
            event("u4", "order_pay", at(2), app_id="wx0002"),  # another line of the group
            event("u5", "order_pay", "2026-08-01T12:00:00+08:00"),
            event("u6", "app_show", at(20)),
            event("anonymous_id:d7", "app_show", at(1)),
            event("u4", "app_show", at(1)),
        ],
    )
    bind(database, id_key("anonymous_id", "d7"), id_key("user_id", "u4"))
    body = {
        "app_ids": ["wx0001", "wx0002"],
        "time_range": {"from": "2026-10-01", "to": "2026-10-20"},
        "tree": "group.v1",
    }
    result = asker("layers", body)

    first, last = (
        {one["layer"]: one["users"] for one in point["leaves"]} for point in result["dates"]
    )
    assert first == {
        "new/first_visit": 4,
        "new/returned/active": 0,
        "new/returned/leaving": 0,
        "old/active": 0,
        "old/lost": 1,
    }
    assert last == {
        "new/first_visit": 2,
        "new/returned/active": 1,
        "new/returned/leaving": 1,
        "old/active": 1,
        "old/lost": 1,
    }
    assert {(one["from"], one["to"], one["users"]) for one in result["flow"]} == {
        ("new/first_visit", "new/first_visit", 1),
        ("new/first_visit", "new/returned/active", 1),
        ("new/first_visit", "new/returned/leaving", 1),
        ("new/first_visit", "old/active", 1),
        ("old/lost", "old/lost", 1),
        (None, "new/first_visit", 1),
    }

    def listed(**cell):
        return asker.users("layers", body, cell)

    u1, u2, u3, u4, _, u6 = (id_key("user_id", f"u{i}") for i in range(1, 7))
    assert listed(layer="new") == {u1, u2, u3, u6}
    assert listed(layer="new/returned") == {u2, u3}
    assert listed(layer="new", first=True) == {u1, u2, u3, u4}
    assert listed(**{"from": "new", "to": "old"}) == {u4}
    assert listed(**{"from": None, "to": "new/first_visit"}) == {u6}
    assert listed(**{"from": None}) == {u6}
    assert listed(moved=True) == {u2, u3, u4}
    assert len(listed()) == 6
    # In one line alone the other line's order is not known.
    result = asker("layers", {**body, "app_ids": ["wx0001"]})
    assert result["dates"][1]["leaves"][3]["users"] == 0
    # As many conditions as a tree may have.
    homeless = {"property": {"field": "user.city", "op": "not_exists"}}
    rules = [*[homeless] * 40, *[{"did": {"event": "app_show"}}] * 20]
    children = [{"key": "a", "when": {"rules": rules}}, {"key": "b"}]
    whole = asker("layers", {**body, "tree": {"name": "t", "version": 1, "children": children}})
    assert [leaf["users"] for leaf in whole["dates"][0]["leaves"]] == [4, 1]


def rule(random):
    """A random rule over events a and b."""
    one = {"event": random.choice("ab")}
    for name in ("times", "days"):
        if random.random() < 0.4:
            bounds = [{"at_least": 2}, {"at_most": 1}, {"at_least": 2, "at_most": 3}]
            one[name] = random.choice(bounds)
    if random.random() < 0.4:
        one["within"] = {"last": random.choice([1, 2, 400])}
    if random.random() < 0.3:
        return {
            "relation": random.choice(["and", "or"]),
            "rules": [{"did": one}, rule(random)],
            "not": random.random() < 0.3,
        }
    return {random.choice(["did", "did_not"]): one, "not": random.random() < 0.3}


def children(random, level=2):
    """Children of a node: the last takes the rest."""
    number = random.randint(2, 3)
    return [
        {"key": f"k{i}"}
        | ({"when": rule(random)} if i < number - 1 else {})
        | ({"children": children(random, level - 1)} if level and random.random() < 0.4 else {})
        for i in range(number)
    ]


@settings(RANDOM, max_examples=2, phases=(Phase.generate,))
@given(
    drawn=many(
        events("aab", [h * HOUR_MS for h in (-49, -25, -24, -2, 0, 1, 23, 24, 47)]),
        choice(list(ZONES)),
        children,
        choice(range(-2, 2)),
        choice(range(4)),
    )
)
def test_every_person_is_in_exactly_one_leaf_and_it_is_the_right_one(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, nodes, start, length) in zip(logs, drawn, strict=True):
        first = local_day(ZONES[zone], ZoneInfo(zone)) + timedelta(days=start)
        days = (first, first + timedelta(days=length))
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": days[0].isoformat(), "to": days[1].isoformat()},
            "timezone": zone,
            "tree": {"name": "random", "version": 1, "children": nodes},
        }
        people = by_person(log.rows, log.identity, "latest")
        where = []
        for day in days:
            to_ms = start_of_day_ms(day + timedelta(days=1), ZoneInfo(zone))
            known = {
                person: [e for e in rows if e["occurred_at"] < to_ms]
                for person, rows in people.items()
            }
            where.append({p: leaf(nodes, rows, to_ms, zone) for p, rows in known.items() if rows})

        result = asker("layers", body)

        for point, expected in zip(result["dates"], where, strict=True):
            assert point["total"] == sum(one["users"] for one in point["leaves"]) == len(expected)
            found = {one["layer"]: one["users"] for one in point["leaves"] if one["users"]}
            assert found == Counter(expected.values())
        flow = Counter((where[0].get(person), at_last) for person, at_last in where[1].items())
        assert {(f["from"], f["to"]): f["users"] for f in result["flow"]} == flow
        for name in sorted(set(where[1].values()))[:1]:
            wanted = {person for person, at_last in where[1].items() if at_last == name}
            assert asker.users("layers", body, {"layer": name}) == wanted


def test_shipped_trees_are_valid_and_named_by_their_file():
    trees = shipped()
    assert set(trees) == {"group.v1"}
    for tree in trees.values():
        check(tree, "$")
        paths = [one.path for one in leaves_of(tree.children)]
        assert len(paths) == len(set(paths))


def test_wrong_trees_name_the_node(asker):
    day = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
    rule = {"did": {"event": "a"}}
    good = [{"key": "a", "when": rule}, {"key": "b"}]

    def tree(nodes):
        return {"tree": {"name": "t", "version": 1, "children": nodes}}

    for change, path in (
        ({"tree": "nothing.v1"}, "$.tree"),
        (tree([{"key": "a", "when": rule}, {"key": "b", "when": rule}]), "$.tree.children[1].when"),
        (tree([{"key": "a"}, {"key": "b"}]), "$.tree.children[0].when"),
        (tree([{"key": "a", "when": rule}, {"key": "a"}]), "$.tree.children[1].key"),
        (tree([{"key": "a", "when": {}}, {"key": "b"}]), "$.tree.children[0].when"),
        (
            tree([{"key": "a", "when": rule}, {"key": "b", "children": [*good[:1], good[0]]}]),
            "$.tree.children[1].children[1].key",
        ),
        (tree(good) | {"filter": {"field": "page", "op": "exists"}}, "$.filter"),
        (tree(good) | {"breakdown": ["page"]}, "$.breakdown"),
    ):
        assert asker.refused("layers", day | change) == ("invalid_request", path), change
    for cell, path in (
        ({"layer": "nothing"}, "$.cell.layer"),
        ({"to": "a"}, "$.cell.from"),
        ({"layer": "a", "from": "a"}, "$.cell"),
        ({"first": True, "from": "a"}, "$.cell"),
    ):
        refused = asker.refused("layers/users", day | tree(good) | {"cell": cell})
        assert refused == ("invalid_request", path)
