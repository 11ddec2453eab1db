"""``scenetrail keys``, ``doctor`` and ``migrate`` against a running ``scenetrail up``."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standalone_process import SCENETRAIL, Standalone, request

from collector.identity import id_key
from collector.local_clickhouse import LocalServer
from collector.migrate import connect
from collector.spool import Spool
from collector.spool_format import SpoolRecord
from sdk_spec import cards, id_hashing, phones
from tests.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCENETRAIL_RETENTION_INTERVAL_S", "0.5")
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


def answered(running: Standalone, *arguments: str) -> str:
    """What a command that must succeed prints."""
    done = scenetrail(*arguments, "--data-dir", running.ready["data_dir"])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def sent(running: Standalone, app_id: str, key: str, events: list[Any], **ids: str) -> None:
    body = {"app_id": app_id, "platform": "server", **ids, "events": events}
    url = f"{running.ready['collector_url']}/v1/events"
    until(lambda: request(url, body, X_Write_Key=key)[0] in (200, 422), "the events are taken")


def tap(event_id: str, days_ago: float = 0) -> dict[str, Any]:
    at = time.time_ns() // 1_000_000 - round(days_ago * 86_400_000)
    return {"event_id": event_id, "event": "tap", "occurred_at": at}


def rows(running: Standalone, sql: str) -> list[Any]:
    client = connect(running.ready["clickhouse_url"])
    try:
        return [row[0] for row in client.query(sql).result_rows]
    finally:
        client.close()


def test_old_events_of_an_app_go_by_themselves(running: Standalone) -> None:
    """The thread in the running writer, at the interval that the setting gives."""
    app_id = "wx-brief"
    key = made(running, "create", "app", "--app-id", app_id, "--project", "default")["secret"]
    sent(running, app_id, key, [tap("old", 3), tap("new")], user_id="brief")
    stored = f"SELECT event_id FROM events WHERE app_id = '{app_id}' ORDER BY event_id"  # noqa: S608
    until(lambda: rows(running, stored) == ["new", "old"], "both are stored")

    answered(running, "keys", "set", app_id, "--retention-days", "2")

    until(lambda: rows(running, stored) == ["new"], "the old one is gone")
    sent(running, app_id, key, [tap("old", 3), tap("last")], user_id="brief")
    until(lambda: "last" in rows(running, stored), "what came with it is stored")
    assert rows(running, stored) == ["last", "new"], "sent again it stays away"
    # Nothing is left for the command, or what became too old meanwhile.
    assert isinstance(json.loads(answered(running, "privacy", "expire")), dict)


def test_keys_and_hashes_are_printed_for_whoever_computes_them_elsewhere(
    running: Standalone,
) -> None:
    app_id, folder = running.ready["app_id"], Path(running.ready["data_dir"])
    secret = id_hashing.key_of(folder, make=True)
    assert secret is not None

    card_key = answered(running, "keys", "card-key", app_id)
    phone_key = answered(running, "keys", "phone-key", "--project", "default")
    openid = answered(running, "privacy", "hash-openid", app_id, "o1")
    phone = answered(running, "privacy", "hash-phone", "+86 13800138000", "--project", "default")

    assert card_key == cards.card_key(secret, app_id).decode()
    assert openid == id_hashing.hashed(secret, app_id, "o1")
    assert phone == phones.phone_hash(phone_key, "13800138000")
    piped = subprocess.run(
        [*SCENETRAIL, "privacy", "hash-phone", "-", "--project", "default"],
        input="138 0013 8000\n",
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "SCENETRAIL_DATA_DIR": str(folder)},
    )
    assert piped.stdout.strip() == phone
    wrong = scenetrail(
        *("privacy", "hash-phone", "13800", "--project", "default", "--data-dir", str(folder))
    )
    assert wrong.returncode == 2
    assert "13800" not in wrong.stderr


def test_tokens_of_every_kind_open_what_they_are_for(running: Standalone) -> None:
    read = made(running, "create", "read-token", "--project", "default")["secret"]
    admin = made(running, "create", "admin-token", "--project", "default")["secret"]

    def status(base: str, path: str, secret: str, body: object = None) -> int:
        return request(running.ready[base] + path, body, Authorization=f"Bearer {secret}")[0]

    until(lambda: status("query_url", "/v1/events/schema", read) == 200, "the read token reads")
    asked = {"id": "user_id:nobody"}
    until(
        lambda: status("collector_url", "/v1/privacy/export", admin, asked) == 404,
        "the admin token may ask, of nobody",
    )
    assert status("collector_url", "/v1/privacy/export", read, asked) == 401


def test_erased_person_comes_back_by_no_way(running: Standalone, tmp_path: Path) -> None:
    """Sent again, from a client's queue, from a refused event, another collector's spool, or a file of history."""
    app_id, folder = "wx-erased", running.ready["data_dir"]
    key = made(running, "create", "app", "--app-id", app_id, "--project", "default")["secret"]
    phone_key = answered(running, "keys", "phone-key", "--project", "default")
    phone = phones.phone_hash(phone_key, "13912345678")
    ids = {"user_id": "gone-user", "openid": "gone-openid", "phone_hash": phone}
    first = [tap("g1"), tap("g2", 1)]
    sent(running, app_id, key, first, **ids)
    bad = {**tap("bad"), "occurred_at": "soon"}
    sent(running, app_id, key, [bad], **ids)
    stored = f"SELECT event_id FROM events WHERE app_id = '{app_id}' ORDER BY event_id"  # noqa: S608
    letters = f"SELECT event_id FROM dead_letters WHERE app_id = '{app_id}'"  # noqa: S608
    until(lambda: (rows(running, stored), rows(running, letters)) == (["g1", "g2"], ["bad"]), "all")
    exported = answered(running, "privacy", "export", f"phone_hash:{phone}", "--project", "default")
    assert {json.loads(line)["table"] for line in exported.splitlines()} >= {
        *("events", "dead_letters", "identity_bindings", "identity_map", "receipt"),
    }

    erased = answered(
        running, "privacy", "erase", f"phone_hash:{phone}", "--project", "default", "--yes"
    )
    receipt = json.loads(erased)
    assert (receipt["rows"]["events"], receipt["rows"]["dead_letters"]) == (2, 1)
    assert not any(receipt["left"].values())

    at_ms = time.time_ns() // 1_000_000
    stranger = {"user_id": "stranger"}
    sent(running, app_id, key, [*first, tap("g3", 2)], **ids)
    dead = tmp_path / "dead"
    (dead / "spool" / "worker-000").mkdir(parents=True)
    asyncio.run(spool_of_another(dead / "spool" / "worker-000", app_id, ids, at_ms - 86_400_000))
    assert "1 files" in answered(running, "spool", "adopt", str(dead))
    history = tmp_path / "history.ndjson"
    lines = [{**tap(f"h{n}", n), "app_id": app_id, "platform": "server", **ids} for n in (3, 4)]
    lines.append({**tap("h-other", 3), "app_id": app_id, "platform": "server", **stranger})
    history.write_text("\n".join(map(json.dumps, lines)))
    answered(running, "import", str(history))
    sent(running, app_id, key, [tap("last")], **stranger)

    until(lambda: {"last", "a-other"} <= {*rows(running, stored)}, "the others are stored")
    assert rows(running, stored) == ["a-other", "h-other", "last"]
    assert rows(running, letters) == []
    keys = ", ".join(str(id_key("default", kind, app_id, value)) for kind, value in ids.items())
    for table, column in (
        ("events", "actor"),
        ("identity_bindings", "id_key"),
        ("identity_bindings", "other_key"),
        ("identity_map", "id_key"),
        ("identity_conflicts", "id_key"),
    ):
        found = f"SELECT count() FROM {table} WHERE {column} IN ({keys})"  # noqa: S608
        assert rows(running, found) == [0], table
    assert rows(running, f"SELECT count() FROM erased_ids WHERE id_key IN ({keys})") == [3]  # noqa: S608
    missing = scenetrail(
        *("privacy", "export", "user_id:gone-user", "--project", "default", "--data-dir", folder)
    )
    assert missing.returncode == 2
    assert "nobody with this id" in missing.stderr

    sent(running, app_id, key, [tap("anew")], **ids)
    until(lambda: "anew" in rows(running, stored), "what the person does later is new")


async def spool_of_another(folder: Path, app_id: str, ids: dict[str, str], at_ms: int) -> None:
    """What a collector that died had accepted a day before, of the erased person and of somebody else."""
    limits = {"max_bytes": 10**8, "segment_bytes": 10**7, "pending_max_bytes": 10**7}
    spool = Spool(folder, reserve_bytes=0, **limits)
    for event_id, of in (("a1", ids), ("a-other", {"user_id": "stranger"})):
        event = {"event_id": event_id, "event": "tap", "occurred_at": at_ms, **of}
        body = {"app_id": app_id, "platform": "server", "events": [event]}
        record = SpoolRecord(
            1, at_ms, "r", "default", app_id, 300_000, [], [], json.dumps(body).encode()
        )
        await spool.append(record)
    await asyncio.to_thread(spool.close)


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
