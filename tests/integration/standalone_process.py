"""A real ``scenetrail up`` for tests: started, watched, signalled, and its processes counted."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

MARKER = "SCENETRAIL_TEST_MARKER"
SCENETRAIL = [sys.executable, "-m", "collector.cli"]
ANY_PORTS = ["--collector-port", "0", "--query-port", "0", "--clickhouse-port", "0"]


def request(url: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Send a GET, or a POST of JSON, and return status and decoded body; status 0: no answer."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data)  # noqa: S310
    for name, value in headers.items():
        asked.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    except (OSError, http.client.HTTPException):  # nobody, or one that was killed in between
        return 0, None
    try:
        return status, json.loads(content)
    except ValueError:
        return status, content


class Standalone:
    """
    One ``scenetrail up`` in a folder. ``log`` holds the lines of its standard error.

    Every process of it carries a marker in its environment, by which it is found.
    """

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        ports: list[str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.marker = uuid.uuid4().hex
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [
                *SCENETRAIL,
                "up",
                "--data-dir",
                str(data_dir),
                *(ANY_PORTS if ports is None else ports),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd or data_dir.parent,
            env={**os.environ, MARKER: self.marker},
        )
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self.ready: dict[str, Any] = {}

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def wait_ready(self) -> "Standalone":
        """Read the READY line; fail with the log when it ends without one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("READY "):
            self.finish()
            raise AssertionError(f"{line!r} instead of READY\n{''.join(self.log)}")
        self.ready = json.loads(line.removeprefix("READY "))
        return self

    def processes(self) -> dict[int, str]:
        """Command lines of all living processes of this one, by process id."""
        found = {}
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get(MARKER) == self.marker
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found[process.pid] = " ".join(process.cmdline())
            except psutil.Error:
                continue  # ended meanwhile, or not ours to look at
        return found

    def pid_of(self, *words: str) -> int | None:
        """Process id of the one process whose command line ends in ``-m <word> …``."""
        pids = [
            pid
            for pid, line in self.processes().items()
            if any(f"-m {word} " in f"{line} " for word in words)
        ]
        return pids[0] if len(pids) == 1 else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> int:
        """Wait for its end and return the exit code; standard output must hold no second line."""
        code = self.process.wait(300)
        self._reader.join(120)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        rest = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert rest == ""
        return code

    def end(self) -> None:
        """Whatever happened: leave no process. For the end of a test."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(120)
        # One that outlives its parent is the finding of a test, not a burden for the next.
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(120)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def send(self, event_id: str, write_key: str = "") -> tuple[int, Any]:
        """Send one event."""
        batch = {
            "app_id": self.ready["app_id"],
            "platform": "wechat",
            "anonymous_id": "a1",
            "events": [
                {
                    "event_id": event_id,
                    "event": "page_view",
                    "occurred_at": time.time_ns() // 1_000_000,
                }
            ],
        }
        return request(
            f"{self.ready['collector_url']}/v1/events",
            batch,
            X_Write_Key=write_key or self.ready["write_key"],
        )

    def serves(self) -> bool:
        """Whether collector, query API and ClickHouse answer that they can work."""
        clickhouse = urlsplit(self.ready["clickhouse_url"])
        return all(
            request(url)[0] == 200
            for url in (
                f"{self.ready['collector_url']}/readyz",
                f"{self.ready['query_url']}/readyz",
                f"http://{clickhouse.hostname}:{clickhouse.port}/ping",
            )
        )
