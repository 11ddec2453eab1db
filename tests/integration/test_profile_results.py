"""Profiles, timelines and lists of persons: facts by hand, and random logs against the slow definition."""

from collections import Counter

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from many_logs import HOUR_MS, RANDOM, Asker, asker_of
from query_support import APP, bind, event, id_key, insert, ms
from reference.people import by_person
from reference.profile import USER_EVENTS, profiles

DAY = {"time_range": {"from": "2026-10-01", "to": "2026-10-31"}}


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def at(day, time="12:00:00"):
    return f"2026-10-{day:02}T{time}+08:00"


U1, U2, U3 = (id_key("user_id", f"u{i}") for i in (1, 2, 3))


@pytest.fixture
def people(database):
    """u1 came anonymously by a poster and logged in; u2 is plain; u3 only bought."""
    insert(
        database,
        [
            event("anonymous_id:d1", "app_launch", at(1), scene="1047", utm_source="poster"),
            event(
                "anonymous_id:d1",
                "user_set_once",
                at(1, "12:01:00"),
                properties={"city": "北京", "level": 1},
            ),
            event("u1", "user_set_once", at(2), properties={"city": "上海"}, event_id="late"),
            event("u1", "user_increment", at(2), properties={"level": 2.5, "city": 3, "n": 1}),
            event("u1", "app_show", at(3), scene="1001"),
            event(
                "u1", "user_set", at(4), properties={"vip": True, "tags": ["a", "b"], "card": 2**60}
            ),
            event("u1", "user_set", at(4), properties={"gone": "x"}, seq=1),
            event("u1", "user_unset", at(4), properties={"gone": True}, seq=2),
            event("u2", "user_set", at(2), properties={"city": "上海", "level": 9}),
            event("u2", "pay", at(3), properties={"price": 10}),
            event("u2", "pay", at(5), properties={"price": 5}),
            event("u3", "pay", at(3), properties={"price": 1}),
        ],
    )
    bind(database, id_key("anonymous_id", "d1"), U1)
    return database


def test_a_rule_adds_money_as_people_do(database, asker):
    """0.7 + 0.1 is 0.7999999999999999 in floats."""
    paid = [(day, {"properties": {"price": price}}) for day, price in ((1, 0.7), (2, 0.1))]
    insert(database, [event("u1", "pay", at(day), **price) for day, price in paid])
    total = {"field": "properties.price", "at_least": 0.8, "at_most": 0.8}

    listed = asker("users", DAY | {"did": [{"event": "pay", "sum": total}]})

    assert [int(one["user"]) for one in listed["users"]] == [U1]


def test_an_increment_beyond_the_greatest_number_is_ignored(database, asker):
    """What a single device sends must not leave a list or a breakdown without an answer."""
    grow = {"properties": {"n": 1e308}}
    insert(database, [event("u1", "user_increment", at(day), **grow) for day in (1, 2, 3)])

    profile = asker("profile", {"user": str(U1)})
    listed = asker("users", DAY | {"fields": ["user.n"]})
    measures = [{"event": "user_increment"}]
    counted = asker("events", DAY | {"measures": measures, "breakdown": ["user.n"]})

    assert [(one["value"], one["at"][:10]) for one in profile["attributes"]] == [
        (1e308, "2026-10-01")
    ]
    assert [one["fields"] for one in listed["users"]] == [{"user.n": 1e308}]
    assert [one["breakdown"] for one in counted["series"]] == [{"user.n": 1e308}]


@pytest.mark.usefixtures("people")
def test_a_profile_names_the_event_behind_each_attribute(asker):
    result = asker("profile", {"id": "u1"})

    assert result["user"] == str(U1)
    values = {one["name"]: (one["value"], one["event"]) for one in result["attributes"]}
    assert values == {
        "card": (2**60, "user_set"),
        "city": ("北京", "user_set_once"),
        "level": (3.5, "user_increment"),
        "n": (1, "user_increment"),
        "tags": (["a", "b"], "user_set"),
        "vip": (True, "user_set"),
    }
    [level] = [one for one in result["attributes"] if one["name"] == "level"]
    assert (level["app_id"], level["at"]) == (APP, "2026-10-02T12:00:00.000+08:00")
    assert result["first_source"]["scene_group"] == "扫码"
    assert result["first_source"]["utm_source"] == "poster"
    assert result["latest_source"]["scene"] == "1001"
    assert result["first_seen"] == "2026-10-01T12:00:00.000+08:00"
    assert {one["kind"] for one in result["ids"]} == {"user_id", "anonymous_id"}
    assert asker("profile", {"id": "anonymous_id:d1"}) == result
    assert asker("profile", {"user": str(id_key("anonymous_id", "d1"))}) == result

    early = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}}
    then = asker("profile", {"id": "u1", **early})
    assert {one["name"]: one["value"] for one in then["attributes"]} == {"city": "北京", "level": 1}
    strict = asker("profile", {"user": str(id_key("anonymous_id", "d1")), "identity": "strict"})
    assert strict["events"] == 2


def test_a_placeholder_is_shown_only_where_nothing_else_names_the_person(database, asker):
    """Broken clients send "0" or "undefined" for "no id"."""
    o1, nobody = id_key("openid", "o1"), id_key("anonymous_id", "undefined")
    insert(
        database,
        [
            event("openid:o1", "app_show", at(1), user_id="0", unionid=" NULL ", actor=o1),
            event("anonymous_id:undefined", "app_show", at(1)),
        ],
    )

    def ids(listed):
        return [(one["kind"], one["id"]) for one in listed["ids"]]

    named, unnamed = [("openid", "o1")], [("anonymous_id", "undefined")]
    persons = {o1: named, nobody: unnamed}
    assert {user: ids(asker("profile", {"user": str(user)})) for user in persons} == persons
    listed = asker("users", DAY)["users"]
    assert {int(one["user"]): ids(one) for one in listed} == persons


@pytest.mark.usefixtures("people")
def test_a_timeline_goes_page_by_page_in_the_order_of_events(asker):
    seen, after = [], None
    while True:
        page = asker("timeline", {"id": "user_id:u1", "limit": 3, "after": after})
        assert page["total"] == 8
        seen += page["events"]
        after = page["next_after"]
        if after is None:
            break
    assert [e["event"] for e in seen] == [
        "user_unset",
        "user_set",
        "user_set",
        "app_show",
        *("user_set_once", "user_increment"),
        "user_set_once",
        "app_launch",
    ]
    oldest = asker("timeline", {"id": "user_id:u1", "order": "oldest"})["events"]
    assert oldest == seen[::-1]
    for order, last in (("newest", seen[-1]), ("oldest", seen[0])):
        place = [ms(last["occurred_at"]), last.get("seq", 0), last["event_id"], APP]
        past = asker(
            "timeline",
            {"id": "user_id:u1", "order": order, "after": msgspec.json.encode(place).decode()},
        )
        assert (past["total"], past["events"], past["next_after"]) == (8, [], None)
    assert seen[2]["properties"] == {"card": 2**60, "tags": ["a", "b"], "vip": True}
    paid = asker(
        "timeline",
        {"user": str(U2), "filter": {"field": "properties.price", "op": "gt", "values": [5]}},
    )
    assert [e["event"] for e in paid["events"]] == ["pay"]


@pytest.mark.usefixtures("people")
def test_attributes_filter_and_break_down_any_report(asker):
    def users(**body):
        body = {**DAY, "measures": [{"aggregate": "users"}], **body}
        series = asker("events", body)["series"]
        return {tuple(s["breakdown"].values()): s["total"]["A"] for s in series}

    def having(field, op, *values):
        return users(filter={"field": field, "op": op, "values": list(values) or None})[()]

    assert users(breakdown=["user.city"]) == {("北京",): 1, ("上海",): 1, (None,): 1}
    assert users(breakdown=["user.level", "user.first_source.scene_group"]) == {
        (3.5, "扫码"): 1,
        (9, None): 1,
        (None, None): 1,
    }
    lists = asker(
        "events", {**DAY, "measures": [{"aggregate": "users"}], "breakdown": ["user.tags"]}
    )
    assert [s["breakdown"]["user.tags"] for s in lists["series"]] == [None, ["a", "b"]]
    assert having("user.city", "eq", "上海") == 1
    assert having("user.city", "ne", "上海") == 2
    assert having("user.level", "gte", 3.5) == 2
    assert having("user.card", "eq", 2**60) == 1
    assert having("user.tags", "eq", "b") == 1
    assert having("user.gone", "exists") == 0
    assert having("user.vip", "eq", True) == 1
    assert having("user.last_seen", "lt", ms(at(5))) == 2
    assert having("user.latest_source.scene", "eq", "1001") == 1
    body = {
        **DAY,
        "steps": [
            {"event": "user_set"},
            {"event": "pay", "filter": {"field": "user.city", "op": "exists"}},
        ],
        "window": {"value": 7, "unit": "day"},
        "breakdown": ["user.city"],
    }
    assert [s["users"] for s in asker("funnel", body)["steps"]] == [2, 1]
    cell = {"step": 2, "breakdown": {"user.city": "上海"}}
    assert asker.users("funnel", body, cell) == {U2}


@pytest.mark.usefixtures("people")
def test_lists_by_rule(asker):
    def listed(**body):
        result = asker("users", {**DAY, **body})
        assert result["total"] == len(result["users"])
        assert asker.users("users", {**DAY, **body}, {}) == {
            int(r["user"]) for r in result["users"]
        }
        return {int(row["user"]) for row in result["users"]}

    pay = {"event": "pay"}
    city = {"field": "user.city", "op": "exists"}
    for body, wanted in (
        ({}, {U1, U2, U3}),
        ({"users": [str(U1), str(U3), "17"]}, {U1, U3}),
        ({"users": [str(U1), str(U2)], "did": [pay]}, {U2}),
        ({"users": [str(U2)], "filter": {"field": "event", "op": "ne", "values": ["pay"]}}, {U2}),
        ({"users": []}, set()),
        ({"filter": {"field": "event", "op": "eq", "values": ["pay"]}}, {U2, U3}),
        ({"filter": {"field": "user.level", "op": "gt", "values": [5]}}, {U2}),
        ({"did": [pay]}, {U2, U3}),
        ({"did": [{**pay, "times": {"at_least": 2}}]}, {U2}),
        ({"did": [{**pay, "days": {"at_most": 1}}]}, {U3}),
        ({"did": [{**pay, "sum": {"field": "properties.price", "at_least": 15}}]}, {U2}),
        ({"did": [{**pay, "within": {"from": "2026-10-05", "to": "2026-10-06"}}]}, {U2}),
        ({"did_not": [pay]}, {U1}),
        ({"did_not": [{**pay, "times": {"at_least": 2}}], "did": [pay]}, {U3}),
        ({"rule": {"did": {**pay, "within": {"last": 27}}}}, {U2}),
        ({"rule": {"property": city}}, {U1, U2}),
        ({"rule": {"property": city, "not": True}}, {U3}),
        ({"rule": {"relation": "or", "rules": [{"did_not": pay}, {"property": city}]}}, {U1, U2}),
        (
            {"rule": {"relation": "and", "rules": [{"did": pay}, {"property": city}], "not": True}},
            {U1, U3},
        ),
        (
            {
                "rule": {
                    "sequence": {
                        "steps": [{"event": "user_set"}, {"event": "pay"}, {"event": "pay"}],
                        "window": {"value": 3, "unit": "day"},
                    }
                }
            },
            {U2},
        ),
        (
            {
                "time_range": {"from": "2026-10-01", "to": "2026-10-04"},
                "rule": {"did": {**pay, "times": {"at_least": 2}}},
            },
            set(),
        ),
        (
            {
                "time_range": {"from": "2026-10-01", "to": "2026-10-03"},
                "rule": {"property": {"field": "user.vip", "op": "exists"}},
            },
            set(),
        ),
    ):
        assert listed(**body) == wanted, body
    page = asker("users", {**DAY, "limit": 1, "fields": ["user.city", "user.level"]})
    assert (page["total"], len(page["users"])) == (3, 1)
    both = asker("users", {**DAY, "fields": ["user.city", "user.level"]})["users"]
    shown = {row["user"]: (row["fields"]["user.city"], row["fields"]["user.level"]) for row in both}
    assert shown == {str(U1): ("北京", 3.5), str(U2): ("上海", 9), str(U3): (None, None)}


def test_wrong_requests_name_the_field(database, asker):
    insert(database, [event("x", "a", at(1)), event("anonymous_id:x", "a", at(1))])
    for report, body, code, path in (
        ("profile", {}, "invalid_request", "$.user"),
        ("profile", {"id": "u9"}, "not_found", None),
        ("profile", {"id": "x"}, "invalid_request", "$.id"),
        ("profile", {"user": "9" * 20}, "invalid_request", "$.user"),
        ("timeline", {"id": "user_id:x", "after": "[1]"}, "invalid_request", "$.after"),
        ("timeline", {"id": "user_id:x", "after": '[0,-1,"",""]'}, "invalid_request", "$.after"),
        ("users", {**DAY, "users": ["1", "9" * 20]}, "invalid_request", "$.users[1]"),
        ("users", {**DAY, "rule": {}}, "invalid_request", "$.rule"),
        (
            "users",
            {**DAY, "rule": {"rules": [{"property": {"field": "event", "op": "exists"}}]}},
            "invalid_request",
            "$.rule.rules[0].property.field",
        ),
        (
            "users",
            {**DAY, "did": [{"event": "a", "times": {}}]},
            "invalid_request",
            "$.did[0].times",
        ),
        ("users", {**DAY, "rule": {"segment": "seg_x"}}, "invalid_request", "$.rule.segment"),
        (
            "users",
            {**DAY, "rule": {"sequence": {"steps": [{"event": "a"}, {}]}}},
            "invalid_request",
            "$.rule.sequence.steps[1].event",
        ),
        (
            "events",
            {
                **DAY,
                "measures": [{"aggregate": "users"}],
                "breakdown": ["user.first_source.nothing"],
            },
            "invalid_request",
            "$.breakdown[0]",
        ),
    ):
        assert asker.refused(report, body) == (code, path), (report, body)


VALUES = ("北京", "上海", 1, 2, 2.5, -3, True, ["a"], "")
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["user_id:u0", "user_id:u1", "anonymous_id:d0"]),
        st.sampled_from([*USER_EVENTS, "other"]),
        st.sampled_from([h * HOUR_MS for h in (-2, -1, 0, 0, 1, 2)]),
        st.integers(0, 1),
        st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(VALUES), min_size=1),
        st.booleans(),
    ),
    max_size=14,
)
_apps = iter(range(10_000))


class Changes:
    """One log of profile changes in an app of its own, with copies, ties and a device bound late."""

    def __init__(self, drawn, base_ms):
        self.app_id = f"wx_profile_{next(_apps)}"
        self.rows = []
        for number, (user, name, offset, seq, properties, twice) in enumerate(drawn):
            row = event(
                user,
                name,
                base_ms + offset,
                seq=seq,
                properties=properties,
                event_id=f"e{99 - number}",
                app_id=self.app_id,
            )
            self.rows.append(row)
            if twice:
                copy = {**row, "received_at": row["received_at"] + 60_000}
                copy["precedence"] = 2**63 - copy["received_at"]
                copy["occurred_at"] += 5 * HOUR_MS
                self.rows.append(copy)
        device, person = id_key("anonymous_id", "d0", self.app_id), id_key("user_id", "u0")
        self.identity = {device: (person, [(base_ms, person)])}


@settings(RANDOM, max_examples=2, phases=(Phase.generate,))  # each try asks the server many times
@given(
    drawn=st.lists(
        st.tuples(CHANGES, st.sampled_from(["latest", "strict"])), min_size=3, max_size=3
    )
)
def test_random_changes_leave_what_the_slow_definition_says(database, asker: Asker, drawn):
    logs = [Changes(part[0], ms(at(10))) for part in drawn]
    insert(database, [row for log in logs for row in reversed(log.rows)])
    for log in logs:
        for key, (person, strict) in log.identity.items():
            bind(database, key, person, strict)
    for log, (_, mode) in zip(logs, drawn, strict=True):
        common = {"app_ids": [log.app_id], "identity": mode, **DAY}
        expected = profiles(log.rows, log.identity, mode)
        for person in sorted(expected)[-1:]:
            result = asker("profile", {**common, "user": str(person)})
            assert {
                one["name"]: (one["value"], one["event_id"]) for one in result["attributes"]
            } == expected[person]
            shown = asker("timeline", {**common, "user": str(person), "order": "oldest"})["events"]
            people = by_person(log.rows, log.identity, mode)
            assert [e["event_id"] for e in shown] == [row["event_id"] for row in people[person]]
        body = {
            **common,
            "measures": [{"aggregate": "users"}],
            "breakdown": ["user.a"],
            "interval": None,
        }
        series = asker("events", body)["series"]
        found = {repr(s["breakdown"]["user.a"]): s["total"]["A"] for s in series}
        values = [of.get("a", (None, ""))[0] for of in expected.values()]
        plain = [int(v) if type(v) is float and v.is_integer() else v for v in values]
        assert found == Counter(map(repr, plain))
        two = {p for p, of in expected.items() if of.get("b", (None,))[0] == 2}
        where = {"field": "user.b", "op": "eq", "values": [2]}
        assert asker.users("users", {**common, "filter": where}, {}) == two
