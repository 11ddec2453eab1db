"""
``python -m query_api``: settings from the environment, then serve until SIGTERM or Ctrl-C.

Prints one line ``READY {"query_url": …}`` on standard output when it can be asked; the log goes to standard error as JSON
lines. It never holds tokens, ids or values of a question.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys

import msgspec
import structlog
import uvloop
from aiohttp import web

from query_api import settings as settings_module
from query_api.app import create_app
from query_api.server import Runner
from query_api.settings import Settings, SettingsError

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    """Run the query API; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments:
        print(usage(), file=sys.stdout if arguments[0] in ("-h", "--help") else sys.stderr)
        return 0 if arguments[0] in ("-h", "--help") else 2
    try:
        settings = settings_module.from_env()
    except SettingsError as error:
        print(f"python -m query_api: {error}", file=sys.stderr)
        return 2
    configure_log(settings.log_level)
    die_with_parent(settings.parent_pid)
    try:
        uvloop.run(serve(settings))
    except OSError as error:
        print(
            f"python -m query_api: cannot listen on {settings.host}:{settings.port}: {error}",
            file=sys.stderr,
        )
        return 1
    return 0


def usage() -> str:
    """Return what ``--help`` prints: every setting with its unit and default."""
    lines = [
        "python -m query_api: answers questions about events. Settings are environment variables:",
        "",
    ]
    for setting in settings_module.TABLE.values():
        default = setting.default or '""'
        lines.append(f"  {setting.variable} ({setting.unit}, default {default})")
        lines.append(f"      {setting.meaning}")
    return "\n".join(lines)


def configure_log(level: str) -> None:
    """JSON lines on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def die_with_parent(parent_pid: int) -> None:
    """End with the parent (Linux); end at once if it is already gone. 0: there is none to end with."""
    if not parent_pid or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let running requests end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = Runner(
        create_app(settings), access_log=None, shutdown_timeout=settings.drain_timeout_s
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        port = runner.addresses[0][1]
        ready = {"query_url": f"http://{settings.host}:{port}"}
        print("READY", msgspec.json.encode(ready).decode(), flush=True)
        structlog.get_logger("query_api").info("ready", port=port)
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
