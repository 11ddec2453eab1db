"""
The `network` command: how many bytes each report moves from the shards to the node that is asked, and who does the work.

A cluster of local servers with the synthetic log of `queries`; counters of all nodes are read before and after each
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
from loadtest.queries import FIRST_DAY, epoch_ms, load, parameters_of, request_of
from loadtest.query import QueryApi
from loadtest.questions import ALL_EVENTS, STEPS, Question, questions
from loadtest.report import machine, row_table, widen

_CAME_BY_CARD = {"field": "user.latest_source.scene", "op": "in", "values": ["1007", "1008"]}
MORE = [
    Question("换量 exchange", "exchange", {}, ["app_show", "order_pay"]),
    Question("召回 recall", "recall", {}, ALL_EVENTS),
    Question("召回 recall, by scene", "recall", {"breakdown": ["scene"]}, ALL_EVENTS),
    Question("分层 layers", "layers", {"tree": "group.v1"}, ALL_EVENTS),
    Question(
        *("用户 users of a rule", "users"),
        *({"did": [{"event": "product_view", "days": {"at_least": 2}}]}, ["product_view"]),
    ),
    Question("场景 scenes, by code", "scenes", {"by": "qr_code"}, ALL_EVENTS),
    Question("访问 sessions, by scene", "sessions", {"breakdown": ["scene"]}, ALL_EVENTS),
    Question(
        *("事件 events, count and users by day", "events"),
        {"measures": [{"event": "product_view", "aggregate": one} for one in ("count", "users")]},
        ["product_view"],
    ),
    Question(
        *("漏斗 funnel, a step by an attribute", "funnel"),
        {
            "steps": [{"event": STEPS[0]}, {"event": STEPS[2], "filter": _CAME_BY_CARD}],
            "window": {"value": 1, "unit": "day"},
        },
        [STEPS[0], STEPS[2]],
    ),
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
    """
    One report: the events it is about on all shards, and the bytes that the asked node received for it.

    ``asked_cpu_s``, ``others_cpu_s``: CPU of the asked node and of all others together; all of a server, so nothing else
    must run there.
    """

    report: str
    events: int
    received_bytes: int
    shards: int
    asked_cpu_s: float
    others_cpu_s: float

    def on_shards(self) -> float:
        """Return the share of the CPU that is a shard's: what the others need, and as much for the asked node's own rows."""
        cpu_s = self.asked_cpu_s + self.others_cpu_s
        own_s = self.others_cpu_s / max(1, self.shards - 1)
        return min(1.0, (self.others_cpu_s + own_s) / cpu_s) if cpu_s else 0.0

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
            "CPU s": self.asked_cpu_s + self.others_cpu_s,
            "分片上 on shards": f"{self.on_shards():.0%}",
        }


class _Counters(Struct, frozen=True):
    """Of one server since its start."""

    received_bytes: int
    cpu_us: int


def run(
    *, data_dir: Path, events: int, users: int, shards: int, ports: Ports, console: Console
) -> dict[str, Any]:
    """Load what is missing, ask every report once, print the table. Errors: ProductError, ClickHouseError, QueryError."""
    data_dir = data_dir.expanduser().resolve()
    widen(console)
    log_path = data_dir / LOG_FILE
    with running(data_dir, ports=ports, log_path=log_path, shards=shards) as serving:
        nodes = [ClickHouse(url) for url in serving.ready.clickhouse_urls.split(",")]
        load(nodes[0], serving.ready, events=events, users=users)
        nodes[0].command("SYSTEM FLUSH DISTRIBUTED events")
        for node in nodes:
            node.command(
                load_sql("network.insert_messages"),
                project=serving.ready.project,
                app_id=serving.ready.app_id,
                users=users,
                from_ms=epoch_ms(FIRST_DAY),
            )
            node.command(
                "OPTIMIZE TABLE events_local FINAL"
            )  # so that no merge runs beside a report
        travelled = []
        for question in (*questions(), *MORE):
            travelled.append(ask(question, serving, nodes))
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


def ask(question: Question, serving: Serving, nodes: list[ClickHouse]) -> Travelled:
    """Ask one question; nothing else is asked of the nodes meanwhile. The first of them is the one that is asked."""
    ready = serving.ready
    counted = nodes[0].rows(load_sql("network.count_events"), **parameters_of(question, ready))
    api = QueryApi(ready.query_url, ready.read_token)
    before = [_counters(node) for node in nodes]
    api.report(question.report, request_of(question, ready))
    after = [_counters(node) for node in nodes]
    cpu_s = [(new.cpu_us - old.cpu_us) / 1e6 for old, new in zip(before, after, strict=True)]
    return Travelled(
        question.name,
        counted[0]["events"],
        after[0].received_bytes - before[0].received_bytes,
        len(nodes),
        cpu_s[0],
        sum(cpu_s[1:]),
    )


def _counters(clickhouse: ClickHouse) -> _Counters:
    [row] = clickhouse.rows(load_sql("network.counters"))
    return _Counters(**row)
