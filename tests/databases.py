"""
Empty migrated databases for tests, each used by one test at a time.

Migrating takes 0.3 to 0.5 s, on a cluster some seconds, and emptying 0.02 s, so a database that a test leaves whole is emptied
and given to a later test. One that is not as the migrations made it, or that something still works on, is dropped. What a
client sent before it was killed may not have been read yet: it is waited for, or its rows would be the next test's.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from clickhouse_connect.driver.client import Client

from collector.local_clickhouse import LocalServer
from collector.migrate import connect, migrate

FILLED_BY_MIGRATIONS = ("migrations", "scenes", "shard_layouts")
_STATE = """
SELECT name, create_table_query, if(name IN {filled:Array(String)}, total_rows, 0)
FROM system.tables
WHERE database = {name:String}
ORDER BY name
"""
_FILLED = "SELECT DISTINCT table FROM system.parts WHERE database = {name:String}"
"""Also by parts that nobody sees any longer: a table without any is as the migrations made it."""
_RUNNING = """
SELECT
    (SELECT count() FROM system.processes WHERE current_database = {name:String} AND query NOT LIKE '%system.processes%')
    + (SELECT sum(data_files) FROM system.distribution_queue WHERE database = {name:String})
"""

_CONNECTIONS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_CLOSE_WAIT = "08"
"""The client has closed, the server has not: see proc(5) and the kernel's tcp_states.h."""
_HEAR_OUT_S = 60.0
_LOOK_S = 0.01
"""The kernel tells nobody when a server closes a connection of another process, so it is asked again."""

State = list[list[tuple[str, str, int]]]
_numbers = itertools.count(1)


class Databases:
    """The databases of one server, or of servers that are a cluster."""

    def __init__(self, servers: Sequence[LocalServer], cluster: str = "") -> None:
        self._cluster = cluster
        self._ports = [server.http_port for server in servers]
        self._addresses = [server.url("writer").rsplit("/", 1)[0] for server in servers]
        # A connection begins with a look at all settings of the server: 0.03 s.
        self._servers = [connect(f"{address}/default") for address in self._addresses]
        self._empty: deque[tuple[str, State]] = deque()
        self._clients: dict[str, Client] = {}
        self._disturbances = 0

    def one(self, *, is_kept: bool = True) -> Iterator[str]:
        """
        Yield the address (writer's credentials) of an empty migrated database, of a cluster those of all nodes.

        The body of a fixture.

        is_kept: false where a server may do something after the test that nobody sees now.
        """
        name, state = self._empty.popleft() if self._empty else self._new()
        before = self._disturbances
        yield self._url(name)
        if is_kept and before == self._disturbances and self._is_whole(name, state):
            self._clear(name)
            self._empty.append((name, state))
        else:
            if (client := self._clients.pop(self._url(name), None)) is not None:
                client.close()
            for server in self._servers:
                server.command(f"DROP DATABASE {name}")

    def disturbed(self) -> None:
        """A server was killed: what is in use now, or was emptied before, is given to no other test."""
        self._disturbances += 1
        self._empty.clear()

    def client(self, url: str) -> Client:
        """A client of a database with the writer's rights; the tests that have it one after the other share it."""
        if url not in self._clients:
            self._clients[url] = connect(url)
        return self._clients[url]

    def close(self) -> None:
        """The servers are about to stop."""
        for client in (*self._servers, *self._clients.values()):
            client.close()

    def _url(self, name: str) -> str:
        return ",".join(f"{address}/{name}" for address in self._addresses)

    def _new(self) -> tuple[str, State]:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        migrate(self._url(name), self._cluster)
        return name, self._state(name)

    def _is_whole(self, name: str, state: State) -> bool:
        return (
            all(map(_are_heard_out, self._ports))
            and self._is_idle(name)
            and self._state(name) == state
        )

    def _state(self, name: str) -> State:
        values = {"name": name, "filled": list(FILLED_BY_MIGRATIONS)}
        return [
            [tuple(row) for row in server.query(_STATE, parameters=values).result_rows]
            for server in self._servers
        ]

    def _is_idle(self, name: str) -> bool:
        return not any(
            server.query(_RUNNING, parameters={"name": name}).result_rows[0][0]
            for server in self._servers
        )

    def _clear(self, name: str) -> None:
        for server in self._servers:
            for (table,) in server.query(_FILLED, parameters={"name": name}).result_rows:
                if table not in FILLED_BY_MIGRATIONS:
                    server.command(f"TRUNCATE TABLE {name}.`{table}`")


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
