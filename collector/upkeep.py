"""
What the writer's process does every hour beside its work: data that apps keep no longer goes, parts are bounded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

from collector import part_sizes
from collector.clickhouse_urls import addresses
from collector.migrate import connect
from collector.privacy import PrivacyError
from collector.retention import expire, kept_since_ms
from collector.sinks import TRANSIENT
from sdk_spec.access import App

log = structlog.get_logger()


def keep_up(
    clickhouse_url: str,
    apps: Callable[[], Iterable[App]],
    now_ms: Callable[[], int],
    stopping: threading.Event,
    interval_s: float,
    forget: Callable[[str, int], None],
) -> None:
    """
    Do it now and at every interval until told to stop. A server that is away is asked again at the next one.

    ``forget`` is told of each app from when on it keeps events, also where another process removed the older ones.
    """
    while not stopping.is_set():
        try:
            nodes = [connect(url) for url in addresses(clickhouse_url)]
            try:
                part_sizes.adapt(nodes)
                at_ms, kept = now_ms(), [app for app in apps() if app.retention_days]
                since_ms = {app.app_id: kept_since_ms(app, at_ms) for app in kept}
                # Before as well: an event that comes meanwhile binds anew what is about to go.
                for app_id, before_ms in since_ms.items():
                    forget(app_id, before_ms)
                removed = expire(nodes, kept, at_ms)
            finally:
                for node in nodes:
                    node.close()
        except (*TRANSIENT, PrivacyError, ValueError) as error:
            log.warning("upkeep_failed", error=str(error)[:300], retry_in_s=interval_s)
        else:
            for app_id, rows in removed.items():
                log.info("retention", app_id=app_id, removed=rows)
            for app_id, before_ms in since_ms.items():
                forget(app_id, before_ms)
        stopping.wait(interval_s)
