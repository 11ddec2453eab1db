"""
Spool records → columns of ``events``, dead letters and bindings. Pure; the only place with the column order.

Columns are built per block, not per event: what a batch shares is one value per batch, spread by index in C++.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from collector.decode import Batch, BodyError, Rejection, decode_batch, raw_event
from collector.enrich import clock_offset_ms, correct_time
from collector.identity import Binding, Ids
from collector.spool import SpoolRecord
from sdk_spec.events import Device, Envelope, Event, EventBatch, Sdk, Utm

PRECEDENCE_BASE = 2**63
"""``precedence`` is this minus ``received_at``: the first copy received has the highest and wins."""

_TEXT = pa.string()
_TIME = pa.timestamp("ms", tz="UTC")
_EXACT_INTEGER = 2**53
"""Beyond it a Float64 rounds, so the exact digits are kept as text as well."""
_NO_UTM = Utm()
_NO_DEVICE = Device()
_NO_SDK = Sdk()


class DeadLetter(msgspec.Struct, frozen=True):
    """One refused event with everything needed to repair and send it again."""

    project: str
    app_id: str
    received_at: int
    request_id: str
    event_index: int
    event_id: str
    code: str
    path: str
    message: str
    raw: str
    envelope: str


class Source(msgspec.Struct, frozen=True, gc=False):
    """One event with its ids; times in epoch ms."""

    ids: Ids
    event: Event
    occurred_at: int
    received_at: int

    @property
    def order(self) -> tuple[int, int, str]:
        """The order of events: corrected time, then seq, then event_id."""
        return self.occurred_at, self.event.seq or 0, self.event.event_id


class Block(msgspec.Struct):
    """
    What one insert stores.

    ``events`` has the columns of the table of that name; ``event_keys`` are its ``event_key`` values in the same order,
    ``sources`` what its bindings follow from.
    """

    events: pa.Table
    event_keys: Any
    dead_letters: list[DeadLetter]
    sources: list[Source]
    oldest_received_at: int
    unknown_keys: int
    clock_counts: dict[str, int]

    def bindings(self, kept: Any) -> list[Binding]:  # noqa: ANN401 (numpy array of bool, or None for all)
        """
        Bindings of the events at ``kept``, each pair with its earliest event as evidence.

        Only events that are stored bind: a second copy sent under another envelope changes nothing.
        """
        earliest: dict[int, Source] = {}
        for index, source in enumerate(self.sources):
            if not source.ids.bindings or (kept is not None and not kept[index]):
                continue
            known = earliest.get(id(source.ids))
            if known is None or source.order < known.order:
                earliest[id(source.ids)] = source
        pairs: dict[tuple[int, int], Binding] = {}
        for source in earliest.values():
            for binding in source.ids.bindings:
                found = msgspec.structs.replace(
                    binding,
                    occurred_at=source.occurred_at,
                    seq=source.event.seq or 0,
                    event_id=source.event.event_id,
                    event_app_id=source.ids.app_id,
                    received_at=source.received_at,
                )
                pair = (binding.id_key, binding.other_key)
                if pair not in pairs or found.order < pairs[pair].order:
                    pairs[pair] = found
        return list(pairs.values())


class _StrictEvent(Event, forbid_unknown_fields=True, gc=False, kw_only=True):
    pass


class _StrictBatch(Envelope, forbid_unknown_fields=True, gc=False, kw_only=True):
    events: list[_StrictEvent]


_STRICT = msgspec.json.Decoder(_StrictBatch)
_KNOWN_EVENT_KEYS = frozenset(Event.__struct_fields__)
_KNOWN_BATCH_KEYS = frozenset(EventBatch.__struct_fields__)


def event_key(app_id: str, event_id: str) -> int:
    """64-bit key of an event; with 10^9 events the chance of any two being equal is 3 %, of a given one 5e-11."""
    return xxhash.xxh3_64_intdigest(f"{app_id}\x1f{event_id}".encode())


def build_block(records: list[SpoolRecord]) -> Block:
    """
    Decode the bodies again and lay their accepted events out as columns.

    The fates are those that the worker answered: the same function on the same bytes with the same clock. An event that
    was accepted by another version and cannot be read by this one becomes a dead letter, never nothing.
    """
    columns = _Columns()
    for record in records:
        columns.add(record)
    return columns.block()


class _Columns:
    """Python lists that grow event by event; turned into Arrow at the end."""

    def __init__(self) -> None:
        self.batches: list[tuple[SpoolRecord, Envelope]] = []
        self.batch_sizes: list[int] = []
        self.events: list[Event] = []
        self.keys: list[int] = []
        self.occurred_at: list[int] = []
        self.clock: list[str] = []
        self.sources: list[Source] = []
        self.dead_letters: list[DeadLetter] = []
        self.unknown_keys = 0
        self.oldest_received_at = 0

    def add(self, record: SpoolRecord) -> None:
        try:
            batch = self._decode(record)
        except BodyError as error:
            self._whole_body_dead(record, error)
            return
        envelope = batch.envelope
        skew = record.max_clock_skew_ms
        offset_ms = clock_offset_ms(envelope.sent_at, record.received_at, skew)
        batch_ids = Ids.of(record.project, record.app_id, envelope)
        skipped = set(record.duplicates)
        size = 0
        seen: set[int] = set()
        for index, event in enumerate(batch.events):
            if event is None or index in skipped:
                continue
            corrected = correct_time(event.occurred_at, offset_ms, record.received_at, skew)
            if corrected is None:
                batch.rejections.append(
                    Rejection(
                        index,
                        event.event_id,
                        "occurred_at_out_of_range",
                        f"$.events[{index}].occurred_at",
                        "before 2015; is it in seconds instead of milliseconds?",
                        raw_event(record.body, index),
                    )
                )
                continue
            key = event_key(record.app_id, event.event_id)
            if key in seen:
                continue
            seen.add(key)
            occurred_at, clock = corrected
            ids = batch_ids
            if event.anonymous_id or event.openid or event.unionid or event.user_id:
                ids = batch_ids.overridden_by(event)
            self.events.append(event)
            self.keys.append(key)
            self.occurred_at.append(occurred_at)
            self.clock.append(clock)
            self.sources.append(Source(ids, event, occurred_at, record.received_at))
            size += 1
        for rejection in batch.rejections:
            self._dead(record, envelope, rejection)
        if size:
            self.batches.append((record, envelope))
            self.batch_sizes.append(size)
        if not self.oldest_received_at or record.received_at < self.oldest_received_at:
            self.oldest_received_at = record.received_at

    def _decode(self, record: SpoolRecord) -> Batch:
        batch = decode_batch(record.body)
        if not batch.rejections:
            try:
                _STRICT.decode(record.body)
            except (ValueError, RecursionError):
                self.unknown_keys += count_unknown_keys(record.body)
        return batch

    def _dead(self, record: SpoolRecord, envelope: Envelope, rejection: Rejection) -> None:
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
                raw=rejection.raw.decode("utf-8", "backslashreplace"),
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
        events = self.events
        all_ids = [source.ids for source in self.sources]
        received_at = [record.received_at for record, _ in self.batches]
        spread = _Spread(self.batch_sizes)
        envelopes = [envelope for _, envelope in self.batches]
        devices = [envelope.device or _NO_DEVICE for envelope in envelopes]
        sdks = [envelope.sdk or _NO_SDK for envelope in envelopes]
        utms = [event.utm or _NO_UTM for event in events]
        text, number, flag, listed = _property_maps(events)
        columns: dict[str, pa.Array] = {
            "project": spread.text(record.project for record, _ in self.batches),
            "app_id": spread.text(record.app_id for record, _ in self.batches),
            "platform": spread.text(envelope.platform for envelope in envelopes),
            "event": _common([event.event for event in events]),
            "event_id": pa.array([event.event_id for event in events], _TEXT),
            "event_key": pa.array(np.array(self.keys, dtype=np.uint64)),
            "actor": pa.array(np.array([ids.actor for ids in all_ids], dtype=np.uint64)),
            "occurred_at": pa.array(self.occurred_at, pa.int64()).cast(_TIME),
            "client_occurred_at": _times([event.occurred_at for event in events]),
            "sent_at": spread.take(_times([envelope.sent_at or 0 for envelope in envelopes])),
            "received_at": spread.take(_times(received_at)),
            "precedence": spread.take(
                pa.array([PRECEDENCE_BASE - at for at in received_at], pa.uint64())
            ),
            "clock": _common(self.clock),
            "seq": pa.array([event.seq or 0 for event in events], pa.uint32()),
            "session_id": _texts([event.session_id for event in events]),
            "anonymous_id": pa.array([ids.anonymous_id for ids in all_ids], _TEXT),
            "openid": pa.array([ids.openid for ids in all_ids], _TEXT),
            "unionid": pa.array([ids.unionid for ids in all_ids], _TEXT),
            "user_id": pa.array([ids.user_id for ids in all_ids], _TEXT),
            "scene": _common(["" if event.scene is None else str(event.scene) for event in events]),
            "page": _common([event.page or "" for event in events]),
            "page_query": _texts([event.page_query for event in events]),
            "referrer_page": _common([event.referrer_page or "" for event in events]),
            "referrer_app_id": _common([event.referrer_app_id or "" for event in events]),
            "share_id": _texts([event.share_id for event in events]),
            "share_ticket": _texts([event.share_ticket for event in events]),
            "chat_type": pa.array([event.chat_type for event in events], pa.int16()),
            "group_id": _texts([event.group_id for event in events]),
            "utm_source": _common([utm.source or "" for utm in utms]),
            "utm_medium": _common([utm.medium or "" for utm in utms]),
            "utm_campaign": _common([utm.campaign or "" for utm in utms]),
            "utm_term": _common([utm.term or "" for utm in utms]),
            "utm_content": _common([utm.content or "" for utm in utms]),
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
        clock_counts: dict[str, int] = {}
        for verdict in self.clock:
            clock_counts[verdict] = clock_counts.get(verdict, 0) + 1
        return Block(
            events=pa.table(columns),
            event_keys=np.array(self.keys, dtype=np.uint64),
            dead_letters=self.dead_letters,
            sources=self.sources,
            oldest_received_at=self.oldest_received_at,
            unknown_keys=self.unknown_keys,
            clock_counts=clock_counts,
        )


class _Spread:
    """Spreads one value per batch over the batch's events."""

    def __init__(self, sizes: list[int]) -> None:
        self._index = pa.array(np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))

    def take(self, values: pa.Array) -> pa.Array:
        return values.take(self._index)

    def text(self, values: Any) -> pa.Array:  # noqa: ANN401 (any iterable of str or None)
        array = pa.array([value or "" for value in values], _TEXT).dictionary_encode()
        return self.take(array)

    def number(self, values: Any) -> pa.Array:  # noqa: ANN401 (any iterable of int or None)
        return self.take(pa.array([value or 0 for value in values], pa.uint32()))


def _common(values: list[str]) -> pa.Array:
    """Texts with few different values, as a dictionary: what ClickHouse keeps as LowCardinality."""
    return pa.array(values, _TEXT).dictionary_encode()


def _texts(values: list[str | None]) -> pa.Array:
    return pa.array([value or "" for value in values], _TEXT)


def _times(values: list[int]) -> pa.Array:
    return pa.array(values, pa.int64()).cast(_TIME)


def _property_maps(events: list[Event]) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """Properties as one map per type: texts, numbers, flags, lists. Nulls are not stored."""
    text, number, flag, listed = _Map(), _Map(), _Map(), _Map()
    for event in events:
        for name, value in (event.properties or {}).items():
            kind = type(value)
            if kind is str:
                text.add(name, value)
            elif kind is float:
                number.add(name, value)
            elif kind is bool:
                flag.add(name, value)
            elif kind is int:
                number.add(name, float(value))  # type: ignore[arg-type]
                if not -_EXACT_INTEGER <= value <= _EXACT_INTEGER:  # type: ignore[operator]
                    text.add(name, str(value))
            elif kind is list:
                listed.add(name, value)
        text.end_row()
        number.end_row()
        flag.end_row()
        listed.end_row()
    return (
        text.array(_TEXT),
        number.array(pa.float64()),
        flag.array(pa.bool_()),
        listed.array(pa.list_(_TEXT)),
    )


class _Map:
    """Grows one Arrow map column."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[Any] = []
        self._ends: list[int] = [0]

    def add(self, name: str, value: Any) -> None:  # noqa: ANN401 (a value of this map's type)
        self._names.append(name)
        self._values.append(value)

    def end_row(self) -> None:
        self._ends.append(len(self._names))

    def array(self, value_type: pa.DataType) -> pa.Array:
        return pa.MapArray.from_arrays(
            pa.array(self._ends, pa.int32()),
            pa.array(self._names, _TEXT),
            pa.array(self._values, value_type),
        )


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


COLUMN_NAMES = tuple(chain(build_block([]).events.column_names))
"""In the order of the table."""
