"""``scenetrail keys``, ``doctor`` and ``migrate`` against a running ``scenetrail up``."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standalone_process import SCENETRAIL, Standalone, request, until

from collector.local_clickhouse import LocalServer
from collector.migrate import connect


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    standalone = Standalone(tmp_path_factory.mktemp("cli") / "data")
    try:
        yield standalone.wait_ready()
        assert standalone.stop() == 0
    finally:
        standalone.end()


def scenetrail(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SCENETRAIL, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **env},
    )


def made(running: Standalone, *arguments: str) -> dict[str, str]:
    """Run a ``keys`` command that issues a secret and return what it shows."""
    done = scenetrail("keys", *arguments, "--data-dir", running.ready["data_dir"], "--json")
    assert done.returncode == 0, done.stderr
    issued: dict[str, str] = json.loads(done.stdout)
    return issued


def test_new_key_works_and_revoked_key_stops_without_a_restart(running: Standalone) -> None:
    issued = made(running, "create", "write-key", "--app-id", running.ready["app_id"])
    until(lambda: running.send("by-new", issued["secret"])[0] == 200, "the new key works")

    done = scenetrail("keys", "revoke", issued["id"], "--data-dir", running.ready["data_dir"])

    assert done.returncode == 0
    until(lambda: running.send("revoked", issued["secret"])[0] == 401, "the key stops working")
    assert running.send("by-first")[0] == 200


def test_rotated_key_is_replaced_without_a_restart(running: Standalone) -> None:
    old = made(running, "create", "write-key", "--app-id", running.ready["app_id"])
    until(lambda: running.send("by-old", old["secret"])[0] == 200, "the key works")

    new = made(running, "rotate", old["id"])

    until(lambda: running.send("by-rotated", new["secret"])[0] == 200, "the new key works")
    until(lambda: running.send("by-old-2", old["secret"])[0] == 401, "the old key stops")


def test_rules_of_an_app_are_set_shown_and_hold_without_a_restart(running: Standalone) -> None:
    """Of an app of its own: the others of this file send for the first one."""
    app_id, folder = "wx-ruled", running.ready["data_dir"]
    issued = made(running, "create", "app", "--app-id", app_id, "--project", "default")
    event = {"event_id": "e1", "event": "tap", "occurred_at": time.time_ns() // 1_000_000}
    body = {"app_id": app_id, "platform": "server", "user_id": "u", "events": [event]}

    def answer() -> tuple[int, Any]:
        url = f"{running.ready['collector_url']}/v1/events"
        status, told = request(url, body, X_Write_Key=issued["secret"])
        return status, told.get("error")

    until(lambda: answer()[0] == 200, "its key works")
    done = scenetrail(
        "keys",
        "set",
        app_id,
        "--signatures",
        "required",
        "--max-body-bytes",
        "9000",
        "--data-dir",
        folder,
    )
    assert done.returncode == 0, done.stderr
    until(lambda: answer() == (401, "signature_required"), "the rule holds")
    shown = scenetrail("keys", "list", "--data-dir", folder).stdout
    assert "signatures required  max_body_bytes 9000" in shown
    wrong = scenetrail("keys", "set", app_id, "--signatures", "always", "--data-dir", folder)
    assert wrong.returncode == 2
    assert "off optional required" in wrong.stderr


def test_key_of_another_app_is_refused(running: Standalone) -> None:
    issued = made(
        running,
        "create",
        "app",
        "--app-id",
        "wx-second",
        "--project",
        "default",
        "--platform",
        "wechat",
    )

    until(lambda: running.send("foreign", issued["secret"])[0] == 403, "known, but not its app")


def test_list_shows_ids_and_never_a_secret_or_digest(running: Standalone) -> None:
    for arguments in ([], ["--json"]):
        done = scenetrail("keys", "list", "--data-dir", running.ready["data_dir"], *arguments)

        assert done.returncode == 0
        assert running.ready["app_id"] in done.stdout
        assert "key_" in done.stdout
        for secret in (running.ready["write_key"], running.ready["read_token"], "sha256"):
            assert secret not in done.stdout


def test_impossible_change_of_keys_says_why(tmp_path: Path) -> None:
    done = scenetrail("keys", "revoke", "key_none", "--data-dir", str(tmp_path))

    assert done.returncode == 2
    assert "no key, token or app has the id 'key_none'" in done.stderr


def test_damaged_access_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "access.json").write_text("{")

    done = scenetrail("keys", "list", SCENETRAIL_DATA_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "scenetrail doctor" in done.stderr


def test_doctor_finds_no_problem_in_a_running_one(running: Standalone) -> None:
    done = scenetrail("doctor", "--data-dir", running.ready["data_dir"], "--json")

    findings = {one["check"]: one for one in json.loads(done.stdout)}
    assert list(findings) == [
        "data_dir",
        "disk",
        "open_files",
        "access_file",
        "memory",
        "spool",
        "collector",
        "clickhouse",
        "schema",
        "clock",
        "clickhouse_disk",
        "writer",
        "reader",
        "value_size",
        "editor",
    ]
    # What this machine has is not ours.
    machine = {"disk", "open_files", "memory", "spool", "clickhouse_disk"}
    ours = {name: one["level"] for name, one in findings.items() if name not in machine}
    assert set(ours.values()) == {"ok"}
    problems = [one for one in findings.values() if one["level"] == "problem"]
    assert done.returncode == int(bool(problems))


def test_doctor_without_clickhouse_says_what_to_do(tmp_path: Path) -> None:
    done = scenetrail("doctor", "--data-dir", str(tmp_path))

    assert done.returncode == 1
    assert "start `scenetrail up`, or give --clickhouse-url" in done.stdout
    assert "请先启动 scenetrail up" in done.stdout


def test_doctor_hides_the_password_of_a_server_that_refuses_it(
    tmp_path: Path, clickhouse: LocalServer
) -> None:
    url = f"http://writer:secret-of-mine@127.0.0.1:{clickhouse.http_port}/scenetrail"

    done = scenetrail("doctor", "--data-dir", str(tmp_path), "--clickhouse-url", url)

    assert done.returncode == 1
    assert "AUTHENTICATION_FAILED" in done.stdout
    assert "secret-of-mine" not in done.stdout + done.stderr


def test_doctor_asks_for_migrate_and_is_content_after_it(
    tmp_path: Path, clickhouse: LocalServer
) -> None:
    database = f"doctor_{os.getpid()}"
    url = clickhouse.url("writer").rpartition("/")[0] + "/" + database
    arguments = ["--data-dir", str(tmp_path), "--clickhouse-url", url]

    def schema() -> dict[str, str]:
        findings = json.loads(scenetrail("doctor", *arguments, "--json").stdout)
        return next(one for one in findings if one["check"] == "schema")

    assert schema()["advice"] == "run `scenetrail migrate`"
    first = scenetrail("migrate", *arguments)
    again = scenetrail("migrate", *arguments)

    assert "applied 0001_events.sql" in first.stdout
    assert "up to date" in again.stdout
    assert schema()["level"] == "ok"
    client = connect(url)
    client.insert("migrations", [["9999_later.sql", "0"]], column_names=["name", "sha256"])
    assert "another version" in schema()["found"]
    client.command(f"DROP DATABASE {database}")
    client.close()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from collector import cli\n"
        "answer = CliRunner().invoke(cli.app, ['--help'])\n"
        "assert answer.exit_code == 0, answer.output\n"
        "assert all(word in answer.output for word in ('up', 'migrate', 'keys', 'doctor'))\n"
        "heavy = {'clickhouse_connect', 'aiohttp', 'uvloop', 'chdb', 'pyarrow', 'numpy', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
