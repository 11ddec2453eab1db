"""Attribution: chains worked out by hand, random logs against the reference, sums that are conserved."""

import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert
from reference.attribution import MODELS, attribution

from query_api.periods import rfc3339

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def at(day, time="12:00:00"):
    return f"2026-10-{day:02}T{time}+08:00"


def ad(user, when, source, **columns):
    return event(user, "ad", when, utm_source=source, **columns)


def pay(user, when, amount, sku="x"):
    return event(user, "pay", when, properties={"amount": amount, "sku": sku})


LOG = [
    # u1: four touches before the first payment, one more before the second.
    ad("u1", at(1), "A", properties={"sku": "x"}),
    ad("u1", at(8), "B"),
    event("u1", "push", at(9)),
    ad("u1", at(15), "C", properties={"sku": "x"}),
    pay("u1", at(15, "12:00:01"), 100),
    ad("u1", at(20), "A"),
    # u2: a touch too old, one at exactly the end of the window, one after the payment.
    ad("u2", "2026-09-01T12:00:00+08:00", "A"),
    ad("u2", "2026-09-11T12:00:00+08:00", "B"),
    pay("u2", at(11), 10),
    ad("u2", at(12), "C"),
    # u3 has no touch, u4 touches and does not pay, u5 pays before the range.
    pay("u3", at(5), 7),
    ad("u4", at(5), "A"),
    pay("u5", "2026-09-30T12:00:00+08:00", 1000),
]
BODY = {
    "time_range": {"from": "2026-10-01", "to": "2026-10-31"},
    "target": {"event": "pay"},
    "value": "properties.amount",
    "touches": [{"event": "ad"}, {"event": "push"}],
    "breakdown": ["utm.source"],
    "models": list(MODELS),
}


def by_key(result, model):
    return {
        (row["event"], row["breakdown"]["utm.source"]): (
            pytest.approx(row["models"][model]["conversions"]),
            pytest.approx(row["models"][model]["value"]),
        )
        for row in result["rows"]
    }


def test_by_hand(database, asker):
    insert(database, LOG)
    insert(database, LOG[:3])
    result = asker("attribution", BODY)

    a, b, c, push, direct = ("ad", "A"), ("ad", "B"), ("ad", "C"), ("push", None), (None, None)
    assert by_key(result, "first") == {
        a: (1, 100),
        b: (1, 10),
        c: (0, 0),
        push: (0, 0),
        direct: (1, 7),
    }
    assert by_key(result, "last") == {
        a: (0, 0),
        b: (1, 10),
        c: (1, 100),
        push: (0, 0),
        direct: (1, 7),
    }
    assert by_key(result, "linear") == {
        a: (0.25, 25),
        b: (1.25, 35),
        c: (0.25, 25),
        push: (0.25, 25),
        direct: (1, 7),
    }
    assert by_key(result, "position") == {
        a: (0.4, 40),
        b: (1.1, 20),
        c: (0.4, 40),
        push: (0.1, 10),
        direct: (1, 7),
    }
    # The touches are 14, 7, 6 and 0 days (and a second) old: 1/4, 1/2, 2^(-6/7) and 1.
    whole = 1 / 4 + 1 / 2 + 2 ** (-6 / 7) + 1
    decay = by_key(result, "time_decay")
    assert decay[a] == (0.25 / whole, 25 / whole)
    assert decay[b] == (1 + 0.5 / whole, 10 + 50 / whole)
    assert [
        (row["users"], row["targets"])
        for row in result["rows"]
        if row["breakdown"]["utm.source"] == "B"
    ] == [(2, 2)]
    assert (result["total"]["users"], result["total"]["targets"]) == (3, 3)
    for model in MODELS:
        assert result["total"]["models"][model] == {
            "conversions": pytest.approx(3),
            "value": pytest.approx(117),
            "credited_users": 3,
        }

    body = BODY | {
        "shared_property": {"touch": "properties.sku", "target": "properties.sku"},
        "models": ["linear"],
    }
    assert by_key(asker("attribution", body), "linear") == {
        a: (0.5, 50),
        c: (0.5, 50),
        direct: (2, 17),
    }
    body = BODY | {"lookback": {"value": 1, "unit": "hour"}, "models": ["first"]}
    assert by_key(asker("attribution", body), "first") == {c: (1, 100), direct: (2, 17)}
    assert asker.users("attribution", BODY, {"touch": 1, "breakdown": {"utm.source": "B"}}) == {
        id_key("user_id", "u1"),
        id_key("user_id", "u2"),
    }
    assert asker.users("attribution", BODY, {"direct": True}) == {id_key("user_id", "u3")}
    assert len(asker.users("attribution", BODY, {})) == 3
    body = BODY | {"breakdown_limit": 1, "models": ["last"]}
    rows = asker("attribution", body)["rows"]
    assert [
        (r["touch"], r["breakdown"]["utm.source"], r["other"], r["direct"], r["users"])
        for r in rows
    ] == [
        (1, "B", False, False, 2),
        (1, None, True, False, 1),
        (2, None, True, False, 1),
        (None, None, False, True, 1),
    ]
    assert len(asker.users("attribution", body, {"touch": 1, "other": True})) == 1
    assert (
        asker("attribution", {**BODY, "time_range": {"from": "2026-12-01", "to": "2026-12-01"}})[
            "rows"
        ]
        == []
    )


@RANDOM
@given(
    drawn=many(
        events("abct", [-900 * HOUR_MS, -49 * HOUR_MS, -2 * HOUR_MS, -HOUR_MS, -1, 0, 1, HOUR_MS, 30 * HOUR_MS]),
        choice(ZONES),
        choice([1, 2, 50]),
        choice([False, True]),
        choice(["latest", "strict"]),
    )
)  # fmt: skip
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, hours, shared, identity) in zip(logs, drawn, strict=True):
        from_ms = ZONES[zone] - 60 * HOUR_MS
        to_ms = ZONES[zone] + 3 * HOUR_MS
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": rfc3339(from_ms), "to": rfc3339(to_ms)},
            "identity": identity,
            "target": {"event": "t"},
            "value": "properties.sku",
            "touches": [
                {"event": "a", "filter": {"field": "page", "op": "eq", "values": ["p1"]}},
                {"event": "a"},
                {"event": "t"},
                {"event": "b"},
            ],
            "lookback": {"value": hours, "unit": "hour"},
            "half_life": {"value": 90, "unit": "minute"},
            "models": list(MODELS),
            "breakdown": ["page"],
        }
        if shared:
            body["shared_property"] = {"touch": "properties.sku", "target": "properties.sku"}

        def sku(row):
            return row["properties_text"].get("sku", row["properties_number"].get("sku"))

        found = attribution(
            log.rows,
            log.identity,
            from_ms=from_ms,
            to_ms=to_ms,
            identity_mode=identity,
            target=lambda e: e["event"] == "t",
            touches=[
                lambda e: e["event"] == "a" and e["page"] == "p1",
                lambda e: e["event"] == "a",
                lambda e: e["event"] == "t",
                lambda e: e["event"] == "b",
            ],
            lookback_ms=hours * HOUR_MS,
            half_life_ms=90 * 60_000,
            value=lambda e: e["properties_number"].get("sku", 0),
            key=lambda e: e["page"] or None,
            same=lambda a, b, shared=shared: not shared or (sku(a) is not None and sku(a) == sku(b)),
        )  # fmt: skip

        result = asker("attribution", body)

        assert len(result["rows"]) == len(found)
        for row in result["rows"]:
            place = (0, None) if row["direct"] else (row["touch"], row["breakdown"]["page"])
            assert row["users"] == len(found[place]["users"])
            assert row["targets"] == len(found[place]["targets"])
            for model in MODELS:
                conversions, value, credited = found[place][model]
                assert row["models"][model] == {
                    "conversions": pytest.approx(conversions, abs=1e-9),
                    "value": pytest.approx(value, abs=1e-9),
                    "credited_users": len(credited),
                }
        for model in MODELS:
            of = [row["models"][model] for row in result["rows"]]
            total = result["total"]["models"][model]
            assert total["conversions"] == pytest.approx(result["total"]["targets"])
            assert sum(part["conversions"] for part in of) == pytest.approx(total["conversions"])
            assert sum(part["value"] for part in of) == pytest.approx(total["value"])
        if result["rows"]:
            row = result["rows"][-1]
            place = (0, None) if row["direct"] else (row["touch"], row["breakdown"]["page"])
            cell = (
                {"direct": True}
                if row["direct"]
                else {"touch": row["touch"], "breakdown": row["breakdown"]}
            )
            assert asker.users("attribution", body, cell) == found[place]["users"]
            model = MODELS[len(log.rows) % len(MODELS)]
            credited = asker.users("attribution", body, {**cell, "model": model})
            assert credited == found[place][model][2]


def test_wrong_requests_name_the_field(asker):
    for change, path in (
        ({"touches": []}, "$.touches"),
        ({"models": ["u_shaped"]}, "$.models[0]"),
        ({"models": ["last", "last"]}, "$.models"),
        ({"lookback": {"value": 0}}, "$.lookback.value"),
        ({"lookback": {"value": 367}}, "$.lookback.value"),
        ({"half_life": {"value": 1, "unit": "month"}}, "$.half_life.unit"),
        ({"value": "page"}, "$.value"),
        ({"shared_property": {"touch": "x", "target": "page"}}, "$.shared_property.touch"),
        ({"target": {"filter": {"field": "x", "op": "exists"}}}, "$.target.filter.field"),
    ):
        assert asker.refused("attribution", BODY | change) == ("invalid_request", path)
    for cell, path in (
        ({"touch": 3}, "$.cell.touch"),
        ({"touch": 1, "direct": True}, "$.cell.direct"),
        ({"model": "u_shaped"}, "$.cell.model"),
        ({"other": True}, "$.cell.other"),
        ({"breakdown": {"page": "x"}}, "$.cell.breakdown"),
    ):
        refused = asker.refused("attribution/users", BODY | {"cell": cell})
        assert refused == ("invalid_request", path)
