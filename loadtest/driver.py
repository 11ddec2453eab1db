"""
Sends a workload to a collector the way clients do, and writes down what became of every body.

Open loop (``rate``): bodies fall due at fixed times whether or not earlier ones were answered, and
a latency counts from the due time to the final answer, waiting and repetition included, so that a
slow server cannot hide its slowness by slowing the generator (coordinated omission). Closed loop
(no rate): each connection sends again as soon as it has its answer; this finds the maximum.

Like a client it keeps a body on 408, 429, 5xx or no answer, waits as Retry-After says, and sends it
again with the same event_ids. ``retry_ratio`` of the bodies are sent a second time though they were
answered, as after an answer that got lost.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import time
from collections import deque
from collections.abc import Callable
from random import Random

import msgspec
from msgspec import Struct

from loadtest.connection import Address, Answer, Connection
from sdk_spec import BatchResponse

MAX_PREPARED_BYTES = 400 * 1024 * 1024
"""Of bodies encoded before the clock starts; later ones are made while sending."""
MAX_PREPARED_AGE_S = 120
"""A prepared body's sent_at must stay well within the 5 minutes that count as a wrong clock."""
MAX_REQUESTS_PER_S = 30_000
"""More than any server here answers; bounds the preparation for a closed loop."""
_NO_ANSWER_WAIT_S = 0.2
_RECONNECT_WAIT_S = 0.1
_ANSWER_LIMIT_S = 30.0
_TICK_S = 0.001
_TAKEN_STATUS = frozenset({200, 204, 422})
"""Final, with a fate of each event; 204 is what others than us answer."""
_RETRY_STATUS = frozenset({0, 408, 429, 500, 502, 503, 504})

MakeBody = Callable[[int, int], bytes]
"""Body number and time of sending (epoch ms) to the request's body."""
ReadAnswer = Callable[[bytes], BatchResponse]
"""The answer's body to the fate of the events; another server than ours needs another reader."""


_fate_decoder = msgspec.json.Decoder(BatchResponse)


def read_fate(body: bytes) -> BatchResponse:
    """Read the collector's own answer."""
    return _fate_decoder.decode(body)


class Plan(Struct, frozen=True):
    """
    What to send.

    ``rate`` in events/s, 0 for the maximum; ``limit`` bodies at most (0: no limit). After
    ``duration_s`` nothing new is sent, and what is under way gets ``grace_s`` to be answered.
    """

    batch: int
    duration_s: float
    connections: int = 16
    rate: float = 0.0
    limit: int = 0
    retry_ratio: float = 0.0
    seed: int = 0
    grace_s: float = 60.0


class Outcome(Struct):
    """
    What became of it.

    ``acknowledged``: monotonic time, and events accepted until then. ``fates``: by body number, how
    many of its events the collector has taken.

    ``accepted + duplicates + rejected`` are events of answered requests; ``unknown`` are bodies
    that never got a final answer (they may or may not be stored); ``dropped`` are bodies answered
    with another 4xx.
    """

    bodies: int = 0
    requests: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    elapsed_s: float = 0.0
    sent_bytes: int = 0
    latencies_ms: list[float] = msgspec.field(default_factory=list)
    statuses: dict[int, int] = msgspec.field(default_factory=dict)
    acknowledged: list[tuple[float, int]] = msgspec.field(default_factory=list)
    fates: dict[int, int] = msgspec.field(default_factory=dict)
    unknown: list[int] = msgspec.field(default_factory=list)
    dropped: list[int] = msgspec.field(default_factory=list)

    @property
    def events_per_s(self) -> float:
        """Accepted events by the time until the last body had its answer."""
        return self.accepted / self.elapsed_s if self.elapsed_s else 0.0


class _Errand(Struct):
    """
    One body to deliver.

    ``due`` by the monotonic clock. ``is_again``: sent before; ``is_repeat``: even answered before.
    """

    number: int
    due: float
    is_again: bool = False
    is_repeat: bool = False


class Driver:
    """One run; use once."""

    def __init__(
        self,
        address: Address,
        make_body: MakeBody,
        plan: Plan,
        read_answer: ReadAnswer = read_fate,
    ) -> None:
        self._address = address
        self._make_body = make_body
        self._plan = plan
        self._random = Random(plan.seed)  # noqa: S311 - nothing secret
        self._read_answer = read_answer
        self._limit = plan.limit
        if plan.rate:
            due = int(plan.rate * plan.duration_s / plan.batch + 1e-6)
            self._limit = min(plan.limit, due) if plan.limit else due
        self._prepared: list[bytes] = []
        self._prepared_at = 0.0
        self._next = 0
        self._ready: deque[_Errand] = deque()
        self._later: list[tuple[float, int, _Errand]] = []
        self._later_number = 0
        self._idle: list[Connection] = []
        self._under_way: dict[Connection, tuple[_Errand, float]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._last_answer = 0.0
        self._stops_at = 0.0
        self._is_over = False
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Send all of it. Errors: OSError when nothing listens at the start."""
        plan, outcome = self._plan, self.outcome
        self._prepare()
        for _ in range(plan.connections):
            connection = Connection(self._address, self._answered)
            await connection.open()
            self._idle.append(connection)
        gc.collect()
        gc.freeze()
        gc.disable()  # a pause of the generator would count as a slow answer
        started = self._last_answer = time.monotonic()
        self._stops_at = started + plan.duration_s
        try:
            await self._send_until(self._stops_at + plan.grace_s, started)
        finally:
            gc.enable()
            gc.unfreeze()
        self._is_over = True
        outcome.elapsed_s = self._last_answer - started
        waiting = [errand for errand, _ in self._under_way.values()]
        waiting += list(self._ready) + [errand for _, _, errand in self._later]
        outcome.unknown = sorted({e.number for e in waiting if e.number not in outcome.fates})
        for connection in [*self._idle, *self._under_way]:
            connection.close()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.sleep(0)
        return outcome

    def _prepare(self) -> None:
        plan = self._plan
        per_s = plan.rate / plan.batch if plan.rate else MAX_REQUESTS_PER_S
        wanted = int(per_s * plan.duration_s) + 1
        if plan.limit:
            wanted = min(wanted, plan.limit)
        now_ms = time.time_ns() // 1_000_000
        size = 0
        started = time.monotonic()
        while len(self._prepared) < wanted and size < MAX_PREPARED_BYTES:
            body = self._make_body(len(self._prepared), now_ms)
            self._prepared.append(body)
            size += len(body)
            if time.monotonic() - started > plan.duration_s + 5:
                break
        self._prepared_at = time.monotonic()

    async def _send_until(self, deadline: float, started: float) -> None:
        plan = self._plan
        interval = plan.batch / plan.rate if plan.rate else 0.0
        while True:
            now = time.monotonic()
            if plan.rate:
                while self._may_start() and started + self._next * interval <= now:
                    self._ready.append(self._start(started + self._next * interval))
            while self._later and self._later[0][0] <= now:
                self._ready.append(heapq.heappop(self._later)[2])
            self._dispatch(now)
            self._drop_silent(now)
            is_finished = not self._may_start() or (not plan.rate and now >= self._stops_at)
            if is_finished and not (self._under_way or self._ready or self._later):
                return
            if now >= deadline:
                return
            await asyncio.sleep(_TICK_S)

    def _may_start(self) -> bool:
        return not self._limit or self._next < self._limit

    def _start(self, due: float) -> _Errand:
        errand = _Errand(self._next, due)
        self._next += 1
        self.outcome.bodies += 1
        return errand

    def _dispatch(self, now: float) -> None:
        """Give idle connections their next errand."""
        while self._idle:
            if self._ready:
                errand = self._ready.popleft()
            elif not self._plan.rate and now < self._stops_at and self._may_start():
                errand = self._start(now)
            else:
                return
            connection = self._idle.pop()
            if not connection.is_open:
                self._ready.appendleft(errand)
                self._reopen()
                continue
            body = self._body_of(errand)
            self._under_way[connection] = (errand, now)
            self.outcome.requests += 1
            self.outcome.sent_bytes += len(body)
            connection.post(body)

    def _body_of(self, errand: _Errand) -> bytes:
        number = errand.number
        is_fresh = time.monotonic() - self._prepared_at < MAX_PREPARED_AGE_S
        if number < len(self._prepared) and is_fresh and not errand.is_again:
            return self._prepared[number]
        return self._make_body(number, time.time_ns() // 1_000_000)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        errand, _ = self._under_way.pop(connection)
        if self._is_over:
            return
        now = time.monotonic()
        outcome = self.outcome
        outcome.statuses[answer.status] = outcome.statuses.get(answer.status, 0) + 1
        if answer.status in _RETRY_STATUS:
            errand.is_again = True
            self._send_later(errand, now + (answer.retry_after_s or _NO_ANSWER_WAIT_S))
        else:
            if not errand.is_repeat:
                self._last_answer = now
            self._settle(errand, answer, now)
        if connection.is_open:
            self._idle.append(connection)
            self._dispatch(now)
        else:
            self._reopen()

    def _settle(self, errand: _Errand, answer: Answer, now: float) -> None:
        """Write down the final answer to one errand."""
        outcome = self.outcome
        if answer.status not in _TAKEN_STATUS:
            outcome.dropped.append(errand.number)
            return
        outcome.latencies_ms.append((now - errand.due) * 1000)
        fate = self._read_answer(answer.body)
        outcome.accepted += fate.accepted
        outcome.acknowledged.append((now, outcome.accepted))
        outcome.duplicates += fate.duplicates
        outcome.rejected += fate.rejected
        outcome.fates[errand.number] = fate.accepted + fate.duplicates
        if not errand.is_repeat and self._random.random() < self._plan.retry_ratio:
            wait_s = self._random.random() * 2.0
            again = _Errand(errand.number, now + wait_s, is_again=True, is_repeat=True)
            self._send_later(again, again.due)

    def _send_later(self, errand: _Errand, at: float) -> None:
        self._later_number += 1
        heapq.heappush(self._later, (at, self._later_number, errand))

    def _drop_silent(self, now: float) -> None:
        """Close connections that wait too long; their bodies are sent again."""
        silent = [c for c, (_, since) in self._under_way.items() if now - since > _ANSWER_LIMIT_S]
        for connection in silent:
            connection.close()

    def _reopen(self) -> None:
        task = asyncio.create_task(self._open_again())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_again(self) -> None:
        """Connect, however long it takes: the server may be starting again."""
        while not self._is_over:
            connection = Connection(self._address, self._answered)
            try:
                await connection.open()
            except OSError:
                await asyncio.sleep(_RECONNECT_WAIT_S)
                continue
            self._idle.append(connection)
            self._dispatch(time.monotonic())
            return
