"""Structured logs: one JSON line per event on standard error. Never keys, ids of users or bodies."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


class _StandardError:
    """Standard error as it is now. A line that cannot be written (disk full, reader gone) stops nothing."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure(level: str, process: str) -> None:
    """Set up structlog for this process; ``process`` stands in every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    # Its errors are raised as well, and logged where they are caught.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.server").addFilter(_without_bytes_of_clients)


def _without_bytes_of_clients(record: logging.LogRecord) -> bool:
    """
    Log what aiohttp has to say in our form, and nothing that a client sent.

    aiohttp quotes the bytes that are no HTTP, with a traceback: they may hold a key or a body, and anybody can send a
    million of them. A client that leaves in the middle of its body is no fault either: phones do that all day.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, ConnectionError) or (
        error is not None and type(error).__module__ == "aiohttp.http_exceptions"
    ):
        structlog.get_logger().debug("client_left_or_no_http", error=type(error).__name__)
    else:
        structlog.get_logger().error(
            "http_server", error=str(record.msg), exc_info=record.exc_info or None
        )
    return False
