"""Asks the query API, as any program would. Called by ``demo``, ``identity_cost``, ``network`` and ``queries``."""

from __future__ import annotations

import http.client
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

_LIMIT_S = 300.0

NEW_APP_LIMIT_S = 30.0
"""So long may the query API need to know an app; it looks once a second (``ACCESS_REFRESH_S``)."""

_POLL_S = 0.1


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
        if answer.status != HTTPStatus.OK:
            raise QueryError(name, answer.status, body)
        decoded: dict[str, Any] = msgspec.json.decode(body)
        return decoded

    def wait_for_app(self, name: str, request: dict[str, Any]) -> None:
        """
        Return when the API answers about an app made a moment ago; it looks for new ones once a second.

        Errors: as ``report``; ``forbidden`` when it is so for longer than NEW_APP_LIMIT_S.
        """
        deadline_s = time.monotonic() + NEW_APP_LIMIT_S
        while True:
            try:
                self.report(name, request)
            except QueryError as error:
                if error.status != HTTPStatus.FORBIDDEN or time.monotonic() > deadline_s:
                    raise
            else:
                return
            # The API announces no new app and has nothing that waits for one: it can only be asked again.
            time.sleep(_POLL_S)
