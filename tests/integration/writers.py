"""
The collector's writer in a test's own process: blocks are given to ``store`` one by one, without a spool before it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from collector.filter import KeyFilter
from collector.sinks import ClickHouseSink
from collector.spool_reader import SpoolReader
from collector.writer import Filter, Reader, Sink, Writer

WriterOf = Callable[..., Writer]


def writer_with(
    reader: Reader, sink: Sink, key_filter: Filter | None = None, **options: Any
) -> Writer:
    """Make a writer; without a filter it knows no keys, as one that is new to its database."""
    return Writer(
        reader,
        sink,
        key_filter or KeyFilter(100_000),
        block_rows=1_000,
        flush_interval_ms=1,
        stopping=threading.Event(),
        **options,
    )


@contextlib.contextmanager
def writer_on(url: str, folder: Path, **options: Any) -> Iterator[Writer]:
    """Make a writer on a database, with its spool in a folder."""
    reader, sink = SpoolReader(folder / "spool"), ClickHouseSink(url, 60)
    try:
        yield writer_with(reader, sink, **options)
    finally:
        reader.close()
        sink.close()
