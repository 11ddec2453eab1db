"""
``POST /v1/privacy/erase`` and ``/v1/privacy/export``: what ``scenetrail privacy`` does, over HTTP.

They are the collector's, since only it knows what still waits in its spool, and has the writer's rights. They need an
admin token (``scenetrail keys create admin-token``): neither a write key nor a read token may erase. One at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from aiohttp import web
from clickhouse_connect.driver.exceptions import ClickHouseError
from msgspec import Meta, Struct

from collector import handlers, privacy
from collector.clickhouse_urls import addresses
from collector.errors import RequestError
from collector.migrate import connect
from sdk_spec.limits import MAX_ID_CHARS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from collector.app import State
    from sdk_spec.access import AdminToken

Done = TypeVar("Done")
_MAX_BODY_BYTES = 4_096
_one_at_a_time = asyncio.Semaphore(1)


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """The body: any id of the person, ``kind:value``, or ``kind@app_id:value`` for one app."""

    id: Annotated[str, Meta(min_length=3, max_length=2 * MAX_ID_CHARS + 20)]


def add_to(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_post("/v1/privacy/erase", erase)
    app.router.add_post("/v1/privacy/export", export)


def authorize(state: State, request: web.Request) -> AdminToken:
    """Return the rights of the admin token. Errors: RequestError 401."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = state.access.admin_token(secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise RequestError(
            "unauthorized",
            "send an admin token as `Authorization: Bearer at_…`; keys and read tokens may not do this",
        )
    return token


async def asked_id(state: State, request: web.Request) -> str:
    """Return the id of the body. Errors: RequestError 400, 408, 411, 413; BodyError for an empty one."""
    body = await handlers.read_body(
        request, state.settings.body_timeout_s, _MAX_BODY_BYTES, state.arriving
    )
    try:
        return msgspec.json.decode(body, type=Asked).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("invalid_request", f'give {{"id": "kind:value"}}: {error}') from error


async def run(
    state: State,
    token: AdminToken,
    asked: str,
    work: Callable[[list[Client], privacy.Person], Done],
) -> Done:
    """Find the person and do the work in a thread, one after the other. Errors: RequestError."""
    apps = [app for app in state.access.apps.values() if app.project == token.project]

    def blocking() -> Done:
        nodes: list[Client] = []
        try:
            nodes += [connect(url) for url in addresses(state.settings.clickhouse_url)]
            person = privacy.find(
                nodes[0],
                token.project,
                asked,
                sorted(app.app_id for app in apps),
                privacy.stored_as(apps, state.data_dir),
            )
            return work(nodes, person)
        finally:
            for node in nodes:
                node.close()

    async with _one_at_a_time:
        try:
            return await asyncio.to_thread(blocking)
        except privacy.PrivacyError as error:
            wait_s = 5 if error.code == "storage_unavailable" else None
            raise RequestError(error.code, str(error), wait_s) from error
        except ClickHouseError as error:
            raise RequestError("storage_unavailable", "ClickHouse does not answer", 5) from error


async def erase(request: web.Request) -> web.Response:
    """Remove everything of a person for good; answers the receipt."""
    state: State = request["state"]
    token = authorize(state, request)
    asked = await asked_id(state, request)
    receipt = await run(
        state,
        token,
        asked,
        lambda nodes, person: privacy.erase(
            nodes[0], state.settings.spool_dir, person, asked, nodes=nodes
        ),
    )
    return web.Response(body=msgspec.json.encode(receipt), content_type="application/json")


async def export(request: web.Request) -> web.Response:
    """Hand out everything of a person: one JSON object a line with its ``table``, the receipt last."""
    state: State = request["state"]
    token = authorize(state, request)
    asked = await asked_id(state, request)
    rows = await run(
        state, token, asked, lambda nodes, person: list(privacy.export(nodes[0], person, asked))
    )
    body = b"\n".join(map(msgspec.json.encode, rows)) + b"\n"
    return web.Response(body=body, content_type="application/x-ndjson")
