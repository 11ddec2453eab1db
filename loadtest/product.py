"""
Starts `scenetrail up` as a child, waits for its READY line, stops it.

Called by ``demo`` and ``compare``. Knows the product only by its command line: arguments, the READY
line, SIGTERM.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec
from msgspec import Struct

_COMMAND = (sys.executable, "-m", "collector.cli")
_READY = "READY "
_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 90.0
_TAIL_LINES = 12
_PR_SET_PDEATHSIG = 1  # prctl(2)


class ProductError(Exception):
    """The product did not start or refused a command; the message has its own words."""


class Ready(Struct, frozen=True):
    """The part of the READY line that is used here."""

    collector_url: str
    query_url: str
    clickhouse_url: str
    clickhouse_urls: str
    write_key: str
    read_token: str
    app_id: str
    project: str
    data_dir: str


class Ports(Struct, frozen=True):
    """TCP ports to ask for: None the product's own choice, 0 any free one."""

    collector: int | None = None
    query: int | None = None
    clickhouse: int | None = None

    def arguments(self) -> list[str]:
        """Return them as options of `scenetrail up`."""
        pairs = {
            "--collector-port": self.collector,
            "--query-port": self.query,
            "--clickhouse-port": self.clickhouse,
        }
        return [
            text for name, port in pairs.items() if port is not None for text in (name, str(port))
        ]


class Serving:
    """A product that serves."""

    def __init__(self, ready: Ready, child: subprocess.Popen[bytes]) -> None:
        self.ready = ready
        self.pid = child.pid
        self._child = child

    def wait(self) -> None:
        """Return never, but raise: ProductError when it ends by itself, KeyboardInterrupt."""
        code = self._child.wait()
        raise ProductError(f"scenetrail up ended by itself with exit code {code} (意外退出)")


@contextmanager
def running(
    data_dir: Path,
    *,
    ports: Ports,
    log_path: Path,
    workers: int | None = None,
    shards: int = 1,
) -> Iterator[Serving]:
    """
    Serve from a data folder while the block runs; then let it drain and stop.

    Its log goes to ``log_path``. If this process is killed, the child is told to stop by the
    kernel. Errors: ProductError when it does not become ready.
    """
    arguments = [*_COMMAND, "up", "--data-dir", str(data_dir), *ports.arguments()]
    if workers:
        arguments += ["--workers", str(workers)]
    if shards > 1:
        arguments += ["--shards", str(shards)]
    log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log_path.open("ab") as log:
        log_start = log.tell()
        child = subprocess.Popen(  # noqa: S603 - our own command
            arguments,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C must reach it once, by our own SIGTERM: a second signal would hurry it.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
    try:
        yield Serving(_wait_ready(child, log_path, log_start), child)
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child: SIGTERM, and SIGKILL when it does not end in time."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


def make_app(data_dir: Path, *, app_id: str, project: str, platform: str, name: str) -> str:
    """Add an app, or a key to one that exists, and return the write key. Errors: ProductError."""
    end = ["--data-dir", str(data_dir), "--json"]
    new = ["--project", project, "--platform", platform, "--name", name]
    made = _run("keys", "create", "app", "--app-id", app_id, *new, *end)
    if made.returncode:
        made = _run("keys", "create", "write-key", "--app-id", app_id, *end)
    if made.returncode:
        raise ProductError(made.stderr.strip())
    return str(msgspec.json.decode(made.stdout)["secret"])


def name_app(data_dir: Path, app_id: str, name: str) -> None:
    """Say what people call an app. Errors: ProductError."""
    named = _run("keys", "set", app_id, "--name", name, "--data-dir", str(data_dir))
    if named.returncode:
        raise ProductError(named.stderr.strip())


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [*_COMMAND, *arguments], capture_output=True, text=True, check=False
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _wait_ready(child: subprocess.Popen[bytes], log_path: Path, log_start: int) -> Ready:
    """Return what the READY line says. Errors: ProductError."""
    assert child.stdout is not None  # noqa: S101 - asked for with PIPE
    timer = threading.Timer(_START_LIMIT_S, child.terminate)
    timer.start()
    try:
        for line in child.stdout:
            text = line.decode(errors="replace")
            if text.startswith(_READY):
                return msgspec.json.decode(text.removeprefix(_READY), type=Ready)
    finally:
        timer.cancel()
    child.wait(_STOP_LIMIT_S)
    raise ProductError(
        f"scenetrail up ended with exit code {child.returncode} (启动失败):\n"
        f"{_reason(log_path, log_start)}"
    )


def _reason(log_path: Path, log_start: int) -> str:
    """Return the plain words of a log, or its last lines when it has none."""
    with log_path.open("rb") as log:
        log.seek(log_start)
        lines = log.read().decode(errors="replace").splitlines()
    words = [line for line in lines if not line.startswith("{")]
    chosen = deque(words or lines, maxlen=_TAIL_LINES)
    return "\n".join([*chosen, f"(log: {log_path})"])


def _raise_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that the child is stopped in order."""
    before = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def private_write(path: Path, content: bytes) -> None:
    """Replace a file that holds secrets, mode 0600."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
