"""
Checks of ``scenetrail doctor`` on ClickHouse: version, schema, clock, disk, and the rights of its users; of every node.

Called by ``doctor``. ClickHouse's client is imported when a check runs, so that ``scenetrail --help`` does not load it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable
from typing import Any

import msgspec

from collector import doctor_cluster
from collector.clickhouse_urls import addresses, without_password
from collector.findings import LOW_DISK_BYTES, MIN_DISK_BYTES, Finding, Setup, of_amount
from collector.local_clickhouse import EDITABLE

OLDEST_CLICKHOUSE = (26, 3)
"""Long-term support, and the first with maps in buckets; the tests run on the version in requirements.lock."""
MAX_CLOCK_DIFFERENCE_MS = 2_000
MIN_FIELD_BYTES = 16 * 1024**2
"""Of a query's value: a filter of 10,000 texts."""


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
            ("writer", lambda client, _: _check_writer_rights(client, database)),
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
        return [_no_editor()]
    try:
        client = connect(setup.clickhouse_editor_url)
        try:
            database = setup.clickhouse_editor_url.rpartition("/")[2]
            return [_check_editor_rights(client, database)]
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
    return of_amount(
        "clickhouse_disk",
        free,
        low=LOW_DISK_BYTES,
        least=MIN_DISK_BYTES,
        found=found,
        advice="add space, or drop old partitions of the events table",
        advice_zh="请扩容，或删除 events 表的旧分区",
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
        value_size = _check_value_size(client)
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


def _check_writer_rights(client: Any, database: str) -> Finding:  # noqa: ANN401 (clickhouse_connect's client)
    """Ask whether the writer may do what migrations and inserts need."""
    needed = ("SELECT", "INSERT", "CREATE TABLE", "ALTER TABLE", "DROP TABLE")
    lacking = [right for right in needed if not _may(client, right, f"{database}.*")]
    if not lacking:
        return Finding("writer", "ok", f"may read, insert and migrate {database}")
    return Finding(
        "writer",
        "problem",
        f"lacks {', '.join(lacking)} on {database}.*",
        f"GRANT ALL ON {database}.* to it; collector/deploy/clickhouse-users.xml has all users",
        "请授予该账号整个库的权限；参见 collector/deploy/clickhouse-users.xml",
    )


def _check_value_size(client: Any) -> Finding:  # noqa: ANN401
    """Look at the largest value of a query that the server takes over HTTP."""
    size = int(client.command("SELECT toUInt64(getSetting('http_max_field_value_size'))"))
    found = f"values of queries up to {size:,} bytes"
    if size >= MIN_FIELD_BYTES:
        return Finding("value_size", "ok", found)
    return Finding(
        "value_size",
        "warning",
        found,
        f"set http_max_field_value_size to {MIN_FIELD_BYTES} in the default profile of ClickHouse: filters with "
        "thousands of values fail without it",
        f"请在 ClickHouse 的 default profile 中将 http_max_field_value_size 设为 {MIN_FIELD_BYTES}，否则大型筛选会失败",
    )


def _check_editor_rights(client: Any, database: str) -> Finding:  # noqa: ANN401
    """Ask whether the editor may insert what people change, and nothing else."""
    lacking = [table for table in EDITABLE if not _may(client, "INSERT", f"{database}.{table}")]
    if lacking:
        return Finding(
            "editor",
            "problem",
            f"may not insert into {', '.join(lacking)}",
            "grant INSERT on them, as collector/deploy/clickhouse-users.xml does",
            "请按 collector/deploy/clickhouse-users.xml 授予 INSERT 权限",
        )
    if _may(client, "INSERT", f"{database}.events"):
        return Finding(
            "editor",
            "warning",
            "may also insert events",
            "give the query API a user that may insert into the tables people change only",
            "请为查询服务改用仅可写编辑类表的账号",
        )
    return Finding("editor", "ok", "may insert what people change, and no events")


def _no_editor() -> Finding:
    """What to say where no editor is named."""
    return Finding(
        "editor",
        "warning",
        "no address: segments, unbinding and sending refused events again answer 503",
        "give the query API SCENETRAIL_CLICKHOUSE_EDITOR_URL with the user `editor`",
        "请为查询服务配置 SCENETRAIL_CLICKHOUSE_EDITOR_URL（账号 editor）",
    )


def _may(client: Any, right: str, on: str) -> bool:  # noqa: ANN401
    """Whether the client's user has a right; ``on`` is a name of ours or of the operator's address."""
    database, _, table = on.partition(".")
    name = "*" if table == "*" else f"`{table}`"
    return bool(int(client.command(f"CHECK GRANT {right} ON `{database}`.{name}")))


def _unreachable(check: str, url: str, error: Exception) -> Finding:
    return Finding(
        check,
        "problem",
        f"{without_password(url)}: {without_password(str(error).splitlines()[0])[:300]}",
        "start ClickHouse; check address, user, password and grants",
        "请启动 ClickHouse，并检查地址、账号、密码与授权",
    )
