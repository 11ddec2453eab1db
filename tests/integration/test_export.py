"""``scenetrail export``: every event of an app once, all columns, on one server and on shards."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from query_support import APP, event, insert, ms

from collector.export import ExportError, export_events
from collector.migrate import connect
from tests.conftest import ClusterServers, stores_everywhere

T = ms("2026-10-01T00:00:00Z")
DAY_MS = 86_400_000


def check(client, folder: Path) -> None:
    rows = [event(f"u{i}", "view", T + i, properties={"n": i, "city": "北京"}) for i in range(300)]
    insert(client, rows)
    insert(client, rows[:100])  # sent twice
    insert(client, [event("u1", "view", T + DAY_MS), event("u1", "view", T, app_id="wx0002")])

    number = export_events(client, APP, T, T + DAY_MS, folder / "events.parquet")

    table = pq.read_table(folder / "events.parquet")
    columns = {name for (name,) in client.query("SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'events'").result_rows}  # fmt: skip  # noqa: E501
    assert number == table.num_rows == 300
    assert set(table.column_names) == columns | {"phone_hash"}
    assert sorted(table["event_id"].to_pylist()) == sorted(row["event_id"] for row in rows)
    assert sorted(table["event_key"].to_pylist()) == sorted(row["event_key"] for row in rows)
    assert {dict(one)["city"] for one in table["properties_text"].to_pylist()} == {"北京"}
    assert list(folder.iterdir()) == [folder / "events.parquet"]


def test_one_server(database, tmp_path: Path) -> None:
    check(database, tmp_path)


def test_two_shards(cluster: ClusterServers, tmp_path: Path) -> None:
    for url in cluster.database(2):
        client = stores_everywhere(connect(url, distributed_foreground_insert=1))
        check(client, tmp_path)
        client.close()


def test_nothing_is_left_of_a_stream_that_broke_off(database, tmp_path: Path) -> None:
    class Cut:
        """A client whose stream ends early."""

        def raw_stream(self, *arguments, **named):
            stream = database.raw_stream(*arguments, **named)
            whole = stream.read

            def read(size: int) -> bytes:
                return whole(size)[:-8]

            stream.read = read
            return stream

    insert(database, [event("u1", "view", T)])
    with pytest.raises(ExportError):
        export_events(Cut(), APP, T, T + DAY_MS, tmp_path / "events.parquet")

    assert list(tmp_path.iterdir()) == []
