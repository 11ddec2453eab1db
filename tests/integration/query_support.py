"""
Event rows for tests of queries: written straight into ClickHouse, as the collector's writer would leave them.

``event("u1", "page_view", "2026-10-01T09:00:00+08:00")`` makes a row, ``insert`` stores rows, ``bind`` stores what the
identity part derives, ``ask`` runs a report as the HTTP handler does.
"""

import itertools
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import xxhash
from clickhouse_connect.driver.client import Client

from query_api.clickhouse import Database
from query_api.reports import answer_query
from query_api.settings import Settings

APP, OTHER_APP = "wx0001", "wx0002"
PROJECT = "brand"
ALL, ONE, STRANGER = (
    {"Authorization": f"Bearer {secret}"} for secret in ("rt_all", "rt_one", "rt_other")
)
"""Headers for both apps of the project, for ``APP`` alone, for another project's (``conftest.access_file``)."""
KINDS = ("user_id", "unionid", "openid", "anonymous_id")
ENDLESS = (
    "SELECT count() AS x FROM (SELECT arrayJoin(range(1000000)) AS a) AS a, (SELECT arrayJoin(range(1000000)) AS b) AS b "
    "WHERE cityHash64(a, b) = 1"
)
"""A statement of the report ``sql`` that runs into any limit of time."""
_numbers = itertools.count(1)


def ms(at: int | str) -> int:
    """Epoch milliseconds of an RFC 3339 text; numbers stay."""
    if isinstance(at, int):
        return at
    instant = datetime.fromisoformat(at)
    assert instant.tzinfo is not None, "give an offset: tests must not depend on the machine's zone"
    return round(instant.timestamp() * 1000)


def id_key(kind: str, id_: str, app_id: str = APP, project: str = PROJECT) -> int:
    """Key of an id, as ``actor`` and ``identity_map`` hold it."""
    scope = app_id if kind in ("openid", "anonymous_id") else ""
    return xxhash.xxh3_64_intdigest("\x1f".join([project, kind, scope, id_]).encode())


def event(
    user: str,
    event: str,
    at: int | str,
    *,
    properties: dict[str, Any] | None = None,
    **columns: Any,
) -> dict[str, Any]:
    """
    One row of ``events``.

    ``user``: "u1" is a user_id; "anonymous_id:d1", "openid:o1", "unionid:n1" are the other kinds; "" has none (give the
    ids as columns). ``at``: epoch ms or RFC 3339 with offset. Any column may be given by name.
    """
    row: dict[str, Any] = {
        "project": PROJECT,
        "app_id": APP,
        "platform": "wechat",
        "event": event,
        "event_id": f"e{next(_numbers):07}",  # in the order they are made, whatever ran before
        "occurred_at": ms(at),
        "received_at": ms(at) + 1000,
        **columns,
    }
    if user:
        kind, _, id_ = user.rpartition(":")
        row[kind or "user_id"] = id_
    strongest = next(kind for kind in KINDS if row.get(kind))
    row.setdefault("actor", id_key(strongest, row[strongest], row["app_id"], row["project"]))
    row["event_key"] = xxhash.xxh3_64_intdigest(f"{row['app_id']}\x1f{row['event_id']}".encode())
    row["precedence"] = 2**63 - row["received_at"]
    row.setdefault("client_occurred_at", row["occurred_at"])
    row.setdefault("sent_at", row["received_at"])
    row.setdefault("clock", "ok")
    maps: dict[str, dict[str, Any]] = {"text": {}, "number": {}, "flag": {}, "list": {}}
    for name, value in (properties or {}).items():
        if isinstance(value, bool):
            maps["flag"][name] = value
        elif isinstance(value, str):
            maps["text"][name] = value
        elif isinstance(value, list):
            maps["list"][name] = value
        elif value is not None:
            maps["number"][name] = float(value)
            if isinstance(value, int) and abs(value) > 2**53:
                maps["text"][name] = str(value)
    row.update({f"properties_{kind}": values for kind, values in maps.items()})
    return row


def insert(database: Client, rows: Iterable[dict[str, Any]]) -> None:
    """Store rows; columns that are not given get their defaults."""
    lines = b"\n".join(msgspec.json.encode(_wire(row)) for row in rows)
    if lines:
        database.raw_insert(
            "events", insert_block=lines, fmt="JSONEachRow", settings={"async_insert": 0}
        )


def _wire(row: dict[str, Any]) -> dict[str, Any]:
    """Times as texts, which ClickHouse reads exactly."""
    times = ("occurred_at", "client_occurred_at", "sent_at", "received_at")
    return {
        name: f"{value // 1000}.{value % 1000:03d}" if name in times else value
        for name, value in row.items()
    }


def bind(
    database: Client,
    key: int,
    person: int,
    strict: Iterable[tuple[int, int]] = (),
    version: int = 1,
) -> None:
    """Store the person of an id; ``strict``: (from epoch ms, person) in ascending order."""
    strict = list(strict)
    database.insert(
        "identity_map",
        [[key, person, [at for at, _ in strict], [p for _, p in strict], version]],
        column_names=["id_key", "person", "strict_from", "strict_person", "version"],
    )


async def ask(
    database_url: str,
    report: str,
    body: dict[str, Any],
    *,
    now: int | str = "2027-06-01T00:00:00+00:00",
) -> dict[str, Any]:
    """
    Answer a query as the HTTP handler does, without HTTP. ``report``: "retention" or "retention/users".

    Common fields have defaults: the app of ``event``, zone Asia/Shanghai.
    """
    database = Database(Settings(clickhouse_reader_url=database_url))
    try:
        raw = msgspec.json.encode({"app_ids": [APP], **body})
        answer = await answer_query(database, report, raw, [APP, "wx0002"], ms(now))
        return msgspec.json.decode(msgspec.json.encode(answer))
    finally:
        await database.close()
