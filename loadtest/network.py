"""
The `network` command: how many bytes each report moves from the shards to the node that is asked.

A cluster of local servers with the synthetic log of `queries`; the counter of the asked node is read before and after each
report. Called by ``__main__``. ``collector/DESIGN-cluster.md`` has the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from rich.console import Console

from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import LOG_FILE
from loadtest.product import Ports, Serving, running
from loadtest.queries import load, parameters_of, request_of
from loadtest.query import QueryApi
from loadtest.questions import ALL_EVENTS, Question, questions
from loadtest.report import machine, row_table, widen

MORE = [
    Question("换量 exchange", "exchange", {}, ALL_EVENTS),
    Question(
        *("推客 promoters, by sharer", "promoters"),
        *({"by": "sharer", "amount": "properties.price"}, ["app_show", "share", "order_pay"]),
    ),
    Question(
        *("SQL, count by event", "sql"),
        *({"sql": "SELECT event, count() AS events FROM events GROUP BY event"}, ALL_EVENTS),
    ),
]
"""Reports that `queries` does not time."""


class Travelled(Struct, frozen=True):
    """One report: the events it is about on all shards, and the bytes that the asked node received for it."""

    report: str
    events: int
    received_bytes: int
    shards: int

    def line(self) -> str:
        """Tell it in one line."""
        return f"{self.report}: {self.received_bytes:,} bytes"

    def row(self) -> dict[str, object]:
        """Lay out for people."""
        from_others = self.events * (self.shards - 1) / self.shards
        return {
            "报表 report": self.report,
            "events": self.events,
            "MB": self.received_bytes / 1e6,
            "bytes/event": self.received_bytes / from_others,
        }


def run(
    *, data_dir: Path, events: int, users: int, shards: int, ports: Ports, console: Console
) -> dict[str, Any]:
    """Load what is missing, ask every report once, print the table. Errors: ProductError, ClickHouseError, QueryError."""
    data_dir = data_dir.expanduser().resolve()
    widen(console)
    log_path = data_dir / LOG_FILE
    with running(data_dir, ports=ports, log_path=log_path, shards=shards) as serving:
        clickhouse = ClickHouse(serving.ready.clickhouse_url)
        load(clickhouse, serving.ready, events=events, users=users)
        clickhouse.command("SYSTEM FLUSH DISTRIBUTED events")
        travelled = []
        for question in (*questions(), *MORE):
            travelled.append(ask(question, serving, clickhouse, shards))
            console.print(f"[dim]{travelled[-1].line()}[/]", highlight=False)
    title = f"网络 Network  {events:,} events, {users:,} users, {shards} shards"
    console.print(row_table(title, [one.row() for one in travelled]))
    return {
        "events": events,
        "users": users,
        "shards": shards,
        "reports": [structs.asdict(one) for one in travelled],
        "machine": machine(),
    }


def ask(question: Question, serving: Serving, clickhouse: ClickHouse, shards: int) -> Travelled:
    """Ask one question; nothing else is asked of that node meanwhile."""
    ready = serving.ready
    counted = clickhouse.rows(load_sql("network.count_events"), **parameters_of(question, ready))
    api = QueryApi(ready.query_url, ready.read_token)
    before = _received_bytes(clickhouse)
    api.report(question.report, request_of(question, ready))
    received = _received_bytes(clickhouse) - before
    return Travelled(question.name, counted[0]["events"], received, shards)


def _received_bytes(clickhouse: ClickHouse) -> int:
    return int(clickhouse.rows(load_sql("network.received_bytes"))[0]["bytes"])
