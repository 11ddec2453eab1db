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

    ``wanted``: at least; with ``is_limit`` at most. ``cpu_us``: microseconds of CPU an event takes in all parts together;
    ``left_us``: what all cores would have for it, generator included, at the speed that is wanted.
    """

    name: str
    wanted: float
    measured: float | None
    is_limit: bool = False
    cpu_us: float | None = None
    left_us: float | None = None

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
            share = f"{self.measured / self.wanted:.2f}{' ✓' if self.is_reached else ''}"
        return {
            "目标 goal": self.name,
            "wanted": f"{'≤' if self.is_limit else '≥'} {self.wanted:,.6g}",
            "measured": self.measured,
            "÷ wanted": share,
            "CPU µs an event": self.cpu_us,
            "the goal leaves": self.left_us,
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
    List the goals in order of importance. The last two no run of ``compare`` measures by itself: DESIGN-speed.md says how.

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

    def speed(name: str, wanted: float, measured: float | None, batch: int, per_s: float) -> Goal:
        """Return a goal that ``per_s`` events a second would reach."""
        spent = cpu_us.get(batch)
        return Goal(
            name,
            wanted,
            measured,
            cpu_us=round(sum(spent.get(part, 0.0) for part in PARTS), 1) if spent else None,
            left_us=round(cores * 1e6 / per_s, 1) if per_s else None,
        )

    def beside(name: str, wanted: float, mine: str, base: str, batch: int) -> Goal:
        """Return a goal that is a share of another server's speed."""
        of_base = speeds.get(base, {}).get(batch, 0)
        return speed(name, wanted, ratio(mine, base, batch), batch, wanted * of_base)

    grown = None
    if growth:
        first, last = (sum(row[part] for part in PARTS) for row in (growth[0], growth[-1]))
        grown = round(last / first, 3)
    stored_per_s = speeds.get("stored", {}).get(50)
    return [
        beside("×50 stored ÷ (c)", 0.5, "stored", "decode", 50),
        beside("×50 stored ÷ (d) async", 10, "stored", "async", 50),
        speed(
            *("×50 stored, events/s", PROTOTYPE_EVENTS_PER_S, stored_per_s),
            *(50, PROTOTYPE_EVENTS_PER_S),
        ),
        beside("×50 accepted ÷ (c)", 0.75, "collector", "decode", 50),
        beside("×1 accepted ÷ (c)", 0.6, "collector", "decode", 1),
        Goal("应答 answers p99, half load, ms", 50, latency["p99_ms"], is_limit=True),
        Goal("可查询 visible p99, half load, ms", 2_000, latency["visible_p99_ms"], is_limit=True),
        Goal("内存 workers, MB", 250, round(worker_bytes / 1e6), is_limit=True),
        Goal("磁盘 an event with its id, bytes", 60, bytes_per_event, is_limit=True),
        Goal("增长 an event, last third ÷ first", 1.1, grown, is_limit=True),
        Goal("内存 a worker, ClickHouse away, MB", 500, None, is_limit=True),
        Goal("×50 accepted, two workers ÷ one", 1, None),
    ]
