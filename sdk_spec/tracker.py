"""
The SDK for Python servers: orders, imports and whatever a mini-program's own backend knows.

Standard library and msgspec only. Events get their id and time when ``track`` is called, wait in a bounded queue, and are
sent in batches by one thread; what the collector does not take is kept and sent again with the same ids, so each counts
once. ``close`` (also called at exit) sends what is left. The rules for each answer: delivery.py.
"""

from __future__ import annotations

import atexit
import http.client
import logging
import multiprocessing.util
import os
import re
import threading
import urllib.error
import urllib.request
import uuid
import weakref
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any, Literal, Self, TypedDict, Unpack

import msgspec

from sdk_spec.delivery import Answer, Credentials, Delivery, Rejected, SystemClock
from sdk_spec.events import Event, Platform, Utm

log = logging.getLogger("scenetrail")

_KEY = re.compile(r"[!-~]+")
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""A collector's answer names at most 5,000 events; what is longer is none."""


class EventFields(TypedDict, total=False):
    """Fields of ``sdk_spec.Event`` that a server seldom knows; absent and None mean the same."""

    seq: int | None
    session_id: str | None
    phone_hash: str | None
    scene: str | int | None
    page: str | None
    page_query: str | None
    referrer_page: str | None
    referrer_app_id: str | None
    share_id: str | None
    share_ticket: str | None
    chat_type: int | None
    group_id: str | None
    utm: Utm | Mapping[str, str] | None
    duration_ms: int | None


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
        max_queued: events that wait.
        when_full: ``drop`` the oldest, counted in ``drops`` and reported to the collector; or let ``track`` ``wait`` for room,
            for an import that must lose nothing.
        timeout_s: of one request.
        on_rejected: told about every event that is refused, by the sending thread; by default it is logged.

    Thread-safe. ``track`` never blocks on the network (unless it may ``wait``) and never raises for a collector that is away.
    After a fork the child sends its own events; what waited then is sent by the parent. ``close`` is called when the
    process, or a child of ``multiprocessing``, ends in order; a signal that nobody handles ends it otherwise.
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
        when_full: Literal["drop", "wait"] = "drop",
        timeout_s: float = 10.0,
        on_rejected: Rejected | None = None,
    ) -> None:
        if not collector_url.startswith(("http://", "https://")):
            raise ValueError("collector_url must start with http:// or https://")
        if not app_id or not _KEY.fullmatch(write_key) or (key_id and not _KEY.fullmatch(key_id)):
            raise ValueError(
                "keys are printable ASCII without spaces or line ends; app_id is needed"
            )
        self._url = collector_url.rstrip("/") + "/v1/events"
        self._timeout_s = timeout_s
        self._max_waiting = max_queued if when_full == "wait" else None
        self._clock = SystemClock()
        self._delivery = Delivery(
            Credentials(app_id, write_key, key_id),
            platform=platform,
            batch_events=batch_events,
            flush_interval_s=flush_interval_s,
            max_queued=max_queued,
            on_rejected=on_rejected or _log_rejected,
            clock=self._clock,
        )
        self._is_closed = False
        self._start_thread()
        _open_trackers.add(self)
        atexit.register(self.close)
        self._close_at_end()
        multiprocessing.util.register_after_fork(self, Tracker._close_at_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def accepted(self) -> int:
        """Events the collector took."""
        return self._delivery.accepted

    @property
    def duplicates(self) -> int:
        """Events the collector recognised as sent before."""
        return self._delivery.duplicates

    @property
    def rejected(self) -> int:
        """Events the collector refused one by one."""
        return self._delivery.rejected

    @property
    def drops(self) -> dict[str, int]:
        """Events given up, by reason: ``queue_full``, ``refused`` (a whole batch, with a 4xx)."""
        return dict(self._delivery.drops)

    @property
    def dropped(self) -> int:
        """The sum of ``drops``."""
        return self._delivery.drops.total()

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
        **fields: Unpack[EventFields],
    ) -> str:
        """
        Queue one event and return its id.

        Give an ``event_id`` of your own (an order number) where the same fact may be reported twice. ``occurred_at`` is
        epoch ms, by default now. NaN and infinities among ``properties`` are not stored.

        Errors: ValueError when the event breaks the schema, when no id is given, or after ``close``.
        """
        checked = make_event(
            self._clock.wall_ms() if occurred_at is None else occurred_at,
            event=event,
            event_id=event_id,
            user_id=user_id,
            openid=openid,
            unionid=unionid,
            anonymous_id=anonymous_id,
            properties=properties,
            **fields,
        )
        with self._delivery.changed:
            # Not in the thread that sends, where on_rejected may call: it would wait for itself.
            if self._max_waiting and threading.current_thread() is not self._thread:
                self._delivery.changed.wait_for(self._has_room)
            if self._is_closed:
                raise ValueError("the tracker is closed")
            self._delivery.add(checked)
        return checked.event_id

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Send now; return whether everything that was queued got its answer in time."""
        self._delivery.flush()
        with self._delivery.changed:
            return self._delivery.changed.wait_for(lambda: not self._delivery.waiting, timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Send what is left and stop; return whether all of it got its answer. Can be repeated."""
        is_done = self.flush(timeout_s) if self._thread.is_alive() else not self._delivery.waiting
        with self._delivery.changed:
            was_open, self._is_closed = not self._is_closed, True
            self._delivery.changed.notify_all()
        self._thread.join(timeout_s)
        atexit.unregister(self.close)
        self._at_end.cancel()
        _open_trackers.discard(self)
        if was_open and not is_done:
            log.error("%d events were not sent before the end", self._delivery.waiting)
        return is_done

    def _has_room(self) -> bool:
        return self._is_closed or self._delivery.waiting < (self._max_waiting or 0)

    def _close_at_end(self) -> None:
        """Children of ``multiprocessing`` run no ``atexit``; they run this, and forget at their start what was asked before."""
        self._at_end = multiprocessing.util.Finalize(None, self.close, exitpriority=0)

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._send_forever, name="scenetrail", daemon=True)
        self._thread.start()

    def _begin_again(self) -> None:
        """In the child of a fork, where the thread is gone and a lock may be held by nobody."""
        self._delivery.begin()
        self._start_thread()

    def _send_forever(self) -> None:
        """Thread: wait until something is due, send it."""
        delivery = self._delivery
        while True:
            with delivery.changed:
                while not self._is_closed and (due_in_s := delivery.due_in_s()) != 0:
                    delivery.changed.wait(due_in_s)
                if self._is_closed:
                    return
            delivery.send_next(self._post)

    def _post(self, body: bytes, headers: dict[str, str]) -> Answer | None:
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 (http, https)
        try:
            try:
                with _opener.open(request, timeout=self._timeout_s) as answer:
                    return _read(answer.status, answer.headers, answer)
            except urllib.error.HTTPError as error:
                return _read(error.code, error.headers, error)
        except (OSError, http.client.HTTPException) as error:
            log.warning("no answer from the collector: %s", error)
            return None


def make_event(occurred_at: int, **values: Any) -> Event:  # noqa: ANN401 (any field of Event)
    """
    Make one event, checked by the schema, with an id if it has none.

    Errors: ValueError when it breaks the schema, has a field that the schema does not know, or names nobody.
    """
    if unknown := values.keys() - _FIELDS:
        raise ValueError(f"an event has no field {', '.join(sorted(unknown))}")
    if not (values.get("user_id") or values.get("openid") or values.get("anonymous_id")):
        raise ValueError("give user_id, openid or anonymous_id")
    properties = values.get("properties")
    event = msgspec.convert(
        {
            **values,
            "event_id": values.get("event_id") or str(uuid.uuid4()),
            "occurred_at": occurred_at,
            "properties": None if properties is None else dict(properties),
        },
        Event,
    )
    # TRICKY: half a surrogate pair passes as text and has no UTF-8; it would stop the whole batch.
    msgspec.json.encode(event)
    return event


_FIELDS = frozenset(Event.__struct_fields__)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its events, and carry the key to another host."""

    def redirect_request(self, *_args: object) -> None:
        """Make the redirect an answer like others, which keeps the batch."""


_opener = urllib.request.build_opener(_NoRedirects)
_open_trackers: weakref.WeakSet[Tracker] = weakref.WeakSet()


def _read(status: int, headers: Message, body: IO[bytes]) -> Answer:
    return Answer(
        status,
        {name.lower(): value for name, value in headers.items()},
        body.read(_MAX_ANSWER_BYTES),
    )


def _begin_again_after_fork() -> None:
    for tracker in list(_open_trackers):
        tracker._begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again_after_fork)


def _log_rejected(event: Event, code: str, message: str) -> None:
    log.error("event %s refused: %s %s", event.event_id, code, message)
