"""
Further checks of ``scenetrail doctor``: settings, memory, spool, a collector's answer, the rights of ClickHouse's users.

Called by ``doctor``; each function returns findings and changes nothing.
"""

from __future__ import annotations

import http.client
import os
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collector import settings
from collector.findings import Finding
from collector.local_clickhouse import EDITABLE
from collector.spool_folder import segments
from collector.spool_format import FILE_MAGIC

OLD_SEGMENT_S = 600.0
"""A segment is sealed after 30 s and stored at once; older ones wait for something."""
MIN_FIELD_BYTES = 16 * 1024**2
"""Of a query's value: a filter of 10,000 texts."""
_MEMORY_RATIO = 0.5
_TIMEOUT_S = 5.0


def check_settings(data_dir: Path) -> list[Finding]:
    """Read the collector's settings as it would here, and look at what follows from them."""
    try:
        config = settings.from_env()
    except ValueError as error:
        return [
            Finding(
                "settings",
                "problem",
                str(error),
                "correct the variable; `python -m collector --help` lists all of them",
                "请修正该环境变量；python -m collector --help 列出全部设置",
            )
        ]
    return [check_memory(config), check_spool(data_dir, config)]


def check_memory(config: settings.Settings) -> Finding:
    """Compare what the collector's limits allow with the memory of this machine."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = (
        config.workers * (config.pending_max_bytes + config.arriving_max_bytes)
        + config.dedup_filter_bytes
    )
    found = (
        f"{config.workers} workers may hold {_gib(most)} of bodies; this machine has {_gib(memory)}"
    )
    if most <= memory * _MEMORY_RATIO:
        return Finding("memory", "ok", found)
    return Finding(
        "memory",
        "warning",
        found,
        "lower SCENETRAIL_WORKERS, SCENETRAIL_PENDING_MAX_BYTES or SCENETRAIL_ARRIVING_MAX_BYTES",
        "请调低进程数或等待、接收中的字节上限",
    )


def check_spool(data_dir: Path, config: settings.Settings) -> Finding:
    """Compare the spool's limits with its disk, and look for what waits or is damaged in it."""
    folder = data_dir / "spool"
    paths = [path for worker in _workers(folder) for path in segments(worker)]
    used = sum(path.stat().st_size for path in paths)
    foreign = [path for path in paths if _is_foreign(path)]
    corrupt = list(folder.glob("corrupt-*.bin"))
    now_s = time.time()
    oldest_s = max((now_s - path.stat().st_mtime for path in paths), default=0.0)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    room = shutil.disk_usage(existing).free + used - config.spool_reserve_bytes
    found = f"{_gib(used)} in {len(paths)} files; at most {_gib(config.spool_max_bytes)} of {_gib(max(0, room))} usable"
    if foreign:
        return Finding(
            "spool",
            "problem",
            f"{foreign[0]} was written by another version of scenetrail",
            "start the version that wrote it; this one leaves the file alone",
            "该文件由其他版本写入：请启动对应版本，本版本不会动它",
        )
    if room <= 0:
        return Finding(
            "spool",
            "problem",
            f"the disk has less than SCENETRAIL_SPOOL_RESERVE_BYTES free: {found}",
            "free some space: the collector answers 503 until then",
            "请清理磁盘：在此之前采集端会返回 503",
        )
    if oldest_s > OLD_SEGMENT_S:
        return Finding(
            "spool",
            "warning",
            f"events wait for {oldest_s / 60:.0f} minutes: {found}",
            "see why ClickHouse does not take them: the writer's log says insert_failed; "
            "where no collector runs, start it",
            "事件滞留：请查看 writer 日志中的 insert_failed；若采集端未运行请启动",
        )
    if corrupt:
        return Finding(
            "spool",
            "warning",
            f"{len(corrupt)} files {folder}/corrupt-*.bin: bytes that were no whole record",
            "a kill leaves an unfinished record of a request that was never answered; anything more is "
            "the disk: check it, then delete the files",
            "进程被杀会留下未应答请求的残片；若不止于此请检查磁盘，之后删除这些文件",
        )
    if room < config.spool_max_bytes:
        return Finding(
            "spool",
            "warning",
            f"the disk is full before the spool is: {found}",
            "lower SCENETRAIL_SPOOL_MAX_BYTES, or give the data folder a larger disk",
            "磁盘会先于缓冲上限写满：请调低上限或扩容",
        )
    if config.spool_max_bytes // config.workers < 2 * config.spool_segment_bytes:
        return Finding(
            "spool",
            "warning",
            f"a worker's share of the spool holds less than two files: {found}",
            "raise SCENETRAIL_SPOOL_MAX_BYTES or lower SCENETRAIL_SPOOL_SEGMENT_BYTES",
            "单个进程的缓冲不足两个文件：请调高总上限或调低单文件大小",
        )
    return Finding("spool", "ok", found)


def check_collector(url: str) -> Finding:
    """Ask the collector whether it can store."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/readyz")
        answer = connection.getresponse()
        text = answer.read(1_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return Finding(
            "collector",
            "warning",
            f"no answer from {url}: {error}",
            "start it (`python -m collector` or `scenetrail up`), or name the right one with --collector-url",
            "请启动采集端，或用 --collector-url 指定地址",
        )
    finally:
        connection.close()
    if answer.status == 200:
        return Finding("collector", "ok", f"{url} can store")
    return Finding(
        "collector",
        "problem",
        f"{url} answers {answer.status}: {text[:200]}",
        "the message says what is in the way: disk, limit of the spool, or a stop under way",
        "应答内容说明原因：磁盘、缓冲上限或正在停止",
    )


def check_writer_rights(client: Any, database: str) -> Finding:  # noqa: ANN401 (clickhouse_connect's client)
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


def check_value_size(client: Any) -> Finding:  # noqa: ANN401
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


def check_editor_rights(client: Any, database: str) -> Finding:  # noqa: ANN401
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


def no_editor() -> Finding:
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


def _workers(folder: Path) -> list[Path]:
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return []
    return [path for path in folder.iterdir() if path.is_dir()]


def _is_foreign(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(len(FILE_MAGIC))
    return head[:-1] == FILE_MAGIC[:-1] and head[-1:] != FILE_MAGIC[-1:]


def _gib(size: float) -> str:
    return f"{size / 1024**3:.1f} GiB"
