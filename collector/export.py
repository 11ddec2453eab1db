"""
Events of an app as a Parquet file, written by ClickHouse itself: ``scenetrail export``. Called by ``commands``.

Every column as it is stored, each event once, and the phone (``phone_hash``) that it bound. The file has its name only when
it is whole: it is counted, read back at its end, and synced before.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from collector.sql import load_sql

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_CHUNK_BYTES = 1024 * 1024
_SETTINGS = {
    "do_not_merge_across_partitions_select_final": 1,
    "max_execution_time": 0,
    "output_format_parquet_string_as_string": 1,
}


class ExportError(Exception):
    """The file is not whole; the message says why."""


def export_events(client: Client, app_id: str, from_ms: int, to_ms: int, to: Path) -> int:
    """
    Write the events that happened from ``from_ms`` to before ``to_ms`` (epoch ms) and return how many.

    An existing file is replaced. Errors: ExportError, OSError, ClickHouse's own; nothing is left under the name then.
    """
    sql = load_sql("export.events")
    unborn = to.with_name(to.name + ".new")
    try:
        with unborn.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            with client.raw_stream(
                sql,
                parameters={"app_id": app_id, "from_ms": from_ms, "to_ms": to_ms},
                settings=_SETTINGS,
                fmt="Parquet",
            ) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        try:
            # An error in the middle of a stream ends the body early: then the end of the file does not check.
            rows = int(pq.read_metadata(unborn).num_rows)
        except pa.ArrowInvalid as error:
            raise ExportError(
                f"ClickHouse broke off: {error}; repeat it / 导出中断，请重试"
            ) from error
        unborn.replace(to)
    finally:
        unborn.unlink(missing_ok=True)
    return rows
