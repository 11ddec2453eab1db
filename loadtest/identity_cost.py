"""
The `identity` command: what the same funnel costs with each way to find persons, and without any.

Fills a log of its own (persons of three ids each), then runs all ways in turn, round after round, so that other work on the
machine falls on all of them, and then the funnel report with and without bound ids; CPU seconds, never the clock.
query_api/DESIGN-identity.md draws the conclusions. Called by ``__main__``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, structs
from rich.console import Console

from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import LOG_FILE
from loadtest.product import Ports, Ready, Serving, make_app, running
from loadtest.queries import DAYS, FIRST_DAY, epoch_ms, parameters_of, request_of
from loadtest.query import QueryApi
from loadtest.questions import Question, questions
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
    """Fill the log, unless it is there; then the query API can be asked about it."""
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
    question = _funnel()
    _api(serving).wait_for_app(question.report, request_of(question, _of_log(serving)))


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
    values = parameters_of(_funnel(), _of_log(serving))

    def ask(way: Way) -> list[dict[str, Any]]:
        return clickhouse.rows(_statement(way), **values)

    costs = _in_turn(serving, rounds, {name: partial(ask, way) for name, way in WAYS.items()})
    clickhouse.command("DROP TABLE identity_cost_join")
    used = next(cost for cost in costs if cost.way == USED)
    for cost in costs:
        if cost.way != NONE and cost.answer != used.answer:
            raise ValueError(f"{cost.way} answers {cost.answer}, {USED} {used.answer}")
    return costs


def _in_turn(
    serving: Serving, rounds: int, asks: dict[str, Callable[[], list[dict[str, Any]]]]
) -> list[Cost]:
    """Ask each way, ``rounds`` times after one that warms caches and whose answer is kept; CPU of all that answers."""
    costs = [Cost(way, [], []) for way in asks]

    def cpu_s() -> float:
        usage = usage_by_part(serving.pid)
        return usage["clickhouse"].cpu_s + usage["query_api"].cpu_s

    for round_ in range(rounds + 1):
        for cost in costs:
            before_s = cpu_s()
            answer = asks[cost.way]()
            spent_s = cpu_s() - before_s
            if round_:
                cost.cpu_s.append(spent_s)
            else:
                cost.answer.extend(answer)
    return costs


def _funnel() -> Question:
    return questions()[0]


def _api(serving: Serving) -> QueryApi:
    return QueryApi(serving.ready.query_url, serving.ready.read_token)


def _of_log(serving: Serving) -> Ready:
    """Return the product's addresses with the app of the log."""
    return structs.replace(serving.ready, app_id=APP_ID)


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
    api = _api(serving)
    question = _funnel()
    request = request_of(question, _of_log(serving))

    def bound() -> list[dict[str, Any]]:
        return [api.report(question.report, request)["result"]]

    def nobody() -> list[dict[str, Any]]:
        clickhouse.command("EXCHANGE TABLES identity_map AND identity_cost_empty")
        try:
            return bound()
        finally:
            clickhouse.command("EXCHANGE TABLES identity_map AND identity_cost_empty")

    clickhouse.command("CREATE OR REPLACE TABLE identity_cost_empty AS identity_map")
    costs = _in_turn(serving, rounds, {REPORT_NONE: nobody, REPORT: bound})
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
