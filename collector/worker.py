"""``python -m collector.worker``: one worker process on the shared port, started by ``python -m collector``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys

import structlog
import uvloop
from aiohttp import web

from collector import handlers, logs, settings
from collector.app import create_app
from collector.processes import die_with_supervisor
from collector.server import Runner
from collector.spool_folder import SpoolInUseError

log = structlog.get_logger()

_BACKLOG = 4_096
_DRAIN_S = 10.0
_LINGER_S = 2.0
"""Seconds in which the rest of a refused body is thrown away, so that the client can read its answer."""
_EXIT_UNUSABLE = 2


async def serve(config: settings.Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; then answer what has arrived, commit the spool and return."""
    app = create_app(config)
    # auto_decompress off: bodies are decompressed within our own limits.
    runner = Runner(
        app,
        access_log=None,
        keepalive_timeout=config.keepalive_timeout_s,
        auto_decompress=False,
        shutdown_timeout=_DRAIN_S,
        lingering_time=_LINGER_S,
        handler_cancellation=False,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    await runner.setup()
    site = web.TCPSite(
        runner,
        config.collector_host,
        config.collector_port,
        reuse_port=True,
        reuse_address=True,
        backlog=_BACKLOG,
    )
    await site.start()
    log.info("worker_ready", port=config.collector_port, worker=config.worker_index)
    await stop.wait()
    app[handlers.STATE].is_stopping = True
    await runner.cleanup()
    log.info("worker_stopped", worker=config.worker_index)


def main() -> None:
    """Entry point."""
    die_with_supervisor()
    config = settings.from_env()
    logs.configure(config.log_level, f"worker-{config.worker_index}")
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # requests leave no cycles behind; look for them rarely
    with contextlib.suppress(KeyboardInterrupt):
        try:
            uvloop.run(serve(config))
        except SpoolInUseError as error:
            log.error("spool_in_use", error=str(error))
            sys.exit(_EXIT_UNUSABLE)
        except OSError as error:
            log.error("spool_not_usable", error=str(error), effect="tried again in a moment")
            sys.exit(_EXIT_UNUSABLE)


if __name__ == "__main__":
    main()
