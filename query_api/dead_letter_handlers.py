"""
``/v1/dead-letters`` over HTTP: rights, parameters, answers. No ``try`` here: errors belong to app.py.
"""

from __future__ import annotations

import time

from aiohttp import web

from query_api import dead_letters
from query_api.dead_letters import MAX_OFFSET, MAX_ROWS, Again, Redrive, Wanted
from query_api.errors import InvalidRequest
from query_api.handlers import DATABASE, SETTINGS, TOKENS, json_response
from query_api.identity_handlers import EDITOR
from query_api.params import decode_struct, whole_number, zone_named
from query_api.periods import instant_ms
from query_api.reports import allowed_apps

_CHOSEN = ("app_id", "code", "field", "since", "until", "timezone", "redriven")
_PAGE = ("limit", "offset")
_ADDRESS = "/v1/dead-letters"


def add_to(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get(_ADDRESS, list_them)
    app.router.add_get(f"{_ADDRESS}/counts", count)
    app.router.add_get(f"{_ADDRESS}/{{request_id}}/{{event_index}}", show)
    app.router.add_post(f"{_ADDRESS}/{{request_id}}/{{event_index}}/redrive", redrive)


async def list_them(request: web.Request) -> web.Response:
    """``GET /v1/dead-letters``: refused events, the newest first."""
    return json_response(
        await dead_letters.listed(request.app[DATABASE], _wanted(request, (*_CHOSEN, *_PAGE)))
    )


async def count(request: web.Request) -> web.Response:
    """``GET /v1/dead-letters/counts``: how many, by app, code and field."""
    return json_response(
        await dead_letters.counts(request.app[DATABASE], _wanted(request, _CHOSEN))
    )


async def show(request: web.Request) -> web.Response:
    """``GET /v1/dead-letters/{request_id}/{event_index}``: one, with its text."""
    app_ids = request.app[TOKENS].readable(request.headers.get("Authorization"))
    letter = request.match_info["request_id"], request.match_info["event_index"]
    return json_response(await dead_letters.one(request.app[DATABASE], app_ids, *letter))


async def redrive(request: web.Request) -> web.Response:
    """``POST …/redrive``: send it again, as it was or repaired; needs a write key of its app as well."""
    tokens = request.app[TOKENS]
    app_ids = tokens.readable(request.headers.get("Authorization"))
    write_key = request.headers.get("X-Write-Key", "")
    body = decode_struct(await request.read() or b"{}", Redrive)
    again = Again(request.app[DATABASE], request.app[EDITOR], request.app[SETTINGS].collector_url)
    letter = request.match_info["request_id"], request.match_info["event_index"]
    return json_response(
        await again.send(app_ids, letter, body, write_key, tokens.write_key(write_key))
    )


def _wanted(request: web.Request, names: tuple[str, ...]) -> Wanted:
    """The parameters of list and counts. Errors: ``invalid_request``, ``forbidden``."""
    readable = request.app[TOKENS].readable(request.headers.get("Authorization"))
    unknown = sorted(set(request.query) - set(names))
    if unknown:
        raise InvalidRequest(f"$.{unknown[0]}", f"unknown parameter; there are {', '.join(names)}")
    zone = zone_named(request.query.get("timezone", "Asia/Shanghai"), "$.timezone")
    now_ms = time.time_ns() // 1_000_000
    redriven = request.query.get("redriven", "false")
    if redriven not in ("false", "true", "only"):
        raise InvalidRequest("$.redriven", "true, false or only")
    since, until = request.query.get("since", ""), request.query.get("until", "")
    return Wanted(
        app_ids=allowed_apps(request.query.getall("app_id", []) or None, readable),
        code=request.query.get("code", ""),
        field=request.query.get("field"),
        since_ms=(
            instant_ms(since, zone, "$.since") if since else dead_letters.default_since_ms(now_ms)
        ),
        until_ms=instant_ms(until, zone, "$.until", is_end=True) if until else 2**53,
        with_redriven=redriven != "false",
        only_redriven=redriven == "only",
        limit=_number(request, "limit", 100, 1, MAX_ROWS),
        offset=_number(request, "offset", 0, 0, MAX_OFFSET),
    )


def _number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    return whole_number(request.query.get(name, str(default)), f"$.{name}", least, most)
