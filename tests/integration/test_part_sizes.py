"""Parts of an open week are bounded; a week that is quiet is merged whole all the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from waiting import until

from collector import part_sizes
from collector.migrate import connect
from collector.sql import load_sql

BOUND = "max_bytes_to_merge_at_max_space_in_pool"
ROWS_OF_A_PART = 500


@pytest.fixture
def node(database_url: str) -> Iterator[Any]:
    client = connect(database_url)
    yield client
    client.close()


def sizes(node: Any) -> tuple[int, int]:
    """Bytes of the largest week, and the bound."""
    [[_, week_bytes, most_bytes]] = node.query(load_sql("part_sizes.weeks")).result_rows
    return week_bytes, most_bytes


def parts(node: Any) -> list[int]:
    """Rows of each part of the one week."""
    return [
        rows
        for (rows,) in node.query(
            "SELECT rows FROM system.parts WHERE active AND database = currentDatabase() AND table = 'events'"
        ).result_rows
    ]


def store_part(node: Any, number: int) -> None:
    node.command(
        "INSERT INTO events (app_id, event, event_id, event_key, client_occurred_at, precedence) "
        "SELECT 'wx1', 'e', toString(generateUUIDv4()), {part:UInt32} * 1000 + number, "
        "toDateTime64('2026-11-17 00:00:00', 3, 'UTC') + {part:UInt32}, 1 FROM numbers({rows:UInt32})",
        parameters={"part": number, "rows": ROWS_OF_A_PART},
    )


@pytest.mark.parametrize(
    ("week_bytes", "before", "now"),
    [
        (0, 0, part_sizes.LEAST_BYTES),
        (8 * part_sizes.LEAST_BYTES, part_sizes.LEAST_BYTES, part_sizes.LEAST_BYTES),
        (8 * part_sizes.LEAST_BYTES + 8, part_sizes.LEAST_BYTES, 2 * part_sizes.LEAST_BYTES),
        (10**12, part_sizes.LEAST_BYTES, 2**37),
        (10**9, 2**37, 2**37),
    ],
)
def test_bound_is_an_eighth_of_the_largest_week_and_never_falls(
    week_bytes: int, before: int, now: int
) -> None:
    assert part_sizes.most_bytes(week_bytes, before) == now


def test_bound_is_raised_where_weeks_have_outgrown_it(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sizes(node) == (0, part_sizes.LEAST_BYTES)
    part_sizes.adapt([node])
    assert sizes(node) == (0, part_sizes.LEAST_BYTES)
    monkeypatch.setattr(part_sizes, "LEAST_BYTES", 1)
    node.command(f"ALTER TABLE events MODIFY SETTING {BOUND} = 64")
    store_part(node, 0)
    part_sizes.adapt([node])
    week_bytes, most_bytes = sizes(node)
    assert week_bytes // 8 <= most_bytes < week_bytes // 4


def test_parts_stop_at_the_bound_until_their_week_is_quiet(node: Any) -> None:
    store_part(node, 0)
    of_one, _ = sizes(node)
    # Far more parts of a size than a merge waits for; two of them are more than the bound.
    node.command(f"ALTER TABLE events MODIFY SETTING {BOUND} = {of_one * 3 // 2}")
    for number in range(1, 40):
        store_part(node, number)
    assert max(parts(node)) == ROWS_OF_A_PART
    node.command("ALTER TABLE events MODIFY SETTING min_age_to_force_merge_seconds = 1")
    until(lambda: len(parts(node)) == 1, "a quiet week is one part")
    assert parts(node) == [40 * ROWS_OF_A_PART]
