"""
The application: routes, what lives as long as it, and the one middleware.

The middleware names requests, counts them and turns errors into the single JSON shape.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import web

from query_api import (
    dead_letter_handlers,
    handlers,
    identity_handlers,
    import_handlers,
    metrics,
    segment_handlers,
)
from query_api.clickhouse import Database
from query_api.console import handlers as console
from query_api.editor import Editor
from query_api.errors import QueryError
from query_api.event_schema import SchemaCache
from query_api.params import MAX_BODY_BYTES
from query_api.segment_refresh import refresh_for_ever
from query_api.settings import Settings

log = structlog.get_logger("query_api")

_HTTP_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    400: "invalid_request",
    415: "unsupported_encoding",
    411: "length_required",
    408: "request_timeout",
}

_ASKER_GONE = 499
"""Status under which the metrics count requests whose connection was closed before the answer."""


def _changes(request: web.Request) -> bool:
    """Tell whether a request changes something: that is not left half done when the one who asked has gone."""
    return request.method not in ("GET", "HEAD") and not request.path.startswith("/v1/query/")


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Name the request, measure it, log it once, and answer every failure in one shape."""
    request_id = uuid.uuid4().hex
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    began = time.monotonic()
    error: QueryError | None = None
    response: web.StreamResponse
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    metrics.IN_FLIGHT.inc()
    try:
        handled = asyncio.ensure_future(handler(request))
        response = await (asyncio.shield(handled) if _changes(request) else handled)
    except asyncio.CancelledError:
        log.info("asker_gone", method=request.method, route=route)
        metrics.REQUESTS.labels(route=route, status=_ASKER_GONE).inc()
        raise
    except QueryError as failed:
        error = failed
    except web.HTTPException as failed:
        code = _HTTP_CODES.get(
            failed.status, "invalid_request" if failed.status < 500 else "internal"
        )
        error = QueryError(code, failed.reason)
        if failed.status == 405 and isinstance(failed, web.HTTPMethodNotAllowed):
            error.message = f"only {', '.join(sorted(failed.allowed_methods))} at this address"
    except (
        Exception
    ):  # the last line of defence: a fault of ours must not look like a dropped connection
        log.exception("request_broken", route=route)
        error = QueryError("internal", "a fault of ours; the log has the request id")
    finally:
        metrics.IN_FLIGHT.dec()
    if error is not None:
        response = _error_response(error, request_id)
    response.headers["X-Request-Id"] = request_id
    # Answers hold what a token may read: no browser or proxy keeps them, and none takes them for a page.
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    elapsed_s = time.monotonic() - began
    metrics.REQUESTS.labels(route=route, status=response.status).inc()
    metrics.REQUEST_SECONDS.labels(route=route).observe(elapsed_s)
    level = log.error if response.status >= 500 else log.info
    if request.path not in ("/healthz", "/readyz", "/metrics"):
        level(
            "request",
            method=request.method,
            route=route,
            report=request.match_info.get("report") if error is None else None,
            status=response.status,
            error=None if error is None else error.code,
            elapsed_ms=round(elapsed_s * 1000),
        )
    return response


def _error_response(error: QueryError, request_id: str) -> web.Response:
    body = {"error": error.code, "message": error.message, "request_id": request_id}
    if error.path is not None:
        body["path"] = error.path
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = "2"
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return handlers.json_response(body, error.status, headers)


def create_app(settings: Settings) -> web.Application:
    """Build the application: routes, database, tokens. Connects to ClickHouse on the first query."""
    app = web.Application(
        middlewares=[answer_errors, console.with_session], client_max_size=MAX_BODY_BYTES
    )
    app[handlers.SETTINGS] = settings
    app[handlers.TOKENS] = handlers.Tokens(settings)
    app.cleanup_ctx.append(_database)
    app.router.add_post("/v1/query/{report}", handlers.query)
    app.router.add_post("/v1/query/{report}/users", handlers.query)
    app.router.add_get("/v1/events/schema", handlers.schema)
    identity_handlers.add_to(app)
    segment_handlers.add_to(app)
    dead_letter_handlers.add_to(app)
    import_handlers.add_to(app)
    app.router.add_get("/healthz", handlers.healthz)
    app.router.add_get("/readyz", handlers.readyz)
    app.router.add_get("/metrics", handlers.metrics)
    app.router.add_get("/openapi.json", handlers.openapi_document)
    console.add_to(app)
    return app


async def _database(app: web.Application) -> AsyncIterator[None]:
    settings = app[handlers.SETTINGS]
    database = Database(settings)
    app[handlers.DATABASE] = database
    app[handlers.SCHEMA] = SchemaCache(database, settings.schema_cache_s, time.monotonic)
    app[identity_handlers.EDITOR] = editor = Editor(settings)
    refreshing = asyncio.create_task(
        refresh_for_ever(database, editor, app[handlers.TOKENS].projects)
        if settings.clickhouse_editor_url
        else asyncio.sleep(0)
    )
    yield
    refreshing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await refreshing
    await editor.close()
    await database.close()
