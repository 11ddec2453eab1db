"""An HTTP proxy in front of ClickHouse that delays answers, cuts them, or says that what was done has failed."""

import base64
import contextlib
import http.client
import http.server
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

Manner = Literal["pass", "delay", "cut", "half", "error", "refuse", "as"]
"""
How one request is treated. delay: the answer comes after ``delay_s``; cut: done, but the connection closes instead of an
answer; half: half of the answer's bytes; error: done, but answered 500; refuse: not done, the connection closes; as: with
the user and password of ``login`` instead of the client's.
"""
Decide = Callable[[str], Manner]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed resets its connection: that is no news here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """
    Listens on a port of its own; ``url`` is the address with it instead of the server's.

    ``decide`` is asked for each request with the text of its query; it may be changed at any time.
    """

    def __init__(self, url: str) -> None:
        self.delay_s = 1.0
        self.login = ("", "")
        self.decide: Decide = lambda _: "pass"
        self.treated: Counter[str] = Counter()
        self._forwarding = 0
        self._changed = threading.Condition()
        parts = urllib.parse.urlsplit(url)
        self.target = (str(parts.hostname), int(parts.port or 0))
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        port = self._server.server_address[1]
        self.url = parts._replace(
            netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"
        ).geturl()

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; no request of a client that still lives reaches ClickHouse afterwards, where the next test is."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        with self._changed:
            self.decide = lambda _: "refuse"
            self._changed.wait_for(lambda: not self._forwarding)

    @contextlib.contextmanager
    def decided(self, query: str) -> Iterator[Manner]:
        """How one request is treated, while it is."""
        with self._changed:
            manner = self.decide(query)
            self.treated[manner] += 1
            self._forwarding += manner != "refuse"
        try:
            yield manner
        finally:
            with self._changed:
                self._forwarding -= manner != "refuse"
                self._changed.notify_all()


def _handler(proxy: Proxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._treat()

        def do_POST(self) -> None:
            self._treat()

        def _treat(self) -> None:
            try:
                body = self._read_body()
                query = urllib.parse.unquote_plus(self.path) + body[:2000].decode("latin-1")
                with proxy.decided(query) as manner:
                    if manner == "refuse":
                        self.close_connection = True
                    else:
                        self._answer(manner, *self._forward(manner, body))
            except (OSError, http.client.HTTPException):  # one of the two is gone: so is the other
                self.close_connection = True

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _forward(self, manner: Manner, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(*proxy.target, timeout=120)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "transfer-encoding", "content-length", "connection")
            }
            if manner == "as":
                credentials = base64.b64encode(":".join(proxy.login).encode()).decode()
                headers["Authorization"] = f"Basic {credentials}"
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def _answer(
            self, manner: Manner, status: int, headers: list[tuple[str, str]], body: bytes
        ) -> None:
            if manner == "delay":
                time.sleep(proxy.delay_s)
            if manner == "cut":
                self.close_connection = True
                return
            if manner == "error":
                status, headers, body = 500, [], b"Code: 999. a fault after the work was done"
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if manner == "half":
                self.close_connection = True
                body = body[: len(body) // 2]
            self.wfile.write(body)

    return Handler
