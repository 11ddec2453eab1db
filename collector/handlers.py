"""
aiohttp handlers: HTTP in, HTTP out. What happens between stands in ``ingest.ingest_batch``.

Handlers hold no ``try``: errors become answers in ``app.answer``, which gives each request ``state`` and ``request_id``.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Struct

from collector import metrics
from collector.addresses import client_network
from collector.arriving import Arriving
from collector.decode import BodyError
from collector.encodings import decompress
from collector.errors import RequestError
from collector.ingest import ingest_batch
from collector.json_response import JsonResponse
from sdk_spec import limits, signing
from sdk_spec.outcomes import BatchResponse

if TYPE_CHECKING:
    from collector.app import State
    from sdk_spec.access import App

_encode = msgspec.json.Encoder().encode
_request_numbers = itertools.count(1)
_request_prefix = secrets.token_hex(6)


def new_request_id() -> str:
    """Unique over processes and restarts; short enough to read out."""
    return f"{_request_prefix}-{next(_request_numbers)}"


async def collect(request: web.Request) -> web.Response:
    """``POST /v1/events``: the whole job."""
    state: State = request["state"]
    app, signed = authorize(state, request)
    max_bytes = min(app.max_body_bytes or limits.MAX_BODY_BYTES, limits.MAX_BODY_BYTES)
    body = await read_body(request, state.settings.body_timeout_s, max_bytes, state.arriving)
    received_at = state.now_ms()
    encoding = request.headers.get("Content-Encoding")
    if signed is not None and not signed.is_of(encoding or "", body):
        raise refused(state, request, "signature_invalid", "not signed with this key and body")
    if encoding is not None:
        body = decompress(body, encoding)
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    state.limit_rate(app)
    answer = await ingest_batch(state.ingest, app, body, received_at, request["request_id"])
    state.charge_rate(app, answer.accepted + answer.rejected)
    status = 200
    if answer.rejected and not answer.accepted and not answer.duplicates:
        status = 422
        answer = all_rejected(answer)
    return JsonResponse(_encode(answer), status=status)


def all_rejected(answer: BatchResponse) -> BatchResponse:
    """The answer of 422: every event's error, in the shape of an error as well."""
    return msgspec.structs.replace(
        answer,
        error="all_events_rejected",
        message=f"all {answer.rejected} events were refused; first: {answer.errors[0].message}",
    )


class Signed(Struct, frozen=True):
    """A signature that is yet to be compared with the body, and the digest of its key."""

    signature: signing.Signature
    sha256: str

    def is_of(self, encoding: str, body: bytes) -> bool:
        """True when the key's owner signed this body."""
        return self.signature.is_of(self.sha256, encoding, body)


def authorize(state: State, request: web.Request) -> tuple[App, Signed | None]:
    """
    Return the app of the write key, before the body is read; of a signed request with its signature.

    Errors: RequestError 401, or 429 after too many of them; 503 while stopping.
    """
    if state.is_stopping:
        raise RequestError("shutting_down", "this process is stopping; send again", retry_after_s=1)
    if signing.SIGNATURE_HEADER in request.headers:
        return authorize_signed(state, request)
    key = request.headers.get("X-Write-Key")
    app = state.access.app_of_key(key) if key else None
    if app is None:
        raise refused(state, request, "unauthorized", "X-Write-Key is missing, unknown or revoked")
    if app.signatures == "required":
        raise refused(
            state, request, "signature_required", f"app {app.app_id} takes signed requests only"
        )
    return app, None


def authorize_signed(state: State, request: web.Request) -> tuple[App, Signed]:
    """
    Return app and signature of a signed request whose time is right.

    A copy of it within the window is harmless: its events are known by their ids. Errors: RequestError 401, 429.
    """
    signature = signing.parse(request.headers[signing.SIGNATURE_HEADER])
    if signature is None:
        raise refused(
            state, request, "signature_invalid", "X-Signature must be t=<epoch ms>,v1=<64 hex>"
        )
    key = state.access.write_key_of_id(request.headers.get(signing.KEY_ID_HEADER, ""))
    app = None if key is None else state.access.apps.get(key.app_id)
    if key is None or app is None or app.signatures == "off":
        raise refused(
            state,
            request,
            "unauthorized",
            "X-Write-Key-Id is missing, unknown or revoked, or its app takes no signatures",
        )
    window_ms = state.settings.signature_window_ms
    if abs(state.now_ms() - signature.at_ms) > window_ms:
        raise refused(
            state,
            request,
            "signature_expired",
            f"the signature's time differs by more than {window_ms / 1000:g} s from the collector's",
        )
    return app, Signed(signature, key.sha256)


def refused(state: State, request: web.Request, code: str, message: str) -> RequestError:
    """The error of a refused key or signature; 429 when its network sent too many of them."""
    network = client_network(
        request.remote, request.headers.getall("X-Forwarded-For", ()), state.trusted_proxies
    )
    wait_s = state.refused_keys.count(network, time.monotonic())
    if wait_s:
        return RequestError(
            "too_many_requests", "too many refused keys from your network", retry_after_s=wait_s
        )
    return RequestError(code, message)


def too_large(max_bytes: int) -> RequestError:
    """The error of a body beyond the limit of its app or of all."""
    return RequestError("body_too_large", f"at most {max_bytes} bytes; split the batch")


async def read_body(
    request: web.Request, timeout_s: float, max_bytes: int, arriving: Arriving
) -> bytes:
    """
    Read the body as sent (still compressed), within the limits of bytes and time.

    Errors: RequestError 408, 411, 413, 503; BodyError for a body that ends too early.
    """
    length = request.content_length
    if length is None and not request.body_exists:
        raise RequestError("length_required", "send Content-Length or chunked encoding")
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    if request.content.is_eof():  # it came with the head, as most do: there is nothing to wait for
        body = request.content.read_nowait()
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    else:
        body = await read_arriving(request, timeout_s, max_bytes, arriving)
    metrics.request_body_bytes_total.inc(len(body))
    if not body:
        raise BodyError("not_json", "$", "the body is empty")
    return body


async def read_arriving(
    request: web.Request, timeout_s: float, max_bytes: int, arriving: Arriving
) -> bytes:
    """Read a body that is still on its way. Errors: RequestError 408, 413, 503."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            with arriving.body() as counted:
                while part := await request.content.readany():
                    size += len(part)
                    if size > max_bytes:
                        raise too_large(max_bytes)
                    if not counted.take(len(part)):
                        raise RequestError(
                            "overloaded", "too many large bodies arrive at once", retry_after_s=2
                        )
                    parts.append(part)
    except TimeoutError:
        raise RequestError(
            "request_timeout", f"the body did not arrive within {timeout_s:g} seconds"
        ) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def healthz(_: web.Request) -> web.Response:
    """Alive: the process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Can store: the spool takes records. ClickHouse may be down, the spool waits for it."""
    state: State = request["state"]
    spool = state.ingest.spool
    if state.is_stopping:
        raise RequestError("shutting_down", "this process is stopping", retry_after_s=1)
    if spool.is_broken:
        raise RequestError("spool_unavailable", "the spool's disk fails", retry_after_s=5)
    if spool.is_full:
        raise RequestError("spool_full", "the spool is at its limit", retry_after_s=5)
    return web.json_response({"status": "ready", "at": int(time.time() * 1000)})


async def prometheus(request: web.Request) -> web.Response:
    """``GET /metrics`` of all processes of this collector."""
    text = await asyncio.to_thread(metrics.exposition, request["state"].data_dir)
    return web.Response(body=text, content_type="text/plain", charset="utf-8")


STATE: web.AppKey[State] = web.AppKey("state", object)  # type: ignore[arg-type]
