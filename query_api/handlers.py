"""
The HTTP handlers: rights, body, answer in the form that was asked for. No ``try`` here: errors belong to app.py.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from query_api import openapi, query_ids, tables
from query_api.clickhouse import Database
from query_api.console import sessions
from query_api.errors import QueryError
from query_api.event_schema import SchemaCache
from query_api.report import Row
from query_api.reports import allowed_apps, answer_query, columns_of, table_of
from query_api.settings import Settings
from sdk_spec.access import Access, App, ReadToken, WriteKey

ACCESS_REFRESH_S = 1.0
log = structlog.get_logger("query_api")


class Tokens:
    """Read tokens, looked for again in the access file at most once a second."""

    def __init__(self, settings: Settings) -> None:
        self._access = Access(settings.access_file)
        self._refreshed_at = time.monotonic()

    def readable(self, header: str | None) -> list[str]:
        """
        Return the apps that the token of an ``Authorization`` header may read.

        Errors: ``unauthorized`` without a token or with one that is unknown or revoked.
        """
        return self._access.apps_of(self.token(header))

    def apps(self, token: ReadToken) -> list[App]:
        """Return the apps that a token may read, with their names."""
        return [self._access.apps[app_id] for app_id in self._access.apps_of(token)]

    def projects(self) -> dict[str, list[str]]:
        """Return the app ids of each project."""
        self._look()
        found: dict[str, list[str]] = {}
        for app in self._access.apps.values():
            found.setdefault(app.project, []).append(app.app_id)
        return found

    def write_key(self, secret: str) -> tuple[WriteKey, App] | None:
        """Return the entry of a valid write key and its app."""
        key = self._access.write_key(secret)
        app = None if key is None else self._access.apps.get(key.app_id)
        return None if key is None or app is None else (key, app)

    def token(self, header: str | None) -> ReadToken:
        """
        Return the token of an ``Authorization`` header: a read token, or a console session that stands for one.

        Errors: ``unauthorized`` without a token or with one that is unknown or revoked.
        """
        self._look()
        scheme, _, secret = (header or "").partition(" ")
        if scheme == sessions.SCHEME:
            return self._of_session(secret)
        if scheme.lower() != "bearer" or not secret.strip():
            raise QueryError(
                "unauthorized", "send the read token as `Authorization: Bearer <read_token>`"
            )
        token: ReadToken | None = self._access.token(secret.strip())
        if token is None:
            raise QueryError("unauthorized", "this read token is unknown or revoked")
        return token

    def _look(self) -> None:
        """Read the file again when it is time."""
        now = time.monotonic()
        if now - self._refreshed_at >= ACCESS_REFRESH_S:
            self._refreshed_at = now
            self._refresh()

    def _of_session(self, session: str) -> ReadToken:
        token = self._access.token_of_id(sessions.token_id_of(session) or "")
        if token is None or not sessions.is_valid(session, token, int(time.time())):
            raise QueryError("unauthorized", "the session has ended; sign in again")
        return token

    def _refresh(self) -> None:
        try:
            self._access.refresh()
        except (OSError, msgspec.MsgspecError) as error:
            # The last good state stays, so that a broken edit locks nobody out.
            log.warning("access_file_unreadable", kind=type(error).__name__)


DATABASE = web.AppKey("database", Database)
TOKENS = web.AppKey("tokens", Tokens)
SCHEMA = web.AppKey("schema", SchemaCache)
SETTINGS = web.AppKey("settings", Settings)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def json_response(
    value: object, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Write any value of ours as JSON."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers=headers,
    )


async def query(request: web.Request) -> web.Response:
    """``POST /v1/query/<report>`` and ``/v1/query/<report>/users``: JSON, CSV or Arrow as ``Accept`` says."""
    tokens = request.app[TOKENS]
    token = tokens.token(request.headers.get("Authorization"))
    readable = [app.app_id for app in tokens.apps(token)]
    form = tables.form_of(request.headers.get("Accept"))
    # By its route: the report "users" has a path that ends so as well.
    resource = request.match_info.route.resource
    is_users = resource is not None and resource.canonical.endswith("{report}/users")
    name = request.match_info["report"] + ("/users" if is_users else "")
    query_id = request.headers.get(query_ids.HEADER)
    if query_id is not None:
        query_ids.checked(query_id, f"$.{query_ids.HEADER}")
    asked = await request.read()
    answer = await answer_query(
        request.app[DATABASE], name, asked, readable, _now_ms(), token.project, query_id
    )
    if form == tables.JSON:
        return json_response(answer)
    rows = table_of(name, answer["result"])
    columns = [] if rows else columns_of(name, asked, answer["result"])
    body = await asyncio.to_thread(tables.encode, form, rows, answer, columns)
    return web.Response(body=body, headers={"Content-Type": form, **tables.headers(answer)})


async def schema(request: web.Request) -> web.Response:
    """``GET /v1/events/schema``: event names and properties seen, with counts, types, first and last time."""
    readable = request.app[TOKENS].readable(request.headers.get("Authorization"))
    unknown = sorted(set(request.query) - {"app_id"})
    if unknown:
        raise QueryError(
            "invalid_request", "unknown parameter; there is app_id, repeatable", f"$.{unknown[0]}"
        )
    app_ids = allowed_apps(request.query.getall("app_id", []) or None, readable)
    return json_response(await request.app[SCHEMA].get(tuple(app_ids)))


async def healthz(_request: web.Request) -> web.Response:
    """``GET /healthz``: the process is alive."""
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """``GET /readyz``: ClickHouse answers and the tables are there."""
    await request.app[DATABASE].ping()
    return json_response({"status": "ok"})


async def metrics(_request: web.Request) -> web.Response:
    """``GET /metrics``: Prometheus text."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def openapi_document(_request: web.Request) -> web.Response:
    """``GET /openapi.json``: all of it described."""
    document: Row = openapi.document()
    return json_response(document)
