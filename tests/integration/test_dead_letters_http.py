"""``/v1/dead-letters``: refused by a real collector, counted, listed, shown, repaired, sent again, counted once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from clickhouse_connect.driver.client import Client

from collector import keys
from query_api.app import create_app
from query_api.settings import Settings
from sdk_spec.access import AccessFile, App, ReadToken, digest
from tests.faults.client import make_batch, make_event, seeded, send_batch
from tests.faults.collector_process import (
    APP_ID,
    OTHER_APP_ID,
    OTHER_KEY,
    PROJECT,
    WRITE_KEY,
    Collector,
)

Get = Callable[..., Awaitable[dict[str, Any]]]
LIMIT_S = 60.0


def with_tokens(file: AccessFile) -> AccessFile:
    tokens = (
        ReadToken("t1", PROJECT, digest("rt_all")),
        ReadToken("t2", PROJECT, digest("rt_other"), (OTHER_APP_ID,)),
        ReadToken("t3", "strangers", digest("rt_stranger")),
    )
    apps = (*file.apps, App("wx-stranger", "strangers"))
    return msgspec.structs.replace(file, apps=apps, read_tokens=tokens)


@pytest.fixture
def collector(database_url: str, tmp_path: Path) -> Iterator[Collector]:
    one = Collector(tmp_path / "data", database_url, workers=1)
    keys.change_only(one.folder / "access.json", with_tokens)
    yield one.start()
    one.kill()


@pytest.fixture
async def client(collector: Collector, database_url: str) -> AsyncIterator[TestClient[Any, Any]]:
    settings = Settings(
        clickhouse_reader_url=database_url,
        clickhouse_editor_url=database_url,
        collector_url=collector.url,
        access_file=collector.folder / "access.json",
    )
    async with TestClient(TestServer(create_app(settings))) as one:
        yield one


def headers(token: str = "rt_all", write_key: str = "") -> dict[str, str]:  # noqa: S107
    key = {"X-Write-Key": write_key} if write_key else {}
    return {"Authorization": f"Bearer {token}", **key}


async def get(client: TestClient[Any, Any], path: str = "", **query: Any) -> dict[str, Any]:
    token = query.pop("token", "rt_all")
    response = await client.get(f"/v1/dead-letters{path}", params=query, headers=headers(token))
    body: dict[str, Any] = await response.json()
    return {"status": response.status, **body}


async def refused(client: TestClient[Any, Any], collector: Collector) -> list[dict[str, Any]]:
    """Three refused events beside a good one; returns them as listed, by their place in the batch."""
    rng = seeded(1)
    events = [
        {**make_event("e0", rng), "duration_ms": "long"},
        make_event("good", rng),
        {**make_event("e2", rng), "duration_ms": "longer"},
        {**make_event("e3", rng), "event": ""},
    ]
    status, answer = await asyncio.to_thread(
        send_batch, collector.port, make_batch(events, rng, user_id="u1")
    )
    assert (status, answer["rejected"]) == (200, 3)
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = (await get(client))["result"]["dead_letters"]
        if len(found) == 3:
            return sorted(found, key=lambda one: one["event_index"])
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


async def send_again(
    client: TestClient[Any, Any], letter: dict[str, Any], body: Any = None, **rights: str
) -> tuple[int, dict[str, Any]]:
    response = await client.post(
        f"/v1/dead-letters/{letter['id']}/redrive", json=body or {}, headers=headers(**rights)
    )
    return response.status, await response.json()


async def heard(
    client: TestClient[Any, Any], letter: dict[str, Any], body: Any = None
) -> tuple[int, dict[str, Any]]:
    """``send_again`` once collector and query API have read a changed access file: each does so within a second."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        status, answer = await send_again(client, letter, body, write_key=WRITE_KEY)
        if not answer.get("result", {}).get("error", "").startswith(("sig", "unauth")):
            return status, answer
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.05)


async def test_refused_events_are_counted_listed_shown_and_paged(
    client: TestClient[Any, Any], collector: Collector
) -> None:
    letters = await refused(client, collector)

    assert [(one["event_id"], one["code"]) for one in letters] == [
        ("e0", "invalid_type"),
        ("e2", "invalid_type"),
        ("e3", "not_printable"),
    ]
    assert {one["app_id"] for one in letters} == {APP_ID}
    assert all(one["redriven_at"] is None and "raw" not in one for one in letters)
    reasons = (await get(client, "/counts"))["result"]["reasons"]
    assert [(one["code"], one["field"], one["events"], one["redriven"]) for one in reasons] == [
        ("invalid_type", "$.events[].duration_ms", 2, 0),
        ("not_printable", "$.events[].event", 1, 0),
    ]
    shown = (await get(client, f"/{letters[0]['id']}"))["result"]["dead_letter"]
    assert json.loads(shown["raw"])["duration_ms"] == "long"
    assert json.loads(shown["envelope"])["user_id"] == "u1"

    only = await get(client, code="not_printable")
    assert [one["event_id"] for one in only["result"]["dead_letters"]] == ["e3"]
    for reason in reasons:
        behind = await get(client, code=reason["code"], field=reason["field"])
        assert len(behind["result"]["dead_letters"]) == reason["events"]
    assert (await get(client, redriven="only"))["result"]["dead_letters"] == []
    pages = [await get(client, limit=2, offset=offset) for offset in (0, 2)]
    assert [page["meta"]["truncated"] for page in pages] == [True, False]
    together = [one["id"] for page in pages for one in page["result"]["dead_letters"]]
    assert sorted(together) == sorted(one["id"] for one in letters)
    assert (await get(client, until="2020-01-01"))["result"]["dead_letters"] == []
    assert len((await get(client, since="2020-01-01"))["result"]["dead_letters"]) == 3


async def test_a_token_sees_the_refused_events_of_its_apps_only(
    client: TestClient[Any, Any], collector: Collector
) -> None:
    letters = await refused(client, collector)

    for token in ("rt_other", "rt_stranger"):
        assert (await get(client, token=token))["result"]["dead_letters"] == []
        assert (await get(client, "/counts", token=token))["result"]["reasons"] == []
        one = await get(client, f"/{letters[0]['id']}", token=token)
        assert (one["status"], one["error"]) == (404, "not_found")
        status, answer = await send_again(client, letters[0], token=token, write_key=WRITE_KEY)
        assert (status, answer["error"]) == (404, "not_found")
        foreign = await get(client, token=token, app_id=APP_ID)
        assert (foreign["status"], foreign["error"]) == (403, "forbidden")
    assert (await get(client, token="nobody"))["status"] == 401  # noqa: S106


async def test_wrong_parameters_are_named_and_unknown_ones_not_found(
    client: TestClient[Any, Any],
) -> None:
    for query in (
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "٣"},
        {"offset": "-1"},
        {"redriven": "yes"},
        {"since": "yesterday"},
        {"timezone": "Mars"},
        {"apps": "x"},
    ):
        answer = await get(client, **query)
        assert (answer["status"], answer["error"]) == (400, "invalid_request")
        assert answer["path"] == f"$.{next(iter(query))}"
    for letter in ("nobody/0", "nobody/x", "nobody/99999999999", "x/٣"):
        assert (await get(client, f"/{letter}"))["status"] == 404


@pytest.mark.parametrize("signatures", ["off", "required"])
async def test_sent_again_after_repair_counts_once(
    client: TestClient[Any, Any], collector: Collector, database: Client, signatures: str
) -> None:
    letter, *_ = await refused(client, collector)
    keys.change_only(
        collector.folder / "access.json",
        lambda file: keys.set_app(file, APP_ID, signatures=signatures),
    )
    raw = (await get(client, f"/{letter['id']}"))["result"]["dead_letter"]["raw"]
    repaired = {**json.loads(raw), "duration_ms": 5}

    status, answer = await heard(client, letter)
    assert (status, answer["result"]["taken"]) == (200, False)
    assert answer["result"]["error"] == "invalid_type"
    assert answer["result"]["path"] == "$.events[0].duration_ms"
    for _ in range(2):  # it may be repeated
        status, answer = await heard(client, letter, {"event": repaired})
        assert (status, answer["result"]["taken"]) == (200, True), answer

    deadline = time.monotonic() + LIMIT_S
    stored = "SELECT count() FROM events FINAL WHERE event_id = 'e0' AND duration_ms = 5"
    while not (count := await asyncio.to_thread(database.command, stored)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert count == 1
    assert database.command("SELECT user_id FROM events FINAL WHERE event_id = 'e0'") == "u1"
    open_ones = (await get(client))["result"]["dead_letters"]
    assert letter["id"] not in [one["id"] for one in open_ones]
    everything = (await get(client, redriven="true"))["result"]["dead_letters"]
    assert [one["redriven_at"] is not None for one in everything if one["id"] == letter["id"]] == [
        True
    ]
    again = (await get(client, redriven="only"))["result"]["dead_letters"]
    assert [one["id"] for one in again] == [letter["id"]]


async def test_sending_again_needs_a_write_key_of_the_app(
    client: TestClient[Any, Any], collector: Collector
) -> None:
    letter, *_ = await refused(client, collector)

    for write_key in ("", "wk_nobody", OTHER_KEY):
        status, answer = await send_again(client, letter, write_key=write_key)
        assert (status, answer["error"]) == (403, "forbidden")
        assert APP_ID in answer["message"]
    before = len((await get(client))["result"]["dead_letters"])
    assert before == 3


async def test_without_a_collector_it_says_which_setting_is_missing(
    collector: Collector, database_url: str
) -> None:
    settings = Settings(
        clickhouse_reader_url=database_url, access_file=collector.folder / "access.json"
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        letter, *_ = await refused(client, collector)
        status, answer = await send_again(client, letter, write_key=WRITE_KEY)

    assert (status, answer["error"]) == (503, "storage_unavailable")
    assert "SCENETRAIL_QUERY_COLLECTOR_URL" in answer["message"]
