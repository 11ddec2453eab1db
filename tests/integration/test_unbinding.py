"""Persons in ClickHouse as bindings come and are taken apart: the real writer's identity half on a real server."""

from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from collector.identity import id_key
from collector.writer import Writer
from sdk_spec.persons import Binding

PROJECT, APP = "p", "wx1"
SCOPES = {"user_id": "", "unionid": "", "openid": APP, "anonymous_id": APP}


def key(kind: str, value: str) -> int:
    return id_key(PROJECT, kind, APP, value)


def bind(strong: tuple[str, str], weak: tuple[str, str], at: int, event_id: str = "e") -> Binding:
    return Binding(
        project=PROJECT,
        id_key=key(*strong),
        kind=strong[0],
        app_id=SCOPES[strong[0]],
        id=strong[1],
        other_key=key(*weak),
        other_kind=weak[0],
        other_app_id=SCOPES[weak[0]],
        other_id=weak[1],
        occurred_at=at,
        event_id=event_id,
        event_app_id=APP,
        received_at=at,
    )


T = 1_790_000_000_000


def person(database: Client, kind: str, value: str) -> int:
    rows = database.query(
        "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}",
        parameters={"key": key(kind, value)},
    ).result_rows
    return int(rows[0][0]) if rows else key(kind, value)


def take_apart(database: Client, left: int, right: int, at_ms: int) -> None:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    database.insert(
        "identity_unbindings",
        [[left, right, PROJECT, at, "test"], [right, left, PROJECT, at, "test"]],
        column_names=["id_key", "other_key", "project", "unbound_at", "reason"],
    )


def test_a_chain_of_ids_is_one_person_named_by_the_strongest(
    writer: Writer, database: Client
) -> None:
    writer.binder.bind([bind(("openid", "o1"), ("anonymous_id", "a1"), T)], "t1")
    assert person(database, "anonymous_id", "a1") == key("openid", "o1")

    writer.binder.bind([bind(("user_id", "u1"), ("openid", "o1"), T + 1)], "t2")

    assert {person(database, *i) for i in (("anonymous_id", "a1"), ("openid", "o1"))} == {
        key("user_id", "u1")
    }


def test_an_unbinding_takes_apart_and_a_later_event_binds_again(
    writer: Writer, database: Client
) -> None:
    writer.binder.bind([bind(("openid", "o1"), ("anonymous_id", "a1"), T)], "t1")
    writer.binder.bind([bind(("user_id", "u1"), ("openid", "o1"), T + 1)], "t2")

    take_apart(database, key("user_id", "u1"), key("openid", "o1"), T + 10)
    writer.binder.follow()

    assert person(database, "openid", "o1") == key("openid", "o1")
    assert person(database, "anonymous_id", "a1") == key("openid", "o1")
    assert person(database, "user_id", "u1") == key("user_id", "u1")

    writer.binder.bind([bind(("user_id", "u1"), ("openid", "o1"), T + 20, "later")], "t3")

    assert person(database, "anonymous_id", "a1") == key("user_id", "u1")


def test_the_same_old_event_seen_again_does_not_undo_an_unbinding(
    writer: Writer, database: Client
) -> None:
    old = bind(("openid", "o1"), ("anonymous_id", "a1"), T)
    writer.binder.bind([old], "t1")
    take_apart(database, key("openid", "o1"), key("anonymous_id", "a1"), T + 10)
    writer.binder.follow()

    writer.binder.bind([old], "t2")

    assert person(database, "anonymous_id", "a1") == key("anonymous_id", "a1")


def test_a_second_user_on_the_same_device_is_a_person_of_its_own_and_the_conflict_is_listed(
    writer: Writer, database: Client
) -> None:
    writer.binder.bind([bind(("user_id", "u1"), ("anonymous_id", "a1"), T)], "t1")
    writer.binder.bind([bind(("user_id", "u2"), ("anonymous_id", "a1"), T + 1)], "t2")

    assert person(database, "anonymous_id", "a1") == key("user_id", "u1")
    assert person(database, "user_id", "u2") == key("user_id", "u2")
    conflicts = database.query(
        "SELECT id, other_id, reason FROM identity_conflicts FINAL"
    ).result_rows
    assert [tuple(row) for row in conflicts] == [("u2", "a1", "user_id")]


def test_an_earlier_event_that_arrives_late_decides_who_was_first(
    writer: Writer, database: Client
) -> None:
    writer.binder.bind([bind(("user_id", "u2"), ("anonymous_id", "a1"), T + 5)], "t1")
    writer.binder.bind([bind(("user_id", "u1"), ("anonymous_id", "a1"), T)], "t2")

    assert person(database, "anonymous_id", "a1") == key("user_id", "u1")


def test_a_small_block_after_a_large_one_still_joins(writer: Writer, database: Client) -> None:
    crowd = [bind(("openid", f"o{i}"), ("anonymous_id", f"a{i}"), T + i) for i in range(50)]
    writer.binder.bind(crowd, "t1")

    writer.binder.bind([bind(("user_id", "u7"), ("openid", "o7"), T + 100)], "t2")

    assert person(database, "openid", "o7") == key("user_id", "u7")
    assert person(database, "anonymous_id", "a7") == key("user_id", "u7")
    assert person(database, "anonymous_id", "a8") == key("openid", "o8")


def test_an_id_with_a_crowd_joins_nobody_any_more_and_is_listed(
    writer: Writer, database: Client
) -> None:
    bot = [bind(("openid", f"o{i}"), ("anonymous_id", "bot"), T + i) for i in range(1_000)]
    writer.binder.bind(bot[:20], "t1")
    assert person(database, "anonymous_id", "bot") == key("openid", "o0")

    writer.binder.bind([bind(("user_id", "u0"), ("openid", "o0"), T + 5_000)], "t2")
    writer.binder.bind(bot[20:], "t3")
    writer.binder.bind([bind(("openid", "o7"), ("anonymous_id", "a7"), T + 9_000)], "t4")

    assert person(database, "anonymous_id", "bot") == key("anonymous_id", "bot")
    assert person(database, "openid", "o0") == key("user_id", "u0")
    assert person(database, "anonymous_id", "a7") == key("openid", "o7")
    listed = database.query("SELECT id, crowded_kind FROM identity_quarantine").result_rows
    assert [tuple(row) for row in listed] == [("bot", "openid")]
