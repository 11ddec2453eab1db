"""
The `identity` command: what the same funnel costs with each way to find persons, and without any.

Fills a log of its own (persons of three ids each), then runs all ways in turn, round after round, so that other work on the
machine falls on all of them; CPU seconds of ClickHouse, never the clock. query_api/DESIGN-identity.md draws the conclusions.
Called by ``__main__``.
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
from loadtest.product import Ports, Serving, running
from loadtest.queries import DAYS, FIRST_DAY, epoch_ms
from loadtest.report import machine, row_table, widen
from loadtest.usage import usage_by_part

APP_ID = "identity-cost"
_JOIN = "ANY LEFT JOIN ({}) AS m ON m.id_key = e.actor"
_PERSON = "if(m.person != 0, m.person, e.actor)"
_USED = _JOIN.format("SELECT id_key, person FROM identity_map FINAL WHERE person != id_key")
NONE, USED = "none", "join, WHERE person != id_key (used)"


class Way(Struct, frozen=True):
    """How the funnel finds the person of an event: fragments of identity_cost.funnel.sql."""

    person: str = _PERSON
    persons: str = _USED
    settings: str = ""


WAYS = {
    NONE: Way("e.actor", ""),
    "join FINAL": Way(persons=_JOIN.format("SELECT id_key, person FROM identity_map FINAL")),
    "join without FINAL": Way(persons=_JOIN.format("SELECT id_key, person FROM identity_map")),
    USED: Way(),
    "the same, hash": Way(settings=", join_algorithm = 'hash'"),
    "the same, full_sorting_merge": Way(settings=", join_algorithm = 'full_sorting_merge'"),
    "the same, grace_hash": Way(settings=", join_algorithm = 'grace_hash'"),
    "table of engine Join": Way(
        persons="ANY LEFT JOIN identity_cost_join AS m ON m.id_key = e.actor"
    ),
}
"""The last one builds no hash table in the query; a dictionary does neither (DESIGN-identity.md)."""


class Cost(Struct, frozen=True):
    """CPU seconds of one way, round by round, and what it answered."""

    way: str
    cpu_s: list[float]
    levels: list[dict[str, Any]]


def run(
    *, data_dir: Path, persons: int, events: int, rounds: int, console: Console
) -> dict[str, Any]:
    """
    Load what is missing, measure, print a table, return the report as JSON has it.

    Errors: ProductError, ClickHouseError, OSError; ValueError when two ways answer differently.
    """
    data_dir = data_dir.expanduser().resolve()
    widen(console)
    with running(data_dir, ports=Ports(0, 0, 0), log_path=data_dir / LOG_FILE) as serving:
        load(serving, persons=persons, events=events)
        costs = measure(serving, rounds)
    title = f"身份解析 Identity  {events:,} events, {persons:,} persons of 3 ids, CPU s"
    console.print(row_table(title, rows(costs)))
    return {"persons": persons, "events": events, "ways": rows(costs), "machine": machine()}


def load(serving: Serving, *, persons: int, events: int) -> None:
    """Fill the log, unless it is there."""
    clickhouse = ClickHouse(serving.ready.clickhouse_url)
    if clickhouse.rows(
        "SELECT 1 FROM events WHERE app_id = {app_id:String} LIMIT 1", app_id=APP_ID
    ):
        return
    common = {"project": serving.ready.project, "app_id": APP_ID, "persons": persons}
    clickhouse.command(load_sql("identity_cost.insert_persons"), **common)
    clickhouse.command(
        load_sql("identity_cost.insert_events"),
        **common,
        events=events,
        from_ms=epoch_ms(FIRST_DAY),
        days=DAYS,
    )


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
            sql = load_sql("identity_cost.funnel")
            for fragment in Way.__struct_fields__:
                sql = sql.replace(f"{{{{{fragment}}}}}", getattr(way, fragment))
            before_s = usage_by_part(serving.pid)["clickhouse"].cpu_s
            levels = clickhouse.rows(sql, **values)
            cpu_s = usage_by_part(serving.pid)["clickhouse"].cpu_s - before_s
            if round_:
                costs[name].cpu_s.append(cpu_s)
            else:
                costs[name].levels.extend(levels)
    clickhouse.command("DROP TABLE identity_cost_join")
    for cost in costs.values():
        if cost.way != NONE and cost.levels != costs[USED].levels:
            raise ValueError(f"{cost.way} answers {cost.levels}, {USED} {costs[USED].levels}")
    return list(costs.values())


def rows(costs: list[Cost]) -> list[dict[str, object]]:
    """One row for each way: median and best CPU seconds, and the median of its ratios to none, round by round."""
    none = next(cost for cost in costs if cost.way == NONE)
    return [
        {
            "way": cost.way,
            "median": statistics.median(cost.cpu_s),
            "best": min(cost.cpu_s),
            "× none": statistics.median(
                [mine / base for mine, base in zip(cost.cpu_s, none.cpu_s, strict=True) if base]
                or [0.0]
            ),
        }
        for cost in costs
    ]
