"""The writer and tombstones: what happened before an erasure does not come back, what happens later is new."""

import msgspec
import numpy as np
import pytest
from query_support import APP, PROJECT, event, id_key, insert
from writers import writer_with

from collector import privacy
from collector.clickhouse_urls import addresses
from collector.migrate import connect
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from sdk_spec.persons import Binding

T = 1_790_000_000_000
LATER = 4_000_000_000_000


def bind(at, event_id):
    return Binding(
        project=PROJECT,
        id_key=id_key("user_id", "u1"),
        kind="user_id",
        app_id="",
        id="u1",
        other_key=id_key("openid", "o1"),
        other_kind="openid",
        other_app_id=APP,
        other_id="o1",
        occurred_at=at,
        event_id=event_id,
        event_app_id=APP,
        received_at=at,
    )


def record(event_id, at, ids):
    body = (
        f'{{"app_id":"{APP}","platform":"wechat",{ids},"events":'
        f'[{{"event_id":"{event_id}","event":"page_view","occurred_at":{at}}}]}}'
    )
    return SpoolRecord(1, at, f"r-{event_id}", PROJECT, APP, 300_000, [], [], body.encode())


USER = '"user_id":"u1","openid":"o1"'


def erase(database_url, tmp_path, asked):
    nodes = [connect(url) for url in addresses(database_url)]
    try:
        person = privacy.find(nodes[0], PROJECT, asked, [APP])
        nowhere = tmp_path / "nothing"
        return privacy.erase(nodes[0], nowhere, person, asked, wait_s=0, nodes=nodes)
    finally:
        for node in nodes:
            node.close()


def ids_of(database):
    rows = database.query("SELECT event_id FROM events FINAL ORDER BY event_id").result_rows
    return [row[0] for row in rows]


def test_what_was_before_stays_away_and_what_comes_later_is_new(
    writer, database, database_url, tmp_path
):
    writer.store(build_block([record("e1", T, USER)]), [])
    receipt = erase(database_url, tmp_path, "openid:o1")
    assert (receipt.rows["events"], len(receipt.ids)) == (1, 2)
    assert ids_of(database) == []

    restarted = writer_with(writer._reader, writer._sink)
    block = build_block(
        [
            record("e2", T + 1, USER),
            record("e3", T + 2, '"openid":"o1"'),
            record("e4", T + 3, '"user_id":"u2","openid":"o1"'),
        ]
    )
    restarted.store(block, [])
    assert ids_of(database) == ["e4"]
    assert database.query("SELECT count() FROM identity_bindings").result_rows == [(0,)]

    restarted.binder.bind([bind(T, "e5"), bind(LATER, "e6")], "t")
    rows = database.query("SELECT DISTINCT event_id FROM identity_bindings").result_rows
    assert rows == [("e6",)]
    assert restarted.drop_erased(block, np.array([False, False, False])) is not None


def test_an_id_that_joined_since_the_person_was_looked_up_goes_as_well(writer, database, tmp_path):
    """Else the events of a person's account stay, since its login still waited in the spool then."""
    writer.store(build_block([record("e1", T, '"openid":"o1"')]), [])
    person = privacy.find(database, PROJECT, "openid:o1", [APP])
    later = [record("e2", T + 1, USER), record("e3", T + 2, '"user_id":"u1"')]
    writer.store(build_block(later), [])

    receipt = privacy.erase(database, tmp_path / "nothing", person, "openid:o1", wait_s=0)

    assert {one["id"] for one in receipt.ids} == {"o1", "u1"}
    assert ids_of(database) == []


def test_what_expired_is_bound_again(writer, database):
    def evidence():
        rows = database.query("SELECT DISTINCT event_id FROM identity_bindings").result_rows
        return {row[0] for row in rows}

    writer.binder.bind([bind(T, "e1")], "t1")
    writer.binder.bind([bind(T + 1, "e2")], "t2")
    assert evidence() == {"e1"}

    for before_ms in (T, T + 1):
        writer.binder.forget(APP, before_ms)
        writer.binder.follow()
        writer.binder.bind([bind(T + 2, f"before {before_ms}")], f"t{before_ms}")
    assert evidence() == {"e1", f"before {T + 1}"}


def test_ids_of_an_erased_person_stay_in_no_mutation(writer, database, database_url, tmp_path):
    """The text of a mutation stays in the data folder: mutation_<n>.txt beside the parts."""
    ids = '"user_id":"u1","openid":"o-用户-1","anonymous_id":"a1"'
    good = record("e2", T, ids)
    bad = msgspec.structs.replace(
        good, body=good.body.replace(str(T).encode(), b'"soon"'), refused=[0]
    )
    blocks = [record("e1", T, ids), bad, record("e3", T, '"user_id":"u2","anonymous_id":"a1"')]
    writer.store(build_block(blocks), [])

    receipt = erase(database_url, tmp_path, "openid:o-用户-1")

    assert (receipt.rows["events"], receipt.rows["dead_letters"]) == (1, 1)
    assert receipt.ids_taken_out_of_events_of_others == 1
    assert not any(receipt.left.values())
    rest = database.query("SELECT user_id, anonymous_id FROM events FINAL").result_rows
    assert rest == [("u2", "")]
    commands = database.query(
        "SELECT command FROM system.mutations WHERE database = currentDatabase()"
    ).result_rows
    assert len(commands) > 3
    for text in ("o-用户-1", "'u1'", "a1"):
        assert not [one for (one,) in commands if text in one]


def test_an_id_in_several_apps_must_name_the_app(database, database_url, tmp_path):
    insert(
        database,
        [event("openid:o1", "a", T), event("openid:o1", "a", T, app_id="wx0002")],
    )
    client = connect(database_url)
    with pytest.raises(privacy.PrivacyError, match="kind@app_id:value"):
        privacy.find(client, PROJECT, "openid:o1", [APP, "wx0002"])
    person = privacy.find(client, PROJECT, "openid@wx0002:o1", [APP, "wx0002"])
    client.close()
    assert person.ids == [("openid", "wx0002", "o1")]
    receipt = erase(database_url, tmp_path, "openid:o1")
    assert receipt.ids == [{"kind": "openid", "app_id": APP, "id": "o1"}]
    rows = database.query("SELECT app_id FROM events").result_rows
    assert rows == [("wx0002",)]
    kept = database.query("SELECT action, ids, rows['events'] FROM privacy_receipts").result_rows
    assert kept == [("erase", 1, 1)]
