"""
A collector for the whole run of the contract tests: real processes, real ClickHouse, apps to send for.

One worker, so that what is sent first is stored first; several are the business of tests/faults.
"""

import http.client
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from collector.local_clickhouse import LocalServer
from collector.migrate import connect, migrate
from sdk_spec import access
from tests.conftest import free_port
from tests.contract.vector_runner import Variables, load

if not {"SCENETRAIL_JSON_TEST_SUITE", "SCENETRAIL_NAUGHTY_STRINGS"} <= os.environ.keys():
    collect_ignore = ["test_outside_material.py"]
"""Outside material is no part of the project: a longer run that names where it lies."""

BODY_TIMEOUT_S = 3.0
"""Short, so that tests of slow bodies are quick; long enough for the largest body on a slow machine."""
ALLOWED_ORIGIN = "https://shop.example"
SPARE_APPS = 200
"""For the tests that are no vectors."""
PROJECT = "contract"
OTHER_APP = "wx-other"
OTHER_KEY = "wk_other"
SIGNING = {"optional": "wx-may-sign", "required": "wx-must-sign"}
"""Apps by their rule; their keys are wk_<rule> with the ids key_<rule>."""
BOUNDED_APP, BOUNDED_KEY = "wx-bounded", "wk_bounded"
BOUNDED_BYTES = 2_000
"""An app with a limit of its own."""


class RunningCollector(Struct):
    """Where it listens, what it may send, and how to look at what it stored."""

    port: int
    database_url: str
    apps: Iterator[Variables]
    log_path: Path
    process: Any

    def new_app(self) -> Variables:
        """Return an app without events, with the time of now."""
        app = next(self.apps)
        app.now_ms = time.time_ns() // 1_000_000
        return app

    def select(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries."""
        client = connect(self.database_url)
        try:
            return list(client.query(query, parameters=parameters).named_results())
        finally:
            client.close()

    def stored_rows(self, app_ids: list[str]) -> list[dict[str, Any]]:
        """All rows of some apps, times in epoch milliseconds."""
        return self.select(
            "SELECT * REPLACE (toUnixTimestamp64Milli(occurred_at) AS occurred_at,"
            " toUnixTimestamp64Milli(client_occurred_at) AS client_occurred_at,"
            " toUnixTimestamp64Milli(sent_at) AS sent_at,"
            " toUnixTimestamp64Milli(received_at) AS received_at)"
            " FROM events FINAL WHERE app_id IN {app_ids:Array(String)}",
            app_ids=app_ids,
        )

    def wait_until_stored(self) -> None:
        """
        Return when all that was sent before this call is stored.

        There is one spool and it is stored in order, dead letters after the events of a block: so
        a refused event that was sent now comes last.
        """
        body = (
            f'{{"app_id":"{OTHER_APP}","platform":"server","user_id":"u","events":[{{}}]}}'
        ).encode()
        answer = send(self.port, "POST", "/v1/events", {"X-Write-Key": OTHER_KEY}, body)
        assert answer.status == 422
        request_id = json.loads(answer.body)["request_id"]
        deadline = time.monotonic() + 240
        query = "SELECT count() AS n FROM dead_letters WHERE request_id = {request_id:String}"
        while not self.select(query, request_id=request_id)[0]["n"]:
            assert time.monotonic() < deadline, self.log_path.read_text()[-4_000:]
            time.sleep(0.05)


class Answer(Struct):
    """An HTTP answer; header names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(
    port: int,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    transfer: str = "length",
) -> Answer:
    """Send one request on a connection of its own and return the answer, also one that comes early."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1"))
        if transfer == "chunked":
            connection.putheader("Transfer-Encoding", "chunked")
        elif body or method not in ("GET", "DELETE"):
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(
                iter([body[:7], body[7:]]) if transfer == "chunked" else body,
                encode_chunked=transfer == "chunked",
            )
        except (BrokenPipeError, ConnectionResetError):
            early = connection.getresponse()  # refused before all of the body was sent
        else:
            early = connection.getresponse()
        names = {name.lower(): value for name, value in early.getheaders()}
        return Answer(early.status, names, early.read())
    finally:
        connection.close()


def wait_until_ready(port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    """Return when the collector can store; fail with its log when it cannot."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log_path.read_text()[-4_000:]
        try:
            if send(port, "GET", "/readyz", {}, b"").status == 200:
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(log_path.read_text()[-4_000:])


@pytest.fixture(scope="session")
def running_collector(
    clickhouse: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningCollector]:
    """A collector with its own database and an app for every vector."""
    folder = tmp_path_factory.mktemp("collector")
    url = clickhouse.url("writer").rsplit("/", 1)[0] + f"/contract_{os.getpid()}"
    migrate(url)
    apps = [access.App(OTHER_APP, PROJECT, "wechat")]
    keys = [access.WriteKey("other", OTHER_APP, access.digest(OTHER_KEY))]
    for rule, app_id in SIGNING.items():
        apps.append(access.App(app_id, PROJECT, "server", signatures=rule))
        keys.append(access.WriteKey(f"key_{rule}", app_id, access.digest(f"wk_{rule}")))
        keys.append(access.WriteKey(f"old_{rule}", app_id, access.digest(f"wo_{rule}"), 1, 2))
    apps.append(access.App(BOUNDED_APP, PROJECT, "web", max_body_bytes=BOUNDED_BYTES))
    keys.append(access.WriteKey("bounded", BOUNDED_APP, access.digest(BOUNDED_KEY)))
    variables = []
    for number in range(len(load()) + SPARE_APPS):
        app = access.App(f"wx{number:014x}", PROJECT, "wechat")
        key, revoked = f"wk_{number}", f"wk_revoked_{number}"
        keys.append(access.WriteKey(f"k{number}", app.app_id, access.digest(key)))
        keys.append(access.WriteKey(f"r{number}", app.app_id, access.digest(revoked), 1, 2))
        apps.append(app)
        variables.append(Variables(app.app_id, key, revoked, OTHER_APP, OTHER_KEY, 0))
    access.save(folder / "access.json", access.AccessFile(apps=tuple(apps), write_keys=tuple(keys)))
    port = free_port()
    environment = {
        **os.environ,
        "SCENETRAIL_DATA_DIR": str(folder),
        "SCENETRAIL_COLLECTOR_PORT": str(port),
        "SCENETRAIL_CLICKHOUSE_URL": url,
        "SCENETRAIL_WORKERS": "1",
        "SCENETRAIL_BODY_TIMEOUT_S": str(BODY_TIMEOUT_S),
        "SCENETRAIL_KEEPALIVE_TIMEOUT_S": "5",
        "SCENETRAIL_FLUSH_INTERVAL_MS": "100",
        "SCENETRAIL_CORS_ORIGINS": ALLOWED_ORIGIN + ", https://other.example",
        "SCENETRAIL_PARENT_PID": str(os.getpid()),
    }
    log_path = folder / "collector.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "collector"], env=environment, stdout=log, stderr=log
        )
    try:
        wait_until_ready(port, process, log_path)
        yield RunningCollector(port, url, itertools.chain(variables), log_path, process)
        assert process.poll() is None
        assert "request_failed" not in log_path.read_text()
    finally:
        process.terminate()
        process.wait(240)
