"""
Refused events: list them, look at one, send it again after repair. Called by ``commands`` (``scenetrail dead-letters …``).

Redriving goes through the collector's front door with the app's own write key: the same checks, the same fate per event,
and an event that was accepted meanwhile counts once. Nothing is ever written into ``events`` from here.
"""

from __future__ import annotations

import http.client
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import Struct

from collector.dead_letter import DeadLetter
from sdk_spec import redrive as again
from sdk_spec import signing

_COLUMNS = (
    "project, app_id, toUnixTimestamp64Milli(received_at) AS received_at, request_id, event_index, event_id, code, path,"
    " message, raw, envelope, toUnixTimestamp64Milli(redriven_at) AS redriven_at, version"
)
_TIMEOUT_S = 60.0


class DeadLetterError(ValueError):
    """A dead letter that cannot be found or sent; the message says what to do."""


class StoredLetter(DeadLetter, frozen=True):
    """A dead letter and whether it was sent again: ``redriven_at`` in epoch ms, 0 while it was not."""

    redriven_at: int
    version: int

    @property
    def id(self) -> str:
        """What ``list`` shows and ``show`` and ``redrive`` take."""
        return f"{self.request_id}/{self.event_index}"


class Wanted(Struct, frozen=True):
    """Which dead letters; empty means any. Times in epoch ms, ``until`` excluded."""

    app_id: str = ""
    code: str = ""
    since: int = 0
    until: int = 2**53
    with_redriven: bool = False
    limit: int = 100


class Redriven(Struct, frozen=True):
    """What became of a dead letter that was sent again. ``error`` is empty when it was accepted or known already."""

    id: str
    status: int
    accepted: int
    duplicates: int
    error: str


def find(client: Client, wanted: Wanted) -> list[StoredLetter]:
    """Return dead letters, the newest first. Errors: ClickHouse's own."""
    return _select(
        client,
        "(app_id = {app_id:String} OR {app_id:String} = '')"
        " AND (code = {code:String} OR {code:String} = '')"
        " AND dead_letters.received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
        " AND dead_letters.received_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
        " AND ({with_redriven:Bool} OR dead_letters.redriven_at = 0)"
        " ORDER BY dead_letters.received_at DESC, request_id, event_index LIMIT {limit:UInt32}",
        msgspec.structs.asdict(wanted),
    )


def get(client: Client, letter_id: str) -> StoredLetter:
    """Return one dead letter. Errors: DeadLetterError when there is none of that id."""
    request_id, _, index = letter_id.rpartition("/")
    found = []
    if request_id and index.isdecimal():
        found = _select(
            client,
            "request_id = {request_id:String} AND event_index = {event_index:UInt32}",
            {"request_id": request_id, "event_index": int(index)},
        )
    if not found:
        raise DeadLetterError(
            f"no dead letter {letter_id!r}; `scenetrail dead-letters list --all` shows their ids"
        )
    return found[0]


def _select(client: Client, condition: str, parameters: dict[str, Any]) -> list[StoredLetter]:
    rows = client.query(
        f"SELECT {_COLUMNS} FROM dead_letters FINAL WHERE {condition}",  # noqa: S608 (constants of this file)
        parameters=parameters,
    ).result_rows
    return [
        StoredLetter(**dict(zip(StoredLetter.__struct_fields__, row, strict=True))) for row in rows
    ]


def body_of(letter: StoredLetter, edited: bytes | None, now_ms: int) -> bytes:
    """
    Return the request body that sends a dead letter again.

    ``edited`` is the repaired event as JSON, instead of the one received; see ``sdk_spec.redrive``.

    Errors: DeadLetterError when the event is not JSON.
    """
    try:
        return again.body_of(letter.raw, letter.envelope, letter.received_at, edited, now_ms)
    except ValueError as error:
        raise DeadLetterError(
            f"the event is not JSON ({error}); repair it in a file and give --event-file"
        ) from error


def redrive(
    client: Client,
    letter: StoredLetter,
    collector_url: str,
    write_key: str,
    edited: bytes | None = None,
    key_id: str = "",
) -> Redriven:
    """
    Send a dead letter again and mark it when the collector took it. Can be repeated.

    With the ``key_id`` of the write key the request is signed.
    Errors: DeadLetterError when it cannot be sent or nobody answers; ClickHouse's own.
    """
    now_ms = time.time_ns() // 1_000_000
    body = body_of(letter, edited, now_ms)
    headers = {"X-Write-Key": write_key}
    if key_id:
        headers = signing.headers(write_key, key_id, now_ms, "", body)
    status, answer = _post(collector_url, headers, body)
    accepted, duplicates = answer.get("accepted", 0), answer.get("duplicates", 0)
    if status == 200 and not answer.get("rejected"):
        mark(client, letter, now_ms)
        return Redriven(letter.id, status, accepted, duplicates, "")
    errors = answer.get("errors") or [answer]
    error = f"{errors[0].get('code') or errors[0].get('error')}: {errors[0].get('message')}"
    return Redriven(letter.id, status, accepted, duplicates, error)


def mark(client: Client, letter: StoredLetter, now_ms: int) -> None:
    """Record that a dead letter was sent again and taken."""
    values = msgspec.structs.asdict(letter)
    values |= {
        "received_at": datetime.fromtimestamp(letter.received_at / 1000, UTC),
        "redriven_at": datetime.fromtimestamp(now_ms / 1000, UTC),
        "version": letter.version + 1,
    }
    client.insert(
        "dead_letters",
        [list(values.values())],
        column_names=list(values),
        settings={"distributed_foreground_insert": 1},
    )


def _post(collector_url: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(collector_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeadLetterError(f"{collector_url!r} is no address; such as http://127.0.0.1:8710")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request(
            "POST",
            f"{parts.path.rstrip('/')}/v1/events",
            body,
            {**headers, "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read(), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise DeadLetterError(f"no answer from {collector_url}: {error}; is it running?") from error
    finally:
        connection.close()
