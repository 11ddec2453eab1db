"""
Asks the query API from a program: requests as Structs or dicts, answers as Structs, pandas or Arrow.

    from query_api.client import Client

    with Client("http://127.0.0.1:8720", "rt_…") as client:
        answer = client.funnel({"time_range": {"from": "2026-10-01", "to": "2026-10-31"},
                                "steps": [{"event": "product_view"}, {"event": "order_pay"}]})
        print(answer.result.steps[1].rate_from_first, answer.meta.data_complete_until)
        frame = client.frame("retention", {...})            # pandas
        users = list(client.users("funnel", {...}, cell={"step": 2}))

``AsyncClient`` has the same methods to be awaited. What a request may hold: README.md and ``GET /openapi.json``.
What leaves and what comes back is built by pure functions; the two clients only carry it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import aiohttp
import msgspec
import pyarrow as pa
import urllib3
from msgspec import Struct

from query_api.results import (
    EventsResult,
    FunnelResult,
    LifecycleResult,
    RetentionResult,
    ScenesResult,
    UsersResult,
)
from query_api.tables import ARROW, CSV, JSON

if TYPE_CHECKING:
    import pandas as pd

Params = Struct | Mapping[str, Any]
Result = TypeVar("Result")

DEFAULT_TIMEOUT_S = 120.0
"""Longer than a query may take on the server (SCENETRAIL_QUERY_MAX_EXECUTION_TIME_S)."""
DEFAULT_ATTEMPTS = 4
"""Of a question that the server cannot answer at this moment (429, 503)."""
LONGEST_PAUSE_S = 30.0
USERS_PER_PAGE = 10_000
REPORT_NAME = re.compile(r"[a-z_]+(/users)?")


class QueryFailedError(Exception):
    """
    The server refused a question.

    ``code``: ``invalid_request``, ``unauthorized``, ``forbidden``, ``query_limit``, …; ``path`` names the field at fault;
    ``request_id`` finds it in the server's log.
    """

    def __init__(
        self, status: int, code: str, message: str, path: str | None, request_id: str
    ) -> None:
        where = f" ({path})" if path else ""
        super().__init__(f"{code}{where}: {message} [request {request_id}]")
        self.status = status
        self.code = code
        self.message = message
        self.path = path
        self.request_id = request_id


class Warned(Struct, kw_only=True):
    """Something to know about the numbers."""

    code: str
    message: str


class Meta(Struct, kw_only=True):
    """How an answer came about. ``data_complete_until``: RFC 3339, None without events."""

    query_id: str
    elapsed_ms: int
    rows_read: int
    data_complete_until: str | None
    truncated: bool
    missing_shards: list[int] = []
    warnings: list[Warned]


class Answer(Struct, Generic[Result], kw_only=True):
    """What a report answers: ``semantics`` is the whole resolved definition, defaults included."""

    result: Result
    semantics: dict[str, Any]
    meta: Meta
    explain: list[dict[str, Any]] | None = None


class _Fault(Struct):
    error: str
    message: str
    request_id: str = ""
    path: str | None = None


class _Request(Struct, frozen=True):
    """One request: POST with a body, GET without."""

    path: str
    headers: dict[str, str]
    body: bytes | None


class _Asking:
    """What both clients know: where, with which token, how to read an answer. No I/O."""

    def __init__(
        self,
        url: str,
        read_token: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        attempts: int = DEFAULT_ATTEMPTS,
    ) -> None:
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise ValueError("the address begins with http:// or https://")
        self._token = read_token.strip()
        if not (self._token.isascii() and self._token.isprintable()):
            raise ValueError("this is no read token: it has characters that no token has")
        self._timeout_s = timeout_s
        self._attempts = attempts

    def _post(self, report: str, params: Params, form: str = JSON) -> _Request:
        if not REPORT_NAME.fullmatch(report):  # `../segments` would be another address
            raise ValueError("the name of a report, or <report>/users")
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": JSON,
            "Accept": form,
        }
        asked = params if isinstance(params, Struct) else dict(params)
        return _Request(f"/v1/query/{report}", headers, msgspec.json.encode(asked))

    def _get(self, path: str) -> _Request:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": JSON}
        return _Request(path, headers, None)

    def _pause_s(self, attempt: int, status: int, retry_after: str | None) -> float | None:
        """How long to wait before asking again; None: the answer is final. ``attempt`` counts from 1."""
        if status not in (429, 503) or attempt >= self._attempts:
            return None
        asked = (
            float(retry_after) if retry_after and retry_after.isdigit() else 2.0 ** (attempt - 1)
        )
        return min(asked, LONGEST_PAUSE_S)


def _checked(request: _Request, status: int, content_type: str | None, body: bytes) -> bytes:
    """Return the body of a success in the form that was asked for. Errors: QueryFailedError."""
    if status == 200 and (content_type or "").startswith(request.headers["Accept"]):
        return body
    try:
        fault = msgspec.json.decode(body, type=_Fault)
    except msgspec.DecodeError:
        fault = _Fault("not_scenetrail", f"status {status} from something else: {body[:200]!r}")
    raise QueryFailedError(status, fault.error, fault.message, fault.path, fault.request_id)


def _answer(body: bytes, result: type[Result]) -> Answer[Result]:
    return msgspec.json.decode(body, type=Answer[result])  # type: ignore[valid-type]


def _page_of(params: Params, cell: Params, limit: int, after: str) -> dict[str, Any]:
    asked = msgspec.to_builtins(params) if isinstance(params, Struct) else dict(params)
    return {**asked, "cell": cell, "limit": limit, "after": after}


def _table(body: bytes) -> pa.Table:
    return pa.ipc.open_stream(body).read_all()


def _events(body: bytes) -> list[dict[str, Any]]:
    return list(msgspec.json.decode(body)["result"]["events"])


class Client(_Asking):
    """
    The query API, one request at a time in a thread; safe to share between threads.

    Errors of every method: QueryFailedError; urllib3.exceptions.HTTPError when the server cannot be reached.
    A server that is busy (429, 503) is asked again after the pause it names.
    """

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        # Two threads that ask first at the same moment may make two: one is dropped, and no request with it.
        return urllib3.PoolManager(timeout=self._timeout_s, retries=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def query(
        self,
        report: str,
        params: Params,
        result: type[Result] = dict[str, Any],  # type: ignore[assignment]
    ) -> Answer[Result]:
        """Ask any report; its result comes as ``result``, by default as a dict."""
        return _answer(self._send(self._post(report, params)), result)

    def funnel(self, params: Params) -> Answer[FunnelResult]:
        """Users and times from step to step."""
        return self.query("funnel", params, FunnelResult)

    def retention(self, params: Params) -> Answer[RetentionResult]:
        """Users who come back, by cohort."""
        return self.query("retention", params, RetentionResult)

    def events(self, params: Params) -> Answer[EventsResult]:
        """Counts, users, sums and percentiles in periods."""
        return self.query("events", params, EventsResult)

    def scenes(self, params: Params) -> Answer[ScenesResult]:
        """Entry scenes and what becomes of their users."""
        return self.query("scenes", params, ScenesResult)

    def lifecycle(self, params: Params) -> Answer[LifecycleResult]:
        """New, returning, resurrected and dormant users."""
        return self.query("lifecycle", params, LifecycleResult)

    def users(
        self, report: str, params: Params, cell: Params, page: int = USERS_PER_PAGE
    ) -> Iterator[str]:
        """Yield the users of one number of a report, page after page, each a key for ``profile`` and ``timeline``."""
        after: str | None = "0"
        while after is not None:
            asked = _page_of(params, cell, page, after)
            found = self.query(f"{report}/users", asked, UsersResult).result
            yield from (user.user for user in found.users)
            after = found.next_after

    def table(self, report: str, params: Params) -> pa.Table:
        """Return the main list of a report as an Arrow table; its schema's metadata holds semantics and meta."""
        return _table(self._send(self._post(report, params, ARROW)))

    def frame(self, report: str, params: Params) -> pd.DataFrame:
        """Return the main list of a report as a pandas DataFrame."""
        return self.table(report, params).to_pandas()

    def csv(self, report: str, params: Params) -> str:
        """Return the main list of a report as CSV with a header line."""
        return self._send(self._post(report, params, CSV)).decode()

    def schema(self) -> list[dict[str, Any]]:
        """Event names seen, most frequent first, with their properties."""
        return _events(self._send(self._get("/v1/events/schema")))

    def _send(self, request: _Request) -> bytes:
        attempt = 1
        while True:
            got = self._pool.request(
                "GET" if request.body is None else "POST",
                self._url + request.path,
                body=request.body,
                headers=request.headers,
            )
            pause_s = self._pause_s(attempt, got.status, got.headers.get("Retry-After"))
            if pause_s is None:
                return _checked(request, got.status, got.headers.get("Content-Type"), got.data)
            time.sleep(pause_s)
            attempt += 1


class AsyncClient(_Asking):
    """
    The query API for a program with an event loop; requests may run side by side.

    Errors of every method: QueryFailedError; aiohttp.ClientError when the server cannot be reached, TimeoutError when it
    does not answer in time. A server that is busy (429, 503) is asked again after the pause it names.
    """

    _session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def query(
        self,
        report: str,
        params: Params,
        result: type[Result] = dict[str, Any],  # type: ignore[assignment]
    ) -> Answer[Result]:
        """Ask any report; its result comes as ``result``, by default as a dict."""
        return _answer(await self._send(self._post(report, params)), result)

    async def funnel(self, params: Params) -> Answer[FunnelResult]:
        """Users and times from step to step."""
        return await self.query("funnel", params, FunnelResult)

    async def retention(self, params: Params) -> Answer[RetentionResult]:
        """Users who come back, by cohort."""
        return await self.query("retention", params, RetentionResult)

    async def events(self, params: Params) -> Answer[EventsResult]:
        """Counts, users, sums and percentiles in periods."""
        return await self.query("events", params, EventsResult)

    async def scenes(self, params: Params) -> Answer[ScenesResult]:
        """Entry scenes and what becomes of their users."""
        return await self.query("scenes", params, ScenesResult)

    async def lifecycle(self, params: Params) -> Answer[LifecycleResult]:
        """New, returning, resurrected and dormant users."""
        return await self.query("lifecycle", params, LifecycleResult)

    async def users(
        self, report: str, params: Params, cell: Params, page: int = USERS_PER_PAGE
    ) -> AsyncIterator[str]:
        """Yield the users of one number of a report, page after page."""
        after: str | None = "0"
        while after is not None:
            asked = _page_of(params, cell, page, after)
            found = (await self.query(f"{report}/users", asked, UsersResult)).result
            for user in found.users:
                yield user.user
            after = found.next_after

    async def table(self, report: str, params: Params) -> pa.Table:
        """Return the main list of a report as an Arrow table; its schema's metadata holds semantics and meta."""
        return _table(await self._send(self._post(report, params, ARROW)))

    async def frame(self, report: str, params: Params) -> pd.DataFrame:
        """Return the main list of a report as a pandas DataFrame."""
        return (await self.table(report, params)).to_pandas()

    async def csv(self, report: str, params: Params) -> str:
        """Return the main list of a report as CSV with a header line."""
        return (await self._send(self._post(report, params, CSV))).decode()

    async def schema(self) -> list[dict[str, Any]]:
        """Event names seen, most frequent first, with their properties."""
        return _events(await self._send(self._get("/v1/events/schema")))

    async def _send(self, request: _Request) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s)
            )
        attempt = 1
        while True:
            async with self._session.request(
                "GET" if request.body is None else "POST",
                self._url + request.path,
                data=request.body,
                headers=request.headers,
            ) as got:
                body = await got.read()
                pause_s = self._pause_s(attempt, got.status, got.headers.get("Retry-After"))
                if pause_s is None:
                    content_type = got.headers.get("Content-Type")
                    return _checked(request, got.status, content_type, body)
            await asyncio.sleep(pause_s)
            attempt += 1
