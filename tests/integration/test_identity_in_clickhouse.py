"""Persons as the writer keeps them in ClickHouse, whatever arrives first, against a slow replay of all events."""

import json
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.identity import Id, Seen, ids_of, meaning
from writers import WriterOf

from collector.identity import id_key
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from collector.writer import Writer

T = 1_795_300_000_000


@pytest.fixture(params=[1, 20], ids=["crowds", "families"])
def most(request: pytest.FixtureRequest) -> int:
    """With how many others of a kind an id may stand."""
    return int(request.param)


@pytest.fixture
def writer(writer_of: WriterOf, database_url: str, tmp_path: Path, most: int) -> Writer:
    return writer_of(database_url, tmp_path, max_companions=most)


events = st.lists(
    st.builds(
        Seen,
        app_id=st.sampled_from(["wx1", "ali2"]),
        occurred_at=st.integers(T, T + 9),
        seq=st.integers(0, 2),
        event_id=st.just(""),
        user_id=st.sampled_from(["", "u1", "u2"]),
        unionid=st.sampled_from(["", "", "n1", "n2"]),
        openid=st.sampled_from(["", "o1", "o2"]),
        anonymous_id=st.sampled_from(["a1", "a2", "a3"]),
        phone_hash=st.sampled_from(["", "", *(f"ph_{digit * 32}" for digit in "12")]),
    ),
    min_size=1,
    max_size=12,
).map(lambda seen: [event._replace(event_id=f"e{n:03}") for n, event in enumerate(seen)])
_projects = iter(range(10**9))


@given(seen=events, blocks=st.integers(1, 4), data=st.data())
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_persons_do_not_depend_on_what_arrives_first(
    writer: Writer, database: Client, most: int, seen: list[Seen], blocks: int, data: st.DataObject
) -> None:
    project = f"project-{next(_projects)}"
    arriving = data.draw(st.permutations(seen))
    size = -(-len(arriving) // blocks)
    for start in range(0, len(arriving), size):
        records = [record(project, event) for event in arriving[start : start + size]]
        writer.store(build_block(records), [])

    expected = meaning(seen, most)

    def key(one: Id) -> int:
        kind, scope, text = one
        return id_key(project, kind, scope, text)

    bound = {one for event in seen if len(ids_of(event)) > 1 for one in ids_of(event)}
    stored = {
        row[0]: (row[1], list(zip(row[2], row[3], strict=True)))
        for row in database.query(
            "SELECT id_key, person, strict_from, strict_person FROM identity_map FINAL"
            " WHERE id_key IN {keys:Array(UInt64)}",
            {"keys": [key(one) for one in bound] or [0]},
        ).result_rows
    }
    assert stored == {
        key(one): (
            key(expected.person[one]),
            [(at, key(name)) for at, name in expected.history.get(one, [])],
        )
        for one in bound
    }
    actors = database.query(
        "SELECT event_id, actor FROM events FINAL WHERE project = {project:String}",
        {"project": project},
    ).result_rows
    assert dict(actors) == {f"{project}-{e.event_id}": key(ids_of(e)[0]) for e in seen}


@pytest.mark.parametrize("most", [1], ids=["crowds"], indirect=True)
def test_companions_that_are_crowds_themselves_count(writer: Writer, database: Client) -> None:
    """u2 is a crowd by two openids before a1 becomes one by two user_ids, of which one is u2."""
    first = [
        Seen("ali2", T, 0, "e2", "u2", "", "o1", "a2"),
        Seen("ali2", T, 0, "e3", "u2", "", "o2", "a1"),
    ]
    last = [Seen("ali2", T, 0, "e1", "u1", "", "", "a1")]
    for project, blocks in (("as it came", [first, last]), ("at once", [first + last])):
        for block in blocks:
            writer.store(build_block([record(project, event) for event in block]), [])
        key = id_key(project, "anonymous_id", "ali2", "a1")
        rows = database.query(
            "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}", {"key": key}
        ).result_rows
        assert rows == [(key,)], project


def record(project: str, event: Seen) -> SpoolRecord:
    body = {
        "app_id": event.app_id,
        "platform": "wechat",
        "events": [
            {
                "event_id": f"{project}-{event.event_id}",
                "event": "x",
                "occurred_at": event.occurred_at,
                "seq": event.seq,
                "user_id": event.user_id,
                "unionid": event.unionid,
                "openid": event.openid,
                "anonymous_id": event.anonymous_id,
                "phone_hash": event.phone_hash,
            }
        ],
    }
    return SpoolRecord(1, T, "r", project, event.app_id, 300_000, [], [], json.dumps(body).encode())
