"""The demo as `make run` and `make demo` call it: real processes, real HTTP, numbers checked by brute force."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loadtest import demo
from loadtest.clickhouse import ClickHouse, ClickHouseError
from loadtest.life import DAYS, ZONE, Batch, Life
from loadtest.product import Ports, Serving, running
from loadtest.query import QueryApi
from loadtest.shop import PLATFORMS
from tests.waiting import until

SCALE = 0.08
"""So small that the demo takes seconds, and large enough for somebody on all platforms, whatever weekday it begins on."""
ANY_PORTS = ["--collector-port", "0", "--query-port", "0", "--clickhouse-port", "0"]
DAY_MS = 86_400_000

Key = tuple[str, str, str]


def command(folder: Path, *more: str, scale: float = SCALE) -> list[str]:
    options = ["--data-dir", str(folder), "--scale", str(scale), *ANY_PORTS]
    return [sys.executable, "-m", "loadtest", "demo", *options, *more]


def play(folder: Path) -> str:
    """Run the demo to its end and return what it printed."""
    done = subprocess.run(
        command(folder), capture_output=True, text=True, timeout=600, env=wide_terminal()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wide_terminal() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "120"}


def state_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / demo.STATE_FILE).read_text())


def batches_of(state: dict[str, Any]) -> list[Batch]:
    life = Life(
        seed=state["seed"],
        first_day=datetime.fromisoformat(state["first_day"]).date(),
        app_ids=state["apps"],
        scale=state["scale"],
    )
    return list(life.batches())


def true_logs(batches: list[Batch]) -> list[list[tuple[int, int, str, str]]]:
    """Each person's events by the true clock: time, seq, event_id, name; ids that met are one person."""
    parent: dict[Key, Key] = {}

    def root(key: Key) -> Key:
        parent.setdefault(key, key)
        while parent[key] != key:
            key = parent[key]
        return key

    keys_of_batch = []
    for batch in batches:
        envelope = batch.envelope
        keys = [
            (kind, batch.app_id if kind in ("anonymous_id", "openid") else "", envelope[kind])
            for kind in ("anonymous_id", "openid", "unionid", "user_id")
            if kind in envelope
        ]
        keys_of_batch.append(keys)
        for key in keys:
            parent[root(key)] = root(keys[0])
    logs = defaultdict(list)
    for batch, keys in zip(batches, keys_of_batch, strict=True):
        for event in batch.events[: len(batch.events) - batch.refused]:
            at = event["occurred_at"] - batch.clock_offset_ms
            logs[root(keys[0])].append((at, event["seq"], event["event_id"], event["event"]))
    return [sorted(log) for log in logs.values()]


def funnel_by_brute_force(logs: list[list[tuple[int, int, str, str]]]) -> list[int]:
    """Users who reached each step within a day of some first step."""
    users = [0] * len(demo.FUNNEL_STEPS)
    for log in logs:
        deepest = 0
        for start, (began, _, _, name) in enumerate(log):
            if name != demo.FUNNEL_STEPS[0]:
                continue
            level = 1
            for at, _, _, later in log[start + 1 :]:
                if at - began > DAY_MS or level == len(users):
                    break
                level += later == demo.FUNNEL_STEPS[level]
            deepest = max(deepest, level)
        for step in range(deepest):
            users[step] += 1
    return users


def retention_by_brute_force(
    logs: list[list[tuple[int, int, str, str]]], periods: int
) -> dict[str, list[int]]:
    """Of each first day: who was there n days later; n = 0 is the cohort itself."""
    cohorts: dict[str, list[int]] = defaultdict(lambda: [0] * (periods + 1))
    for log in logs:
        days = {
            datetime.fromtimestamp(at / 1000, ZONE).date()
            for at, _, _, name in log
            if name == "app_show"
        }
        first = min(days)
        for day in days:
            if (day - first).days <= periods:
                cohorts[first.isoformat()][(day - first).days] += 1
    return dict(cohorts)


@pytest.mark.parametrize("weekday", range(7))
def test_somebody_is_on_all_platforms_whatever_weekday_the_month_begins_on(weekday):
    apps = {platform: platform for platform in PLATFORMS}
    first_day = date(2026, 10, 26) + timedelta(days=weekday)
    life = Life(seed=demo.SEED, first_day=first_day, app_ids=apps, scale=SCALE)

    apps_of = defaultdict(set)
    for batch in life.batches():
        if "user_id" in batch.envelope:
            apps_of[batch.envelope["user_id"]].add(batch.app_id)
    assert set(apps) in apps_of.values()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a small demo, and what its first run printed."""
    folder = tmp_path_factory.mktemp("demo folder") / "with spaces"
    return folder, play(folder)


def test_first_run_loads_and_shows_everything(played):
    folder, printed = played

    assert "购物漏斗 Shopping funnel" in printed
    assert "5 支付订单 Pay" in printed
    assert "新用户留存 Retention" in printed
    assert "One person on 3 platforms" in printed
    assert "用户分层流转 Layers" in printed
    assert "分享裂变 Shared cards by depth" in printed
    assert "curl -s http://127.0.0.1:" in printed
    for write_key in state_of(folder)["write_keys"].values():
        assert write_key in printed
    assert state_of(folder)["is_complete"]


def test_second_run_reuses_the_folder(played):
    folder, first = played
    before = state_of(folder)

    second = play(folder)
    loaded_on = datetime.fromisoformat(before["first_day"]).date() + timedelta(days=DAYS)
    if datetime.now(ZONE).date() > loaded_on:  # midnight since the first run: more cells have ended
        first, second = second, play(folder)

    assert "沿用已有数据" in second
    assert state_of(folder) == before
    assert table_of(second) == table_of(first)


def table_of(printed: str) -> list[str]:
    """The rows of numbers, without the times in the titles."""
    return [line for line in printed.splitlines() if line.startswith("│")]


def test_state_with_its_keys_is_private(played):
    folder, _ = played

    assert (folder / demo.STATE_FILE).stat().st_mode & 0o077 == 0


def test_interrupted_load_is_completed_and_ctrl_c_ends_serving(tmp_path):
    folder = tmp_path / "data"
    with subprocess.Popen(
        command(folder, scale=0.1), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as first:
        until(lambda: has_events(folder), "the first events are stored")
        first.send_signal(signal.SIGINT)
        output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output.decode()
    assert not state_of(folder)["is_complete"]

    with subprocess.Popen(
        command(folder, "--keep-serving"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as second:
        until(lambda: state_of(folder)["is_complete"], "the demo is complete")
        expected = sum(len(b.events) - b.refused for b in batches_of(state_of(folder)))
        # Accepted is on disk; the last block may still be on its way to ClickHouse.
        until(lambda: count_events(folder) >= expected, "what was accepted is stored")
        stored = count_events(folder)
        second.send_signal(signal.SIGINT)
        output, _ = second.communicate(timeout=300)

    assert second.returncode == 0, output.decode()
    assert stored == expected


def count_events(folder: Path) -> int:
    rows = clickhouse_of(folder).rows("SELECT count() AS events FROM events FINAL")
    return int(rows[0]["events"])


def clickhouse_of(folder: Path) -> ClickHouse:
    return ClickHouse(json.loads((folder / "ready.json").read_text())["clickhouse_url"])


def has_events(folder: Path) -> bool:
    if not (folder / demo.STATE_FILE).exists():
        return False
    try:
        rows = clickhouse_of(folder).rows("SELECT count() AS events FROM events")
    except (ClickHouseError, OSError):
        return False
    return rows[0]["events"] > 0


@pytest.fixture(scope="module")
def serving(played) -> Iterator[Serving]:
    """The product on the played folder: for the tests below, as those above need the folder for themselves."""
    folder, _ = played
    with running(folder, ports=Ports(0, 0, 0), log_path=folder / demo.LOG_FILE) as serving:
        yield serving


def test_reports_equal_brute_force_over_what_the_phones_sent(played, serving):
    folder, _ = played
    state = state_of(folder)
    batches = batches_of(state)
    logs = true_logs(batches)
    first_day = datetime.fromisoformat(state["first_day"]).date()
    after = first_day + timedelta(days=DAYS)  # a visit may begin before midnight and end after it
    common = {
        "app_ids": list(state["apps"].values()),
        "time_range": {"from": first_day.isoformat(), "to": after.isoformat()},
    }
    api = QueryApi(serving.ready.query_url, serving.ready.read_token)
    funnel = api.report("funnel", common | demo.funnel_request())["result"]
    retention = api.report("retention", common | demo.retention_request())["result"]
    dead = ClickHouse(serving.ready.clickhouse_url).rows(
        "SELECT count() AS letters FROM dead_letters FINAL"
    )

    assert [step["users"] for step in funnel["steps"]] == funnel_by_brute_force(logs)
    expected = retention_by_brute_force(logs, 7)
    assert {c["cohort"]: c["returned"] for c in retention["cohorts"] if c["size"]} == expected
    assert dead[0]["letters"] == sum(batch.refused for batch in batches)


@pytest.mark.usefixtures("serving")
def test_folder_in_use_is_said_plainly(played):
    folder, _ = played
    before = state_of(folder)

    refused = subprocess.run(command(folder), capture_output=True, text=True, timeout=300)

    assert refused.returncode == 1
    assert "is in use by another scenetrail" in refused.stderr
    assert state_of(folder) == before
