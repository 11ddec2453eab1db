"""
``scenetrail doctor``: checks what the collector and the query API need, and says what to do.

Called by ``commands``. Changes nothing. Each check is a function from a ``Setup`` to findings; one that
cannot be made is a problem with its reason, never silence. Messages are in English and Chinese.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from collector import doctor_cluster, doctor_parts, settings
from collector.clickhouse_urls import addresses, without_password
from collector.findings import Finding
from collector.running import published
from sdk_spec import access

OLDEST_CLICKHOUSE = (26, 3)
"""Long-term support, and the first with maps in buckets; the tests run on the version in requirements.lock."""
MAX_CLOCK_DIFFERENCE_MS = 2_000
LOW_DISK_BYTES = 10 * 1024**3
MIN_DISK_BYTES = 1024**3
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 (compared with, not bound to)
LOW_OPEN_FILES = 16_384
MIN_OPEN_FILES = 1_024


class Setup(Struct, frozen=True):
    """What is to be checked. Empty addresses: those of the running ``scenetrail up``."""

    data_dir: Path
    access_path: Path
    clickhouse_url: str = ""
    clickhouse_reader_url: str = ""
    clickhouse_editor_url: str = ""
    collector_url: str = ""


def examine(setup: Setup) -> list[Finding]:
    """Make every check, the quick local ones first."""
    setup = with_running_addresses(setup)
    findings = [
        check(setup) for check in (check_data_dir, check_disk, check_open_files, check_access_file)
    ]
    findings += doctor_parts.check_settings(setup.data_dir)
    findings.append(doctor_parts.check_collector(setup.collector_url or _collector_of_settings()))
    return findings + check_clickhouse(setup)


def _collector_of_settings() -> str:
    """Where a collector with the settings of this environment listens."""
    try:
        config = settings.from_env()
    except ValueError:  # told by check_settings
        config = settings.Settings()
    host = config.collector_host if config.collector_host not in _ANY_ADDRESS else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{config.collector_port}"


def with_running_addresses(setup: Setup) -> Setup:
    """Fill in the addresses that a running ``scenetrail up`` on this data folder has published."""
    ready = None if setup.clickhouse_url else published(setup.data_dir)
    if ready is None:
        return setup
    return msgspec.structs.replace(
        setup,
        clickhouse_url=ready.clickhouse_urls,
        clickhouse_reader_url=setup.clickhouse_reader_url or ready.clickhouse_reader_url,
        clickhouse_editor_url=setup.clickhouse_editor_url or ready.clickhouse_editor_url,
        collector_url=setup.collector_url or ready.collector_url,
    )


def check_data_dir(setup: Setup) -> Finding:
    """Tell whether the data folder exists and can be written."""
    folder = setup.data_dir
    if not folder.is_dir():
        return Finding(
            "data_dir",
            "problem",
            f"{folder} is not a folder",
            "create it, or name the right one with --data-dir or SCENETRAIL_DATA_DIR",
            "请创建该目录，或用 --data-dir / SCENETRAIL_DATA_DIR 指定正确的目录",
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "data_dir",
            "problem",
            f"{folder} cannot be written by user {os.getuid()}",
            f"run as its owner, or: chown -R $(id -u) '{folder}'",
            "请用目录所有者运行，或修改目录权限",
        )
    return Finding("data_dir", "ok", str(folder))


def check_disk(setup: Setup) -> Finding:
    """Compare the free space of the spool's disk with what an outage of ClickHouse may need."""
    folder = setup.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free for spool and data at {folder}"
    if free >= LOW_DISK_BYTES:
        return Finding("disk", "ok", found)
    return Finding(
        "disk",
        "problem" if free < MIN_DISK_BYTES else "warning",
        found,
        "free some space or move the data folder: the collector answers 503 when the spool is full",
        "请清理磁盘或迁移数据目录：缓冲写满后采集端会返回 503",
    )


def check_open_files(_: Setup) -> Finding:
    """Compare the limit of open files with one per connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # `scenetrail up` raises the soft limit by itself.
    usable = hard if hard != resource.RLIM_INFINITY else 2**31
    found = f"soft {soft}, hard {hard}"
    if usable >= LOW_OPEN_FILES:
        return Finding("open_files", "ok", found)
    return Finding(
        "open_files",
        "problem" if usable < MIN_OPEN_FILES else "warning",
        found,
        "each client connection takes one: raise it with `ulimit -n 65536` "
        "or LimitNOFILE=65536 in systemd",
        "每个连接占用一个文件句柄：请用 ulimit -n 65536 或 systemd 的 LimitNOFILE=65536 提高上限",
    )


def check_access_file(setup: Setup) -> Finding:
    """Tell whether the access file can be read, is private, and lets anybody in."""
    path = setup.access_path
    try:
        file = access.load(path)
    except OSError as error:
        return Finding(
            "access_file",
            "problem",
            f"{path}: {error.strerror}",
            "run as its owner, or name the right file with SCENETRAIL_ACCESS_FILE",
            "请用文件所有者运行，或用 SCENETRAIL_ACCESS_FILE 指定正确的文件",
        )
    except msgspec.DecodeError as error:
        return Finding(
            "access_file",
            "problem",
            f"{path} is damaged: {error}",
            "restore it from a backup, or delete it and issue keys again with `scenetrail keys`",
            "请从备份恢复，或删除后用 scenetrail keys 重新签发",
        )
    live = [key for key in file.write_keys if not key.revoked_at]
    tokens = [token for token in file.read_tokens if not token.revoked_at]
    found = f"{path}: {len(file.apps)} apps, {len(live)} write keys, {len(tokens)} read tokens"
    if not live or not tokens:
        return Finding(
            "access_file",
            "warning",
            found,
            "without a write key nobody can send, without a read token nobody can ask: "
            "`scenetrail keys create --help`",
            "缺少写入密钥或读取令牌：请用 scenetrail keys create 签发",
        )
    if path.stat().st_mode & 0o077:
        return Finding(
            "access_file",
            "warning",
            f"{path} can be read by other users",
            f"chmod 600 '{path}'",
            "请执行 chmod 600，避免其他用户读取",
        )
    return Finding("access_file", "ok", found)


def check_clickhouse(setup: Setup) -> list[Finding]:
    """Connect as writer and as reader; check version, schema, clock, disk and rights."""
    if not setup.clickhouse_url:
        return [
            Finding(
                "clickhouse",
                "problem",
                f"no address, and no running `scenetrail up` on {setup.data_dir}",
                "start `scenetrail up`, or give --clickhouse-url or SCENETRAIL_CLICKHOUSE_URL",
                "请先启动 scenetrail up，或提供 --clickhouse-url / SCENETRAIL_CLICKHOUSE_URL",
            )
        ]
    found = [
        (without_password(url), _check_node(msgspec.structs.replace(setup, clickhouse_url=url)))
        for url in addresses(setup.clickhouse_url)
    ]
    findings = doctor_cluster.of_all_nodes(found) + _check_cluster(setup.clickhouse_url)
    is_writer = setup.clickhouse_reader_url == setup.clickhouse_url
    for name, urls, check in (
        ("reader", "" if is_writer else setup.clickhouse_reader_url, _check_reader),
        ("editor", setup.clickhouse_editor_url, _check_editor),
    ):
        findings += doctor_cluster.of_all_nodes(
            [
                (
                    without_password(url),
                    check(msgspec.structs.replace(setup, **{f"clickhouse_{name}_url": url})),
                )
                for url in addresses(urls)
            ]
        )
    return findings


def _check_cluster(url: str) -> list[Finding]:
    """Look at the nodes that answer as one cluster; that one does not was told before."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.migrate import connect  # noqa: PLC0415

    nodes, names = [], []
    try:
        for each in addresses(url):
            with contextlib.suppress(ClickHouseError):
                nodes.append(connect(each))
                names.append(without_password(each))
        return doctor_cluster.check_cluster(nodes, names) if nodes else []
    except ClickHouseError as error:
        return [_unreachable("cluster", url, error)]
    finally:
        for node in nodes:
            node.close()


def _check_node(setup: Setup) -> list[Finding]:
    """The checks of one server, with the writer's rights."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.migrate import connect  # noqa: PLC0415

    try:
        client = connect(setup.clickhouse_url.rpartition("/")[0])
    except ClickHouseError as error:
        return [_unreachable("clickhouse", setup.clickhouse_url, error)]
    findings = []
    database = setup.clickhouse_url.rpartition("/")[2]
    try:
        checks: tuple[tuple[str, Callable[[Any, Setup], Finding]], ...] = (
            ("clickhouse", _check_version),
            ("schema", _check_schema),
            ("clock", _check_clock),
            ("clickhouse_disk", _check_clickhouse_disk),
            ("writer", lambda client, _: doctor_parts.check_writer_rights(client, database)),
        )
        for name, check in checks:
            try:
                findings.append(check(client, setup))
            except ClickHouseError as error:
                findings.append(_unreachable(name, setup.clickhouse_url, error))
    finally:
        client.close()
    return findings


def _check_editor(setup: Setup) -> list[Finding]:
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.migrate import connect  # noqa: PLC0415

    if not setup.clickhouse_editor_url:
        return [doctor_parts.no_editor()]
    try:
        client = connect(setup.clickhouse_editor_url)
        try:
            database = setup.clickhouse_editor_url.rpartition("/")[2]
            return [doctor_parts.check_editor_rights(client, database)]
        finally:
            client.close()
    except ClickHouseError as error:
        return [_unreachable("editor", setup.clickhouse_editor_url, error)]


def _check_version(client: Any, _: Setup) -> Finding:  # noqa: ANN401
    text = str(client.command("SELECT version()"))
    version = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if version >= OLDEST_CLICKHOUSE:
        return Finding("clickhouse", "ok", f"version {text}")
    oldest = ".".join(str(part) for part in OLDEST_CLICKHOUSE)
    return Finding(
        "clickhouse",
        "problem",
        f"version {text}",
        f"upgrade ClickHouse to {oldest} or newer",
        f"请将 ClickHouse 升级到 {oldest} 或更新版本",
    )


def _check_schema(client: Any, setup: Setup) -> Finding:  # noqa: ANN401
    from collector.migrate import files  # noqa: PLC0415

    database = {"database": setup.clickhouse_url.rpartition("/")[2]}
    recorded = client.command(
        "SELECT count() FROM system.tables"
        " WHERE database = {database:String} AND name = 'migrations'",
        parameters=database,
    )
    done: dict[str, str] = {}
    if int(recorded):
        query = "SELECT name, sha256 FROM {database:Identifier}.migrations FINAL"
        done = dict(client.query(query, parameters=database).result_rows)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files()}
    missing = [name for name in digests if name not in done]
    changed = [name for name in digests if name in done and done[name] != digests[name]]
    unknown = sorted(set(done) - set(digests))
    if changed or unknown:
        return Finding(
            "schema",
            "problem",
            f"of another version of scenetrail: {' '.join(changed + unknown)}",
            "use the version that made this database, or another database",
            "数据库由其他版本创建：请使用对应版本，或更换数据库",
        )
    if missing:
        return Finding(
            "schema",
            "problem",
            f"not applied yet: {' '.join(missing)}",
            "run `scenetrail migrate`",
            "请执行 scenetrail migrate",
        )
    return Finding("schema", "ok", f"{len(done)} migrations applied")


def _check_clock(client: Any, _: Setup) -> Finding:  # noqa: ANN401
    before = time.time_ns()
    theirs_ms = int(client.command("SELECT toUnixTimestamp64Milli(now64(3))"))
    after = time.time_ns()
    # The answer was made between the two: their middle is wrong by at most half the round trip.
    difference_ms = theirs_ms - (before + after) // 2_000_000
    found = f"ClickHouse is {difference_ms:+d} ms from this machine"
    if abs(difference_ms) - (after - before) // 2_000_000 <= MAX_CLOCK_DIFFERENCE_MS:
        return Finding("clock", "ok", found)
    return Finding(
        "clock",
        "problem",
        found,
        "synchronise both machines (chrony or systemd-timesyncd)",
        "请同步两台机器的时钟（chrony 或 systemd-timesyncd）",
    )


def _check_clickhouse_disk(client: Any, _: Setup) -> Finding:  # noqa: ANN401
    rows = client.query("SELECT name, free_space FROM system.disks ORDER BY free_space").result_rows
    name, free = rows[0] if rows else ("?", 0)
    found = f"{free / 1024**3:.1f} GiB free on ClickHouse's disk {name!r}"
    if free >= LOW_DISK_BYTES:
        return Finding("clickhouse_disk", "ok", found)
    return Finding(
        "clickhouse_disk",
        "problem" if free < MIN_DISK_BYTES else "warning",
        found,
        "add space, or drop old partitions of the events table",
        "请扩容，或删除 events 表的旧分区",
    )


def _check_reader(setup: Setup) -> list[Finding]:
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.migrate import connect  # noqa: PLC0415

    if not setup.clickhouse_reader_url:
        return [
            Finding(
                "reader",
                "warning",
                "queries run with the writer's rights",
                "give the query API a user with readonly=2 and SELECT on this database only: "
                "SCENETRAIL_CLICKHOUSE_READER_URL",
                "请为查询服务配置只读账号：SCENETRAIL_CLICKHOUSE_READER_URL",
            )
        ]
    try:
        client = connect(setup.clickhouse_reader_url)
    except ClickHouseError as error:
        return [_unreachable("reader", setup.clickhouse_reader_url, error)]
    try:
        client.command("SELECT count() FROM scenes")
        readonly = int(client.command("SELECT getSetting('readonly')"))
        value_size = doctor_parts.check_value_size(client)
    except ClickHouseError as error:
        return [_unreachable("reader", setup.clickhouse_reader_url, error)]
    finally:
        client.close()
    if readonly:
        return [Finding("reader", "ok", "can read and cannot write"), value_size]
    reader = Finding(
        "reader",
        "warning",
        "the query API's user may write",
        "set readonly=2 in its profile",
        "请在该账号的 profile 中设置 readonly=2",
    )
    return [reader, value_size]


def _unreachable(check: str, url: str, error: Exception) -> Finding:
    return Finding(
        check,
        "problem",
        f"{without_password(url)}: {without_password(str(error).splitlines()[0])[:300]}",
        "start ClickHouse; check address, user, password and grants",
        "请启动 ClickHouse，并检查地址、账号、密码与授权",
    )
