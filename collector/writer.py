"""
The spool → ClickHouse. ``store`` is the second half of an event's path, top to bottom.

At least once into ClickHouse, exactly once in every query: a block that is stored again (lost answer, crash before the
checkpoint) is recognised by its event keys or collapses by its sort key.
"""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import pyarrow as pa
import structlog
from msgspec import Struct
from numpy.typing import NDArray

from collector import metrics
from collector.binder import Binder, BindingSink
from collector.block import Block
from collector.dead_letter import DeadLetter
from collector.rows import build_block
from collector.sinks import TRANSIENT
from collector.spool_format import SpoolRecord
from collector.spool_reader import Position
from sdk_spec.persons import MAX_COMPANIONS

log = structlog.get_logger()

_BYTES_PER_EVENT = 300
"""To turn a wish for rows into bytes to read; the block may hold more or fewer."""
_IDLE_S = 0.02
_MAX_BACKOFF_S = 5.0
_DRAIN_RETRY_S = 0.1


class Sink(BindingSink, Protocol):
    """What the writer needs of ClickHouse; see ``sinks.ClickHouseSink``. Arrays are numpy arrays of uint64."""

    def insert_events(self, events: pa.Table, token: str) -> None: ...  # noqa: D102
    def insert_keys(self, keys: NDArray[np.uint64], token: str) -> None: ...  # noqa: D102
    def insert_dead_letters(self, letters: list[DeadLetter], token: str) -> None: ...  # noqa: D102
    def stored_keys(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Reader(Protocol):
    """Where blocks come from; see ``spool.SpoolReader``."""

    def read(self, max_bytes: int) -> tuple[list[SpoolRecord], list[Position]]: ...  # noqa: D102
    def intend(self, positions: list[Position]) -> None: ...  # noqa: D102
    def confirm(self, positions: list[Position]) -> None: ...  # noqa: D102
    def tidy(self) -> None: ...  # noqa: D102
    def unstored_bytes(self) -> int: ...  # noqa: D102


class Filter(Protocol):
    """Which keys are certainly new; see ``filter.KeyFilter``."""

    def may_hold(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]: ...  # noqa: D102
    def add(self, keys: NDArray[np.uint64]) -> None: ...  # noqa: D102
    @property
    def fill_ratio(self) -> float: ...  # noqa: D102


class Stored(Struct, frozen=True):
    """What became of a block's events: new in ClickHouse, known before, left out since their person was erased."""

    new: int
    known: int
    erased: int


class Writer:
    """
    Moves records from the spool to the sink, in blocks, until told to stop.

    Two threads: one decodes and lays out the next block while the other waits for ClickHouse.
    """

    def __init__(
        self,
        reader: Reader,
        sink: Sink,
        key_filter: Filter,
        *,
        block_rows: int,
        flush_interval_ms: int,
        stopping: threading.Event,
        max_companions: int = MAX_COMPANIONS,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._filter = key_filter
        self._block_bytes = block_rows * _BYTES_PER_EVENT
        self._flush_interval_s = flush_interval_ms / 1000
        self._stopping = stopping
        self.binder = Binder(sink, max_companions)

    def run(self, drain_s: float) -> None:
        """
        Work until ``stopping`` is set, then at most ``drain_s`` seconds more to empty the spool.

        What is left stays in the spool for the next start.
        """
        inserting: Future[bool] | None = None
        last_insert_s = 0.0
        stop_by: float | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="insert") as inserter:
            while True:
                if self._stopping.is_set():
                    stop_by = stop_by or time.monotonic() + drain_s
                    if time.monotonic() > stop_by:
                        break
                records, positions = self._reader.read(self._block_bytes)
                if not positions:
                    if inserting is not None:
                        is_stored = inserting.result()
                        inserting = None
                        if is_stored:
                            continue
                        break
                    metrics.spool_unstored_bytes.set(self._reader.unstored_bytes())
                    if self._stopping.is_set():
                        break
                    self._reader.tidy()
                    inserter.submit(self._follow_when_idle).result()
                    time.sleep(_IDLE_S)
                    continue
                records.sort(key=lambda record: record.received_at)
                block = build_block(records)
                # TRICKY: nothing may be confirmed behind a block that was given up, or it would never be read again.
                if inserting is not None and not inserting.result():
                    inserting = None
                    break
                inserting = inserter.submit(self._store_until_done, block, positions, stop_by)
                # Small blocks wait for each other; a backlog does not.
                wait_s = last_insert_s + self._flush_interval_s - time.monotonic()
                if block.table.nbytes < self._block_bytes and wait_s > 0 and stop_by is None:
                    self._stopping.wait(wait_s)
                last_insert_s = time.monotonic()
            if inserting is not None:
                inserting.result()

    def _store_until_done(
        self, block: Block, positions: list[Position], stop_by: float | None
    ) -> bool:
        """
        Repeat ``store`` until ClickHouse confirms; tell whether it did.

        Gives up only when stopping: the spool still has it all.
        """
        backoff_s = 0.1
        while True:
            try:
                self.store(block, positions)
            except TRANSIENT as error:
                metrics.inserts_total.labels("failed").inc()
                log.warning("insert_failed", error=str(error)[:500], retry_in_s=backoff_s)
                self._sink.close()
                if self._stopping.is_set() and (stop_by is None or time.monotonic() > stop_by):
                    return False
                if self._stopping.is_set():  # a set event would not wait
                    time.sleep(_DRAIN_RETRY_S)
                else:
                    self._stopping.wait(backoff_s)
                backoff_s = min(_MAX_BACKOFF_S, backoff_s * 2)
            else:
                return True

    def store(self, block: Block, positions: list[Position]) -> Stored:
        """
        Store one block, in this order; each step may be repeated after a crash.

        0. Remember which block it is: after a crash it must be the same one.
        1. Which events are stored already (the first copy wins)?
        2. Bindings and persons: before the events, so that no query sees an event without its person.
        3. Events. 4. Their keys: only now, so that a known key always has its event.
        5. Dead letters. 6. Checkpoint.
        Errors: TRANSIENT.
        """
        started_s = time.perf_counter()
        self._reader.intend(positions)
        # TRICKY: another one for each attempt. ClickHouse writes a token into its log before the part gets its name; killed
        # in between, it takes the same token for a duplicate and answers OK with nothing stored
        # (test_part_lost_after_its_token_was_logged). The token serves the driver's own repetition of a request; what
        # another attempt stores twice has the same sort key.
        token = secrets.token_hex(16)
        self.binder.follow()
        new = self.recognise_duplicates(block)
        duplicates = 0 if new is None else int(len(new) - new.sum())
        kept = self.drop_erased(block, new)
        self.binder.bind(block.bindings(kept), token)
        events, keys = block.table, block.keys
        if kept is not None:
            events, keys = events.filter(pa.array(kept)), keys[kept]
        if len(keys):
            self._sink.insert_events(events, token)
            self._sink.insert_keys(keys, token)
            self._filter.add(keys)
        if block.dead_letters:
            self._sink.insert_dead_letters(block.dead_letters, token)
        self._reader.confirm(positions)
        self._count(block, len(keys), duplicates, time.perf_counter() - started_s)
        return Stored(len(keys), duplicates, len(block.keys) - duplicates - len(keys))

    def recognise_duplicates(self, block: Block) -> NDArray[np.bool_] | None:
        """Mark the events whose (app, event_id) is neither stored nor earlier in the block; None for all of them."""
        keys = block.keys
        if not len(keys):
            return None
        _, first = np.unique(keys, return_index=True)
        kept = np.zeros(len(keys), dtype=bool)
        kept[first] = True
        candidates = keys[self._filter.may_hold(keys)]
        if len(candidates):
            kept &= ~np.isin(keys, self._sink.stored_keys(candidates))
        return None if kept.all() else kept

    def drop_erased(self, block: Block, kept: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Unmark the events of erased persons that happened before the erasure: a queue of a client's may bring them."""
        erased_until = self.binder.erased_until
        if not erased_until or not len(block.keys):
            return kept
        until = np.array([erased_until.get(ids.actor, -1) for ids in block.ids], dtype=np.int64)
        gone = block.happened_at <= until
        if kept is not None:
            gone &= kept
        if not gone.any():
            return kept
        metrics.events_erased_total.inc(int(gone.sum()))
        return ~gone if kept is None else kept & ~gone

    def _follow_when_idle(self) -> None:
        """``Binder.follow`` while no events come; a server that is away is met again soon."""
        try:
            self.binder.follow()
        except TRANSIENT as error:
            log.warning("following_failed", error=str(error)[:300])
            self._sink.close()

    def _count(self, block: Block, stored: int, duplicates: int, seconds: float) -> None:
        metrics.inserts_total.labels("ok").inc()
        metrics.insert_seconds.observe(seconds)
        metrics.events_stored_total.inc(stored)
        metrics.events_duplicate_total.inc(duplicates)
        metrics.unknown_keys_total.inc(block.unknown_keys)
        metrics.identity_quarantined_total.labels("placeholder").inc(block.placeholders)
        metrics.dedup_filter_ratio.set(self._filter.fill_ratio)
        metrics.spool_unstored_bytes.set(self._reader.unstored_bytes())
        metrics.stored_lag_seconds.observe(_age_s(block))
        for verdict, number in block.clock_counts.items():
            metrics.clock_total.labels(verdict).inc(number)


def _age_s(block: Block) -> float:
    """Seconds since the oldest event of a block was received; 0 for a block of dead letters only."""
    if not len(block.received_at):
        return 0.0
    return max(0.0, time.time() - float(block.received_at.min()) / 1000)
