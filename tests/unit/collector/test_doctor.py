"""The local checks of ``scenetrail doctor``; those of ClickHouse run against a real one elsewhere."""

from pathlib import Path

import pytest

from collector import doctor, doctor_machine, keys
from collector.clickhouse_urls import without_password
from collector.findings import Setup
from collector.running import Ready, publish
from sdk_spec import access, id_hashing


def setup_of(folder: Path) -> Setup:
    return Setup(data_dir=folder, access_path=folder / "access.json")


def test_missing_data_folder_is_a_problem(tmp_path: Path) -> None:
    finding = doctor_machine.check_data_dir(setup_of(tmp_path / "absent"))

    assert finding.level == "problem"
    assert "--data-dir" in finding.advice


def test_disk_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    finding = doctor_machine.check_disk(setup_of(tmp_path / "absent" / "deeper"))

    assert str(tmp_path) in finding.found
    assert "absent" not in finding.found


def test_access_file_without_keys_is_a_warning(tmp_path: Path) -> None:
    finding = doctor_machine.check_access_file(setup_of(tmp_path))

    assert finding.level == "warning"
    assert "scenetrail keys create" in finding.advice


def test_access_file_with_keys_is_ok(tmp_path: Path) -> None:
    keys.first_credentials(tmp_path, tmp_path / "access.json", 1)

    finding = doctor_machine.check_access_file(setup_of(tmp_path))

    assert finding.level == "ok"
    assert finding.found.endswith("1 apps, 1 write keys, 1 read tokens")
    key = id_hashing.key_of(tmp_path, make=True) or b""
    assert id_hashing.key_id(key) in doctor_machine.check_access_file(setup_of(tmp_path)).found


def test_revoked_keys_do_not_count(tmp_path: Path) -> None:
    made = keys.first_credentials(tmp_path, tmp_path / "access.json", 1)
    keys.change_only(tmp_path / "access.json", lambda file: keys.revoke(file, made.app_id, 2))

    assert doctor_machine.check_access_file(setup_of(tmp_path)).level == "warning"


def test_access_file_open_to_others_is_a_warning(tmp_path: Path) -> None:
    keys.first_credentials(tmp_path, tmp_path / "access.json", 1)
    (tmp_path / "access.json").chmod(0o644)

    finding = doctor_machine.check_access_file(setup_of(tmp_path))

    assert finding.level == "warning"
    assert finding.advice.startswith("chmod 600")


def test_damaged_access_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "access.json").write_text("{")

    finding = doctor_machine.check_access_file(setup_of(tmp_path))

    assert finding.level == "problem"
    assert "damaged" in finding.found


def test_access_file_that_is_a_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "access.json").mkdir()

    assert doctor_machine.check_access_file(setup_of(tmp_path)).level == "problem"


def test_addresses_of_the_running_one_are_used(tmp_path: Path) -> None:
    texts = {name: name for name in Ready.__struct_fields__}
    publish(tmp_path, Ready(**{**texts, "clickhouse_urls": "http://w:p@h:1/d", "pid": 1}))

    found = doctor.with_running_addresses(setup_of(tmp_path))

    assert found.clickhouse_url == "http://w:p@h:1/d"
    assert found.clickhouse_reader_url == "clickhouse_reader_url"
    assert found.collector_url == "collector_url"


def test_given_address_wins_over_the_running_one(tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text("not even read")
    given = Setup(tmp_path, tmp_path / "access.json", clickhouse_url="http://h:1/mine")

    assert doctor.with_running_addresses(given) == given


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://writer:secret@h:8123/d", "http://writer:***@h:8123/d"),
        ("http://h:8123/d", "http://h:8123/d"),
        (
            "failed (http://w:s@h:1) twice http://r:t@h:1",
            "failed (http://w:***@h:1) twice http://r:***@h:1",
        ),
    ],
)
def test_passwords_are_hidden(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_every_advice_is_in_both_languages(tmp_path: Path) -> None:
    findings = doctor.examine(setup_of(tmp_path / "absent"))

    assert all(bool(one.advice) == bool(one.advice_zh) for one in findings)
    assert all(bool(one.advice) == (one.level != "ok") for one in findings)
    assert access.load(tmp_path / "absent" / "access.json") == access.AccessFile()
