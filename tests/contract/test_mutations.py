"""
Damaged bodies, made from the vectors by rule and seed: each has one fate per event, the same in worker and writer.

In one process and without a socket, so that many are tried. A body that the worker took and the writer cannot read would
stop storing for everyone: that is what this looks for.
"""

import os
import random

import msgspec
import pytest

from collector.decode import Batch, BodyError, decode_batch
from collector.ingest import answer, refuse_old_events
from collector.recent import RecentIds
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from sdk_spec import EVENT_ERRORS, REQUEST_ERRORS, limits
from tests.contract.vector_runner import Case, Variables, body_bytes, load

NOW_MS = 1_795_300_912_000
VARIABLES = Variables("app", "wk", "revoked", "other", "other_wk", NOW_MS)
PER_BODY = int(os.environ.get("SCENETRAIL_MUTATIONS_PER_BODY", "10"))
"""More for a longer run."""
PIECES = (
    *(bytes([byte]) for byte in (0, 9, 10, 31, 34, 44, 45, 48, 58, 91, 92, 93, 123, 125, 127)),
    *(b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", "汉".encode(), "😀".encode()),
    *(b"\\ud83d", b"\\ude00", b"\\u0000", b"\\", b"\\\\", b'\\"', b"\\ud83d\\ude00", b"\\uD8"),
    *(b"null", b"true", b"-1", b"0.5", b"1e400", b"1e-400", b"9223372036854775808", b"[]", b"{}"),
    *(b"99999999999999999999999", b'""', b'"x"', b'{"a":{}}', b"[1]", b'["a",null]', b"NaN"),
    *(b'"events":', b'"event_id":"e1",', b'"occurred_at":1,', b'"\xff":1,', b'"\\ud800":1,'),
    *(b"[" * 300, b'{"a":' * 300, b"9" * 5_000, b"x" * 200),
)


def plain_cases() -> list[Case]:
    """Cases whose body is small and not encoded."""
    return [
        case
        for case in load()
        if all(
            not step.request.encode and len(body_bytes(step.request, VARIABLES)) < 20_000
            for step in case.all_steps()
        )
    ]


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Cut, doubled, overwritten or filled in at one to three places."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 0, 1, 2, 4, 16, 64)))
        match chance.randrange(4):
            case 0:
                data[start:end] = chance.choice(PIECES)
            case 1:
                data[start:end] = b""
            case 2:
                data[start:start] = data[start:end]
            case _:
                quote = data.find(b'"', start)
                data[quote + 1 : quote + 1] = chance.choice(PIECES)
    return bytes(data)


def decoded(body: bytes) -> Batch | BodyError:
    """The batch, or why there is none."""
    try:
        return decode_batch(body)
    except BodyError as error:
        return error


def check_fates(body: bytes) -> str:
    """Pass a body through worker and writer; return what became of it. Errors: AssertionError."""
    batch = decoded(body)
    if isinstance(batch, BodyError):
        assert batch.code in REQUEST_ERRORS
        assert batch.path.startswith("$")
        return batch.code
    refuse_old_events(batch, NOW_MS, limits.MAX_CLOCK_SKEW_MS)
    refused = sorted(rejection.index for rejection in batch.rejections)
    assert refused == [index for index, event in enumerate(batch.events) if event is None]
    assert {rejection.code for rejection in batch.rejections} <= set(EVENT_ERRORS)
    ids = [None if event is None else event.event_id for event in batch.events]
    duplicates = RecentIds(10).duplicates("app", ids)
    response = answer(batch, len(duplicates), "r1")
    msgspec.json.decode(msgspec.json.encode(response))
    record = SpoolRecord(
        version=1,
        received_at=NOW_MS,
        request_id="r1",
        project="p",
        app_id="app",
        max_clock_skew_ms=limits.MAX_CLOCK_SKEW_MS,
        refused=refused,
        duplicates=duplicates,
        body=body,
    )
    block = build_block([record])
    assert block.table.num_rows == response.accepted
    assert sorted(letter.event_index for letter in block.dead_letters) == refused
    assert block.table["event_id"].to_pylist() == [
        event.event_id
        for index, event in enumerate(batch.events)
        if event is not None and index not in duplicates
    ]
    return "accepted" if response.accepted else "rejected"


@pytest.mark.parametrize("file", sorted({case.file for case in plain_cases()}))
def test_damaged_bodies_have_the_same_fate_in_worker_and_writer(file: str):
    chance = random.Random(file)  # noqa: S311 (a seed, no secret)
    became: set[str] = set()
    for case in plain_cases():
        if case.file != file:
            continue
        for step in case.all_steps():
            body = body_bytes(step.request, VARIABLES)
            became.add(check_fates(body))
            for number in range(PER_BODY):
                damaged = mutated(body, chance)
                try:
                    became.add(check_fates(damaged))
                except Exception as error:
                    raise AssertionError((case.id, number, damaged[:2_000])) from error

    assert "not_json" in became
    assert became & {"accepted", "rejected"}
