"""
Checks of ``scenetrail doctor`` on this machine: folder, disk, open files, keys, settings, memory, spool, a collector's answer.

Called by ``doctor``; each function returns findings and changes nothing.
"""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from collector import settings
from collector.findings import LOW_DISK_BYTES, MIN_DISK_BYTES, Finding, Setup, of_amount
from collector.spool_folder import segments
from collector.spool_format import FILE_MAGIC
from sdk_spec import access, id_hashing

LOW_OPEN_FILES = 16_384
MIN_OPEN_FILES = 1_024
OLD_SEGMENT_S = 600.0
"""A segment is sealed after 30 s and stored at once; older ones wait for something."""
_MEMORY_RATIO = 0.5
_TIMEOUT_S = 5.0


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
    return of_amount(
        "disk",
        free,
        low=LOW_DISK_BYTES,
        least=MIN_DISK_BYTES,
        found=found,
        advice="free some space or move the data folder: the collector answers 503 when the spool is full",
        advice_zh="请清理磁盘或迁移数据目录：缓冲写满后采集端会返回 503",
    )


def check_open_files() -> Finding:
    """Compare the limit of open files with one per connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # `scenetrail up` raises the soft limit by itself.
    usable = hard if hard != resource.RLIM_INFINITY else 2**31
    found = f"soft {soft}, hard {hard}"
    return of_amount(
        "open_files",
        usable,
        low=LOW_OPEN_FILES,
        least=MIN_OPEN_FILES,
        found=found,
        advice="each client connection takes one: raise it with `ulimit -n 65536` "
        "or LimitNOFILE=65536 in systemd",
        advice_zh="每个连接占用一个文件句柄：请用 ulimit -n 65536 或 systemd 的 LimitNOFILE=65536 提高上限",
    )


def check_access_file(setup: Setup) -> Finding:
    """Tell whether the access file can be read, is private, and lets anybody in."""
    path = setup.access_path
    try:
        file = access.load(path)
        hash_key = id_hashing.key_of(setup.data_dir)
    except OSError as error:
        return Finding(
            "access_file",
            "problem",
            f"{error.filename or path}: {error.strerror}",
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
    if hash_key is not None:
        # With another one the same openid would be another person, so that people compare it.
        found += f"; {id_hashing.FILE} {id_hashing.key_id(hash_key)}, the same at every collector"
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
