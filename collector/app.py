"""
The aiohttp application of one worker: routes, state, start and stop order, and the one place where errors become answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path

import msgspec
import structlog
from aiohttp import web
from prometheus_client import Counter

from collector import group_handlers, handlers, metrics, privacy_handlers
from collector.addresses import parse_networks
from collector.arriving import Arriving
from collector.decode import BodyError
from collector.errors import RequestError
from collector.ingest import Ingest
from collector.rate import RateLimit
from collector.recent import RecentIds
from collector.refused_keys import RefusedKeys
from collector.settings import Settings
from collector.spool import Spool, SpoolBrokenError, SpoolFullError
from sdk_spec import id_hashing, limits
from sdk_spec.access import Access, App
from sdk_spec.errors import REQUEST_ERRORS
from sdk_spec.outcomes import ErrorResponse

log = structlog.get_logger()

_TEND_INTERVAL_S = 0.5
_SPOOL_RETRY_AFTER_S = 2
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
EVENTS = "/v1/events"


class State:
    """What the handlers of one worker share."""

    def __init__(self, settings: Settings, spool: Spool) -> None:
        self.settings = settings
        self.data_dir = Path(settings.data_dir)
        self.access = Access(settings.access_path)
        self.ingest = Ingest(
            spool,
            RecentIds(settings.recent_ids),
            settings.max_clock_skew_ms,
            cache(lambda: id_hashing.key_of(self.data_dir, make=True)),
        )
        self.arriving = Arriving(settings.arriving_max_bytes)
        self.is_stopping = False
        self.allowed_origins = {o.strip() for o in settings.cors_origins.split(",") if o.strip()}
        self.trusted_proxies = parse_networks(settings.trusted_proxies)
        self.refused_keys = RefusedKeys(settings.bad_keys_per_minute)
        self._rate = RateLimit()

    @staticmethod
    def now_ms() -> int:
        """This server's clock."""
        return time.time_ns() // 1_000_000

    def limit_rate(self, app: App) -> None:
        """Errors: RequestError 429 when the app used up its rate, which is its own or that of all."""
        events_per_s = app.max_events_per_s or self.settings.rate_limit_events
        if not events_per_s:
            return
        wait_s = self._rate.wait_s(app.app_id, events_per_s, time.monotonic())
        if wait_s:
            raise RequestError(
                "too_many_requests",
                f"app {app.app_id} sends more than {events_per_s} events/s",
                retry_after_s=wait_s,
            )

    def charge_rate(self, app: App, events: int) -> None:
        """Count what is kept: accepted events, and refused ones for repair."""
        self._rate.charge(app.app_id, events)

    def tell_refused_keys(self, now_s: float = math.inf) -> None:
        """Log which networks sent wrong keys, when a minute of them is over or at the end."""
        networks = self.refused_keys.summary(now_s)
        if networks:
            log.warning("keys_refused", networks=networks)

    async def tend(self) -> None:
        """Twice a second: look at the disk and at the access file; once a minute tell whose keys were refused."""
        while True:
            try:
                self.ingest.spool.measure()
                self.access.refresh()
            except (OSError, ValueError) as error:
                log.error("tend_failed", error=str(error), effect="the last good state is kept")
            metrics.spool_bytes.set(self.ingest.spool.stored_bytes)
            self.tell_refused_keys(time.monotonic())
            await asyncio.sleep(_TEND_INTERVAL_S)


def create_app(settings: Settings) -> web.Application:
    """Return the worker's application; the spool opens on start and is committed on stop."""
    app = web.Application(client_max_size=limits.MAX_BODY_BYTES + 1)

    async def spool(app: web.Application) -> AsyncIterator[None]:
        spool = Spool(
            settings.spool_dir / f"worker-{settings.worker_index:03d}",
            max_bytes=settings.spool_max_bytes // settings.workers,
            segment_bytes=settings.spool_segment_bytes,
            reserve_bytes=settings.spool_reserve_bytes,
            pending_max_bytes=settings.pending_max_bytes,
        )
        state = app[handlers.STATE] = State(settings, spool)
        tending = asyncio.create_task(state.tend())
        yield
        tending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tending
        state.tell_refused_keys()
        await asyncio.to_thread(spool.close)

    app.cleanup_ctx.append(spool)
    app.router.add_post(EVENTS, handlers.collect)
    app.router.add_route("OPTIONS", EVENTS, preflight)
    app.router.add_post("/v1/group-entry", group_handlers.exchange)
    privacy_handlers.add_to(app)
    app.router.add_get("/healthz", handlers.healthz)
    app.router.add_get("/readyz", handlers.readyz)
    app.router.add_get("/metrics", handlers.prometheus)
    return app


async def preflight(_: web.Request) -> web.Response:
    """``OPTIONS`` of a browser; the headers are set in ``answer``."""
    return web.Response(status=204)


async def answer(state: State, routed: Handler, request: web.Request) -> web.StreamResponse:
    """
    Give every request an id and every error the one shape; log what is ours to mend.

    ``routed`` is the application's router. Batches, nearly all that comes, need not be looked up there; a client that waits
    for ``100 Continue`` gets it there.
    """
    request_id = request["request_id"] = handlers.new_request_id()
    request["state"] = state
    is_batch = request.method == "POST" and request.path == EVENTS
    handler = handlers.collect if is_batch and "Expect" not in request.headers else routed
    response: web.StreamResponse
    try:
        response = await handler(request)
    except RequestError as error:
        response = error_response(
            error.code, error.message, request_id, retry_after_s=error.retry_after_s
        )
    except BodyError as error:
        response = error_response(error.code, error.message, request_id, path=error.path)
    except SpoolFullError as error:
        response = error_response(
            "spool_full", str(error), request_id, retry_after_s=_SPOOL_RETRY_AFTER_S
        )
    except SpoolBrokenError as error:
        response = error_response(
            "spool_unavailable", str(error), request_id, retry_after_s=_SPOOL_RETRY_AFTER_S
        )
    except web.HTTPException as error:
        response = _http_error(error, request_id)
    except (ConnectionError, asyncio.CancelledError):
        raise  # nobody is there to answer
    except web.RequestPayloadError as error:
        response = error_response("not_json", f"the body is broken: {error}", request_id, path="$")
    except Exception:
        log.exception("request_failed", request_id=request_id, path=request.path)
        response = error_response(
            "internal", "a fault of ours; please report", request_id, retry_after_s=5
        )
    if response.status >= 400 and not request.content.at_eof():
        # The body is unread: do not let the connection be used again with it.
        response.force_close()
    response.headers["Server"] = "scenetrail"  # versions are nobody's business
    _allow_origin(state, request, response)
    is_known = is_batch or request.match_info.http_exception is None
    _requests_total(request.path if is_known else "other", response.status).inc()
    return response


@cache
def _requests_total(endpoint: str, status: int) -> Counter:
    """The counter; to find it by its labels takes longer than to count."""
    return metrics.requests_total.labels(endpoint, str(status))


def error_response(
    code: str,
    message: str,
    request_id: str,
    *,
    path: str | None = None,
    retry_after_s: int | None = None,
) -> web.Response:
    """An answer in the one shape of errors, counted by its code."""
    metrics.request_errors_total.labels(code).inc()
    body = ErrorResponse(code, message, request_id, path if path is not None else msgspec.UNSET)
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return web.Response(
        body=msgspec.json.encode(body),
        status=REQUEST_ERRORS[code].status,
        content_type="application/json",
        headers=headers,
    )


def _http_error(error: web.HTTPException, request_id: str) -> web.Response:
    """What aiohttp refuses by itself."""
    codes = {
        404: "not_found",
        405: "method_not_allowed",
        413: "body_too_large",
        408: "request_timeout",
    }
    response = error_response(codes.get(error.status, "invalid_request"), error.reason, request_id)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _allow_origin(state: State, request: web.Request, response: web.StreamResponse) -> None:
    """CORS for web senders, without credentials, for the origins of the settings."""
    origin = request.headers.get("Origin")
    if origin is None or not state.allowed_origins & {"*", origin}:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
    response.headers["Access-Control-Allow-Methods"] = "POST"
    # Not those of signatures: a page in a browser can hold no secret.
    response.headers["Access-Control-Allow-Headers"] = "Content-Type, Content-Encoding, X-Write-Key"
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    response.headers["Access-Control-Max-Age"] = "86400"
