"""Erasing and exporting over HTTP, retention by a clock, hashed openids: on a real server."""

import base64
import json
import threading
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from writers import writer_with

from collector import handlers, privacy, retention, upkeep
from collector.app import create_app
from collector.clickhouse_urls import addresses
from collector.filter import KeyFilter
from collector.migrate import connect
from collector.rows import build_block
from collector.server import Runner
from collector.settings import Settings
from collector.sinks import ClickHouseSink
from collector.spool_reader import SpoolReader
from sdk_spec import id_hashing
from sdk_spec.access import AccessFile, AdminToken, App, ReadToken, WriteKey, digest, save

APP, HASHED, DAY_MS = "wx1", "wx2", 86_400_000
# The collector names its requests by a plain key, for which aiohttp warns once.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
ADMIN = {"Authorization": "Bearer at_1"}


@pytest.fixture
async def client(database_url, tmp_path):
    save(
        tmp_path / "access.json",
        AccessFile(
            apps=(
                App(APP, "brand", deny=("phone",)),
                App(HASHED, "brand", hash_openids=True, retention_days=30),
                App("other", "stranger"),
            ),
            write_keys=(
                WriteKey("k1", APP, digest("wk_1")),
                WriteKey("k2", HASHED, digest("wk_2")),
            ),
            read_tokens=(ReadToken("t1", "brand", digest("rt_1")),),
            admin_tokens=(
                AdminToken("a1", "brand", digest("at_1")),
                AdminToken("a2", "stranger", digest("at_2")),
            ),
        ),
    )
    settings = Settings(data_dir=str(tmp_path), clickhouse_url=database_url)
    async with TestClient(CollectorServer(create_app(settings))) as client:
        yield client


class CollectorServer(TestServer):
    """A worker's server in this process."""

    async def _make_runner(self, **kwargs):
        return Runner(self.app, **kwargs)


@pytest.fixture
def stored(database_url, tmp_path):
    """Stores what is in the spool."""
    sink = ClickHouseSink(database_url, 60)
    reader = None
    key_filter = KeyFilter(10_000)

    def store():
        nonlocal reader
        reader = reader or SpoolReader(tmp_path / "spool")
        writer = writer_with(reader, sink, key_filter)
        records, positions = reader.read(10**7)
        if positions:
            writer.store(build_block(records), positions)
        return records

    yield store
    sink.close()
    if reader:
        reader.close()


def now_ms():
    return time.time_ns() // 1_000_000


async def send(client, key, app_id, events, **ids):
    batch = {"app_id": app_id, "platform": "wechat", "sent_at": now_ms(), "events": events, **ids}
    headers = {"X-Write-Key": key}
    response = await client.post("/v1/events", data=json.dumps(batch), headers=headers)
    assert response.status == 200, await response.text()


def event(event_id, at, **fields):
    return {"event_id": event_id, "event": "page_view", "occurred_at": at, **fields}


async def ask(client, what, id_, headers=ADMIN):
    response = await client.post(f"/v1/privacy/{what}", json={"id": id_}, headers=headers)
    return response.status, await response.text()


def column(database, sql):
    return [row[0] for row in database.query(sql).result_rows]


async def test_a_person_is_exported_and_erased_over_http(client, stored, database):
    before = now_ms()
    events = [event("e1", before), event("e2", before + 200_000, properties={"phone": "1"})]
    await send(client, "wk_1", APP, events, openid="o1", user_id="u1")
    refused = event("bad", before, user_id=71)
    await send(client, "wk_1", APP, [event("e3", before), refused], openid="o9")
    spooled = stored()
    assert b'"phone":' not in b"".join(record.body for record in spooled)

    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer rt_1"}, 401),
        ({"Authorization": "Bearer wk_1"}, 401),
        ({"Authorization": "Bearer at_2"}, 404),
    ):
        assert (await ask(client, "erase", "openid:o1", headers))[0] == status
    assert (await ask(client, "erase", "o1"))[0] == 400
    assert (await ask(client, "export", "openid:o1", {"Authorization": "Bearer rt_1"}))[0] == 401

    status, text = await ask(client, "export", "openid:o1")
    rows = [json.loads(line) for line in text.splitlines()]
    assert status == 200
    found = {row["event_id"]: row for row in rows if row["table"] == "events"}
    assert set(found) == {"e1", "e2"}
    assert found["e2"]["properties_list"] == {"$denied": ["phone"]}
    assert rows[-1]["table"] == "receipt"

    status, text = await ask(client, "erase", "user_id:u1")
    receipt = json.loads(text)
    assert (status, receipt["rows"]["events"], set(receipt["left"].values())) == (200, 2, {0})
    assert column(database, "SELECT event_id FROM events") == ["e3"]
    actions = "SELECT action FROM privacy_receipts ORDER BY done_at"
    assert column(database, actions) == ["export", "erase"]

    # One of whom nothing is stored but a refused event; there an id may be a number, which it was refused for.
    assert column(database, "SELECT count() FROM dead_letters") == [1]
    assert (await ask(client, "erase", "user_id:7"))[0] == 404
    status, text = await ask(client, "erase", "user_id:71")
    assert (status, json.loads(text)["rows"]["dead_letters"]) == (200, 1)
    assert column(database, "SELECT count() FROM dead_letters") == [0]

    # What the person does from now on is new, at once; what a queue still holds stays away.
    late, ahead = event("e4", before - 1000), event("e5", before + 200_000)
    batch = {"app_id": APP, "platform": "wechat", "user_id": "u1", "events": [late, ahead]}
    batch["sent_at"] = now_ms() + 240_000  # a clock that goes four minutes ahead
    response = await client.post(
        "/v1/events", data=json.dumps(batch), headers={"X-Write-Key": "wk_1"}
    )
    assert response.status == 200
    await send(client, "wk_1", APP, [event("e6", now_ms())], user_id="u1")
    stored()
    assert sorted(column(database, "SELECT event_id FROM events")) == ["e3", "e6"]


async def test_a_group_is_opened_with_the_session_key_and_nothing_is_kept(client, tmp_path):
    key, iv = bytes(range(16)), bytes(16)
    mark = {"appid": APP, "timestamp": int(time.time())}
    text = json.dumps({"opengid": "g1", "chat_type": 3, "watermark": mark}).encode()
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES128(key), modes.CBC(iv)).encryptor()
    closed = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    parts = {"session_key": key, "iv": iv, "encrypted_data": closed}
    body = {name: base64.b64encode(part).decode() for name, part in parts.items()}

    async def opened(write_key="wk_1", **change):
        response = await client.post(
            "/v1/group-entry", json={**body, **change}, headers={"X-Write-Key": write_key}
        )
        return response.status, await response.json()

    assert await opened() == (200, {"group_id": "g1", "chat_type": 3})
    status, answer = await opened(session_key=body["iv"])
    assert (status, answer["error"], answer["path"]) == (400, "invalid_request", "$.session_key")
    for change in ({"write_key": "wk_2"}, {"iv": "no"}, {"encrypted_data": None}):
        assert (await opened(**change))[0] == 400
    assert (await opened(write_key="wk_3"))[0] == 401
    deep = await client.post(
        "/v1/group-entry", data=b'{"a":' * 2_000, headers={"X-Write-Key": "wk_1"}
    )
    assert deep.status == 400
    spool = (tmp_path / "spool").rglob("*")
    assert all(body["session_key"].encode() not in p.read_bytes() for p in spool if p.is_file())


async def test_a_body_is_read_whole_and_a_broken_one_is_told(client):
    async def pieces():
        for piece in (b'{"id": ', b'"openid:nobody"}'):
            yield piece

    async def status(data):
        return (await client.post("/v1/privacy/export", data=data, headers=ADMIN)).status

    assert await status(pieces()) == 404
    for broken in (b'{"id":"\xff"}', b'{"id":' + b"[" * 1_500, b""):
        assert await status(broken) == 400


async def test_an_erasure_waits_for_the_spool(client, stored, monkeypatch):
    await send(client, "wk_1", APP, [event("e1", now_ms())], openid="o1")
    stored()
    await send(client, "wk_1", APP, [event("e2", now_ms())], openid="o1")
    monkeypatch.setattr(privacy, "SPOOL_WAIT_S", 0.0)
    status, text = await ask(client, "erase", "openid:o1")

    assert (status, json.loads(text)["error"]) == (503, "storage_unavailable")


async def test_openids_are_stored_as_hashes_and_found_by_themselves(
    client, stored, database, tmp_path
):
    await send(client, "wk_2", HASHED, [event("e1", now_ms())], openid="o1", anonymous_id="a1")
    await send(client, "wk_2", HASHED, [event("e2", now_ms())], openid="o1", unionid="n1")
    records = stored()
    assert b'"o1"' not in b"".join(record.body for record in records)
    key = id_hashing.key_of(tmp_path)
    hashed = id_hashing.hashed(key, HASHED, "o1")

    assert column(database, "SELECT DISTINCT openid FROM events") == [hashed]
    assert len(column(database, "SELECT DISTINCT person FROM identity_map FINAL")) == 1
    status, text = await ask(client, "export", "openid:o1")
    ids = json.loads(text.splitlines()[-1])["ids"]
    assert status == 200
    assert {one["id"] for one in ids} == {hashed, "a1", "n1"}


async def test_what_is_older_than_an_app_keeps_goes(client, stored, database, database_url):
    now = now_ms()
    for key, app_id in (("wk_1", APP), ("wk_2", HASHED)):
        old, new = event(f"old-{app_id}", now - 31 * DAY_MS), event(f"new-{app_id}", now)
        await send(client, key, app_id, [old], anonymous_id="a-old", user_id="u1")
        await send(client, key, app_id, [new], anonymous_id="a-new", user_id="u1")
    stored()
    apps = client.server.app[handlers.STATE].access.apps.values()
    nodes = [connect(url) for url in addresses(database_url)]

    removed = retention.expire(nodes, apps, now)
    assert removed[HASHED]["events"] == 1
    assert set(removed) == {HASHED}
    forgotten, stopping = {}, threading.Event()

    def forget(app_id, before_ms):
        forgotten[app_id] = before_ms
        stopping.set()

    upkeep.keep_up(database_url, lambda: apps, lambda: now, stopping, 60, forget)
    assert forgotten == {HASHED: now - 30 * DAY_MS}
    left = column(database, "SELECT event_id FROM events ORDER BY event_id")
    assert left == [f"new-{APP}", f"new-{HASHED}", f"old-{APP}"]
    texts = "SELECT DISTINCT (app_id, id) FROM identity_bindings WHERE kind = 'anonymous_id'"
    assert set(column(database, texts)) == {(APP, "a-old"), (APP, "a-new"), (HASHED, "a-new")}
    assert column(database, "SELECT count() FROM identity_map FINAL") == [4]

    assert retention.expire(nodes, apps, now) == {}
    assert retention.expire(nodes, apps, now + 31 * DAY_MS)[HASHED]["events"] == 1
    for node in nodes:
        node.close()
