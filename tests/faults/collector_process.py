"""
A real collector on a real ClickHouse for tests of faults: started, killed in parts or whole, started again, and counted.

TRICKY: a process dies with the thread that started it (``processes.die_with_parent``), so tests start processes in their
main thread and send from others.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from clickhouse_connect.driver.client import Client

from collector.local_clickhouse import prepare
from collector.migrate import connect, migrate
from sdk_spec import access
from tests.conftest import free_port
from tests.waiting import until

APP_ID = "wx-faults"
WRITE_KEY = "wk_faults"
WRITE_KEY_ID = "k1"
OTHER_APP_ID = "wx-other"
OTHER_KEY = "wk_other"
PROJECT = "faults"


class ClickHouse:
    """One local ClickHouse in a folder; the port stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = prepare(folder / "clickhouse", free_port(), free_port())
        self.url = self.server.url("writer")
        self.log = folder / "clickhouse.log"
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "collector.local_clickhouse",
                    self.server.folder,
                    str(os.getpid()),
                ],
                stdout=log,
                stderr=log,
            )

    def start(self) -> "ClickHouse":
        """Start and wait until it answers."""
        self.spawn()
        until(self.answers, "ClickHouse answers")
        return self

    def answers(self) -> bool:
        """Whether it takes queries; fails when the process ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"ClickHouse ended; see {self.log}"
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.server.http_port}/ping", timeout=2
            ):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """Send SIGKILL and collect it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self, database: str = "") -> Client:
        """A connection with the writer's rights."""
        url = f"{self.url.rpartition('/')[0]}/{database}" if database else self.url
        return connect(url)


class Collector:
    """``python -m collector`` on a folder; its settings are the ``SCENETRAIL_*`` variables given in small letters."""

    def __init__(self, folder: Path, clickhouse_url: str, **settings: object) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder.with_name(folder.name + ".log")
        self.process: subprocess.Popen[bytes] | None = None
        self.settings: dict[str, object] = {
            "data_dir": folder,
            "collector_port": self.port,
            "clickhouse_url": clickhouse_url,
            "workers": 2,
            "spool_reserve_bytes": 0,
            "flush_interval_ms": 50,
            **settings,
        }
        self.save_access()

    def save_access(self) -> None:
        """One app with a key, which may sign, and another app of the same project."""
        access.save(
            self.folder / "access.json",
            access.AccessFile(
                apps=(
                    access.App(APP_ID, PROJECT, "wechat", signatures="optional"),
                    access.App(OTHER_APP_ID, PROJECT, "alipay"),
                ),
                write_keys=(
                    access.WriteKey(WRITE_KEY_ID, APP_ID, access.digest(WRITE_KEY)),
                    access.WriteKey("k2", OTHER_APP_ID, access.digest(OTHER_KEY)),
                ),
            ),
        )

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def spawn(self, **limits: Any) -> subprocess.Popen[bytes]:
        """Start without waiting; ``limits`` are arguments of Popen."""
        env = {
            **os.environ,
            **{f"SCENETRAIL_{name.upper()}": str(value) for name, value in self.settings.items()},
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "collector"], env=env, stdout=log, stderr=log, **limits
            )
        return self.process

    def start(self, **limits: Any) -> "Collector":
        """Start and wait until every worker can store."""
        before = len(self.log_lines("worker_ready"))
        workers = int(str(self.settings["workers"]))
        self.spawn(**limits)
        until(
            lambda: self.is_alive() and len(self.log_lines("worker_ready")) >= before + workers,
            f"all workers are ready; see {self.log}",
        )
        until(self.is_ready, f"the collector is ready; see {self.log}")
        return self

    def is_alive(self) -> bool:
        """Whether the supervisor runs; fails with its log when it ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return True

    def is_ready(self) -> bool:
        """Whether a worker answers that it can store; fails when the supervisor ended."""
        self.is_alive()
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    def children(self, word: str = "") -> list[psutil.Process]:
        """Living processes below the supervisor whose command line holds ``word``: worker, writer_process."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if word in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
            except psutil.Error:
                continue  # ended meanwhile
        return found

    def kill(self) -> None:
        """Kill -9 the supervisor and everything below it."""
        if self.process is None:
            return
        if self.process.poll() is None:
            tree = self.children()
            self.process.kill()
            for child in tree:
                kill_9(child)
            # One that is slow to go still has the port and its folder's lock.
            until(lambda: not any(map(is_alive, tree)), "all are gone")
        self.process.wait()
        self.process = None

    def stop(self, limit_s: float = 180) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(limit_s)
        self.process = None
        return code

    def log_lines(self, event: str) -> list[str]:
        """Lines of the log of one kind."""
        needle = f'"event": "{event}"'
        if not self.log.exists():
            return []
        return [line for line in self.log.read_text().splitlines() if needle in line]

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels; ``name`` may carry some: ``x_total{fate="accepted"}``."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=60) as answer:  # noqa: S310
            text = answer.read().decode()
        wanted, _, labels = name.partition("{")
        total = 0.0
        for line in text.splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == wanted and labels.rstrip("}") in (match[2] or ""):
                total += float(match[3])
        return total

    def spool_files(self) -> list[Path]:
        """All segments."""
        return sorted((self.folder / "spool").glob("worker-*/*.spool"))


def kill_9(process: psutil.Process) -> None:
    """Kill, if it still lives."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs: one that has ended may wait for its new parent."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class System:
    """A ClickHouse and a collector in one folder, with tables, ready to be hurt."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.clickhouse = ClickHouse(folder)
        self.collector = Collector(folder / "data", self.clickhouse.url, **settings)

    def start(self) -> "System":
        """Start all, migrate, wait until the collector can store."""
        self.clickhouse.start()
        migrate(self.clickhouse.url)
        self.collector.start()
        return self

    def kill_all(self) -> None:
        """The whole tree at once, as a power switch would."""
        tree = self.collector.children() if self.collector.process else []
        for process in (self.collector.process, self.clickhouse.process):
            if process is not None:
                process.kill()
        for child in tree:
            kill_9(child)
        until(lambda: not any(map(is_alive, tree)), "all are gone")
        self.collector.kill()
        self.clickhouse.kill()

    def start_again(self) -> None:
        """Start what was killed, on the same folders and ports; does not wait for ClickHouse first."""
        if self.clickhouse.process is None:
            self.clickhouse.spawn()
        if self.collector.process is None:
            self.collector.spawn()
        until(self.clickhouse.answers, "ClickHouse answers")
        until(self.collector.is_ready, "the collector is ready")

    def rows(self) -> int:
        """What queries count."""
        client = self.clickhouse.client()
        try:
            return int(client.command("SELECT count() FROM events FINAL"))
        finally:
            client.close()

    def event_ids(self) -> list[str]:
        """Ids of all events that queries see, one per row."""
        client = self.clickhouse.client()
        try:
            return [row[0] for row in client.query("SELECT event_id FROM events FINAL").result_rows]
        finally:
            client.close()

    def wait_stored(self, expected: int, limit_s: float = 300) -> None:
        """
        Return when queries count ``expected`` events and the spool holds nothing more.

        Fails at once when there are more than that.
        """
        deadline = time.monotonic() + limit_s
        while True:
            rows = self.rows()
            assert rows <= expected, f"{rows} events stored, {expected} accepted"
            if rows == expected and self.unstored_bytes() == 0:
                assert self.rows() == expected
                return
            assert time.monotonic() < deadline, f"{rows} of {expected} events after {limit_s} s"
            time.sleep(0.05)

    def unstored_bytes(self) -> float:
        """What the spool holds that is not stored, as the writer tells; 1 while nobody answers."""
        try:
            return self.collector.metric("scenetrail_spool_unstored_bytes")
        except OSError:
            return 1

    def end(self) -> None:
        """Leave no process and no folder."""
        self.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)


def port_of(url: str) -> int:
    """The port of an address."""
    port = urlsplit(url).port
    assert port is not None
    return port


def systems(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Make systems below ``tmp_path``; all are ended afterwards. The body of a fixture."""
    made: list[System] = []

    def make(**settings: object) -> System:
        one = System(tmp_path / f"system-{len(made)}", **settings)
        made.append(one)
        return one

    yield make
    for one in made:
        one.end()
