"""
Bytes → a batch with one fate per event. Pure; called by ``ingest`` (before the answer) and by ``rows`` (for the insert).

Both callers pass the same bytes and get the same fates: the spool keeps the body as it came, and nothing else has to be
kept in step. One bad event never costs its neighbours: when the quick decode of the whole body fails, each event is
decoded on its own.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn, get_args

import msgspec

from sdk_spec import limits
from sdk_spec.events import Envelope, Event, EventBatch, Platform, PropertyName, PropertyValue

NOT_HASHED = (
    "must be the keyed hash that phone_hash() of the server SDK makes, `ph_` and 32 hex digits; "
    "a number itself is never taken / 只接受手机号的密钥哈希，不接受明文手机号"
)


class BodyError(ValueError):
    """
    The whole body is refused.

    ``code`` is a key of ``sdk_spec.errors.REQUEST_ERRORS``; ``path`` points at the field, or is ``$``.
    """

    def __init__(self, code: str, path: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.path = path
        self.message = message


class Rejection(msgspec.Struct, frozen=True):
    """
    Why one event is refused; ``code`` is a key of ``sdk_spec.errors.EVENT_ERRORS``.

    ``raw`` is its text where it was at hand, else empty: see ``raw_events``.
    """

    index: int
    event_id: str | None
    code: str
    path: str
    message: str
    raw: bytes = b""


class Batch(msgspec.Struct):
    """
    A decoded body.

    ``events[i]`` is None exactly where ``rejections`` holds one with ``index == i``.
    """

    envelope: Envelope
    events: list[Event | None]
    rejections: list[Rejection]


class _RawBatch(Envelope, kw_only=True):
    events: list[msgspec.Raw]


class _Parts(msgspec.Struct):
    """What is looked up in an event that was refused; unknown keys are skipped unread, text or not."""

    event_id: msgspec.Raw = msgspec.Raw(b"null")
    properties: msgspec.Raw = msgspec.Raw(b"null")


_PARTS = msgspec.json.Decoder(_Parts)
_BATCH = msgspec.json.Decoder(EventBatch)
_RAW_BATCH = msgspec.json.Decoder(_RawBatch)
_EVENT = msgspec.json.Decoder(Event)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAME = msgspec.json.Decoder(PropertyName)
_VALUE = msgspec.json.Decoder(PropertyValue)
# TRICKY: invalid UTF-8 raises UnicodeDecodeError (a ValueError, no DecodeError), deep nesting RecursionError.
_UNDECODABLE = (ValueError, RecursionError)

_PATH = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.S)
_SURROGATE = re.compile(rb"(?<!\\)(?P<backslashes>\\+)u(?P<digits>[dD][89a-fA-F][0-9a-fA-F]{2})")
_MARKED = re.compile(rb"\xff(u[dD][89a-fA-F][0-9a-fA-F]{2})")
_PHONE = re.compile(rb'(?P<name>"phone_hash"\s*:\s*)(?P<value>"(?:[^"\\]|\\.)*"|[^\s,}\]"]+)')
_KEPT_PHONE = re.compile(rb'null|"(?:ph_[0-9a-f]{32})?"')
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HALF_A_PAIR = "a text holds half of a surrogate pair; was an emoji cut?"
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")


def decode_batch(body: bytes) -> Batch:
    """
    Decode a body and check what the types cannot say.

    Errors: BodyError when the body is not JSON, the envelope is wrong or there are too many events.
    """
    try:
        batch = _BATCH.decode(body)
    except _UNDECODABLE:
        return _decode_one_by_one(body)
    check_envelope(batch, len(batch.events))
    batch_has_identity = bool(batch.anonymous_id or batch.openid or batch.user_id)
    if not all_faultless(batch.events, batch_has_identity):
        return _decode_one_by_one(body)  # which knows the raw text of each event
    return Batch(batch, list(batch.events), [])


def all_faultless(events: Sequence[Event], batch_has_identity: bool) -> bool:
    """
    Tell in bulk that ``event_fault`` finds nothing.

    One pass in C per condition, a third of the time of a call per event; only what is unusual is looked at by itself, and
    events that are too few for the passes to pay.
    """
    if len(events) < _FEW:
        return all(event_fault(event, batch_has_identity) is None for event in events)
    ids = [event.event_id for event in events]
    times = [event.occurred_at for event in events]
    is_usual = (
        batch_has_identity
        and all(map(str.isprintable, ids))
        and not any(map(str.isspace, ids))
        and min(times) >= 0
        and max(times) <= limits.MAX_CLIENT_CLOCK_MS
        and all(map(is_printable_name, {event.event for event in events}))
        and all(map(_is_absent_or_printable, {event.session_id for event in events}))
        and not has_own_ids(events)
    )
    return is_usual or all(event_fault(event, batch_has_identity) is None for event in events)


_FEW = 4


def has_own_ids(events: Sequence[Event]) -> bool:
    """True when an event overrides one of the batch's ids."""
    return any(e.anonymous_id or e.openid or e.unionid or e.user_id or e.phone_hash for e in events)


def _is_absent_or_printable(text: str | None) -> bool:
    return not text or is_printable(text)


def _decode_one_by_one(body: bytes) -> Batch:
    """The slow way after a failure: the envelope with raw events, then each event by itself."""
    batch = _decode_raw(body)
    check_envelope(batch, len(batch.events))
    batch_has_identity = bool(batch.anonymous_id or batch.openid or batch.user_id)
    events: list[Event | None] = []
    rejections: list[Rejection] = []
    for index, raw in enumerate(batch.events):
        event: Event | None = None
        event_id: str | None = None
        fault: tuple[str, str, str] | None
        try:
            event = _EVENT.decode(raw)
        except _UNDECODABLE as error:
            fault = _decode_fault(raw, error)
            event_id = _event_id_of(raw)
        else:
            fault = event_fault(event, batch_has_identity)
            event_id = event.event_id
        if fault is not None:
            event = None
            rejections.append(_rejection(index, event_id, *fault, _as_sent(raw)))
        events.append(event)
    return Batch(batch, events, rejections)


def _decode_raw(body: bytes) -> _RawBatch:
    """Decode the envelope and split off the events. Errors: BodyError."""
    try:
        return _RAW_BATCH.decode(body)
    except msgspec.ValidationError as error:
        raise BodyError("invalid_envelope", *_envelope_fault(str(error))) from error
    except RecursionError as error:
        raise BodyError("not_json", "$", "the JSON is nested too deeply") from error
    except ValueError as error:
        marked = mark_lone_surrogates(body)
        if marked is not None:
            return _decode_raw(marked)
        if body.startswith(_BYTE_ORDER_MARKS):
            what = "the body begins with a byte order mark; send UTF-8 without one"
            raise BodyError("not_json", "$", what) from error
        field = _unreadable_field(body, Envelope.__struct_fields__)
        is_cut = _MARKED.search(body)
        what = _HALF_A_PAIR if is_cut else f"the body is not JSON in UTF-8: {error}"
        raise BodyError("not_json", f"$.{field}" if field else "$", what) from error


def _envelope_fault(text: str) -> tuple[str, str]:
    """Return (path, message) for msgspec's words on the envelope."""
    what, path = _split(text)
    if path == "$.phone_hash":
        what = NOT_HASHED
    if path == "$.platform" and "Invalid enum value" in what:
        what = f"must be one of {', '.join(get_args(Platform))}"
    return path, what


def mark_lone_surrogates(body: bytes) -> bytes | None:
    """
    Put 0xFF for the backslash of every escape of half a surrogate pair; None when there is none.

    Clients that cut a text by length send such halves. The parser refuses the whole body for one; with the mark, which
    is not UTF-8, it refuses the event that holds it. ``_MARKED`` finds the marks again.
    """
    marked = bytearray(body)
    high_end = 0  # where a high half ends that still waits for its low one
    high_at = -1
    lone: list[int] = []
    for match in _SURROGATE.finditer(body):
        if len(match["backslashes"]) % 2 == 0:
            continue  # an escaped backslash and then ordinary letters
        at = match.end() - 6
        is_low = match["digits"][1:2].lower() in b"cdef"
        if is_low and high_at >= 0 and high_end == at:
            high_at = -1
            continue
        if high_at >= 0:
            lone.append(high_at)
        high_at, high_end = (-1, 0) if is_low else (at, match.end())
        if is_low:
            lone.append(at)
    if high_at >= 0:
        lone.append(high_at)
    for at in lone:
        marked[at] = 0xFF
    return bytes(marked) if lone else None


def raw_events(body: bytes) -> list[bytes]:
    """Return the texts of the events of a body that ``decode_batch`` took."""
    return [_as_sent(raw) for raw in _decode_raw(body).events]


def _as_sent(marked: bytes | msgspec.Raw) -> bytes:
    return _MARKED.sub(rb"\\\1", bytes(marked))


def check_envelope(envelope: Envelope, event_count: int) -> None:
    """Refuse a body for what its envelope says. Errors: BodyError."""
    if event_count == 0:
        raise BodyError("invalid_envelope", "$.events", "a batch holds at least one event")
    if event_count > limits.MAX_EVENTS_PER_BATCH:
        raise BodyError(
            "too_many_events",
            "$.events",
            f"{event_count} events; at most {limits.MAX_EVENTS_PER_BATCH}: split the batch",
        )
    for name in ("app_id", "anonymous_id", "openid", "unionid", "user_id"):
        value = getattr(envelope, name)
        if value and not is_printable(value):
            _envelope_error(name)
    if envelope.sent_at is not None and not 0 <= envelope.sent_at <= limits.MAX_CLIENT_CLOCK_MS:
        raise BodyError(
            "invalid_envelope",
            "$.sent_at",
            "must be epoch milliseconds between 1970 and 2100",
        )


def _envelope_error(name: str) -> NoReturn:
    raise BodyError(
        "invalid_envelope", f"$.{name}", "must be printable: no control or invisible characters"
    )


def event_fault(event: Event, batch_has_identity: bool) -> tuple[str, str, str] | None:
    """Return (code, field, message) of the first fault that the types cannot express, else None."""
    if not is_printable(event.event_id):
        return "not_printable", "event_id", "must be printable: no control or invisible characters"
    if not is_printable_name(event.event):
        return "not_printable", "event", "must be printable: no control or invisible characters"
    if not 0 <= event.occurred_at <= limits.MAX_CLIENT_CLOCK_MS:
        return (
            "occurred_at_out_of_range",
            "occurred_at",
            "must be epoch milliseconds between 2015 and 2100",
        )
    if event.anonymous_id or event.openid or event.user_id or event.unionid or event.session_id:
        for name in ("anonymous_id", "openid", "unionid", "user_id", "session_id"):
            value = getattr(event, name)
            if value and not is_printable(value):
                return (
                    "not_printable",
                    name,
                    "must be printable: no control or invisible characters",
                )
    if not (batch_has_identity or event.anonymous_id or event.openid or event.user_id):
        return (
            "missing_identity",
            "",
            "give anonymous_id, openid or user_id in the batch or in the event",
        )
    return None


def too_old(index: int, event: Event) -> Rejection:
    """The rejection of an event that lies before 2015 after clock correction."""
    return Rejection(
        index,
        event.event_id,
        "occurred_at_out_of_range",
        f"$.events[{index}].occurred_at",
        "before 2015; is it in seconds instead of milliseconds?",
    )


_INVISIBLE = frozenset("\u200b\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_printable(text: str) -> bool:
    """
    True for text that a person can see: not blank, no control, bidi or zero-width characters, no line separators.

    Joiners (emoji, Persian) and characters newer than this Python's Unicode tables are printable, which
    ``str.isprintable`` denies.
    """
    if text.isprintable():
        return not text.isspace()
    return not text.isspace() and not any(
        char in _INVISIBLE or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        for char in text
    )


is_printable_name = lru_cache(maxsize=4_096)(is_printable)
"""The same for event names, of which there are few."""


def _rejection(
    index: int, event_id: str | None, code: str, field: str, message: str, raw: bytes
) -> Rejection:
    path = f"$.events[{index}]" + (f".{field}" if field and field[0] != "[" else field)
    return Rejection(index, event_id, code, path, message, raw)


def _split(text: str) -> tuple[str, str]:
    """Split msgspec's message into what is wrong and the path."""
    match = _PATH.match(text)
    if match is None:  # the pattern matches any text
        return text, "$"
    missing = _MISSING.search(match["what"])
    path = match["path"] or "$"
    return match["what"], f"{path}.{missing['field']}" if missing else path


def _decode_fault(raw: bytes | msgspec.Raw, error: Exception) -> tuple[str, str, str]:
    """Translate a failed decode of one event into (code, field, message)."""
    if not isinstance(error, msgspec.ValidationError):
        if isinstance(error, RecursionError):
            return "invalid_value", "", "nested too deeply"
        field = _unreadable_field(raw, Event.__struct_fields__)
        if _MARKED.search(bytes(raw)):
            return "invalid_value", field, _HALF_A_PAIR
        return "invalid_value", field, f"not valid JSON text: {error}"
    what, path = _split(str(error))
    field = path.removeprefix("$").removeprefix(".")
    if field == "phone_hash":
        return "phone_not_hashed", field, NOT_HASHED
    if field.startswith("properties"):
        field = _property_path(raw) or "properties"
    return _code_of(what), field, what


def _unreadable_field(raw: bytes | msgspec.Raw, known: Sequence[str] | None = None) -> str:
    """
    Find the first field whose text is no UTF-8, which msgspec does not name; empty when it is a name that is none.

    ``known`` are the fields that are read; the others may hold anything.
    """
    try:
        members = _MEMBERS.decode(raw)
    except _UNDECODABLE:
        return ""
    for name, value in members.items():
        if known is None or name in known:
            try:
                msgspec.json.decode(value)
            except _UNDECODABLE:
                inner = _unreadable_field(value)
                shown = name[: limits.MAX_PROPERTY_NAME_CHARS]
                return f"{shown}.{inner}" if inner else shown
    return ""


def _property_path(raw: bytes | msgspec.Raw) -> str | None:
    """Find the first property that is refused; msgspec's path does not name dictionary keys."""
    try:
        members = _MEMBERS.decode(_PARTS.decode(raw).properties)
    except _UNDECODABLE:
        return None
    for name, value in members.items():
        try:
            _NAME.decode(msgspec.json.encode(name))
            _VALUE.decode(value)
        except _UNDECODABLE:
            return f"properties.{name[: limits.MAX_PROPERTY_NAME_CHARS]}"
    return None


def _code_of(what: str) -> str:
    """Return the error code for msgspec's words."""
    if "missing required field" in what:
        return "missing_field"
    if "of length >=" in what:
        return "not_printable"  # only ids and names have a least length
    if "of length <=" in what:
        return "too_long"
    if re.search(r"Expected `\w+` [<>]=? ", what) or "out of range" in what:
        return "out_of_range"
    if "Invalid enum value" in what:
        return "invalid_value"
    return "invalid_type"


def _event_id_of(raw: bytes | msgspec.Raw) -> str | None:
    """The event's id where it can be read from a refused event, at most 128 characters of it."""
    try:
        text = msgspec.json.decode(_PARTS.decode(raw).event_id)
    except _UNDECODABLE:
        return None
    return text[: limits.MAX_ID_CHARS] if isinstance(text, str) else None


def without_raw_phones(body: bytes, rejections: Sequence[Rejection]) -> bytes:
    """
    Return the body with ``***`` for what refused events had in ``phone_hash`` and is no hash.

    A refused event is kept with its text, and a phone number must not be. The fates stay the same: ``***`` is no hash either.
    Such a body is written anew, without the envelope's unknown keys.
    """
    cleaned = {
        rejection.index: _without_raw_phone(rejection.raw)
        for rejection in rejections
        if rejection.code == "phone_not_hashed" or b"phone" in rejection.raw
    }
    if all(
        cleaned.get(rejection.index, rejection.raw) == rejection.raw for rejection in rejections
    ):
        return body
    batch = _decode_raw(body)
    batch.events = [
        msgspec.Raw(cleaned.get(index) or _as_sent(raw)) for index, raw in enumerate(batch.events)
    ]
    return msgspec.json.encode(batch)


def _without_raw_phone(raw: bytes) -> bytes:
    values = [match["value"] for match in _PHONE.finditer(raw)]
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except _UNDECODABLE:
        return _PHONE.sub(rb'\g<name>"***"', raw)
    values += [bytes(members["phone_hash"])] if "phone_hash" in members else []
    if all(_KEPT_PHONE.fullmatch(value) for value in values):
        return raw
    return msgspec.json.encode({**members, "phone_hash": "***"})
