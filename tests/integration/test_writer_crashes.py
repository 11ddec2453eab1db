"""The writer stops before and after each call of ``store``, and a new one goes on: nothing lost, nothing twice."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from writers import writer_with

from collector.block import Block
from collector.filter import KeyFilter
from collector.identity import id_key
from collector.rows import build_block
from collector.sinks import ClickHouseSink
from collector.spool_format import SpoolRecord
from collector.spool_reader import SpoolReader
from collector.writer_process import load_filter
from tests.unit.collector.spool_bytes import FILE_HEADER, encode, write_segment

NOW = 1_795_300_912_353


class CrashError(BaseException):
    """The process is gone."""


class Crashing:
    """Passes calls on to ``target``; the ``at``-th call of all that share ``calls`` crashes before or after it."""

    def __init__(self, target: Any, calls: list[str], at: int, *, after: bool) -> None:
        self._target, self._calls, self._at, self._after = target, calls, at, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._calls.append(name)
            is_it = len(self._calls) == self._at
            if is_it and not self._after:
                raise CrashError(name)
            result = method(*arguments, **named)
            if is_it:
                raise CrashError(name)
            return result

        return call


@pytest.fixture
def sink(database_url: str) -> Iterator[ClickHouseSink]:
    one = ClickHouseSink(database_url, 60)
    yield one
    one.close()


def record(prefix: str, copy: str, received_at: int) -> bytes:
    """Three events of two weeks with two ids, and one that is refused; ``copy`` changes all but the ids."""
    events = [
        {
            "event_id": f"{prefix}-{n}",
            "event": f"event-{copy}",
            "occurred_at": NOW - n * 5 * 86_400_000 - (copy != "first"),
        }
        for n in range(3)
    ]
    refused = {"event_id": f"{prefix}-bad", "event": "", "occurred_at": NOW}
    body = json.dumps(
        {
            "app_id": "wx1",
            "platform": "wechat",
            "user_id": f"u-{prefix}",
            "openid": f"o-{prefix}-{copy}",
            "events": [*events, refused],
        }
    ).encode()
    return encode(
        SpoolRecord(1, received_at, f"r-{prefix}-{copy}", "brand", "wx1", 300_000, [3], [], body)
    )


def run_once(sink: Any, reader: Any, key_filter: KeyFilter, block_bytes: int) -> None:
    """Store all that the spool holds, as ``Writer.run`` does, in this thread."""
    writer = writer_with(reader, sink, key_filter)
    while True:
        records, positions = reader.read(block_bytes)
        if not positions:
            return
        records.sort(key=lambda one: one.received_at)
        writer.store(build_block(records), positions)


def store(
    folder: Path, sink: ClickHouseSink, calls: list[str], at: int, block_bytes: int, *, after: bool
) -> bool:
    """Run a writer in a spool until it is done or crashes; tell whether it crashed."""
    reader = SpoolReader(folder)
    key_filter = load_filter(sink, 10_000, threading.Event())
    assert key_filter is not None
    try:
        run_once(
            Crashing(sink, calls, at, after=after),
            Crashing(reader, calls, at, after=after),
            key_filter,
            block_bytes,
        )
    except CrashError:
        return True
    else:
        return False
    finally:
        reader.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_crash_at_every_line(
    tmp_path: Path, sink: ClickHouseSink, database: Client, *, after: bool
) -> None:
    """After each crash a changed copy of every event lies in a folder that is read first."""
    calls: list[str] = []
    rounds = 0
    while True:
        rounds += 1
        prefix = f"p{rounds}"
        folder = tmp_path / prefix
        # The events stand at the end of what one block holds while only this worker has any.
        others = b"".join(record(f"other{n}-{prefix}", "first", NOW) for n in range(4))
        data = FILE_HEADER + others + record(prefix, "first", NOW)
        write_segment(folder / "worker-001", data)
        calls.clear()
        crashed = store(folder, sink, calls, rounds, len(data), after=after)
        write_segment(folder / "worker-000", FILE_HEADER + record(prefix, "second", NOW + 1))
        assert not store(folder, sink, [], 0, len(data), after=False)

        found = database.query(
            "SELECT event_id, event FROM events FINAL WHERE event_id LIKE {like:String} ORDER BY 1",
            {"like": f"{prefix}-%"},
        ).result_rows
        assert found == [(f"{prefix}-{n}", "event-first") for n in range(3)], calls
        letters = database.query(
            "SELECT request_id, event_index FROM dead_letters FINAL WHERE event_id = {id:String} ORDER BY 1",
            {"id": f"{prefix}-bad"},
        ).result_rows
        assert letters == [(f"r-{prefix}-first", 3), (f"r-{prefix}-second", 3)], calls
        bound = database.query(
            "SELECT DISTINCT other_id FROM identity_bindings FINAL WHERE id = {id:String}",
            {"id": f"u-{prefix}"},
        ).result_rows
        assert bound == [(f"o-{prefix}-first",)], "a copy binds nothing"
        assert not list((folder / "worker-001").glob("*.spool")), "what is stored leaves the disk"
        if not crashed:
            break
    for step in ("intend", "insert_bindings", "insert_persons", "insert_events", "insert_keys"):
        assert step in calls
    assert rounds > len(set(calls))
    print(f"\ncrashes {'after' if after else 'before'} each of {rounds - 1} calls: {calls}")


def person_of(database: Client, kind: str, value: str) -> int:
    """The key of the person that an id belongs to."""
    key = id_key("brand", kind, "wx1", value)
    rows = database.query(
        "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}", {"key": key}
    ).result_rows
    return int(rows[0][0]) if rows else key


def together(**ids: str) -> Block:
    """One event with two ids."""
    event = {"event_id": "-".join(ids.values()), "event": "x", "occurred_at": NOW}
    batch = {"app_id": "wx1", "platform": "wechat", **ids, "events": [event]}
    body = json.dumps(batch).encode()
    return build_block([SpoolRecord(1, NOW, "r", "brand", "wx1", 300_000, [], [], body)])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_crash_while_an_id_is_quarantined(
    tmp_path: Path, sink: ClickHouseSink, database: Client, *, after: bool
) -> None:
    """What an id had joined before it turns out to be a crowd is taken apart, whichever call a crash hits."""
    reader = SpoolReader(tmp_path)
    calls: list[str] = []
    rounds, crashed = 0, True
    while crashed:
        rounds += 1
        openid, device = f"o{rounds}", f"a{rounds}"
        before = writer_with(reader, sink, max_companions=1)
        before.store(together(user_id=f"u{rounds}", openid=openid), [])
        before.store(together(openid=openid, anonymous_id=device), [])
        user = id_key("brand", "user_id", "", f"u{rounds}")
        assert person_of(database, "anonymous_id", device) == user
        block = together(user_id=f"v{rounds}", openid=openid)
        calls.clear()
        crashing = Crashing(sink, calls, rounds, after=after)
        try:
            writer_with(reader, crashing, max_companions=1).store(block, [])
            crashed = False
        except CrashError:
            writer_with(reader, sink, max_companions=1).store(block, [])

        for kind, value in (("openid", openid), ("anonymous_id", device)):
            alone = id_key("brand", kind, "wx1", value)
            assert person_of(database, kind, value) == alone, calls
        listed = database.query(
            "SELECT DISTINCT id FROM identity_quarantine WHERE id = {id:String}", {"id": openid}
        ).result_rows
        assert listed == [(openid,)], calls
    assert "insert_quarantined" in calls
    reader.close()


def test_an_unbinding_is_followed_though_the_server_was_away_in_between(
    tmp_path: Path, sink: ClickHouseSink, database: Client
) -> None:
    reader = SpoolReader(tmp_path)
    calls: list[str] = []
    rounds, crashed = 0, True
    while crashed:
        rounds += 1
        pair = [
            id_key("brand", "user_id", "", f"u{rounds}"),
            id_key("brand", "anonymous_id", "wx1", f"a{rounds}"),
        ]
        writer_with(reader, sink).store(
            together(user_id=f"u{rounds}", anonymous_id=f"a{rounds}"), []
        )
        assert person_of(database, "anonymous_id", f"a{rounds}") == pair[0]
        at = datetime.fromtimestamp(NOW / 1000, UTC)
        database.insert(
            "identity_unbindings",
            [[*one, "brand", at, "test"] for one in (pair, pair[::-1])],
            column_names=["id_key", "other_key", "project", "unbound_at", "reason"],
        )
        calls.clear()
        binder = writer_with(reader, Crashing(sink, calls, rounds, after=False)).binder
        try:
            binder.follow()
            crashed = False
        except CrashError:
            binder._next_look_s = 0  # as if a second had passed: it looks no oftener
            binder.follow()

        assert person_of(database, "anonymous_id", f"a{rounds}") == pair[1], calls
    assert "insert_persons" in calls
    reader.close()
