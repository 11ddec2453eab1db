"""``scenetrail dead-letters`` against a real collector: refused, listed, shown, repaired, sent again, counted once."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.faults.client import make_batch, make_event, now_ms, seeded, send_batch
from tests.faults.collector_process import APP_ID, WRITE_KEY, Collector
from tests.waiting import until

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def collector(database_url: str, tmp_path: Path) -> Iterator[Collector]:
    one = Collector(tmp_path / "data", database_url, workers=1)
    yield one.start()
    one.kill()


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Command:
    """Runs ``scenetrail dead-letters`` on this test's database and data folder; wrong uses need no collector."""

    def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "collector.cli", "dead-letters", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            env={
                "SCENETRAIL_CLICKHOUSE_URL": database_url,
                "SCENETRAIL_DATA_DIR": str(tmp_path / "data"),
                "PATH": "",
                **env,
            },
        )

    return command


def letters(run: Command, *arguments: str) -> list[dict[str, Any]]:
    done = run("list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def refuse(
    collector: Collector, database: Client, *events: dict[str, Any], **envelope: Any
) -> None:
    """Send events of which all are refused, and wait until they are dead letters."""

    def count() -> int:
        return int(database.command("SELECT count() FROM dead_letters FINAL"))

    before = count()
    status, answer = send_batch(collector.port, make_batch(list(events), seeded(1), **envelope))
    assert (status, answer["rejected"]) == (422, len(events))
    until(lambda: count() == before + len(events), "dead letters are stored")


def test_refused_event_is_listed_shown_repaired_and_counted_once(
    collector: Collector, run: Command, database: Client, tmp_path: Path
) -> None:
    good = make_event("e1", seeded(1))
    refuse(collector, database, {**good, "duration_ms": "long"}, user_id="u1")
    (letter,) = letters(run)
    assert letter["code"] == "invalid_type"
    assert letter["path"] == "$.events[0].duration_ms"
    shown = run("show", letter["id"])
    assert '"duration_ms": "long"' in shown.stdout or '"duration_ms":"long"' in shown.stdout
    assert "invalid_type" in shown.stdout

    again = run(
        "redrive", letter["id"], "--collector-url", collector.url, SCENETRAIL_WRITE_KEY=WRITE_KEY
    )
    assert again.returncode == 1, "unrepaired it is refused again"
    assert "invalid_type" in again.stdout
    assert [one["id"] for one in letters(run, "--app-id", APP_ID)][-1] == letter["id"]

    repaired = tmp_path / "repaired.json"
    repaired.write_text(json.dumps({**good, "duration_ms": 5}))
    for _ in range(2):  # it may be repeated
        done = run(
            "redrive",
            letter["id"],
            "--event-file",
            str(repaired),
            "--collector-url",
            collector.url,
            SCENETRAIL_WRITE_KEY=WRITE_KEY,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    until(lambda: database.command("SELECT count() FROM events FINAL") == 1, "stored")
    row = database.query(
        "SELECT event_id, duration_ms, user_id, clock FROM events FINAL"
    ).result_rows
    assert row == [("e1", 5, "u1", "ok")]
    assert letter["id"] not in [one["id"] for one in letters(run)]
    (marked,) = [one for one in letters(run, "--all") if one["id"] == letter["id"]]
    assert marked["redriven_at"] > letter["received_at"]


def test_redriven_event_keeps_its_corrected_time(
    collector: Collector, run: Command, database: Client, tmp_path: Path
) -> None:
    """Its clock was a year late: the difference is that of the day it was sent, not of the day it was redriven."""
    year_ms = 365 * 86_400_000
    then = now_ms()
    good = make_event("e1", seeded(1), occurred_at=then - year_ms - 60_000)
    refuse(collector, database, {**good, "seq": -1}, sent_at=then - year_ms)
    (letter,) = letters(run)
    time.sleep(0.3)  # the difference that a mistake would show
    repaired = tmp_path / "repaired.json"
    repaired.write_text(json.dumps(good))

    done = run(
        "redrive",
        letter["id"],
        "--event-file",
        str(repaired),
        "--collector-url",
        collector.url,
        SCENETRAIL_WRITE_KEY=WRITE_KEY,
    )

    assert done.returncode == 0, done.stderr
    until(lambda: database.command("SELECT count() FROM events FINAL") == 1, "stored")
    ((clock, at),) = database.query(
        "SELECT clock, toUnixTimestamp64Milli(occurred_at) FROM events FINAL"
    ).result_rows
    assert clock == "shifted"
    assert abs(at - (letter["received_at"] - 60_000)) < 5_000


def test_many_are_chosen_by_code_and_app(
    collector: Collector, run: Command, database: Client
) -> None:
    rng = seeded(2)
    refuse(collector, database, *({**make_event(f"a{n}", rng), "seq": -1} for n in range(3)))
    refuse(
        collector, database, *({**make_event(f"b{n}", rng), "page": "p" * 2000} for n in range(2))
    )

    assert len(letters(run, "--code", "too_long")) == 2
    assert len(letters(run, "--code", "out_of_range", "--limit", "2")) == 2
    assert letters(run, "--app-id", "wx-other") == []
    assert letters(run, "--since", "2099-01-01") == []
    assert len(letters(run, "--until", "2099-01-01")) == 5
    done = run(
        "redrive",
        "--code",
        "too_long",
        "--collector-url",
        collector.url,
        "--json",
        SCENETRAIL_WRITE_KEY=WRITE_KEY,
    )
    assert done.returncode == 1
    assert [one["status"] for one in json.loads(done.stdout)] == [422, 422]


WRONG_USES = {
    "unknown id": (["show", "nothing/0"], "no dead letter"),
    "no id": (["show", "nothing"], "no dead letter"),
    "nothing chosen": (["redrive"], "give ids"),
    "two ids and a file": (["redrive", "a/0", "b/0", "--event-file", "x"], "exactly one id"),
    "no moment": (["list", "--since", "yesterday"], "no moment"),
    "no address": (["redrive", "--code", "x"], "--collector-url"),
}


@pytest.mark.parametrize("use", WRONG_USES)
def test_wrong_use_is_told(run: Command, use: str) -> None:
    arguments, message = WRONG_USES[use]

    done = run(*arguments, SCENETRAIL_WRITE_KEY="wk")

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_key_of_another_app_and_silence_are_told(
    collector: Collector, run: Command, database: Client
) -> None:
    refuse(collector, database, {**make_event("e1", seeded(1)), "seq": -1})
    (letter,) = letters(run)

    other = run(
        "redrive", letter["id"], "--collector-url", collector.url, SCENETRAIL_WRITE_KEY="wk_other"
    )
    nobody = run(
        "redrive",
        letter["id"],
        "--collector-url",
        "http://127.0.0.1:9",
        SCENETRAIL_WRITE_KEY=WRITE_KEY,
    )

    assert other.returncode == 1
    assert "403  forbidden" in other.stdout
    assert nobody.returncode == 2
    assert "is it running?" in nobody.stderr
