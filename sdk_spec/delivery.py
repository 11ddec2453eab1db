"""
What becomes of a server's events: a bounded queue, batches, and the contract's rule for every answer.

No thread and no socket: time comes from a clock, the request is a function. tracker.py gives it both, and the lifecycle
vectors play it with a clock and a collector of their own. It refuses to make events and to read the environment.
"""

from __future__ import annotations

import email.utils
import gzip
import logging
import random
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from sdk_spec import signing
from sdk_spec.events import Event, EventBatch, Platform, Sdk
from sdk_spec.outcomes import BatchResponse

log = logging.getLogger("scenetrail")

SDK_NAME = "scenetrail-python"
SDK_VERSION = "1.1.0"
_GZIP_FROM_BYTES = 1_000
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 60.0
_MIN_RETRY_AFTER_S = 1.0
_MAX_RETRY_AFTER_S = 3_600.0
"""A server that asks for more is asked again after an hour."""
_CLOCK_STEP_MS = 60_000
"""Below it the collector's clock says nothing new."""


class Answer(NamedTuple):
    """What came back over HTTP; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Post = Callable[[bytes, dict[str, str]], Answer | None]
"""Sends one body with headers; None when there was no answer."""
Rejected = Callable[[Event, str, str], None]
"""Called with a refused event, the error code (or the status that dropped it) and the message."""


class Clock(Protocol):
    """The two clocks: one that is set, one that only runs."""

    def wall_ms(self) -> int:
        """Epoch ms."""
        ...

    def running_s(self) -> float:
        """Seconds that no one sets."""
        ...


class SystemClock:
    """This machine's."""

    def wall_ms(self) -> int:
        """Epoch ms."""
        return time.time_ns() // 1_000_000

    def running_s(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


class Credentials(NamedTuple):
    """The write key of an app; with a ``key_id`` requests are signed and the key is not sent."""

    app_id: str
    write_key: str
    key_id: str = ""


class _Waiting(NamedTuple):
    since_s: float
    event: Event


class Delivery:
    """
    The queue of one app and what is done with it.

    ``send_next`` is for one thread; everything else may be called by any. ``changed`` is notified when there may be
    something to send, and when a request is over.

    | answer | the batch |
    | --- | --- |
    | 200 with the collector's JSON, 422 | removed; refused events are told to ``on_rejected`` |
    | 408, 429, 5xx, no answer, anything else | kept for ``Retry-After``, else a growing, random time |
    | 413 | cut in two if it has more than one event, else dropped |
    | other 4xx | dropped, counted, told |
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        platform: Platform,
        batch_events: int,
        flush_interval_s: float,
        max_queued: int,
        on_rejected: Rejected,
        clock: Clock,
    ) -> None:
        self._credentials = credentials
        self._platform = platform
        self._batch_events = batch_events
        self._flush_interval_s = flush_interval_s
        self._max_queued = max_queued
        self._on_rejected = on_rejected
        self._clock = clock
        self.clock_offset_ms = 0
        """Of the collector's clock to this one, as far as it matters for signatures."""
        self.accepted = 0
        self.duplicates = 0
        self.rejected = 0
        self.drops: Counter[str] = Counter()
        """Events given up, by reason: ``queue_full``, ``refused`` (with a 4xx)."""
        self._failures = 0
        self._held_until_s = 0.0
        self._backoff_until_s = 0.0
        self._batch_limit = batch_events
        self.begin()

    def begin(self) -> None:
        """Start with an empty queue; after a fork in the child, whose copies of events the parent sends."""
        self.changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._in_flight = 0
        self._wants_flush = False
        self._untold: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Events without an answer."""
        return len(self._queue) + self._in_flight

    def add(self, event: Event) -> None:
        """Queue one event; the oldest is dropped when there is no room."""
        with self.changed:
            self._queue.append(_Waiting(self._clock.running_s(), event))
            self._drop_oldest()
            if len(self._queue) in (1, self._batch_events):
                self.changed.notify_all()

    def flush(self) -> None:
        """Send without waiting for a full batch; passes over the own backoff, never over ``Retry-After``."""
        with self.changed:
            self._wants_flush = True
            self._backoff_until_s = 0.0
            self.changed.notify_all()

    def due_in_s(self) -> float | None:
        """Seconds until ``send_next`` has something to do; 0 for now, None while nothing waits."""
        with self.changed:
            if not self._queue:
                return None
            now_s = self._clock.running_s()
            is_full = self._wants_flush or len(self._queue) >= self._batch_events
            wanted_s = now_s if is_full else self._queue[0].since_s + self._flush_interval_s
            return max(
                0.0, wanted_s - now_s, self._held_until_s - now_s, self._backoff_until_s - now_s
            )

    def send_next(self, post: Post) -> None:
        """Send one batch and decide what becomes of it. Call it when ``due_in_s`` is 0."""
        with self.changed:
            size = min(len(self._queue), self._batch_events, self._batch_limit)
            batch = [self._queue.popleft() for _ in range(size)]
            self._in_flight = size
        if not batch:
            return
        events = [waiting.event for waiting in batch]
        try:
            kept, told = self._settle(events, self._post(events, post))
        except (
            Exception
        ):  # whatever an answer holds, the thread that sends must live and the batch must stay
            log.exception("the answer was not understood")
            self._retry_later(None, size)
            kept, told = True, ()
        with self.changed:
            if kept:
                self._queue.extendleft(reversed(batch))
                self._drop_oldest()
            self._in_flight = 0
            self._wants_flush = self._wants_flush and bool(self._queue)
            self.changed.notify_all()
        for event, code, message in told:
            self._tell(event, code, message)

    def _post(self, events: list[Event], post: Post) -> Answer | None:
        body = msgspec.json.encode(
            EventBatch(
                app_id=self._credentials.app_id,
                platform=self._platform,
                sent_at=self._clock.wall_ms(),
                sdk=Sdk(SDK_NAME, SDK_VERSION),
                events=events,
            )
        )
        headers = {"Content-Type": "application/json"}
        if len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, compresslevel=5)
            headers["Content-Encoding"] = "gzip"
        _, write_key, key_id = self._credentials
        if key_id:
            at_ms = self._clock.wall_ms() + self.clock_offset_ms
            encoding = headers.get("Content-Encoding", "")
            headers |= signing.headers(write_key, key_id, at_ms, encoding, body)
        else:
            headers["X-Write-Key"] = write_key
        try:
            return post(body, headers)
        except Exception:  # whatever a transport does, the thread that sends must live
            log.exception("the request failed")
            return None

    def _settle(
        self, events: list[Event], answer: Answer | None
    ) -> tuple[bool, Sequence[tuple[Event, str, str]]]:
        """Return whether the batch is kept, and what is to be told about its events."""
        status = answer.status if answer else 0
        fates = _fates(answer)
        if fates is not None:
            self._failures = 0
            self._held_until_s = self._backoff_until_s = 0.0
            self.accepted += fates.accepted
            self.duplicates += fates.duplicates
            self.rejected += fates.rejected
            if status == 200:
                self._report_drops()
            return False, [
                (events[error.index], error.code, f"{error.path}: {error.message}")
                for error in fates.errors
                if 0 <= error.index < len(events)
            ]
        if answer is None or not 400 <= status < 500 or status in (408, 429):
            self._retry_later(answer, len(events))
            return True, ()
        if status == 401 and b'"signature_expired"' in answer.body and self._learn_clock(answer):
            return True, ()
        if status == 413 and len(events) > 1:
            self._batch_limit = (len(events) + 1) // 2
            return True, ()
        message = answer.body.decode("utf-8", "replace")[:500]
        if status == 422:
            self.rejected += len(events)
        else:
            self._count_drops("refused", len(events))
        # One event was too large by itself: the others are not.
        self._batch_limit = self._batch_events
        return False, [(event, str(status), message) for event in events]

    def _retry_later(self, answer: Answer | None, events: int) -> None:
        now_s = self._clock.running_s()
        after_s = _retry_after_s(answer, self._clock.wall_ms())
        jitter = random.random()  # noqa: S311 (spreads retries)
        if after_s is None:
            ceiling_s = min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(self._failures, 16))
            self._backoff_until_s = now_s + ceiling_s * (0.5 + jitter / 2)
        else:
            # A tenth on top: clients told the same time must not come back together.
            after_s = min(max(after_s, _MIN_RETRY_AFTER_S), _MAX_RETRY_AFTER_S)
            self._held_until_s = now_s + after_s * (1 + jitter / 10)
        self._failures += 1
        log.warning(
            "the collector answers %s, %d events wait",
            answer.status if answer else "nothing",
            events,
        )

    def _learn_clock(self, answer: Answer) -> bool:
        """
        Sign by the collector's clock from now on; False when it says nothing new.

        Only signatures: events keep this machine's clock, which the collector corrects by ``sent_at``.
        """
        try:
            theirs = email.utils.parsedate_to_datetime(answer.headers["date"])
        except (KeyError, TypeError, ValueError):
            return False
        offset_ms = round(theirs.timestamp() * 1000) - self._clock.wall_ms()
        is_new = abs(offset_ms - self.clock_offset_ms) > _CLOCK_STEP_MS
        self.clock_offset_ms = offset_ms
        log.warning("this machine's clock differs by %d ms from the collector's", offset_ms)
        return is_new

    def _drop_oldest(self) -> None:
        """Called with the lock held."""
        excess = len(self._queue) - self._max_queued
        for _ in range(excess):
            self._queue.popleft()
        if excess > 0:
            self._count_drops("queue_full", excess)

    def _count_drops(self, reason: str, count: int) -> None:
        self.drops[reason] += count
        self._untold[reason] += count

    def _report_drops(self) -> None:
        """Tell the collector what was lost, now that something gets through; under an id of no person."""
        with self.changed:
            untold, self._untold = self._untold, Counter()
            if untold:
                event = Event(
                    event_id=str(uuid.uuid4()),
                    event="sdk_events_dropped",
                    occurred_at=self._clock.wall_ms(),
                    anonymous_id=SDK_NAME,
                    properties={**untold, "count": untold.total()},
                )
                self._queue.append(_Waiting(self._clock.running_s(), event))

    def _tell(self, event: Event, code: str, message: str) -> None:
        try:
            self._on_rejected(event, code, message)
        except Exception:  # the app's own function; the thread that sends must live
            log.exception("on_rejected failed for event %s", event.event_id)


def _fates(answer: Answer | None) -> BatchResponse | None:
    """The counts of an answer; None for one that is not the collector's, such as a proxy's page."""
    if answer is None or answer.status not in (200, 422):
        return None
    try:
        return msgspec.json.decode(answer.body, type=BatchResponse)
    except msgspec.DecodeError:
        return None


def _retry_after_s(answer: Answer | None, wall_ms: int) -> float | None:
    """Seconds, given as such or as a date."""
    text = answer.headers.get("retry-after", "") if answer else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - wall_ms / 1000
    except (TypeError, ValueError):
        return None
