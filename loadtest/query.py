"""Asks the query API, as any program would. Called by ``demo`` and ``queries``."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import msgspec

_LIMIT_S = 300.0


class QueryError(Exception):
    """The query API refused a report; the message has its own words."""


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
            raise QueryError(f"{name}: status {answer.status}: {body.decode(errors='replace')}")
        decoded: dict[str, Any] = msgspec.json.decode(body)
        return decoded
