"""
Child processes: started, tied to their parent's life, restarted when they die, stopped in order.

Used by ``standalone`` (everything on one machine) and by ``__main__`` (workers and writer).
Knows nothing of what the children do. A child ties itself to its parent by calling
``die_with_supervisor`` as its first act.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

_PR_SET_PDEATHSIG = 1  # prctl(2)
PARENT_PID_VARIABLE = "SCENETRAIL_PARENT_PID"

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0
# A child that lived this long was healthy: its next death is a first one again.
HEALTHY_AFTER_S = 10.0
# Deaths before a child was ready once; after these, starting it again would not help.
MAX_DEATHS_BEFORE_READY = 5
READY_POLL_S = 0.05
LOG_CHECK_S = 5.0

log = structlog.get_logger("collector.processes")


def die_with_parent(parent_pid: int | None, signal_number: int = signal.SIGKILL) -> None:
    """
    Ask the kernel to signal this process when its parent dies; exit at once if it already has.

    Args:
        parent_pid: the expected parent; None means "whoever it is now".
        signal_number: sent to this process on the parent's death. SIGKILL by default: a
            supervisor only dies before its children by a crash, every child survives a crash
            without loss, and a child that went on draining would overlap with the one a new
            supervisor starts on the same files.

    Linux only; elsewhere nothing is promised. The setting survives ``execve`` and is not
    inherited by ``fork``, so every process of a tree calls this for itself.

    TRICKY: the kernel means the parent's *thread* that started this process. ``Supervisor``
    starts children from the event loop's thread, which must be the main thread. Source:
    prctl(2), PR_SET_PDEATHSIG.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if parent_pid is not None and os.getppid() != parent_pid:
        sys.exit(1)


def die_with_supervisor() -> None:
    """Tie this process to the supervisor that started it; does nothing when started by hand."""
    parent_pid = os.environ.get(PARENT_PID_VARIABLE)
    if parent_pid:
        die_with_parent(int(parent_pid))


class Child(msgspec.Struct, frozen=True):
    """
    One process to keep alive.

    Units: ``stop_deadline_s`` is the time from SIGTERM to SIGKILL, ``hurry_deadline_s`` the same once ``hurry`` was
    called; ``ready_deadline_s`` the time that ``wait_ready`` waits; ``log_max_bytes`` the size at which the log file is
    moved to ``<log_path>.1``.
    """

    name: str
    argv: Sequence[str]
    # Added to this process's own environment.
    env: Mapping[str, str] = {}
    # Children of a lower phase are stopped, together, before those of a higher one are asked to.
    stop_phase: int = 0
    stop_deadline_s: float = 30.0
    hurry_deadline_s: float = 2.0
    # Answers whether the child can do its work; may raise OSError for "not yet".
    is_ready: Callable[[], Awaitable[bool]] | None = None
    ready_deadline_s: float = 180.0
    # Where its output goes; None: to this process's standard error.
    log_path: Path | None = None
    log_max_bytes: int = 16 * 1024 * 1024


class ChildNotReadyError(RuntimeError):
    """A child did not become ready: it died again and again, or its deadline passed."""


class _Kept:
    """A child with its present process. ``process`` is None while none runs."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: asyncio.subprocess.Process | None = None
        self.task: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()
        self.starts = 0
        self.deaths = 0
        self.last_exit: int | None = None

    def send(self, signal_number: signal.Signals) -> None:
        if self.process is not None:
            # Ended, not collected yet: the keeping task is about to see it.
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal_number)


class Supervisor:
    """
    Keep children alive until told to stop.

    ``await Supervisor([Child(…), …]).run(stop_event)`` is all that a program with fixed children
    needs. One that starts them one after another calls ``start``, ``wait_ready`` and, in a
    ``finally``, ``stop``.

    Children get sessions of their own: Ctrl-C in a terminal reaches only this process, which
    then stops them in order.
    """

    def __init__(self, children: Sequence[Child] = ()) -> None:
        self._children = tuple(children)
        self._kept: dict[str, _Kept] = {}
        self._hurry = asyncio.Event()
        self._log_task: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the children given at construction alive until ``stop`` is set, then stop them."""
        try:
            for child in self._children:
                self.start(child)
            await stop.wait()
        finally:
            await self.stop()

    def start(self, child: Child) -> None:
        """Start a child and keep it alive from now on. Its name must be new."""
        if child.name in self._kept:
            raise ValueError(f"two children named {child.name!r}")
        kept = self._kept[child.name] = _Kept(child)
        kept.task = asyncio.create_task(self._keep(kept), name=f"keep {child.name}")
        if child.log_path is not None and self._log_task is None:
            self._log_task = asyncio.create_task(self._bound_logs(), name="bound logs")

    async def wait_ready(self, name: str) -> None:
        """
        Return when the child's ``is_ready`` answers True.

        Errors: ChildNotReadyError after MAX_DEATHS_BEFORE_READY deaths or when
        ``ready_deadline_s`` has passed.
        """
        kept = self._kept[name]
        child = kept.child
        if child.is_ready is None:
            raise ValueError(f"{name} has no is_ready")
        deadline = time.monotonic() + child.ready_deadline_s
        deaths_before = kept.deaths
        see = f"see {child.log_path}" if child.log_path else "its own lines above say why"
        while True:
            with contextlib.suppress(OSError):
                if await child.is_ready():
                    log.info("child_ready", child=name)
                    return
            if kept.deaths - deaths_before >= MAX_DEATHS_BEFORE_READY:
                raise ChildNotReadyError(
                    f"{name} died {kept.deaths - deaths_before} times before it was ready, "
                    f"last with {describe_exit(kept.last_exit)}; {see}"
                )
            if time.monotonic() > deadline:
                raise ChildNotReadyError(
                    f"{name} was not ready after {child.ready_deadline_s:g} s; {see}"
                )
            await asyncio.sleep(READY_POLL_S)

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now, by name."""
        return {name: k.process.pid for name, k in self._kept.items() if k.process is not None}

    def restarts(self) -> dict[str, int]:
        """How often each child was started again, by name."""
        return {name: max(0, kept.starts - 1) for name, kept in self._kept.items()}

    def hurry(self) -> None:
        """
        Make a running or later ``stop`` quick: SIGTERM again, soon after it SIGKILL.

        Bound to the second SIGTERM or Ctrl-C. A child that supervises others gets the second
        SIGTERM and hurries too.
        """
        self._hurry.set()

    async def stop(self) -> None:
        """
        Stop every child: SIGTERM by phases, SIGKILL for the whole tree of one that overstays.

        Can be repeated.
        """
        if self._log_task is not None:
            self._log_task.cancel()
        for phase in sorted({kept.child.stop_phase for kept in self._kept.values()}):
            kept_of_phase = [k for k in self._kept.values() if k.child.stop_phase == phase]
            await asyncio.gather(*(self._stop_one(kept) for kept in kept_of_phase))

    async def _keep(self, kept: _Kept) -> None:
        """Start the child's process, wait for its end, start it again; until ``stopping``."""
        child = kept.child
        backoff_s = FIRST_BACKOFF_S
        while not kept.stopping.is_set():
            started = time.monotonic()
            kept.starts += 1
            try:
                kept.process = await self._spawn(child)
            except OSError as error:
                kept.deaths += 1
                log.warning("child_not_started", child=child.name, error=str(error))
            else:
                log.info("child_started", child=child.name, pid=kept.process.pid)
                if kept.stopping.is_set():  # asked to stop while it was being started
                    kept.send(signal.SIGTERM)
                kept.last_exit = await kept.process.wait()
                kept.process = None
                if kept.stopping.is_set():
                    log.info("child_stopped", child=child.name, exit=describe_exit(kept.last_exit))
                    return
                kept.deaths += 1
                if time.monotonic() - started > HEALTHY_AFTER_S:
                    backoff_s = FIRST_BACKOFF_S
                log.warning(
                    "child_died",
                    child=child.name,
                    exit=describe_exit(kept.last_exit),
                    deaths=kept.deaths,
                    backoff_ms=round(backoff_s * 1000),
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kept.stopping.wait(), backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    @staticmethod
    async def _spawn(child: Child) -> asyncio.subprocess.Process:
        env = {**os.environ, **child.env, PARENT_PID_VARIABLE: str(os.getpid())}
        with contextlib.ExitStack() as stack:
            output: int = sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
            if child.log_path is not None:
                # Appending: what is written after a truncation lands at the new end.
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                output = os.open(child.log_path, flags, 0o600)
                stack.callback(os.close, output)
            # Standard output belongs to the parent: `scenetrail up` promises its one line there.
            return await asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                start_new_session=True,
            )

    async def _stop_one(self, kept: _Kept) -> None:
        if kept.task is None or kept.task.done():
            return
        kept.stopping.set()
        kept.send(signal.SIGTERM)
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait(
                {kept.task, hurry},
                timeout=kept.child.stop_deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            hurry.cancel()
        if not kept.task.done() and self._hurry.is_set():
            kept.send(signal.SIGTERM)
            await asyncio.wait({kept.task}, timeout=kept.child.hurry_deadline_s)
        if not kept.task.done() and kept.process is not None:
            log.warning("child_killed", child=kept.child.name, pid=kept.process.pid)
            for pid in descendants(kept.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            kept.send(signal.SIGKILL)
        await asyncio.wait({kept.task})
        kept.task.result()

    async def _bound_logs(self) -> None:
        while True:
            for kept in self._kept.values():
                if kept.child.log_path is not None:
                    rotate_log(kept.child.log_path, kept.child.log_max_bytes)
            await asyncio.sleep(LOG_CHECK_S)


def rotate_log(path: Path, max_bytes: int) -> bool:
    """
    Move the content of a log that grew past ``max_bytes`` to ``<path>.1``; tell whether it did.

    Copies and truncates, since the writing process keeps its descriptor. Lines written in
    between are lost; the two files together stay near twice ``max_bytes``.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True


def descendants(pid: int) -> list[int]:
    """Process ids below ``pid``, children before grandchildren. Linux; elsewhere empty."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold spaces and parentheses: the parent is the second
            # field after the last.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # ended meanwhile
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found += level
    return found


def describe_exit(code: int | None) -> str:
    """Name an exit status for a log line: ``exit 1``, ``SIGKILL``."""
    if code is None:
        return "no exit"
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
