"""A block that is built piece by piece is the block that is built at once."""

import msgspec
import pytest

from collector import rows
from collector.spool_format import SpoolRecord
from loadtest.generate import FlatWorkload

NOW = 1_790_000_000_000


def records() -> list[SpoolRecord]:
    """Bodies of several users; one with ids, scene, utm and properties that the others lack, one with a broken event."""
    workload = FlatWorkload(seed=7, run="pieces", app_id="wx1", batch=3)
    bodies = [workload.body(number, NOW) for number in range(9)]
    rich = msgspec.json.decode(bodies[4])
    rich["events"][1] |= {
        "user_id": "u-4",
        "scene": 1044,
        "utm": {"source": "海报"},
        "share_id": "s-1",
        "duration_ms": 7,
        "properties": {"标签": ["新", "茶"], "大": 2**60, "空": None},
    }
    rich["unknown"] = 1
    broken = msgspec.json.decode(bodies[6])
    broken["events"][2]["occurred_at"] = "soon"
    bodies[4], bodies[6] = msgspec.json.encode(rich), msgspec.json.encode(broken)
    return [
        SpoolRecord(
            version=1,
            received_at=NOW + number,
            request_id=f"r-{number}",
            project="p",
            app_id="wx1",
            max_clock_skew_ms=300_000,
            refused=[2] if number == 6 else [],
            duplicates=[],
            body=body,
        )
        for number, body in enumerate(bodies)
    ]


@pytest.mark.parametrize("events", [1, 4, 26])
def test_pieces_make_the_same_block(events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows.build_block(records())
    monkeypatch.setattr(rows, "_EVENTS_OF_A_PIECE", events)

    joined = rows.build_block(records())

    assert joined.table.schema == whole.table.schema
    assert joined.table.to_pylist() == whole.table.to_pylist()
    assert all(column.num_chunks == 1 for column in joined.table.columns)
    assert joined.ids == whole.ids
    assert joined.bindings(None) == whole.bindings(None) != []
    for name in ("keys", "occurred_at", "received_at", "happened_at"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()
    for name in ("dead_letters", "unknown_keys", "placeholders", "clock_counts"):
        assert getattr(joined, name) == getattr(whole, name)
    assert (len(whole.dead_letters), whole.unknown_keys) == (1, 1)
