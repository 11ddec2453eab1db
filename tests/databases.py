"""
Empty migrated databases for tests, each used by one test at a time.

Migrating takes 0.3 to 0.5 s and emptying 0.02 s, so a database that a test leaves whole is emptied and given to a later test.
One that is not as the migrations made it, or that something still works on, is dropped. What a client sent before it was
killed may not have been read yet: it is waited for, or its rows would be the next test's.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from clickhouse_connect.driver.client import Client

from collector.local_clickhouse import LocalServer
from collector.migrate import connect, migrate

FILLED_BY_MIGRATIONS = ("migrations", "scenes")
_STATE = """
SELECT name, create_table_query, if(name IN {filled:Array(String)}, total_rows, 0)
FROM system.tables
WHERE database = {name:String}
ORDER BY name
"""
_FILLED = "SELECT DISTINCT table FROM system.parts WHERE database = {name:String}"
"""Also by parts that nobody sees any longer: a table without any is as the migrations made it."""
_RUNNING = "SELECT count() FROM system.processes WHERE current_database = {name:String} AND query NOT LIKE '%system.processes%'"

_CONNECTIONS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_CLOSE_WAIT = "08"
"""The client has closed, the server has not: see proc(5) and the kernel's tcp_states.h."""
_HEAR_OUT_S = 60.0
_LOOK_S = 0.01
"""The kernel tells nobody when a server closes a connection of another process, so it is asked again."""

State = list[tuple[str, str, int]]


class Databases:
    """The databases of one server."""

    def __init__(self, server: LocalServer) -> None:
        self._port = server.http_port
        self._address = server.url("writer").rsplit("/", 1)[0]
        # A connection begins with a look at all settings of the server: 0.03 s.
        self._client = connect(f"{self._address}/default")
        self._numbers = itertools.count(1)
        self._empty: deque[tuple[str, State]] = deque()
        self._clients: dict[str, Client] = {}

    def one(self) -> Iterator[str]:
        """Yield the address (writer's credentials) of an empty migrated database. The body of a fixture."""
        name, state = self._empty.popleft() if self._empty else self._new()
        yield f"{self._address}/{name}"
        if _are_heard_out(self._port) and self._is_idle(name) and self._state(name) == state:
            self._clear(name)
            self._empty.append((name, state))
        else:
            if (client := self._clients.pop(f"{self._address}/{name}", None)) is not None:
                client.close()
            self._client.command(f"DROP DATABASE {name}")

    def client(self, url: str) -> Client:
        """A client of a database with the writer's rights; the tests that have it one after the other share it."""
        if url not in self._clients:
            self._clients[url] = connect(url)
        return self._clients[url]

    def close(self) -> None:
        """The server is about to stop."""
        for client in (self._client, *self._clients.values()):
            client.close()

    def _new(self) -> tuple[str, State]:
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        migrate(f"{self._address}/{name}")
        return name, self._state(name)

    def _state(self, name: str) -> State:
        values = {"name": name, "filled": list(FILLED_BY_MIGRATIONS)}
        rows = self._client.query(_STATE, parameters=values).result_rows
        return [(table, made, count) for table, made, count in rows]

    def _is_idle(self, name: str) -> bool:
        return not self._client.query(_RUNNING, parameters={"name": name}).result_rows[0][0]

    def _clear(self, name: str) -> None:
        for (table,) in self._client.query(_FILLED, parameters={"name": name}).result_rows:
            if table not in FILLED_BY_MIGRATIONS:
                self._client.command(f"TRUNCATE TABLE {name}.`{table}`")


def _are_heard_out(port: int) -> bool:
    """Wait until the server has done what clients asked that are gone; False when it does not end."""
    deadline = time.monotonic() + _HEAR_OUT_S
    while any(map(_has_orphans, _CONNECTIONS, (port, port))):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def _has_orphans(table: Path, port: int) -> bool:
    if not table.exists():
        return False
    lines = (line.split() for line in table.read_text().splitlines()[1:])
    return any(line[1].endswith(f":{port:04X}") and line[3] == _CLOSE_WAIT for line in lines)
