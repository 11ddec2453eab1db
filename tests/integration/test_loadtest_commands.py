"""send, queries and compare against the real product, small."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from loadtest import compare, queries
from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.demo import sql_array
from loadtest.product import Ports, Ready, running
from loadtest.query import QueryApi

EVENTS = 30_000
USERS = 900


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A product that serves."""
    folder = tmp_path_factory.mktemp("loadtest")
    with running(folder / "data", ports=Ports(0, 0, 0), log_path=folder / "log") as serving:
        yield serving.ready


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
    question = queries.questions()[0]
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


@pytest.mark.parametrize("question", queries.questions(), ids=lambda question: question.name)
def test_every_timed_report_and_its_sql_answer(ready, question):
    clickhouse = ClickHouse(ready.clickhouse_url)

    timing = queries.time_question(question, ready, clickhouse)

    assert timing.error == ""
    assert timing.report_s is not None
    assert (timing.by_hand_s is not None) == bool(question.by_hand)


def test_compare_measures_every_server_and_proves_its_own(tmp_path):
    options = compare.Options(
        data_dir=tmp_path / "data", batches=(1, 50), rounds=1, duration_s=0.3, connections=4
    )

    report = compare.run(options, Console(file=io.StringIO()))

    speeds = report["events_per_s"]
    for name in ("null", "collector", "stored", "read", "decode", "async", "sync"):
        assert speeds[name]["1"] > 0
        assert speeds[name]["50"] > 0
    assert report["ratio_to_decode"]["decode"] == {"1": 1.0, "50": 1.0}
    assert len(report["latency"]) == 3
    assert {"worker", "writer", "clickhouse"} <= set(report["cpu_s_per_million_events"])


def test_lists_of_texts_are_quoted():
    assert sql_array(["a", "it's", "b\\c"]) == "['a','it\\'s','b\\\\c']"
