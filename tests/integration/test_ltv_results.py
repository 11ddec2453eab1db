"""Lifetime value: a table worked out by hand, random logs against the reference."""

from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from query_support import event, id_key, insert, ms
from reference.ltv import ltv
from reference.people import local_day

PAY = {"event": "pay", "field": "properties.price"}


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def at(day, time="12:00:00"):
    return f"2026-10-{day:02}T{time}+08:00"


def pay(user, when, price, **columns):
    return event(user, columns.pop("name", "pay"), when, properties={"price": price}, **columns)


LOG = [
    event("u1", "join", at(1), scene="A"),
    pay("u1", at(1, "11:59:59"), 100),  # before the start event
    pay("u1", at(1, "23:59:59.999"), 10),
    pay("u1", at(2, "00:00:00"), 5),
    pay("u1", at(3), 2, name="refund"),
    event("u1", "join", at(2), scene="B"),
    event("u2", "join", at(1), scene="B"),
    pay("u2", at(4), 40),
    pay("u2", at(5), 1000),  # later than the last column
    event("u3", "join", at(2), scene="A"),
    pay("u3", at(2, "13:00:00"), "6"),  # a text is no number
    event("u4", "join", "2026-09-01T12:00:00+08:00"),
    event("u4", "join", at(2)),
    pay("u4", at(2, "13:00:00"), 7),
]
BODY = {
    "time_range": {"from": "2026-10-01", "to": "2026-10-02"},
    "start": {"event": "join"},
    "measures": [{**PAY, "margin": 0.5}, {"event": "refund", "field": "properties.price", "margin": -0.5}],
    "periods": 3,
}  # fmt: skip


def test_by_hand(database, asker):
    insert(database, LOG)
    insert(database, LOG[:4])
    now_ms = ms(at(4, "00:00:00"))  # the 3rd has ended
    result = asker("ltv", BODY, now_ms)

    assert result["cohorts"] == [
        {
            "cohort": "2026-10-01",
            "size": 2,
            "revenue": [5.0, 7.5, 6.5, None],
            "ltv": [2.5, 3.75, 3.25, None],
            "payers": [1, 1, 1, None],
            "mature": [True, True, True, False],
        },
        {
            "cohort": "2026-10-02",
            "size": 1,
            "revenue": [0.0, 0.0, None, None],
            "ltv": [0.0, 0.0, None, None],
            "payers": [0, 0, None, None],
            "mature": [True, True, False, False],
        },
    ]
    assert result["total"] == {
        "size": 3,
        "revenue": [5.0, 7.5, 6.5, 0.0],
        "sizes": [3, 3, 2, 0],
        "payers": [1, 1, 1, 0],
        "ltv": [5 / 3, 2.5, 3.25, None],
    }
    assert asker("ltv/users", BODY | {"cell": {}}, now_ms)["total"] == result["total"]["size"]
    for n, payers in enumerate(result["total"]["payers"]):
        page = asker("ltv/users", BODY | {"cell": {"period": n}}, now_ms)
        assert page["total"] == len(page["users"]) == payers
    result = asker("ltv", BODY | {"cohort": "first_in_range"})
    assert [row["size"] for row in result["cohorts"]] == [2, 2]
    assert result["cohorts"][0]["revenue"][-1] == 26.5
    assert result["cohorts"][1]["revenue"] == [3.5] * 4

    rows = asker("ltv", BODY | {"breakdown": ["scene"], "breakdown_limit": 1})["cohorts"]
    assert [(r["breakdown"]["scene"], r["other"], r["size"], r["revenue"][3]) for r in rows] == [
        ("A", False, 1, 6.5),
        ("A", False, 1, 0.0),
        (None, True, 1, 20.0),
        (None, True, 0, 0.0),
    ]
    cell = {"cohort": "2026-10-01", "period": 3}
    assert asker.users("ltv", BODY, cell) == {id_key("user_id", "u1"), id_key("user_id", "u2")}
    assert asker.users("ltv", BODY, cell | {"period": 0}) == {id_key("user_id", "u1")}
    body = BODY | {"breakdown": ["scene"], "breakdown_limit": 1}
    cell = {"cohort": "2026-10-01", "other": True}
    assert asker.users("ltv", body, cell) == {id_key("user_id", "u2")}
    weekly = asker("ltv", BODY | {"unit": "week", "periods": 1})
    assert [(r["cohort"], r["size"], r["revenue"]) for r in weekly["cohorts"]] == [
        ("2026-09-28", 3, [26.5, 526.5])  # the 5th is a Monday
    ]


@RANDOM
@given(
    drawn=many(
        events("aab", [h * HOUR_MS for h in (-900, -49, -25, -1, 0, 1, 23, 24, 47, 170)]),
        choice(ZONES),
        choice(["day", "day", "week", "month"]),
        choice(["first", "first_in_range"]),
        choice(range(-3, 2)),
        choice(range(5)),
        choice(["latest", "strict"]),
        choice("ab"),
    )
)  # fmt: skip
def test_random_logs_agree_with_the_definition(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    store(database, logs)
    for log, (_, zone, unit, cohort, start, length, identity, paying) in zip(logs, drawn, strict=True):  # fmt: skip
        first_day = local_day(ZONES[zone], ZoneInfo(zone)) + timedelta(days=start)
        last_day = first_day + timedelta(days=length)
        body = {
            "app_ids": [log.app_id],
            "time_range": {"from": first_day.isoformat(), "to": last_day.isoformat()},
            "timezone": zone,
            "unit": unit,
            "cohort": cohort,
            "periods": 3,
            "identity": identity,
            "start": {"event": "a"},
            "measures": [{"event": paying, "field": "properties.sku", "margin": 0.25}],
        }

        def amount(row, paying=paying):
            sku = row["properties_number"].get("sku")
            return sku * 0.25 if row["event"] == paying and sku is not None else None

        expected = ltv(
            log.rows,
            log.identity,
            first_day=first_day,
            last_day=last_day,
            zone=zone,
            unit=unit,
            periods=3,
            cohort=cohort,
            identity_mode=identity,
            start=lambda e: e["event"] == "a",
            amount=amount,
        )

        result = asker("ltv", body)

        assert [row["cohort"] for row in result["cohorts"]] == list(expected)
        for row in result["cohorts"]:
            of = expected[row["cohort"]]
            assert row["size"] == len(of["users"])
            assert row["revenue"] == of["revenue"]  # quarters add up exactly
            assert row["payers"] == [len(users) for users in of["payers"]]
        cell = {"cohort": row["cohort"], "period": 2}
        assert asker.users("ltv", body, cell) == of["payers"][2]
        paid = set().union(*(of["payers"][2] for of in expected.values()))
        assert asker.users("ltv", body, {"period": 2}) == paid
        by_page = asker("ltv", {**body, "breakdown": ["page"]})
        assert by_page["total"] == result["total"]
        sizes = {line["breakdown"]["page"]: line["size"] for line in by_page["totals"]}
        pages = [event["page"] or None for of in expected.values() for event in of["starts"]]
        assert sizes == Counter(pages)


def test_attributes_of_the_person_may_choose_starts_and_payments(database, asker):
    """They are known only after the person is: not where the events lie, as all else that an event is made of."""
    towns = [("u1", "北京"), ("u2", "上海"), ("u4", "北京")]
    told = [event(user, "user_set", at(1), properties={"city": town}) for user, town in towns]
    insert(database, LOG + told)
    lives_there = {"field": "user.city", "op": "eq", "values": ["北京"]}
    body = BODY | {"cohort": "first_in_range"}
    only_starts = asker("ltv", body | {"start": {"event": "join", "filter": lives_there}})
    only_paying = asker("ltv", body | {"measures": [{**PAY, "filter": lives_there}]})

    assert [line["size"] for line in only_starts["cohorts"]] == [1, 1]
    assert [line["size"] for line in only_paying["cohorts"]] == [2, 2]
    assert [line["payers"][0] for line in only_paying["cohorts"]] == [1, 1]
    assert [line["revenue"][0] for line in only_paying["cohorts"]] == [10, 7]


def test_wrong_requests_name_the_field(asker):
    for change, path in (
        ({"measures": []}, "$.measures"),
        ({"measures": [{"event": "pay"}]}, "$.measures[0].field"),
        ({"measures": [{**PAY, "field": "page"}]}, "$.measures[0].field"),
        ({"measures": [{**PAY, "margin": 2}]}, "$.measures[0].margin"),
        ({"start": {"filter": {"field": "x", "op": "exists"}}}, "$.start.filter.field"),
        ({"unit": "hour"}, "$.unit"),
        ({"periods": 367}, "$.periods"),
        ({"cohort": "every"}, "$.cohort"),
    ):
        assert asker.refused("ltv", BODY | change) == ("invalid_request", path)
    for cell, path in (
        ({"cohort": "2026-10-09"}, "$.cell.cohort"),
        ({"cohort": "2026-10-01", "period": 4}, "$.cell.period"),
        ({"cohort": "2026-10-01", "other": True}, "$.cell.other"),
    ):
        assert asker.refused("ltv/users", BODY | {"cell": cell}) == ("invalid_request", path)
