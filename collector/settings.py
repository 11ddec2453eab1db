"""
Settings of the collector: every ``SCENETRAIL_*`` variable it reads, with unit and default. The only reader of the environment.

The table in ``collector/README.md`` is compared with this Struct by a test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.addresses import parse_networks
from sdk_spec import access, limits

PREFIX = "SCENETRAIL_"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; a variable is the prefix and the field's name in capitals."""

    data_dir: Annotated[str, Meta(description="Folder of spool, locks and secrets.")] = "data"
    collector_host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    collector_port: Annotated[int, Meta(description="TCP port; 0 picks a free one.")] = 8710
    workers: Annotated[int, Meta(ge=1, le=64, description="Worker processes on the port.")] = 1
    worker_index: Annotated[int, Meta(description="Which worker this is; set by the parent.")] = 0
    clickhouse_url: Annotated[
        str,
        Meta(
            description="ClickHouse with the writer's credentials and the database; several nodes by comma."
        ),
    ] = "http://default:@127.0.0.1:8123/scenetrail"
    clickhouse_cluster: Annotated[
        str,
        Meta(description="Cluster over which scenetrail migrate spreads the tables; empty: none."),
    ] = ""
    access_file: Annotated[
        str,
        Meta(description="File of apps, keys and tokens; empty: access.json in the data folder."),
    ] = ""
    spool_max_bytes: Annotated[
        int, Meta(ge=1_000_000, description="Bytes of spool of all workers; above it 503.")
    ] = 20_000_000_000
    spool_segment_bytes: Annotated[
        int, Meta(ge=100_000, description="Bytes after which a new spool file begins.")
    ] = 64_000_000
    spool_reserve_bytes: Annotated[
        int, Meta(ge=0, description="Bytes of disk that stay free; below it 503.")
    ] = 500_000_000
    pending_max_bytes: Annotated[
        int, Meta(ge=1_000_000, description="Bytes of a worker that wait for the disk; above 503.")
    ] = 64_000_000
    arriving_max_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            description="Bytes of a worker's bodies that still arrive; above it the largest get 503.",
        ),
    ] = 128_000_000
    max_clock_skew_ms: Annotated[
        int, Meta(ge=1_000, description="ms that a client's clock may differ unshifted.")
    ] = limits.MAX_CLOCK_SKEW_MS
    body_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds in which a body must arrive; else 408.")
    ] = 20.0
    keepalive_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds an idle connection or a slow header may last.")
    ] = 30.0
    recent_ids: Annotated[
        int, Meta(ge=0, description="Event ids a worker remembers to recognise duplicates.")
    ] = 200_000
    dedup_filter_bytes: Annotated[
        int,
        Meta(ge=1_000, description="Bytes of the writer's filter of stored ids: 1.25 an event."),
    ] = 64_000_000
    block_rows: Annotated[int, Meta(ge=1, description="Events in one insert, at most about.")] = (
        50_000
    )
    flush_interval_ms: Annotated[
        int, Meta(ge=1, description="ms between inserts while fewer events wait.")
    ] = 500
    insert_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to wait for ClickHouse's answer to an insert.")
    ] = 300.0
    retention_interval_s: Annotated[
        float,
        Meta(
            gt=0, description="Seconds between two rounds of upkeep: what apps keep no longer goes."
        ),
    ] = 3_600.0
    rate_limit_events: Annotated[
        int, Meta(ge=0, description="Events a second of one app and worker; 0: no limit; else 429.")
    ] = 0
    signature_window_ms: Annotated[
        int, Meta(ge=1_000, description="ms that the time of a signature may differ from ours.")
    ] = 300_000
    trusted_proxies: Annotated[
        str,
        Meta(description="Networks whose X-Forwarded-For is believed, by comma; empty: nobody's."),
    ] = ""
    bad_keys_per_minute: Annotated[
        int,
        Meta(
            ge=0, description="Refused keys of a network (/24, /48) and worker; more: 429. 0: any."
        ),
    ] = 0
    cors_origins: Annotated[
        str, Meta(description="Origins that may send from a browser, by comma; * for any.")
    ] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"

    @property
    def spool_dir(self) -> Path:
        """One folder per worker lies in here, and the writer's checkpoint."""
        return Path(self.data_dir) / "spool"

    @property
    def access_path(self) -> Path:
        """The access file."""
        return access.path_of(Path(self.data_dir), self.access_file)


def from_env(environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read the settings.

    Errors: ValueError naming the variable and what it must be.
    """
    source = os.environ if environ is None else environ
    given = {
        field.name: source[PREFIX + field.name.upper()]
        for field in msgspec.structs.fields(Settings)
        if source.get(PREFIX + field.name.upper())
    }
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        for name in given:
            text = text.replace(f"`$.{name}`", PREFIX + name.upper())
        raise ValueError(f"wrong setting: {text}") from error
    try:
        parse_networks(settings.trusted_proxies)
    except ValueError as error:
        raise ValueError(f"wrong setting: {error} - at {PREFIX}TRUSTED_PROXIES") from error
    return settings


def help_text() -> str:
    """The table of settings for ``--help``."""
    lines = [
        "python -m collector takes no arguments; the commands are those of scenetrail --help.",
        "Settings (environment variables):",
        "",
    ]
    for field in msgspec.structs.fields(Settings):
        meta = next(m for m in field.type.__metadata__ if isinstance(m, Meta))
        lines.append(f"  {PREFIX}{field.name.upper()} = {field.default!r}")
        lines.append(f"      {meta.description}")
    return "\n".join(lines)
