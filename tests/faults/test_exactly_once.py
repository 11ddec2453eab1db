"""The promise as a whole: whatever is answered with 200 is in every query exactly once."""

from collections.abc import Callable

from tests.faults.client import Load, make_batches, seeded, sending
from tests.faults.collector_process import System
from tests.waiting import until

EVENTS = 100_000


def test_events_survive_kill_of_the_whole_tree_exactly_once(
    make_system: Callable[..., System],
) -> None:
    """100,000 events in random batches, a third of them sent again, everything killed in the middle."""
    rng = seeded(20_261_122)
    batches = make_batches("e", EVENTS, rng)
    system = make_system(workers=2).start()
    first = len(batches) * 3 // 4  # the others are sent after the kill, however fast the machine
    load = Load(system.collector.port, batches[:first], threads=4, seed=7, again_ratio=1 / 3)
    with sending(load):
        until(lambda: len(load.accepted) > EVENTS // 2, "half of the events are accepted")
        system.kill_all()
        accepted_at_kill = len(load.accepted)
        for batch in batches[first:]:
            load.add(batch)
        system.start_again()
        load.finish()

    sent = {event["event_id"] for batch in batches for event in batch["events"]}
    assert load.accepted == sent
    system.wait_stored(EVENTS)
    ids = system.event_ids()
    assert len(ids) == EVENTS
    assert set(ids) == sent
    client = system.clickhouse.client()
    assert client.query(
        "SELECT count(), uniqExact(event_id), uniqExact(event_key) FROM events FINAL"
    ).result_rows == [(EVENTS, EVENTS, EVENTS)]
    client.close()
    assert 0 < accepted_at_kill < EVENTS
    print(
        f"\nkill of everything: sent {EVENTS} events in {len(batches)} batches, {load.sent_again} batches again;"
        f" accepted {len(load.accepted)}, found {len(ids)}; answers {dict(load.statuses)}"
    )
    assert system.collector.stop() == 0
