"""
What was seen: event names and properties of some apps, with counts, types, first and last time. For query builders.

Events are counted over all of history, properties over the last ``PROPERTIES_DAYS`` days before the newest event. Answers
come from memory for ``SCENETRAIL_QUERY_SCHEMA_CACHE_S`` seconds.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from query_api.clickhouse import Database
from query_api.periods import DAY_MS, rfc3339
from query_api.report import Row
from query_api.sql import load_sql

PROPERTIES_DAYS = 30
MAX_NAMES = 5_000
"""Event names, and (event, property, type) rows, in one answer; beyond it ``truncated`` is true."""
MAX_CACHED = 100
"""Sets of apps kept in memory."""


async def read(database: Database, app_ids: list[str]) -> Row:
    """Read the schema of these apps from ClickHouse."""
    query_id = uuid.uuid4().hex
    parameters = {"app_ids": app_ids, "max_rows": MAX_NAMES + 1}
    events = await database.fetch(
        "event_schema.events", load_sql("event_schema.events"), parameters, f"{query_id}-1"
    )
    newest_ms = max((row["last_ms"] for row in events.rows), default=0)
    since_ms = max(0, newest_ms - PROPERTIES_DAYS * DAY_MS)
    properties = await database.fetch(
        "event_schema.properties",
        load_sql("event_schema.properties"),
        {**parameters, "since_ms": since_ms},
        f"{query_id}-2",
    )
    by_event: dict[str, dict[str, Row]] = {}
    for row in properties.rows[:MAX_NAMES]:
        by_type = {"type": row["type"], "events": row["events"], **_seen(row)}
        by_name = by_event.setdefault(row["event"], {})
        name = row["property"]
        by_name.setdefault(name, {"property": name, "field": f"properties.{name}", "types": []})[
            "types"
        ].append(by_type)
    return {
        "result": {
            "events": [
                {
                    "event": row["event"],
                    "events": row["events"],
                    **_seen(row),
                    "platforms": row["platforms"],
                    "properties": list(by_event.get(row["event"], {}).values()),
                }
                for row in events.rows[:MAX_NAMES]
            ]
        },
        "semantics": {
            "app_ids": app_ids,
            "events": "all of history, each event once",
            "properties": f"events of the last {PROPERTIES_DAYS} days before the newest one",
            "properties_since": rfc3339(since_ms),
            "types": "of the JSON values; a property may have several",
        },
        "meta": {
            "query_id": query_id,
            "elapsed_ms": round(events.elapsed_ms + properties.elapsed_ms),
            "rows_read": events.rows_read + properties.rows_read,
            "truncated": len(events.rows) > MAX_NAMES or len(properties.rows) > MAX_NAMES,
            "warnings": [],
        },
    }


def _seen(row: Row) -> Row:
    return {"first_seen": rfc3339(row["first_ms"]), "last_seen": rfc3339(row["last_ms"])}


class SchemaCache:
    """Schemas read a short time ago, by set of apps. One read at a time; others wait for its answer."""

    def __init__(self, database: Database, keep_s: float, clock: Callable[[], float]) -> None:
        self._database = database
        self._keep_s = keep_s
        self._clock = clock
        self._kept: dict[tuple[str, ...], tuple[float, Row]] = {}
        self._lock = asyncio.Lock()

    async def get(self, app_ids: tuple[str, ...]) -> Row:
        """Return the schema of these apps, at most ``keep_s`` seconds old."""
        async with self._lock:
            kept = self._kept.get(app_ids)
            if kept is not None and self._clock() - kept[0] < self._keep_s:
                return kept[1]
            schema = await read(self._database, list(app_ids))
            if len(self._kept) >= MAX_CACHED:
                self._kept.clear()
            self._kept[app_ids] = (self._clock(), schema)
            return schema
