"""The configuration written for a local ClickHouse; that it serves is shown by every other test."""

import stat
import xml.etree.ElementTree as ET
from pathlib import Path

from collector.local_clickhouse import prepare


def config(folder: Path) -> ET.Element:
    return ET.parse(folder / "config.xml").getroot()  # noqa: S314


def test_any_path_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "a & b <c> 数据" / "clickhouse"

    prepare(folder, 1, 2)

    assert config(folder).findtext("path") == f"{folder}/store/"


def test_files_with_passwords_are_private(tmp_path: Path) -> None:
    prepare(tmp_path / "clickhouse", 1, 2)

    for name in ("clickhouse/config.xml", "clickhouse/users.xml", "clickhouse-writer.secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_passwords_stay_over_a_restart_and_stand_in_no_file_of_users(tmp_path: Path) -> None:
    first = prepare(tmp_path / "clickhouse", 1, 2)

    again = prepare(tmp_path / "clickhouse", 3, 4)

    assert again.writer_password == first.writer_password
    assert again.reader_password == first.reader_password
    assert first.writer_password not in (tmp_path / "clickhouse" / "users.xml").read_text()


def test_single_server_has_no_cluster(tmp_path: Path) -> None:
    prepare(tmp_path / "clickhouse", 1, 2)

    assert config(tmp_path / "clickhouse").find("remote_servers") is None


def test_servers_of_a_cluster_know_all_shards_and_share_passwords_and_secret(
    tmp_path: Path,
) -> None:
    servers = [
        prepare(tmp_path / f"clickhouse-{index}", 10 + index, 20 + index, {"two": (20, 21)})
        for index in range(2)
    ]

    secrets = set()
    for index in range(2):
        clusters = config(tmp_path / f"clickhouse-{index}").find("remote_servers")
        assert clusters is not None
        shards = clusters.findall("two/shard")
        copies = clusters.findall("two_copies/shard")
        secrets |= {clusters.findtext("two/secret"), clusters.findtext("two_copies/secret")}
        assert [shard.findtext("replica/port") for shard in shards] == ["20", "21"]
        assert [[port.text for port in shard.findall("replica/port")] for shard in copies] == [
            ["20", "21"]
        ]
        assert copies[0].findtext("internal_replication") == "false"
    assert len(secrets) == 1
    assert servers[0].writer_password == servers[1].writer_password
    assert secrets.isdisjoint({None, "", servers[0].writer_password})
