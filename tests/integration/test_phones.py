"""A phone as an id, from the writer to every answer that names persons: real bodies, real bindings, real HTTP."""

import asyncio
import json
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer
from query_support import id_key

from collector import privacy
from collector.migrate import connect
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from query_api.app import create_app
from query_api.settings import Settings
from sdk_spec.access import AccessFile, App, ReadToken, digest, save

PROJECT, APP, OTHER_APP = "brand", "wx0001", "ali2"
T = 1_790_000_000_000
P1, P2 = (f"ph_{digit * 32}" for digit in "12")
ALL, ONE = ({"Authorization": f"Bearer {secret}"} for secret in ("rt_all", "rt_one"))
RANGE = {"time_range": {"from": "2026-09-01", "to": "2026-10-31"}}
U1, U2 = id_key("user_id", "u1"), id_key("user_id", "u2")


def store(writer, *events):
    """Each event is (app, minute, ids); the event's id is its place."""
    records = []
    for place, (app, minute, ids) in enumerate(events):
        at = T + minute * 60_000
        one = {"event_id": f"e{minute}-{place}", "event": "open", "occurred_at": at, **ids}
        body = json.dumps({"app_id": app, "platform": "server", "events": [one]}).encode()
        records.append(SpoolRecord(1, at, "r", PROJECT, app, 300_000, [], [], body))
    writer.store(build_block(records), [])


@pytest.fixture
def writer(writer):
    store(
        writer,
        (APP, 0, {"openid": "o1", "phone_hash": P1}),
        (OTHER_APP, 1, {"openid": "o2", "phone_hash": P1}),
        (APP, 2, {"user_id": "u1", "openid": "o1"}),
        (APP, 3, {"user_id": "u1", "phone_hash": P2}),
        (OTHER_APP, 4, {"user_id": "u2", "phone_hash": P1}),
    )
    return writer


@pytest.fixture
async def client(writer, database_url, tmp_path):
    assert writer, "has stored what is asked about"
    path = tmp_path / "access.json"
    save(
        path,
        AccessFile(
            apps=(App(APP, PROJECT), App(OTHER_APP, PROJECT)),
            read_tokens=(
                ReadToken("t1", PROJECT, digest("rt_all")),
                ReadToken("t2", PROJECT, digest("rt_one"), (APP,)),
            ),
        ),
    )
    settings = Settings(
        clickhouse_reader_url=database_url, clickhouse_editor_url=database_url, access_file=path
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        yield client


async def call(client, method, path, body=None, headers=ALL, **options):
    response = await client.request(method, path, json=body, headers=headers, **options)
    answer = await response.json()
    assert response.status in (200, 201), answer
    return answer["result"]


async def test_answers_about_persons_know_phones(client):
    [person] = (await call(client, "GET", f"/v1/identity/phone_hash:{P1}/explain"))["persons"]
    assert person["user"] == str(U1)
    assert [one["id"] for one in person["ids"]] == ["u1", "o2", "o1", P1, P2]
    [conflict] = person["conflicts"]
    assert (conflict["id"]["id"], conflict["other"]["id"]) == ("u2", P1)
    assert (conflict["conflicting_kind"], conflict["other_user"]) == ("user_id", str(U2))

    by_phone = {**RANGE, "id": f"phone_hash:{P1}"}
    timeline = await call(client, "POST", "/v1/query/timeline", by_phone)
    assert timeline["total"] == 4
    profile = await call(client, "POST", "/v1/query/profile", by_phone)
    phones = [one for one in profile["ids"] if one["kind"] == "phone_hash"]
    assert phones == [{"kind": "phone_hash", "app_id": "", "id": id_} for id_ in (P1, P2)]

    users = (await call(client, "POST", "/v1/query/users", RANGE))["users"]
    assert {
        row["user"]: [one["id"] for one in row["ids"] if one["kind"] == "phone_hash"]
        for row in users
    } == {str(U1): [P1, P2], str(U2): []}
    table = await client.post("/v1/query/users", json=RANGE, headers=ALL | {"Accept": "text/csv"})
    assert f"{P1} {P2}" in await table.text()
    funnel = {**RANGE, "steps": [{"event": "open"}, {"event": "open"}], "window": {"value": 1}}
    steps = (await call(client, "POST", "/v1/query/funnel", funnel))["steps"]
    assert [step["users"] for step in steps] == [2, 1]


async def test_persons_of_an_instant_have_the_phones_of_then(client):
    then = {**RANGE, "as_of": "2026-09-21T22:15:00+08:00"}  # after the second binding
    users = (await call(client, "POST", "/v1/query/users", then))["users"]

    [row] = users
    assert [one["id"] for one in row["ids"]] == ["o2", "o1", P1]


async def test_segment_is_exported_by_phone(client):
    made = await call(
        client, "POST", "/v1/segments", {"name": "all", "rule": {"did": {"event": "open"}}}
    )
    path = f"/v1/segments/{made['segment']['segment_id']}/export"

    exported = await call(client, "GET", path, params={"channel": "phone_hash"})

    assert exported["users"] == [{"user": str(U1), "phone_hash": P2}], "the newest of several"
    assert exported["without_id"] == 1


async def test_phones_that_only_other_apps_saw_stay_hidden(client, writer):
    p3 = f"ph_{'3' * 32}"
    store(writer, (OTHER_APP, 5, {"openid": "o2", "phone_hash": p3}))

    body = {**RANGE, "id": "user_id:u1"}
    explain = "/v1/identity/user_id:u1/explain"
    for method, path, asked in (("POST", "/v1/query/profile", body), ("GET", explain, None)):
        mine = await call(client, method, path, asked, headers=ONE)
        everything = await call(client, method, path, asked)

        assert p3 not in str(mine), path
        assert p3 in str(everything), path


async def test_phone_that_changed_hands_is_taken_apart(client, writer, database):
    body = {
        "id": {"kind": "openid", "id": "o1", "app_id": APP},
        "other": {"kind": "phone_hash", "id": P1},
        "reason": "the number has a new owner",
    }
    await call(client, "POST", "/v1/identity/unbind", body)

    deadline = time.monotonic() + 60
    while True:
        writer.binder.follow()
        rows = database.query(
            "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}",
            {"key": id_key("phone_hash", P1)},
        ).result_rows
        if rows == [(U2,)]:
            break
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.05)


def test_person_is_erased_and_exported_by_phone(writer, database, database_url, tmp_path):
    with connect(database_url) as client:
        person = privacy.find(client, PROJECT, f"phone_hash:{P1}", [APP, OTHER_APP])
        exported = list(privacy.export(client, person, "a"))
        assert sum(row["table"] == "events" for row in exported) == 4
        assert P1 in json.dumps(exported)
        receipt = privacy.erase(client, tmp_path / "nothing", person, "a", wait_s=0)
    assert {(one["kind"], one["id"]) for one in receipt.ids} == {
        ("user_id", "u1"),
        ("openid", "o1"),
        ("openid", "o2"),
        ("phone_hash", P1),
        ("phone_hash", P2),
    }
    left = database.query("SELECT count() FROM identity_bindings").result_rows
    assert left == [(0,)], "also where the phone stood with another person"

    writer.binder._next_look_s = 0  # as if a second had passed: it looks for erasures no oftener
    store(writer, (OTHER_APP, 6, {"user_id": "u3", "phone_hash": P1}))

    left = database.query("SELECT count() FROM identity_bindings").result_rows
    assert left == [(0,)], "what was before binds the phone to nobody"


def test_phone_of_a_crowd_binds_nobody(writer, database):
    store(writer, *((APP, 10 + n, {"user_id": f"c{n}", "phone_hash": P2}) for n in range(21)))

    quarantined = database.query("SELECT kind, id, crowded_kind FROM identity_quarantine")
    assert quarantined.result_rows == [("phone_hash", P2, "user_id")]
    persons = database.query(
        "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}",
        {"key": id_key("phone_hash", P2)},
    ).result_rows
    assert persons == [(id_key("phone_hash", P2),)]
