"""send, queries and compare against the real product, small."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtest import compare, identity_cost, network, queries
from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import sql_array
from loadtest.duck import Duck
from loadtest.product import Ports, Ready, Serving, running
from loadtest.query import QueryApi
from loadtest.questions import questions

EVENTS = 30_000
USERS = 900


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A product that serves."""
    folder = tmp_path_factory.mktemp("loadtest")
    with running(folder / "data", ports=Ports(0, 0, 0), log_path=folder / "log") as serving:
        yield serving


@pytest.fixture(scope="module")
def ready(serving: Serving) -> Ready:
    """How it is reached."""
    return serving.ready


@pytest.fixture(scope="module")
def duck(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duck]:
    """The synthetic log in ClickHouse, and the same in DuckDB."""
    clickhouse = ClickHouse(ready.clickhouse_url)
    queries.load(clickhouse, ready, events=EVENTS, users=USERS)
    duck = Duck(tmp_path_factory.mktemp("duck") / "compared.duckdb", 1)
    duck.load(clickhouse, ready.app_id)
    yield duck
    duck.close()


def send(ready: Ready, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest", "send", "--url", ready.collector_url]
    command += ["--key", ready.write_key, "--app-id", ready.app_id]
    command += ["--verify-url", ready.clickhouse_url, "--json", str(path), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    "options",
    [
        ["--max", "--limit-events", "6000", "--retry-ratio", "0.3"],
        ["--rate", "3000", "--duration-s", "1", "--batch", "10", "--gzip"],
    ],
    ids=["closed loop with repeats", "open loop, compressed"],
)
def test_send_counts_and_proves(ready, tmp_path, options):
    done = send(ready, tmp_path / "report.json", *options)

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    expected = 6_000 if "--max" in options else 3_000
    assert report["accepted"] == report["verdict"]["stored"] == expected
    assert report["verdict"]["lost"] == report["verdict"]["doubled"] == 0
    assert (report["duplicates"] > 0) == ("--retry-ratio" in options)
    assert report["machine"]["versions"]["msgspec"]
    assert "恰好一次 exactly once" in done.stdout


def test_send_says_what_is_wrong(ready, tmp_path):
    report = tmp_path / "report.json"

    assert "give either" in send(ready, report).stderr
    refused = send(ready, report, "--max", "--limit-events", "100", "--key", "wk_wrong")
    assert json.loads(report.read_text())["other_statuses"] == {"401": 2}
    assert refused.returncode == 0  # nothing accepted, nothing stored: the proof holds


def test_synthetic_log_gives_the_same_funnel_by_report_and_by_hand(ready):
    clickhouse = ClickHouse(ready.clickhouse_url)
    queries.load(clickhouse, ready, events=EVENTS, users=USERS)
    queries.load(clickhouse, ready, events=EVENTS, users=USERS)  # finds all of it there
    api = QueryApi(ready.query_url, ready.read_token)
    question = questions()[0]
    report = api.report(question.report, queries.request_of(question, ready))
    by_hand = clickhouse.rows(load_sql(question.by_hand), **queries.parameters_of(question, ready))
    count = clickhouse.rows(
        "SELECT count() AS n FROM events WHERE app_id = {app:String} AND event_id LIKE 'q%'",
        app=ready.app_id,
    )

    assert count[0]["n"] == EVENTS
    levels = {row["level"]: row["users"] for row in by_hand}
    reached = [sum(levels.get(n, 0) for n in range(step, 4)) for step in (1, 2, 3)]
    assert [step["users"] for step in report["result"]["steps"]] == reached
    assert reached[-1] > 0


@pytest.mark.usefixtures("duck")
def test_reports_whose_bytes_alone_are_counted_answer(serving):
    """`network` asks them beside those of `queries`."""
    nodes = [ClickHouse(url) for url in serving.ready.clickhouse_urls.split(",")]

    for question in network.MORE:
        travelled = network.ask(question, serving, nodes)

        assert travelled.events > 1_000
        assert travelled.received_bytes >= 0
        assert travelled.asked_cpu_s > 0


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.name)
def test_every_timed_report_and_its_sql_answer(serving, duck, question):
    timing = queries.time_question(question, serving, EVENTS, duck)

    assert timing.error == ""
    assert timing.report_s is not None
    assert timing.cpu_s is not None
    assert (timing.by_hand_s is not None) == bool(question.by_hand)
    assert (timing.duckdb_s is not None) == bool(question.duckdb)
    assert timing.row()["DuckDB"] == timing.duckdb_s


def test_duckdb_answers_the_same_numbers(ready, duck):
    """What is timed beside each other is the same question."""
    api = QueryApi(ready.query_url, ready.read_token)
    asked = {question.duckdb: question for question in questions() if question.duckdb}

    def both(name: str) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
        question = asked.pop(f"duckdb.{name}")
        given = queries.parameters_of(question, ready) | {"names": question.events}
        request = queries.request_of(question, ready)
        return api.report(question.report, request)["result"], duck.rows(question.duckdb, given)

    result, rows = both("funnel")
    assert [step["users"] for step in result["steps"]] == [users for _, users in rows]
    for cohort in ("first", "every"):
        result, rows = both(f"retention_{cohort}")
        counted = {
            (place, n): count
            for place, row in enumerate(result["cohorts"])
            for n, count in enumerate(row["returned"])
            if count
        }
        first = min(day for day, _, _ in rows)
        assert counted == {(day - first, n): users for day, n, users in rows}
    for name in ("count_by_day", "users_by_day"):
        result, rows = both(name)
        assert [p["A"] for p in result["series"][0]["points"]] == [value for _, value in rows]
    result, rows = both("sum_by_city")
    found = sum(point["A"] for series in result["series"] for point in series["points"])
    assert found == pytest.approx(sum(value for _, _, value in rows))
    result, rows = both("sessions")
    points = result["series"][0]["points"]
    shown = [(p["sessions"], p["users"], p["bounces"], p["median_depth"]) for p in points]
    assert shown == [(row[1], row[2], row[3], row[5]) for row in rows]
    assert not asked


def test_every_way_to_find_persons_gives_the_same_funnel(serving):
    identity_cost.load(serving, persons=200, events=5_000)
    identity_cost.load(serving, persons=200, events=5_000)  # finds it there

    costs = identity_cost.measure(serving, 1)

    none, *ways = costs
    assert (none.way, {cost.way for cost in ways}) == ("none", identity_cost.WAYS.keys() - {"none"})
    assert {(cost.answer[0]["users"], cost.answer[0]["events"]) for cost in ways} == {(200, 5_000)}
    assert none.answer[0]["users"] > 500
    told = identity_cost.rows(
        [identity_cost.Cost("none", [2.0, 1.0], []), identity_cost.Cost("x", [3.0, 1.5], [])],
        "none",
    )
    assert told[1] == {"way": "x", "median": 2.25, "best": 1.5, "× none": 1.5}


def test_the_funnel_report_is_asked_with_and_without_persons(serving):
    identity_cost.load(serving, persons=200, events=5_000)

    none, bound = identity_cost.measure_report(serving, 1)

    def entered(cost: identity_cost.Cost) -> int:
        users: int = cost.answer[0]["steps"][0]["users"]
        return users

    assert (len(none.cpu_s), len(bound.cpu_s)) == (1, 1)
    assert entered(bound) == 200 < entered(none)


def test_growth_is_told_by_report():
    def timing(report: str, events: int, report_s: float | None) -> queries.Timing:
        return queries.Timing(report, events, report_s, 1.0, 1.0, None, None)

    timings = [
        timing("a", 5, 1.0),
        timing("b", 5, None),
        timing("a", 10, 3.0),
        timing("b", 10, 2.0),
    ]

    assert queries.growth_rows(timings, [5, 10]) == [
        {"报表 report": "a", "5": 1.0, "10": 3.0, "×": 3.0},
        {"报表 report": "b", "5": None, "10": 2.0, "×": None},
    ]
    assert queries.growth_rows(timings, [5, 10], "cpu_s")[1]["×"] == 1.0
    assert queries.sizes_of(20_000_000) == [5_000_000, 10_000_000, 20_000_000]
    assert queries.sizes_of(100_000_000)[-2:] == [20_000_000, 100_000_000]
    assert queries.sizes_of(4_000) == [1_000, 2_000, 4_000]


def test_compare_measures_every_server_and_proves_its_own(tmp_path):
    options = compare.Options(
        data_dir=tmp_path / "data",
        batches=(1, 50),
        rounds=1,
        duration_s=0.3,
        connections=4,
        growth=3_000,
    )

    report = compare.run(options, Console(file=io.StringIO()))

    speeds = report["events_per_s"]
    for name in ("null", "collector", "stored", "read", "decode", "async", "sync"):
        assert speeds[name]["1"] > 0
        assert speeds[name]["50"] > 0
    assert report["ratio_to_decode"]["decode"] == {"1": 1.0, "50": 1.0}
    assert len(report["latency"]) == 3
    assert {"worker", "writer", "clickhouse"} <= set(report["cpu_s_per_million_events"])
    assert [row["events"] >= 1_000 for row in report["growth"]] == [True] * 3
    assert [goal["measured"] is None for goal in report["goals"]] == [False] * 10 + [True] * 2


def test_lists_of_texts_are_quoted():
    assert sql_array(["a", "it's", "b\\c"]) == "['a','it\\'s','b\\\\c']"
