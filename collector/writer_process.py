"""``python -m collector.writer_process``: the one process that moves the spool into ClickHouse."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time

import structlog

from collector import logs, metrics, settings
from collector.filter import KeyFilter
from collector.processes import die_with_supervisor
from collector.sinks import TRANSIENT, ClickHouseSink
from collector.spool_folder import SpoolInUseError
from collector.spool_reader import SpoolReader
from collector.upkeep import keep_up
from collector.writer import Writer
from sdk_spec.access import Access, App

log = structlog.get_logger()

_DRAIN_S = 20.0
_TELL_INTERVAL_S = 1.0
_EXIT_UNUSABLE = 2


def tell_backlog(reader: SpoolReader) -> None:
    """Say each second what waits: in a thread of its own, since a server that hangs is when it must be heard."""
    while True:
        try:
            metrics.spool_unstored_bytes.set(reader.unstored_bytes())
            metrics.oldest_unstored_seconds.set(reader.oldest_unstored_age_s(time.time()))
        except OSError as error:
            log.warning("backlog_not_known", error=str(error))
        time.sleep(_TELL_INTERVAL_S)


def load_filter(
    sink: ClickHouseSink, size_bytes: int, stopping: threading.Event
) -> KeyFilter | None:
    """
    Fill the filter with the keys of all stored events; waits for ClickHouse as long as it takes.

    None when told to stop before: with half a filter nothing may be stored, a changed copy would count as new.
    """
    while True:
        key_filter = KeyFilter(size_bytes)
        started_s = time.monotonic()
        count = 0
        try:
            for keys in sink.all_keys():
                key_filter.add(keys)
                count += len(keys)
        except TRANSIENT as error:
            log.warning("clickhouse_not_reachable", error=str(error)[:300], retry_in_s=1)
            metrics.inserts_total.labels("failed").inc()
            sink.close()
            if stopping.wait(1):
                return None
        else:
            log.info("filter_loaded", keys=count, seconds=round(time.monotonic() - started_s, 3))
            return key_filter


def main() -> None:
    """Entry point."""
    die_with_supervisor()
    config = settings.from_env()
    logs.configure(config.log_level, "writer")
    stopping = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stopping.set())
    try:
        reader = SpoolReader(config.spool_dir)
    except SpoolInUseError as error:
        log.error("spool_in_use", error=str(error))
        sys.exit(_EXIT_UNUSABLE)
    except OSError as error:
        log.error("spool_not_usable", error=str(error), effect="tried again in a moment")
        sys.exit(_EXIT_UNUSABLE)
    threading.Thread(target=tell_backlog, args=(reader,), daemon=True).start()
    sink = ClickHouseSink(config.clickhouse_url, config.insert_timeout_s)
    key_filter = load_filter(sink, config.dedup_filter_bytes, stopping)
    if key_filter is None:
        log.info("writer_stopped", effect="what the spool holds waits for the next start")
        return
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    access = Access(config.access_path)

    def apps() -> list[App]:
        access.refresh()
        return list(access.apps.values())

    writer = Writer(
        reader,
        sink,
        key_filter,
        block_rows=config.block_rows,
        flush_interval_ms=config.flush_interval_ms,
        stopping=stopping,
    )
    threading.Thread(
        target=keep_up,
        args=(
            config.clickhouse_url,
            apps,
            lambda: time.time_ns() // 1_000_000,
            stopping,
            config.retention_interval_s,
            writer.binder.forget,
        ),
        daemon=True,
    ).start()
    log.info("writer_ready")
    writer.run(_DRAIN_S)
    reader.close()
    sink.close()
    log.info("writer_stopped")


if __name__ == "__main__":
    main()
