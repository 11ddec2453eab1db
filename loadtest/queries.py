"""
The `queries` command: times each report beside what the database itself needs for the same rows.

Loads a synthetic log straight into ClickHouse (the collector has its own command), asks the query
API for each report, and runs beside it: the floor (read user and time of the report's events, copies
collapsed), where there is one the statement a person would write by hand, and DuckDB on the same rows.
At several numbers of events, so that the growth is seen. Called by ``__main__``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from rich.console import Console
from rich.progress import track

from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import LOG_FILE, sql_array
from loadtest.duck import Duck, is_installed
from loadtest.life import ZONE
from loadtest.product import Ports, Ready, Serving, running
from loadtest.query import QueryApi, QueryError
from loadtest.questions import Question, questions
from loadtest.report import machine, number, row_table, widen
from loadtest.usage import usage_by_part

FIRST_DAY = date(2026, 10, 1)
DAYS = 30
GROWTH_EVENTS = 20_000_000
"""Beyond it the growth is measured up to here, and then at all events: 5, 10, 20 and, say, 100 million."""
_PART_ROWS = 2_000_000
_RUNS = 2
_DUCKDB_THREADS = 2


class Timing(Struct, frozen=True):
    """
    One report on so many events: seconds, median of the warm runs; None where it was refused or is not there.

    ``cpu_s``: of ClickHouse for one run of the report, on all cores together.
    """

    report: str
    events: int
    report_s: float | None
    cpu_s: float | None
    floor_s: float
    by_hand_s: float | None
    duckdb_s: float | None
    error: str = ""

    def line(self) -> str:
        """Tell it in one line."""
        return f"{self.report}: {number(self.report_s)} s, floor {number(self.floor_s)} s"

    def row(self) -> dict[str, object]:
        """Lay out for people."""
        report_s = self.report_s
        return {
            "报表 report": self.report,
            "s": report_s,
            "CPU s": self.cpu_s,
            "下限 floor": self.floor_s,
            "手写 by hand": self.by_hand_s,
            "DuckDB": self.duckdb_s,
            "÷ floor": report_s / self.floor_s if report_s else None,
            "÷ hand": report_s / self.by_hand_s if report_s and self.by_hand_s else None,
            "÷ DuckDB": report_s / self.duckdb_s if report_s and self.duckdb_s else None,
        }


def run(
    *,
    data_dir: Path,
    events: int,
    users: int,
    ports: Ports,
    merge: bool,
    growth: bool,
    console: Console,
) -> dict[str, Any]:
    """
    Load what is missing, time everything, print tables, return the report as JSON has it.

    ``growth``: at all of ``sizes_of``. Errors: ProductError, ClickHouseError, OSError. A report that is refused stands in
    the table.
    """
    data_dir = data_dir.expanduser().resolve()
    widen(console)
    sizes = sizes_of(events) if growth else [events]
    timings: list[Timing] = []
    states: list[dict[str, Any]] = []
    with running(data_dir, ports=ports, log_path=data_dir / LOG_FILE) as serving:
        clickhouse = ClickHouse(serving.ready.clickhouse_url)
        duck = Duck(data_dir / "compared.duckdb", _DUCKDB_THREADS) if is_installed() else None
        try:
            for size in sizes:
                load_s = load(clickhouse, serving.ready, events=size, users=users)
                if merge:
                    clickhouse.command("OPTIMIZE TABLE events FINAL")
                if duck is not None:
                    duck.load(clickhouse, serving.ready.app_id)
                state = _state(clickhouse, serving.ready, load_s)
                there = state["events"]
                measured = []
                for question in questions():
                    measured.append(time_question(question, serving, there, duck))
                    console.print(f"[dim]{measured[-1].line()}[/]", highlight=False)
                title = f"查询 Queries  {there:,} events, {users:,} users, {state['parts']} parts"
                console.print(row_table(title, [timing.row() for timing in measured]))
                for timing in measured:
                    if timing.error:
                        console.print(f"{timing.report}: {timing.error}", markup=False)
                timings += measured
                states.append(state)
        finally:
            if duck is not None:
                duck.close()
    if len(states) > 1:
        for title, measure in (("seconds", "report_s"), ("CPU seconds", "cpu_s")):
            rows = growth_rows(timings, [s["events"] for s in states], measure)
            console.print(row_table(f"随事件数增长 Growth, {title}", rows))
    return {
        "users": users,
        "sizes": states,
        "runs": _RUNS,
        "reports": [structs.asdict(timing) for timing in timings],
        "machine": machine(),
    }


def sizes_of(events: int) -> list[int]:
    """Return the numbers of events to measure at: a quarter, a half and all of at most ``GROWTH_EVENTS``, and all."""
    whole = min(events, GROWTH_EVENTS)
    return sorted({whole // 4, whole // 2, whole, events})


def growth_rows(
    timings: list[Timing], sizes: list[int], measure: str = "report_s"
) -> list[dict[str, object]]:
    """One row for each report: its ``measure`` at each number of events, and the last over the first."""
    rows: list[dict[str, object]] = []
    for report in dict.fromkeys(timing.report for timing in timings):
        seconds = [
            next(getattr(t, measure) for t in timings if (t.report, t.events) == (report, size))
            for size in sizes
        ]
        first, last = seconds[0], seconds[-1]
        rows.append(
            {
                "报表 report": report,
                **{f"{size:,}": value for size, value in zip(sizes, seconds, strict=True)},
                "×": last / first if first and last else None,
            }
        )
    return rows


def _state(clickhouse: ClickHouse, ready: Ready, load_s: float) -> dict[str, Any]:
    state = clickhouse.rows(load_sql("queries.count_events"), app_id=ready.app_id)[0]
    return {
        "events": state["events"],
        "parts": state["parts"],
        "bytes_per_event": round(state["bytes"] / max(1, state["rows"]), 1),
        "load_s": round(load_s, 1),
    }


def load(clickhouse: ClickHouse, ready: Ready, *, events: int, users: int) -> float:
    """Insert the events that are not there yet; return the seconds it took."""
    started = time.monotonic()
    there = clickhouse.rows(load_sql("queries.count_events"), app_id=ready.app_id)[0]["events"]
    common = {"project": ready.project, "app_id": ready.app_id, "users": users}
    if there < events:
        clickhouse.command(load_sql("queries.insert_persons"), **common)
    for first in track(range(there, events, _PART_ROWS), "写入 loading", transient=True):
        clickhouse.command(
            load_sql("queries.insert_events"),
            **common,
            first=first,
            rows=min(_PART_ROWS, events - first),
            from_ms=epoch_ms(FIRST_DAY),
            days=DAYS,
        )
    return time.monotonic() - started


def epoch_ms(day: date) -> int:
    """Epoch ms of midnight there."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() * 1000)


def request_of(question: Question, ready: Ready) -> dict[str, Any]:
    """Return what the query API is asked."""
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    return {
        "app_ids": [ready.app_id],
        "time_range": {"from": FIRST_DAY.isoformat(), "to": last.isoformat()},
        **question.request,
    }


def parameters_of(question: Question, ready: Ready) -> dict[str, object]:
    """Return the parameters of the SQL beside it."""
    return {
        "app_id": ready.app_id,
        "from_ms": epoch_ms(FIRST_DAY),
        "to_ms": epoch_ms(FIRST_DAY + timedelta(days=DAYS)),
        "names": sql_array(question.events),
    }


def time_question(question: Question, serving: Serving, events: int, duck: Duck | None) -> Timing:
    """Ask one question several times in each way."""
    ready = serving.ready
    clickhouse = ClickHouse(ready.clickhouse_url)
    request = request_of(question, ready)
    parameters = parameters_of(question, ready)
    api = QueryApi(ready.query_url, ready.read_token)

    def seconds_of(sql: str) -> float:
        return _median_s(lambda: clickhouse.rows(load_sql(sql), **parameters))

    floor_s = seconds_of("queries.floor")
    by_hand_s = seconds_of(question.by_hand) if question.by_hand else None
    duckdb_s = None
    if duck is not None and question.duckdb:
        given = parameters | {"names": question.events}
        duckdb_s = _median_s(lambda: duck.rows(question.duckdb, given))
    try:
        cpu_before_s = _clickhouse_cpu_s(serving)
        report_s = _median_s(lambda: api.report(question.report, request))
        cpu_s = (_clickhouse_cpu_s(serving) - cpu_before_s) / (_RUNS + 1)
    except QueryError as refused:
        error = str(refused)[:200]
        return Timing(question.name, events, None, None, floor_s, by_hand_s, duckdb_s, error)
    return Timing(question.name, events, report_s, cpu_s, floor_s, by_hand_s, duckdb_s)


def _clickhouse_cpu_s(serving: Serving) -> float:
    return usage_by_part(serving.pid)["clickhouse"].cpu_s


def _median_s(ask: Callable[[], object]) -> float:
    """Time the call after one that warms the caches."""
    ask()
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
