"""
What the collector should reach beside its rivals, and how far it is: pure, over the figures of one run of ``compare``.

Most are ratios within one run, so that they hold on any machine. What is in the way of a speed is told in CPU: microseconds an
event that all parts took, and what so many events a second would leave of all cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

PROTOTYPE_EVENTS_PER_S = 134_000
"""Stored, by a prototype without checks, fates, persons and metrics, on an idle machine of 2 cores."""
PARTS = ("worker", "writer", "clickhouse")
Speeds = Mapping[str, Mapping[int, int]]


class Goal(Struct, frozen=True):
    """
    One goal. ``measured`` None: this run did not measure it.

    ``wanted``: at least; with ``is_limit`` at most. ``note``: what would be needed, or how to measure it.
    """

    name: str
    wanted: float
    measured: float | None
    is_limit: bool = False
    note: str = ""

    @property
    def is_reached(self) -> bool | None:
        """None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured <= self.wanted if self.is_limit else self.measured >= self.wanted

    def row(self) -> dict[str, object]:
        """Return a row of the table."""
        share = "–"
        if self.measured is not None:
            share = f"{'✓ ' if self.is_reached else ''}{self.measured / self.wanted:.2f} ×"
        return {
            "目标 goal": self.name,
            "wanted": f"{'≤' if self.is_limit else '≥'} {self.wanted:,.6g}",
            "measured": self.measured,
            "measured ÷ wanted": share,
            "还差什么 what it would take": "" if self.is_reached else self.note,
        }


def goals(
    speeds: Speeds,
    cpu_us: Mapping[int, Mapping[str, float]],
    latency: Mapping[str, Any],
    worker_bytes: int,
    bytes_per_event: float,
    growth: list[dict[str, Any]],
    cores: int,
) -> list[Goal]:
    """
    List the goals in order of importance.

    Args:
        speeds: events a second by server and events a request.
        cpu_us: microseconds of CPU an event, by events a request and part.
        latency: of answers and until visible, at half of the maximum.
        worker_bytes: resident, of all workers together.
        bytes_per_event: in ClickHouse.
        growth: ``compare``'s rows of a long run, empty without one.
        cores: that all processes share.
    """

    def ratio(name: str, base: str, batch: int) -> float | None:
        mine, other = (speeds.get(one, {}).get(batch) for one in (name, base))
        return None if mine is None or not other else round(mine / other, 3)

    def in_the_way(batch: int, wanted_per_s: float) -> str:
        spent = cpu_us.get(batch, {})
        if not wanted_per_s or not spent:
            return "not measured: --batch"
        parts = " + ".join(f"{spent.get(part, 0.0):.1f}" for part in PARTS)
        left = cores * 1e6 / wanted_per_s
        return f"CPU {parts} µs an event ({' + '.join(PARTS)}); {cores} cores leave {left:.1f} with the generator"

    def decoded(batch: int) -> int:
        return speeds.get("decode", {}).get(batch, 0)

    grown = None
    if growth:
        first, last = (sum(row[part] for part in PARTS) for row in (growth[0], growth[-1]))
        grown = round(last / first, 3)
    return [
        Goal(
            *("50/请求 stored ÷ (c)", 0.5, ratio("stored", "decode", 50)),
            note=in_the_way(50, 0.5 * decoded(50)),
        ),
        Goal(
            *("50/请求 stored ÷ (d) async_insert", 10, ratio("stored", "async", 50)),
            note=in_the_way(50, 10 * speeds.get("async", {}).get(50, 0)),
        ),
        Goal(
            *("50/请求 stored, events/s", PROTOTYPE_EVENTS_PER_S),
            speeds.get("stored", {}).get(50),
            note=in_the_way(50, PROTOTYPE_EVENTS_PER_S),
        ),
        Goal(
            *("50/请求 accepted ÷ (c)", 0.75, ratio("collector", "decode", 50)),
            note=in_the_way(50, 0.75 * decoded(50)),
        ),
        Goal(
            *("1/请求 accepted ÷ (c)", 0.6, ratio("collector", "decode", 1)),
            note=in_the_way(1, 0.6 * decoded(1)),
        ),
        Goal("应答 answers p99 at half load, ms", 50, latency["p99_ms"], is_limit=True),
        Goal(
            "可查询 visible p99 at half load, ms", 2_000, latency["visible_p99_ms"], is_limit=True
        ),
        Goal("内存 memory of the workers, MB", 250, round(worker_bytes / 1e6), is_limit=True),
        Goal(
            *("磁盘 bytes of an event on disk, with its identifier", 60, bytes_per_event),
            is_limit=True,
        ),
        Goal(
            *("增长 cost of an event, last third ÷ first", 1.1, grown),
            is_limit=True,
            note="merges of one week's partition grow with the logarithm of its rows"
            if growth
            else "--growth 30000000",
        ),
    ]
