"""
Settings of the query API from ``SCENETRAIL_*`` environment variables. The only module that reads the environment.

``TABLE`` is what ``--help`` prints and what the README's table is compared with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Setting(Struct, frozen=True):
    """One variable: its name, default, unit and meaning."""

    variable: str
    default: str
    unit: str
    meaning: str


TABLE: dict[str, Setting] = {
    "host": Setting("SCENETRAIL_QUERY_HOST", "127.0.0.1", "address", "Where to listen"),
    "port": Setting(
        "SCENETRAIL_QUERY_PORT", "8720", "TCP port", "Where to listen; 0 picks a free port"
    ),
    "data_dir": Setting("SCENETRAIL_DATA_DIR", "data", "path", "Folder of the installation"),
    "access_file": Setting(
        "SCENETRAIL_ACCESS_FILE",
        "",
        "path",
        "Keys and tokens; empty: access.json in the data folder",
    ),
    "clickhouse_reader_url": Setting(
        "SCENETRAIL_CLICKHOUSE_READER_URL",
        "http://reader@127.0.0.1:8123/scenetrail",
        "URL",
        "ClickHouse over HTTP with a read-only user and the database; several nodes by comma",
    ),
    "clickhouse_editor_url": Setting(
        "SCENETRAIL_CLICKHOUSE_EDITOR_URL",
        "",
        "URL",
        "The same with a user that may also insert what people change; empty: what changes something answers 503",
    ),
    "collector_url": Setting(
        "SCENETRAIL_QUERY_COLLECTOR_URL",
        "",
        "URL",
        "Collector through which refused events are sent again; empty: they cannot be, from here",
    ),
    "connect_timeout_s": Setting(
        "SCENETRAIL_QUERY_CONNECT_TIMEOUT_S", "5", "s", "To reach ClickHouse"
    ),
    "max_execution_time_s": Setting(
        "SCENETRAIL_QUERY_MAX_EXECUTION_TIME_S", "60", "s", "Of one SQL query; then 422 query_limit"
    ),
    "max_memory_bytes": Setting(
        "SCENETRAIL_QUERY_MAX_MEMORY_BYTES",
        "4294967296",
        "bytes",
        "Of one SQL query in ClickHouse; sorting and grouping use the disk from half of it on",
    ),
    "max_result_rows": Setting(
        "SCENETRAIL_QUERY_MAX_RESULT_ROWS", "1000000", "rows", "Of one SQL query's answer"
    ),
    "max_concurrent_queries": Setting(
        "SCENETRAIL_QUERY_MAX_CONCURRENT_QUERIES", "8", "queries", "At once; others wait"
    ),
    "join_algorithm": Setting(
        "SCENETRAIL_QUERY_JOIN_ALGORITHM",
        "hash",
        "name",
        "Of ClickHouse: hash costs the least CPU; parallel_hash builds on all cores, for tens of millions of ids",
    ),
    "schema_cache_s": Setting(
        "SCENETRAIL_QUERY_SCHEMA_CACHE_S",
        "30",
        "s",
        "How long /v1/events/schema answers from memory",
    ),
    "drain_timeout_s": Setting(
        "SCENETRAIL_QUERY_DRAIN_TIMEOUT_S", "20", "s", "For running requests after SIGTERM"
    ),
    "log_level": Setting("SCENETRAIL_LOG_LEVEL", "info", "name", "debug, info, warning or error"),
    "parent_pid": Setting(
        "SCENETRAIL_PARENT_PID", "0", "process id", "Ends when this parent is gone; 0: no parent"
    ),
}


class Settings(Struct, frozen=True, kw_only=True):
    """The values of TABLE with their types."""

    host: str = TABLE["host"].default
    port: int = int(TABLE["port"].default)
    data_dir: Path = Path(TABLE["data_dir"].default)
    access_file: Path = Path(TABLE["data_dir"].default) / "access.json"
    clickhouse_reader_url: str = TABLE["clickhouse_reader_url"].default
    clickhouse_editor_url: str = TABLE["clickhouse_editor_url"].default
    collector_url: str = TABLE["collector_url"].default
    connect_timeout_s: float = float(TABLE["connect_timeout_s"].default)
    max_execution_time_s: int = int(TABLE["max_execution_time_s"].default)
    max_memory_bytes: int = int(TABLE["max_memory_bytes"].default)
    max_result_rows: int = int(TABLE["max_result_rows"].default)
    max_concurrent_queries: int = int(TABLE["max_concurrent_queries"].default)
    join_algorithm: str = TABLE["join_algorithm"].default
    schema_cache_s: float = float(TABLE["schema_cache_s"].default)
    drain_timeout_s: float = float(TABLE["drain_timeout_s"].default)
    log_level: str = TABLE["log_level"].default
    parent_pid: int = int(TABLE["parent_pid"].default)


class SettingsError(ValueError):
    """A variable has a value that cannot be used; the message names it, not its value."""


def from_env(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Errors: SettingsError naming the variable."""
    environment = os.environ if environment is None else environment

    def text(name: str) -> str:
        return environment.get(TABLE[name].variable) or TABLE[name].default

    def whole(name: str, least: int = 0) -> int:
        try:
            value = int(text(name))
        except ValueError as error:
            raise SettingsError(f"{TABLE[name].variable} must be a whole number") from error
        if value < least:
            raise SettingsError(f"{TABLE[name].variable} must be at least {least}")
        return value

    def seconds(name: str) -> float:
        try:
            value = float(text(name))
        except ValueError as error:
            raise SettingsError(f"{TABLE[name].variable} must be a number of seconds") from error
        if not 0 <= value < 1e6:
            raise SettingsError(f"{TABLE[name].variable} must be a number of seconds")
        return value

    data_dir = Path(text("data_dir"))
    if text("log_level") not in ("debug", "info", "warning", "error"):
        raise SettingsError(f"{TABLE['log_level'].variable} must be debug, info, warning or error")
    if text("join_algorithm") not in ("hash", "parallel_hash", "grace_hash"):
        raise SettingsError(
            f"{TABLE['join_algorithm'].variable} must be hash, parallel_hash or grace_hash"
        )
    return Settings(
        host=text("host"),
        port=whole("port"),
        data_dir=data_dir,
        access_file=Path(text("access_file")) if text("access_file") else data_dir / "access.json",
        clickhouse_reader_url=text("clickhouse_reader_url"),
        clickhouse_editor_url=text("clickhouse_editor_url"),
        collector_url=text("collector_url"),
        connect_timeout_s=seconds("connect_timeout_s"),
        max_execution_time_s=whole("max_execution_time_s", 1),
        max_memory_bytes=whole("max_memory_bytes", 1),
        max_result_rows=whole("max_result_rows", 1),
        max_concurrent_queries=whole("max_concurrent_queries", 1),
        join_algorithm=text("join_algorithm"),
        schema_cache_s=seconds("schema_cache_s"),
        drain_timeout_s=seconds("drain_timeout_s"),
        log_level=text("log_level"),
        parent_pid=whole("parent_pid"),
    )
