"""
Segments that are refreshed daily: a snapshot of each day of the segment's zone, taken once it has ended. Runs in the query API.

``refresh_due`` looks at all segments of all projects; the application calls it every few minutes, where an editor is set.
Several query APIs may do so: a snapshot taken twice is the same, and the newer counts. A day on which nothing ran is not
made up for, but any day can be taken by hand (``POST /v1/segments/{id}/snapshots``). Called by app.py.
"""

from __future__ import annotations

import asyncio
import time
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from query_api.clickhouse import Database
from query_api.editor import Editor
from query_api.errors import QueryError
from query_api.periods import local_day
from query_api.report import Row
from query_api.segments import NewSnapshot, Segments

LOOK_S = 300.0
FIRST_LOOK_S = 60.0
TAKEN_BY = "daily"
log = structlog.get_logger("query_api.segments")


async def refresh_due(
    database: Database, editor: Editor, apps: Mapping[str, list[str]], now_ms: int
) -> list[Row]:
    """
    Take the snapshots that are due and return them. One that fails is logged and tried again at the next call.

    ``apps``: app ids by project.
    """
    taken = []
    for project, app_ids in apps.items():
        segments = Segments(database, project, app_ids)
        for segment in await segments.all():
            if segment.refresh != "daily":
                continue
            zone = zoneinfo.ZoneInfo(segment.timezone)
            day = (local_day(now_ms, zone) - timedelta(days=1)).isoformat()
            if any(one["date"] == day for one in await segments.snapshots(segment)):
                continue
            try:
                body = NewSnapshot(date=day)
                row = await segments.take_snapshot(editor, segment, body, TAKEN_BY, now_ms)
            except QueryError as error:
                log.warning("refresh_failed", segment=segment.segment_id, error=error.code)
            else:
                taken.append({"segment_id": segment.segment_id, **row})
    return taken


async def refresh_for_ever(
    database: Database, editor: Editor, apps: Callable[[], Mapping[str, list[str]]]
) -> None:
    """Refresh what is due, every few minutes, until cancelled."""
    await asyncio.sleep(FIRST_LOOK_S)
    while True:
        try:
            taken = await refresh_due(database, editor, apps(), time.time_ns() // 1_000_000)
        except QueryError as error:
            log.warning("refresh_failed", error=error.code, retry_in_s=LOOK_S)
        else:
            if taken:
                log.info("segments_refreshed", snapshots=len(taken))
        await asyncio.sleep(LOOK_S)
