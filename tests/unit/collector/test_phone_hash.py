"""``phone_hash`` takes hashes only; a number that somebody put there is refused and kept nowhere."""

import asyncio
import json
from typing import cast

import msgspec
import pytest

from collector.decode import BodyError, decode_batch, without_raw_phones
from collector.ingest import Ingest, ingest_batch
from collector.recent import RecentIds
from collector.rows import build_block
from collector.spool import Spool
from collector.spool_format import SpoolRecord
from sdk_spec.access import App

NUMBER = "13800138000"
HASH = f"ph_{'0a' * 16}"
T = 1_790_000_000_000


def body(*events: dict, **envelope: object) -> bytes:
    first = {"event_id": "good", "event": "x", "occurred_at": T, "anonymous_id": "a"}
    rest = [first | {"event_id": f"e{n}"} | event for n, event in enumerate(events)]
    batch = {"app_id": "wx1", "platform": "server", **envelope, "events": [first, *rest]}
    return json.dumps(batch).encode()


@pytest.mark.parametrize("given", [HASH, "", None])
def test_hash_and_absence_are_taken(given: str | None) -> None:
    batch = decode_batch(body({"phone_hash": given}, phone_hash=given))

    assert batch.rejections == []


RAW = [NUMBER, int(NUMBER), [NUMBER], [[NUMBER]], {"x": [NUMBER]}, f"{HASH}\n", HASH.upper()]


@pytest.mark.parametrize("given", RAW, ids=repr)
def test_anything_else_is_refused_with_a_code_of_its_own(given: object) -> None:
    [rejection] = decode_batch(body({"phone_hash": given})).rejections

    assert (rejection.code, rejection.path) == ("phone_not_hashed", "$.events[1].phone_hash")
    assert NUMBER not in rejection.message
    with pytest.raises(BodyError) as refused:
        decode_batch(body(phone_hash=given))
    assert (refused.value.code, refused.value.path) == ("invalid_envelope", "$.phone_hash")
    assert NUMBER not in refused.value.message


HOSTILE = {
    **{repr(given): body({"phone_hash": given, "seq": 1}) for given in RAW[:5]},
    "with another fault before it": body({"occurred_at": "then", "phone_hash": NUMBER}),
    "with another fault after it": body({"phone_hash": NUMBER, "seq": -1}),
    "given twice": body({"phone_hash": NUMBER, "seq": -1}).replace(
        b'"seq"', b'"phone_hash": "%s", "seq"' % HASH.encode()
    ),
    "under an escaped name": body({"phone_hash": NUMBER}).replace(b"phone_", rb"phone\u005f"),
    "beside events that a later list replaces": body({"phone_hash": NUMBER}).replace(
        b"{", b'{"events": [{"phone_hash": "%s"}], ' % NUMBER.encode(), 1
    ),
    "beside half an emoji": body({"phone_hash": NUMBER, "properties": {"p": "\ud83d"}}),
    "with escaped digits": body({"phone_hash": NUMBER}).replace(
        NUMBER.encode(), rb"\u0031\u0033800138000"
    ),
}


class MemorySpool:
    """What would go to the disk."""

    def __init__(self) -> None:
        self.records: list[SpoolRecord] = []

    async def append(self, record: SpoolRecord) -> None:
        """Keep it."""
        self.records.append(record)


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_number_in_a_refused_event_reaches_no_disk(sent: bytes) -> None:
    spool = MemorySpool()
    ingest = Ingest(cast("Spool", spool), RecentIds(100), 300_000)

    answer = asyncio.run(ingest_batch(ingest, App("wx1", "brand"), sent, T, "r"))

    assert (answer.accepted, answer.rejected) == (1, 1)
    [record] = spool.records
    assert b"good" in record.body
    assert b"800138000" not in record.body


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_fates_are_the_same_without_the_number(sent: bytes) -> None:
    batch = decode_batch(sent)
    kept = without_raw_phones(sent, batch.rejections)

    block = build_block([SpoolRecord(1, T, "r", "brand", "wx1", 300_000, [1], [], kept)])

    assert block.table["event_id"].to_pylist() == ["good"]
    [letter] = block.dead_letters
    assert letter.event_index == 1
    assert "800138000" not in letter.raw


def test_other_events_keep_their_text() -> None:
    sent = body({"phone_hash": HASH, "seq": -1}, {"properties": {"phone_hash": NUMBER}})

    assert without_raw_phones(sent, decode_batch(sent).rejections) == sent


def test_phone_of_an_event_binds_beside_the_ids_of_the_batch() -> None:
    sent = body({"phone_hash": HASH, "anonymous_id": None}, openid="o1")

    block = build_block([SpoolRecord(1, T, "r", "brand", "wx1", 300_000, [], [], sent)])

    assert {(b.kind, b.other_kind) for b in block.bindings(None)} == {
        ("openid", "anonymous_id"),
        ("openid", "phone_hash"),
    }
    assert msgspec.json.decode(sent)["events"][1]["phone_hash"] == HASH
