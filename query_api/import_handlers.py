"""
``/v1/qr-codes``, ``/v1/costs`` and ``/v1/messages`` over HTTP: rights, bodies, answers. Errors belong to app.py.
"""

from __future__ import annotations

import time
from typing import TypeVar

import msgspec
from aiohttp import web

from query_api import costs, messages, qr_codes
from query_api.handlers import DATABASE, TOKENS, json_response
from query_api.identity_handlers import EDITOR
from query_api.params import Params, decode_struct
from query_api.project_tables import Page, ProjectTables, Rights
from query_api.report import Row

ParamsType = TypeVar("ParamsType", bound=Params)


def add_to(app: web.Application) -> None:
    """Add the routes."""
    for path, get, post, delete in (
        ("/v1/qr-codes", list_codes, store_codes, delete_codes),
        ("/v1/costs", list_costs, store_costs, delete_costs),
        ("/v1/messages", list_campaigns, store_messages, delete_messages),
    ):
        app.router.add_get(path, get)
        app.router.add_post(path, post)
        app.router.add_delete(path, delete)


def _tables(request: web.Request) -> ProjectTables:
    tokens = request.app[TOKENS]
    token = tokens.token(request.headers.get("Authorization"))
    readable = [app.app_id for app in tokens.apps(token)]
    rights = Rights(token.project, readable, token.token_id)
    return ProjectTables(request.app[DATABASE], request.app[EDITOR], rights)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _given(request: web.Request, type_: type[ParamsType]) -> ParamsType:
    """Decode the query parameters as if they were a body: lists are repeated, digits are numbers where one is meant."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    given: Row = {}
    for name in request.query:
        values = request.query.getall(name)
        kind = str(fields[name].type) if name in fields else ""
        if "list" in kind:
            given[name] = values
        else:
            text = values[-1]
            is_number = "int" in kind and text.isdecimal() and text.isascii() and len(text) <= 19
            given[name] = int(text) if is_number else text
    return decode_struct(msgspec.json.encode(given), type_)


def _answer(result: Row, semantics: Row | None = None, status: int = 200) -> web.Response:
    return json_response({"result": result, "semantics": semantics or {}}, status)


async def list_codes(request: web.Request) -> web.Response:
    """``GET /v1/qr-codes``: the registry, page by page."""
    found = await qr_codes.stored(_tables(request), _given(request, Page))
    return _answer(found, qr_codes.semantics())


async def store_codes(request: web.Request) -> web.Response:
    """``POST /v1/qr-codes``: store or replace codes."""
    tables = _tables(request)
    body = decode_struct(await request.read(), qr_codes.NewQrCodes)
    stored = await qr_codes.store(tables, body, _now_ms())
    return _answer({"stored": stored}, qr_codes.semantics())


async def delete_codes(request: web.Request) -> web.Response:
    """``DELETE /v1/qr-codes?app_id=…&code_id=…``."""
    tables = _tables(request)
    gone = _given(request, qr_codes.GoneQrCodes)
    return _answer({"deleted": await qr_codes.delete(tables, gone, _now_ms())})


async def list_costs(request: web.Request) -> web.Response:
    """``GET /v1/costs``: imported rows, page by page."""
    found = await costs.stored(_tables(request), _given(request, costs.CostsPage))
    return _answer(found, costs.semantics())


async def store_costs(request: web.Request) -> web.Response:
    """``POST /v1/costs``: store or replace rows."""
    tables = _tables(request)
    body = decode_struct(await request.read(), costs.NewCosts)
    return _answer({"stored": await costs.store(tables, body, _now_ms())}, costs.semantics())


async def delete_costs(request: web.Request) -> web.Response:
    """``DELETE /v1/costs?app_id=…&from=…&to=…``."""
    tables = _tables(request)
    gone = _given(request, costs.GoneCosts)
    return _answer({"deleted": await costs.delete(tables, gone, _now_ms())})


async def list_campaigns(request: web.Request) -> web.Response:
    """``GET /v1/messages``: campaigns with the number of their rows; the rows themselves are not handed out."""
    return _answer(await messages.campaigns(_tables(request), _given(request, Page)))


async def store_messages(request: web.Request) -> web.Response:
    """``POST /v1/messages``: store or replace rows of a send log."""
    tables = _tables(request)
    body = decode_struct(await request.read(), messages.NewMessages)
    return _answer({"stored": await messages.store(tables, body, _now_ms())})


async def delete_messages(request: web.Request) -> web.Response:
    """``DELETE /v1/messages?app_id=…&campaign=…``."""
    tables = _tables(request)
    gone = _given(request, messages.GoneMessages)
    return _answer({"deleted": await messages.delete(tables, gone, _now_ms())})
