"""
The simplest servers in the collector's place: the least that any collector in Python costs.

`python -m loadtest.bare_server PORT read` reads the body and answers a constant; `decode` also
decodes it into the wire's Structs and answers how many events there were (aiohttp decompresses by
itself); `null` is hardly a server, and faster than any. Nothing is stored. Started by ``compare``.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import msgspec
import uvloop
from aiohttp import web

from sdk_spec import BatchResponse, EventBatch
from sdk_spec.limits import MAX_BODY_BYTES

_CONSTANT = b'{"ok":1}'
_LENGTH = b"Content-Length: "
_NULL_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + _CONSTANT
_decoder = msgspec.json.Decoder(EventBatch)
_encoder = msgspec.json.Encoder()


async def read(request: web.Request) -> web.Response:
    """Read the body, no more."""
    await request.read()
    return web.Response(body=_CONSTANT, content_type="application/json")


async def decode(request: web.Request) -> web.Response:
    """Read and decode the body."""
    body = await request.read()
    batch = _decoder.decode(body)
    fate = BatchResponse("", len(batch.events), 0, 0, [])
    return web.Response(body=_encoder.encode(fate), content_type="application/json")


class Null(asyncio.Protocol):
    """Answers when a whole request is there: shows what the generator itself can do."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio. The generator sends a head in one piece, one request at a time."""
        if not self._missing:
            end = data.find(b"\r\n\r\n") + 4
            start = data.find(_LENGTH) + len(_LENGTH)
            self._missing = int(data[start : end - 4]) + end
        self._missing -= len(data)
        if self._missing == 0:
            self._transport.write(_NULL_ANSWER)


async def serve_null(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", port)
    await server.serve_forever()


HANDLERS = {"read": read, "decode": decode}


def main(port: int, mode: str) -> None:
    """Serve until ended."""
    if mode == "null":
        uvloop.run(serve_null(port))
        return
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/events", HANDLERS[mode])
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=lambda _text: None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
