"""
``/v1/segments`` over HTTP: rights, bodies, answers. No ``try`` here: errors belong to app.py.
"""

from __future__ import annotations

import asyncio
import time
import uuid

from aiohttp import web

from query_api import segment_export, tables
from query_api.handlers import DATABASE, TOKENS, json_response
from query_api.identity_handlers import EDITOR
from query_api.params import decode_struct
from query_api.periods import rfc3339
from query_api.report import Row
from query_api.segments import NewSegment, NewSnapshot, Segments, semantics
from sdk_spec.access import ReadToken


def add_to(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/v1/segments", list_all)
    app.router.add_post("/v1/segments", create)
    app.router.add_get("/v1/segments/{id}", describe)
    app.router.add_delete("/v1/segments/{id}", delete)
    app.router.add_post("/v1/segments/{id}/snapshots", take_snapshot)
    app.router.add_get("/v1/segments/{id}/export", export)


def _segments(request: web.Request) -> tuple[Segments, ReadToken]:
    tokens = request.app[TOKENS]
    token = tokens.token(request.headers.get("Authorization"))
    readable = [app.app_id for app in tokens.apps(token)]
    return Segments(request.app[DATABASE], token.project, readable), token


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _answer(result: Row, status: int = 200) -> web.Response:
    return json_response({"result": result, "semantics": semantics()}, status)


async def list_all(request: web.Request) -> web.Response:
    """``GET /v1/segments``: all rules of the project whose apps the token may read."""
    segments, _ = _segments(request)
    return _answer({"segments": await segments.all()})


async def create(request: web.Request) -> web.Response:
    """``POST /v1/segments``: store a rule; 201 with its id."""
    segments, token = _segments(request)
    body = decode_struct(await request.read(), NewSegment)
    made = await segments.create(request.app[EDITOR], body, token.token_id, _now_ms())
    return _answer({"segment": made}, 201)


async def describe(request: web.Request) -> web.Response:
    """``GET /v1/segments/{id}``: the rule, its size and a sample now, its snapshots."""
    segments, _ = _segments(request)
    segment = await segments.get(request.match_info["id"], "$.id")
    return _answer({"segment": await segments.describe(segment, _now_ms())})


async def delete(request: web.Request) -> web.Response:
    """``DELETE /v1/segments/{id}``."""
    segments, _ = _segments(request)
    await segments.delete(request.app[EDITOR], request.match_info["id"], _now_ms())
    return _answer({"deleted": request.match_info["id"]})


async def export(request: web.Request) -> web.Response:
    """``GET /v1/segments/{id}/export``: ids of the members for a channel, as JSON, CSV or Arrow."""
    form = tables.form_of(request.headers.get("Accept"))
    segments, token = _segments(request)
    tokens = request.app[TOKENS]
    wish = segment_export.wish_of(dict(request.query), [app.app_id for app in tokens.apps(token)])
    segment = await segments.get(request.match_info["id"], "$.id")
    now_ms = _now_ms()
    result, more = await segments.export(segment, wish, tokens.projects()[token.project], now_ms)
    answer = {
        "result": result,
        "semantics": segment_export.semantics(wish),
        "meta": {
            "query_id": uuid.uuid4().hex,
            "data_complete_until": rfc3339(now_ms),
            "truncated": more,
            "missing_shards": [],
        },
    }
    if form == tables.JSON:
        return json_response(answer)
    body = await asyncio.to_thread(tables.encode, form, result["users"], answer)
    headers = {
        "Content-Type": form,
        **tables.headers(answer),
        "X-Next-After": result["next_after"] or "",
        "X-Opted-Out": str(result["opted_out"]),
        "X-Without-Id": str(result["without_id"]),
    }
    return web.Response(body=body, headers=headers)


async def take_snapshot(request: web.Request) -> web.Response:
    """``POST /v1/segments/{id}/snapshots``: store the users of a day; 201 with their number."""
    segments, token = _segments(request)
    body = decode_struct(await request.read() or b"{}", NewSnapshot)
    segment = await segments.get(request.match_info["id"], "$.id")
    taken = await segments.take_snapshot(
        request.app[EDITOR], segment, body, token.token_id, _now_ms()
    )
    return _answer({"snapshot": taken}, 201)
