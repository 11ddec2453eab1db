"""The built mini-program SDK over real HTTP against the real collector, through faults: each event counts once."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.collector_process import APP_ID, WRITE_KEY, System, kill_9

JS = Path(__file__).parents[2] / "sdk_spec" / "js"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path / "sdk").start()
    yield system
    system.end()


def play(system: System, **settings: object) -> subprocess.Popen[str]:
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
            "COLLECTOR_URL": system.collector.url,
            "WRITE_KEY": WRITE_KEY,
            "APP_ID": APP_ID,
            **{name.upper(): str(value) for name, value in settings.items()},
        },
    )


def test_each_event_of_the_sdk_is_counted_once(system: System) -> None:
    client = play(system, users=10, events=20, kills=2)
    output, _ = client.communicate(timeout=90)
    told = json.loads(output)

    assert client.returncode == 0
    assert told["queued"] == 0
    assert told["refused"] == []
    system.wait_stored(len(told["created"]))
    assert sorted(system.event_ids()) == sorted(told["created"])


def test_killed_workers_and_a_restarted_collector_cost_no_event(system: System) -> None:
    client = play(system, users=12, events=40, pace_ms=40, kills=2)
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
    output, _ = client.communicate(timeout=120)
    told = json.loads(output)

    assert told["queued"] == 0
    system.wait_stored(len(told["created"]))
    assert sorted(system.event_ids()) == sorted(told["created"])
