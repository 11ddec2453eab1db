"""
The `identity` command: what the same funnel costs with each way to find persons, and without any.

Fills a log of its own (persons of three ids each), then runs all ways in turn, round after round, so that other work on the
machine falls on all of them, and then the funnel report with and without bound ids; CPU seconds, never the clock.
query_api/DESIGN-identity.md draws the conclusions. Called by ``__main__``.
"""

from __future__ import annotations

import statistics
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console

from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import LOG_FILE
from loadtest.product import Ports, Serving, make_app, running
from loadtest.queries import DAYS, FIRST_DAY, epoch_ms
from loadtest.query import QueryApi
from loadtest.questions import STEPS
from loadtest.report import machine, row_table, widen
from loadtest.usage import usage_by_part

APP_ID = "identity-cost"
_JOIN = "ANY LEFT JOIN ({}) AS m ON m.id_key = e.actor"
_PERSON = "if(m.person != 0, m.person, e.actor)"
_BOUND = _JOIN.format("SELECT id_key, person FROM identity_map FINAL WHERE person != id_key")
_HASH = ", join_algorithm = 'hash'"
_BY_EVENT, _BY_ACTOR = "identity_cost.users_by_event", "identity_cost.users_by_actor"
NONE, USED = "none", "each actor, hash (used by the funnel)"
REPORT, REPORT_NONE = "the funnel report", "the funnel report, nobody bound"


class Way(Struct, frozen=True):
    """How the persons of events are found: a file of ``sql/`` and its fragments."""

    users: str = _BY_EVENT
    person: str = _PERSON
    persons: str = _BOUND
    settings: str = _HASH


WAYS = {
    NONE: Way(person="e.actor", persons=""),
    "each event, hash (used by other reports)": Way(),
    "each event, parallel_hash": Way(settings=", join_algorithm = 'parallel_hash'"),
    "each event, full_sorting_merge": Way(settings=", join_algorithm = 'full_sorting_merge'"),
    "each event, hash, all ids": Way(
        persons=_JOIN.format("SELECT id_key, person FROM identity_map FINAL")
    ),
    "each event, table of engine Join": Way(
        persons="ANY LEFT JOIN identity_cost_join AS m ON m.id_key = e.actor"
    ),
    USED: Way(_BY_ACTOR),
    "each actor, parallel_hash": Way(_BY_ACTOR, settings=", join_algorithm = 'parallel_hash'"),
    "each actor, in one group": Way("identity_cost.users_in_one_group"),
}
"""A table of engine Join is kept and builds nothing in the query; a dictionary does neither (DESIGN-identity.md)."""


class Cost(Struct, frozen=True):
    """CPU seconds of one way, round by round, and what it answered."""

    way: str
    cpu_s: list[float]
    answer: list[dict[str, Any]]


def run(
    *, data_dir: Path, persons: int, events: int, rounds: int, console: Console
) -> dict[str, Any]:
    """
    Load what is missing, measure, print a table, return the report as JSON has it.

    Errors: ProductError, ClickHouseError, QueryError, OSError; ValueError when two ways answer differently.
    """
    data_dir = data_dir.expanduser().resolve()
    widen(console)
    with running(data_dir, ports=Ports(0, 0, 0), log_path=data_dir / LOG_FILE) as serving:
        load(serving, persons=persons, events=events)
        ways = rows(measure(serving, rounds), NONE)
        reports = rows(measure_report(serving, rounds), REPORT_NONE)
    log = f"{events:,} events, {persons:,} persons of 3 ids, CPU s"
    console.print(row_table(f"身份解析 Identity  {log}", ways))
    console.print(row_table(f"漏斗报表 Funnel report  {log}", reports))
    return {
        "persons": persons,
        "events": events,
        "ways": ways,
        "reports": reports,
        "machine": machine(),
    }


def load(serving: Serving, *, persons: int, events: int) -> None:
    """Fill the log, unless it is there."""
    clickhouse = ClickHouse(serving.ready.clickhouse_url)
    if clickhouse.rows(
        "SELECT 1 FROM events WHERE app_id = {app_id:String} LIMIT 1", app_id=APP_ID
    ):
        return
    project = serving.ready.project
    make_app(
        Path(serving.ready.data_dir),
        app_id=APP_ID,
        project=project,
        platform="wechat",
        name="identity",
    )
    common = {"project": project, "app_id": APP_ID, "persons": persons}
    clickhouse.command(load_sql("identity_cost.insert_persons"), **common)
    clickhouse.command(
        load_sql("identity_cost.insert_events"),
        **common,
        events=events,
        from_ms=epoch_ms(FIRST_DAY),
        days=DAYS,
    )
    # Of one part: what is measured does not change while ClickHouse merges.
    clickhouse.command("OPTIMIZE TABLE identity_map FINAL")
    clickhouse.command("OPTIMIZE TABLE events FINAL")


def measure(serving: Serving, rounds: int) -> list[Cost]:
    """Run all ways in turn, ``rounds`` times after one that warms caches. Errors: ValueError."""
    clickhouse = ClickHouse(serving.ready.clickhouse_url)
    clickhouse.command("DROP TABLE IF EXISTS identity_cost_join")
    clickhouse.command(
        "CREATE TABLE identity_cost_join (id_key UInt64, person UInt64) ENGINE = Join(ANY, LEFT, id_key)"
    )
    clickhouse.command(
        "INSERT INTO identity_cost_join SELECT id_key, person FROM identity_map FINAL WHERE person != id_key"
    )
    costs = {way: Cost(way, [], []) for way in WAYS}
    values = {
        "app_id": APP_ID,
        "from_ms": epoch_ms(FIRST_DAY),
        "to_ms": epoch_ms(FIRST_DAY + timedelta(days=DAYS)),
    }
    for round_ in range(rounds + 1):
        for name, way in WAYS.items():
            sql = _statement(way)
            before_s = usage_by_part(serving.pid)["clickhouse"].cpu_s
            answer = clickhouse.rows(sql, **values)
            cpu_s = usage_by_part(serving.pid)["clickhouse"].cpu_s - before_s
            if round_:
                costs[name].cpu_s.append(cpu_s)
            else:
                costs[name].answer.extend(answer)
    clickhouse.command("DROP TABLE identity_cost_join")
    for cost in costs.values():
        if cost.way != NONE and cost.answer != costs[USED].answer:
            raise ValueError(f"{cost.way} answers {cost.answer}, {USED} {costs[USED].answer}")
    return list(costs.values())


def _statement(way: Way) -> str:
    sql = load_sql("identity_cost.collect").replace("{{users}}", load_sql(way.users))
    sql = sql.replace("{{events}}", load_sql("identity_cost.events"))
    for fragment in ("person", "persons", "settings"):
        sql = sql.replace(f"{{{{{fragment}}}}}", getattr(way, fragment))
    return sql


def measure_report(serving: Serving, rounds: int) -> list[Cost]:
    """
    Ask the query API for the same funnel with all persons and with none bound, in turn; CPU of ClickHouse and the query API.

    For the latter an empty table has the name of ``identity_map``. Errors: ClickHouseError, QueryError, OSError.
    """
    clickhouse = ClickHouse(serving.ready.clickhouse_url)
    api = QueryApi(serving.ready.query_url, serving.ready.read_token)
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    request = {
        "app_ids": [APP_ID],
        "time_range": {"from": FIRST_DAY.isoformat(), "to": last.isoformat()},
        "steps": [{"event": name} for name in STEPS],
        "window": {"value": 1, "unit": "day"},
    }

    def asked() -> tuple[float, dict[str, Any]]:
        before = usage_by_part(serving.pid)
        answer = api.report("funnel", request)
        after = usage_by_part(serving.pid)
        parts = ("clickhouse", "query_api")
        return sum(after[part].cpu_s - before[part].cpu_s for part in parts), answer["result"]

    costs = [Cost(REPORT_NONE, [], []), Cost(REPORT, [], [])]
    clickhouse.command("CREATE OR REPLACE TABLE identity_cost_empty AS identity_map")
    for round_ in range(rounds + 1):
        for cost in costs:
            if cost.way == REPORT_NONE:
                clickhouse.command("EXCHANGE TABLES identity_map AND identity_cost_empty")
            try:
                cpu_s, answer = asked()
            finally:
                if cost.way == REPORT_NONE:
                    clickhouse.command("EXCHANGE TABLES identity_map AND identity_cost_empty")
            if round_:
                cost.cpu_s.append(cpu_s)
            else:
                cost.answer.append(answer)
    clickhouse.command("DROP TABLE identity_cost_empty")
    return costs


def rows(costs: list[Cost], base: str) -> list[dict[str, object]]:
    """One row for each way: median and best CPU seconds, and the median of its ratios to the base, round by round."""
    none = next(cost for cost in costs if cost.way == base)
    return [
        {
            "way": cost.way,
            "median": statistics.median(cost.cpu_s),
            "best": min(cost.cpu_s),
            f"× {base}": statistics.median(
                [
                    mine / of_none
                    for mine, of_none in zip(cost.cpu_s, none.cpu_s, strict=True)
                    if of_none
                ]
                or [0.0]
            ),
        }
        for cost in costs
    ]
