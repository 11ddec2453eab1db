"""
The console over HTTP: the page at ``/``, its files, sign-in, saved views, keys and tokens, live events, data quality.

The page asks the same ``/v1/...`` addresses as any program. ``with_session`` turns its cookie into an ``Authorization``
header; what changes something, or asks with a body, must come from the page itself (``Sec-Fetch-Site``, else ``Origin``),
beside the cookie's SameSite. Called by app.py.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from msgspec import Meta
from multidict import CIMultiDict

from query_api import query_ids
from query_api.console import arrivals, sessions, static_files
from query_api.console.progress import progress
from query_api.console.saved_views import SavedViews, ViewList
from query_api.errors import QueryError
from query_api.handlers import DATABASE, SETTINGS, TOKENS, json_response
from query_api.params import Params, decode_struct, whole_number
from query_api.report import Row
from query_api.reports import REPORTS, allowed_apps
from sdk_spec.access import load

COOKIE = "scenetrail_session"
FILES = web.AppKey("console_files", dict[str, static_files.StaticFile])
VERSION = web.AppKey("console_version", str)
_FOR_GOOD = "public, max-age=31536000, immutable"
VIEWS = web.AppKey("console_views", SavedViews)
_READING = {"GET", "HEAD", "OPTIONS"}


class SignIn(Params, kw_only=True):
    """Body of ``POST /console/session``."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


def add_to(app: web.Application) -> None:
    """Add the console's routes and what they need."""
    app[FILES] = static_files.load()
    app[VERSION] = static_files.version_of(app[FILES])
    app[VIEWS] = SavedViews(app[SETTINGS].data_dir / "console.json")
    app.router.add_get("/", page)
    app.router.add_get("/static/{path:.+}", static)
    app.router.add_get("/console/session", session)
    app.router.add_post("/console/session", sign_in)
    app.router.add_delete("/console/session", sign_out)
    app.router.add_get("/console/views", views)
    app.router.add_put("/console/views", replace_views)
    app.router.add_get("/console/access", access)
    app.router.add_get("/console/live", live)
    app.router.add_get("/console/quality", quality)
    app.router.add_get("/console/progress/{query_id}", progress_of)


@web.middleware
async def with_session(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let a request with the console's cookie, and no token of its own, ask with the rights of its session."""
    cookie = request.cookies.get(_cookie_name(request))
    if cookie is not None and "Authorization" not in request.headers:
        if request.method not in _READING:
            check_same_origin(request)
        headers = CIMultiDict(request.headers)
        headers["Authorization"] = f"{sessions.SCHEME} {cookie}"
        request = request.clone(headers=headers)
    return await handler(request)


def check_same_origin(request: web.Request) -> None:
    """Refuse what another site's page sent. Errors: ``forbidden``."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        origin = request.headers.get("Origin")
        site = (
            "same-origin"
            if origin is not None and urlsplit(origin).netloc == request.host
            else "unknown"
        )
    if site != "same-origin":
        raise QueryError(
            "forbidden",
            "with the console's cookie only the console may ask; send a read token instead",
        )


def _cookie_name(request: web.Request) -> str:
    """Return a name of its own for each port: browsers share the cookies of a host's ports."""
    return f"{COOKIE}_{request.url.port}"


async def page(request: web.Request) -> web.Response:
    """``GET /``: the page, told who is signed in; never kept."""
    told = html.escape(msgspec.json.encode(_session(request)).decode(), quote=True)
    body = request.app[FILES]["index.html"].body.decode()
    body = body.replace(static_files.SESSION, static_files.SESSION.replace('""', f'"{told}"'))
    return web.Response(
        text=body,
        content_type="text/html",
        headers={**static_files.HEADERS, "Cache-Control": "no-store"},
    )


async def static(request: web.Request) -> web.Response:
    """``GET /static/<version>/<path>``: a file of the page; of another or no version: as it is now, to be asked again."""
    version, _, path = request.match_info["path"].partition("/")
    if version == request.app[VERSION]:
        return _file(request, path, _FOR_GOOD)
    is_version = len(version) == len(request.app[VERSION]) and path in request.app[FILES]
    return _file(request, path if is_version else request.match_info["path"], "no-cache")


def _file(request: web.Request, path: str, cache: str) -> web.Response:
    found = request.app[FILES].get(path) if path != "index.html" else None
    if found is None:
        raise QueryError("not_found", "no such file of the console")
    headers = {
        **static_files.HEADERS,
        "ETag": found.etag,
        "Cache-Control": cache,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("If-None-Match") == found.etag:
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = found.content_type
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=found.zipped, headers=headers)
    return web.Response(body=found.body, headers=headers)


async def sign_in(request: web.Request) -> web.Response:
    """``POST /console/session``: takes a read token, sets the cookie."""
    check_same_origin(request)
    body = decode_struct(await request.read(), SignIn)
    token = request.app[TOKENS].token(f"Bearer {body.token.strip()}")
    response = json_response({"signed_in": True})
    response.set_cookie(
        _cookie_name(request),
        sessions.issue(token, int(time.time())),
        max_age=sessions.SESSION_S,
        httponly=True,
        samesite="Strict",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        path="/",
    )
    return response


async def sign_out(request: web.Request) -> web.Response:
    """``DELETE /console/session``: forgets the cookie."""
    check_same_origin(request)
    response = json_response({"signed_in": False})
    response.del_cookie(_cookie_name(request), path="/")
    return response


async def session(request: web.Request) -> web.Response:
    """``GET /console/session``: who is signed in, which apps and reports that shows. 200 also for nobody."""
    return json_response(_session(request))


def _session(request: web.Request) -> Row:
    tokens = request.app[TOKENS]
    try:
        token = tokens.token(request.headers.get("Authorization"))
    except QueryError:
        return {"signed_in": False}
    apps = [
        {"app_id": app.app_id, "name": app.name, "platform": app.platform}
        for app in tokens.apps(token)
    ]
    return {
        "signed_in": True,
        "token_id": token.token_id,
        "project": token.project,
        "whole_project": not token.app_ids,
        "apps": apps,
        "reports": sorted(REPORTS),
    }


async def views(request: web.Request) -> web.Response:
    """``GET /console/views``: the saved views of the project."""
    token = request.app[TOKENS].token(request.headers.get("Authorization"))
    return json_response(await asyncio.to_thread(request.app[VIEWS].of, token.project))


async def replace_views(request: web.Request) -> web.Response:
    """``PUT /console/views``: the whole list, as GET gives it."""
    token = request.app[TOKENS].token(request.headers.get("Authorization"))
    kept = decode_struct(await request.read(), ViewList)
    await asyncio.to_thread(request.app[VIEWS].replace, token.project, kept)
    return json_response(kept)


async def access(request: web.Request) -> web.Response:
    """``GET /console/access``: apps, write keys and read tokens by their ids; secrets are not known here."""
    tokens = request.app[TOKENS]
    token = tokens.token(request.headers.get("Authorization"))
    file = await asyncio.to_thread(load, request.app[SETTINGS].access_file)
    apps = {app.app_id for app in tokens.apps(token)}
    return json_response(
        {
            "apps": [app for app in file.apps if app.app_id in apps],
            "write_keys": [
                {
                    "key_id": key.key_id,
                    "app_id": key.app_id,
                    "created_at": key.created_at,
                    "revoked_at": key.revoked_at,
                }
                for key in file.write_keys
                if key.app_id in apps
            ],
            # A token limited to some apps sees itself only.
            "read_tokens": [
                {
                    "token_id": other.token_id,
                    "app_ids": other.app_ids,
                    "created_at": other.created_at,
                    "revoked_at": other.revoked_at,
                }
                for other in file.read_tokens
                if other.token_id == token.token_id
                or (other.project == token.project and not token.app_ids)
            ],
        }
    )


def _asked_apps(request: web.Request) -> list[str]:
    readable = request.app[TOKENS].readable(request.headers.get("Authorization"))
    return allowed_apps(request.query.getall("app_id", []) or None, readable)


async def live(request: web.Request) -> web.Response:
    """``GET /console/live``: the newest events, accepted and refused."""
    apps = _asked_apps(request)
    now_ms = time.time_ns() // 1_000_000
    return json_response(await arrivals.live(request.app[DATABASE], apps, now_ms))


async def progress_of(request: web.Request) -> web.Response:
    """``GET /console/progress/<id>``: how far the question has come that was asked with this ``X-Query-Id``."""
    request.app[TOKENS].token(request.headers.get("Authorization"))
    query_id = query_ids.checked(request.match_info["query_id"], "$.query_id")
    return json_response(await progress(request.app[DATABASE], query_id))


async def quality(request: web.Request) -> web.Response:
    """``GET /console/quality?days=7``: refused by reason, lag, clocks, ids."""
    token = request.app[TOKENS].token(request.headers.get("Authorization"))
    apps = _asked_apps(request)
    days = whole_number(request.query.get("days", "7"), "$.days", 1, arrivals.MAX_DAYS)
    now_ms = time.time_ns() // 1_000_000
    # Conflicts are the whole project's; a token limited to some apps does not see them.
    project = "" if token.app_ids else token.project
    return json_response(await arrivals.quality(request.app[DATABASE], apps, project, now_ms, days))
