"""Asks the query API, as any program would. Called by ``demo`` and ``queries``."""

from __future__ import annotations

import http.client
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

_LIMIT_S = 300.0

_POLL_S = 0.1

_FORBIDDEN = 403


class QueryError(Exception):
    """The query API refused a report; the message has its own words."""

    def __init__(self, name: str, status: int, body: bytes) -> None:
        super().__init__(f"{name}: status {status}: {body.decode(errors='replace')}")
        self.status = status


class QueryApi:
    """One query API and a read token for it."""

    def __init__(self, url: str, read_token: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._token = read_token

    def report(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the whole answer of ``POST /v1/query/<name>``. Errors: QueryError, OSError."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_LIMIT_S)
        try:
            connection.request(
                "POST",
                f"/v1/query/{name}",
                msgspec.json.encode(request),
                {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise QueryError(name, answer.status, body)
        decoded: dict[str, Any] = msgspec.json.decode(body)
        return decoded

    def report_of_new_app(
        self, name: str, request: dict[str, Any], *, limit_s: float = 30.0
    ) -> dict[str, Any]:
        """
        Return the answer about an app made a moment ago, asking again while it is forbidden.

        The API looks for new apps once a second (``ACCESS_REFRESH_S``). Errors: as ``report``, ``forbidden`` after ``limit_s``.
        """
        deadline = time.monotonic() + limit_s
        while True:
            try:
                return self.report(name, request)
            except QueryError as error:
                if error.status != _FORBIDDEN or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)
