"""The Python client and the command line against a running query API."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import jsonschema
import msgspec
import pytest
import typer
import urllib3
from aiohttp import web
from aiohttp.test_utils import TestServer
from query_support import APP, PROJECT, event, insert
from typer.testing import CliRunner, Result

from query_api.app import create_app
from query_api.cli import query
from query_api.client import AsyncClient, Client, QueryFailedError
from query_api.funnel_params import FunnelParams, Step
from query_api.openapi import document
from query_api.params import TimeRange
from query_api.results import RESULTS, UsersResult
from query_api.settings import Settings
from sdk_spec.access import AccessFile, App, ReadToken, digest, save

TOKEN = "rt_client"  # noqa: S105
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-07"}}
FUNNEL = {**RANGE, "steps": [{"event": "view"}, {"event": "支付"}]}
ASKED: dict[str, dict[str, Any]] = {
    "funnel": {**FUNNEL, "interval": "day", "breakdown": ["properties.city"]},
    "retention": {**RANGE, "initial": {}, "returning": {}, "breakdown": ["properties.city"]},
    "events": {**RANGE, "measures": [{"event": "view"}], "breakdown": ["properties.city"]},
    "scenes": RANGE,
    "lifecycle": RANGE,
}


@pytest.fixture
async def server(database, database_url, tmp_path):
    events = []
    for i in range(30):
        city = ["北京", "上海", None][i % 3]
        properties = {"city": city} if city else {}
        viewed = {**properties, "标签": "[热卖]\x1b[31m"} if i == 0 else properties
        events.append(event(f"u{i}", "view", "2026-10-01T10:00:00+08:00", properties=viewed))
        events.append(event(f"u{i}", "app_launch", "2026-10-01T09:59:00+08:00", scene="1001"))
        if i < 12:
            at = f"2026-10-0{1 + i % 3}T11:00:00+08:00"
            events.append(event(f"u{i}", "支付", at, properties={**properties, "金额": 9.5}))
    insert(database, events)
    path = tmp_path / "access.json"
    tokens = (ReadToken("t1", PROJECT, digest(TOKEN)),)
    save(path, AccessFile(apps=(App(APP, PROJECT),), read_tokens=tokens))
    settings = Settings(clickhouse_reader_url=database_url, access_file=path)
    async with TestServer(create_app(settings)) as server:
        yield str(server.make_url("")).rstrip("/")


async def in_thread(url: str, work: Callable[[Client], Any]) -> Any:
    """Do something with the synchronous client while the server runs in this loop."""

    def whole() -> Any:
        with Client(url, TOKEN) as client:
            return work(client)

    return await asyncio.to_thread(whole)


async def test_answers_come_as_structs(server):
    params = FunnelParams(
        time_range=TimeRange(from_="2026-10-01", to="2026-10-07"),
        steps=[Step(event="view"), Step(event="支付")],
    )
    answer = await in_thread(server, lambda client: client.funnel(params))

    assert [step.users for step in answer.result.steps] == [30, 4]
    assert answer.semantics["window"] == {"value": 1, "unit": "day"}
    assert answer.meta.data_complete_until is not None
    retention = await in_thread(server, lambda c: c.retention(ASKED["retention"]))
    assert sum(cohort.size for cohort in retention.result.cohorts) == 38
    events = await in_thread(server, lambda c: c.events(ASKED["events"]))
    assert {series.breakdown["properties.city"] for series in events.result.series} == {
        *("北京", "上海"),
        None,
    }
    scenes = await in_thread(server, lambda c: c.scenes(RANGE))
    assert [(row.scene, row.launches) for row in scenes.result.rows] == [("1001", 30)]
    lifecycle = await in_thread(server, lambda c: c.lifecycle(RANGE))
    assert lifecycle.result.points[0].new == 30


async def test_the_asynchronous_client_answers_the_same(server):
    async with AsyncClient(server, TOKEN) as client:
        funnel, retention, events, scenes, lifecycle = await asyncio.gather(
            client.funnel(ASKED["funnel"]),
            client.retention(ASKED["retention"]),
            client.events(ASKED["events"]),
            client.scenes(ASKED["scenes"]),
            client.lifecycle(ASKED["lifecycle"]),
        )
        users = [user async for user in client.users("funnel", FUNNEL, {"step": 1}, page=7)]
        table = await client.table("funnel", FUNNEL)
        frame = await client.frame("funnel", FUNNEL)
        text = await client.csv("funnel", FUNNEL)
        names = [seen["event"] for seen in await client.schema()]

    def same(client: Client) -> None:
        assert client.funnel(MappingProxyType(ASKED["funnel"])).result == funnel.result
        assert client.retention(ASKED["retention"]).result == retention.result
        assert client.events(ASKED["events"]).result == events.result
        assert client.scenes(ASKED["scenes"]).result == scenes.result
        assert client.lifecycle(ASKED["lifecycle"]).result == lifecycle.result
        assert list(client.users("funnel", FUNNEL, {"step": 1}, page=11)) == users
        assert client.table("funnel", FUNNEL).to_pylist() == table.to_pylist()
        assert client.frame("funnel", FUNNEL).equals(frame)
        assert client.csv("funnel", FUNNEL) == text
        assert [seen["event"] for seen in client.schema()] == names

    await in_thread(server, same)
    assert len(set(users)) == len(users) == 30
    assert list(frame["users"]) == [30, 4]
    assert text.splitlines()[0].split(",")[:2] == table.column_names[:2]
    assert set(names) == {"view", "app_launch", "支付"}


async def test_a_refusal_names_the_field_and_the_request(server):
    wrong = {**FUNNEL, "order": "sideways"}
    with pytest.raises(QueryFailedError) as told:
        await in_thread(server, lambda client: client.funnel(wrong))
    assert (told.value.status, told.value.code, told.value.path) == (
        *(400, "invalid_request"),
        "$.order",
    )
    assert told.value.request_id
    async with AsyncClient(server, "rt_nobody") as client:
        with pytest.raises(QueryFailedError, match="unauthorized"):
            await client.funnel(FUNNEL)


async def test_a_server_that_is_busy_is_asked_again_and_another_program_is_told():
    asked: list[str] = []

    async def busy_twice(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) <= 2:
            fault = {"error": "storage_unavailable", "message": "later", "request_id": "r1"}
            return web.json_response(fault, status=503, headers={"Retry-After": "0"})
        return web.Response(text="<html>", status=502 if "funnel" in request.path else 200)

    app = web.Application()
    app.router.add_post("/{path:.*}", busy_twice)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        with pytest.raises(QueryFailedError, match=r"not_scenetrail.*502"):
            await in_thread(url, lambda client: client.funnel(FUNNEL))
        assert len(asked) == 3
        with pytest.raises(QueryFailedError, match=r"not_scenetrail.*200"):
            await in_thread(url, lambda client: client.events(RANGE))
        asked.clear()
        async with AsyncClient(url, TOKEN, attempts=2) as client:
            with pytest.raises(QueryFailedError, match=r"storage_unavailable.*later"):
                await client.query("funnel", FUNNEL)
        assert len(asked) == 2

    with pytest.raises(urllib3.exceptions.HTTPError):
        await in_thread(url, lambda client: client.funnel(FUNNEL))


@pytest.mark.parametrize("report", sorted(RESULTS))
async def test_answers_have_the_documented_shape(server, report):
    async with AsyncClient(server, TOKEN) as client:
        answer = await client.query(report, ASKED[report])
    whole = document()
    operation = whole["paths"][f"/v1/query/{report}"]["post"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]

    jsonschema.validate(
        {
            "result": answer.result,
            "semantics": answer.semantics,
            "meta": msgspec.to_builtins(answer.meta),
        },
        {**schema, "components": whole["components"]},
    )
    assert msgspec.convert(answer.result, RESULTS[report], strict=True)


async def test_users_have_the_documented_shape(server):
    async with AsyncClient(server, TOKEN) as client:
        answer = await client.query("funnel/users", {**FUNNEL, "cell": {"step": 2}}, UsersResult)
    assert answer.result.total == len(answer.result.users) == 4


COMMANDS = typer.Typer()
COMMANDS.command("query")(query)


async def command(url: str, *arguments: str, given: str = "") -> Result:
    """Run ``scenetrail query`` with these arguments while the server runs in this loop."""
    environment = {"SCENETRAIL_QUERY_URL": url, "SCENETRAIL_READ_TOKEN": TOKEN, "COLUMNS": "200"}
    return await asyncio.to_thread(
        CliRunner().invoke, COMMANDS, arguments, input=given, env=environment
    )


DAYS = ("--from", "2026-10-01", "--to", "2026-10-07")


async def test_the_command_prints_a_table_with_bars(server):
    told = await command(
        server, "funnel", *DAYS, "--step", "view", "--step", "支付", "--window", "3d"
    )

    assert told.exit_code == 0, told.stderr
    lines = [line for line in told.stdout.splitlines() if "view" in line or "支付" in line]
    assert "30" in lines[0]
    assert "100.0%" in lines[0]
    assert lines[0].count("█") == 24
    assert "12" in lines[1]
    assert "40.0%" in lines[1]
    assert "数据截至" in told.stdout
    told = await command(
        server, "events", *DAYS, "--measure", "view", "--breakdown", "properties.标签"
    )
    assert "[热卖]\\x1b[31m" in told.stdout


async def test_the_command_takes_every_field_and_writes_csv_and_json(server):
    told = await command(
        *(server, "events", *DAYS, "--measure", "支付:sum:properties.金额", "--csv"),
        *(
            "--breakdown",
            "properties.city",
            "--where",
            "properties.city=北京",
            "--set",
            'interval="week"',
        ),
    )
    assert told.exit_code == 0, told.stderr
    amounts = [
        float(line.rpartition(",")[2]) for line in told.stdout.splitlines() if "北京" in line
    ]
    assert sum(amounts) == 4 * 9.5

    body = msgspec.json.encode({**FUNNEL, "order": "any"}).decode()
    told = await command(server, "funnel", "--body", "-", "--json", given=body)
    assert told.exit_code == 0, told.stderr
    answer = msgspec.json.decode(told.stdout[told.stdout.index("{\n") :])
    assert answer["semantics"]["order"] == "any"
    assert answer["semantics"]["time_range"]["from"] == "2026-10-01T00:00:00.000+08:00"

    body = msgspec.json.encode({**RANGE, "timezone": "UTC"}).decode()
    told = await command(
        *(server, "scenes", "--body", "-", "--where", "scene=1001", "--json"),
        *("--days", "2", "--to", "2026-10-02"),
        given=body,
    )
    answer = msgspec.json.decode(told.stdout[told.stdout.index("{\n") :])
    assert answer["result"]["total"]["users"] == 30
    assert answer["semantics"]["time_range"]["from"] == "2026-10-01T00:00:00.000+00:00"

    told = await command(server, "retention", *DAYS, "--initial", "view", "--returning", "支付")
    assert told.exit_code == 0, told.stderr
    assert "+7" in told.stdout


async def test_the_command_is_one_of_scenetrail(server):
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "collector.cli", "query", "scenes", *DAYS, "--token", TOKEN],
        text=True,
        capture_output=True,
        timeout=300,
        env={**os.environ, "SCENETRAIL_QUERY_URL": server},
    )

    assert (told.returncode, told.stderr) == (0, "")
    assert "1001" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["funnel", "--step", "a", "--step", "b", "--window", "7 days"], 2, "such as 7d"),
        (["funnel", "--where", "city"], 2, "give field=value"),
        (["funnel", "--set", "steps=[{"], 2, "--set steps"),
        (["funnel", "--body", "/nowhere"], 2, "--body /nowhere"),
        (["funnel", "--timezone", "Mars/Base"], 2, "IANA"),
        (["funnel", "--timezone", "Asia"], 2, "IANA"),
        (["funnel", "--csv", "--json"], 2, "either --csv or --json"),
        (["funnel", "--token", "令牌"], 2, "no read token"),
        (["funnel", "--to", "yesterday"], 2, "not a day"),
        (["funnel", "--token", ""], 2, "SCENETRAIL_READ_TOKEN"),
        (["funnel", "--to", "0001-01-05"], 2, "not a day"),
        (["funnel", "--url", "127.0.0.1:9"], 2, "http://"),
        (["../segments"], 2, "not the name of a report"),
        (["events?x=1"], 2, "not the name of a report"),
        (["funnel"], 1, "invalid_request ($.steps)"),
        (["nothing"], 1, "not_found"),
        (["funnel", "--url", "http://127.0.0.1:9"], 1, "does not answer"),
    ],
)
async def test_the_command_says_what_is_wrong(server, arguments, code, said):
    told = await command(server, *arguments)

    assert told.exit_code == code
    assert said in told.stderr
    assert "Traceback" not in told.stderr
