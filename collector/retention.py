"""
Data that an app keeps no longer (``retention_days`` in the access file) goes: hourly, or by ``scenetrail privacy expire``.

Of such an app: events that happened before, refused events that came before, and what is known of its openids and
anonymous_ids that have no event left: bindings, persons, conflicts. Ids of the project (user_id, unionid, phone_hash) belong
to no app and stay until ``scenetrail privacy erase``. Keys of events stay (64-bit hashes): a batch sent again is still
recognised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from collector.privacy import places
from collector.sql import load_sql
from sdk_spec.access import App

DAY_MS = 86_400_000
_SETTINGS = {"mutations_sync": 2, "max_execution_time": 0}
TABLES = (
    "events",
    "dead_letters",
    "identity_conflicts",
    "identity_map",
    "identity_bindings",
)
"""In this order: what is known of ids is found by the bindings, which go last."""
_IDS = {
    "identity_conflicts": ("id_key", "other_key"),
    "identity_map": ("id_key",),
    "identity_bindings": ("id_key", "other_key"),
}
"""Columns that hold ids, of the tables in which a row goes with its id. The others have ``retention.where_<table>.sql``."""


def expire(nodes: Sequence[Any], apps: Iterable[App], now_ms: int) -> dict[str, dict[str, int]]:
    """
    Remove what is older than its app keeps; return the rows by app and table, only where there were any.

    ``nodes``: a client for each server that holds rows. Repeating it is safe. Errors: TRANSIENT, PrivacyError.
    """
    removed: dict[str, dict[str, int]] = {}
    for app in apps:
        if not app.retention_days:
            continue
        values = {"app_id": app.app_id, "before_ms": kept_since_ms(app, now_ms)}
        for table in TABLES:
            number = 0
            for place in places(nodes[0], nodes):
                local = place.local[table]
                where = _condition(table)
                [[found]] = place.client.query(
                    f"SELECT count() FROM {local} WHERE {where}",  # noqa: S608 (TABLES)
                    parameters=values,
                ).result_rows
                if found:
                    place.client.command(
                        f"ALTER TABLE {local} DELETE WHERE {where}",
                        parameters=values,
                        settings=_SETTINGS,
                    )
                # A table that every node holds whole counts once.
                number = number + found if local != table else max(number, found)
            if number:
                removed.setdefault(app.app_id, {})[table] = number
    return removed


def kept_since_ms(app: App, now_ms: int) -> int:
    """Return from when on an app with ``retention_days`` keeps events, epoch ms."""
    return now_ms - app.retention_days * DAY_MS


def _condition(table: str) -> str:
    """Return what makes a row of a table too old, in SQL."""
    if table not in _IDS:
        return load_sql(f"retention.where_{table}")
    gone = load_sql("retention.ids_without_events")
    return " OR ".join(f"{column} IN (\n{gone}\n)" for column in _IDS[table])
