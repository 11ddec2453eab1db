"""
Events as they arrive: the newest ones with their fate (live, 实时), and what is wrong with the rest (quality, 数据质量).

Reads by arrival time, as the reports never do. Called by console/handlers.py.
"""

from __future__ import annotations

import asyncio
import uuid

from query_api.clickhouse import Database
from query_api.periods import DAY_MS, rfc3339
from query_api.report import Row
from query_api.sql import load_sql

LIVE_EVENTS = 100
LIVE_MS = 3_600_000
"""How far back live events go, by arrival."""
LIVE_OCCURRED_MS = 7 * DAY_MS
"""Older events are not looked for: they lie in other partitions."""
MAX_DAYS = 90


async def live(database: Database, app_ids: list[str], now_ms: int) -> Row:
    """Return the newest events of the last hour, accepted and refused, newest first."""
    parameters = {
        "app_ids": app_ids,
        "since_ms": now_ms - LIVE_MS,
        "occurred_since_ms": now_ms - LIVE_OCCURRED_MS,
        "max_rows": LIVE_EVENTS,
    }
    accepted, refused = await asyncio.gather(
        _fetch(database, "console.live_accepted", parameters),
        _fetch(database, "console.live_refused", parameters),
    )
    rows = [
        *({"fate": "accepted", "code": "", "path": "", "message": "", **row} for row in accepted),
        *({"fate": "refused", **row} for row in refused),
    ]
    rows.sort(key=lambda row: row["received_ms"], reverse=True)
    return {
        "result": {"events": rows[:LIVE_EVENTS], "now_ms": now_ms},
        "semantics": {
            "app_ids": app_ids,
            "events": f"the newest {LIVE_EVENTS} that arrived within the last hour",
            "accepted": "stored; not older than 7 days when they arrived",
            "refused": "kept as dead letters with the reason",
        },
    }


async def quality(
    database: Database, app_ids: list[str], project: str, now_ms: int, days: int
) -> Row:
    """Return what the last days' events and refusals tell about the tracking."""
    since_ms = now_ms - days * DAY_MS
    parameters = {"app_ids": app_ids, "since_ms": since_ms}
    refused, arrived, conflicts = await asyncio.gather(
        _fetch(database, "console.quality_refused", parameters),
        _fetch(database, "console.quality_arrived", parameters),
        _fetch(database, "console.quality_conflicts", {"project": project, "since_ms": since_ms}),
    )
    return {
        "result": {"refused": refused, "arrived": arrived, "identity_conflicts": conflicts},
        "semantics": {
            "app_ids": app_ids,
            "received_since": rfc3339(since_ms),
            "refused": "by app, code and field, with the latest example; redriven: sent again after repair",
            "lag_ms": "arrival minus corrected time of the event, quantiles over the events that arrived since then",
            "clock": "ok; shifted: the whole batch was moved by the measured offset; future: stored at its arrival",
            "copies": "rows that repeat an event already stored; they count once in every report",
            "identity_conflicts": "bindings that would have merged two user_ids, two unionids or two openids of one app",
        },
    }


async def _fetch(database: Database, name: str, parameters: Row) -> list[Row]:
    fetched = await database.fetch(name, load_sql(name), parameters, uuid.uuid4().hex)
    return fetched.rows
