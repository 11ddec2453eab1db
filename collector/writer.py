"""
The spool → ClickHouse. ``store`` is the second half of an event's path, top to bottom.

At least once into ClickHouse, exactly once in every query: a block that is stored again (lost answer, crash before the
checkpoint) is recognised by its event keys or collapses by its sort key.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import pyarrow as pa
import structlog
from msgspec import Struct
from numpy.typing import NDArray

from collector import metrics
from collector.rows import Block, DeadLetter, build_block
from collector.sinks import TRANSIENT
from collector.spool import Position, SpoolRecord
from sdk_spec.ids import KINDS
from sdk_spec.persons import (
    MAX_COMPANIONS,
    Assignment,
    Binding,
    Conflict,
    Crowd,
    crowds,
    resolve,
)

log = structlog.get_logger()

_BYTES_PER_EVENT = 300
"""To turn a wish for rows into bytes to read; the block may hold more or fewer."""
_IDLE_S = 0.02
_KNOWN_BINDINGS = 100_000
_UNBINDING_LOOK_S = 1.0
_UNBINDING_OVERLAP_MS = 10_000
_MAX_BACKOFF_S = 5.0
_DRAIN_RETRY_S = 0.1


class Sink(Protocol):
    """What the writer needs of ClickHouse; see ``sinks.ClickHouseSink``. Arrays are numpy arrays of uint64."""

    def insert_events(self, events: pa.Table, token: str) -> None: ...  # noqa: D102
    def insert_keys(self, keys: NDArray[np.uint64], token: str) -> None: ...  # noqa: D102
    def insert_dead_letters(self, letters: list[DeadLetter], token: str) -> None: ...  # noqa: D102
    def stored_keys(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]: ...  # noqa: D102
    def insert_bindings(self, bindings: list[Binding], token: str) -> None: ...  # noqa: D102
    def bindings_of(self, keys: list[int]) -> list[Binding]: ...  # noqa: D102
    def unbindings(self, since_ms: int) -> list[tuple[int, int, int]]: ...  # noqa: D102
    def quarantined(self, since_ms: int) -> list[tuple[int, int]]: ...  # noqa: D102
    def insert_quarantined(self, crowds: list[Crowd]) -> None: ...  # noqa: D102
    def companions(self, keys: list[int]) -> list[int]: ...  # noqa: D102
    def erased(self, since_ms: int) -> list[tuple[int, int, int]]: ...  # noqa: D102
    def insert_persons(self, assignments: list[Assignment], base_version: int) -> None: ...  # noqa: D102
    def insert_conflicts(self, conflicts: list[Conflict], base_version: int) -> None: ...  # noqa: D102
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
        self._known_bindings: OrderedDict[tuple[int, int], Binding] = OrderedDict()
        self._unbindings: set[tuple[int, int, int]] = set()
        self._newest_unbinding_ms = 0
        self._next_unbinding_look_s = 0.0
        self._max_companions = max_companions
        self._quarantined: set[int] = set()
        self._newest_quarantine_ms = 0
        self._erased: dict[int, int] = {}
        self._newest_erasure_ms = 0

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
                    metrics.oldest_unstored_seconds.set(0)
                    if self._stopping.is_set():
                        break
                    self._reader.tidy()
                    inserter.submit(self._unbind_when_idle).result()
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
            metrics.oldest_unstored_seconds.set(_age_s(block))
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
        self.unbind()
        new = self.recognise_duplicates(block)
        duplicates = 0 if new is None else int(len(new) - new.sum())
        kept = self.drop_erased(block, new)
        self.bind(self._without_erased(block.bindings(kept)), token)
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
        if not self._erased or not len(block.keys):
            return kept
        until = np.array([self._erased.get(ids.actor, -1) for ids in block.ids], dtype=np.int64)
        gone = block.happened_at <= until
        if kept is not None:
            gone &= kept
        if not gone.any():
            return kept
        metrics.events_erased_total.inc(int(gone.sum()))
        return ~gone if kept is None else kept & ~gone

    def _without_erased(self, bindings: list[Binding]) -> list[Binding]:
        """The bindings but those of events before an erasure of one of their ids."""
        if not self._erased:
            return bindings
        return [
            b
            for b in bindings
            if min(b.occurred_at, b.received_at)
            > max(self._erased.get(b.id_key, -1), self._erased.get(b.other_key, -1))
        ]

    def bind(self, bindings: list[Binding], token: str) -> None:
        """Append new bindings and resolve the persons of everyone they touch."""
        new = [b for b in bindings if not self._is_known(b)]
        if not new:
            return
        self._sink.insert_bindings(new, token)
        self._resolve({b.id_key for b in new} | {b.other_key for b in new})
        metrics.identity_bindings_total.inc(len(new))
        for binding in new:
            self._remember(binding)
        while len(self._known_bindings) > _KNOWN_BINDINGS:
            self._known_bindings.popitem(last=False)

    def unbind(self) -> None:
        """Follow what people took apart or had erased: at most once a second, resolve again whom it touches."""
        if time.monotonic() < self._next_unbinding_look_s:
            return
        self._next_unbinding_look_s = time.monotonic() + _UNBINDING_LOOK_S
        self._follow_erasures()
        self._follow_quarantine()
        # Rows may become visible a little after the time they carry.
        since_ms = max(0, self._newest_unbinding_ms - _UNBINDING_OVERLAP_MS)
        new = set(self._sink.unbindings(since_ms)) - self._unbindings
        if not new:
            return
        for left, right, _ in new:
            # The next event with both binds them again, so it must not look known.
            self._known_bindings.pop((left, right), None)
        self._unbindings |= new
        self._newest_unbinding_ms = max(at for _, _, at in self._unbindings)
        self._resolve({left for left, _, _ in new} | {right for _, right, _ in new})

    def _follow_erasures(self) -> None:
        """Learn which ids were erased; their later bindings are new and must not look known."""
        since_ms = max(0, self._newest_erasure_ms - _UNBINDING_OVERLAP_MS)
        for key, until_ms, at_ms in self._sink.erased(since_ms):
            self._newest_erasure_ms = max(self._newest_erasure_ms, at_ms)
            if self._erased.get(key, -1) < until_ms:
                self._erased[key] = until_ms
                for pair in [pair for pair in self._known_bindings if key in pair]:
                    del self._known_bindings[pair]

    def _follow_quarantine(self) -> None:
        """Learn which ids are quarantined, by this writer before a restart or by another one, which resolved them."""
        since_ms = max(0, self._newest_quarantine_ms - _UNBINDING_OVERLAP_MS)
        for key, at_ms in self._sink.quarantined(since_ms):
            self._newest_quarantine_ms = max(self._newest_quarantine_ms, at_ms)
            self._quarantined.add(key)

    def _unbind_when_idle(self) -> None:
        """``unbind`` while no events come; a server that is away is met again soon."""
        try:
            self.unbind()
        except TRANSIENT as error:
            log.warning("unbinding_look_failed", error=str(error)[:300])
            self._sink.close()

    def _resolve(self, keys: set[int]) -> None:
        """Work out the persons of everyone who hangs together with ``keys`` and store them."""
        component, stood = self._component(keys)
        # Companions that are quarantined themselves count too: which of two crowds came first must not matter.
        while new := crowds(stood, self._max_companions, self._quarantined):
            # Whom such an id had joined is worked out again without it.
            ids = [one.id_key for one in new]
            keys = keys | set(self._sink.companions(ids)) | set(ids)
            self._sink.insert_quarantined(new)
            self._quarantined.update(ids)
            metrics.identity_quarantined_total.labels("crowd").inc(len(new))
            component, stood = self._component(keys)
        assignments, conflicts = resolve(component)
        alone = keys - {assignment.id_key for assignment in assignments}
        assignments += [Assignment(key, key, ()) for key in sorted(alone)]
        # More evidence replaces less, whichever collector writes last; an unbinding or a quarantine outweighs any binding.
        base_version = (len(self._unbindings) + len(self._quarantined)) << 32
        self._sink.insert_persons(assignments, base_version)
        if conflicts:
            self._sink.insert_conflicts(conflicts, base_version)
            metrics.identity_conflicts_total.inc(len(conflicts))

    def _is_known(self, binding: Binding) -> bool:
        """True when the same pair was bound by an event that neither happened nor was received later than this one."""
        known = self._known_bindings.get((binding.id_key, binding.other_key))
        return (
            known is not None
            and known.order <= binding.order
            and known.received_at <= binding.received_at
        )

    def _remember(self, binding: Binding) -> None:
        """Keep the evidence that happened first."""
        pair = (binding.id_key, binding.other_key)
        known = self._known_bindings.get(pair)
        if known is None or binding.order <= known.order:
            self._known_bindings[pair] = binding

    def _component(self, keys: set[int]) -> tuple[list[Binding], list[Binding]]:
        """
        All bindings of all ids that hang together with ``keys``; each pair once, the stronger id first.

        Those that are followed, and with them those that lead to quarantined ids and are not.
        """
        pairs: dict[tuple[int, int], Binding] = {}
        quarantined: dict[tuple[int, int], Binding] = {}
        seen: set[int] = set()
        frontier = keys - self._quarantined
        while frontier:
            seen |= frontier
            following: set[int] = set()
            for found in self._sink.bindings_of(sorted(frontier)):
                binding = found if _is_stronger_first(found) else found.reversed()
                pair = (binding.id_key, binding.other_key)
                if found.other_key in self._quarantined:
                    quarantined.setdefault(pair, binding)
                    continue
                pairs.setdefault(pair, binding)
                following.add(found.other_key)
            frontier = following - seen
        followed = list(pairs.values())
        return followed, [*followed, *quarantined.values()]

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


def _is_stronger_first(binding: Binding) -> bool:
    """Kinds are ordered; within one event two ids never have the same kind."""
    return KINDS.index(binding.kind) <= KINDS.index(binding.other_kind)


def _age_s(block: Block) -> float:
    """Seconds since the oldest event of a block was received; 0 for a block of dead letters only."""
    if not len(block.received_at):
        return 0.0
    return max(0.0, time.time() - float(block.received_at.min()) / 1000)
