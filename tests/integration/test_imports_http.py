"""Codes, costs and send logs over HTTP: who may import and see what, repeating, replacing, deleting, what is refused."""

from datetime import date
from decimal import Decimal

import pytest
from aiohttp.test_utils import TestClient, TestServer
from query_support import ALL, APP, ONE, OTHER_APP, PROJECT, STRANGER, event, id_key, insert, ms

from collector import privacy
from query_api.app import create_app
from query_api.settings import Settings

PATHS = ("/v1/qr-codes", "/v1/costs", "/v1/messages")
CODE = {"code_id": "A1", "app_id": APP, "label": "门口 1", "store": "s1", "city": "上海"}
COST = {"day": "2026-10-01", "app_id": APP, "key": {"utm.source": "baidu"}, "amount": 100.25}
MESSAGE = {
    "message_id": "m1",
    "app_id": APP,
    "campaign": "618",
    "person": {"kind": "openid", "id": "o1"},
    "sent_at": "2026-10-01T10:00:00+08:00",
}


async def call(client, method, path, body=None, headers=ALL, status=200, **query):
    response = await client.request(method, path, json=body, headers=headers, params=query)
    answer = await response.json()
    assert response.status == status, answer
    return answer.get("result", answer)


def wrapped(path, *rows):
    return {"codes" if path == "/v1/qr-codes" else "rows": list(rows)}


ROWS = dict(zip(PATHS, (CODE, COST, MESSAGE), strict=True))


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_touches_the_rows_of_its_apps_only(client, path):
    row = ROWS[path]
    assert await call(client, "POST", path, wrapped(path, row)) == {"stored": 1}
    await call(client, "POST", path, wrapped(path, {**row, "app_id": OTHER_APP}))

    assert (await call(client, "GET", path))["total"] == 2
    assert (await call(client, "GET", path, headers=ONE))["total"] == 1
    assert (await call(client, "GET", path, app_id=OTHER_APP))["total"] == 1
    assert (await call(client, "GET", path, headers=STRANGER))["total"] == 0
    await call(client, "GET", path, headers=STRANGER, app_id=APP, status=403)
    await call(client, "GET", path, headers={}, status=401)
    for headers, app_id in ((ONE, OTHER_APP), (STRANGER, APP), (ALL, "wx9")):
        body = wrapped(path, {**row, "app_id": app_id})
        refused = await call(client, "POST", path, body, headers, 403)
        assert refused["path"].endswith("[0].app_id")
        gone = {"code_id": "A1", "from": "2026-10-01", "to": "2026-10-01", "campaign": "618"}
        names = {"/v1/qr-codes": ("code_id",), "/v1/costs": ("from", "to")}
        chosen = {name: gone[name] for name in names.get(path, ("campaign",))}
        await call(client, "DELETE", path, None, headers, 403, app_id=app_id, **chosen)
    assert (await call(client, "GET", path))["total"] == 2


async def test_codes_are_replaced_paged_and_deleted(client):
    path = "/v1/qr-codes"
    link = {"code_id": "https://shop.example/a?b=店&c=1", "app_id": APP}
    valid = {"valid_from": "2026-10-01", "valid_to": "2026-10-31"}
    await call(client, "POST", path, wrapped(path, CODE, link))
    await call(client, "POST", path, wrapped(path, {**CODE, "store": "s2", **valid}))

    listed = await call(client, "GET", path)
    assert (listed["total"], [code["code_id"] for code in listed["codes"]]) == (
        2,
        ["A1", link["code_id"]],
    )
    assert listed["codes"][0] == {
        **CODE,
        "store": "s2",
        "placement": "",
        "valid_from": "2026-09-30T16:00:00.000Z",
        "valid_to": "2026-10-31T16:00:00.000Z",
    }
    page = await call(client, "GET", path, limit="1", offset="1")
    assert [code["code_id"] for code in page["codes"]] == [link["code_id"]]
    past = await call(client, "GET", path, limit="1", offset="2")
    assert (past["total"], past["codes"]) == (2, [])
    gone = {"app_id": APP, "code_id": link["code_id"]}
    assert await call(client, "DELETE", path, **gone) == {"deleted": 1}
    await call(client, "DELETE", path, None, ALL, 404, **gone)
    assert (await call(client, "GET", path))["total"] == 1
    await call(client, "POST", path, wrapped(path, link))
    assert (await call(client, "GET", path))["total"] == 2


async def test_costs_and_messages_imported_again_count_once(client):
    more = {**COST, "key": {"scene": "1011", "platform": "wechat"}, "amount": 7, "clicks": 3}
    for _ in range(2):
        await call(client, "POST", "/v1/costs", wrapped("/v1/costs", COST, more))
        await call(client, "POST", "/v1/messages", wrapped("/v1/messages", MESSAGE))
    await call(client, "POST", "/v1/costs", wrapped("/v1/costs", {**COST, "amount": 80}))
    held = {**MESSAGE, "message_id": "m2", "arm": "hold_out", "delivered": None}
    await call(client, "POST", "/v1/messages", wrapped("/v1/messages", held))

    rows = (await call(client, "GET", "/v1/costs"))["rows"]
    assert sorted((row["amount"], row["currency"], row["clicks"]) for row in rows) == [
        (7.0, "CNY", 3),
        (80.0, "CNY", 0),
    ]
    for path, listed, total in (("/v1/costs", "rows", 2), ("/v1/messages", "campaigns", 1)):
        past = await call(client, "GET", path, offset="5")
        assert (past["total"], past[listed]) == (total, [])

    [campaign] = (await call(client, "GET", "/v1/messages"))["campaigns"]
    assert (campaign["treated"], campaign["hold_out"]) == (1, 1)
    days = {"app_id": APP, "from": "2026-10-01", "to": "2026-10-02"}
    assert await call(client, "DELETE", "/v1/costs", **days) == {"deleted": 2}
    assert await call(client, "DELETE", "/v1/costs", **days) == {"deleted": 0}
    gone = {"app_id": APP, "campaign": "618"}
    assert await call(client, "DELETE", "/v1/messages", **gone) == {"deleted": 2}
    await call(client, "DELETE", "/v1/messages", None, ALL, 404, **gone)


async def test_the_log_keeps_no_ids_and_is_handed_out_with_its_person(client, database):
    insert(database, [event("openid:o1", "app_show", "2026-10-01T10:00:00+08:00")])
    await call(client, "POST", "/v1/messages", wrapped("/v1/messages", MESSAGE))
    columns = database.query("SELECT * FROM messages")
    row = dict(zip(columns.column_names, columns.result_rows[0], strict=True))
    assert row["actor"] == id_key("openid", "o1")
    assert "o1" not in map(str, row.values())
    person = privacy.find(database, PROJECT, "openid:o1", [APP])
    handed_out = list(privacy.export(database, person, "openid:o1"))
    assert [one["campaign"] for one in handed_out if one["table"] == "messages"] == ["618"]


WRONG = [
    ("/v1/qr-codes", {"code_id": ""}, "$.codes[0].code_id"),
    ("/v1/qr-codes", {"shop": "x"}, "$.codes[0].shop"),
    ("/v1/qr-codes", {"valid_from": "soon"}, "$.codes[0].valid_from"),
    (
        "/v1/qr-codes",
        {"valid_from": "2026-10-02", "valid_to": "2026-10-01"},
        "$.codes[0].valid_to",
    ),
    ("/v1/costs", {"day": "2026-02-30"}, "$.rows[0].day"),
    ("/v1/costs", {"day": "1999-02-03"}, "$.rows[0].day"),
    ("/v1/costs", {"amount": -1}, "$.rows[0].amount"),
    ("/v1/costs", {"amount": 0.00001}, "$.rows[0].amount"),
    ("/v1/costs", {"currency": "yuan"}, "$.rows[0].currency"),
    ("/v1/costs", {"key": {}}, "$.rows[0].key"),
    ("/v1/costs", {"key": {"scene": "1011"}}, "$.rows[0].key"),
    ("/v1/costs", {"key": {"colour": "red"}}, "$.rows[0].key"),
    ("/v1/messages", {"sent_at": "2026-10-01"}, "$.rows[0].sent_at"),
    ("/v1/messages", {"sent_at": "2026-10-01 25:00:00"}, "$.rows[0].sent_at"),
    ("/v1/messages", {"arm": "control"}, "$.rows[0].arm"),
    ("/v1/messages", {"person": {"kind": "phone", "id": "1"}}, "$.rows[0].person.kind"),
]


async def test_wrong_rows_are_refused_with_their_path_and_nothing_is_stored(client):
    for path, change, where in WRONG:
        body = wrapped(path, {**ROWS[path], **change})
        refused = await call(client, "POST", path, body, status=400)
        assert refused["path"] == where, (path, change, refused)
    for path in PATHS:
        refused = await call(
            client, "POST", path, wrapped(path, ROWS[path], ROWS[path]), status=400
        )
        assert refused["path"].endswith("[1]")
        await call(client, "POST", path, {}, status=400)
        assert (await call(client, "GET", path))["total"] == 0
    for query in ({"limit": "0"}, {"limit": "x"}, {"colour": "red"}):
        refused = await call(client, "GET", "/v1/costs", status=400, **query)
        assert refused["path"] == f"$.{next(iter(query))}"


async def test_without_an_editor_nothing_can_be_imported(database_url, access_file):
    settings = Settings(clickhouse_reader_url=database_url, access_file=access_file)
    async with TestClient(TestServer(create_app(settings))) as client:
        for path in PATHS:
            body = wrapped(path, ROWS[path])
            refused = await call(client, "POST", path, body, status=503)
            assert "SCENETRAIL_CLICKHOUSE_EDITOR_URL" in refused["message"]
            assert (await call(client, "GET", path))["total"] == 0


async def test_costs_stand_beside_what_they_brought(client, database):
    at = "2026-10-01T10:00:00+08:00"
    insert(
        database,
        [
            *(event(f"u{i}", "app_launch", at, utm_source="baidu", scene="1011") for i in (1, 2)),
            event("u1", "pay", "2026-10-01T11:00:00+08:00", properties={"amount": 300}),
            event("u3", "app_launch", at, page_query="scene=A1"),
            event("u4", "app_launch", at, app_id="wx9", utm_source="baidu"),
        ],
    )
    nobody = {**COST, "key": {"utm.source": "tv"}, "amount": 5, "clicks": 10, "impressions": 100}
    costs = [
        COST,
        {**COST, "day": "2026-10-02", "amount": 49.75},
        {**COST, "day": "2026-09-30"},
        nobody,
        {**COST, "key": {"utm.source": "baidu", "utm.campaign": "c"}},
        {**COST, "key": {"scene": "1011", "platform": "wechat"}, "amount": 1},
        {**COST, "key": {"scene": "0", "platform": "wechat"}, "amount": 2},
        {**COST, "key": {"qr_code": "A1"}, "amount": 3},
        {**COST, "key": {"qr_code": "Z9"}, "amount": 4},
    ]
    await call(client, "POST", "/v1/costs", wrapped("/v1/costs", *costs))
    await call(client, "POST", "/v1/qr-codes", wrapped("/v1/qr-codes", CODE))
    gone = {**COST, "app_id": OTHER_APP, "key": {"utm.source": "gone"}}
    await call(client, "POST", "/v1/costs", wrapped("/v1/costs", gone))
    days = {"app_id": OTHER_APP, "from": "2026-10-01", "to": "2026-10-01"}
    assert await call(client, "DELETE", "/v1/costs", **days) == {"deleted": 1}
    columns = ["project", "app_id", "day", "key_fields", "key_values", "amount", "currency"]
    stray = ["a stranger", APP, date(2026, 10, 1), ["utm.source"], ["baidu"], Decimal(9), "CNY"]
    database.insert("costs", [stray], column_names=columns)
    theirs = {**COST, "app_id": "wx9", "amount": 1000}
    await call(client, "POST", "/v1/costs", wrapped("/v1/costs", theirs), STRANGER)

    async def rows(by, headers=ALL, **body):
        asked = {
            "time_range": {"from": "2026-10-01", "to": "2026-10-02"},
            "by": by,
            "conversion": {"event": "pay"},
            "value": "properties.amount",
            **body,
        }
        return await call(client, "POST", "/v1/query/scenes", asked, headers)

    answer = await rows("utm.source")
    found = {row["utm.source"]: row for row in answer["rows"]}
    baidu = found["baidu"]
    assert (baidu["cost"], baidu["currency"], baidu["users"], baidu["converters"]) == (
        150,
        "CNY",
        2,
        1,
    )
    assert (baidu["cost_per_new_user"], baidu["cost_per_conversion"]) == (75, 150)
    assert (baidu["roi"], baidu["return_on_ad_spend"], baidu["conversion_rate"]) == (1, 2, 0.5)
    assert set(found) == {"baidu", "tv", None}
    tv = found["tv"]
    assert (tv["launches"], tv["users"], tv["cost"], tv["roi"]) == (0, 0, 5, -1)
    assert (tv["cost_per_click"], tv["click_through_rate"]) == (0.5, 0.1)
    assert tv["cost_per_new_user"] is None
    assert found[None]["cost"] is None
    assert answer["total"]["cost"] == 155
    stranger = await rows("utm.source", STRANGER)
    assert [row["cost"] for row in stranger["rows"]] == [1000]

    both = await rows("utm.source", breakdown=["utm.campaign"])
    [row] = [row for row in both["rows"] if row["cost"] is not None]
    assert (row["breakdown"], row["launches"]) == ({"utm.campaign": "c"}, 0)
    groups = {row["scene_group"]: row["cost"] for row in (await rows("group"))["rows"]}
    assert groups == {"扫码": 1, "unknown": 2, "": None}
    codes = {row["qr_code"]: row for row in (await rows("qr_code"))["rows"]}
    assert (codes["A1"]["cost"], codes["A1"]["label"]) == (3, "门口 1")
    assert (codes["Z9"]["cost"], codes["Z9"]["qr_status"]) == (4, "unknown")
    stores = {
        (row["store"], row["qr_status"]): row["cost"] for row in (await rows("store"))["rows"]
    }
    assert stores == {("s1", "registered"): 3, (None, "none"): None, (None, "unknown"): 4}

    await call(client, "POST", "/v1/costs", wrapped("/v1/costs", {**COST, "currency": "USD"}))
    response = await client.post(
        "/v1/query/scenes",
        json={"time_range": {"from": "2026-10-01", "to": "2026-10-02"}, "by": "utm.source"},
        headers=ALL,
    )
    mixed = await response.json()
    [row] = [row for row in mixed["result"]["rows"] if row["utm.source"] == "baidu"]
    assert (row["cost"], row["conversions"], row["conversion_value"]) == (None, None, None)
    assert row["costs"] == [
        {"currency": "CNY", "amount": 49.75},
        {"currency": "USD", "amount": 100.25},
    ]
    assert [warning["code"] for warning in mixed["meta"]["warnings"]] == ["several_currencies"]
    as_csv = await client.post(
        "/v1/query/scenes",
        json={"time_range": {"from": "2026-10-01", "to": "2026-10-02"}, "by": "utm.source"},
        headers={**ALL, "Accept": "text/csv"},
    )
    lines = (await as_csv.text()).splitlines()
    assert {"utm.source", "launches", "cost", "roi"} <= set(lines[0].split(","))
    assert len(lines) == 4


async def test_a_code_holds_from_its_first_day_to_the_end_of_its_last(client, database):
    end = ms("2026-10-03T00:00:00+08:00")
    ends = {"before": ms("2026-10-01T00:00:00+08:00") - 1, "after": end}
    inside = {"first": ends["before"] + 1, "last": end - 1}
    insert(
        database,
        [
            event(name, "app_show", at, page_query="scene=A%31")
            for name, at in (ends | inside).items()
        ],
    )
    dated = {**CODE, "valid_from": "2026-10-01", "valid_to": "2026-10-02"}
    await call(client, "POST", "/v1/qr-codes", wrapped("/v1/qr-codes", dated))
    asked = {"time_range": {"from": "2026-09-30", "to": "2026-10-03"}, "by": "city"}

    rows = (await call(client, "POST", "/v1/query/scenes", asked))["rows"]
    assert [(row["city"], row["qr_status"], row["users"]) for row in rows] == [
        (None, "outside_validity", 2),
        ("上海", "registered", 2),
    ]
    cell = {"row": {"city": "上海", "qr_status": "registered"}}
    page = await call(client, "POST", "/v1/query/scenes/users", {**asked, "cell": cell})
    assert {int(row["user"]) for row in page["users"]} == {id_key("user_id", n) for n in inside}


async def test_wrong_questions_about_channels(client):
    asked = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
    store = {"row": {"store": "s1", "qr_status": "registered"}}
    for change, part, path in (
        ({"by": "colour"}, "", "$.by"),
        ({"value": "properties.a"}, "", "$.value"),
        ({"conversion": {"event": "pay"}, "value": "page"}, "", "$.value"),
        ({"cell": {"metric": "converters"}}, "/users", "$.conversion"),
        ({"by": "store", "cell": {"row": {"store": "s1"}}}, "/users", "$.cell.row"),
        ({"by": "city", "cell": store}, "/users", "$.cell.row"),
        (
            {"by": "store", "cell": {"row": {**store["row"], "store": 1}}},
            "/users",
            "$.cell.row.store",
        ),
        ({"by": "page", "cell": {"scene": "1", "platform": "wechat"}}, "/users", "$.cell.scene"),
        ({"by": "page", "cell": {"breakdown": {}}}, "/users", "$.cell.breakdown"),
        (
            {"cell": {**(one := {"platform": "wechat", "scene": "1"}), "row": one}},
            "/users",
            "$.cell.row",
        ),
    ):
        body = {**asked, **change}
        refused = await call(client, "POST", f"/v1/query/scenes{part}", body, status=400)
        assert refused["path"] == path, (change, refused)


async def test_the_openapi_document_describes_the_imports(client):
    document = await (await client.get("/openapi.json")).json()
    for path in PATHS:
        described = document["paths"][path]
        assert set(described) == {"get", "post", "delete"}
        names = {parameter["name"] for parameter in described["delete"]["parameters"]}
        assert "app_id" in names
    assert document["components"]["schemas"]["QrCode"]["additionalProperties"] is False
