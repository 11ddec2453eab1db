"""
aiohttp's server with two changes.

Bytes that are no HTTP are answered in the one shape of errors, and never quoted. A question whose asker has gone is broken
off, with its statements in ClickHouse (what changes something is not: app.py).

``_make_server`` and the arguments of ``web.Server`` are private to aiohttp: the version is pinned, and
``test_bytes_that_are_no_http_get_the_one_error_shape`` looks at the answers.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from aiohttp import web

from query_api import metrics


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer in our shape and close the connection. What a client sent goes into no log."""
        if status >= 500:
            super().handle_error(request, status, exc, message)
        code, text = (
            ("internal", "a fault of ours; please report")
            if status >= 500
            else ("invalid_request", "the bytes are no HTTP/1.1 request, or their head is too long")
        )
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        request_id = uuid.uuid4().hex
        body = {"error": code, "message": text, "request_id": request_id}
        response = web.Response(
            body=msgspec.json.encode(body),
            status=status,
            content_type="application/json",
            headers={"X-Request-Id": request_id},
        )
        response.force_close()
        metrics.REQUESTS.labels(route="none", status=status).inc()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """``web.AppRunner`` whose connections are the above."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        kwargs: dict[str, Any] = made._kwargs
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=True,
            loop=made._loop,
            **kwargs,
        )
