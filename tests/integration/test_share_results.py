"""The share report: a forest worked out by hand, random forests against the reference, odd and deep forests."""

import itertools
from random import Random

import numpy as np
import pytest
from many_logs import HOUR_MS, asker_of
from query_support import bind, event, id_key, insert, ms
from reference import share as reference

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-31"}}
METRICS = ("shares", "sharers", "opens", "openers", "new_users", "conversions", "converters", "revenue")  # fmt: skip
BASE = ms("2026-10-05T12:00:00+08:00")


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def pick(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def card(user, share_id, at, parent="", **columns):
    properties = {"share_id": share_id, "share_channel": columns.pop("channel", "message")}
    if parent:
        properties["parent_share_id"] = parent
    properties["depth"] = columns.pop("depth", 1)
    columns.setdefault("session_id", "cards")
    return event(user, "share", at, properties=properties, **columns)


def visit(user, share_id, at, session_id, scene="1007", **columns):
    """A cold start: both entry events carry the card."""
    about = {"share_id": share_id, "session_id": session_id, "scene": scene, **columns}
    return [event(user, "app_launch", at, seq=1, **about), event(user, "app_show", at, seq=2, **about)]  # fmt: skip


MINUTE = 60_000
TREE = [
    # a shares A; b opens it and shares B; c opens B and buys; d opens A and B.
    event("a", "app_launch", BASE - HOUR_MS, session_id="a1", scene="1001"),
    card("a", "A", BASE, page="home"),
    *visit("b", "A", BASE + 10 * MINUTE, "b1", group_id="G1"),
    card("b", "B", BASE + 12 * MINUTE, "A", page="goods", channel="timeline", depth=7),
    *visit("c", "B", BASE + 20 * MINUTE, "c1"),
    event("c", "order_pay", BASE + 21 * MINUTE, session_id="c1", share_id="B", properties={"amount": 30}),
    *visit("d", "A", BASE + 30 * MINUTE, "d1"),
    *visit("d", "B", BASE + 31 * MINUTE, "d1"),
    event("d", "order_pay", BASE + 32 * MINUTE, session_id="d1", properties={"amount": 12.5}),
    # Not opens: the sharer's own, a favourite, a recent list after an opening, the same session again.
    *visit("a", "A", BASE + 40 * MINUTE, "a2"),
    *visit("b", "A", BASE + 50 * MINUTE, "b2", scene="1010"),
    *visit("b", "A", BASE + 300 * MINUTE, "b3", scene="1089"),
    event("c", "app_show", BASE + 25 * MINUTE, session_id="c1", share_id="B", scene="1007"),
    # A second session by the card is an open; forged cards are counted apart.
    *visit("c", "B", BASE + 26 * HOUR_MS, "c2"),
    *visit("e", "forged", BASE + MINUTE, "e1"),
    # The grandparent opens the grandchild's card: not a descendant of its own.
    *visit("a", "B", BASE + 27 * HOUR_MS, "a3"),
    # What opens nothing is no open of one's own card or of an unknown one either.
    *visit("a", "A", BASE + 60 * MINUTE, "a4", scene="1089"),
    *visit("e", "forged", BASE + 2 * HOUR_MS, "e2", scene="1010"),
    *visit("e", "forged", BASE + 3 * HOUR_MS, "e3", scene="1089"),
    # b never opened B: an order that carries it is not due to A, which its session opened.
    event("b", "order_pay", BASE + 13 * MINUTE, session_id="b1", share_id="B", properties={"amount": 99}),
]  # fmt: skip


def test_by_hand(database, asker):
    insert(database, TREE)
    insert(database, TREE[:6])  # sent twice
    insert(database, [event("e", "share", BASE, properties={"$forged_share_id": "A.bad"})])
    answer = asker.whole("share", RANGE | {"root": "A"})
    result = answer["result"]

    depths = [[row[name] for name in ("depth", *METRICS)] for row in result["depths"]]
    assert depths == [
        [1, 1, 1, 2, 2, 2, 0, 0, 0.0],  # A: by b and d, both new by it
        [2, 1, 1, 4, 3, 1, 2, 2, 42.5],  # B: by c twice, d and a; c is new
    ]
    assert [result["total"][name] for name in METRICS] == [2, 2, 6, 4, 3, 2, 2, 42.5]
    assert result["counts"] == {
        "cards_known": 2,
        "unknown_parents": 0,
        "cycles": 0,
        "repeated_shares": 0,
        "own_opens": 1,
        "unknown_opens": 1,
        "unknown_share_ids": 1,
        "forged_events": 1,
        "forged_share_ids": 1,
    }
    a, b = (str(id_key("user_id", user)) for user in "ab")
    assert [
        (row["user"], row["shares"], row["direct_openers"], row["descendant_openers"], row["conversions"])
        for row in result["sharers"]
    ] == [(b, 1, 3, 3, 2), (a, 1, 2, 3, 0)]  # fmt: skip
    assert result["k"]["value"] == 3 / 5
    assert result["k"]["inputs"] == {
        "shares": 2,
        "active_users": 5,
        "new_users": 3,
        "invitations_per_user": 2 / 5,
        "conversion_per_invitation": 3 / 2,
    }
    assert result["reshare_delay"] == {
        "reshares": 1,
        "opened_before": 1,
        "median_ms": 2 * MINUTE,
        "p90_ms": 2 * MINUTE,
        "average_ms": 2 * MINUTE,
    }
    assert pick(result["pages"], "page", "shares", "opens") == [("goods", 1, 4), ("home", 1, 2)]
    assert pick(result["channels"], "channel", "opens") == [("timeline", 4), ("message", 2)]
    assert pick(result["groups"], "group_id", "opens") == [("", 5), ("G1", 1)]
    cards = pick(result["cascade"]["cards"], "share_id", "parent_share_id", "depth", "opens")
    assert cards == [("A", "", 1, 2), ("B", "A", 2, 4)]
    assert asker.whole("share", RANGE | {"root": "B"})["result"]["cascade"]["total_cards"] == 1

    body = RANGE | {"k": "new_per_sharer", "breakdown": ["page"], "breakdown_limit": 1}
    result = asker("share", body)
    assert result["k"]["value"] == 3 / 2
    assert pick(result["rows"], "breakdown", "other", "shares") == [
        ({"page": "goods"}, False, 1),
        ({"page": None}, True, 1),
    ]
    assert asker.users("share", body, {"other": True}) == {
        id_key("user_id", "b"),
        id_key("user_id", "d"),
    }
    daily = asker("share", RANGE | {"k": "growingio_daily"})["k"]
    assert (daily["value"], daily["inputs"]["days_with_a_sharer"]) == (3 / 2, 1)
    goods = {"field": "page", "op": "eq", "values": ["goods"]}
    depths = asker("share", RANGE | {"filter": goods})["depths"]
    assert pick(depths, "shares", "opens") == [(0, 0), (1, 4)]


_apps = itertools.count(1)
OFFSETS = [0, 1, MINUTE, 10 * MINUTE, 31 * MINUTE, 2 * HOUR_MS, 23 * HOUR_MS, 26 * HOUR_MS]


def random_log(dice, offsets=OFFSETS):
    """A random forest with duplicates, self-opens, late and missing events, cycles and forged ids."""
    app_id = f"wx_forest_{next(_apps)}"
    users = ["u1", "u2", "u3", "u4", "u5", "anonymous_id:d1"]
    ids = [f"S{i}" for i in range(dice.randint(1, 9))]
    rows = []
    for number, share_id in enumerate(ids):
        for _ in range(dice.choice([0, 1, 1, 1, 1, 1, 2])):  # lost, or shared twice under one id
            parent = dice.choice(["", "lost", dice.choice(ids), dice.choice(ids[: number + 1])])
            at = BASE + dice.choice(offsets) - dice.choice([0, 0, 40 * 24 * HOUR_MS])
            about = {
                "page": dice.choice("pq"),
                "channel": dice.choice("mt"),
                "seq": dice.randint(0, 1),
            }
            about |= {"depth": dice.randint(0, 9), "app_id": app_id}
            rows.append(card(dice.choice(users), share_id, at, parent, **about))
    sessions = dice.choice([["", "s1", "s2"], ["s1", "s2"]])
    # Few users, so that a session has several cards and conversions.
    visitors = dice.choice([users, ["u1", "u2", "anonymous_id:d1"]])
    for _ in range(dice.randint(0, 60)):
        name = dice.choice(
            ["app_launch", "app_show", "app_show", "order_pay", "order_pay", "page_view"]
        )
        rows.append(
            event(
                dice.choice(visitors),
                name,
                BASE + dice.choice(offsets) + dice.choice([0, 0, 5000]) - dice.choice([0, 0, 0, 40 * 24 * HOUR_MS]),
                app_id=app_id,
                seq=dice.randint(0, 2),
                session_id=dice.choice(sessions),
                share_id=dice.choice(["", "forged", *ids, *ids, *ids]),
                scene=dice.choice(["1007", "1007", "1007", "1044", "1010", "1089"]),
                group_id=dice.choice(["", "", "G1", "G2"]),
                properties={"amount": dice.randint(1, 9)} if dice.random() < 0.8 else {},
            )
        )  # fmt: skip
    copies = []
    for row in rows:
        if dice.random() < 0.2:
            copy = {**row, "received_at": row["received_at"] + 60_000}
            copy["precedence"] = 2**63 - copy["received_at"]
            copy["occurred_at"] += HOUR_MS
            copies.append(copy)
    device = id_key("anonymous_id", "d1", app_id)
    u1 = id_key("user_id", "u1")
    return app_id, rows + copies, {device: (u1, [(BASE + HOUR_MS, u1)])}


def test_random_forests_agree_with_the_definition(database, asker):
    dice = Random(7)  # noqa: S311
    logs = [random_log(dice) for _ in range(12)]
    # Often event_id alone decides what came first.
    logs += [random_log(dice, offsets=[0, 1]) for _ in range(2)]
    by_event_id = in_parts = by_actor = 0
    insert(database, [row for _, rows, _ in logs for row in rows])
    for _, _, identity in logs:
        for key, (person, strict) in identity.items():
            bind(database, key, person, strict)
    first, last = "2026-10-05", dice.choice(["2026-10-05", "2026-10-06"])
    from_ms, to_ms = ms(f"{first}T00:00:00+08:00"), ms(f"{last}T00:00:00+08:00") + 24 * HOUR_MS
    for number, (app_id, rows, identity) in enumerate(logs):
        mode = dice.choice(["latest", "strict"])
        body = {"app_ids": [app_id], "time_range": {"from": first, "to": last}, "identity": mode}
        found = reference.share(rows, identity, from_ms=from_ms, to_ms=to_ms, identity_mode=mode)

        whole = asker.whole("share", body | {"explain": True})
        result = whole["result"]
        by_event_id += any("event_id, app_id" in one["sql"] for one in whole["explain"])
        in_parts += any("FROM apart" in one["sql"] for one in whole["explain"])
        by_actor += any("-- source.by_actor" in one["sql"] for one in whole["explain"])

        def check(row, chosen, group=None, found=found):
            expected = reference.metrics(found, chosen, group)
            assert {name: row[name] for name in METRICS} == expected

        check(result["total"], lambda _: True)
        depth_of = {id(c): len(c.above()) for c in found["cards"].values()}
        for row in result["depths"]:
            check(row, lambda c, depth=row["depth"], depth_of=depth_of: depth_of[id(c)] == depth)
        assert sum(row["shares"] for row in result["depths"]) == len(found["shared"])
        for row in result["pages"]:
            check(row, lambda c, page=row["page"]: c.row["page"] == page)
        for row in result["channels"]:
            check(row, lambda c, ch=row["channel"]: c.row["properties_text"]["share_channel"] == ch)
        for row in result["groups"]:
            check(row, lambda _: True, row["group_id"])
        assert sum(row["opens"] for row in result["groups"]) == len(found["opens"])
        counts = result["counts"]
        assert (counts["own_opens"], counts["unknown_opens"], counts["unknown_share_ids"]) == (
            found["own"],
            found["unknown"],
            found["unknown_ids"],
        )
        assert counts["cards_known"] == len(found["cards"])
        assert result["forest"] == reference.shape(list(found["cards"].values()))
        if app_id == logs[0][0]:  # a second question: once is enough
            _, root = next(iter(found["cards"]))
            below = [
                c for c in found["cards"].values() if found["cards"][app_id, root] in c.above()
            ]
            cascade = asker("share", {**body, "root": root, "by": [], "sharer_limit": 0})["cascade"]
            expected = reference.shape(below, found["cards"][app_id, root])
            assert cascade["shape"] == expected
        sharers = {int(row["user"]): row for row in result["sharers"]}
        expected = reference.sharers(found)
        assert sharers.keys() == expected.keys()
        for user, row in sharers.items():
            of = expected[user]
            assert row["shares"] == of["shares"]
            assert row["direct_opens"] == of["direct_opens"]
            assert row["direct_openers"] == len(of["direct_openers"])
            assert row["descendant_openers"] == len(of["descendant_openers"])
        assert result["k"]["inputs"]["active_users"] == len(found["active"])
        delay = result["reshare_delay"]
        assert (delay["reshares"], delay["opened_before"]) == (found["reshares"], len(found["delays"]))  # fmt: skip
        # One question of users each; all of them over the logs.
        metric = ("resharers", "opened_before", "active_users", "card", "day")[number % 5]
        if metric == "card" and found["cards"]:
            (_, share_id), of = next(iter(found["cards"].items()))
            cell = {"card": {"app_id": app_id, "share_id": share_id}}
            behind = {o[0] for o in found["opens"] if o[1] is of}
        elif metric == "day":
            cell = {"metric": "sharers", "day": first}
            end_ms = from_ms + 24 * HOUR_MS
            behind = {c.sharer for c in found["shared"] if c.row["occurred_at"] < end_ms}
        else:
            metric = "active_users" if metric == "card" else metric
            cell = {"metric": metric}
            behind = found["active" if metric == "active_users" else metric]
        assert asker.users("share", body, cell) == behind
        if found["delays"]:
            assert delay["median_ms"] == np.median(found["delays"])
    assert 0 < by_event_id < len(logs)
    assert 0 < in_parts < len(logs)
    assert 0 < by_actor < len(logs)


def pay(user, amount, at, session_id, **columns):
    return event(user, "order_pay", at, session_id=session_id, properties={"amount": amount}, **columns)  # fmt: skip


@pytest.mark.parametrize("cuts_sessions", [False, True])  # added up by actor, and by user
def test_conversions_of_a_session_with_opens_between_are_due_to_the_last_before_each(
    database, asker, cuts_sessions
):
    midnight = ms("2026-10-06T00:00:00+08:00")
    insert(
        database,
        [
            card("a", "A", BASE, page="home"),
            card("a", "B", BASE, page="goods"),
            pay("b", 1, BASE + MINUTE, "b1"),  # before any open
            *visit("b", "A", BASE + 2 * MINUTE, "b1"),
            pay("b", 2, BASE + 3 * MINUTE, "b1"),
            pay("b", 0.1, BASE + 3 * MINUTE, "b1", seq=1),
            *visit("b", "B", BASE + 4 * MINUTE, "b1"),
            pay("b", 0.2, BASE + 4 * MINUTE, "b1", seq=3),
            pay("b", 1e15, midnight - 1, "b1"),
            pay("b", 1e15, midnight, "b1"),
            pay("b", 4, midnight, "b1", share_id="A"),
            # Opened by another session between two orders of this one, which carry the card.
            *visit("c", "A", BASE + 2 * MINUTE, "c1"),
            pay("c", 8, BASE + 1 * MINUTE, "c2", share_id="A"),
            pay("c", 16, BASE + 3 * MINUTE, "c2", share_id="A"),
            # All in one group, after the open.
            *visit("d", "B", BASE, "d1"),
            *(pay("d", 0.1, BASE + i * MINUTE, "d1", seq=9) for i in range(10)),
            pay("d", 0.30000000000000004, midnight, "d1"),
            pay("e", 32, BASE, "" if cuts_sessions else "e1"),
        ],
    )
    whole = asker.whole("share", RANGE | {"explain": True})
    result = whole["result"]

    assert pick(result["pages"], "page", "conversions", "converters", "revenue") == [
        ("goods", 14, 2, 2e15 + 0.2 + 1 + 0.30000000000000004),
        ("home", 4, 2, 2 + 0.1 + 4 + 16),
    ]
    apart = [one for one in whole["explain"] if "FROM apart" in one["sql"]]
    assert len(apart) == 1
    by_actor = any("-- source.by_actor" in one["sql"] for one in whole["explain"])
    assert by_actor != cuts_sessions
    on_next_day = {"metric": "converters", "day": "2026-10-06"}
    assert asker.users("share", RANGE, on_next_day) == {id_key("user_id", user) for user in "bd"}
    assert asker.users("share", RANGE, {"metric": "converters", "day": "2026-10-07"}) == set()


def test_users_of_every_cell_are_as_many_as_it_says(database, asker):
    insert(database, TREE)
    result = asker("share", RANGE)
    metrics = ("sharers", "openers", "new_users", "converters")
    for metric in metrics:
        assert len(asker.users("share", RANGE, {"metric": metric})) == result["total"][metric]
    for row in result["depths"]:
        cell = {"metric": "new_users", "depth": row["depth"]}
        assert len(asker.users("share", RANGE, cell)) == row["new_users"]
    for field, rows in (("page", "pages"), ("channel", "channels"), ("group_id", "groups")):
        row = result[rows][0]
        cell = {"metric": "openers", field: row[field]}
        assert len(asker.users("share", RANGE, cell)) == row["openers"]
    for row in result["sharers"]:
        cell = {"metric": "descendant_openers", "sharer": row["user"]}
        assert len(asker.users("share", RANGE, cell)) == row["descendant_openers"]
        cell = {"metric": "openers", "sharer": row["user"]}
        assert len(asker.users("share", RANGE, cell)) == row["direct_openers"]


def test_long_chains_and_large_cycles_have_the_right_depth(database, asker):
    chain, ring = 300, 100
    rows = [card(f"u{i}", f"C{i}", BASE + i, f"C{i - 1}" if i else "") for i in range(chain)]
    # A ring whose earliest card is R40, with a tail of 90 cards shared before all of it.
    rows += [card(f"r{i}", f"R{i}", BASE + (i - 40) % ring, f"R{(i - 1) % ring}") for i in range(ring)]  # fmt: skip
    rows += [card(f"t{i}", f"T{i}", BASE - 1000 + i, f"T{i - 1}" if i else "R39") for i in range(90)]  # fmt: skip
    rows += visit("x", f"C{chain - 1}", BASE + HOUR_MS, "x1")
    rows += visit("y", "T89", BASE + HOUR_MS, "y1")
    insert(database, rows)

    result = asker("share", RANGE | {"sharer_limit": 1000})

    shares = [row["shares"] for row in result["depths"]]
    assert shares == [2] * ring + [2] * 90 + [1] * (chain - 190)
    sharers = {row["user"]: row["descendant_openers"] for row in result["sharers"]}
    assert sum(sharers.values()) == chain + ring + 90
    assert sharers[str(id_key("user_id", "u0"))] == 1


def test_sharers_are_exact_when_most_have_the_same_number(database, asker):
    rows = [card(f"s{i}", f"S{i}", BASE) for i in range(40)]
    for i in range(40):
        for j in range(i % 5):
            rows += visit(f"o{j}", f"S{i}", BASE + HOUR_MS, f"{i}-{j}")
            rows += visit(f"o{j}", f"S{i}", BASE + 2 * HOUR_MS, f"again{i}-{j}")
        rows += [row for n in range(i) for row in visit("o0", f"S{i}", BASE + 3 * HOUR_MS + n, f"n{i}-{n}")]  # fmt: skip
    insert(database, rows)

    top = asker("share", RANGE | {"sharer_limit": 3})["sharers"]

    everyone = asker("share", RANGE)["sharers"]
    assert len(everyone) == 40
    assert top == everyone[:3]
    assert [row["descendant_openers"] for row in top] == [4, 4, 4]


def test_sharer_who_alone_opened_what_grew_below_is_no_sharer_of_the_range(database, asker):
    insert(
        database,
        [
            card("a", "A", ms("2026-09-05T12:00:00+08:00")),
            card("b", "B", BASE, "A"),
            *visit("a", "B", BASE + HOUR_MS, "a1"),
        ],
    )
    result = asker.whole("share", RANGE)["result"]

    assert [(row["user"], row["direct_openers"]) for row in result["sharers"]] == [
        (str(id_key("user_id", "b")), 1)
    ]
    assert result["sharers_total"] == 1


def test_nothing_was_ever_shared(asker):
    result = asker("share", RANGE)
    assert (result["depths"], result["sharers"], result["total"]["opens"]) == ([], [], 0)
    assert result["k"]["value"] is None


def test_wrong_requests_name_the_field(asker):
    for change, path in (
        ({"k": "viral"}, "$.k"),
        ({"by": ["city"]}, "$.by[0]"),
        ({"by": ["page", "page"]}, "$.by"),
        ({"revenue": "page"}, "$.revenue"),
        ({"conversion": {"filter": {"field": "x", "op": "exists"}}}, "$.conversion.filter.field"),
        ({"root": "nobody's"}, "$.root"),
        ({"sharer_limit": -1}, "$.sharer_limit"),
    ):
        assert asker.refused("share", RANGE | change) == ("invalid_request", path)
    for cell, path in (
        ({"metric": "descendant_openers"}, "$.cell.sharer"),
        ({"depth": 0}, "$.cell.depth"),
        ({"depth": 2**70}, "$.cell.depth"),
        ({"depth": 1, "page": "x"}, "$.cell.page"),
        ({"other": True}, "$.cell.other"),
        ({"sharer": "99999999999999999999"}, "$.cell.sharer"),
        ({"metric": "shares"}, "$.cell.metric"),
        ({"metric": "active_users", "depth": 1}, "$.cell.metric"),
        ({"card": {"app_id": "x", "share_id": "y"}, "day": "2026-10-05"}, "$.cell.card"),
    ):
        assert asker.refused("share/users", RANGE | {"cell": cell}) == ("invalid_request", path)
    body = RANGE | {"by": ["page"], "cell": {"channel": "message"}}
    assert asker.refused("share/users", body) == ("invalid_request", "$.cell.channel")
