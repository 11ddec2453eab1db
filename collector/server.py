"""
aiohttp's server with two changes.

``app.answer`` stands before the router, and bytes that are no HTTP are answered in the one shape of errors, as everything else.
aiohttp makes its connections in ``web.Server`` and has no setting for their class; ``_make_server`` and the arguments of
``web.Server`` are private to it, so the version is pinned and ``test_what_is_no_http_is_refused`` looks at the answers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from collector import metrics
from collector.app import answer, error_response
from collector.handlers import STATE, new_request_id


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Log as aiohttp does (``logs`` keeps bytes of clients out) and answer in our shape; closes the connection."""
        super().handle_error(request, status, exc, message)
        if status >= 500:
            code, text = "internal", "a fault of ours; please report"
        elif isinstance(exc, LineTooLong):
            _, limit, _ = exc.args
            code, text = "invalid_request", f"{limit} bytes at most in a line of the head: cookies?"
        else:
            code, text = "invalid_request", "the bytes are no HTTP/1.1 request"
        response = error_response(code, text, new_request_id())
        response.headers["Server"] = "scenetrail"
        response.force_close()
        metrics.requests_total.labels("other", str(response.status)).inc()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """``web.AppRunner`` with the above."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        kwargs: dict[str, Any] = made._kwargs
        return _Server(
            partial(answer, self.app[STATE], made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **kwargs,
        )
