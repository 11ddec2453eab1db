"""The flat workload: what a proof by counting relies on."""

import gzip

import msgspec
import pytest

from loadtest.generate import FlatWorkload, compress
from loadtest.send import run_name
from sdk_spec import EventBatch

NOW_MS = 1_795_300_912_353


def workload(**changes) -> FlatWorkload:
    return FlatWorkload(**({"seed": 1, "run": "run00001", "app_id": "wx1", "batch": 50} | changes))


def test_same_seed_and_number_give_the_same_body():
    assert workload().body(5, NOW_MS) == workload().body(5, NOW_MS)
    assert workload().body(5, NOW_MS) != workload(seed=2).body(5, NOW_MS)


def test_body_sent_again_differs_in_its_clocks_only():
    first = msgspec.json.decode(workload().body(5, NOW_MS), type=EventBatch)
    again = msgspec.json.decode(workload().body(5, NOW_MS + 5_000), type=EventBatch)

    assert [e.event_id for e in first.events] == [e.event_id for e in again.events]
    assert again.sent_at == NOW_MS + 5_000
    assert first.openid == again.openid


@pytest.mark.parametrize("batch", [1, 10, 50, 200])
def test_bodies_are_valid_and_ids_are_unique_and_as_named(batch):
    source = workload(batch=batch)
    ids = set()
    for number in range(200):
        body = msgspec.json.decode(source.body(number, NOW_MS), type=EventBatch)
        assert len(body.events) == batch
        assert body.events[-1].event_id == source.event_id(number, batch - 1)
        assert all(NOW_MS - 2_000 <= event.occurred_at <= NOW_MS for event in body.events)
        ids |= {event.event_id for event in body.events}

    assert len(ids) == 200 * batch


def test_events_are_about_270_bytes():
    assert 255 <= workload().event_bytes <= 300


def test_compressed_body_is_gzip():
    body = workload().body(1, NOW_MS)

    assert gzip.decompress(compress(body)) == body


def test_runs_have_names_of_their_own():
    assert run_name(NOW_MS) != run_name(NOW_MS + 1)
    assert len(run_name(NOW_MS)) == 8


def test_run_that_would_break_the_ids_is_refused():
    with pytest.raises(ValueError, match="run must be"):
        workload(run="too-long-a-name")
