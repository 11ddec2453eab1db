"""The Python server SDK against the real collector: each event once, through a collector that goes away."""

import time
from collections.abc import Iterator

import pytest

from sdk_spec.tracker import Tracker
from tests.faults.bad_way import FAULTS, BadWay
from tests.faults.collector_process import APP_ID, WRITE_KEY, WRITE_KEY_ID, System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("tracker")).start()
    yield system
    system.end()


def tracker(system: System, **settings: object) -> Tracker:
    return Tracker(system.collector.url, WRITE_KEY, APP_ID, **settings)  # type: ignore[arg-type]


def stored(system: System, prefix: str) -> list[str]:
    return sorted(i for i in system.event_ids() if i.startswith(prefix))


def test_events_are_stored_once_though_the_collector_goes_away(system: System) -> None:
    before = len(system.event_ids())
    client = tracker(system, batch_events=10, flush_interval_s=0.05)
    sent = [client.track("order_pay", user_id="u1", event_id=f"away-{i}") for i in range(25)]
    system.collector.kill()
    sent += [client.track("order_pay", user_id="u1", event_id=f"away-{i}") for i in range(25, 60)]
    system.start_again()

    assert client.flush(240)
    assert client.close()

    system.wait_stored(before + len(sent))
    assert stored(system, "away-") == sorted(sent)


def test_events_are_stored_once_through_every_fault_of_the_way(system: System) -> None:
    before = len(system.event_ids())
    with BadWay(system.collector.url) as way:
        client = Tracker(
            way.url, WRITE_KEY, APP_ID, batch_events=5, flush_interval_s=0.01, timeout_s=0.5
        )
        sent: list[str] = []
        deadline = time.monotonic() + 240
        while min(way.treated[fault] for fault in FAULTS) < 2:
            assert time.monotonic() < deadline, way.treated
            sent.append(client.track("order_pay", user_id="u1", event_id=f"way-{len(sent)}"))
            client.flush(0.05)
        way.ends.set()
        assert client.close(240)

    assert client.accepted + client.duplicates == len(sent)
    assert client.dropped == client.rejected == 0
    system.wait_stored(before + len(sent))
    assert stored(system, "way-") == sorted(sent)


def test_the_same_order_reported_twice_counts_once(system: System) -> None:
    before = len(system.event_ids())
    client = tracker(system)
    client.track("order_pay", user_id="u1", event_id="order-1", properties={"金额": 19.9})
    assert client.flush()
    client.track("order_pay", user_id="u1", event_id="order-1", properties={"金额": 19.9})
    assert client.close()

    assert client.accepted + client.duplicates == 2
    system.wait_stored(before + 1)


def test_a_refused_event_is_told_and_costs_no_neighbour(system: System) -> None:
    before = len(system.event_ids())
    told: list[tuple[str, str]] = []
    client = tracker(system, on_rejected=lambda event, code, _: told.append((event.event_id, code)))
    client.track("old", user_id="u1", event_id="old-1", occurred_at=1_000_000)
    client.track("new", user_id="u1", event_id="new-1")

    assert client.close()

    assert told == [("old-1", "occurred_at_out_of_range")]
    assert (client.accepted, client.rejected) == (1, 1)
    system.wait_stored(before + 1)


def test_a_wrong_key_drops_and_says_so(system: System) -> None:
    told: list[str] = []
    client = Tracker(
        system.collector.url, "wk_wrong", APP_ID, on_rejected=lambda _, code, __: told.append(code)
    )
    client.track("x", user_id="u1")

    assert client.close()

    assert told == ["401"]


@pytest.mark.parametrize("clock_error_ms", [0, 3_600_000, -3_600_000])
def test_signed_batches_are_accepted_by_whatever_clock(
    system: System, clock_error_ms: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock that is wrong is told by the first refusal; nothing is lost by it."""
    before = len(system.event_ids())
    told: list[str] = []
    client = tracker(system, key_id=WRITE_KEY_ID, on_rejected=lambda _, code, __: told.append(code))
    client._delivery.clock_offset_ms = clock_error_ms
    for number in range(30):  # more than is sent without compression
        client.track("x", user_id="u1", event_id=f"signed-{clock_error_ms}-{number}")

    assert client.close(240)

    assert told == []
    assert client.accepted == 30
    assert ("differs" in caplog.text) == bool(clock_error_ms)
    system.wait_stored(before + 30)


def test_a_wrong_signature_drops_and_says_so(system: System) -> None:
    told: list[str] = []
    client = Tracker(
        system.collector.url,
        "wk_wrong",
        APP_ID,
        key_id=WRITE_KEY_ID,
        on_rejected=lambda _, __, message: told.append(message),
    )
    client.track("x", user_id="u1")

    assert client.close()

    assert "signature_invalid" in told[0]


def test_an_event_that_breaks_the_schema_is_refused_where_it_is_made(system: System) -> None:
    client = tracker(system)
    with pytest.raises(ValueError, match="properties"):
        client.track("x", user_id="u1", properties={"a": {"nested": 1}})
    with pytest.raises(ValueError, match="give user_id"):
        client.track("x")
    assert client.close()


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    client = Tracker("http://127.0.0.1:9", WRITE_KEY, APP_ID, max_queued=5, timeout_s=0.2)
    for number in range(20):
        client.track("x", user_id="u1", event_id=str(number))

    assert not client.close(0.5)

    assert client.dropped >= 10
