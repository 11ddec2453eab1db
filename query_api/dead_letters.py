"""
Refused events: counts by reason, a list, one of them, and sending one again. Called by dead_letter_handlers.py.

Sending again goes through the collector's front door with a write key of the event's app, which the one who asks must
have: a read token alone changes nothing. The same as ``scenetrail dead-letters`` does from the command line.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from query_api.clickhouse import Database
from query_api.editor import Editor
from query_api.errors import InvalidRequest, QueryError
from query_api.params import Params
from query_api.periods import DAY_MS, rfc3339
from query_api.report import Row
from query_api.sql import load_sql
from sdk_spec import redrive, signing
from sdk_spec.access import App, WriteKey

KEPT_DAYS = 90
"""The TTL of the table."""
MAX_ROWS = 1_000
MAX_OFFSET = 100_000
_ANSWER_TIMEOUT_S = 60.0
_STORED = (
    "project",
    "app_id",
    "received_at",
    "request_id",
    "event_index",
    "event_id",
    "code",
    "path",
    "message",
    "raw",
    "envelope",
    "redriven_at",
    "version",
)


class Wanted(Struct, frozen=True, kw_only=True):
    """
    Which ones; empty means any. Times are of the arrival, in epoch ms, ``until_ms`` excluded.

    ``field``: the path without indexes, as ``counts`` gives it; None: any. ``only_redriven`` goes with ``with_redriven``.
    """

    app_ids: list[str]
    code: str = ""
    field: str | None = None
    since_ms: int = 0
    until_ms: int = 2**53
    with_redriven: bool = False
    only_redriven: bool = False
    limit: int = 100
    offset: int = 0


class Redrive(Params, kw_only=True):
    """Body of ``POST /v1/dead-letters/{request_id}/{event_index}/redrive``: the repaired event, or nothing."""

    event: Annotated[
        msgspec.Raw | UnsetType, Meta(description="The repaired event; absent: as it was.")
    ] = UNSET


async def counts(database: Database, wanted: Wanted) -> Row:
    """Return the refused events by app, code and field, with the latest example of each."""
    fetched = await database.fetch(
        "dead_letters.counts", _chosen("dead_letters.counts"), _parameters(wanted), _new_id()
    )
    rows = [
        {
            **{name: row[name] for name in ("app_id", "code", "field", "events", "redriven")},
            "first_received": rfc3339(row["first_ms"]),
            "last_received": rfc3339(row["last_ms"]),
            "message": row["message"],
        }
        for row in fetched.rows
    ]
    return {
        "result": {"reasons": rows},
        "semantics": {**_semantics(wanted), "events": "refused, those sent again among them"},
        "meta": _meta(fetched.rows_read, fetched.elapsed_ms, is_cut=len(rows) >= MAX_ROWS),
    }


async def listed(database: Database, wanted: Wanted) -> Row:
    """Return refused events, the newest first, without their contents."""
    fetched = await database.fetch(
        "dead_letters.list",
        _chosen("dead_letters.list"),
        {**_parameters(wanted), "limit": wanted.limit + 1, "offset": wanted.offset},
        _new_id(),
    )
    rows = [_shown(row) for row in fetched.rows[: wanted.limit]]
    is_cut = len(fetched.rows) > wanted.limit
    return {
        "result": {"dead_letters": rows},
        "semantics": {**_semantics(wanted), "order": "received_at, newest first"},
        "meta": _meta(fetched.rows_read, fetched.elapsed_ms, is_cut=is_cut),
    }


async def one(database: Database, app_ids: list[str], request_id: str, index: str) -> Row:
    """Return one refused event with its text and envelope. Errors: ``not_found``."""
    row, rows_read, elapsed_ms = await _get(database, app_ids, request_id, index)
    return {
        "result": {"dead_letter": {**_shown(row), "raw": row["raw"], "envelope": row["envelope"]}},
        "semantics": {"raw": "the event as received; with an empty envelope the whole body"},
        "meta": _meta(rows_read, elapsed_ms, is_cut=False),
    }


class Again:
    """Sends refused events again; ``collector_url`` empty: nothing can be sent."""

    def __init__(self, database: Database, editor: Editor, collector_url: str) -> None:
        self._database = database
        self._editor = editor
        self._collector_url = collector_url

    async def send(
        self,
        app_ids: list[str],
        letter: tuple[str, str],
        body: Redrive,
        write_key: str,
        key: tuple[WriteKey, App] | None,
    ) -> Row:
        """
        Send one again, as it was or repaired, and mark it when the collector took it.

        Args:
            app_ids: what the token may read.
            letter: request id and index.
            body: of the request.
            write_key: as text; the collector checks it too.
            key: the same in the access file.

        Errors: ``not_found``; ``forbidden`` without a write key of its app; ``storage_unavailable``.
        """
        row, rows_read, elapsed_ms = await _get(self._database, app_ids, *letter)
        if key is None or key[1].app_id != row["app_id"]:
            raise QueryError(
                "forbidden",
                f"sending again needs a write key of app {row['app_id']} in the header X-Write-Key",
            )
        now_ms = time.time_ns() // 1_000_000
        edited = None if body.event is UNSET else bytes(body.event)
        try:
            sent = redrive.body_of(row["raw"], row["envelope"], row["received_ms"], edited, now_ms)
        except ValueError as error:
            raise InvalidRequest("$.event", f"the event is not JSON: {error}") from error
        headers = {"X-Write-Key": write_key}
        if key[1].signatures != "off":
            headers = signing.headers(write_key, key[0].key_id, now_ms, "", sent)
        status, answer = await self._post(sent, headers)
        is_taken = status == 200 and not answer.get("rejected")
        if is_taken:
            await self._mark(row, now_ms)
        errors = answer.get("errors") or [answer]
        return {
            "result": {
                "id": f"{letter[0]}/{letter[1]}",
                "taken": is_taken,
                "status": status,
                "accepted": answer.get("accepted", 0),
                "duplicates": answer.get("duplicates", 0),
                "error": "" if is_taken else errors[0].get("code") or errors[0].get("error", ""),
                "path": "" if is_taken else errors[0].get("path") or "",
                "message": "" if is_taken else errors[0].get("message", ""),
            },
            "semantics": {"taken": "accepted, or known already: it counts once either way"},
            "meta": _meta(rows_read, elapsed_ms, is_cut=False),
        }

    async def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if not self._collector_url:
            raise QueryError(
                "storage_unavailable",
                "nothing can be sent from here: SCENETRAIL_QUERY_COLLECTOR_URL is not set",
            )
        timeout = aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S)
        url = f"{self._collector_url.rstrip('/')}/v1/events"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, data=body, headers=headers) as answer,
            ):
                text = await answer.read()
                return answer.status, msgspec.json.decode(text, type=dict[str, Any])
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise QueryError("storage_unavailable", "the collector does not answer") from error

    async def _mark(self, row: Row, now_ms: int) -> None:
        """Replace the row by one that says when it was sent again."""
        values = {
            **{name: row[name] for name in _STORED if name in row},
            "received_at": datetime.fromtimestamp(row["received_ms"] / 1000, UTC),
            "redriven_at": datetime.fromtimestamp(now_ms / 1000, UTC),
            "version": row["version"] + 1,
        }
        await self._editor.insert("dead_letters", _STORED, [[values[name] for name in _STORED]])


async def _get(
    database: Database, app_ids: list[str], request_id: str, index: str
) -> tuple[Row, int, float]:
    """Return a row with what reading it cost. Errors: ``not_found``, also for another project's."""
    rows: list[Row] = []
    if index.isascii() and index.isdecimal() and len(index) <= 10 and int(index) < 2**32:
        fetched = await database.fetch(
            "dead_letters.one",
            load_sql("dead_letters.one"),
            {"app_ids": app_ids, "request_id": request_id, "event_index": int(index)},
            _new_id(),
        )
        rows = fetched.rows
    if not rows:
        raise QueryError("not_found", f"no dead letter {request_id}/{index}", "$.id")
    return rows[0], fetched.rows_read, fetched.elapsed_ms


def _shown(row: Row) -> Row:
    return {
        "id": f"{row['request_id']}/{row['event_index']}",
        "app_id": row["app_id"],
        "received_at": rfc3339(row["received_ms"]),
        "request_id": row["request_id"],
        "event_index": row["event_index"],
        "event_id": row["event_id"],
        "code": row["code"],
        "path": row["path"],
        "message": row["message"],
        "redriven_at": rfc3339(row["redriven_ms"]) if row["redriven_ms"] else None,
    }


def _chosen(name: str) -> str:
    return load_sql(name, wanted=load_sql("dead_letters.wanted"))


def _parameters(wanted: Wanted) -> Row:
    return {
        "app_ids": wanted.app_ids,
        "code": wanted.code,
        "any_field": wanted.field is None,
        "field": wanted.field or "",
        "since_ms": wanted.since_ms,
        "until_ms": wanted.until_ms,
        "with_redriven": wanted.with_redriven,
        "only_redriven": wanted.only_redriven,
    }


def _semantics(wanted: Wanted) -> Row:
    return {
        "app_ids": wanted.app_ids,
        "code": wanted.code or None,
        "field": wanted.field,
        "received_since": rfc3339(wanted.since_ms),
        "received_until": rfc3339(wanted.until_ms) if wanted.until_ms < 2**53 else None,
        "with_redriven": wanted.with_redriven,
        "only_redriven": wanted.only_redriven,
        "kept": f"{KEPT_DAYS} days",
    }


def default_since_ms(now_ms: int) -> int:
    """Return the beginning of what is kept."""
    return now_ms - KEPT_DAYS * DAY_MS


def _new_id() -> str:
    return uuid.uuid4().hex


def _meta(rows_read: int, elapsed_ms: float, *, is_cut: bool) -> Row:
    return {
        "query_id": _new_id(),
        "elapsed_ms": round(elapsed_ms),
        "rows_read": rows_read,
        "truncated": is_cut,
        "warnings": [],
    }
