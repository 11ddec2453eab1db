"""The built mini-program SDK over real HTTP against the real collector, through faults: each event counts once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.standalone_process import Standalone, request

from tests.faults.bad_way import FAULTS, BadWay
from tests.faults.collector_process import APP_ID, WRITE_KEY, System, kill_9
from tests.waiting import until

JS = Path(__file__).parents[2] / "sdk_spec" / "js"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("sdk") / "system").start()
    yield system
    system.end()


def assert_each_once(system: System, created: list[str], before: list[str]) -> None:
    """Every event that was made is stored once, beside those that were there ``before``."""
    system.wait_stored(len(before) + len(created))
    assert sorted(system.event_ids()) == sorted([*before, *created])


def play(
    collector_url: str, write_key: str, app_id: str, **settings: object
) -> subprocess.Popen[str]:
    """Start the client; the SDK is built by ``make sdk`` before these tests run."""
    assert (JS / "dist" / "wechat.js").exists(), "build the SDK first: make sdk"
    node = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    assert node, "no Node; make test installs it into the virtual environment"
    return subprocess.Popen(
        [node, str(JS / "test" / "e2e_client.mjs")],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "COLLECTOR_URL": collector_url,
            "WRITE_KEY": write_key,
            "APP_ID": app_id,
            "DEADLINE_S": "240",
            **{name.upper(): str(value) for name, value in settings.items()},
        },
    )


def test_each_event_of_the_sdk_is_counted_once(system: System) -> None:
    before = system.event_ids()
    client = play(system.collector.url, WRITE_KEY, APP_ID, users=10, events=20, kills=2)
    output, _ = client.communicate(timeout=300)
    told = json.loads(output)

    assert client.returncode == 0
    assert told["queued"] == 0
    assert told["refused"] == []
    assert_each_once(system, told["created"], before)


def test_killed_workers_and_a_restarted_collector_cost_no_event(system: System) -> None:
    before = system.event_ids()
    client = play(system.collector.url, WRITE_KEY, APP_ID, users=12, events=40, pace_ms=40, kills=2)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.4):
            for worker in system.collector.children("collector.worker")[:1]:
                kill_9(worker)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    time.sleep(2)  # a while of killed workers is the fault itself; nothing is awaited here
    stop.set()
    disturber.join()
    system.collector.kill()
    system.start_again()
    output, _ = client.communicate(timeout=300)
    told = json.loads(output)

    assert told["queued"] == 0
    assert_each_once(system, told["created"], before)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Standalone]:
    one = Standalone(tmp_path / "data", "--workers", "2")
    try:
        yield one.wait_ready()
        assert one.stop() == 0
    finally:
        one.end()


def counted(running: Standalone, names: list[str]) -> dict[str, int]:
    """How often the query API says that each event happened."""
    day_s = 86_400
    days = [
        time.strftime("%Y-%m-%d", time.gmtime(time.time() + shift * day_s)) for shift in (-1, 1)
    ]
    status, answer = request(
        f"{running.ready['query_url']}/v1/query/events",
        {
            "app_ids": [running.ready["app_id"]],
            "time_range": {"from": days[0], "to": days[1]},
            "timezone": "UTC",
            "interval": "day",
            "measures": [{"event": name, "aggregate": "count", "as": name} for name in names],
        },
        Authorization=f"Bearer {running.ready['read_token']}",
    )
    assert status == 200, answer
    (series,) = answer["result"]["series"]
    return {name: int(series["total"][name] or 0) for name in names}


def test_the_query_api_counts_each_event_once_through_every_fault(running: Standalone) -> None:
    ready: dict[str, Any] = running.ready
    with BadWay(ready["collector_url"]) as way:
        client = play(
            way.url,
            ready["write_key"],
            ready["app_id"],
            users=8,
            kills=2,
            request_timeout_ms=500,
        )
        until(lambda: sum(way.treated.values()) >= 5, "requests meet faults")
        for pid in [p for p, line in running.processes().items() if "collector.worker" in line]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: min(map(way.treated.__getitem__, FAULTS)) >= 2, "every fault has happened")
        way.ends.set()
        output, _ = client.communicate(timeout=300)
    told = json.loads(output)

    assert (told["queued"], told["refused"], told["dropped"]) == (0, [], {})
    until(lambda: counted(running, [*told["names"]]) == told["names"], "each event counts")
    assert counted(running, [*told["names"]]) == told["names"]
    assert sum(told["names"].values()) == len(told["created"])
