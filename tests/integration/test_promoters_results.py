"""Promoters: random logs against the reference, under every rule; columns add up; lists and trails agree."""

from random import Random

import pytest
from many_logs import asker_of
from query_support import event, id_key, insert, ms
from reference.promoters import promoters

DAY_MS = 86_400_000
T = ms("2026-10-01T00:00:00+08:00")
RANGE = {"time_range": {"from": "2026-10-05", "to": "2026-10-20"}}
FROM, TO = T + 4 * DAY_MS, T + 20 * DAY_MS


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def log(seed):
    random = Random(seed)  # noqa: S311 (a test)
    rows = []
    for number in range(260):
        name = random.choice(["app_show", "app_launch", "share", "register", "order_pay", "scan"])
        properties = {}
        if name == "share":
            properties["share_id"] = random.choice(["s1", "s2", "s3"])
        if name in ("scan", "register", "app_show") and random.random() < 0.6:
            properties["promoter_id"] = random.choice(["P1", "P2", "u1", "u2", ""])
        if name == "order_pay":
            properties |= {"amount": random.randrange(1, 9), "base": 1}
        rows.append(
            event(
                random.choice(["user_id:u1", "user_id:u2", "user_id:u3", "anonymous_id:d1"]),
                name,
                T + random.randrange(25) * DAY_MS + random.randrange(2),
                seq=random.randrange(2),
                event_id=f"e{999 - number}",
                share_id=random.choice(["s1", "s2", "s3", "forged"])
                if name.startswith("app_")
                else "",
                properties=properties,
            )
        )
    return rows


@pytest.mark.parametrize(
    ("by", "rules"),
    [
        ("field", [("first", None), ("last", 2)]),
        ("sharer", [("first", None), ("first", 3), ("last", None)]),
    ],
)
def test_random_logs_agree_with_the_definition(database, asker, by, rules):
    rows = log(5)
    insert(database, rows)
    for rule, days in rules:
        found = promoters(rows, {}, "latest", by=by, rule=rule, days=days, from_ms=FROM, to_ms=TO)
        binding = {"rule": rule} | ({} if days is None else {"days": days})
        body = {**RANGE, "by": by, "binding": binding}
        result = asker("promoters", {**body, "trail": "*", "trail_limit": 1000})
        shown = {row["promoter"] or "": row for row in [*result["promoters"], result["direct"]]}

        expected = {}
        for promoter in {"", *(one[2] for one in found)}:
            mine = [one for one in found if one[2] == promoter]
            of = {
                w: [one for one in mine if one[0] == w] for w in ("bound", "registered", "ordered")
            }
            amount = float(sum(one[3] for one in of["ordered"]))
            expected[promoter] = {
                "promoter": promoter or None,
                "bound_users": len({one[1] for one in of["bound"]}),
                "registrations": len(of["registered"]),
                "registered_users": len({one[1] for one in of["registered"]}),
                "orders": len(of["ordered"]),
                "buyers": len({one[1] for one in of["ordered"]}),
                "amount": amount,
                "base": amount,
            }
        assert shown == expected, (rule, days)
        trail = [
            (one["promoter"] or "", one["amount"], (one["touch"] or {}).get("event_id", ""))
            for one in result["trail"]
        ]
        assert sorted(trail) == sorted((p, a, t) for w, _, p, a, t in found if w == "ordered")
        for promoter in ("", *[p for p in expected if p][:1]):
            cell = {"promoter": promoter, "metric": "buyers"}
            users = asker.users("promoters", body, cell)
            assert users == {one[1] for one in found if one[0] == "ordered" and one[2] == promoter}
        due = [one for one in found if one[0] == "ordered" and one[2]]
        buyers = asker.users("promoters", body, {"promoter": "*"})
        assert buyers == {one[1] for one in due}
        assert (result["due"]["buyers"], result["due"]["orders"]) == (len(buyers), len(due))
        assert result["due"]["base"] == float(sum(one[3] for one in due))
        if by == "sharer":
            sharers = asker.users("promoters", body, {"metric": "promoters"})
            assert sharers == {int(promoter) for promoter in expected if promoter}
            assert len(sharers) == result["promoters_total"]


def test_by_hand_with_expiry_and_own_codes(database, asker):
    def at(day):
        return T + day * DAY_MS

    insert(
        database,
        [
            event("u1", "scan", at(1), properties={"promoter_id": "P1"}),
            event("u1", "scan", at(5), properties={"promoter_id": "P2"}),
            event("u1", "order_pay", at(8), properties={"amount": 10, "base": 4}, event_id="o1"),
            event("u1", "order_pay", at(9), properties={"amount": 20, "base": 5}, event_id="o2"),
            event("u2", "scan", at(6), properties={"promoter_id": "u2"}),
            event("u2", "order_pay", at(7), properties={"amount": 1}),
        ],
    )
    body = {**RANGE, "binding": {"rule": "first", "days": 7}, "commission_base": "properties.base"}
    result = asker("promoters", {**body, "trail": "P1"})

    [p1] = result["promoters"]
    assert (p1["promoter"], p1["orders"], p1["amount"], p1["base"]) == ("P1", 1, 10.0, 4.0)
    assert (result["direct"]["orders"], result["direct"]["amount"]) == (2, 21.0)
    [order] = result["trail"]
    assert (order["event_id"], order["user"], order["touch"]["at"]) == (
        "o1",
        str(id_key("user_id", "u1")),
        "2026-10-02T00:00:00.000+08:00",
    )
    last = asker("promoters", {**RANGE, "binding": {"rule": "last"}})
    assert [(row["promoter"], row["orders"]) for row in last["promoters"]] == [("P2", 2)]


def test_wrong_requests_name_the_field(asker):
    for wrong, path in (
        ({"breakdown": ["page"]}, "$.breakdown"),
        ({"promoter_field": "user.x"}, "$.promoter_field"),
        ({"amount": "page"}, "$.amount"),
        ({"binding": {"rule": "best"}}, "$.binding.rule"),
        ({"commission_base": "page"}, "$.commission_base"),
    ):
        assert asker.refused("promoters", {**RANGE, **wrong}) == ("invalid_request", path)
    for by, cell, path in (
        ("field", {"metric": "promoters"}, "$.cell.metric"),
        ("sharer", {"metric": "promoters", "promoter": "1"}, "$.cell.promoter"),
    ):
        refused = asker.refused("promoters/users", {**RANGE, "by": by, "cell": cell})
        assert refused == ("invalid_request", path)
    counts = ("bound_users", "registrations", "registered_users", "orders", "buyers")
    nothing = {"promoter": None, **dict.fromkeys((*counts, "amount", "base"), 0)}
    assert asker("promoters", RANGE) == {
        "promoters": [],
        "direct": nothing,
        "promoters_total": 0,
        "due": nothing,
    }
