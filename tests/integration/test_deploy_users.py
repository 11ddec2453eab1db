"""The users of collector/deploy on a real server: what each may do, and what ``scenetrail doctor`` says of them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from collector import doctor_clickhouse
from collector.backup import Step, backup, restore
from collector.findings import Finding, Setup
from collector.local_clickhouse import EDITABLE, LocalServer, prepare
from collector.migrate import connect, migrate
from query_api.sql import load_sql
from tests.conftest import free_port, serving

DEPLOY = Path(__file__).parents[2] / "collector" / "deploy"


def users_xml(local: ElementTree.Element, server: LocalServer) -> bytes:
    """The deployment file merged, as ``users.d`` is, into a file with the quota and the user that our local engine needs."""
    root = ElementTree.parse(DEPLOY / "clickhouse-users.xml").getroot()  # noqa: S314 (our own file)
    users = root.find("users")
    assert users is not None
    for name, password in (
        ("writer", server.writer_password),
        ("backup", server.writer_password),
        ("reader", server.reader_password),
        ("editor", server.editor_password),
    ):
        digest = users.find(f"{name}/password_sha256_hex")
        assert digest is not None
        digest.text = hashlib.sha256(password.encode()).hexdigest()
    users.append(next(local.iter("users")).find("default"))  # type: ignore[arg-type]
    root.append(local.find("quotas"))  # type: ignore[arg-type]
    return ElementTree.tostring(root)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server with the deployment's users, migrated by its writer."""
    folder = tmp_path_factory.mktemp("deployed")
    server = prepare(folder / "clickhouse", free_port(), free_port())
    path = folder / "clickhouse" / "users.xml"
    path.write_bytes(users_xml(ElementTree.parse(path).getroot(), server))  # noqa: S314
    with serving(server, folder / "clickhouse.log"):
        migrate(server.url("writer"))
        yield server


def test_its_own_user_backs_up_and_restores_and_the_writer_may_not(deployed: LocalServer) -> None:
    url = deployed.url("writer").replace("writer:", "backup:")
    writer, client = connect(deployed.url("writer")), connect(url)
    writer.command("INSERT INTO event_ids VALUES (1), (2)")
    steps: list[Step] = []
    with pytest.raises(DatabaseError, match="Not enough privileges"):
        backup([writer], ["one"], "File('by-the-writer/{part}')", steps.append)

    place = "File('by-its-user/{part}')"
    backup([client], ["one"], place, steps.append)
    server = connect(deployed.url("writer").rpartition("/")[0])
    server.command("DROP DATABASE scenetrail SYNC")
    server.command("CREATE DATABASE scenetrail")
    restore([client], ["one"], place, steps.append)

    assert [step.status for step in steps] == ["BACKUP_CREATED"] * 3 + ["RESTORED"] * 3
    assert writer.command("SELECT count() FROM event_ids") == 2
    writer.command("TRUNCATE TABLE event_ids")
    for each in (writer, client, server):
        each.close()


def findings(server: LocalServer, folder: Path, **urls: str) -> dict[str, Finding]:
    setup = Setup(
        folder,
        folder / "access.json",
        **{
            "clickhouse_url": server.url("writer"),
            "clickhouse_reader_url": server.url("reader"),
            "clickhouse_editor_url": server.url("editor"),
            **urls,
        },
    )
    return {one.check: one for one in doctor_clickhouse.check_clickhouse(setup)}


def test_doctor_is_content_with_the_users_of_the_deployment(
    deployed: LocalServer, tmp_path: Path
) -> None:
    found = findings(deployed, tmp_path)

    names = ("schema", "writer", "reader", "value_size", "editor")
    assert {name: found[name].level for name in names} == dict.fromkeys(names, "ok")


def test_doctor_names_users_that_are_wrong_or_missing(
    deployed: LocalServer, tmp_path: Path
) -> None:
    writer_everywhere = dict.fromkeys(
        ("clickhouse_reader_url", "clickhouse_editor_url"), deployed.url("writer")
    )
    reader = deployed.url("reader")

    same = findings(deployed, tmp_path, **writer_everywhere)
    none = findings(deployed, tmp_path, clickhouse_editor_url="")
    weak = findings(deployed, tmp_path, clickhouse_url=reader, clickhouse_editor_url=reader)
    wrong = findings(deployed, tmp_path, clickhouse_editor_url=reader.replace("reader:", "editor:"))

    assert (same["reader"].level, same["editor"].level) == ("warning", "warning")
    assert "SCENETRAIL_CLICKHOUSE_EDITOR_URL" in none["editor"].advice
    assert (weak["writer"].level, weak["editor"].level) == ("problem", "problem")
    assert "INSERT" in weak["writer"].found
    assert "AUTHENTICATION_FAILED" in wrong["editor"].found
    assert deployed.reader_password not in wrong["editor"].found


def test_each_user_may_do_its_part_and_no_more(deployed: LocalServer) -> None:
    reader, editor = connect(deployed.url("reader")), connect(deployed.url("editor"))

    for table in EDITABLE:
        editor.command(f"INSERT INTO {table} SELECT * FROM {table}")  # noqa: S608 (names of ours)
    for client, statement in (
        (reader, "INSERT INTO costs SELECT * FROM costs"),
        (reader, "SELECT * FROM system.users"),
        (editor, "INSERT INTO events SELECT * FROM events"),
        (editor, "ALTER TABLE segments DELETE WHERE 1"),
        (editor, "SELECT * FROM system.users"),
    ):
        with pytest.raises(DatabaseError, match=r"ACCESS_DENIED|READONLY|Not enough privileges"):
            client.command(statement)
    of_nobody = reader.query(load_sql("console.progress"), parameters={"query_id": "0" * 32})
    assert of_nobody.result_rows == [(0, 0)]
    for client in (reader, editor):
        client.close()


def test_long_values_pass_to_the_reader(deployed: LocalServer) -> None:
    reader = connect(deployed.url("reader"))
    reader.form_encode_query_params = True

    length = reader.query(
        "SELECT length({text:String})", parameters={"text": "x" * 1_000_000}
    ).result_rows

    assert length == [(1_000_000,)]
    reader.close()
