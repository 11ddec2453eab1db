"""
SQL over ClickHouse's HTTP interface, with the standard library only.

Called by ``verify``, ``queries`` and ``compare``. Kept apart from the product's clients on purpose:
a proof should not share the code that it checks.
"""

from __future__ import annotations

import base64
import http.client
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

_ERROR_CHARS = 600


class ClickHouseError(Exception):
    """ClickHouse refused a statement; the text is its own."""


class ClickHouse:
    """
    One server and database, from a URL such as ``http://writer:secret@127.0.0.1:8123/scenetrail``.

    Opens a connection for each statement: statements here are few and long.
    """

    def __init__(self, url: str, timeout_s: float = 600.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"need an address like http://user:pw@127.0.0.1:8123/db, got {url!r}")
        self._host = parts.hostname
        self._port = parts.port or 8123
        self._timeout_s = timeout_s
        self.database = parts.path.strip("/") or "default"
        self.headers = {}
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()

    def rows(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Run a SELECT; parameters fill ``{name:Type}``. Errors: ClickHouseError, OSError."""
        answer = self.command(sql + "\nFORMAT JSONEachRow", **parameters)
        decoder = msgspec.json.Decoder(dict[str, Any])
        return decoder.decode_lines(answer)

    def command(self, sql: str, **parameters: object) -> bytes:
        """Run any statement and return what it writes. Errors: ClickHouseError, OSError."""
        options: dict[str, object] = {
            "database": self.database,
            "output_format_json_quote_64bit_integers": 0,
            "wait_end_of_query": 1,
        }
        options |= {f"param_{name}": value for name, value in parameters.items()}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            path = f"/?{urlencode(options)}"
            connection.request("POST", path, sql.encode(), self.headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ClickHouseError(body.decode(errors="replace")[:_ERROR_CHARS])
        return body

    def insert_url(self, table: str, **settings: object) -> str:
        """Address for posting JSON lines straight into a table."""
        options = {"database": self.database, "query": f"INSERT INTO {table} FORMAT JSONEachRow"}
        return f"http://{self._host}:{self._port}/?{urlencode(options | settings)}"


def load_sql(name: str) -> str:
    """Read ``sql/<name>.sql``."""
    return resources.files("loadtest.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
