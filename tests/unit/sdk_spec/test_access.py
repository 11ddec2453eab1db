"""Who may send and ask: the access file, its digests and how a change is noticed."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from sdk_spec.access import Access, AccessFile, App, ReadToken, WriteKey, digest, load, save
from sdk_spec.access import new_secret as make_secret

APPS = (App("wx1", "brand"), App("wx2", "brand"), App("tt1", "other"))


def file(**changes: object) -> AccessFile:
    keys = (WriteKey("k1", "wx1", digest("wk_1")), WriteKey("k2", "wx1", digest("wk_2"), 1, 5))
    tokens = (
        ReadToken("t1", "brand", digest("rt_all")),
        ReadToken("t2", "brand", digest("rt_one"), ("wx2", "tt1")),
        ReadToken("t3", "brand", digest("rt_revoked"), (), 1, 5),
    )
    valid = AccessFile(apps=APPS, write_keys=keys, read_tokens=tokens)
    return msgspec.structs.replace(valid, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "access.json"
    save(path, file())
    return path


def test_a_missing_file_admits_nobody(tmp_path: Path):
    access = Access(tmp_path / "none.json")

    assert load(tmp_path / "none.json") == AccessFile()
    assert access.app_of_key("wk_1") is None
    assert access.token("rt_all") is None


def test_a_key_leads_to_its_app_and_a_wrong_or_revoked_one_nowhere(path: Path):
    access = Access(path)

    assert access.app_of_key("wk_1") == APPS[0]
    for wrong in ("wk_2", "wk_3", "", "wk_1 ", "rt_all", "\ud800"):
        assert access.app_of_key(wrong) is None


def test_a_token_reads_the_apps_of_its_project_only(path: Path):
    access = Access(path)
    everything, one = access.token("rt_all"), access.token("rt_one")

    assert everything is not None
    assert access.apps_of(everything) == ["wx1", "wx2"]
    assert one is not None
    assert access.apps_of(one) == ["wx2"]
    assert access.token("rt_revoked") is None


def test_the_file_holds_no_secret_and_is_private(path: Path):
    text = path.read_text()

    assert "wk_1" not in text
    assert "rt_all" not in text
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_revocation_is_noticed_at_the_next_refresh(path: Path):
    access = Access(path)
    save(path, file(write_keys=(WriteKey("k1", "wx1", digest("wk_1"), 1, 2),)))

    assert access.app_of_key("wk_1") is not None
    access.refresh()
    assert access.app_of_key("wk_1") is None


def test_a_broken_file_keeps_the_last_good_state(path: Path):
    access = Access(path)
    path.write_text("{")

    with pytest.raises(ValueError, match="truncated"):
        access.refresh()
    assert access.app_of_key("wk_1") == APPS[0]

    save(path, file())
    access.refresh()
    assert access.app_of_key("wk_1") == APPS[0]


def test_a_removed_file_keeps_the_last_good_state(path: Path):
    access = Access(path)
    path.unlink()
    access.refresh()

    assert access.app_of_key("wk_1") == APPS[0]


def test_a_key_of_an_app_that_is_gone_admits_nobody(path: Path):
    save(path, file(apps=()))

    assert Access(path).app_of_key("wk_1") is None


def test_saving_leaves_no_other_file_and_survives_unknown_members(path: Path):
    members = json.loads(path.read_text()) | {"of_a_later_version": 1}
    path.write_text(json.dumps(members))

    assert os.listdir(path.parent) == ["access.json"]
    assert load(path) == file()


def test_secrets_are_long_and_differ():
    secrets = {make_secret("wk") for _ in range(100)}

    assert len(secrets) == 100
    assert all(secret.startswith("wk_") and len(secret) == 35 for secret in secrets)
