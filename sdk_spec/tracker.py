"""
The SDK for Python servers: orders, imports and whatever a mini-program's own backend knows.

Standard library and msgspec only. Events get their id and time when ``track`` is called, wait in a bounded queue, and are
sent in batches by one thread; what the collector does not take is kept and sent again with the same ids, so each counts
once. ``close`` (also called at exit) sends what is left.
"""

from __future__ import annotations

import atexit
import email.utils
import gzip
import http.client
import logging
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sdk_spec import signing
from sdk_spec.events import Event, EventBatch, Platform, Sdk
from sdk_spec.outcomes import BatchResponse

log = logging.getLogger("scenetrail")

VERSION = "1.0.0"
_GZIP_FROM_BYTES = 1_000
_KEEP_STATUSES = (408, 429)
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 60.0
_CLOCK_STEP_MS = 60_000
"""Below it the collector's clock says nothing new."""

Rejected = Callable[[Event, str, str], None]
"""Called with a refused event, the error code and the message."""


class Tracker:
    """
    Sends events of one app.

    Args:
        collector_url: such as ``https://track.example.com``.
        write_key: of the app.
        app_id: the app.
        key_id: of the write key; when given, requests are signed and the key itself is not sent.
        platform: ``server`` for a backend.
        batch_events: events in one request, at most.
        flush_interval_s: longest wait before a smaller batch goes.
        max_queued: events that wait; beyond it the oldest is dropped and counted in ``dropped``.
        timeout_s: of one request.
        on_rejected: told about every event that the collector refuses; by default it is logged.

    Thread-safe. ``track`` never blocks on the network and never raises for a collector that is away.
    """

    def __init__(
        self,
        collector_url: str,
        write_key: str,
        app_id: str,
        *,
        key_id: str = "",
        platform: Platform = "server",
        batch_events: int = 200,
        flush_interval_s: float = 1.0,
        max_queued: int = 100_000,
        timeout_s: float = 10.0,
        on_rejected: Rejected | None = None,
    ) -> None:
        if not collector_url.startswith(("http://", "https://")):
            raise ValueError("collector_url must start with http:// or https://")
        self._url = collector_url.rstrip("/") + "/v1/events"
        self._write_key = write_key
        self._app_id = app_id
        self._key_id = key_id
        self._clock_offset_ms = 0
        self._platform = platform
        self._batch_events = batch_events
        self._flush_interval_s = flush_interval_s
        self._timeout_s = timeout_s
        self._on_rejected = on_rejected or _log_rejected
        self._queue: deque[Event] = deque(maxlen=max_queued)
        self._changed = threading.Condition()
        self._in_flight = 0
        self._flushing = 0
        self._is_closed = False
        self.accepted = 0
        self.duplicates = 0
        self.rejected = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._send_forever, name="scenetrail", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def track(
        self,
        event: str,
        *,
        user_id: str | None = None,
        openid: str | None = None,
        unionid: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        occurred_at: int | None = None,
        **fields: Any,  # noqa: ANN401 (any field of Event)
    ) -> str:
        """
        Queue one event and return its id.

        Give an ``event_id`` of your own (an order number) where the same fact may be reported twice. ``occurred_at`` is
        epoch ms, by default now. ``fields`` are further fields of ``sdk_spec.Event``: scene, session_id, share_id, utm …

        Errors: ValueError when the event breaks the schema, when no id is given, or after ``close``.
        """
        if not (user_id or openid or anonymous_id):
            raise ValueError("give user_id, openid or anonymous_id")
        values = {
            "event_id": event_id or str(uuid.uuid4()),
            "event": event,
            "occurred_at": time.time_ns() // 1_000_000 if occurred_at is None else occurred_at,
            "user_id": user_id,
            "openid": openid,
            "unionid": unionid,
            "anonymous_id": anonymous_id,
            "properties": None if properties is None else dict(properties),
            **fields,
        }
        checked = msgspec.convert(values, Event)
        with self._changed:
            if self._is_closed:
                raise ValueError("the tracker is closed")
            if len(self._queue) == self._queue.maxlen:
                self.dropped += 1
            self._queue.append(checked)
            if len(self._queue) >= self._batch_events:
                self._changed.notify_all()
        return checked.event_id

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Send now; return whether everything that was queued got its answer in time."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(
                    lambda: not self._queue and not self._in_flight, timeout_s
                )
            finally:
                self._flushing -= 1

    def close(self, timeout_s: float = 10.0) -> bool:
        """Send what is left and stop; return whether all of it got its answer. Can be repeated."""
        done = self.flush(timeout_s) if self._thread.is_alive() else not self._queue
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        atexit.unregister(self.close)
        return done

    def _send_forever(self) -> None:
        """Thread: wait for a full batch, the interval or a flush; send; keep what was not taken."""
        backoff_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(self._has_reason_to_send, self._flush_interval_s)
                if self._is_closed:
                    return
                batch = [
                    self._queue.popleft() for _ in range(min(len(self._queue), self._batch_events))
                ]
                self._in_flight = len(batch)
            if not batch:
                continue
            wait_s = self._send(batch)
            with self._changed:
                if wait_s is not None:
                    self._put_back(batch)
                self._in_flight = 0
                self._changed.notify_all()
                if wait_s is None:
                    backoff_s = 0.0
                    continue
                backoff_s = min(_MAX_BACKOFF_S, max(_FIRST_BACKOFF_S, backoff_s * 2))
                jittered = backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 (spreads retries)
                self._changed.wait_for(lambda: self._is_closed, max(wait_s, jittered))

    def _has_reason_to_send(self) -> bool:
        return bool(
            self._is_closed
            or len(self._queue) >= self._batch_events
            or (self._flushing and self._queue)
        )

    def _put_back(self, batch: list[Event]) -> None:
        """The batch goes first again; when the queue filled up meanwhile, its oldest are dropped."""
        room = (self._queue.maxlen or 0) - len(self._queue)
        self.dropped += max(0, len(batch) - room)
        self._queue.extendleft(reversed(batch[max(0, len(batch) - room) :]))

    def _send(self, batch: list[Event]) -> float | None:
        """Send one batch. Return None when it is done with, else seconds to wait before it is sent again."""
        body = msgspec.json.encode(
            EventBatch(
                app_id=self._app_id,
                platform=self._platform,
                sent_at=time.time_ns() // 1_000_000,
                sdk=Sdk("scenetrail-python", VERSION),
                events=batch,
            )
        )
        headers = {"Content-Type": "application/json"}
        if len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, compresslevel=5)
            headers["Content-Encoding"] = "gzip"
        headers |= self._credentials(headers.get("Content-Encoding", ""), body)
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 (http, https)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                return self._settle(batch, answer.read())
        except urllib.error.HTTPError as error:
            return self._refused(batch, error)
        except (OSError, http.client.HTTPException) as error:
            log.warning("no answer from the collector, %d events wait: %s", len(batch), error)
            return 0.0

    def _credentials(self, encoding: str, body: bytes) -> dict[str, str]:
        """The key, or a signature made with it."""
        if not self._key_id:
            return {"X-Write-Key": self._write_key}
        at_ms = time.time_ns() // 1_000_000 + self._clock_offset_ms
        return signing.headers(self._write_key, self._key_id, at_ms, encoding, body)

    def _refused(self, batch: list[Event], error: urllib.error.HTTPError) -> float | None:
        """What to do with a batch that was not taken whole, by the contract's rules for each status."""
        text = error.read()
        if error.code in _KEEP_STATUSES or error.code >= 500:
            log.warning("the collector answers %d, %d events wait", error.code, len(batch))
            after = error.headers.get("Retry-After", "")
            return float(after) if after.isdigit() else 0.0
        if error.code == 422:
            return self._settle(batch, text)
        if error.code == 401 and b'"signature_expired"' in text and self._learn_clock(error):
            return 0.0
        if error.code == 413 and len(batch) > 1:
            half = len(batch) // 2
            waits = [self._send(batch[:half]), self._send(batch[half:])]
            # Sending one half twice is harmless: its ids are the same.
            return None if waits == [None, None] else max(wait or 0.0 for wait in waits)
        self.rejected += len(batch)
        for event in batch:
            self._on_rejected(event, str(error.code), text.decode("utf-8", "replace")[:500])
        return None

    def _learn_clock(self, error: urllib.error.HTTPError) -> bool:
        """
        Sign by the collector's clock from now on; False when it says nothing new.

        Only signatures: events keep this machine's clock, which the collector corrects by ``sent_at``.
        """
        try:
            theirs = email.utils.parsedate_to_datetime(error.headers["Date"])
        except (TypeError, ValueError):
            return False
        offset_ms = round(theirs.timestamp() * 1000) - time.time_ns() // 1_000_000
        is_new = abs(offset_ms - self._clock_offset_ms) > _CLOCK_STEP_MS
        self._clock_offset_ms = offset_ms
        log.warning("this machine's clock differs by %d ms from the collector's", offset_ms)
        return is_new

    def _settle(self, batch: list[Event], text: bytes) -> float | None:
        """Count the fates of an answer; one that is not ours (a proxy's page) is no answer."""
        try:
            answer = msgspec.json.decode(text, type=BatchResponse)
        except msgspec.DecodeError:
            log.warning("not an answer of a collector, %d events wait", len(batch))
            return 0.0
        self.accepted += answer.accepted
        self.duplicates += answer.duplicates
        self.rejected += answer.rejected
        for error in answer.errors:
            self._on_rejected(batch[error.index], error.code, f"{error.path}: {error.message}")
        return None


def _log_rejected(event: Event, code: str, message: str) -> None:
    log.error("event %s refused: %s %s", event.event_id, code, message)
