"""Stored rules: over HTTP, in reports, nested, as snapshots; who may see them."""

import pyarrow as pa
import pytest
from query_support import ALL, APP, ONE, PROJECT, STRANGER, bind, event, id_key, insert, ms

from query_api.clickhouse import Database
from query_api.editor import Editor
from query_api.segment_refresh import refresh_due
from query_api.settings import Settings

RANGE = {"time_range": {"from": "2025-10-01", "to": "2025-10-31"}}
USERS = {**RANGE, "measures": [{"aggregate": "users"}]}


def at(day):
    return f"2025-10-{day:02}T12:00:00+08:00"


U1, U2, U3 = (id_key("user_id", f"u{i}") for i in (1, 2, 3))


@pytest.fixture
def client(client, database):
    insert(
        database,
        [
            event("u1", "open", at(1)),
            event("u1", "pay", at(2), properties={"price": 10}),
            event("u2", "open", at(3)),
            event("u2", "pay", at(20), properties={"price": 99}),
            event("u3", "open", at(4)),
            event("u3", "open", at(5), app_id="wx0002"),
        ],
    )
    return client


async def call(client, method, path, body=None, headers=ALL, status=200):
    response = await client.request(method, path, json=body, headers=headers)
    answer = await response.json()
    assert response.status == status, answer
    return answer.get("result", answer)


async def make(client, name, rule, headers=ALL, **body):
    body = {"name": name, "rule": rule, **body}
    made = await call(client, "POST", "/v1/segments", body, headers, 201)
    return made["segment"]["segment_id"]


async def counted(client, segment, headers=ALL, **body):
    result = await call(
        client, "POST", "/v1/query/events", {**USERS, "segment": segment, **body}, headers
    )
    return result["series"][0]["total"]["A"]


async def listed(client, segment, headers=ALL, **body):
    result = await call(
        client, "POST", "/v1/query/users", {**RANGE, "segment": segment, **body}, headers
    )
    return {int(row["user"]) for row in result["users"]}


PAY = {"event": "pay"}


async def test_a_stored_rule_restricts_every_report(client):
    payers = await make(client, "payers", {"did": PAY})

    assert await counted(client, payers) == 2
    assert await listed(client, payers) == {U1, U2}
    # The rule is asked at the end of the range.
    early = {"time_range": {"from": "2025-10-01", "to": "2025-10-10"}}
    assert await counted(client, payers, **early) == 1
    body = {**RANGE, "segment": payers, "initial": {"event": "open"}, "returning": PAY}
    cohorts = (await call(client, "POST", "/v1/query/retention", body))["cohorts"]
    assert sum(cohort["size"] for cohort in cohorts) == 2
    body = {**RANGE, "segment": payers, "steps": [{"event": "open"}, PAY], "window": {"value": 2}}
    steps = (await call(client, "POST", "/v1/query/funnel", body))["steps"]
    assert [step["users"] for step in steps] == [2, 1]
    for report in ("sessions", "scenes", "lifecycle", "stickiness", "distribution"):
        await call(client, "POST", f"/v1/query/{report}", {**RANGE, "segment": payers})


async def test_segments_combine_and_are_described(client):
    payers = await make(client, "payers", {"did": PAY})
    others = await make(client, "others", {"segment": payers, "not": True})
    rule = {
        "relation": "or",
        "rules": [
            {"segment": others},
            {"did": {**PAY, "sum": {"field": "properties.price", "at_least": 50}}},
        ],
    }
    both = await make(client, "both", rule)

    assert await listed(client, others) == {U3}
    assert await listed(client, both) == {U2, U3}
    described = (await call(client, "GET", f"/v1/segments/{both}"))["segment"]
    assert (described["name"], described["users"]) == ("both", 2)
    assert set(map(int, described["sample"])) == {U2, U3}
    names = (await call(client, "GET", "/v1/segments"))["segments"]
    assert [one["name"] for one in names] == ["payers", "others", "both"]

    await call(client, "DELETE", f"/v1/segments/{payers}")
    await call(client, "GET", f"/v1/segments/{payers}", status=404)
    answer = await call(
        client, "POST", "/v1/query/events", {**USERS, "segment": others}, status=404
    )
    assert answer["path"].startswith("$.segment")
    within = {"from": "2025-11-01", "to": "2025-11-30"}
    november = {"sequence": {"steps": [{"event": "open"}, PAY], "within": within}}
    assert await listed(client, await make(client, "not yet", november)) == set()


async def test_a_statement_reads_the_persons_of_a_segment_whatever_apps_it_asks_for(
    client, database
):
    """The filters that keep a statement to its apps must not keep rules and snapshots from their rows."""
    insert(database, [event("u1", "open", at(6), app_id="wx0002")])
    payers = await make(client, "payers", {"did": PAY}, app_ids=[APP])
    await call(
        client, "POST", f"/v1/segments/{payers}/snapshots", {"date": "2025-10-10"}, status=201
    )
    counts = "SELECT count() AS events, uniqExact(user) AS users FROM events"

    for segment in (payers, f"{payers}@2025-10-10"):
        for apps in ([APP], ["wx0002"], [APP, "wx0002"]):
            body = {**RANGE, "segment": segment, "app_ids": apps}
            measures = [{"as": "events"}, {"as": "users", "aggregate": "users"}]
            asked = {**body, "measures": measures, "interval": None}
            [line] = (await call(client, "POST", "/v1/query/events", asked))["series"]
            [row] = (await call(client, "POST", "/v1/query/sql", {**body, "sql": counts}))["rows"]
            assert row == line["total"], (segment, apps)
            assert row["users"] > 0, (segment, apps)


async def test_a_snapshot_stays_and_follows_persons_that_merge(client, database):
    payers = await make(client, "payers", {"did": PAY})
    path = f"/v1/segments/{payers}/snapshots"
    taken = (await call(client, "POST", path, {"date": "2025-10-10"}, status=201))["snapshot"]
    assert (taken["date"], taken["users"]) == ("2025-10-10", 1)
    later = (await call(client, "POST", path, {}, status=201))["snapshot"]
    assert later["users"] == 2

    assert await listed(client, f"{payers}@2025-10-10") == {U1}
    insert(database, [event("u1", "user_set", at(28)), event("unionid:n1", "open", at(28))])
    bind(database, U1, U3)
    assert await listed(client, f"{payers}@2025-10-10") == {U3}
    assert await counted(client, f"{payers}@2025-10-10") == 1
    described = (await call(client, "GET", f"/v1/segments/{payers}"))["segment"]
    assert [one["users"] for one in described["snapshots"]] == [1, 2]
    await call(client, "POST", path, {"date": "2099-01-01"}, status=400)
    answer = await call(
        client, "POST", "/v1/query/events", {**USERS, "segment": f"{payers}@2025-10-11"}, status=404
    )
    assert answer["path"].startswith("$.segment")


async def test_who_may_see_a_segment(client):
    whole = await make(client, "whole project", {"did": PAY})
    own = await make(client, "one app", {"did": {"event": "open"}}, ONE)

    names = (await call(client, "GET", "/v1/segments", headers=ONE))["segments"]
    assert [one["name"] for one in names] == ["one app"]
    assert (await call(client, "GET", "/v1/segments", headers=STRANGER))["segments"] == []
    for headers in (ONE, STRANGER):
        await call(client, "GET", f"/v1/segments/{whole}", headers=headers, status=404)
        await call(client, "DELETE", f"/v1/segments/{whole}", headers=headers, status=404)
        await call(
            client, "POST", "/v1/query/events", {**USERS, "segment": whole}, headers, status=404
        )
    assert await counted(client, own, ONE) == 3
    body = {"name": "x", "rule": {"did": PAY}, "app_ids": ["wx0002"]}
    await call(client, "POST", "/v1/segments", body, ONE, 403)


async def test_wrong_rules_are_refused_when_they_are_stored(client):
    did = {"did": PAY}
    for rule, path in (
        ({}, "$.rule"),
        ({**did, "segment": "seg_x"}, "$.rule"),
        ({**did, "relation": "or"}, "$.rule.relation"),
        ({"segment": "seg_x"}, "$.rule.segment"),
        ({"did": {"filter": {"field": "nonsense", "op": "exists"}}}, "$.rule.did.filter.field"),
        ({"did": {**PAY, "within": {"last": 3, "to": "2025-01-01"}}}, "$.rule.did.within"),
        ({"rules": [did, {"rules": []}]}, "$.rule.rules[1].rules"),
    ):
        status = 404 if path.endswith("segment") else 400
        body = {"name": "wrong", "rule": rule}
        answer = await call(client, "POST", "/v1/segments", body, status=status)
        assert answer["path"] == path, answer
    segment = await make(client, "payers", did)
    answer = await call(
        client,
        "POST",
        "/v1/query/events",
        {**USERS, "segment": segment, "identity": "strict"},
        status=400,
    )
    assert answer["path"].startswith("$.segment")
    document = await (await client.get("/openapi.json")).json()
    assert {"get", "post"} <= set(document["paths"]["/v1/segments"])
    assert "Rule" in document["components"]["schemas"]


async def test_segments_are_compared_with_one_another_and_with_everyone(client):
    payers = await make(client, "payers", {"did": PAY})
    late = await make(client, "late", {"did": {**PAY, "within": {"last": 15}}})
    body = {**RANGE, "segments": [payers, late], "breakdown": ["user.city"]}
    body["filter"] = {"field": "event", "op": "eq", "values": ["open"]}

    result = await call(client, "POST", "/v1/query/segments", body)
    assert result["everyone"] == 3
    assert [one["users"] for one in result["segments"]] == [2, 1]
    [overlap] = result["overlaps"]
    assert (overlap["users"], overlap["either"], overlap["similarity"]) == (1, 2, 0.5)
    assert [row["everyone"] for row in result["rows"]] == [3]

    by_app = await call(
        client,
        "POST",
        "/v1/query/segments",
        {**RANGE, "segments": [payers], "breakdown": ["event_id"]},
    )
    for row in by_app["rows"]:
        [part] = row["segments"]
        assert part["index"] == (150 if part["users"] else 0)
    cell = {"within": [payers], "outside": [late]}
    result = await call(client, "POST", "/v1/query/segments/users", {**body, "cell": cell})
    assert [int(row["user"]) for row in result["users"]] == [U1]
    cell = {"within": ["seg_x"]}
    answer = await call(
        client, "POST", "/v1/query/segments/users", {**body, "cell": cell}, status=400
    )
    assert answer["path"] == "$.cell.within[0]"


BROKEN = {"openid": "o8", "unionid": "undefined", "user_id": "null"}
"""Of a client that sends words for the ids that it has not."""


async def test_members_are_exported_for_a_channel_without_those_who_opted_out(client, database):
    insert(
        database,
        [
            event("openid:o7", "open", at(6)),
            event("", "open", at(6), **BROKEN, actor=id_key("openid", "o8")),
            event("u4", "open", at(6), openid="o4", unionid="n4"),
            event("u4", "user_set", at(7), app_id="wx0002", properties={"opt_out": ["openid"]}),
            event("u1", "user_set", at(7), properties={"phone_hash": "h1", "opt_out": False}),
            event("u2", "user_set", at(7), properties={"opt_out": "all"}),
        ],
    )
    u4, o4, n4 = id_key("user_id", "u4"), id_key("openid", "o4"), id_key("unionid", "n4")
    bind(database, o4, u4)
    bind(database, n4, u4)
    database.insert(
        "identity_bindings",
        [
            [o4, u4, PROJECT, "openid", APP, "o4", APP],
            [n4, u4, PROJECT, "unionid", "", "n4", APP],
        ],
        column_names=["id_key", "other_key", "project", "kind", "app_id", "id", "event_app_id"],
    )
    everybody = await make(client, "all", {"did": {"event": "open"}}, app_ids=[APP])
    path = f"/v1/segments/{everybody}/export"

    async def exported(**query):
        answer = await (await client.get(path, params=query, headers=ALL)).json()
        result = answer["result"]
        ids = sorted(v for row in result["users"] for k, v in row.items() if k != "user")
        return ids, result["opted_out"], result["without_id"]

    assert await exported(channel="openid", app_id=APP) == (["o7", "o8"], 2, 2)
    assert await exported(channel="unionid") == (["n4"], 1, 4)
    assert await exported(channel="user_id") == (["u1", "u3", "u4"], 1, 2)
    assert await exported(channel="attribute", attribute="phone_hash") == (["h1"], 1, 4)
    # A person refuses a channel by its name, and that of its attribute, however written.
    for no in ("phone_hash", ["sms", "Phone_Hash"], ["ALL"], "Attribute"):
        said = event("u1", "user_set", at(8), properties={"opt_out": no})
        insert(database, [said])
        assert await exported(channel="attribute", attribute="phone_hash") == ([], 2, 4), no
    back = event("u1", "user_unset", at(9), properties={"opt_out": True})
    insert(database, [back])
    assert await exported(channel="attribute", attribute="phone_hash") == (["h1"], 1, 4)
    assert await exported(channel="user_id", opt_out="nothing") == (["u1", "u2", "u3", "u4"], 0, 2)

    csv = await client.get(
        path, params={"channel": "user_id", "limit": "3"}, headers=ALL | {"Accept": "text/csv"}
    )
    lines = (await csv.text()).splitlines()
    assert lines[0] == "user,user_id"
    rest = {"channel": "user_id", "after": csv.headers["X-Next-After"]}
    more = await (await client.get(path, params=rest, headers=ALL)).json()
    assert len(lines) - 1 + len(more["result"]["users"]) == 3
    arrow = {"Accept": "application/vnd.apache.arrow.stream"}
    table = await client.get(path, params={"channel": "user_id"}, headers=ALL | arrow)
    assert pa.ipc.open_stream(await table.read()).read_all().num_rows == 3

    for query, status, field in (
        ({"channel": "sms"}, 400, "$.channel"),
        ({"channel": "openid"}, 400, "$.app_id"),
        ({"channel": "openid", "app_id": "wx9"}, 403, "$.app_id"),
        ({"channel": "user_id", "after": "-1"}, 400, "$.after"),
        ({"channel": "user_id", "snapshot": "2020-01-01"}, 404, "$.snapshot"),
    ):
        response = await client.get(path, params=query, headers=ALL)
        assert (response.status, (await response.json())["path"]) == (status, field)


async def test_segments_are_refreshed_once_a_day_in_their_zone(client, database_url):
    rule = {"did": {"event": "open"}}
    daily = await make(client, "daily", rule, refresh="daily")
    await make(client, "never", rule)
    settings = Settings(clickhouse_reader_url=database_url, clickhouse_editor_url=database_url)
    database, editor = Database(settings), Editor(settings)
    apps = {PROJECT: [APP, "wx0002"], "stranger": ["wx9"]}

    def noon(day):
        return ms(f"2026-11-{day}T23:30:00+08:00")

    [taken] = await refresh_due(database, editor, apps, noon("02"))
    assert (taken["segment_id"], taken["date"], taken["users"]) == (daily, "2026-11-01", 3)
    assert await refresh_due(database, editor, apps, noon("02") + 60_000) == []
    [taken] = await refresh_due(database, editor, apps, noon("02") + 3_600_000)
    assert taken["date"] == "2026-11-02"
    described = await call(client, "GET", f"/v1/segments/{daily}")
    assert [one["date"] for one in described["segment"]["snapshots"]] == [
        "2026-11-01",
        "2026-11-02",
    ]
    await editor.close()
    await database.close()


REPORTS = {
    "share": {"by": ["page"]},
    "paths": {"start": {"event": "app_show"}},
    "ltv": {
        "start": {"event": "app_show"},
        "measures": [{"event": "order_pay", "field": "properties.amount"}],
        "periods": 3,
    },
    "attribution": {"target": {"event": "order_pay"}, "touches": [{"event": "app_show"}]},
    "funnel": {"steps": [{"event": "app_show"}, {"event": "order_pay"}]},
    "sql": {"sql": "SELECT event, count() AS events FROM events GROUP BY event ORDER BY event"},
    "scenes": {},
    "sessions": {},
    "summary": {},
}


@pytest.mark.parametrize("report", REPORTS)
async def test_a_segment_restricts_a_report_to_what_its_persons_did(client, database, report):
    def life(user, app_id, share_id):
        rest = {"app_id": app_id, "platform": "wechat"}
        return [
            event(user, "app_show", at(8), scene="1044", share_id="s-u2", page="a", **rest),
            event(user, "share", at(8), page="a", properties={"share_id": share_id}, **rest),
            event(user, "app_show", at(9), page="b", **rest),
            event(user, "order_pay", at(10), page="c", properties={"amount": 7}, **rest),
        ]

    # What u5 did stands alone in the second app.
    both = [*life("u5", APP, "s-u5"), *life("u6", APP, "s-u2"), *life("u5", "wx0002", "s-u5")]
    insert(database, both)
    only = await make(
        client,
        "u5",
        {
            "did": {
                "event": "share",
                "filter": {"field": "properties.share_id", "op": "eq", "values": ["s-u5"]},
            }
        },
        app_ids=[APP],
    )
    body = {**RANGE, **REPORTS[report]}
    shown = await call(
        client, "POST", f"/v1/query/{report}", {**body, "app_ids": [APP], "segment": only}
    )
    alone = await call(
        client,
        "POST",
        f"/v1/query/{report}",
        {
            **body,
            "app_ids": ["wx0002"],
            "filter": {"field": "event", "op": "ne", "values": ["open"]},
        },
    )

    assert shown == alone
