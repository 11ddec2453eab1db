"""The query API over HTTP: tokens, errors, forms of an answer, health."""

import asyncio
import io

import msgspec
import pyarrow as pa
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Response, TCPSite
from query_support import APP, ENDLESS, PROJECT, event, insert

from query_api.app import answer_errors, create_app
from query_api.handlers import metrics
from query_api.reports import REPORTS
from query_api.server import Runner
from query_api.settings import Settings
from sdk_spec.access import AccessFile, App, ReadToken, digest, save
from tests.conftest import free_port

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
COUNT = {
    **RANGE,
    "measures": [{"event": "pay", "aggregate": "count"}, {"event": "pay", "aggregate": "users"}],
}


def as_token(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


ALL, ONE, OTHER = as_token("rt_all"), as_token("rt_one"), as_token("rt_other")


@pytest.fixture
def access_file(tmp_path):
    path = tmp_path / "access.json"
    save(
        path,
        AccessFile(
            apps=(App(APP, PROJECT), App("wx0002", PROJECT), App("wx0003", "stranger")),
            read_tokens=(
                ReadToken("t1", PROJECT, digest("rt_all")),
                ReadToken("t2", PROJECT, digest("rt_one"), (APP,)),
                ReadToken("t3", "stranger", digest("rt_other")),
                ReadToken("t4", PROJECT, digest("rt_old"), revoked_at=1),
            ),
        ),
    )
    return path


@pytest.fixture
async def client(database_url, access_file):
    settings = Settings(
        clickhouse_reader_url=database_url, access_file=access_file, schema_cache_s=0
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        yield client


@pytest.fixture
def logged(database):
    insert(
        database,
        [
            event(
                "u1",
                "pay",
                "2026-10-01T10:00:00+08:00",
                scene="1001",
                properties={"price": 1, "tags": ["a"]},
            ),
            event("u2", "pay", "2026-10-02T10:00:00+08:00", properties={"price": "free"}),
            event("u2", "pay", "2026-10-02T10:00:00+08:00", app_id="wx0002"),
            event("u9", "pay", "2026-10-02T10:00:00+08:00", app_id="wx0003", project="stranger"),
        ],
    )


async def counted(client, headers, **body):
    response = await client.post("/v1/query/events", json={**COUNT, **body}, headers=headers)
    assert response.status == 200, await response.text()
    return (await response.json())["result"]["series"][0]["total"]


@pytest.mark.usefixtures("logged")
async def test_a_token_sees_only_its_apps(client):
    assert await counted(client, ALL) == {"A": 3, "B": 2}
    assert await counted(client, ONE) == {"A": 2, "B": 2}
    assert await counted(client, OTHER) == {"A": 1, "B": 1}
    assert await counted(client, ALL, app_ids=["wx0002"]) == {"A": 1, "B": 1}

    for headers, app_id in ((ONE, "wx0002"), (ALL, "wx0003"), (OTHER, APP), (ALL, "nobody")):
        body = {**COUNT, "app_ids": [app_id]}
        for address in ("/v1/query/events", "/v1/query/events/users"):
            extra = {"cell": {}} if address.endswith("users") else {}
            response = await client.post(address, json=body | extra, headers=headers)
            assert (response.status, (await response.json())["error"]) == (403, "forbidden")
        response = await client.get("/v1/events/schema", params={"app_id": app_id}, headers=headers)
        assert response.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic cnRfYWxs"},
        as_token("wrong"),
        as_token("rt_old"),
        as_token("rt_all\u00e9"),
    ],
)
async def test_without_a_valid_token_401(client, headers):
    for method, path in (("POST", "/v1/query/events"), ("GET", "/v1/events/schema")):
        response = await client.request(method, path, headers=headers, data=b"{}")
        body = await response.json()
        assert response.status == 401
        assert body["error"] == "unauthorized"
        assert response.headers["X-Request-Id"] == body["request_id"]


@pytest.mark.usefixtures("logged")
async def test_a_new_token_works_soon_after_the_file_changes(client, access_file):
    handler = client.app
    from query_api import handlers  # noqa: PLC0415

    changed = AccessFile(
        apps=(App(APP, PROJECT),), read_tokens=(ReadToken("t9", PROJECT, digest("rt_new")),)
    )
    save(access_file, changed)
    handler[handlers.TOKENS]._refreshed_at -= 2
    assert await counted(client, as_token("rt_new")) == {"A": 2, "B": 2}
    access_file.write_text("{broken")
    handler[handlers.TOKENS]._refreshed_at -= 2
    assert await counted(client, as_token("rt_new")) == {"A": 2, "B": 2}


@pytest.mark.usefixtures("logged")
async def test_csv_and_arrow_hold_the_same_rows(client):
    body = {**COUNT, "breakdown": ["properties.price"], "app_ids": [APP]}
    plain = await (await client.post("/v1/query/events", json=body, headers=ONE)).json()
    response = await client.post(
        "/v1/query/events", json=body, headers={**ONE, "Accept": "text/csv"}
    )
    assert response.headers["Content-Type"].startswith("text/csv")
    assert response.headers["X-Data-Complete-Until"] == plain["meta"]["data_complete_until"]
    assert (await response.text()).split("\r\n") == [
        "time,properties.price,other,A,B",
        "2026-10-01,1,false,1,1",
        "2026-10-02,1,false,0,0",
        "2026-10-01,free,false,0,0",
        "2026-10-02,free,false,1,1",
        "",
    ]
    accept = {"Accept": "application/vnd.apache.arrow.stream"}
    response = await client.post("/v1/query/events", json=body, headers={**ONE, **accept})
    table = pa.ipc.open_stream(io.BytesIO(await response.read())).read_all()
    assert table.column("A").to_pylist() == [1, 0, 0, 1]
    assert table.column("A").type == pa.int64()
    assert table.column("properties.price").to_pylist() == ["1", "1", "free", "free"]
    assert msgspec.json.decode(table.schema.metadata[b"semantics"]) == plain["semantics"]

    response = await client.post(
        "/v1/query/events", json=body, headers={**ONE, "Accept": "image/png"}
    )
    assert response.status == 400


async def test_reports_answer_csv_and_arrow(client, database):
    pay = {"event": "pay"}
    insert(
        database, [event("u1", name, "2026-10-01T10:00:00+08:00") for name in ("pay", "app_launch")]
    )
    bodies = {
        "events": COUNT,
        "retention": {**RANGE, "initial": pay, "returning": pay},
        "scenes": RANGE,
        "funnel": {**RANGE, "steps": [pay, pay]},
    }
    for name, body in bodies.items():
        for accept in ("text/csv", "application/vnd.apache.arrow.stream"):
            response = await client.post(
                f"/v1/query/{name}", json=body, headers={**ALL, "Accept": accept}
            )
            assert response.status == 200, await response.text()
            assert response.headers["Content-Type"].startswith(accept)
            assert await response.read()


@pytest.mark.usefixtures("logged")
async def test_schema_lists_names_and_types(client):
    answer = await (await client.get("/v1/events/schema", headers=ONE)).json()
    [pay] = answer["result"]["events"]
    assert pay | {"properties": None} == {
        "event": "pay",
        "events": 2,
        "first_seen": "2026-10-01T02:00:00.000Z",
        "last_seen": "2026-10-02T02:00:00.000Z",
        "platforms": ["wechat"],
        "properties": None,
    }
    types = {
        p["property"]: [(t["type"], t["events"]) for t in p["types"]] for p in pay["properties"]
    }
    assert types == {"price": [("number", 1), ("string", 1)], "tags": [("list", 1)]}

    both = await (
        await client.get("/v1/events/schema?app_id=wx0001&app_id=wx0002", headers=ALL)
    ).json()
    assert both["result"]["events"][0]["events"] == 3
    response = await client.get("/v1/events/schema?app=wx0001", headers=ALL)
    assert response.status == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/query/nothing", 404, "not_found"),
        ("POST", "/v1/query/nothing/users", 404, "not_found"),
        ("POST", "/v1/query/events/nothing", 404, "not_found"),
        ("GET", "/v1/query/events", 405, "method_not_allowed"),
        ("POST", "/v1/events/schema", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
    ],
)
async def test_wrong_addresses(client, method, path, status, code):
    response = await client.request(
        method, path, headers=ALL, data=b"{}" if method == "POST" else None
    )
    body = await response.json()
    assert (response.status, body["error"]) == (status, code)
    assert set(body) == {"error", "message", "request_id"}


@pytest.mark.usefixtures("logged")
async def test_answers_are_kept_nowhere_but_the_files_of_the_page_are(client):
    for method, path, body in (
        ("POST", "/v1/query/events", COUNT),
        ("GET", "/v1/events/schema", None),
        ("GET", "/console/live", None),
        ("GET", "/nothing", None),
    ):
        response = await client.request(method, path, json=body, headers=ALL)
        kept = response.headers["Cache-Control"], response.headers["X-Content-Type-Options"]
        assert kept == ("no-store", "nosniff"), path
    page = await (await client.get("/")).text()
    version = page.partition("/static/")[2].partition("/")[0]
    script = await client.get(f"/static/{version}/app.js")
    assert "immutable" in script.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/dead-letters?limit=%s",
        "/v1/dead-letters?offset=%s",
        "/v1/dead-letters?limit=0000000000011%s",  # more than is allowed, behind zeros
        "/v1/dead-letters/x/%s",
        "/v1/qr-codes?limit=%s",
        "/v1/segments/seg_1/export?channel=unionid&limit=%s",
        "/v1/segments/seg_1/export?channel=unionid&after=%s",
        "/console/quality?days=%s",
    ],
)
@pytest.mark.parametrize("digits", ["9" * 30, "1" * 5000])
async def test_a_number_too_long_for_an_address_is_refused(client, path, digits):
    response = await client.get(path % digits, headers=ALL)

    error = (response.status, (await response.json())["error"])
    assert error == ((404, "not_found") if "/x/" in path else (400, "invalid_request"))


async def test_a_body_that_is_too_large_is_413(client):
    response = await client.post(
        "/v1/query/events", data=io.BytesIO(b" " * (1024 * 1024 + 1)), headers=ALL
    )
    assert (response.status, (await response.json())["error"]) == (413, "body_too_large")


@pytest.mark.usefixtures("logged")
async def test_health_metrics_and_openapi(client):
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 200
    await counted(client, ALL)
    text = await (await client.get("/metrics")).text()
    assert 'scenetrail_query_requests_total{route="/v1/query/{report}",status="200"}' in text
    document = await (await client.get("/openapi.json")).json()
    for name, report in REPORTS.items():
        assert f"/v1/query/{name}" in document["paths"]
        has_users = report.users is not None
        assert (f"/v1/query/{name}/users" in document["paths"]) == has_users
    query = document["components"]["schemas"]["EventsQuery"]
    assert query["additionalProperties"] is False
    assert {"measures", "time_range", "filter", "breakdown", "identity"} <= set(query["properties"])


@pytest.mark.usefixtures("logged")
async def test_a_long_question_tells_how_far_it_is(client):
    query_id = "0123456789abcdef" * 2
    headers = ALL | {"X-Query-Id": query_id}

    async def progress(id_=query_id):
        response = await client.get(f"/console/progress/{id_}", headers=ALL)
        return await response.json()

    assert await progress() == {"rows_read": 0, "rows_to_read": 0}
    endless = RANGE | {"sql": ENDLESS}
    asking = asyncio.create_task(client.post("/v1/query/sql", json=endless, headers=headers))
    while not (told := await progress())["rows_read"]:
        assert not asking.done()
    assert told["rows_to_read"] >= told["rows_read"]
    asking.cancel()

    response = await client.post("/v1/query/events", json=COUNT, headers=headers)
    assert (await response.json())["meta"]["query_id"].startswith(f"{query_id}-")
    assert (await progress("x"))["path"] == "$.query_id"
    response = await client.post("/v1/query/events", json=COUNT, headers=ALL | {"X-Query-Id": "x"})
    assert (await response.json())["path"] == "$.X-Query-Id"
    assert (await client.get(f"/console/progress/{query_id}")).status == 401


@pytest.fixture
async def served(database_url, access_file):
    """An address where the API runs as in production: the server of aiohttp's tests has other settings."""
    settings = Settings(clickhouse_reader_url=database_url, access_file=access_file)
    runner = Runner(create_app(settings), access_log=None)
    await runner.setup()
    port = free_port()
    await TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def test_a_question_ends_in_clickhouse_when_its_asker_has_gone(served):
    query_id = "0123456789abcdef" * 2

    async def rows_read(session):
        async with session.get(f"{served}/console/progress/{query_id}", headers=ALL) as response:
            return (await response.json())["rows_read"]

    async with ClientSession() as asker, ClientSession() as other:
        headers = ALL | {"X-Query-Id": query_id}
        endless = RANGE | {"sql": ENDLESS, "max_execution_time_s": 60}
        asking = asyncio.create_task(
            asker.post(f"{served}/v1/query/sql", json=endless, headers=headers)
        )
        while not await rows_read(other):
            assert not asking.done()
        asking.cancel()

        async with asyncio.timeout(30):
            while await rows_read(other):
                pass


async def test_a_change_is_not_left_half_done_when_its_asker_has_gone():
    begun, asker_gone, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def change(_request):
        begun.set()
        await asker_gone.wait()
        done.set()
        return Response()

    app = Application(middlewares=[answer_errors])
    app.router.add_post("/v1/slow-change", change)
    app.router.add_get("/metrics", metrics)
    runner = Runner(app, access_log=None)
    await runner.setup()
    address = f"http://127.0.0.1:{(port := free_port())}"
    await TCPSite(runner, "127.0.0.1", port).start()
    async with ClientSession() as asker, ClientSession() as other, asyncio.timeout(30):
        asking = asyncio.create_task(asker.post(f"{address}/v1/slow-change"))
        await begun.wait()
        asking.cancel()
        told = ""
        while 'route="/v1/slow-change",status="499"' not in told:
            async with other.get(f"{address}/metrics") as response:
                told = await response.text()
        asker_gone.set()
        await done.wait()
    await runner.cleanup()


async def test_limits_of_a_query_are_422(database_url, access_file):
    settings = Settings(
        clickhouse_reader_url=database_url, access_file=access_file, max_memory_bytes=1
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        response = await client.post("/v1/query/events", json=COUNT, headers=ALL)
        body = await response.json()
    assert (response.status, body["error"]) == (422, "query_limit")
    assert "memory" in body["message"]


@pytest.mark.parametrize("path", ["/v1/query/events", "/readyz", "/v1/events/schema"])
async def test_without_clickhouse_503(access_file, path):
    settings = Settings(
        clickhouse_reader_url="http://reader:x@127.0.0.1:9/scenetrail", access_file=access_file
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        assert (await client.get("/healthz")).status == 200
        method = "POST" if "query" in path else "GET"
        response = await client.request(
            method, path, headers=ALL, json=COUNT if method == "POST" else None
        )
        body = await response.json()
    assert (response.status, body["error"]) == (503, "storage_unavailable")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("logged")
async def test_explain_shows_sql_only_when_asked(client):
    body = {**COUNT, "filter": {"field": "properties.price", "op": "eq", "values": ["fr'ee"]}}
    plain = await (await client.post("/v1/query/events", json=body, headers=ALL)).text()
    assert "SELECT" not in plain
    answer = await (
        await client.post("/v1/query/events", json=body | {"explain": True}, headers=ALL)
    ).json()
    points = next(part for part in answer["explain"] if part["sql_file"] == "events.points.sql")
    assert "fr'ee" in points["parameters"].values()
    assert "fr'ee" not in points["sql"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz HTTP/1.1\r\nHost: c\r\nno colon my-secret\r\n\r\n",
        b"GET /healthz?my-secret=" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: c\r\n\r\n",
        b"my-secret\r\n\r\n",
    ],
    ids=["header", "long address", "no request"],
)
async def test_bytes_that_are_no_http_get_the_one_error_shape(access_file, request_bytes, capsys):
    runner = Runner(create_app(Settings(access_file=access_file)), access_log=None)
    await runner.setup()
    port = free_port()
    try:
        await TCPSite(runner, "127.0.0.1", port).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()

    answer = msgspec.json.decode(body)
    assert head.split()[1] == b"400"
    assert b"application/json" in head
    assert (answer["error"], bool(answer["request_id"])) == ("invalid_request", True)
    assert b"my-secret" not in body
    assert "my-secret" not in "".join(capsys.readouterr())
