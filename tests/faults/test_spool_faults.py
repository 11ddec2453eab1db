"""The spool's disk full, read-only or damaged; no descriptors left: refused with Retry-After, healed without a restart."""

import contextlib
import os
import resource
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.faults.clickhouse_proxy import Proxy
from tests.faults.client import (
    Load,
    make_batch,
    make_batches,
    make_event,
    seeded,
    send_batch,
    sending,
)
from tests.faults.collector_process import Collector
from tests.faults.small_disk import lockable, set_read_only, small_disk
from tests.waiting import until

MakeCollector = Callable[..., Collector]
Rows = Callable[[], int]
OLD_SEGMENT = Path(__file__).with_name("written-by-format-1.spool")
FEW = {"spool_max_bytes": 2_000_000, "workers": 2}


def ids_of(database: Client) -> set[str]:
    return {row[0] for row in database.query("SELECT event_id FROM events FINAL").result_rows}


def fill(collector: Collector, seed: int) -> Load:
    """Send more than fits, while ClickHouse takes nothing, until 503s come."""
    load = Load(collector.port, make_batches(f"fill{seed}", 60_000, seeded(seed)), seed=seed)
    load.start()
    until(lambda: load.statuses[503] >= 20 or load.faults, "the spool is full")
    return load


def assert_only_503(load: Load) -> None:
    """Full means 503 with Retry-After: no crash, no 500, no silence."""
    assert set(load.statuses) == {200, 503}, load.statuses
    assert load.without_retry_after == 0


@pytest.mark.parametrize("reserve_bytes", [0, 2_000_000], ids=["to-the-last-byte", "with-reserve"])
def test_full_disk_refuses_and_heals(
    make_collector: MakeCollector,
    proxy: Proxy,
    database: Client,
    rows: Rows,
    tmp_path: Path,
    reserve_bytes: int,
) -> None:
    """Spool and log on one small disk, as `scenetrail up` has them."""
    proxy.decide = lambda _: "refuse"
    disk = tmp_path / "disk"
    with small_disk(disk) as limits, contextlib.ExitStack() as stack:
        collector = make_collector(
            proxy.url, folder=disk / "data", spool_reserve_bytes=reserve_bytes
        )
        stack.callback(collector.kill)
        collector.start(**limits)
        workers = {child.pid for child in collector.children("collector.worker")}
        load = fill(collector, 1)
        assert_only_503(load)
        until(lambda: not collector.is_ready(), "the collector says so")

        proxy.decide = lambda _: "pass"
        load.finish()

        assert_only_503(load)
        until(lambda: rows() == 60_000, "all accepted events are stored")
        assert ids_of(database) == load.accepted
        assert {child.pid for child in collector.children("collector.worker")} == workers
        until(collector.is_ready, "the collector is ready again")
        print(f"\ndisk full, reserve {reserve_bytes}: {dict(load.statuses)}, found {rows()}")


def test_quota_refuses_before_it_is_passed_and_heals(
    make_collector: MakeCollector, proxy: Proxy, database: Client, rows: Rows
) -> None:
    """Smaller than a segment: the file that is written to holds all the room."""
    proxy.decide = lambda _: "refuse"
    collector = make_collector(proxy.url, **FEW).start()
    load = fill(collector, 2)
    assert_only_503(load)
    assert sum(path.stat().st_size for path in collector.spool_files()) <= 2_000_000

    proxy.decide = lambda _: "pass"
    load.finish()

    assert_only_503(load)
    until(lambda: rows() == 60_000, "all accepted events are stored")
    assert ids_of(database) == load.accepted
    print(f"\nquota: {dict(load.statuses)}, found {rows()}")


def test_read_only_spool_is_waited_for(make_collector: MakeCollector, rows: Rows) -> None:
    collector = make_collector(workers=1)
    with lockable(collector.folder / "spool") as spool, contextlib.ExitStack() as stack:
        stack.callback(collector.kill)
        collector.start()
        one = make_batch([make_event("e1", seeded(1))], seeded(1))
        assert send_batch(collector.port, one)[0] == 200
        until(lambda: rows() == 1, "stored")
        collector.kill()
        until(lambda: set_read_only(spool, read_only=True), "the disk is read-only")
        collector.spawn()
        load = Load(collector.port, make_batches("e", 100, seeded(3))).start()
        until(lambda: len(collector.log_lines("spool_not_usable")) >= 2, "it was tried")
        assert load.statuses[200] == 0

        assert set_read_only(spool, read_only=False)
        load.finish()

        until(lambda: rows() == 101, "stored")
        assert "Traceback" not in collector.log.read_text()


def test_data_folder_that_cannot_be_written_is_named_at_the_start(
    make_collector: MakeCollector, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    collector = make_collector(folder=tmp_path / "data")
    collector.settings["data_dir"] = tmp_path / "file" / "data"

    process = collector.spawn()

    assert process.wait(120) == 2
    (line,) = collector.log_lines("data_folder_not_usable")
    assert "SCENETRAIL_DATA_DIR" in line


def test_collector_without_descriptors_serves_again_when_some_are_free(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    collector = make_collector(workers=1, keepalive_timeout_s=600).start(preexec_fn=few_descriptors)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", collector.port), 5))
        load = Load(collector.port, make_batches("e", 2_000, seeded(4)), pause_s=0.01).start()
        until(lambda: load.statuses[0] + load.statuses[503] >= 10, "requests fail")

    load.finish()

    until(lambda: rows() == 2_000, "stored")
    assert ids_of(database) == load.accepted
    assert set(load.statuses) <= {0, 200, 503}


@pytest.fixture
def unstored(make_collector: MakeCollector, proxy: Proxy) -> Collector:
    """A collector that was killed with 20 batches of 10 events in its spool, none of them in ClickHouse."""
    proxy.decide = lambda _: "refuse"
    collector = make_collector(proxy.url, workers=1).start()
    for n in range(20):
        rng = seeded(n)
        batch = make_batch([make_event(f"b{n}-{i}", rng) for i in range(10)], rng)
        assert send_batch(collector.port, batch)[0] == 200
    collector.kill()
    proxy.decide = lambda _: "pass"
    return collector


def test_flipped_bytes_cost_their_record_only(
    unstored: Collector, database: Client, rows: Rows
) -> None:
    (segment,) = unstored.spool_files()
    data = bytearray(segment.read_bytes())
    at = data.index(b'"b7-3"')
    data[at] ^= 0x40
    segment.write_bytes(bytes(data))

    unstored.start()

    until(lambda: rows() == 190, "the other records are stored")
    until(lambda: not unstored.spool_files(), "the segment is done")
    assert not any(event_id.startswith("b7-") for event_id in ids_of(database))
    (kept,) = (unstored.folder / "spool").glob("corrupt-*.bin")
    assert b'"b7-4"' in kept.read_bytes()
    corrupt = "scenetrail_spool_corrupt_bytes_total"
    until(lambda: unstored.metric(corrupt) == kept.stat().st_size, "they are counted")
    until(lambda: unstored.log_lines("spool_bytes_unreadable"), "and said")


def test_torn_tail_costs_what_was_torn_only(unstored: Collector, rows: Rows) -> None:
    (segment,) = unstored.spool_files()
    os.truncate(segment, segment.stat().st_size - 100)

    unstored.start()
    assert (
        send_batch(unstored.port, make_batch([make_event("new", seeded(1))], seeded(1)))[0] == 200
    )

    until(lambda: rows() == 191, "19 whole records and the new one are stored")


@pytest.mark.parametrize("workers", [1, 5])
def test_other_number_of_workers_after_a_restart(
    make_collector: MakeCollector, proxy: Proxy, database: Client, rows: Rows, workers: int
) -> None:
    proxy.decide = lambda _: "refuse"
    collector = make_collector(proxy.url, workers=3).start()
    load = Load(collector.port, make_batches("e", 3_000, seeded(5), largest=50), threads=8).start()
    load.finish()
    collector.kill()
    assert len({path.parent for path in collector.spool_files()}) > 1
    proxy.decide = lambda _: "pass"
    collector.settings["workers"] = workers

    collector.start()

    until(lambda: rows() == 3_000, "all are stored")
    assert ids_of(database) == load.accepted
    assert len(collector.children("collector.worker")) == workers
    until(lambda: not collector.spool_files(), "no segment is left")


def test_second_collector_on_a_folder_refuses_to_start(make_collector: MakeCollector) -> None:
    first = make_collector(workers=1).start()
    second = make_collector(folder=first.folder)

    process = second.spawn()

    assert process.wait(120) == 2
    assert "another collector runs on it" in second.log.read_text()
    until(first.is_ready, "the first one goes on")


def test_spool_written_by_an_older_version_is_stored(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    """A file of format 1 as it was written, of a worker that does not exist any more: 29 events and a refused one."""
    collector = make_collector(workers=1)
    folder = collector.folder / "spool" / "worker-007"
    folder.mkdir(parents=True)
    shutil.copy(OLD_SEGMENT, folder / "1795320000000-0123456789ab.spool")

    collector.start()

    until(lambda: rows() == 29, "all its events are stored")
    until(lambda: database.command("SELECT count() FROM dead_letters") == 1, "and the refused one")
    until(lambda: not collector.spool_files(), "the file is done")
    assert not list((collector.folder / "spool").glob("corrupt-*.bin"))
    assert ids_of(database) == {
        f"old-{b}-{i}" for b in range(3) for i in range(10) if (b, i) != (1, 4)
    }


def test_segment_of_a_later_version_is_left_alone(unstored: Collector, rows: Rows) -> None:
    (segment,) = unstored.spool_files()
    later = segment.with_name("0000000000000001-later.spool")
    later.write_bytes(b"SCNTRLS2 in a format that is not known yet")

    unstored.start()

    until(lambda: rows() == 200, "all others are stored")
    until(lambda: unstored.log_lines("spool_segment_of_another_version"), "it is said")
    assert later.exists()


def test_sigterm_under_full_load_loses_nothing_accepted(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    """Whatever is refused meanwhile carries Retry-After."""
    collector = make_collector(workers=2).start()
    load = Load(collector.port, make_batches("e", 60_000, seeded(6), largest=100), threads=6)
    with sending(load):
        until(lambda: len(load.accepted) > 5_000, "under load")
        assert collector.stop(120) == 0
    assert set(load.statuses) <= {200, 503, 0}
    assert load.without_retry_after == 0
    # The writer drains for as long as it is given; what is left waits in the spool for the next start.
    collector.start()
    until(lambda: load.accepted <= ids_of(database), "all that was accepted is stored")
    print(f"\nSIGTERM: {dict(load.statuses)}, accepted {len(load.accepted)}, found {rows()}")


def test_sigterm_while_clickhouse_fails_keeps_the_rest_for_the_next_start(
    make_collector: MakeCollector, proxy: Proxy, database: Client, rows: Rows
) -> None:
    """A block that is given up is not passed by the next one."""
    rng = seeded(7)
    collector = make_collector(proxy.url, block_rows=100, insert_timeout_s=5).start()
    proxy.decide = lambda _: "refuse" if rng.random() < 0.5 else "pass"
    load = Load(collector.port, make_batches("e", 5_000, seeded(7), largest=50)).start()
    load.finish()

    assert collector.stop() == 0
    proxy.decide = lambda _: "pass"
    collector.start()

    until(lambda: rows() == 5_000, "all are stored")
    assert ids_of(database) == load.accepted
