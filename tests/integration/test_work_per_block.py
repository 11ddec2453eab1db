"""How often ClickHouse is asked and given something for a block: once for each table, however many bodies it holds."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from writers import writer_with

from collector.rows import build_block
from collector.sinks import ClickHouseSink
from collector.spool_format import SpoolRecord
from collector.spool_reader import SpoolReader
from collector.writer import Writer

NOW = 1_795_300_000_000
OF_BLOCKS = ("insert_events", "insert_keys", "stored_keys", "insert_dead_letters")
OF_PERSONS = ("insert_bindings", "bindings_of", "insert_persons", "insert_conflicts")


class CountedSink(ClickHouseSink):
    """The sink, with a tally of what is asked of it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 60)
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in OF_BLOCKS or name in OF_PERSONS:
            self.calls[name] += 1
        return super().__getattribute__(name)


@pytest.fixture
def sink(database_url: str) -> Iterator[CountedSink]:
    sink = CountedSink(database_url)
    yield sink
    sink.close()


@pytest.fixture
def writer(sink: CountedSink, tmp_path: Path) -> Iterator[Writer]:
    reader = SpoolReader(tmp_path / "spool")
    yield writer_with(reader, sink)
    reader.close()


def records(run: str, users: int, bodies: int) -> list[SpoolRecord]:
    """Bodies of ten events; each user has an anonymous_id and an openid."""
    return [
        SpoolRecord(
            version=1,
            received_at=NOW,
            request_id=f"r-{number}",
            project="p",
            app_id="wx1",
            max_clock_skew_ms=300_000,
            refused=[],
            duplicates=[],
            body=msgspec.json.encode(
                {
                    "app_id": "wx1",
                    "platform": "wechat",
                    "anonymous_id": f"a-{number % users}",
                    "openid": f"o-{number % users}",
                    "events": [
                        {
                            "event_id": f"{run}-{number}-{place}",
                            "event": "page_view",
                            "occurred_at": NOW,
                        }
                        for place in range(10)
                    ],
                }
            ),
        )
        for number in range(bodies)
    ]


def test_block_costs_one_insert_a_table(writer: Writer, sink: CountedSink) -> None:
    stored = writer.store(build_block(records("one", users=40, bodies=200)), [])

    assert stored.new == 2_000
    # 40 persons of two ids: one look at what is bound to 80 ids, and one at what hangs on to those.
    assert sink.calls.pop("bindings_of") <= 2
    assert sink.calls == {
        "insert_events": 1,
        "insert_keys": 1,
        "insert_bindings": 1,
        "insert_persons": 1,
    }


def test_block_of_known_people_asks_nothing_about_them(writer: Writer, sink: CountedSink) -> None:
    writer.store(build_block(records("first", users=40, bodies=200)), [])
    sink.calls.clear()

    writer.store(build_block(records("second", users=40, bodies=200)), [])

    assert sink.calls == {"insert_events": 1, "insert_keys": 1}


def test_block_that_is_known_is_looked_up_once_and_not_inserted(
    writer: Writer, sink: CountedSink
) -> None:
    block = build_block(records("again", users=40, bodies=200))
    writer.store(block, [])
    sink.calls.clear()

    stored = writer.store(block, [])

    assert (stored.new, stored.known) == (0, 2_000)
    assert sink.calls == {"stored_keys": 1}
