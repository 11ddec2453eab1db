"""
``/v1/identity/…`` over HTTP: rights, parameters, answers. No ``try`` here: errors belong to app.py.
"""

from __future__ import annotations

import time

from aiohttp import web

from query_api.editor import Editor
from query_api.errors import QueryError
from query_api.handlers import DATABASE, TOKENS, json_response
from query_api.identity import Explainer, Unbind
from query_api.params import decode_struct
from query_api.reports import allowed_apps

EDITOR = web.AppKey("editor", Editor)


def add_to(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/v1/identity/{id:.+}/explain", explain)
    app.router.add_post("/v1/identity/unbind", unbind)


async def explain(request: web.Request) -> web.Response:
    """``GET /v1/identity/{id}/explain``: why these ids are one person, and why others are not."""
    tokens = request.app[TOKENS]
    token = tokens.token(request.headers.get("Authorization"))
    unknown = sorted(set(request.query) - {"app_id"})
    if unknown:
        raise QueryError(
            "invalid_request", "unknown parameter; there is app_id, repeatable", f"$.{unknown[0]}"
        )
    readable = [app.app_id for app in tokens.apps(token)]
    app_ids = allowed_apps(request.query.getall("app_id", []) or None, readable)
    explainer = Explainer(request.app[DATABASE], token, app_ids)
    return json_response(await explainer.explain(request.match_info["id"]))


async def unbind(request: web.Request) -> web.Response:
    """``POST /v1/identity/unbind``: take two ids apart."""
    tokens = request.app[TOKENS]
    token = tokens.token(request.headers.get("Authorization"))
    body = decode_struct(await request.read(), Unbind)
    readable = [app.app_id for app in tokens.apps(token)]
    explainer = Explainer(request.app[DATABASE], token, readable)
    now_ms = time.time_ns() // 1_000_000
    return json_response(await explainer.unbind(request.app[EDITOR], body, now_ms))
