"""
Which TCP ports to use: wished ones that are really free, or any.

Called by ``standalone``. A port is only probed here, not held: the part that listens binds it.
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import time
from collections.abc import Collection

from msgspec import Struct

# A port stays taken for a moment after the process that had it was killed.
PORT_WAIT_S = 2.0
# Below the range from which Linux takes the ports of outgoing connections (32768 and above): such
# a connection could hold the port at the moment when a child starts again.
FREE_PORTS = range(20_000, 32_000)


class PortError(Exception):
    """A port that cannot be had; the message says what to do."""


class PortWish(Struct, frozen=True):
    """A port that a part wants: ``port`` 0 means any; ``option`` is named in the error."""

    part: str
    option: str
    host: str
    port: int


def pick_ports(wishes: list[PortWish]) -> list[int]:
    """
    Return a different port that nobody listens on for each wish. Errors: PortError.

    TRICKY: the probing sockets are bound without SO_REUSEPORT: with it, the port of another
    scenetrail's workers would look free, and the two would share its connections. That they are
    held does not keep a second one from the same port: with SO_REUSEADDR, only who listens does.
    """
    with contextlib.ExitStack() as held:
        ports: dict[int, int] = {}
        # Wished ports first: a picked one must not take them.
        for index in sorted(range(len(wishes)), key=lambda i: wishes[i].port == 0):
            wish = wishes[index]
            probe = _probe_wished(wish) if wish.port else _probe_any(wish.host, ports.values())
            held.callback(probe.close)
            ports[index] = int(probe.getsockname()[1])
        return [port for _, port in sorted(ports.items())]


def _probe(host: str, port: int) -> socket.socket:
    """Bind a socket as a server would; never listens. Errors: OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    probe = socket.socket(family, kind, protocol)
    try:
        # Else old connections in TIME_WAIT would make the port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
    except OSError:
        probe.close()
        raise
    return probe


def _probe_wished(wish: PortWish) -> socket.socket:
    deadline = time.monotonic() + PORT_WAIT_S
    while True:
        try:
            return _probe(wish.host, wish.port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            where = f"{wish.host}:{wish.port}"
            if error.errno == errno.EADDRINUSE:
                raise PortError(
                    f"port {wish.port} for the {wish.part} is taken by another program "
                    f"(see: ss -ltnp 'sport = :{wish.port}'). Stop it, or choose another port with "
                    f"{wish.option} N ({wish.option} 0 picks a free one)\n"
                    f"{wish.part} 的端口 {wish.port} 已被占用。请停止占用该端口的程序，"
                    f"或用 {wish.option} N 指定其他端口（0 表示自动选择）"
                ) from error
            raise PortError(
                f"cannot listen on {where} for the {wish.part}: {error}. Check --host and "
                f"{wish.option}\n无法监听 {where}（{wish.part}），请检查 --host 与 {wish.option}"
            ) from error


def _probe_any(host: str, taken: Collection[int]) -> socket.socket:
    for port in random.sample(FREE_PORTS, 200):
        if port in taken:
            continue
        with contextlib.suppress(OSError):
            return _probe(host, port)
    try:
        return _probe(host, 0)
    except OSError as error:
        raise PortError(f"cannot listen on {host}: {error}. Check --host") from error


def http_url(host: str, port: int) -> str:
    """Address at which a server that listens on ``host`` can be reached from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
