"""
A bare HTTP/1.1 client on asyncio: one connection, one request at a time, as little work as can be.

A load generator must cost far less than what it measures; a general client costs about as much as
the server does. Answers with Content-Length or chunked bodies are understood, nothing else. Used by
``driver`` and ``demo``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"


class Address(NamedTuple):
    """Where to connect, and the request head up to the length of the body."""

    host: str
    port: int
    head: bytes


class Answer(NamedTuple):
    """What came back. ``retry_after_s`` is 0 where the header is absent; status 0 is no answer."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


NO_ANSWER = Answer(0, b"")


def address_of(url: str, headers: dict[str, str]) -> Address:
    """Prepare POST requests to a URL. Errors: ValueError for anything but http."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"need an address like http://127.0.0.1:8123/v1/events, got {url!r}")
    port = parts.port or 80
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {parts.hostname}:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Address(parts.hostname, port, "\r\n".join(lines).encode() + b"\r\nContent-Length: ")


class Connection(asyncio.Protocol):
    """
    Sends a body, hands over the answer, stays open for the next.

    ``on_answer(connection, answer)`` is called once for each ``post``, with NO_ANSWER when the
    connection ended first; ``is_open`` then tells whether it can be used again.
    """

    def __init__(self, address: Address, on_answer: Callable[[Connection, Answer], None]) -> None:
        self._address = address
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._waits = False
        self.is_open = False

    async def open(self) -> None:
        """Connect. Errors: OSError."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, self._address.host, self._address.port)

    def post(self, body: bytes) -> None:
        """Send one request; only when open and no answer is outstanding."""
        if self._transport is None or self._waits:
            raise RuntimeError("post() needs an open connection without an outstanding request")
        self._waits = True
        head = b"%b%d\r\n\r\n" % (self._address.head, len(body))
        self._transport.writelines((head, body))

    def close(self) -> None:
        """Close at once; an outstanding request gets NO_ANSWER."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # TCP gives nothing else
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        del exc
        self.is_open = False
        self._received = b""
        if self._waits:
            self._waits = False
            self._on_answer(self, NO_ANSWER)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received = self._received + data if self._received else data
        parsed = parse_answer(self._received)
        if parsed is None:
            return
        answer, keeps_open = parsed
        self._received = b""
        self._waits = False
        if not keeps_open:
            self.is_open = False
            self.close()
        self._on_answer(self, answer)


def parse_answer(received: bytes) -> tuple[Answer, bool] | None:
    """Return an answer and whether the connection stays open, or None until all of it is there."""
    end = received.find(_HEAD_END)
    if end < 0:
        return None
    head = received[:end].lower()
    start = end + len(_HEAD_END)
    length = _header(head, b"content-length")
    if length is not None:
        if len(received) < start + int(length):
            return None
        body = received[start : start + int(length)]
    elif _header(head, b"transfer-encoding") == b"chunked":
        chunks = _read_chunks(received, start)
        if chunks is None:
            return None
        body = chunks
    else:
        body = received[start:]
    retry_after = _header(head, b"retry-after")
    answer = Answer(int(received[9:12]), body, float(retry_after) if retry_after else 0.0)
    return answer, _header(head, b"connection") != b"close"


def _header(head: bytes, name: bytes) -> bytes | None:
    place = head.find(b"\r\n" + name + b":")
    if place < 0:
        return None
    start = place + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


def _read_chunks(received: bytes, start: int) -> bytes | None:
    chunks: list[bytes] = []
    while True:
        line_end = received.find(b"\r\n", start)
        if line_end < 0:
            return None
        size = int(received[start:line_end].split(b";")[0], 16)
        if len(received) < line_end + 4 + size:
            return None
        if size == 0:
            return b"".join(chunks)
        chunks.append(received[line_end + 2 : line_end + 2 + size])
        start = line_end + 4 + size
