"""
Spool records → columns of ``events``, dead letters and bindings. Pure; the only place with the column order.

Columns are built for thousands of events at once: what a batch shares is one value per batch, spread by index in C++; what
no event gives is one value. A piece at a time: the decoded events of a whole block of 50,000 do not stay in the
cache, and the block takes an eighth longer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import structlog
import xxhash

from collector.block import Block, joined
from collector.columns import Spread, common, property_maps, texts, times, utm_columns
from collector.dead_letter import DeadLetter
from collector.decode import BodyError, Rejection, decode_batch, has_own_ids, raw_events
from collector.enrich import CLOCK_VERDICTS, clock_offset_ms, correct_times
from collector.identity import Ids
from collector.ingest import refuse_old_events
from collector.spool_format import SpoolRecord
from sdk_spec.events import Device, Envelope, Event, EventBatch, Sdk

PRECEDENCE_BASE = 2**63
"""``precedence`` is this minus ``received_at``: the first copy received has the highest and wins."""

_EVENTS_OF_A_PIECE = 4_000
_NO_DEVICE = Device()
_NO_SDK = Sdk()


class _StrictEvent(Event, forbid_unknown_fields=True, gc=False, kw_only=True):
    pass


class _StrictBatch(Envelope, forbid_unknown_fields=True, gc=False, kw_only=True):
    events: list[_StrictEvent]


_STRICT = msgspec.json.Decoder(_StrictBatch)
_KNOWN_EVENT_KEYS = frozenset(Event.__struct_fields__)
_KNOWN_BATCH_KEYS = frozenset(EventBatch.__struct_fields__)


log = structlog.get_logger()

_hash = xxhash.xxh3_64_intdigest
_Maybe = TypeVar("_Maybe", Event, Event | None)


def event_key(app_id: str, event_id: str) -> int:
    """64-bit key of an event; with 10^9 events the chance of any two being equal is 3 %, of a given one 5e-11."""
    return xxhash.xxh3_64_intdigest(f"{app_id}\x1f{event_id}".encode())


def build_block(records: list[SpoolRecord]) -> Block:
    """
    Decode the bodies again and lay their accepted events out as columns.

    The fates are those that the worker answered: the same function on the same bytes with the same clock. An event that
    was accepted by another version and cannot be read by this one becomes a dead letter, never nothing.
    """
    pieces: list[Block] = []
    columns = _Columns()
    for record in records:
        if len(columns.events) >= _EVENTS_OF_A_PIECE:
            pieces.append(columns.block())
            columns = _Columns()
        columns.add(record)
    pieces.append(columns.block())
    return pieces[0] if len(pieces) == 1 else joined(pieces)


class _Columns:
    """Python lists that grow batch by batch; turned into Arrow at the end."""

    def __init__(self) -> None:
        self.batches: list[tuple[SpoolRecord, Envelope]] = []
        self.batch_sizes: list[int] = []
        self.offsets_ms: list[int] = []
        self.batch_ids: list[Ids] = []
        self.events: list[Event] = []
        self.ids: list[Ids] = []
        self.keys: list[int] = []
        self.has_own_ids = False
        self.dead_letters: list[DeadLetter] = []
        self.unknown_keys = 0
        self.placeholders = 0

    def add(self, record: SpoolRecord) -> None:
        """Take over the accepted events of one request; what cannot be read becomes a dead letter."""
        try:
            envelope, events, rejections = self._decode(record)
        except BodyError as error:
            self._whole_body_dead(record, error)
            return
        except Exception as error:
            # One body that we fail on must not stop all others; it is kept, and the log tells.
            log.exception("body_failed", request_id=record.request_id)
            self._whole_body_dead(record, BodyError("internal", "$", f"a fault of ours: {error!r}"))
            return
        raws = [] if all(one.raw for one in rejections) else raw_events(record.body)
        for rejection in rejections:
            self._dead(record, envelope, rejection, rejection.raw or raws[rejection.index])
        if not events:
            return
        ids = Ids.of(record.project, record.app_id, envelope)
        if has_own_ids(events):
            self.has_own_ids = True
            own = [ids.overridden_by(event) for event in events]
            self.ids.extend(own)
            self.placeholders += sum([one.placeholders for one in own])
        else:
            self.ids.extend([ids] * len(events))
            self.placeholders += ids.placeholders * len(events)
        self.batches.append((record, envelope))
        self.batch_sizes.append(len(events))
        self.batch_ids.append(ids)
        self.offsets_ms.append(
            clock_offset_ms(envelope.sent_at, record.received_at, record.max_clock_skew_ms)
        )
        self.events.extend(events)
        prefix = record.app_id + "\x1f"
        self.keys.extend([_hash((prefix + event.event_id).encode()) for event in events])

    def _decode(self, record: SpoolRecord) -> tuple[Envelope, Sequence[Event], list[Rejection]]:
        """Return the envelope, the accepted events and the refused ones. Errors: BodyError."""
        if not record.refused:
            # Fails on unknown keys, most likely; the long way ignores and counts them.
            with contextlib.suppress(ValueError, RecursionError):
                whole = _STRICT.decode(record.body)
                return whole, _without(whole.events, record.duplicates), []
        batch = decode_batch(record.body)
        self.unknown_keys += count_unknown_keys(record.body)
        refuse_old_events(batch, record.received_at, record.max_clock_skew_ms)
        events = [e for e in _without(batch.events, record.duplicates) if e is not None]
        return batch.envelope, events, batch.rejections

    def _dead(
        self, record: SpoolRecord, envelope: Envelope, rejection: Rejection, raw: bytes
    ) -> None:
        fields = {
            name: getattr(envelope, name)
            for name in Envelope.__struct_fields__
            if getattr(envelope, name) is not None
        }
        self.dead_letters.append(
            DeadLetter(
                project=record.project,
                app_id=record.app_id,
                received_at=record.received_at,
                request_id=record.request_id,
                event_index=rejection.index,
                event_id=rejection.event_id or "",
                code=rejection.code,
                path=rejection.path,
                message=rejection.message,
                raw=raw.decode("utf-8", "backslashreplace"),
                envelope=msgspec.json.encode(fields).decode(),
            )
        )

    def _whole_body_dead(self, record: SpoolRecord, error: BodyError) -> None:
        self.dead_letters.append(
            DeadLetter(
                project=record.project,
                app_id=record.app_id,
                received_at=record.received_at,
                request_id=record.request_id,
                event_index=0,
                event_id="",
                code=error.code,
                path=error.path,
                message=error.message,
                raw=record.body.decode("utf-8", "backslashreplace"),
                envelope="",
            )
        )

    def block(self) -> Block:
        """Lay everything out as columns, in the order of the table."""
        events, ids = self.events, self.ids
        spread = Spread(self.batch_sizes)
        envelopes = [envelope for _, envelope in self.batches]
        devices = [envelope.device or _NO_DEVICE for envelope in envelopes]
        sdks = [envelope.sdk or _NO_SDK for envelope in envelopes]
        utms = [event.utm for event in events]
        received_at = spread.integers([record.received_at for record, _ in self.batches])
        client_occurred_at = np.array([event.occurred_at for event in events], dtype=np.int64)
        offset_ms = spread.integers(self.offsets_ms)
        skew_ms = spread.integers([record.max_clock_skew_ms for record, _ in self.batches])
        occurred_at, verdict = correct_times(client_occurred_at, offset_ms, received_at, skew_ms)
        keys = np.array(self.keys, dtype=np.uint64)
        text, number, flag, listed = property_maps(events)
        if self.has_own_ids:
            actor = pa.array(np.array([i.actor for i in ids], dtype=np.uint64))
            anonymous_id = common([i.anonymous_id for i in ids])
            openid = common([i.openid for i in ids])
            unionid = common([i.unionid for i in ids])
            user_id = common([i.user_id for i in ids])
        else:
            actor = spread.take(pa.array([i.actor for i in self.batch_ids], pa.uint64()))
            anonymous_id = spread.text(i.anonymous_id for i in self.batch_ids)
            openid = spread.text(i.openid for i in self.batch_ids)
            unionid = spread.text(i.unionid for i in self.batch_ids)
            user_id = spread.text(i.user_id for i in self.batch_ids)
        columns: dict[str, pa.Array] = {
            "project": spread.text(record.project for record, _ in self.batches),
            "app_id": spread.text(record.app_id for record, _ in self.batches),
            "platform": spread.text(envelope.platform for envelope in envelopes),
            "event": common([event.event for event in events]),
            "event_id": pa.array([event.event_id for event in events], pa.string()),
            "event_key": pa.array(keys),
            "actor": actor,
            "occurred_at": times(occurred_at),
            "client_occurred_at": times(client_occurred_at),
            "sent_at": times(spread.integers([e.sent_at or 0 for e in envelopes])),
            "received_at": times(received_at),
            "precedence": pa.array(np.uint64(PRECEDENCE_BASE) - received_at.astype(np.uint64)),
            "clock": pa.DictionaryArray.from_arrays(pa.array(verdict), list(CLOCK_VERDICTS)),
            "seq": pa.array([event.seq or 0 for event in events], pa.uint32()),
            "session_id": texts([event.session_id for event in events]),
            "anonymous_id": anonymous_id,
            "openid": openid,
            "unionid": unionid,
            "user_id": user_id,
            "scene": common([_scene_text(event.scene) for event in events]),
            "page": common([event.page for event in events]),
            "page_query": texts([event.page_query for event in events]),
            "referrer_page": common([event.referrer_page for event in events]),
            "referrer_app_id": common([event.referrer_app_id for event in events]),
            "share_id": texts([event.share_id for event in events]),
            "share_ticket": texts([event.share_ticket for event in events]),
            "chat_type": pa.array([event.chat_type for event in events], pa.int16()),
            "group_id": texts([event.group_id for event in events]),
            **utm_columns(utms),
            "duration_ms": pa.array([event.duration_ms for event in events], pa.uint32()),
            "device_brand": spread.text(device.brand for device in devices),
            "device_model": spread.text(device.model for device in devices),
            "device_os": spread.text(device.os for device in devices),
            "device_os_version": spread.text(device.os_version for device in devices),
            "device_host_version": spread.text(device.host_version for device in devices),
            "device_base_library_version": spread.text(
                device.base_library_version for device in devices
            ),
            "device_language": spread.text(device.language for device in devices),
            "device_network_type": spread.text(device.network_type for device in devices),
            "device_screen_width": spread.number(device.screen_width for device in devices),
            "device_screen_height": spread.number(device.screen_height for device in devices),
            "app_version": spread.text(envelope.app_version for envelope in envelopes),
            "env_version": spread.text(envelope.env_version for envelope in envelopes),
            "sdk_name": spread.text(sdk.name for sdk in sdks),
            "sdk_version": spread.text(sdk.version for sdk in sdks),
            "properties_text": text,
            "properties_number": number,
            "properties_flag": flag,
            "properties_list": listed,
        }
        sent_at = spread.integers([envelope.sent_at or 0 for envelope in envelopes])
        # A clock that goes ahead a little is believed, so that its events carry a time that has not come yet.
        ahead_ms = np.where(offset_ms == 0, np.maximum(sent_at - received_at, 0), 0)
        counts = np.bincount(verdict, minlength=len(CLOCK_VERDICTS))
        return Block(
            table=pa.table(columns),
            keys=keys,
            ids=ids,
            occurred_at=occurred_at,
            received_at=received_at,
            happened_at=np.minimum(occurred_at - ahead_ms, received_at),
            dead_letters=self.dead_letters,
            unknown_keys=self.unknown_keys,
            placeholders=self.placeholders,
            clock_counts=dict(zip(CLOCK_VERDICTS, counts.tolist(), strict=True)),
        )


def _scene_text(scene: str | int | None) -> str | None:
    return scene if scene is None or type(scene) is str else str(scene)


def _without(events: Sequence[_Maybe], indexes: list[int]) -> Sequence[_Maybe]:
    """The events except those at ``indexes``."""
    if not indexes:
        return events
    dropped = set(indexes)
    return [event for index, event in enumerate(events) if index not in dropped]


def count_unknown_keys(body: bytes) -> int:
    """How many keys of a body this version ignores; 1 for a body whose unknown keys are no text."""
    try:
        batch = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        events = msgspec.json.decode(batch["events"], type=list[dict[str, msgspec.Raw]])
    except (ValueError, RecursionError):
        return 1
    return len(batch.keys() - _KNOWN_BATCH_KEYS) + sum(
        map(len, (event.keys() - _KNOWN_EVENT_KEYS for event in events))
    )
