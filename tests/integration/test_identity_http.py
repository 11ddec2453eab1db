"""Explaining and taking apart ids over HTTP, with the real writer behind it."""

import time

import pytest
from aiohttp.test_utils import TestClient, TestServer
from query_support import ALL, APP, ONE, OTHER_APP, PROJECT, STRANGER

from collector import identity as collected
from collector.local_clickhouse import EDITABLE
from collector.migrate import connect, migrate
from query_api.app import create_app
from query_api.errors import QueryError
from query_api.identity import candidates, id_key
from query_api.settings import Settings
from sdk_spec.ids import KINDS
from sdk_spec.persons import Binding

T = 1_790_000_000_000


def bind(strong, weak, at, event_id, app_id=APP):
    (kind, value), (other_kind, other_value) = strong, weak

    def scope(kind):
        return app_id if kind in ("openid", "anonymous_id") else ""

    return Binding(
        project=PROJECT,
        id_key=id_key(PROJECT, kind, app_id, value),
        kind=kind,
        app_id=scope(kind),
        id=value,
        other_key=id_key(PROJECT, other_kind, app_id, other_value),
        other_kind=other_kind,
        other_app_id=scope(other_kind),
        other_id=other_value,
        occurred_at=at,
        event_id=event_id,
        event_app_id=app_id,
        received_at=at + 1000,
    )


USER, DEVICE, OPENID = ("user_id", "u1"), ("anonymous_id", "a1"), ("openid", "o1")
SECOND = ("user_id", "u2")


@pytest.fixture
def bound(writer):
    """u1 by its openid owns the device; u2 uses the same device later; both apps know u1's unionid."""
    writer.binder.bind([bind(OPENID, DEVICE, T, "e1")], "t1")
    writer.binder.bind([bind(USER, OPENID, T + 1, "e2")], "t2")
    writer.binder.bind([bind(SECOND, DEVICE, T + 2, "e3")], "t3")
    writer.binder.bind([bind(USER, ("openid", "o2"), T + 3, "e4", OTHER_APP)], "t4")
    return writer


async def explained(client, text, headers=ALL, **query):
    response = await client.get(f"/v1/identity/{text}/explain", headers=headers, params=query)
    body = await response.json()
    assert response.status == 200, body
    return body["result"]["persons"]


def named(one):
    return f"{one['kind']}:{one['id']}"


def test_both_packages_compute_the_same_keys_for_every_kind():
    for kind in KINDS:
        for value in ("u1", "", "用户", "a\x1fb"):
            key = id_key(PROJECT, kind, APP, value)
            assert key == collected.id_key(PROJECT, kind, APP, value)


def test_a_bare_value_is_looked_for_under_every_kind_and_app():
    found = [named(one) + "@" + one["app_id"] for one in candidates("p", "x", ["a", "b"]).values()]
    assert found == [
        "user_id:x@",
        "unionid:x@",
        "openid:x@a",
        "openid:x@b",
        "anonymous_id:x@a",
        "anonymous_id:x@b",
        "phone_hash:x@",
    ]
    [strange] = candidates("p", "user_id:a:b", []).values()
    assert strange["id"] == "a:b"
    with pytest.raises(QueryError):
        candidates("p", "user_id:", [])


@pytest.mark.usefixtures("bound")
async def test_a_person_is_explained_by_its_bindings_with_evidence(client):
    [person] = await explained(client, "a1")

    assert person["user"] == str(id_key(PROJECT, *("user_id", "", "u1")))
    assert [named(one) for one in person["ids"]] == [
        "user_id:u1",
        "openid:o1",
        "openid:o2",
        "anonymous_id:a1",
    ]
    evidence = [
        (named(b["id"]), named(b["other"]), b["evidence"]["event_id"], b["evidence"]["app_id"])
        for b in person["bindings"]
    ]
    assert evidence == [
        ("openid:o1", "anonymous_id:a1", "e1", APP),
        ("user_id:u1", "openid:o1", "e2", APP),
        ("user_id:u1", "openid:o2", "e4", OTHER_APP),
    ]
    [conflict] = person["conflicts"]
    assert (named(conflict["id"]), named(conflict["other"])) == ("user_id:u2", "anonymous_id:a1")
    assert conflict["conflicting_kind"] == "user_id"
    assert conflict["other_user"] == str(id_key(PROJECT, "user_id", "", "u2"))
    [second] = await explained(client, "user_id:u2")
    assert [named(one) for one in second["ids"]] == ["user_id:u2"]
    assert second["conflicts"][0]["other_user"] == person["user"]


@pytest.mark.usefixtures("bound")
async def test_a_token_of_one_app_sees_that_apps_part(client):
    [person] = await explained(client, "user_id:u1", ONE)

    assert [named(one) for one in person["ids"]] == ["user_id:u1", "openid:o1", "anonymous_id:a1"]
    assert person["hidden"] == {"ids": 1, "bindings": 1}
    for headers, text in ((ONE, "openid:o2"), (STRANGER, "u1"), (ALL, "nobody")):
        response = await client.get(f"/v1/identity/{text}/explain", headers=headers)
        assert (response.status, (await response.json())["error"]) == (404, "not_found")
    response = await client.get(
        "/v1/identity/u1/explain", headers=ONE, params={"app_id": OTHER_APP}
    )
    assert response.status == 403


def given(one, app_id=APP):
    kind, value = one
    return {"kind": kind, "id": value} | (
        {} if kind in ("user_id", "unionid") else {"app_id": app_id}
    )


async def test_unbinding_makes_two_persons_and_a_later_event_binds_again(client, bound):
    body = {"id": given(DEVICE), "other": given(OPENID), "reason": "a shared phone"}
    response = await client.post("/v1/identity/unbind", json=body, headers=ALL)
    answer = await response.json()
    assert response.status == 200, answer
    bound.binder.follow()

    [device] = await explained(client, "anonymous_id:a1")
    assert named(device["ids"][0]) == "user_id:u2"  # the conflict is over: the device is u2's now
    [lost] = [one for one in device["not_merged"] if one["why"] == "unbound"]
    assert named(lost["id"]) == "openid:o1"
    [person] = await explained(client, "openid:o1")
    assert DEVICE[1] not in [one["id"] for one in person["ids"]]
    [unbinding] = person["unbindings"]
    assert (unbinding["reason"], unbinding["unbound_by"]) == ("a shared phone", "t1")

    again = await client.post("/v1/identity/unbind", json=body, headers=ALL)
    assert again.status == 404

    at = int(time.time() * 1000) + 60_000
    bound.binder.bind([bind(OPENID, DEVICE, at, "e9")], "t9")
    [both] = await explained(client, "openid:o1")
    assert [one["why"] for one in both["not_merged"]] in (["conflict"], [])


async def test_a_crowded_id_is_quarantined_and_explained(client, bound):
    bound.binder.bind(
        [bind(("openid", f"c{i}"), DEVICE, T + 10 + i, f"c{i}") for i in range(30)], "t5"
    )

    [device] = await explained(client, "anonymous_id:a1")
    assert [named(one) for one in device["ids"]] == ["anonymous_id:a1"]
    [why] = device["quarantined"]
    assert (why["why"], why["crowded_kind"], why["companions"]) == ("crowd", "openid", 31)
    assert {one["why"] for one in device["not_merged"]} == {"quarantined"}
    [person] = await explained(client, "openid:o1")
    assert "user_id:u1" in map(named, person["ids"])
    assert "anonymous_id:a1" not in map(named, person["ids"])


@pytest.mark.usefixtures("bound")
async def test_wrong_unbindings_name_the_field(client):
    good = {"id": given(USER), "other": given(OPENID), "reason": "r"}
    for change, status, path in (
        ({"id": {"kind": "openid", "id": "o1"}}, 400, "$.id.app_id"),
        ({"id": {"kind": "phone", "id": "1"}}, 400, "$.id.kind"),
        ({"other": given(USER)}, 400, "$.other"),
        ({"other": given(("openid", "o1"), "wx9")}, 403, "$.other.app_id"),
        ({"other": given(("openid", "o7"))}, 404, None),
        ({"reason": ""}, 400, "$.reason"),
    ):
        response = await client.post("/v1/identity/unbind", json=good | change, headers=ALL)
        body = await response.json()
        assert (response.status, body.get("path")) == (status, path), body
    response = await client.post("/v1/identity/unbind", json=good, headers=ONE)
    assert response.status == 403


@pytest.mark.usefixtures("bound")
async def test_without_an_editor_nothing_can_be_changed(database_url, access_file):
    settings = Settings(clickhouse_reader_url=database_url, access_file=access_file)
    async with TestClient(TestServer(create_app(settings))) as client:
        body = {"id": given(USER), "other": given(OPENID), "reason": "r"}
        response = await client.post("/v1/identity/unbind", json=body, headers=ALL)
        answer = await response.json()
        assert (response.status, answer["error"]) == (503, "storage_unavailable")
        assert "SCENETRAIL_CLICKHOUSE_EDITOR_URL" in answer["message"]
        assert await explained(client, "u1")


@pytest.fixture
def editor_url(clickhouse):
    url = clickhouse.url("writer")
    migrate(url)
    yield clickhouse.url("editor")
    client = connect(url)
    client.command("DROP DATABASE scenetrail")
    client.close()


def test_the_editor_may_insert_into_its_tables_and_nothing_else(editor_url):
    from clickhouse_connect.driver.exceptions import DatabaseError  # noqa: PLC0415

    client = connect(editor_url)
    for table in ("events", "identity_map", "identity_bindings", *EDITABLE):
        assert client.query(f"SELECT count() FROM {table}").result_rows == [(0,)]  # noqa: S608
        statement = f"INSERT INTO {table} SELECT * FROM {table}"  # noqa: S608
        if table in EDITABLE:
            client.command(statement)
        else:
            with pytest.raises(DatabaseError, match="ACCESS_DENIED"):
                client.command(statement)
    for statement in (
        "ALTER TABLE segments DELETE WHERE 1",
        "TRUNCATE TABLE segment_users",
        "DROP TABLE segments",
        "CREATE TABLE mine (a UInt8) ENGINE = Memory",
        "SELECT * FROM system.users",
    ):
        with pytest.raises(DatabaseError, match=r"ACCESS_DENIED|Not enough privileges"):
            client.command(statement)
    client.close()


async def test_the_openapi_document_describes_both(client):
    document = await (await client.get("/openapi.json")).json()
    assert "get" in document["paths"]["/v1/identity/{id}/explain"]
    assert "post" in document["paths"]["/v1/identity/unbind"]
    assert document["components"]["schemas"]["Unbind"]["additionalProperties"] is False
