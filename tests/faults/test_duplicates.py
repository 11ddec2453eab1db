"""The same event again: soon or months later, changed or not, through any worker or collector, with any clock."""

import random
from collections.abc import Callable
from typing import Any

from clickhouse_connect.driver.client import Client

from tests.faults.client import (
    Load,
    make_batch,
    make_batches,
    make_event,
    now_ms,
    seeded,
    send_batch,
    sent_again,
)
from tests.faults.collector_process import Collector
from tests.waiting import until

MakeCollector = Callable[..., Collector]
Rows = Callable[[], int]
DAY_MS = 86_400_000


def ids_of(database: Client) -> list[str]:
    return [row[0] for row in database.query("SELECT event_id FROM events FINAL").result_rows]


def wait_for_marker(collector: Collector, database: Client, name: str) -> None:
    """Return when all that one worker got before this call is stored."""
    rng = seeded(0)
    assert send_batch(collector.port, make_batch([make_event(name, rng)], rng))[0] == 200
    query = f"SELECT count() FROM events WHERE event_id = '{name}'"  # noqa: S608 (a name of ours)
    until(lambda: database.command(query) == 1, "the marker is stored")


def test_every_batch_two_to_five_times_through_several_workers(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    rng = seeded(11)
    collector = make_collector(workers=3).start()
    batches = make_batches("e", 8_000, rng, largest=100)
    copies = [
        sent_again(batch, rng) if n else batch
        for batch in batches
        for n in range(rng.randint(2, 5))
    ]
    rng.shuffle(copies)
    load = Load(collector.port, copies, threads=6, seed=11).start()

    load.finish()
    until(lambda: rows() == 8_000, "all are stored")
    assert collector.stop() == 0

    found = ids_of(database)
    assert len(found) == 8_000
    assert set(found) == load.accepted
    print(
        f"\ntwo to five times: {len(copies)} batches for {len(batches)};"
        f" {load.told_duplicates} events recognised at once, found {len(found)}"
    )


def test_sent_again_months_later_counts_once(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    """The collector has restarted since and remembers nothing itself."""
    rng = seeded(12)
    then = now_ms() - 200 * DAY_MS
    events = [make_event(f"old{n}", rng, occurred_at=then + n) for n in range(500)]
    first = make_collector(workers=1).start()
    assert send_batch(first.port, make_batch(events, rng, sent_at=None))[0] == 200
    until(lambda: rows() == 500, "stored")
    assert first.stop() == 0
    database.command("OPTIMIZE TABLE events FINAL")
    for n in range(2):
        collector = make_collector(workers=1).start()  # another data folder each time
        again = make_batch(events, rng, sent_at=now_ms() if n else None, user_id=f"u{n}")
        assert send_batch(collector.port, again)[0] == 200
        wait_for_marker(collector, database, f"marker{n}")
        assert collector.stop() == 0

    assert rows() == 502
    assert database.command("SELECT count() FROM events FINAL WHERE user_id != ''") == 0
    assert database.command("SELECT count() FROM identity_bindings") == 0, "a copy binds nothing"


CHANGES: list[dict[str, Any]] = [
    {"event": "changed"},
    {"occurred_at": 1_700_000_000_000},
    {"user_id": "changed"},
    {"properties": {"price": -1}},
    {"session_id": "changed", "seq": 77},
]


def test_changed_copies_count_once_and_the_first_wins(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    """In the same batch, at once through other workers, and again after a restart."""
    rng = seeded(13)
    events = [make_event(f"e{n}", rng) for n in range(100)]
    changed = [{**event, **CHANGES[n % len(CHANGES)]} for n, event in enumerate(events)]
    collector = make_collector(workers=2, recent_ids=0).start()
    assert send_batch(collector.port, make_batch([*events, *changed], rng))[0] == 200
    for _ in range(6):
        assert send_batch(collector.port, make_batch(changed, rng))[0] == 200
    until(lambda: rows() == 100, "the first copies are stored")
    assert collector.stop() == 0
    collector.start()
    assert send_batch(collector.port, make_batch(changed, rng))[0] == 200
    assert collector.stop() == 0

    stored = database.query(
        "SELECT event_id, event, toUnixTimestamp64Milli(client_occurred_at), session_id, user_id,"
        " properties_number['price'] FROM events FINAL ORDER BY event_id"
    ).result_rows
    assert stored == sorted(
        (
            event["event_id"],
            event["event"],
            event["occurred_at"],
            event["session_id"],
            "",
            event["properties"]["price"],
        )
        for event in events
    )


def test_same_batches_through_two_collectors_at_once(
    make_collector: MakeCollector, database: Client
) -> None:
    """Two data folders, one database: neither knows what the other has in its spool."""
    batches = make_batches("e", 3_000, seeded(14), largest=60)
    collectors = [make_collector().start() for _ in range(2)]
    loads = [
        Load(one.port, [{**batch, "sent_at": now_ms()} for batch in batches], seed=n).start()
        for n, one in enumerate(collectors)
    ]
    for load in loads:
        load.finish()
    for one in collectors:
        assert one.stop() == 0

    found = ids_of(database)
    assert len(found) == 3_000
    assert set(found) == loads[0].accepted


def test_old_batches_two_to_five_times_through_workers_and_collectors_and_again_after_restarts(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    """Events of 200 days ago; copies in other envelopes reach two collectors with two workers each, in any order."""
    rng = seeded(16)
    then = now_ms() - 200 * DAY_MS
    batches = [
        make_batch(
            [make_event(f"m{n}-{i}", rng, occurred_at=then + i) for i in range(20)],
            rng,
            sent_at=None,
        )
        for n in range(100)
    ]
    collectors = [make_collector(workers=2).start() for _ in range(2)]
    sent = 0
    for round_ in range(2):
        copies: list[list[dict[str, Any]]] = [[], []]
        for batch in batches:
            for _ in range(rng.randint(2, 5)):
                copy = sent_again(batch, rng) if rng.random() < 0.5 else batch
                # The last of these clocks is corrected: copies of one batch have other times.
                sent_at = rng.choice([None, now_ms(), now_ms() - 600_000])
                copies[rng.randrange(2)].append({**copy, "sent_at": sent_at})
        sent += sum(map(len, copies))
        loads = [
            Load(one.port, some, seed=16 + round_).start()
            for one, some in zip(collectors, copies, strict=True)
        ]
        for load in loads:
            load.finish()
        until(lambda: rows() == 2_000, "all are stored")
        for one in collectors:
            assert one.stop() == 0
        assert rows() == 2_000
        if not round_:
            database.command("OPTIMIZE TABLE events FINAL")
            for one in collectors:
                one.start()

    found = ids_of(database)
    assert len(found) == len(set(found)) == 2_000
    print(f"\nold batches again: {sent} sendings of {len(batches)} batches, found {len(found)}")


SPREADS = ("seconds", "years", "backwards", "jumping")


def test_clocks_that_are_wrong_lose_and_double_nothing(
    make_collector: MakeCollector, database: Client, rows: Rows
) -> None:
    rng = seeded(15)
    collector = make_collector().start()
    batches = []
    for n in range(60):
        offset_ms, times = clock(SPREADS[n % len(SPREADS)], rng)
        events = [
            make_event(f"e{n}-{i}", rng, occurred_at=at + offset_ms) for i, at in enumerate(times)
        ]
        batches.append(make_batch(events, rng, sent_at=now_ms() + offset_ms))
    load = Load(collector.port, batches, seed=15).start()
    load.finish()
    until(lambda: rows() == len(load.accepted), "stored")
    assert collector.stop() == 0
    collector.start()
    for batch in batches:  # the clock was set right meanwhile: every corrected time differs
        assert send_batch(collector.port, {**batch, "sent_at": now_ms()})[0] in (200, 422)
    assert collector.stop() == 0

    found = ids_of(database)
    assert len(found) == len(load.accepted)
    assert set(found) == load.accepted
    assert (
        database.command(
            "SELECT count() FROM events FINAL WHERE occurred_at > received_at + INTERVAL 300 SECOND"
            " OR occurred_at < '2015-01-01'"
        )
        == 0
    )


def clock(spread: str, rng: random.Random) -> tuple[int, list[int]]:
    """How wrong a client's clock is, and the true times of its events in the order of its batch."""
    now = now_ms()
    if spread == "seconds":
        return rng.randrange(-280_000, 280_000), [now - 1000 * i for i in range(20, 0, -1)]
    if spread == "years":
        return rng.randrange(-8, 8) * 365 * DAY_MS, [now - 1000 * i for i in range(20, 0, -1)]
    if spread == "backwards":
        return -3 * DAY_MS, [now - 60_000 * i for i in range(20)]
    # A phone whose date is set by hand in between.
    return 0, [now - rng.randrange(3_000) * DAY_MS for _ in range(20)]
