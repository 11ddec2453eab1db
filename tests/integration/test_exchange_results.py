"""Exchange: a ledger worked out by hand, and random logs against the reference."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from many_logs import HOUR_MS, RANDOM, USERS, ZONES, choice, many, store
from query_support import APP, event, insert
from reference.exchange import both, exchange, exits
from reference.scenes import TOTAL, scenes
from test_scenes_random import ChannelLog, ProjectAsker

from query_api.periods import rfc3339

RANGE = {"app_ids": [APP], "time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
METRICS = ("users_in", "new_users", "converters", "users_out", "users_both")
METRICS += ("next_day_eligible", "next_day_returned")


@pytest.fixture
def asker(database_url):
    asking = ProjectAsker(database_url)
    yield asking
    asking.close()


def at(day, hour=12):
    return f"2026-10-{day:02}T{hour:02}:00:00+08:00"


OUT = "navigate_to_mini_program"


def leave(user, when, partner, name=OUT):
    return event(user, name, when, properties={"target_app_id": partner})


def test_a_ledger_worked_out_by_hand(database, asker):
    insert(
        database,
        [
            event("u1", "app_launch", at(1), referrer_app_id="wx_p"),
            event("u1", "app_show", at(1), seq=1, referrer_app_id="wx_p"),
            event("u1", "order_pay", at(1, 13), properties={"amount": 10}),
            # The last entry before this one is another's.
            event("u1", "app_show", at(2), referrer_app_id=""),
            event("u1", "order_pay", at(2, 13), properties={"amount": 90}),
            event("u2", "app_show", "2026-09-01T00:00:00+08:00"),
            event("u2", "app_show", at(1), referrer_app_id="wx_p"),
            leave("u2", at(1, 13), "wx_p"),
            leave("u2", at(1, 14), "wx_p"),
            leave("u3", at(1), "wx_q"),
            leave("u3", at(1), ""),
            leave("u3", at(3), "wx_p"),
            event("u3", "navigate_to_mini_program", at(1), properties={"target_app_id": 7}),
            leave("u4", at(1), "wx_r", "jump"),
            event("u4", "app_show", at(1), referrer_app_id="wx_q"),
        ],
    )
    body = {**RANGE, "value": "properties.amount"}
    whole = asker.whole("exchange", body)
    rows = {row["partner_app_id"]: row for row in whole["result"]["rows"]}
    names = ("launches", "entries", "users_in", "new_users", "converters", "conversion_value")
    names += ("exits", "users_out", "users_both", "balance")
    assert {key: tuple(row[name] for name in names) for key, row in rows.items()} == {
        "wx_p": (1, 2, 2, 1, 1, 10, 2, 1, 1, 1),
        "wx_q": (0, 1, 1, 1, 0, 0, 1, 1, 0, 0),
    }
    total = whole["result"]["total"]
    assert tuple(total[name] for name in names) == (1, 3, 3, 2, 1, 10, 3, 2, 1, 1)
    assert not rows["wx_p"]["is_own"]
    assert "navigateToMiniProgram" in whole["semantics"]["exits"]

    jumps = asker("exchange", {**RANGE, "out": {"event": "jump"}})
    assert {row["partner_app_id"]: row["exits"] for row in jumps["rows"]} == {
        "wx_p": 0,
        "wx_q": 0,
        "wx_r": 1,
    }
    entries = {"field": "event", "op": "eq", "values": ["app_launch"]}
    only = asker("exchange", {**RANGE, "filter": entries})
    assert [(row["partner_app_id"], row["users_in"]) for row in only["rows"]] == [("wx_p", 1)]
    unknown = {"field": "user.city", "op": "not_exists"}
    of_all = asker(
        "exchange", {**body, "filter": unknown, "out": {"event": OUT, "filter": unknown}}
    )
    assert of_all == whole["result"]
    broken = asker("exchange", {**RANGE, "breakdown": ["event"]})
    assert {(row["partner_app_id"], row["breakdown"]["event"]) for row in broken["rows"]} == {
        ("wx_p", "app_launch"),
        ("wx_p", "app_show"),
        ("wx_p", "navigate_to_mini_program"),
        ("wx_q", "app_show"),
        ("wx_q", "navigate_to_mini_program"),
    }
    cell = {"partner_app_id": "wx_p", "breakdown": {"event": "app_show"}}
    assert len(asker.users("exchange", {**RANGE, "breakdown": ["event"]}, cell)) == 2


def test_the_total_is_the_same_whatever_the_limit_and_the_breakdown(database, asker):
    insert(
        database,
        [
            # Comes back the day after the second partner's entry, not after the first one's.
            event("u1", "app_show", at(1), referrer_app_id="wx_p"),
            event("u1", "app_show", at(3), referrer_app_id="wx_q"),
            event("u1", "app_show", at(4)),
            # From a partner's page a, to it from page b; from one partner, to another.
            event("u2", "app_show", at(1), referrer_app_id="wx_p", page="a"),
            event("u2", "go", at(1, 13), properties={"target_app_id": "wx_p"}, page="b"),
            event("u3", "app_show", at(1), referrer_app_id="wx_q"),
            event("u3", "go", at(1, 13), properties={"target_app_id": "wx_r"}),
        ],
    )
    body = {"app_ids": [APP], "time_range": {"from": "2026-10-01", "to": "2026-10-05"}}
    body["out"] = {"event": "go"}
    for change in ({}, {"limit": 1}, {"breakdown": ["page"]}, {"breakdown": ["page"], "limit": 1}):
        asked = {**body, **change}
        result = asker("exchange", asked)
        total = result["total"]
        assert (total["users_in"], total["users_out"], total["users_both"]) == (3, 2, 1), change
        assert (total["next_day_eligible"], total["next_day_returned"]) == (3, 0), change
        # In a list of users `limit` is that of the list.
        listed = {name: value for name, value in asked.items() if name != "limit"}
        for metric in METRICS:
            assert len(asker.users("exchange", listed, {"metric": metric})) == total[metric]
        rows = {(row["partner_app_id"], row["other"]): row for row in result["rows"]}
        if change == {"limit": 1}:
            # Who came from wx_q was sent to wx_r: both are "other", nobody is both.
            assert rows[None, True]["users_both"] == 0
            cell = {"metric": "users_both", "other": True, "limit": 1}
            assert asker.users("exchange", listed, cell) == set()
        if not change:
            assert rows["wx_q", False]["next_day_returned"] == 1


def test_wrong_questions(asker):
    for change, part, path in (
        ({"out_field": "seq"}, "", "$.out_field"),
        ({"out_field": "colour"}, "", "$.out_field"),
        ({"value": "page"}, "", "$.value"),
        ({"cell": {"breakdown": {}}}, "/users", "$.cell.breakdown"),
        ({"cell": {"metric": "users"}}, "/users", "$.cell.metric"),
    ):
        asked = {**RANGE, **change}
        assert asker.refused(f"exchange{part}", asked) == ("invalid_request", path), change


PARTNERS = ["", "wx_p", "wx_p", "wx_q", "伙伴'\\"]


def drawn(random):
    """Draw entries, exits and conversions; the sku is the target of an exit."""
    found = []
    names = ["app_launch", "app_show", "app_show", "go", "go", "order_pay"]
    for _ in range(random.randint(2, 20)):
        offset = random.choice([0, 1, HOUR_MS, 26 * HOUR_MS, 49 * HOUR_MS, -HOUR_MS])
        name = random.choice(names)
        given = (
            random.choice(USERS),
            name,
            offset,
            random.choice([0, 1]),
            "",
            random.choice(["", "s1"]),
            random.choice([*PARTNERS, 7]) if name == "go" else random.choice([None, 2.5]),
            random.random() < 0.2,
        )
        found.append((given, {"referrer_app_id": random.choice(PARTNERS)}))
    return found


@settings(RANDOM, max_examples=2)
@given(
    cases=many(
        drawn,
        choice(sorted(ZONES)),
        choice(["latest", "strict"]),
        choice(METRICS),
        choice([26, 50]),
        choice(["order_pay", "order_pay", "app_show", "go"]),
    )
)
def test_exchange_equals_its_definition(database, asker, cases):
    logs = [ChannelLog(case[0], {}, ZONES[case[1]]) for case in cases]
    store(database, logs)
    for log, case in zip(logs, cases, strict=True):
        check(asker, log, case)


def check(asker, log, case):
    _, zone, identity_mode, metric, hours, conversion = case
    from_ms, to_ms = ZONES[zone], ZONES[zone] + hours * HOUR_MS
    now_ms = to_ms + 20 * HOUR_MS
    around = {"from_ms": from_ms, "to_ms": to_ms, "identity_mode": identity_mode}

    def came(name_of, matches=lambda _: True):
        return scenes(
            log.rows,
            log.identity,
            **around,
            zone=ZoneInfo(zone),
            now_ms=now_ms,
            key_of=lambda row: (name_of(row["referrer_app_id"]) or None,),
            matches=matches,
            converts=lambda row: row["event"] == conversion,
            value=lambda row: row["properties_number"].get("sku", 0),
        )

    def sent(name_of):
        return exits(
            log.rows,
            log.identity,
            **around,
            goes_out=lambda row: row["event"] == "go",
            partner_of=lambda row: name_of(row["properties_text"].get("sku", "")),
        )

    def reference(name_of):
        in_both = both(came(str), sent(str), name_of)
        from_any = came(str, lambda row: row["referrer_app_id"] != "")[TOTAL]
        return exchange(came(name_of), sent(name_of), in_both, from_any)

    expected = reference(str)
    body = {
        "app_ids": [log.app_id],
        "time_range": {"from": rfc3339(from_ms), "to": rfc3339(to_ms)},
        "timezone": zone,
        "identity": identity_mode,
        "out": {"event": "go"},
        "out_field": "properties.sku",
        "conversion": {"event": conversion},
        "value": "properties.sku",
    }
    result = asker("exchange", body, now_ms)
    rows = {row["partner_app_id"]: row for row in result["rows"]} | {None: result["total"]}
    # A partner of whom a user came only outside the range has no numbers.
    some = {
        partner: {name: len(v) if isinstance(v, set) else v for name, v in numbers.items()}
        for partner, numbers in expected.items()
        if partner is None or any(numbers.values())
    }
    assert rows.keys() == some.keys()
    for partner, numbers in some.items():
        assert {name: rows[partner][name] for name in numbers} == pytest.approx(numbers)
    listed = sorted(some, key=str)[hours % len(some)]
    cell = {"metric": metric} | ({} if listed is None else {"partner_app_id": listed})
    page = asker("exchange/users", {**body, "cell": cell}, now_ms)
    assert {int(row["user"]) for row in page["users"]} == expected[listed].get(metric, set())
    if len(result["rows"]) > 1:
        # With a limit, the partners that are not shown are as one, but nobody is both by two of them.
        first = result["rows"][0]["partner_app_id"]
        folded = reference(lambda partner: "others" if partner and partner != first else partner)
        limited = asker("exchange", {**body, "limit": 1}, now_ms)
        assert limited["total"] == result["total"]
        _, row = limited["rows"]
        numbers = {k: len(v) if isinstance(v, set) else v for k, v in folded["others"].items()}
        assert row["other"]
        assert {name: row[name] for name in numbers} == pytest.approx(numbers)
        cell = {"metric": metric, "other": True, "limit": 1}
        page = asker("exchange/users", {**body, "cell": cell}, now_ms)
        assert {int(user["user"]) for user in page["users"]} == folded["others"][metric]
