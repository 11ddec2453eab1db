"""A way to the collector that goes wrong, for clients that must not lose or double anything on it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import itertools
import threading
import time
from collections import Counter
from typing import Self
from urllib.parse import urlsplit

FAULTS = ("busy", "lost", "cut", "portal", "slow", "failed")


class BadWay(http.server.ThreadingHTTPServer):
    """
    Goes wrong request by request, until ``ends``.

    busy: 503 with Retry-After, nothing is stored; lost: stored, but the connection closes instead of an answer; cut: it closes
    before anything is stored; portal: a login page with status 200 instead of the collector; slow: stored, but the answer
    comes after the client gave up; failed: stored, but answered 500.
    """

    daemon_threads = True
    SLOW_S = 1.5

    def __init__(self, collector_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Fault)
        self.target = str(urlsplit(collector_url).netloc)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.treated: Counter[str] = Counter()
        self.manners = itertools.cycle(("pass", *FAULTS))
        self.ends = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


_INSTEAD = {"busy": (503, b"{}"), "cut": (0, b""), "portal": (200, b"<html>Log in</html>")}


class _Fault(http.server.BaseHTTPRequestHandler):
    server: BadWay
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Treat one request."""
        way = self.server
        manner = "pass" if way.ends.is_set() else next(way.manners)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = _INSTEAD[manner] if manner in _INSTEAD else self._forward(body)
        if manner == "slow":
            time.sleep(way.SLOW_S)  # the fault itself: longer than the client waits
        way.treated[manner] += 1
        if manner == "lost" or not status:
            self.close_connection = True
            return
        self.send_response(500 if manner == "failed" else status)
        self.send_header("Content-Length", str(len(answer)))
        if manner == "busy":
            self.send_header("Retry-After", "1")
        with contextlib.suppress(OSError):  # who waited has gone
            self.end_headers()
            self.wfile.write(answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        collector = http.client.HTTPConnection(self.server.target, timeout=30)
        try:
            names = ("X-Write-Key", "Content-Encoding")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            collector.request("POST", self.path, body, headers)
            answer = collector.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):  # killed at this moment
            return 0, b""
        finally:
            collector.close()

    def log_message(self, *_args: object) -> None:
        """Be quiet."""
