"""The spool: what is acknowledged is read again, whatever happens to the bytes around it."""

import asyncio
import errno
import os
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import msgspec
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.decode import BodyError, decode_batch
from collector.spool import Spool, SpoolBrokenError, SpoolFullError
from collector.spool_folder import SpoolInUseError, segments
from collector.spool_format import SpoolRecord
from collector.spool_reader import Position, SpoolReader
from tests.unit.collector.spool_bytes import (
    FILE_HEADER,
    RECORD_MAGIC,
    Lock,
    encode,
    record,
    write_segment,
)
from tests.waiting import until_async

MIB = 1024 * 1024
Opener = Callable[..., Spool]


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens spools below tmp_path / "spool" and closes them at the end."""
    opened: list[Spool] = []

    def open_spool(worker: str = "worker-000", **settings: int) -> Spool:
        limits = {
            "max_bytes": 100 * MIB,
            "segment_bytes": MIB,
            "reserve_bytes": 0,
            "pending_max_bytes": 10 * MIB,
        }
        one = Spool(tmp_path / "spool" / worker, **{**limits, **settings})
        opened.append(one)
        return one

    yield open_spool
    for one in opened:
        one.close()


def everything(reader: SpoolReader) -> list[SpoolRecord]:
    """Read, as blocks of 1 MiB, until there is no more; nothing is confirmed."""
    found: list[SpoolRecord] = []
    while True:
        records, positions = reader.read(MIB)
        if not positions:
            return found
        found += records


def read_all(folder: Path) -> list[SpoolRecord]:
    """What a reader that starts now finds."""
    reader = SpoolReader(folder)
    try:
        return everything(reader)
    finally:
        reader.close()


async def test_appended_records_are_read_as_they_were(spool: Opener, tmp_path: Path) -> None:
    writing = spool()
    sent = [record(n, os.urandom(n * 100)) for n in range(50)]

    await asyncio.gather(*(writing.append(one) for one in sent))

    assert read_all(tmp_path / "spool") == sent


async def test_bytes_on_disk_are_those_of_the_format(spool: Opener, tmp_path: Path) -> None:
    await spool().append(record(7, "体".encode()))

    (path,) = segments(tmp_path / "spool" / "worker-000")
    assert path.read_bytes() == FILE_HEADER + encode(record(7, "体".encode()))


async def test_segment_of_version_1_is_still_read(tmp_path: Path) -> None:
    """The file was written by the first version of the format and is never renewed."""
    sample = Path(__file__).with_name("segment-format-1.spool").read_bytes()
    write_segment(tmp_path / "worker-000", sample)

    found = read_all(tmp_path)

    assert [one.request_id for one in found] == ["sample-1", "sample-2", "sample-3"]
    assert [one.body for one in found] == [
        b'{"app_id":"wx1","platform":"wechat","anonymous_id":"a","events":[]}',
        "体验".encode(),
        bytes(range(256)),
    ]
    assert found[1] == SpoolRecord(
        version=1,
        received_at=1_795_300_912_353,
        request_id="sample-2",
        project="brand",
        app_id="wx0123456789abcdef",
        max_clock_skew_ms=300_000,
        refused=[0, 70_000],
        duplicates=[3],
        body="体验".encode(),
    )


async def test_second_process_on_a_folder_is_refused(spool: Opener) -> None:
    spool()

    with pytest.raises(SpoolInUseError):
        spool()


async def test_second_reader_is_refused(tmp_path: Path) -> None:
    reader = SpoolReader(tmp_path)

    with pytest.raises(SpoolInUseError):
        SpoolReader(tmp_path)
    reader.close()


async def test_confirmed_records_are_not_read_again(spool: Opener, tmp_path: Path) -> None:
    writing = spool()
    await asyncio.gather(*(writing.append(record(n)) for n in range(10)))
    reader = SpoolReader(tmp_path / "spool")
    records, positions = reader.read(MIB)
    assert len(records) == 10
    reader.confirm(positions)
    reader.close()
    await writing.append(record(10))

    assert read_all(tmp_path / "spool") == [record(10)]


async def test_age_of_what_waits_is_that_of_the_oldest_record_not_confirmed(
    spool: Opener, tmp_path: Path
) -> None:
    writing, other = spool(), spool("worker-001")
    for one in (1_000, 5_000):
        await writing.append(record(one))
    now_s = 1_760_000_010.0
    reader = SpoolReader(tmp_path / "spool")

    assert reader.oldest_unstored_age_s(now_s) == pytest.approx(9)
    _, positions = reader.read(MIB)
    assert reader.oldest_unstored_age_s(now_s) == pytest.approx(9), "what is read is not stored yet"
    reader.confirm(positions)
    assert reader.oldest_unstored_age_s(now_s) == 0
    await other.append(record(8_000))
    await writing.append(record(7_000))
    assert reader.oldest_unstored_age_s(now_s) == pytest.approx(3)
    reader.close()


async def test_unconfirmed_records_are_read_again(spool: Opener, tmp_path: Path) -> None:
    await spool().append(record(1))
    assert read_all(tmp_path / "spool") == [record(1)]

    assert read_all(tmp_path / "spool") == [record(1)]


async def test_block_on_its_way_is_read_again_as_it_was(spool: Opener, tmp_path: Path) -> None:
    """Else a changed copy in another worker's folder could overtake an event that is stored without its key."""
    late, early = spool("worker-000"), spool("worker-001")
    await asyncio.gather(*(early.append(record(n, worker=1)) for n in range(3)))
    reader = SpoolReader(tmp_path / "spool")
    before, positions = reader.read(MIB)
    reader.intend(positions)
    reader.close()  # the crash
    await late.append(record(9, worker=0))
    await early.append(record(3, worker=1))

    reader = SpoolReader(tmp_path / "spool")
    again, same_positions = reader.read(MIB)
    after, _ = reader.read(MIB)

    assert again == before
    assert same_positions == positions
    assert after == [record(3, worker=1), record(9, worker=0)]
    reader.close()


async def test_intent_of_a_confirmed_block_is_forgotten(spool: Opener, tmp_path: Path) -> None:
    writing = spool()
    await writing.append(record(1))
    reader = SpoolReader(tmp_path / "spool")
    _, positions = reader.read(MIB)
    reader.intend(positions)
    reader.confirm(positions)
    reader.close()
    await writing.append(record(2))

    assert read_all(tmp_path / "spool") == [record(2)]


@given(
    times=st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=4),
    block_bytes=st.sampled_from([1, 150, 400, MIB]),
)
@settings(deadline=None, max_examples=60)
def test_records_of_all_workers_come_in_the_order_they_were_received(
    tmp_path_factory: pytest.TempPathFactory, times: list[list[int]], block_bytes: int
) -> None:
    """However little is read at once: the first of two copies must be stored first."""
    folder = tmp_path_factory.mktemp("order")
    for worker, of_worker in enumerate(times):
        data = b"".join(encode(record(at, worker=worker)) for at in sorted(of_worker))
        write_segment(folder / f"worker-{worker:03}", FILE_HEADER + data)
    reader = SpoolReader(folder)

    found = []
    while True:
        records, positions = reader.read(block_bytes)
        if not positions:
            break
        found += records
        reader.confirm(positions)

    assert [one.received_at for one in found] == sorted(one.received_at for one in found)
    assert len(found) == sum(map(len, times))
    reader.tidy()
    assert not list(folder.glob("worker-*/*.spool"))
    reader.close()


async def test_busy_worker_does_not_hold_up_the_others(spool: Opener, tmp_path: Path) -> None:
    busy, quiet = spool("worker-000"), spool("worker-001")
    await asyncio.gather(*(busy.append(record(n, bytes(100_000))) for n in range(20)))
    await quiet.append(record(0, worker=1))
    reader = SpoolReader(tmp_path / "spool")

    first, _ = reader.read(500_000)

    assert record(0, worker=1) in first
    assert len(first) < 20
    reader.close()


async def test_segments_begin_at_their_size_and_leave_when_stored(
    spool: Opener, tmp_path: Path
) -> None:
    writing = spool(segment_bytes=100_000)
    for n in range(10):
        await writing.append(record(n, bytes(60_000)))
    folder = tmp_path / "spool" / "worker-000"
    assert len(segments(folder)) == 5
    reader = SpoolReader(tmp_path / "spool")

    _, positions = reader.read(10 * MIB)
    reader.confirm(positions)

    assert len(segments(folder)) == 1, "the one that is written to stays"
    assert reader.unstored_bytes() == 0
    reader.close()


async def test_spool_that_is_full_with_one_segment_gets_its_room_back(
    spool: Opener, tmp_path: Path
) -> None:
    """The segment that is written to holds all the room: it is sealed, or nothing would ever leave."""
    writing = spool(max_bytes=500_000, segment_bytes=10 * MIB)
    for n in range(4):
        await writing.append(record(n, bytes(120_000)))
    with pytest.raises(SpoolFullError):
        writing.append(record(4, bytes(120_000)))
    assert writing.is_full
    reader = SpoolReader(tmp_path / "spool")
    records, positions = reader.read(MIB)
    reader.confirm(positions)

    writing.measure()
    await until_async(lambda: not segments_after_tidy(reader, tmp_path), "the segment leaves")
    writing.measure()

    assert not writing.is_full
    await writing.append(record(4, bytes(120_000)))
    assert records == [record(n, bytes(120_000)) for n in range(4)]
    reader.close()


def segments_after_tidy(reader: SpoolReader, tmp_path: Path) -> list[Path]:
    reader.tidy()
    return segments(tmp_path / "spool" / "worker-000")


async def test_old_segment_of_a_quiet_worker_leaves_when_stored(
    spool: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = spool()
    await writing.append(record(1))
    reader = SpoolReader(tmp_path / "spool")
    _, positions = reader.read(MIB)
    reader.confirm(positions)
    assert len(segments_after_tidy(reader, tmp_path)) == 1

    monkeypatch.setattr("collector.spool._SEGMENT_AGE_S", 0.0)
    writing.measure()

    await until_async(lambda: not segments_after_tidy(reader, tmp_path), "the segment leaves")
    reader.close()


async def test_pending_bytes_are_bounded(spool: Opener) -> None:
    writing = spool(pending_max_bytes=300_000)
    waiting = [writing.append(record(n, bytes(100_000))) for n in range(2)]

    with pytest.raises(SpoolFullError, match="pending_max_bytes"):
        writing.append(record(2, bytes(150_000)))

    await asyncio.gather(*waiting)
    await writing.append(record(3, bytes(150_000)))


async def test_low_disk_refuses_before_the_reserve_is_touched(
    spool: Opener, tmp_path: Path
) -> None:
    writing = spool(reserve_bytes=2**62)

    with pytest.raises(SpoolFullError, match="spool_reserve_bytes"):
        writing.append(record(1))
    assert writing.is_full
    assert read_all(tmp_path / "spool") == []


async def test_records_that_wait_for_a_sync_share_the_next_one(
    spool: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = spool()
    await writing.append(record(0))
    sync, syncs, is_syncing, may_end = os.fdatasync, [], threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        is_syncing.set()
        may_end.wait()
        sync(descriptor)

    monkeypatch.setattr("collector.spool.os.fdatasync", slow)
    first = writing.append(record(1))
    await asyncio.to_thread(is_syncing.wait)
    others = [writing.append(record(number)) for number in range(2, 200)]
    may_end.set()
    await asyncio.gather(first, *others)

    assert len(syncs) == 2
    assert len(read_all(tmp_path / "spool")) == 200


@pytest.mark.parametrize("call", ["fdatasync", "writev", "open"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EROFS])
async def test_failed_disk_call_accepts_nothing_and_heals(
    spool: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    writing = spool(segment_bytes=1)  # every record begins a segment
    await writing.append(record(1))

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(f"collector.spool.os.{call}", fail)
        failed = writing.append(record(2))
        with pytest.raises(SpoolBrokenError):
            await failed
        assert writing.is_broken

    await writing.append(record(3))

    assert not writing.is_broken
    assert read_all(tmp_path / "spool") == [record(1), record(3)]
    assert not list((tmp_path / "spool" / "worker-000").glob("*.new"))


async def test_write_that_stops_half_way_leaves_its_neighbours(
    spool: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = spool()
    await writing.append(record(1))
    real = os.writev

    def half(descriptor: int, buffers: list[bytes]) -> int:
        if sum(map(len, buffers)) > 40:
            return real(descriptor, [b"".join(buffers)[:40]])
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("collector.spool.os.writev", half)
        with pytest.raises(SpoolBrokenError):
            await writing.append(record(2))
    await writing.append(record(3))

    reader = SpoolReader(tmp_path / "spool")
    assert everything(reader) == [record(1), record(3)]
    assert reader.corrupt_bytes == 0
    reader.close()


async def test_fault_nobody_foresaw_ends_the_process(tmp_path: Path) -> None:
    """A commit thread that is dead would leave every request waiting."""
    code = (
        "import asyncio, pathlib, sys\n"
        "from collector import spool\n"
        "from tests.unit.collector.spool_bytes import record\n"
        "async def main():\n"
        "    s = spool.Spool(pathlib.Path(sys.argv[1]), max_bytes=10**9, segment_bytes=10**6,\n"
        "        reserve_bytes=0, pending_max_bytes=10**6)\n"
        "    def bug(*_): raise KeyError('bug')\n"
        "    spool._write_all = bug\n"
        "    await s.append(record(1))\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path / "w"), cwd=Path(__file__).parents[3]
    )

    assert await asyncio.wait_for(process.wait(), 60) == 70


@pytest.mark.parametrize("place", ["unknown key", "property", "between"])
def test_record_cannot_be_planted_in_a_body(place: str) -> None:
    """Whoever resumes after a damaged record must not find one that a client wrote."""
    event = b'{"event_id":"e","event":"x","occurred_at":1795300912353'
    planted = {
        "unknown key": event + b',"new":"%b"}' % RECORD_MAGIC,
        "property": event + b',"properties":{"a":"%b"}}' % RECORD_MAGIC,
        "between": event + b"}" + RECORD_MAGIC,
    }[place]
    good = event.replace(b'"e"', b'"g"') + b"}"
    body = b'{"app_id":"a","platform":"web","anonymous_id":"a","events":[%b,%b]}' % (good, planted)

    with pytest.raises(BodyError):
        decode_batch(body)


def test_unfinished_record_of_a_live_segment_is_left_for_later(tmp_path: Path) -> None:
    whole = FILE_HEADER + encode(record(1)) + encode(record(2))
    path = write_segment(tmp_path / "worker-000", whole[:-5])
    reader = SpoolReader(tmp_path)
    with Lock(path):
        assert everything(reader) == [record(1)]
        path.write_bytes(whole)
        assert everything(reader) == [record(2)]
    assert reader.corrupt_bytes == 0
    reader.close()


def test_unfinished_record_of_a_sealed_segment_is_set_aside(tmp_path: Path) -> None:
    tail = encode(record(2))[:-5]
    write_segment(tmp_path / "worker-000", FILE_HEADER + encode(record(1)) + tail)
    reader = SpoolReader(tmp_path)

    assert everything(reader) == [record(1)]

    assert reader.corrupt_bytes == len(tail)
    (kept,) = tmp_path.glob("corrupt-*.bin")
    assert kept.read_bytes() == tail
    assert kept.stat().st_mode & 0o777 == 0o600
    reader.close()


def test_segment_of_a_later_version_is_neither_read_nor_deleted(tmp_path: Path) -> None:
    data = b"SCNTRLS2" + b"whatever it holds"
    path = write_segment(tmp_path / "worker-000", data)
    write_segment(tmp_path / "worker-001", FILE_HEADER + encode(record(1)))
    reader = SpoolReader(tmp_path)

    records, positions = reader.read(MIB)
    reader.confirm(positions)

    assert records == [record(1)]
    assert path.read_bytes() == data
    reader.close()


@pytest.mark.parametrize("header", [b"", FILE_HEADER[:3], FILE_HEADER])
def test_segment_without_records_leaves(tmp_path: Path, header: bytes) -> None:
    path = write_segment(tmp_path / "worker-000", header)
    reader = SpoolReader(tmp_path)

    _, positions = reader.read(MIB)
    reader.confirm(positions)

    assert not path.exists()
    reader.close()


def test_payload_that_is_no_record_of_ours_is_set_aside(tmp_path: Path) -> None:
    payload = msgspec.msgpack.encode(["no", "record"])
    write_segment(
        tmp_path / "worker-000", FILE_HEADER + encode_payload(payload) + encode(record(2))
    )
    reader = SpoolReader(tmp_path)

    assert everything(reader) == [record(2)]

    assert reader.corrupt_bytes == len(payload)
    reader.close()


def encode_payload(payload: bytes) -> bytes:
    return RECORD_MAGIC + struct.pack("<II", len(payload), google_crc32c.value(payload)) + payload


def test_full_disk_does_not_keep_readable_records_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segment(tmp_path / "worker-000", FILE_HEADER + b"rubbish" + encode(record(1)))
    reader = SpoolReader(tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("collector.spool_reader._private", full)

    assert everything(reader) == [record(1)]
    assert reader.corrupt_bytes == 7
    reader.close()


def test_full_disk_does_not_keep_the_writer_from_giving_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_segment(tmp_path / "worker-000", FILE_HEADER + encode(record(1)))
    reader = SpoolReader(tmp_path)
    _, positions = reader.read(MIB)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("collector.spool.os.fsync", full)
        reader.intend(positions)
        with pytest.raises(OSError, match="no space"):
            reader.confirm(positions)
        assert not path.exists()
    reader.confirm(positions)
    reader.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b'{"crc32c":1,"state":{"stored":{"worker-000/0000000000000001-00.spool":60}}}',
        b"[" * 100_000,
        b'{"worker-000/0000000000000001-00.spool":60}',
    ],
)
def test_damaged_checkpoint_costs_time_only(tmp_path: Path, content: bytes) -> None:
    write_segment(tmp_path / "worker-000", FILE_HEADER + encode(record(1)))
    (tmp_path / "checkpoint.json").write_bytes(content)

    assert read_all(tmp_path) == [record(1)]


@pytest.mark.usefixtures("quiet")
@given(flip=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(deadline=None)
def test_flipped_checkpoint_never_skips_a_record(
    tmp_path_factory: pytest.TempPathFactory, flip: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    name = "worker-000/0000000000000001-00.spool"
    write_segment(
        folder / "worker-000", FILE_HEADER + b"".join(encode(record(n)) for n in range(5))
    )
    reader = SpoolReader(folder)
    reader.intend([Position(name, 200)])
    reader.confirm([Position(name, len(FILE_HEADER + encode(record(0))))])
    reader.close()
    path = folder / "checkpoint.json"
    data = bytearray(path.read_bytes())
    data[flip % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))

    found = read_all(folder)

    assert found[-4:] == [record(n) for n in range(1, 5)]


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """The warnings of hundreds of examples say nothing."""
    with structlog.testing.capture_logs():
        yield


# Damage: a list of (position, kind, value); positions are taken modulo the length.
damages = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(["flip", "cut", "zero", "insert"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)
bodies = st.lists(
    st.binary(min_size=1, max_size=300) | st.just(RECORD_MAGIC * 3), min_size=1, max_size=8
)


@pytest.mark.usefixtures("quiet")
@given(bodies=bodies, damages=damages, block_bytes=st.sampled_from([1, 100, 1000, MIB]))
@settings(deadline=None, max_examples=150)
def test_records_that_no_damage_touched_are_all_read(
    tmp_path_factory: pytest.TempPathFactory,
    bodies: list[bytes],
    damages: list[tuple[int, str, int]],
    block_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    sent = [record(n, body) for n, body in enumerate(bodies)]
    # Each byte with the number of its record, or None where it belongs to none that is whole any more.
    pieces = [FILE_HEADER, *(encode(one) for one in sent)]
    damaged, touched = damage(pieces, damages)
    write_segment(folder / "worker-000", damaged)
    reader = SpoolReader(folder)

    found = []
    while True:
        records, positions = reader.read(block_bytes)
        if not positions:
            break
        found += records

    whole = [one for n, one in enumerate(sent) if n + 1 not in touched]
    assert [one for one in found if one in whole] == whole
    assert all(one in sent for one in found), "nothing is made up"
    reader.confirm([])
    reader.close()


def damage(
    pieces: list[bytes], damages: list[tuple[int, str, int]]
) -> tuple[bytes, set[int | None]]:
    """Apply the damages and say which pieces they touched."""
    data = [(byte, n) for n, piece in enumerate(pieces) for byte in piece]
    touched: set[int | None] = set()
    for at, kind, value in damages:
        if not data:
            break
        position = at % len(data)
        if kind == "flip":
            touched.add(data[position][1])
            data[position] = (data[position][0] ^ (1 << value % 8), data[position][1])
        elif kind == "cut":
            touched.update(n for _, n in data[position:])
            data = data[:position]
        elif kind == "zero":
            end = position + value
            touched.update(n for _, n in data[position:end])
            data[position:end] = [(0, n) for _, n in data[position:end]]
        else:
            touched.add(data[position][1])
            data[position:position] = [(value, -1)] * (value % 20 + 1)
    return bytes(byte for byte, _ in data), touched


def test_record_behind_a_long_damage_is_found_where_reading_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that begins at the end of what one read takes is not skipped with the damage before it."""
    for module in ("spool_format", "spool_reader"):
        monkeypatch.setattr(f"collector.{module}.MAX_RECORD_BYTES", 1_000)
    for rubbish_bytes in range(900, 1_030):
        folder = tmp_path / str(rubbish_bytes)
        data = FILE_HEADER + b"x" * rubbish_bytes + encode(record(1)) + encode(record(2))
        write_segment(folder / "worker-000", data)
        reader = SpoolReader(folder)

        found: list[Any] = []
        for _ in range(10):
            found += reader.read(100)[0]

        assert found == [record(1), record(2)]
        assert reader.corrupt_bytes == rubbish_bytes
        reader.close()
