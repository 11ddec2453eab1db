"""
``python -m tests.speed.stages``: what each stage of an event's path costs, in µs of CPU an event, on this machine.

Not collected by pytest: it measures and judges nothing. The fastest of some runs counts, so that other work on the
machine disturbs little. ``collector/DESIGN-speed.md`` quotes the table.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable

import google_crc32c
import msgspec
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from collector import columns, decode, enrich, ingest, recent, rows
from collector.filter import KeyFilter
from collector.spool_format import SpoolRecord
from loadtest.generate import FlatWorkload

_BATCH = 50
_BODIES = 1_000
_RUNS = 9


def cpu_us(work: Callable[[], object], setup: Callable[[], object] = lambda: None) -> float:
    """µs of CPU an event, of the fastest run."""
    best = float("inf")
    for _ in range(_RUNS):
        setup()
        started = time.process_time()
        result = work()
        best = min(best, time.process_time() - started)
        del result
    return best / (_BATCH * _BODIES) * 1e6


def stages() -> dict[str, dict[str, float]]:
    """µs an event by process and stage; stages that stand further in are part of the one before."""
    now = time.time_ns() // 1_000_000
    workload = FlatWorkload(seed=1, run="stages", app_id="wx1", batch=_BATCH)
    bodies = [workload.body(number, now) for number in range(_BODIES)]
    batches = [decode.decode_batch(body) for body in bodies]
    records = [
        SpoolRecord(1, now, "request-1", "p", "wx1", enrich.limits.MAX_CLOCK_SKEW_MS, [], [], body)
        for body in bodies
    ]
    payloads = [msgspec.msgpack.encode(record) for record in records]
    memory = recent.RecentIds(10 * _BATCH * _BODIES)

    def forget() -> None:
        memory.__init__(10 * _BATCH * _BODIES)  # type: ignore[misc]

    def recognise() -> None:
        for batch in batches:
            ids = [None if event is None else event.event_id for event in batch.events]
            memory.duplicates("wx1", ids)
            memory.remember("wx1", ids)

    def answer() -> None:
        for batch in batches:
            ingest.refuse_old_events(batch, now, enrich.limits.MAX_CLOCK_SKEW_MS)
            msgspec.json.encode(ingest.answer(batch, 0, "request-1"))

    def spool() -> None:
        for record in records:
            google_crc32c.value(msgspec.msgpack.encode(record))

    with tempfile.TemporaryFile() as file:

        def write() -> None:
            file.seek(0)
            for start in range(0, _BODIES, 8):
                os.writev(file.fileno(), payloads[start : start + 8])
                os.fdatasync(file.fileno())

        written = cpu_us(write)
    block = rows.build_block(records)
    events = [event for batch in batches for event in batch.events if event is not None]
    key_filter = KeyFilter(64_000_000)

    def send() -> bytes:
        buffer = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(buffer, block.table.schema, options=options) as writer:
            writer.write_table(block.table)
        return buffer.getvalue()

    return {
        "worker": {
            "decode and check": cpu_us(lambda: [decode.decode_batch(body) for body in bodies]),
            "  JSON into Structs": cpu_us(lambda: [decode._BATCH.decode(body) for body in bodies]),
            "ids seen lately": cpu_us(recognise, forget),
            "clock, answer": cpu_us(answer),
            "record, checksum": cpu_us(spool),
            "write and sync, 8 bodies a group": written,
        },
        "writer": {
            "columns": cpu_us(lambda: rows.build_block(records)),
            "  JSON into Structs": cpu_us(lambda: [rows._STRICT.decode(body) for body in bodies]),
            "  properties": cpu_us(lambda: columns.property_maps(events)),
            "duplicates, filter": cpu_us(
                lambda: (np.unique(block.keys), key_filter.may_hold(block.keys))
            )
            + cpu_us(lambda: key_filter.add(block.keys)),
            "bindings": cpu_us(lambda: block.bindings(None)),
            "Arrow with LZ4": cpu_us(send),
        },
    }


def main() -> None:
    """Print the table."""
    table = Table(title=f"µs of CPU an event: {_BODIES * _BATCH:,} events, {_BATCH} a body")
    table.add_column("process")
    table.add_column("stage")
    table.add_column("µs", justify="right")
    for process, found in stages().items():
        for stage, cost in found.items():
            table.add_row(process, stage, f"{cost:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
