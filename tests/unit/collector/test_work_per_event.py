"""What one more event costs in Python: calls and objects that stay, whose numbers no busy machine changes."""

import gc
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.block import Block
from collector.ingest import Ingest, Verdict, judge
from collector.recent import RecentIds
from collector.rows import build_block
from collector.spool import Spool
from collector.spool_format import SpoolRecord
from sdk_spec.access import App

NOW = 1_790_000_000_000


def body(events: int) -> bytes:
    """One request with events of five properties."""
    properties = {"price": 19.9, "count": 3, "city": "上海", "is_new": True, "sku": "A-1"}
    return msgspec.json.encode(
        {
            "app_id": "wx1",
            "platform": "wechat",
            "anonymous_id": "a-1",
            "openid": "o-1",
            "sent_at": NOW,
            "device": {"brand": "Huawei"},
            "events": [
                {
                    "event_id": f"e-{number}",
                    "event": "page_view",
                    "occurred_at": NOW - number,
                    "scene": 1089,
                    "page": "pages/home",
                    "session_id": "s-1",
                    "properties": properties,
                }
                for number in range(events)
            ],
        }
    )


def calls(work: Callable[[], Any]) -> int:
    """How many functions, of Python or of C, some work calls from Python."""
    counted = 0

    def count(_frame: object, kind: str, _argument: object) -> None:
        nonlocal counted
        counted += kind in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def objects(work: Callable[[], Any]) -> float:
    """How many blocks of memory what some work returns keeps: of five times the middle, as other threads take some too."""

    def kept() -> int:
        gc.collect()
        before = sys.getallocatedblocks()
        result = work()
        after = sys.getallocatedblocks()
        del result
        return after - before

    return statistics.median(kept() for _ in range(5))


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    limits = {"max_bytes": 10**9, "segment_bytes": 10**9, "pending_max_bytes": 10**9}
    spool = Spool(tmp_path, reserve_bytes=0, **limits)
    yield Ingest(spool, RecentIds(100_000), 300_000)
    spool.close()


async def test_worker_keeps_one_object_an_event_and_the_body_as_it_came(ingest: Ingest) -> None:
    def judged(content: bytes) -> Callable[[], Verdict]:
        return lambda: judge(ingest, App("wx1", "p"), content, NOW, "r")

    few, many = body(100), body(400)

    assert calls(judged(many)) - calls(judged(few)) <= 300 * 3
    assert objects(judged(many)) - objects(judged(few)) <= 300 * 1.1  # its id
    record = judged(many)().record
    assert record is not None
    assert record.body is many


@pytest.mark.parametrize(("events", "bodies"), [(400, 1), (100, 4)])
def test_writer_keeps_columns_and_calls_little_more_than_each_property_needs(
    events: int, bodies: int
) -> None:
    def built(content: bytes, times: int) -> Callable[[], Block]:
        record = SpoolRecord(1, NOW, "r", "p", "wx1", 300_000, [], [], content)
        return lambda: build_block([record] * times)

    few, many = built(body(100), 1), built(body(events), bodies)
    few()  # imports, and what else is done once

    assert calls(many) - calls(few) <= 300 * 25  # two for each of five properties
    assert objects(many) - objects(few) <= 300 * 0.1
