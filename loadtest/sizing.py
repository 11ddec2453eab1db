"""
The `sizing` command: what so many events a day need, by arithmetic from what was measured. Pure; called by ``__main__``.

``collector/SIZING.md`` holds what this prints (a test compares them), with what follows from it. New measurements are new
numbers here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

WORKER_US = 5.5
WRITER_US = 12.0
"""µs of CPU an event, from 7 in a short run to 12.6 in a long one."""
INSERT_US = 8.0
MERGE_US = 2.3
"""µs of CPU an event in ClickHouse: of the first million of a week, and more each time that its partition doubles."""
PART_MS = 20
"""CPU of ClickHouse for one insert into one shard, keys and merges with it, however few its rows are."""
STORED_BYTES = 68
SENT_BYTES = 80
SPOOLED_BYTES = 300
FILTER_BYTES = 1.25
KEY_BYTES = 8
FLUSHES_PER_S = 2.0
"""Of a collector: one insert each ``SCENETRAIL_FLUSH_INTERVAL_MS`` of 500, as long as fewer than a block wait."""

PEAK = 4
"""Events a second at the peak, times the average."""
KEPT_DAYS = 365
ASKED_DAYS = 30
CORES = 16
"""Of each ClickHouse server."""
SHARD_BYTES = 10e12
SHARD_S = 10
"""A shard's part of a funnel over ``ASKED_DAYS`` takes no longer."""
LOG_EVENTS = 20_000_000
"""Of the log over which ``Cost.cpu_s`` was measured."""
SIZES = [10**n for n in range(6, 12)]


class Cost(Struct, frozen=True):
    """
    What one report costs.

    ``cpu_s``: over 20 million events on one server. For each event of the log, whether the report is about it or not:
    ``sent_bytes`` of one that lies on another node, ``memory_bytes`` of the asked node. ``on_shards``: share of the CPU.
    """

    report: str
    cpu_s: float
    sent_bytes: float
    memory_bytes: float
    on_shards: float

    def core_s(self, events: float) -> float:
        """CPU seconds over so many events."""
        return self.cpu_s / LOG_EVENTS * events

    def asked_core_s(self, events: float) -> float:
        """Of these, what is done on the asked node only, however many shards there are."""
        return self.core_s(events) * (1 - self.on_shards)


FUNNEL = Cost("funnel of 3 steps (42 % of the events)", 1.8, 5.3, 18, 0.55)
COSTS = [
    Cost("events: count by day", 0.15, 0.03, 1, 0.82),
    Cost("retention of 7 days", 0.4, 1.6, 3, 0.70),
    Cost("events: a sum by a property", 0.5, 0.1, 1, 0.81),
    Cost("distribution", 0.7, 1.9, 16, 0.64),
    Cost("events: users by day", 0.9, 1.9, 3, 0.70),
    Cost("ltv", 1.0, 2.1, 5, 0.58),
    Cost("interval", 1.3, 4.4, 13, 0.57),
    FUNNEL,
    Cost("lifecycle", 2.3, 3.9, 35, 0.62),
    Cost("stickiness", 2.9, 7.9, 27, 0.63),
    Cost("users", 3.0, 3.0, 22, 0.81),
    Cost("attribution", 4.2, 5.8, 34, 0.65),
    Cost("funnel by scene group", 4.4, 7.4, 39, 0.68),
    Cost("summary", 4.7, 18, 68, 0.60),
    Cost("share, and Python's part", 5.3, 5.9, 25, 0.39),
    Cost("paths", 5.5, 11, 65, 0.64),
    Cost("scenes", 5.8, 20, 82, 0.62),
    Cost("sessions", 6.4, 20, 69, 0.66),
]
"""
``cpu_s``: ``loadtest queries --no-growth --merge`` (loadtest/README.md). ``sent_bytes``, ``on_shards``: ``loadtest network
--shards 10 --events 2000000 --users 100000``, planning included, which does not grow with the log; of share the query API's
part is the asked node's. ``memory_bytes``: peak on the asked node over 4 million events of 200,000 persons on two shards, less
the 50 MB that any report takes, before funnel, paths, interval, attribution, scenes, sessions and summary went by actor.
"""


class Needs(Struct, frozen=True):
    """What so many events a day need."""

    events_a_day: float
    collectors: int
    shards: int
    insert_cores: float
    peak_per_s: float

    @property
    def rows_of_a_part(self) -> float:
        """Events that one insert brings to one shard at the peak."""
        return self.peak_per_s / (self.collectors * FLUSHES_PER_S * self.shards)


def needs(events_a_day: float) -> Needs:
    """Return collectors of 2 cores at half load, shards, and the cores of all of them that inserts take at the peak."""
    peak_per_s = events_a_day / 86_400 * PEAK
    # One process writes, so it ends at one core; accepting has the other.
    collectors = math.ceil(peak_per_s * WRITER_US / 1e6 / 0.5)
    asked = events_a_day * ASKED_DAYS
    reading_s = FUNNEL.core_s(asked) * FUNNEL.on_shards / CORES
    kept_bytes = events_a_day * KEPT_DAYS * STORED_BYTES
    shards = max(1, math.ceil(reading_s / SHARD_S), math.ceil(kept_bytes / SHARD_BYTES))
    insert_cores = peak_per_s * insert_us(events_a_day * 7 / shards) / 1e6
    insert_cores += collectors * FLUSHES_PER_S * shards * PART_MS / 1e3
    return Needs(events_a_day, collectors, shards, insert_cores, peak_per_s)


def insert_us(week_rows: float) -> float:
    """Return µs of ClickHouse's CPU an event where a week's partition of a shard ends with so many rows."""
    return INSERT_US + MERGE_US * math.log2(max(1.0, week_rows / 1e6))


def tables() -> str:
    """Return both tables in Markdown."""
    return f"{needs_table()}\n\n{costs_table(3e9, 10)}\n"


def needs_table() -> str:
    """Return what each size needs."""
    all_needs = [needs(size) for size in SIZES]
    asked = [one.events_a_day * ASKED_DAYS for one in all_needs]
    year = [one.events_a_day * KEPT_DAYS for one in all_needs]
    rows = {
        "events/s at the peak": [number(one.peak_per_s) for one in all_needs],
        "collectors of 2 cores, at half load": [f"{one.collectors:,}" for one in all_needs],
        f"shards of {CORES} cores": [f"{one.shards:,}" for one in all_needs],
        "cores for inserts at the peak, all shards": [
            number(one.insert_cores) for one in all_needs
        ],
        "inserts/s into each shard at the peak, of so many rows": [
            f"{number(one.collectors * FLUSHES_PER_S)} of {number(one.rows_of_a_part)}"
            for one in all_needs
        ],
        "disk in a year, one copy": [size(events * STORED_BYTES) for events in year],
        "Mbit/s into ClickHouse at the peak": [
            number(one.peak_per_s * SENT_BYTES * 8 / 1e6) for one in all_needs
        ],
        "spool for an hour without ClickHouse at the peak, all collectors": [
            size(one.peak_per_s * 3600 * SPOOLED_BYTES) for one in all_needs
        ],
        "writer's filter after a year, in each collector": [
            size(events * FILTER_BYTES) for events in year
        ],
        "keys that it reads at its start": [size(events * KEY_BYTES) for events in year],
        f"funnel over {ASKED_DAYS} days: core seconds": [
            number(FUNNEL.core_s(events)) for events in asked
        ],
        f"of these on the asked node; seconds with {CORES} cores": [
            f"{number(FUNNEL.asked_core_s(events))}; {number(FUNNEL.asked_core_s(events) / CORES)}"
            for events in asked
        ],
        "its memory there": [size(events * FUNNEL.memory_bytes) for events in asked],
    }
    return markdown(
        ["events a day", *(f"10^{round(math.log10(size))}" for size in SIZES)],
        [[name, *cells] for name, cells in rows.items()],
    )


def costs_table(events: float, shards: int) -> str:
    """Return what each report over so many events costs on so many shards."""
    elsewhere = events * (shards - 1) / shards
    return markdown(
        [
            "report",
            "core seconds",
            "of these on the asked node",
            "GB over the network",
            "GB of its memory",
        ],
        [
            [
                cost.report,
                number(cost.core_s(events)),
                number(cost.asked_core_s(events)),
                number(elsewhere * cost.sent_bytes / 1e9),
                number(events * cost.memory_bytes / 1e9),
            ]
            for cost in COSTS
        ],
    )


def number(value: float) -> str:
    """Write two digits that count; a dash below 0.05."""
    if value < 0.05:
        return "–"
    places = 1 - math.floor(math.log10(value))
    return f"{round(value, places):,.{min(max(places, 0), 1)}f}".removesuffix(".0")


def size(value: float) -> str:
    """Write bytes, two digits that count."""
    for unit, scale in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{value:,.0f} B"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
