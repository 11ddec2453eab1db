"""Apps, keys and tokens in the access file."""

import stat
import threading
from pathlib import Path

import pytest

from collector import keys
from collector.keys import KeysError
from sdk_spec import access
from sdk_spec.access import Access, AccessFile

NOW_MS = 1_795_300_912_353


@pytest.fixture
def file() -> AccessFile:
    return keys.add_app(AccessFile(), "wx1", "brand", "wechat", "Shop")


def saved(path: Path, file: AccessFile) -> Access:
    access.save(path, file)
    return Access(path)


def test_new_write_key_opens_its_app_only_by_the_secret(tmp_path: Path, file: AccessFile) -> None:
    changed, issued = keys.add_write_key(file, "wx1", NOW_MS)

    opened = saved(tmp_path / "access.json", changed)
    app = opened.app_of_key(issued.secret)
    assert app is not None
    assert app.app_id == "wx1"
    assert opened.app_of_key(issued.id) is None
    assert issued.secret not in (tmp_path / "access.json").read_text()


def test_several_write_keys_of_an_app_are_valid_at_once(tmp_path: Path, file: AccessFile) -> None:
    file, first = keys.add_write_key(file, "wx1", NOW_MS)
    file, second = keys.add_write_key(file, "wx1", NOW_MS)

    opened = saved(tmp_path / "access.json", file)
    assert opened.app_of_key(first.secret) is not None
    assert opened.app_of_key(second.secret) is not None


def test_revoked_key_is_invalid_and_the_other_is_not(tmp_path: Path, file: AccessFile) -> None:
    file, first = keys.add_write_key(file, "wx1", NOW_MS)
    file, second = keys.add_write_key(file, "wx1", NOW_MS)

    opened = saved(tmp_path / "access.json", keys.revoke(file, first.id, NOW_MS + 1))
    assert opened.app_of_key(first.secret) is None
    assert opened.app_of_key(second.secret) is not None


def test_revoking_again_keeps_the_first_time(file: AccessFile) -> None:
    file, issued = keys.add_write_key(file, "wx1", NOW_MS)

    twice = keys.revoke(keys.revoke(file, issued.id, 5), issued.id, 9)
    assert [key.revoked_at for key in twice.write_keys] == [5]


def test_rotated_key_is_replaced(tmp_path: Path, file: AccessFile) -> None:
    file, old = keys.add_write_key(file, "wx1", NOW_MS)

    file, new = keys.rotate(file, old.id, NOW_MS)

    opened = saved(tmp_path / "access.json", file)
    assert opened.app_of_key(old.secret) is None
    assert opened.app_of_key(new.secret) is not None


def test_rotation_with_keep_old_leaves_both_valid(tmp_path: Path, file: AccessFile) -> None:
    file, old = keys.add_write_key(file, "wx1", NOW_MS)

    file, new = keys.rotate(file, old.id, NOW_MS, keep_old=True)

    opened = saved(tmp_path / "access.json", file)
    assert opened.app_of_key(old.secret) is not None
    assert opened.app_of_key(new.secret) is not None


def test_rotating_an_app_leaves_one_valid_key(tmp_path: Path, file: AccessFile) -> None:
    file, first = keys.add_write_key(file, "wx1", NOW_MS)
    file, second = keys.add_write_key(file, "wx1", NOW_MS)

    file, new = keys.rotate(file, "wx1", NOW_MS)

    opened = saved(tmp_path / "access.json", file)
    valid = [s.secret for s in (first, second, new) if opened.app_of_key(s.secret)]
    assert valid == [new.secret]


def test_rotated_token_keeps_its_rights(file: AccessFile) -> None:
    file, old = keys.add_read_token(file, "brand", ("wx1",), NOW_MS)

    file, new = keys.rotate(file, old.id, NOW_MS)

    assert (new.project, new.app_ids) == ("brand", ("wx1",))
    assert [bool(token.revoked_at) for token in file.read_tokens] == [True, False]


def test_token_for_an_app_of_another_project_is_refused(file: AccessFile) -> None:
    file = keys.add_app(file, "wx2", "rival", "wechat")

    with pytest.raises(KeysError, match="wx2 does not belong to project 'brand'"):
        keys.add_read_token(file, "brand", ("wx2",), NOW_MS)


def test_token_for_an_unknown_project_names_the_known(file: AccessFile) -> None:
    with pytest.raises(KeysError, match="projects: brand"):
        keys.add_read_token(file, "brend", (), NOW_MS)


@pytest.mark.parametrize(
    ("app_id", "project", "platform", "message"),
    [
        ("wx1", "brand", "wechat", "exists already"),
        ("", "brand", "wechat", "app_id must be 1 to 128 printable"),
        ("x" * 129, "brand", "wechat", "app_id must be 1 to 128 printable"),
        ("a\x00b", "brand", "wechat", "app_id must be 1 to 128 printable"),
        ("wx3", "", "wechat", "project must be 1 to 128 printable"),
        ("wx3", "brand", "weixin", "platform must be one of: wechat alipay"),
    ],
)
def test_wrong_app_is_refused(
    file: AccessFile, app_id: str, project: str, platform: str, message: str
) -> None:
    with pytest.raises(KeysError, match=message):
        keys.add_app(file, app_id, project, platform)


def test_unknown_id_is_refused_with_where_to_look(file: AccessFile) -> None:
    for change in (keys.revoke, keys.rotate):
        with pytest.raises(KeysError, match="scenetrail keys list"):
            change(file, "key_none", NOW_MS)


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path, file: AccessFile) -> None:
    path = tmp_path / "access.json"
    access.save(path, file)

    def add_ten() -> None:
        for _ in range(10):
            keys.change(path, lambda now: keys.add_write_key(now, "wx1", NOW_MS))

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(access.load(path).write_keys) == 40


def test_first_credentials_work_and_stay_the_same(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    first = keys.first_credentials(tmp_path, path, NOW_MS)

    again = keys.first_credentials(tmp_path, path, NOW_MS + 5)

    assert again == first
    opened = Access(path)
    app = opened.app_of_key(first.write_key)
    token = opened.token(first.read_token)
    assert app is not None
    assert token is not None
    assert (app.app_id, app.project, app.platform) == (first.app_id, first.project, "wechat")
    assert opened.apps_of(token) == [first.app_id]
    assert first.app_id.startswith("wx")
    assert len(first.app_id) == 18
    assert int(first.app_id[2:], 16) >= 0


def test_files_with_secrets_are_private(tmp_path: Path) -> None:
    keys.first_credentials(tmp_path, tmp_path / "access.json", NOW_MS)

    for name in ("credentials.json", "access.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_first_credentials_after_a_revocation_are_new_and_the_old_stay_revoked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "access.json"
    old = keys.first_credentials(tmp_path, path, NOW_MS)
    keys.change_only(path, lambda file: keys.revoke(file, old.app_id, NOW_MS))

    new = keys.first_credentials(tmp_path, path, NOW_MS)

    opened = Access(path)
    assert opened.app_of_key(old.write_key) is None
    assert opened.app_of_key(new.write_key) is not None
    assert (new.app_id, new.read_token) == (old.app_id, old.read_token)


def test_lost_access_file_is_made_again_from_the_credentials(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    old = keys.first_credentials(tmp_path, path, NOW_MS)
    path.unlink()

    assert keys.first_credentials(tmp_path, path, NOW_MS) == old
    assert Access(path).app_of_key(old.write_key) is not None
    assert Access(path).token(old.read_token) is not None


def test_first_credentials_leave_other_apps_alone(tmp_path: Path, file: AccessFile) -> None:
    path = tmp_path / "access.json"
    file, issued = keys.add_write_key(file, "wx1", NOW_MS)
    access.save(path, file)

    keys.first_credentials(tmp_path, path, NOW_MS)

    assert Access(path).app_of_key(issued.secret) is not None


def test_rules_of_an_app_are_changed_one_by_one() -> None:
    file = keys.add_app(AccessFile(), "wx1", "brand", "wechat", "Shop")

    file = keys.set_app(file, "wx1", signatures="required", max_body_bytes=5_000)
    file = keys.set_app(file, "wx1", max_events_per_s=7, name="门店 / Shop")

    assert file.apps == (access.App("wx1", "brand", "wechat", "门店 / Shop", "required", 7, 5_000),)
    assert keys.set_app(file, "wx1", max_body_bytes=0).apps[0].max_body_bytes == 0


@pytest.mark.parametrize(
    "wrong", [{"signatures": "always"}, {"max_events_per_s": -1}, {"max_body_bytes": -1}]
)
def test_wrong_rules_of_an_app_are_refused(wrong: dict[str, object]) -> None:
    file = keys.add_app(AccessFile(), "wx1", "brand")

    with pytest.raises(keys.KeysError):
        keys.set_app(file, "wx1", **wrong)  # type: ignore[arg-type]


def test_admin_token_is_neither_a_read_token_nor_a_key(tmp_path: Path, file: AccessFile) -> None:
    file, issued = keys.add_admin_token(file, "brand", NOW_MS)
    opened = saved(tmp_path / "access.json", file)

    token = opened.admin_token(issued.secret)
    assert token is not None
    assert token.project == "brand"
    assert opened.token(issued.secret) is None
    assert opened.app_of_key(issued.secret) is None
    file, successor = keys.rotate(file, issued.id, NOW_MS)
    opened = saved(tmp_path / "other.json", file)
    assert opened.admin_token(issued.secret) is None
    assert opened.admin_token(successor.secret) is not None
    with pytest.raises(KeysError, match="no app belongs"):
        keys.add_admin_token(file, "stranger", NOW_MS)


def test_what_is_kept_of_an_apps_users_can_be_set(file: AccessFile) -> None:
    file = keys.set_app(file, "wx1", deny=("phone", "name:home_*"), retention_days=30)
    [app] = keys.set_app(file, "wx1", hash_openids=True).apps

    assert (app.deny, app.retention_days, app.hash_openids) == (("phone", "name:home_*"), 30, True)
    for wrong in ({"deny": ("phones",)}, {"retention_days": -1}):
        with pytest.raises(KeysError):
            keys.set_app(file, "wx1", **wrong)
