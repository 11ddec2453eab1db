"""
Backup and restore by ClickHouse's own BACKUP, in the order that loses nothing while the collectors go on.

A BACKUP does not see all tables at one moment, so there are three, each on all nodes before the next: the keys of events,
then the events, then the rest. A key in the backup has its event in it (else an event that is sent again would be taken for
known and lost), and an event has its person (bindings are stored before events). What lies in a spool meanwhile is stored
after a restore. The database keeps its name: tables over several nodes have it in their definition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from collector import nodes as node_states
from collector.cluster import LOCAL

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PART = "{part}"
"""Stands in the place of a backup for what tells its parts apart."""
_DATABASE = "<database>"
_POLL_S = 0.2


class BackupError(Exception):
    """Cannot be done, or broke off; the message says why."""


class Step(Struct, frozen=True):
    """One BACKUP or RESTORE that is done. ``part``: its name in the place."""

    node: str
    part: str
    status: str
    size_bytes: int
    files: int


def backup(
    nodes: Sequence[Client], names: Sequence[str], place: str, told: Callable[[Step], None]
) -> None:
    """
    Write the database of all nodes to ``place``, such as ``File('/backups/2026-11-22/{part}')``, ``S3(…)`` or ``Disk(…)``.

    Errors: BackupError; ClickHouse's own. A part that is there already is refused by ClickHouse.
    """
    _check(place)
    for tables, part in _parts(LOCAL if len(nodes) > 1 else ""):
        for number, (node, name) in enumerate(zip(nodes, names, strict=True), 1):
            at = f"{part}-node{number}"
            told(_run(node, name, at, f"BACKUP {tables} TO {place.replace(PART, at)}"))


def restore(
    nodes: Sequence[Client], names: Sequence[str], place: str, told: Callable[[Step], None]
) -> None:
    """
    Make the databases again from ``place``; the nodes in the order of the backup. ``scenetrail migrate`` comes afterwards.

    Errors: BackupError, when a node has tables already or one cannot be restored; ClickHouse's own.
    """
    _check(place)
    for node, name in zip(nodes, names, strict=True):
        if node_states.tables(node):
            raise BackupError(
                f"{name} has tables already: restore into an empty database / 目标库必须为空"
            )
    keys, events, rest = _parts(LOCAL if len(nodes) > 1 else "")
    # The materialized view in the rest reads the events.
    for what, part in (events, keys, rest):
        tables = what.partition(" EXCEPT ")[0]
        for number, (node, name) in enumerate(zip(nodes, names, strict=True), 1):
            at = f"{part}-node{number}"
            told(_run(node, name, at, f"RESTORE {tables} FROM {place.replace(PART, at)}"))


def _parts(suffix: str) -> list[tuple[str, str]]:
    """What each BACKUP holds, and its name, in the order in which they are made."""
    keys, events = f"event_ids{suffix}", f"events{suffix}"
    return [
        (f"TABLE {keys}", "1-keys"),
        (f"TABLE {events}", "2-events"),
        (f"DATABASE {_DATABASE} EXCEPT TABLES {keys}, {events}", "3-rest"),
    ]


def _check(place: str) -> None:
    if place.count(PART) != 1:
        raise BackupError(
            f"the place names {PART} once, such as File('/backups/today/{PART}') / 位置须含一处 {PART}"
        )


def _run(node: Client, name: str, part: str, statement: str) -> Step:
    """Run it in the background of the server, since it may take hours, and wait for its end."""
    database = str(node.command("SELECT currentDatabase()"))
    query = f"{statement.replace(_DATABASE, f'`{database}`')} ASYNC"
    identifier = str(node.query(query).result_rows[0][0])
    while True:
        [(status, error, size_bytes, files)] = node.query(
            "SELECT toString(status), error, total_size, num_files FROM system.backups WHERE id = {id:String}",
            parameters={"id": identifier},
        ).result_rows
        if status in ("BACKUP_CREATED", "RESTORED"):
            return Step(name, part, status, int(size_bytes), int(files))
        if status not in ("CREATING_BACKUP", "RESTORING"):
            raise BackupError(f"{name}, {part}: {status} {error.partition(', Stack trace')[0]}")
        time.sleep(_POLL_S)
