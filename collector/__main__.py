"""
``python -m collector``: workers on one port and the writer, kept alive until SIGTERM or Ctrl-C.

Stop order: workers answer what has arrived and commit; then the writer empties the spool as far as ClickHouse takes it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import sys
from pathlib import Path

import msgspec
import structlog

from collector import logs, metrics, settings
from collector.processes import Child, Supervisor, die_with_supervisor
from collector.spool_folder import SpoolInUseError, lock_folder

log = structlog.get_logger()

_EXIT_REFUSED = 2
_OPEN_FILES = 1_000_000


def reserve_port(host: str, port: int) -> socket.socket:
    """
    Bind the port for this process and its workers, without listening.

    Errors: OSError when another program has it. TRICKY: a socket with SO_REUSEPORT would silently share the port with
    another collector of the same user, so it is first asked for alone.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind((host, port))
        port = alone.getsockname()[1]
    shared = socket.socket(family)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((host, port))
    return shared


def allow_open_files() -> None:
    """Allow this process and its children as many open files as the system lets us: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def children(config: settings.Settings, metrics_dir: Path) -> list[Child]:
    """The processes of this collector; workers stop before the writer."""
    env = {
        settings.PREFIX + field.name.upper(): str(getattr(config, field.name))
        for field in msgspec.structs.fields(settings.Settings)
    }
    env["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_dir)
    workers = [
        Child(
            name=f"worker-{index}",
            argv=[sys.executable, "-m", "collector.worker"],
            env={**env, settings.PREFIX + "WORKER_INDEX": str(index)},
            stop_phase=0,
        )
        for index in range(config.workers)
    ]
    writer = Child(
        name="writer",
        argv=[sys.executable, "-m", "collector.writer_process"],
        env=env,
        stop_phase=1,
        stop_deadline_s=40,
    )
    return [*workers, writer]


async def run(config: settings.Settings, metrics_dir: Path) -> None:
    """Keep the children alive until a signal."""
    stop = asyncio.Event()
    supervisor = Supervisor(children(config, metrics_dir))

    def on_signal() -> None:
        if stop.is_set():
            supervisor.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, on_signal)
    await supervisor.run(stop)


def main() -> None:
    """Entry point. Exit status 2 when the port or the folder is in use, a setting is wrong or an argument is given."""
    die_with_supervisor()
    if arguments := sys.argv[1:]:
        is_help = arguments[0] in ("-h", "--help")
        print(settings.help_text(), file=sys.stdout if is_help else sys.stderr)
        sys.exit(0 if is_help else _EXIT_REFUSED)
    try:
        config = settings.from_env()
    except ValueError as error:
        print(f"python -m collector: {error}", file=sys.stderr)
        sys.exit(_EXIT_REFUSED)
    logs.configure(config.log_level, "collector")
    data_dir = Path(config.data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock_folder(data_dir / "spool-owner")
    except SpoolInUseError:
        log.error("folder_in_use", folder=str(data_dir), hint="another collector runs on it")
        sys.exit(_EXIT_REFUSED)
    except OSError as error:
        log.error(
            "data_folder_not_usable",
            folder=str(data_dir),
            error=error.strerror,
            hint="make the folder writable, or set SCENETRAIL_DATA_DIR",
        )
        sys.exit(_EXIT_REFUSED)
    try:
        port = reserve_port(config.collector_host, config.collector_port)
    except OSError as error:
        log.error(
            "port_in_use",
            port=config.collector_port,
            error=error.strerror,
            hint="stop the program that has it, or set SCENETRAIL_COLLECTOR_PORT",
        )
        sys.exit(_EXIT_REFUSED)
    config = msgspec.structs.replace(config, collector_port=port.getsockname()[1])
    allow_open_files()
    metrics_dir = metrics.make_folder(data_dir)
    log.info(
        "collector_starting", port=config.collector_port, workers=config.workers, pid=os.getpid()
    )
    try:
        asyncio.run(run(config, metrics_dir))
    finally:
        shutil.rmtree(metrics_dir, ignore_errors=True)


if __name__ == "__main__":
    main()
