"""
The `compare` command: the collector beside what people would use instead, alternating in one run.

Per round and batch size, every server in turn gets the same events in a closed loop. For the
collector the clock runs until every event can be queried as well, and the proof of ``verify`` must
hold. Then, open loop at shares of the maximum: latency of the acknowledgement and time from there
to visible. Ratios of one run are what counts; the machine is shared by server, database and
generator. Called by ``__main__``.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, structs
from rich.console import Console

from loadtest import rivals
from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import LOG_FILE
from loadtest.driver import Outcome, Plan
from loadtest.generate import FlatWorkload
from loadtest.goals import PARTS, goals
from loadtest.product import Ports, Ready, running
from loadtest.report import fact_table, machine, percentiles, row_table, widen
from loadtest.send import Target, generator_events_per_s, run_load, run_name
from loadtest.usage import Usage, usage_by_part
from loadtest.verify import verify

_BASE = "decode"
_LATENCY_BATCH = 50
_SHARES = (0.2, 0.5, 0.8)
_POLL_S = 0.03
SETTLE_S = 60
_LABELS = {
    "null": "(0) 生成器上限 the generator itself",
    "collector": "(a) 采集器 collector: accepted, durable",
    "stored": "(a) 采集器 collector: stored, queryable",
    "read": "(b) aiohttp 只读 reads the body",
    "decode": "(c) aiohttp 解码 decodes it",
    "async": "(d) ClickHouse async_insert",
    "sync": "(d) ClickHouse 同步 insert per request",
    "sync_10000": "(d) ClickHouse 同步 10,000 events per insert",
    "nginx": "(e) nginx 写日志 body log, not durable",
    "influxdb": "(e) InfluxDB /write, durable",
}


class Options(Struct, frozen=True):
    """Of one call."""

    data_dir: Path
    batches: tuple[int, ...] = (1, 10, 50, 200)
    rounds: int = 2
    duration_s: float = 3.0
    connections: int = 64
    use_gzip: bool = False
    workers: int = 1
    seed: int = 1
    growth: int = 0


class Bench:
    """One comparison: the servers that run, and what was measured."""

    def __init__(self, options: Options, ready: Ready, pid: int, console: Console) -> None:
        self._options = options
        self._ready = ready
        self._pid = pid
        self._console = console
        self._clickhouse = ClickHouse(ready.clickhouse_url)
        self._last_ms = 0
        self.events_per_s: dict[tuple[str, int], list[float]] = {}
        self.cpu: dict[int, list[dict[str, float]]] = {}

    def run(self, stack: ExitStack) -> dict[str, Any]:
        """Measure everything. Errors: OSError, RuntimeError when the proof fails."""
        options = self._options
        urls = {
            mode: stack.enter_context(rivals.bare_server(mode))
            for mode in ("null", "read", "decode")
        }
        if rivals.has_nginx() and not options.use_gzip:
            urls["nginx"] = stack.enter_context(rivals.nginx(options.data_dir / "nginx"))
        if rivals.has_influxdb() and not options.use_gzip:
            urls["influxdb"] = stack.enter_context(rivals.influxdb(options.data_dir / "influxdb"))
        for round_number in range(options.rounds):
            for batch in options.batches:
                self._console.print(
                    f"[dim]第 {round_number + 1} 轮 round {round_number + 1}, batch {batch}[/]"
                )
                self._collector(batch)
                for name, url in urls.items():
                    target = Target(
                        url,
                        self._ready.app_id,
                        {},
                        use_gzip=options.use_gzip,
                        read_answer=rivals.count_requests(batch),
                    )
                    kind = rivals.PointsWorkload if name == "influxdb" else FlatWorkload
                    self._rival(name, target, batch, kind)
                if not options.use_gzip:
                    self._straight_to_clickhouse(batch)
        latency = [self._open_loop(share) for share in _SHARES]
        return self._report(latency, self._growth() if options.growth else [])

    def _straight_to_clickhouse(self, batch: int) -> None:
        for name, is_async in (("async", True), ("sync", False)):
            target = rivals.clickhouse_target(
                self._clickhouse, self._ready.app_id, is_async=is_async, batch=batch
            )
            self._rival(name, target, batch, rivals.LinesWorkload)
        if batch == self._options.batches[-1]:
            target = rivals.clickhouse_target(
                self._clickhouse, self._ready.app_id, is_async=False, batch=10_000
            )
            self._rival("sync_10000", target, 10_000, rivals.LinesWorkload)
        self._clickhouse.command("DROP TABLE plain_events")

    def _workload(self, batch: int, kind: type[FlatWorkload] = FlatWorkload) -> FlatWorkload:
        now_ms = max(time.time_ns() // 1_000_000, self._last_ms + 1)
        self._last_ms = now_ms
        return kind(
            seed=self._options.seed, run=run_name(now_ms), app_id=self._ready.app_id, batch=batch
        )

    def _plan(self, batch: int, rate: float = 0.0) -> Plan:
        options = self._options
        return Plan(
            batch=batch,
            duration_s=options.duration_s,
            connections=options.connections,
            rate=rate,
            seed=options.seed,
        )

    def _note(self, name: str, batch: int, events_per_s: float) -> None:
        self.events_per_s.setdefault((name, batch), []).append(events_per_s)

    def _rival(self, name: str, target: Target, batch: int, kind: type[FlatWorkload]) -> None:
        self._settle()
        outcome = run_load(target, self._workload(batch, kind), self._plan(batch))
        if outcome.dropped:
            raise RuntimeError(
                f"{name} refused {len(outcome.dropped)} requests: {outcome.statuses}"
            )
        self._note(name, batch, outcome.events_per_s)

    def _target(self) -> Target:
        return Target(
            f"{self._ready.collector_url}/v1/events",
            self._ready.app_id,
            {"X-Write-Key": self._ready.write_key},
            use_gzip=self._options.use_gzip,
        )

    def _collector(self, batch: int) -> None:
        """Run against the collector, wait until all is stored, prove it."""
        self._settle()
        workload = self._workload(batch)
        before = usage_by_part(self._pid)
        started = time.monotonic()
        outcome = run_load(self._target(), workload, self._plan(batch))
        lead_s = outcome.acknowledged[-1][0] - outcome.elapsed_s - started
        self._prove(workload, outcome)
        stored_s = time.monotonic() - started - lead_s
        self._note("collector", batch, outcome.events_per_s)
        self._note("stored", batch, outcome.accepted / stored_s)
        spent = _cpu_per_million(before, usage_by_part(self._pid), outcome.accepted)
        self.cpu.setdefault(batch, []).append(spent)

    def _prove(self, workload: FlatWorkload, outcome: Outcome) -> None:
        verdict = verify(
            self._clickhouse,
            app_id=workload.app_id,
            run=workload.run,
            batch=workload.batch,
            fates=outcome.fates,
            unknown=outcome.unknown,
        )
        if not verdict.is_exact:
            raise RuntimeError(f"the stored events are not the accepted ones: {verdict}")

    def _settle(self) -> None:
        """Wait until nothing of the measurements before is merged any more, at most SETTLE_S: it belongs to them."""
        sql, deadline_s = load_sql("compare.merging"), time.monotonic() + SETTLE_S
        while self._clickhouse.rows(sql)[0]["merges"] and time.monotonic() < deadline_s:
            # ClickHouse has nothing that waits for running merges or announces their end: system.merges can only be asked.
            time.sleep(_POLL_S)

    def _open_loop(self, share: float) -> dict[str, object]:
        """Latency at a share of what the collector accepts at most."""
        batch = (
            _LATENCY_BATCH if _LATENCY_BATCH in self._options.batches else self._options.batches[0]
        )
        rate = statistics.median(self.events_per_s["collector", batch]) * share
        self._settle()
        workload = self._workload(batch)
        with _watching(self._clickhouse, workload) as seen:
            outcome = run_load(self._target(), workload, self._plan(batch, rate))
            self._prove(workload, outcome)
        late_ms = visible_after_ms(outcome.acknowledged, seen)
        return {
            "负载 load": f"{share:.0%}",
            "events/s": round(rate),
            **percentiles(outcome.latencies_ms),
            "visible_p50_ms": late_ms["p50_ms"],
            "visible_p99_ms": late_ms["p99_ms"],
        }

    def _growth(self) -> list[dict[str, Any]]:
        """Store so many events in three equal parts, all into one week, and tell what each part cost; each is proved."""
        rows: list[dict[str, Any]] = []
        for third in range(1, 4):
            before, started, accepted = usage_by_part(self._pid), time.monotonic(), 0
            while accepted < self._options.growth // 3:
                workload = self._workload(_LATENCY_BATCH)
                outcome = run_load(self._target(), workload, self._plan(_LATENCY_BATCH))
                self._prove(workload, outcome)
                accepted += outcome.accepted
                self._console.print(f"[dim]增长 growth {third}/3: {accepted:,} events[/]")
            spent = _cpu_per_million(before, usage_by_part(self._pid), accepted)
            rows.append(
                {
                    "第几段 third": third,
                    "events": accepted,
                    "stored/s": round(accepted / (time.monotonic() - started)),
                    **{part: round(spent.get(part, 0.0), 2) for part in PARTS},
                }
            )
        return rows

    def _report(
        self, latency: list[dict[str, object]], growth: list[dict[str, Any]]
    ) -> dict[str, Any]:
        options, console = self._options, self._console
        speeds: dict[str, dict[int, int]] = {}
        for (name, batch), samples in self.events_per_s.items():
            speeds.setdefault(name, {})[batch] = round(statistics.median(samples))
        title = "最大速度 Maximum: events/s by events per request (ratio to c)"
        console.print(row_table(title, _speed_rows(speeds, options.batches)))
        console.print(row_table("延迟 Latency of the collector, open loop, ms", latency))
        parts, here = usage_by_part(self._pid), machine()
        cpu_by_batch = {batch: _medians(samples) for batch, samples in self.cpu.items()}
        cpu = cpu_by_batch.get(_LATENCY_BATCH, {})
        costs: dict[str, object] = {
            name: f"{cpu.get(name, 0.0):.2f} s, {usage.resident_bytes / 1e6:.0f} MB"
            for name, usage in parts.items()
        }
        disk = self._clickhouse.rows(load_sql("queries.count_events"), app_id=self._ready.app_id)[0]
        bytes_per_event = round(disk["bytes"] / max(1, disk["rows"]), 1)
        costs["events on disk"] = f"{bytes_per_event} bytes an event"
        console.print(fact_table("开销 Cost: CPU s per million events; resident MB", costs))
        if growth:
            console.print(row_table("增长 Growth: CPU µs an event by part", growth))
        reached = goals(
            speeds,
            cpu_by_batch,
            latency[_SHARES.index(0.5)],
            parts["worker"].resident_bytes,
            bytes_per_event,
            growth,
            here["cores"],
        )
        console.print(
            row_table("目标 Goals (collector/DESIGN-speed.md)", [goal.row() for goal in reached])
        )
        console.print(
            "[dim]– : 未测 not measured here; growth: --growth 30000000, others: DESIGN-speed.md[/]"
        )
        for name, package in (
            ("nginx", "nginx-light libnginx-mod-http-echo"),
            ("influxdb", "influxdb"),
        ):
            if name not in speeds:
                console.print(f"[dim](e) {name} left out: apt-get install {package}[/]")
        return {
            "events_per_s": _by_text(speeds),
            "ratio_to_decode": _ratios(speeds),
            "samples": {f"{n} x{b}": v for (n, b), v in self.events_per_s.items()},
            "latency": latency,
            "cpu_s_per_million_events": cpu,
            "cpu_s_per_million_events_by_batch": {str(b): one for b, one in cpu_by_batch.items()},
            "growth": growth,
            "goals": [structs.asdict(goal) | {"is_reached": goal.is_reached} for goal in reached],
            "resident_bytes": {name: usage.resident_bytes for name, usage in parts.items()},
            "bytes_per_stored_event": bytes_per_event,
            "generator_events_per_s": {
                str(batch): round(
                    generator_events_per_s(self._workload(batch), use_gzip=options.use_gzip)
                )
                for batch in options.batches
            },
            "settings": structs.asdict(options) | {"data_dir": str(options.data_dir)},
            "machine": here,
        }


def _speed_rows(
    speeds: dict[str, dict[int, int]], batches: tuple[int, ...]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, label in _LABELS.items():
        if name not in speeds:
            continue
        row: dict[str, object] = {"": label}
        for batch in batches:
            value = speeds[name].get(batch)
            base = speeds[_BASE][batch]
            row[f"×{batch}"] = "–" if value is None else f"{value:,} ({value / base:.2f})"
        if name == "sync_10000":
            row[f"×{batches[-1]}"] = f"{speeds[name][10_000]:,}"
        rows.append(row)
    return rows


def _by_text(speeds: dict[str, dict[int, int]]) -> dict[str, dict[str, int]]:
    return {name: {str(batch): v for batch, v in one.items()} for name, one in speeds.items()}


def _ratios(speeds: dict[str, dict[int, int]]) -> dict[str, dict[str, float]]:
    """Each server's speed by that of the decoding handler, at the same batch size."""
    base = speeds[_BASE]
    return {
        name: {str(b): round(v / base[b], 3) for b, v in one.items() if b in base}
        for name, one in speeds.items()
    }


def run(options: Options, console: Console) -> dict[str, Any]:
    """
    Compare, print, and return the report as JSON has it.

    Errors: ProductError, ClickHouseError, OSError, RuntimeError.
    """
    data_dir = options.data_dir.expanduser().resolve()
    # The rivals look for it from folders of their own.
    options = structs.replace(options, data_dir=data_dir)
    widen(console)
    with (
        running(
            data_dir,
            ports=Ports(0, 0, 0),
            log_path=data_dir / LOG_FILE,
            workers=options.workers,
        ) as serving,
        ExitStack() as stack,
    ):
        return Bench(options, serving.ready, serving.pid, console).run(stack)


def visible_after_ms(
    acknowledged: list[tuple[float, int]], seen: list[tuple[float, int]]
) -> dict[str, float]:
    """
    From the acknowledgement of each event to the first look that saw as many events.

    Args:
        acknowledged: time, and events accepted until then; rising.
        seen: time of a look, and events visible then; rising.
    """
    if not acknowledged or not seen:
        return percentiles([])
    looks = np.asarray([count for _, count in seen])
    late = []
    for at, count in acknowledged:
        place = int(np.searchsorted(looks, count))
        if place < len(seen):
            late.append(max(0.0, (seen[place][0] - at) * 1000))
    return percentiles(late)


@contextmanager
def _watching(clickhouse: ClickHouse, workload: FlatWorkload) -> Iterator[list[tuple[float, int]]]:
    """Look all the time how many events of a run can be queried; the list grows while the block runs."""
    seen: list[tuple[float, int]] = []
    is_over = threading.Event()
    from_ms = time.time_ns() // 1_000_000 - 5_000
    sql = load_sql("compare.count_since")

    def look() -> None:
        while not is_over.is_set():
            rows = clickhouse.rows(sql, app_id=workload.app_id, run=workload.run, from_ms=from_ms)
            seen.append((time.monotonic(), int(rows[0]["events"])))
            time.sleep(_POLL_S)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def _medians(samples: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: round(statistics.median([sample.get(name, 0.0) for sample in samples]), 3)
        for name in samples[0]
    }


def _cpu_per_million(
    before: dict[str, Usage], after: dict[str, Usage], events: int
) -> dict[str, float]:
    return {
        name: (usage.cpu_s - before.get(name, Usage()).cpu_s) / events * 1e6
        for name, usage in after.items()
    }
