"""
Rows of a file of history → events of the wire. Pure; called by ``history``.

A row has the wire's names: those of an event and of its batch side by side. What belongs to a group may stand flat:
``utm.source`` or ``utm_source``, ``device.model`` or ``device_model``, ``properties.<name>``. Rows that ``scenetrail export``
wrote also say when they were received and what the client's clock said, so that they become the very rows they were.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import xxhash
from msgspec import Struct

from collector.enrich import clock_offset_ms
from sdk_spec import limits
from sdk_spec.events import Device, Envelope, Event, Sdk, Utm

Kind = Literal["number", "moment", "text", "json"]
"""What a text of a table is turned into. ``moment``: epoch ms, or a date and time with a zone."""

REFUSED = "$refused"
"""Stands in the rows of the file of refused rows; passed over when that file is imported."""
_GROUPS: dict[str, type[Struct]] = {"utm": Utm, "device": Device, "sdk": Sdk}
_MAPS = ("properties_text", "properties_number", "properties_flag", "properties_list")
_OF_THE_STORED = frozenset(("received_at", "client_occurred_at", "clock"))
_MADE_AGAIN = frozenset(("project", "event_key", "actor", "precedence", REFUSED))
"""Columns of an export that follow from the others."""
MOMENTS = frozenset(("occurred_at", "client_occurred_at", "received_at", "sent_at"))
NUMBERS = frozenset(("seq", "chat_type", "duration_ms", "screen_width", "screen_height"))
_TYPED = re.compile(r"(?P<name>.+):(?P<type>text|number|flag|list)")
_INTEGER = re.compile(r"-?\d{1,19}")
ANY_CLOCK_MS = 2**53
"""As ``max_clock_skew_ms``: every clock is believed."""


class RowError(ValueError):
    """A row that is no event of the wire; ``code`` and ``path`` as for an event that is refused."""

    def __init__(self, code: str, path: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.path = path
        self.message = message


class Unread(Struct, frozen=True):
    """A row that is none: why, and its text."""

    code: str
    message: str
    text: str


class Place(Struct, frozen=True):
    """
    Where the value of a column goes.

    ``part``: of the event, of its batch, one property, a map of properties by type, what only a stored event has, or
    nothing: ``known`` is False for a name that nobody knows. ``group``: utm, device or sdk.
    """

    part: Literal["event", "envelope", "property", "map", "stored", "nowhere"]
    name: str
    group: str = ""
    kind: Kind = "text"
    type: str = ""
    is_known: bool = True


class Shaped(Struct, frozen=True):
    """One row as the wire has it; ``event_id``, ``envelope`` and ``event`` are JSON. ``received_at``: epoch ms; 0: now."""

    app_id: str
    event_id: bytes
    envelope: bytes
    event: bytes
    received_at: int
    max_clock_skew_ms: int


@lru_cache(maxsize=10_000)
def place(column: str) -> Place:
    """Return where a column goes."""
    if column in Event.__struct_fields__:
        return Place("event", column, kind=_kind(column))
    if column in Envelope.__struct_fields__:
        return Place("envelope", column, kind=_kind(column))
    if column in _OF_THE_STORED:
        return Place("stored", column, kind="text" if column == "clock" else "moment")
    if column in _MAPS:
        return Place("map", column)
    if column.startswith("properties.") and len(column) > len("properties."):
        name = column.removeprefix("properties.")
        typed = _TYPED.fullmatch(name)
        if typed is None:
            return Place("property", name)
        return Place("property", typed["name"], type=typed["type"])
    for group, fields in _GROUPS.items():
        name = column.removeprefix(group)
        if name != column and name[:1] in (".", "_") and name[1:] in fields.__struct_fields__:
            part: Any = "event" if group in Event.__struct_fields__ else "envelope"
            return Place(part, name[1:], group=group, kind=_kind(name[1:]))
    return Place("nowhere", column, is_known=column in _MADE_AGAIN)


def _kind(field: str) -> Kind:
    if field in MOMENTS:
        return "moment"
    if field in NUMBERS:
        return "number"
    return "json" if field in (*_GROUPS, "properties") else "text"


def from_text(text: str, where: Place, zone: ZoneInfo | None) -> Any:  # noqa: ANN401 (any JSON)
    """
    Return the value that a text of a table stands for; ``zone``: of times that name none.

    What cannot be turned stays a text, which is then refused: by the wire's own rules, or by the type in the column's name
    (``properties.vip:flag``). A property without one is what it looks like: a number, true or false, a JSON list or text,
    else a text.
    """
    if where.kind in ("number", "moment"):
        if _INTEGER.fullmatch(text):
            return int(text)
        return _moment(text, zone) if where.kind == "moment" else text
    if where.kind == "json":
        return _json(text)
    if where.part != "property" or where.type == "text":
        return text
    if where.type:
        return _json(text)
    if text[0] in '-0123456789["tf':
        value = _json(text)
        return text if isinstance(value, dict) else value
    return text


_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "flag": (bool,),
    "list": (list,),
}


def _check_type(where: Place, value: Any) -> None:  # noqa: ANN401 (any JSON)
    """Errors: RowError, where the column's name says another type than its cell has."""
    wanted = _TYPES.get(where.type)
    if wanted is not None and type(value) not in (*wanted, msgspec.Raw):
        raise RowError(
            "invalid_type",
            f"$.properties.{where.name}",
            f"the column says {where.type} / 与列名声明的类型不符",
        )


def _json(text: str) -> Any:  # noqa: ANN401 (any JSON)
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text


def _moment(text: str, zone: ZoneInfo | None) -> int | str:
    """Epoch ms of a date and time with a zone; without one nobody knows the moment, and the text stays."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
    return text if at.tzinfo is None else round(at.timestamp() * 1000)


class Shaper:
    """Makes rows into events. ``app_id`` and ``platform_of`` fill in what rows leave out."""

    def __init__(
        self, app_id: str, platform_of: Callable[[str], str], max_clock_skew_ms: int
    ) -> None:
        self._app_id = app_id
        self._platform_of = platform_of
        self._max_clock_skew_ms = max_clock_skew_ms
        self._encode = msgspec.json.Encoder().encode
        self.unknown: set[str] = set()
        """Columns that nobody knows; they are passed over, as unknown keys are on the wire."""

    def shape(self, members: dict[str, Any], origin: str) -> Shaped:
        """
        Return one row as an event with its batch.

        Args:
            members: values by column; ``msgspec.Raw`` where the file is JSON. Absent ones are left out.
            origin: file and number of the row: a row without ``event_id`` gets one of it and of the row's content.

        Errors: RowError.
        """
        event: dict[str, Any] = {}
        envelope: dict[str, Any] = {}
        stored: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        groups: dict[str, dict[str, Any]] = {}
        for column, value in members.items():
            where = place(column)
            if where.kind == "moment" and isinstance(value, str):
                raise RowError(
                    "invalid_type",
                    f"$.{where.name}",
                    "neither epoch milliseconds nor a time with a zone; --timezone says of which zone / 时间缺少时区",
                )
            if where.group:
                groups.setdefault(where.group, {})[where.name] = value
            elif where.part == "event":
                event[where.name] = value
            elif where.part == "envelope":
                envelope[where.name] = value
            elif where.part == "property":
                _check_type(where, value)
                properties[where.name] = value
            elif where.part == "map":
                self._add_map(properties, value)
            elif where.part == "stored":
                stored[where.name] = value
            elif not where.is_known:
                self.unknown.add(column)
        for group, fields in groups.items():
            part = event if group in Event.__struct_fields__ else envelope
            part.setdefault(group, fields)
        if properties:
            event.setdefault("properties", properties)
        app_id = _plain(envelope.get("app_id")) or self._app_id
        if not isinstance(app_id, str) or not app_id:
            raise RowError(
                "missing_field",
                "$.app_id",
                "give it in the row or with --app-id / 请在行内或用 --app-id 给出应用",
            )
        envelope["app_id"] = app_id
        if _is_absent(envelope.get("platform")):
            envelope["platform"] = self._platform_of(app_id)
        received_at, skew_ms = self._times(event, envelope, stored)
        if _is_absent(event.get("event_id")):
            # Only ever derived from the row and its place: another run finds the same.
            content = self._json([envelope, event])
            digest = xxhash.xxh3_128_hexdigest(origin.encode("utf-8", "replace") + content)
            event["event_id"] = f"imported-{digest}"
        return Shaped(
            app_id,
            self._json(event["event_id"]),
            self._json(envelope),
            self._json(event),
            received_at,
            skew_ms,
        )

    def _json(self, value: Any) -> bytes:  # noqa: ANN401 (any JSON)
        """Errors: RowError."""
        try:
            return self._encode(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise RowError("invalid_value", "$", f"no text or number of JSON: {error}") from error

    def _times(
        self, event: dict[str, Any], envelope: dict[str, Any], stored: dict[str, Any]
    ) -> tuple[int, int]:
        """
        Return ``received_at`` (0: now) and the skew by which the clock rules give the row's own time.

        History is not shifted, so ``sent_at`` counts only beside what the client's clock said (``client_occurred_at``).
        """
        sent_at = _plain(envelope.pop("sent_at", None)) or None
        received_at = _plain(stored.get("received_at")) or 0
        if not isinstance(received_at, int):
            raise RowError("invalid_type", "$.received_at", "must be epoch milliseconds")
        if (
            received_at
            and not limits.MIN_OCCURRED_AT_MS <= received_at <= limits.MAX_CLIENT_CLOCK_MS
        ):
            raise RowError(
                "out_of_range", "$.received_at", "must be epoch milliseconds between 2015 and 2100"
            )
        client_occurred_at = _plain(stored.get("client_occurred_at"))
        if client_occurred_at is None:
            return received_at, self._max_clock_skew_ms
        occurred_at = _plain(event.get("occurred_at"))
        numbers = (client_occurred_at, occurred_at, sent_at or 0)
        if not received_at or not all(isinstance(one, int) for one in numbers):
            raise RowError(
                "invalid_type",
                "$.client_occurred_at",
                "beside it received_at, occurred_at and sent_at are epoch milliseconds",
            )
        event["occurred_at"] = client_occurred_at
        verdict = _plain(stored.get("clock"))
        for sent, skew_ms in self._rules(client_occurred_at, sent_at, received_at):
            made, clock = _corrected(client_occurred_at, sent, received_at, skew_ms)
            if made == occurred_at and verdict in (None, "", clock):
                if sent is not None:
                    envelope["sent_at"] = sent
                return received_at, skew_ms
        raise RowError(
            "invalid_value",
            "$.occurred_at",
            "no clock rule makes it of client_occurred_at, sent_at and received_at; leave client_occurred_at out",
        )

    def _rules(
        self, client_occurred_at: int, sent_at: int | None, received_at: int
    ) -> list[tuple[int | None, int]]:
        """
        Return what ``sent_at`` and the setting may have been when the event was stored, the likely first.

        A time that was not sent is stored as 0.
        """
        found: list[tuple[int | None, int]] = []
        for sent in (sent_at, 0) if sent_at is None else (sent_at,):
            rules = [client_occurred_at - received_at]
            if sent is not None:
                rules += [abs(received_at - sent), client_occurred_at - sent]
            found += [(sent, self._max_clock_skew_ms), (sent, ANY_CLOCK_MS)]
            found += [(sent, each - 1) for each in rules if each > 0]
        return found

    def _add_map(self, properties: dict[str, Any], value: Any) -> None:  # noqa: ANN401 (a map of Arrow or JSON)
        """Put properties of one type beside the others."""
        pairs = _plain(value)
        if isinstance(pairs, dict):
            pairs = list(pairs.items())
        for name, one in pairs:
            if name in properties and (isinstance(one, str) != isinstance(properties[name], str)):
                # An integer beyond 2^53: exact as a text, rounded as a number.
                text = one if isinstance(one, str) else properties[name]
                properties[name] = int(text) if _INTEGER.fullmatch(text) else text
            else:
                properties[name] = one


def _corrected(
    client_occurred_at: int, sent_at: int | None, received_at: int, skew_ms: int
) -> tuple[int, str]:
    """One event's corrected time and verdict, by the rules of ``enrich``."""
    offset_ms = clock_offset_ms(sent_at, received_at, skew_ms)
    shifted = client_occurred_at + offset_ms
    if shifted > received_at + skew_ms:
        return received_at, "future"
    return shifted, "shifted" if offset_ms else "ok"


def _is_absent(value: Any) -> bool:  # noqa: ANN401 (any JSON)
    return (
        value is None or value == "" or (isinstance(value, msgspec.Raw) and bytes(value) == b'""')
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """The value of a piece of JSON; None for one that is not."""
    if isinstance(value, msgspec.Raw):
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return None
    return value
