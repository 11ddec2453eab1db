"""
An answer in JSON whose head and body leave in one write, at half of what aiohttp's own way costs: the answer to a batch.

It reaches into ``web.StreamResponse`` and its writer, which are private to aiohttp, so the version is pinned; what leaves is
looked at byte by byte in ``tests/contract/test_sockets.py``.
"""

from __future__ import annotations

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_writer import _serialize_headers


class JsonResponse(web.Response):
    """
    ``body`` is JSON in UTF-8.

    What is not quite ordinary goes aiohttp's way: HTTP/1.0, a connection that ends, a client that reads slowly.
    """

    def __init__(self, body: bytes, *, status: int = 200) -> None:
        super().__init__(body=body, status=status, content_type="application/json")
        self._json = body

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Called by aiohttp to send the head; sends everything where it can."""
        transport = request.transport
        if (
            transport is None
            or request.protocol.writing_paused
            or request.version != HttpVersion11
            or not request.keep_alive
            or self.keep_alive is False
        ):
            return await super().prepare(request)
        self.headers["Content-Length"] = str(len(self._json))
        self.headers["Date"] = rfc822_formatted_time()
        head = _serialize_headers(f"HTTP/1.1 {self.status} {self.reason}", self.headers)
        transport.write(head + self._json)
        self._keep_alive = True
        self._eof_sent = True  # nothing is left for write_eof
        return None
