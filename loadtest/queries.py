"""
The `queries` command: times each report beside what the database itself needs for the same rows.

Loads a synthetic log straight into ClickHouse (the collector has its own command), asks the query
API for each report, and runs two kinds of SQL on the same events: the floor (read user and time,
copies collapsed) and, where there is one, the statement a person would write by hand. Called by
``__main__``.
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
from loadtest.life import ZONE
from loadtest.product import Ports, Ready, running
from loadtest.query import QueryApi, QueryError
from loadtest.report import machine, number, row_table

FIRST_DAY = date(2026, 10, 1)
DAYS = 30
_PART_ROWS = 2_000_000
_STEPS = ["product_view", "add_to_cart", "order_pay"]
_RUNS = 3


class Question(Struct, frozen=True):
    """A report to time; ``by_hand`` is the name of a SQL file, empty where there is none."""

    name: str
    report: str
    request: dict[str, Any]
    events: list[str]
    by_hand: str = ""


class Timing(Struct, frozen=True):
    """Seconds of one report, median of the warm runs; None where it was refused or is not there."""

    report: str
    report_s: float | None
    floor_s: float
    by_hand_s: float | None
    error: str = ""

    def line(self) -> str:
        """Tell it in one line."""
        return f"{self.report}: {number(self.report_s)} s, floor {number(self.floor_s)} s"

    def row(self) -> dict[str, object]:
        """Lay out for people."""
        report_s, by_hand_s = self.report_s, self.by_hand_s
        return {
            "报表 report": self.report,
            "s": report_s,
            "下限 floor": self.floor_s,
            "手写 by hand": by_hand_s,
            "÷ floor": report_s / self.floor_s if report_s else None,
            "÷ hand": report_s / by_hand_s if report_s and by_hand_s else None,
        }


def questions() -> list[Question]:
    """List what is timed."""
    funnel = {
        "steps": [{"event": name} for name in _STEPS],
        "window": {"value": 1, "unit": "day"},
    }
    retention = {
        "initial": {"event": "app_show"},
        "returning": {"event": "app_show"},
        "unit": "day",
        "periods": 7,
        "mode": "on",
    }
    by_hand = "queries.one_pass_retention"
    return [
        Question("漏斗 funnel, 3 steps", "funnel", funnel, _STEPS, "queries.window_funnel"),
        Question(
            "漏斗 funnel by scene group", "funnel", funnel | {"breakdown": ["scene_group"]}, _STEPS
        ),
        Question(
            "留存 retention, first",
            "retention",
            retention | {"cohort": "first"},
            ["app_show"],
            by_hand,
        ),
        Question(
            "留存 retention, every",
            "retention",
            retention | {"cohort": "every"},
            ["app_show"],
            by_hand,
        ),
        Question(
            "事件 events, count by day",
            "events",
            {"measures": [{"event": "product_view", "aggregate": "count"}], "interval": "day"},
            ["product_view"],
        ),
        Question(
            "事件 events, users by day",
            "events",
            {"measures": [{"event": "product_view", "aggregate": "users"}], "interval": "day"},
            ["product_view"],
        ),
        Question(
            "事件 events, sum of price by city",
            "events",
            {
                "measures": [
                    {"event": "order_pay", "aggregate": "sum", "field": "properties.price"}
                ],
                "interval": "day",
                "breakdown": ["properties.city"],
            },
            ["order_pay"],
        ),
        Question("场景 scenes", "scenes", {"by": "scene"}, ["app_show"]),
    ]


def run(
    *, data_dir: Path, events: int, users: int, ports: Ports, merge: bool, console: Console
) -> dict[str, Any]:
    """
    Load what is missing, time everything, print a table, return the report as JSON has it.

    Errors: ProductError, ClickHouseError, OSError. A report that is refused stands in the table.
    """
    data_dir = data_dir.expanduser().resolve()
    with running(data_dir, ports=ports, log_path=data_dir / LOG_FILE) as serving:
        ready = serving.ready
        clickhouse = ClickHouse(ready.clickhouse_url)
        load_s = load(clickhouse, ready, events=events, users=users)
        if merge:
            clickhouse.command("OPTIMIZE TABLE events FINAL")
        state = clickhouse.rows(load_sql("queries.count_events"), app_id=ready.app_id)[0]
        timings = []
        for question in questions():
            timings.append(time_question(question, ready, clickhouse))
            console.print(f"[dim]{timings[-1].line()}[/]", highlight=False)
    title = f"查询 Queries  {state['events']:,} events, {users:,} users, {state['parts']} parts"
    console.print(row_table(title, [timing.row() for timing in timings]))
    for timing in timings:
        if timing.error:
            console.print(f"{timing.report}: {timing.error}", markup=False)
    return {
        "events": state["events"],
        "users": users,
        "parts": state["parts"],
        "bytes_per_event": round(state["bytes"] / max(1, state["rows"]), 1),
        "load_s": round(load_s, 1),
        "runs": _RUNS,
        "reports": [structs.asdict(timing) for timing in timings],
        "machine": machine(),
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
            from_ms=_ms(FIRST_DAY),
            days=DAYS,
        )
    return time.monotonic() - started


def _ms(day: date) -> int:
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
        "from_ms": _ms(FIRST_DAY),
        "to_ms": _ms(FIRST_DAY + timedelta(days=DAYS)),
        "names": sql_array(question.events),
    }


def time_question(question: Question, ready: Ready, clickhouse: ClickHouse) -> Timing:
    """Ask one question several times in each way."""
    request = request_of(question, ready)
    parameters = parameters_of(question, ready)
    api = QueryApi(ready.query_url, ready.read_token)
    floor_s = _median_s(lambda: clickhouse.rows(load_sql("queries.floor"), **parameters))
    by_hand_s = None
    if question.by_hand:
        by_hand_s = _median_s(lambda: clickhouse.rows(load_sql(question.by_hand), **parameters))
    try:
        report_s = _median_s(lambda: api.report(question.report, request))
    except QueryError as refused:
        return Timing(question.name, None, floor_s, by_hand_s, error=str(refused)[:200])
    return Timing(question.name, report_s, floor_s, by_hand_s)


def _median_s(ask: Callable[[], object]) -> float:
    """Time the call after one that warms the caches."""
    ask()
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
