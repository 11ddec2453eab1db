"""Recall: a campaign worked out by hand, and random send logs and events against the reference."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from many_logs import HOUR_MS, NOW_MS, RANDOM, ZONES, Log, choice, events, many, store
from query_support import APP, PROJECT, bind, event, id_key, insert, ms
from reference.recall import recall
from test_scenes_random import ProjectAsker

from query_api.periods import rfc3339
from query_api.proportions import newcombe

DAY_MS = 24 * HOUR_MS
COLUMNS = ["project", "app_id", "message_id", "campaign", "actor", "arm"]
COLUMNS += ["sent_at", "delivered", "version", "is_deleted"]
SENT = ms("2026-10-05T10:00:00+08:00")
RANGE = {"app_ids": [APP], "time_range": {"from": "2026-10-05", "to": "2026-10-05"}}


@pytest.fixture
def asker(database_url):
    asking = ProjectAsker(database_url)
    yield asking
    asking.close()


def message(
    message_id,
    person,
    arm="treated",
    sent_ms=SENT,
    delivered=None,
    campaign="回访",
    project=PROJECT,
    app_id=APP,
    version=1,
    is_deleted=0,
):
    kind, _, id_ = person.rpartition(":")
    return {
        "project": project,
        "app_id": app_id,
        "message_id": message_id,
        "campaign": campaign,
        "actor": id_key(kind or "user_id", id_, app_id),
        "arm": arm,
        "sent_ms": sent_ms,
        "delivered": delivered,
        "version": version,
        "is_deleted": is_deleted,
    }


def store_messages(database, messages):
    rows = [
        [
            *(one[name] for name in COLUMNS[:6]),
            datetime.fromtimestamp(one["sent_ms"] / 1000, UTC),
            None if one["delivered"] is None else int(one["delivered"]),
            one["version"],
            one["is_deleted"],
        ]
        for one in messages
    ]
    database.insert("messages", rows, column_names=COLUMNS)


@pytest.fixture
def sent(database):
    """Four are sent a message, four are held out."""
    messages = [message(f"t{i}", f"u{i}", delivered=i != 3) for i in range(4)]
    messages += [message(f"h{i}", f"u{i + 4}", "hold_out") for i in range(4)]
    messages += [
        # Sent twice; deleted; imported before with another arm; of another project; out of the range.
        message("t9", "u0", sent_ms=SENT + 60_000),
        message("gone", "u8", is_deleted=1, version=2),
        message("h0", "u4", "treated", version=0),
        message("x", "u8", project="stranger"),
        message("y", "u8", sent_ms=SENT + DAY_MS),
    ]
    store_messages(database, messages)
    scene = {"scene": "1014"}
    insert(
        database,
        [
            event("u0", "app_launch", SENT - 1, **scene),
            event("u0", "app_launch", SENT, **scene),
            event("u0", "order_pay", SENT + 1, properties={"amount": 30}),
            event("u0", "order_pay", SENT + 7 * DAY_MS, properties={"amount": 12.5}),
            event("u0", "order_pay", SENT + 7 * DAY_MS + 1, properties={"amount": 1000}),
            event("openid:o1", "app_show", SENT + HOUR_MS, **scene),
            event("u2", "page_view", SENT + HOUR_MS),
            event("u5", "order_pay", SENT + HOUR_MS),
            event("u8", "order_pay", SENT + HOUR_MS),
        ],
    )
    bind(database, id_key("openid", "o1"), id_key("user_id", "u1"))


@pytest.mark.usefixtures("sent")
def test_a_campaign_worked_out_by_hand(asker):
    whole = asker.whole("recall", {**RANGE, "value": "properties.amount"})
    [row] = whole["result"]["rows"]
    assert row["campaign"] == "回访"
    names = ("sent", "messages", "delivered", "opened", "active", "converted", "conversions")
    assert tuple(row["treated"][name] for name in names) == (4, 5, 3, 2, 3, 1, 2)
    assert tuple(row["hold_out"][name] for name in names) == (4, 0, 0, 0, 1, 1, 1)
    assert row["treated"]["conversion_value"] == 42.5
    assert (row["treated"]["active_rate"], row["hold_out"]["active_rate"]) == (0.75, 0.25)
    interval = newcombe(3, 4, 1, 4)
    assert row["uplift"]["active"] == {
        "treated": 3,
        "treated_of": 4,
        "hold_out": 1,
        "hold_out_of": 4,
        "difference": 0.5,
        "low": pytest.approx(interval.low),
        "high": pytest.approx(interval.high),
        "relative": 2.0,
    }
    assert row["uplift"]["opened"]["relative"] is None
    assert "Newcombe" in whole["semantics"]["interval"]
    assert whole["meta"]["warnings"] == []


@pytest.mark.usefixtures("sent")
def test_windows_that_have_not_ended_and_other_choices(asker):
    early = asker.whole("recall", RANGE, SENT + 7 * DAY_MS)
    assert [warning["code"] for warning in early["meta"]["warnings"]] == ["window_not_ended"]
    assert early["result"]["rows"][0]["treated"]["window_ended"] == 0
    short = asker("recall", {**RANGE, "window": {"value": 30, "unit": "minute"}})
    assert short["rows"][0]["treated"]["active"] == 1
    other = {"field": "page", "op": "eq", "values": ["p"]}
    assert asker("recall", {**RANGE, "filter": other})["rows"][0]["treated"]["active"] == 0
    assert asker("recall", {**RANGE, "campaigns": ["another"]})["rows"] == []


@pytest.mark.usefixtures("sent")
def test_a_segment_holds_in_recall_exchange_and_health(asker, database):
    rule = {"relation": "or", "rules": [{"did": {"event": name}} for name in ("page_view", "go")]}
    stored = [
        PROJECT,
        "seg_1",
        "seen",
        msgspec.json.encode(rule).decode(),
        [APP],
        "Asia/Shanghai",
        1,
    ]
    columns = ["project", "segment_id", "name", "rule", "app_ids", "timezone", "version"]
    database.insert("segments", [stored], column_names=columns)
    insert(
        database,
        [
            event("u7", "go", SENT + HOUR_MS, properties={"to": "wx_p"}),
            event("u0", "app_show", SENT + HOUR_MS, referrer_app_id="wx_p"),
            event("u7", "app_show", SENT + HOUR_MS + 1, referrer_app_id="wx_p"),
        ],
    )
    asked = {**RANGE, "segment": "seg_1"}

    [row] = asker("recall", asked)["rows"]
    assert (row["treated"]["sent"], row["hold_out"]["sent"], row["hold_out"]["active"]) == (1, 1, 1)
    cell = {"campaign": "回访", "arm": "hold_out"}
    assert asker.users("recall", asked, cell) == {id_key("user_id", "u7")}
    out = {"out": {"event": "go"}, "out_field": "properties.to"}
    assert asker("exchange", {**RANGE, **out})["total"]["users_in"] == 2
    total = asker("exchange", {**asked, **out})["total"]
    assert (total["users_in"], total["users_out"], total["users_both"]) == (1, 1, 1)
    [point] = asker("health", asked)["points"]
    visits = next(one for one in point["indicators"] if one["path"] == "users/visits")
    total = asker("sessions", {**asked, "interval": None})["series"][0]["total"]
    assert (visits["value"], total["users"]) == (total["sessions_per_user"], 2)


@pytest.mark.usefixtures("sent")
def test_what_was_not_known_yet_is_not_there(asker):
    then = {**RANGE, "as_of": rfc3339(SENT + 30 * 60_000)}
    [row] = asker("recall", then)["rows"]
    # The first payment came in, the visits of the next hour did not; no window has ended.
    names = ("sent", "opened", "active", "converted", "window_ended")
    assert tuple(row["treated"][name] for name in names) == (4, 1, 1, 1, 0)
    assert row["hold_out"]["active"] == 0


@pytest.mark.usefixtures("sent")
def test_a_breakdown_takes_what_was_known_when_the_message_went_out(asker, database):
    insert(
        database,
        [
            event("u0", "page_view", SENT - 2, page="old"),
            event("u0", "page_view", SENT - 1, page="known"),
            event("u0", "page_view", SENT + 1, page="later"),
            event("u4", "page_view", SENT, page="known"),
            event("u5", "page_view", SENT - DAY_MS, page="rare"),
        ],
    )
    body = {**RANGE, "breakdown": ["page"], "breakdown_limit": 2}
    rows = asker("recall", body)["rows"]
    shown = [(row["breakdown"]["page"], row["other"]) for row in rows]
    assert shown == [(None, False), ("known", False), (None, True)]
    sent = [(row["treated"]["sent"], row["hold_out"]["sent"]) for row in rows]
    assert sent == [(3, 2), (1, 1), (0, 1)]
    # Events after the range count as they do without a breakdown.
    [whole] = asker("recall", RANGE)["rows"]
    assert sum(row["treated"]["conversions"] for row in rows) == whole["treated"]["conversions"] > 1
    cell = {"campaign": "回访", "arm": "hold_out"}
    assert asker.users("recall", body, cell | {"other": True}) == {id_key("user_id", "u5")}
    known = cell | {"breakdown": {"page": "known"}, "arm": "treated"}
    assert asker.users("recall", body, known) == {id_key("user_id", "u0")}
    assert len(asker.users("recall", body, cell)) == 4


@pytest.mark.usefixtures("sent")
def test_an_attribute_breaks_down_who_had_an_event_before_the_message(asker, database):
    insert(
        database,
        [
            event("u0", "user_set", SENT - 2, properties={"city": "上海"}),
            event("u4", "page_view", SENT - 1),
            event("u4", "user_set", SENT + 1, properties={"city": "上海"}),
            event("u5", "user_set", SENT + 1, properties={"city": "上海"}),
        ],
    )
    rows = asker("recall", {**RANGE, "breakdown": ["user.city"]})["rows"]
    shown = {
        row["breakdown"]["user.city"]: (row["treated"]["sent"], row["hold_out"]["sent"])
        for row in rows
    }
    assert shown == {None: (3, 3), "上海": (1, 1)}


@pytest.mark.usefixtures("sent")
def test_rows_of_a_breakdown_add_up_also_where_an_attribute_chooses_events(asker, database):
    insert(
        database,
        [
            event("u0", "user_set", SENT - 2, properties={"city": "上海"}),
            event("u4", "user_set", SENT - 2, properties={"city": "上海"}),
            event("u4", "page_view", SENT + 1, page="later"),
        ],
    )
    body = {**RANGE, "filter": {"field": "user.city", "op": "eq", "values": ["上海"]}}
    [whole] = asker("recall", body)["rows"]
    [unfiltered] = asker("recall", RANGE)["rows"]
    for breakdown in (["page"], ["user.city"], ["user.city", "page"]):
        rows = asker("recall", {**body, "breakdown": breakdown})["rows"]
        for arm in ("treated", "hold_out"):
            for name in ("sent", "active", "conversions"):
                assert sum(row[arm][name] for row in rows) == whole[arm][name]
    actives = [row["treated"]["active"] + row["hold_out"]["active"] for row in (whole, unfiltered)]
    assert 0 < actives[0] < actives[1]


def test_wrong_questions(asker):
    for change, path in (
        ({"breakdown": ["colour"]}, "$.breakdown[0]"),
        ({"identity": "strict"}, "$.identity"),
        ({"window": {"value": 367}}, "$.window.value"),
        ({"value": "page"}, "$.value"),
        (
            {"opened": {"filter": {"field": "x", "op": "eq", "values": [1]}}},
            "$.opened.filter.field",
        ),
        ({"campaigns": []}, "$.campaigns"),
    ):
        assert asker.refused("recall", {**RANGE, **change}) == ("invalid_request", path), change


PEOPLE = ["u0", "u1", "anonymous_id:d0", "anonymous_id:d1", "u9"]
TIMES = [0, 1, HOUR_MS, 26 * HOUR_MS, -HOUR_MS]


def drawn_messages(random):
    return [
        (
            random.choice(PEOPLE),
            random.choice(["treated", "treated", "hold_out"]),
            random.choice(TIMES),
            random.choice([None, True, False]),
            random.choice(["a", "a", "b'\\"]),
        )
        for _ in range(random.randint(1, 14))
    ]


@settings(RANDOM, max_examples=2)
@given(
    cases=many(
        events(["app_show", "view", "order_pay"], [*TIMES, 27 * HOUR_MS, 49 * HOUR_MS]),
        drawn_messages,
        choice([{"value": 1, "unit": "hour"}, {"value": 1, "unit": "day"}]),
        choice(sorted(ZONES)),
        choice([0, 1, 26]),
    )
)
def test_recall_equals_its_definition(database, asker, cases):
    logs = [Log(case[0], ZONES[case[3]]) for case in cases]
    store(database, logs)
    sendings = []
    for log, case in zip(logs, cases, strict=True):
        sendings.append(
            [
                message(
                    f"m{90 - i}",
                    person,
                    arm,
                    ZONES[case[3]] + at,
                    delivered,
                    name,
                    app_id=log.app_id,
                )
                for i, (person, arm, at, delivered, name) in enumerate(case[1])
            ]
        )
    store_messages(database, [one for sending in sendings for one in sending])
    for log, sending, case in zip(logs, sendings, cases, strict=True):
        check(asker, log, sending, case)


def check(asker, log, sending, case):
    _, _, window, zone, hours = case
    base_ms = ZONES[zone]
    from_ms, to_ms = base_ms, base_ms + 26 * HOUR_MS
    bounds = [datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in (from_ms, to_ms)]
    body = {
        "app_ids": [log.app_id],
        "time_range": {"from": bounds[0], "to": bounds[1]},
        "opened": {"event": "app_show"},
        "active": {"filter": {"field": "page", "op": "exists"}},
        "value": "properties.sku",
        "window": window,
    }
    by_page = hours == 1
    if by_page:
        body["breakdown"] = ["page"]
    now_ms = base_ms + hours * HOUR_MS if hours else NOW_MS
    expected = recall(
        sending,
        log.rows,
        log.identity,
        from_ms=from_ms,
        to_ms=to_ms,
        window_ms=window["value"] * {"hour": HOUR_MS, "day": DAY_MS}[window["unit"]],
        now_ms=now_ms,
        opened=lambda row: row["event"] == "app_show",
        active=lambda row: row["page"] != "",
        converted=lambda row: row["event"] == "order_pay",
        value=lambda row: row["properties_number"].get("sku", 0),
        broken_down=(lambda row: row["page"]) if by_page else None,
    )
    rows = {
        (row["campaign"], row["breakdown"]["page"]) if by_page else row["campaign"]: row
        for row in asker("recall", body, now_ms)["rows"]
    }
    assert rows.keys() == expected.keys()
    for campaign, arms in expected.items():
        for name, arm in arms.items():
            for metric, value in vars(arm).items():
                number = len(value) if isinstance(value, set) else value
                assert rows[campaign][name][metric] == pytest.approx(number), (campaign, metric)
    if expected:
        campaign = min(expected, key=str)
        arm = "hold_out" if hours else "treated"
        for metric in ("sent", "opened", "converted", "delivery_unknown")[hours % 2 :: 2]:
            cell = {"campaign": campaign, "arm": arm, "metric": metric}
            if by_page:
                cell |= {"campaign": campaign[0], "breakdown": {"page": campaign[1]}}
            users = {
                int(row["user"])
                for row in asker("recall/users", {**body, "cell": cell}, now_ms)["users"]
            }
            assert users == getattr(expected[campaign][arm], metric)
