"""
What can be asked: the Structs of every request that reports share, and how a body becomes one of them.

Unknown fields are refused with their path, so that a typing error cannot silently change a number. Checks that need
more than one field (calendar, filter tree) lie where the field is used and raise ``InvalidRequest`` with its path.
"""

from __future__ import annotations

import re
import zoneinfo
from bisect import bisect_left
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from query_api.errors import InvalidRequest, QueryError
from sdk_spec import limits, scenes

MAX_BODY_BYTES = 1024 * 1024
"""Of a request: about 20,000 filter values."""
MAX_BREAKDOWN_FIELDS = 3
MAX_BREAKDOWN_LIMIT = 1_000
MAX_CONDITIONS = 100
"""In one node of a filter tree; the whole tree: filters.MAX_TREE_CONDITIONS."""
MAX_VALUES = 10_000
"""In one condition."""
MAX_VALUE_CHARS = limits.MAX_PROPERTY_STRING_CHARS
MAX_USERS_PER_PAGE = 100_000

FieldName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=limits.MAX_PROPERTY_NAME_CHARS + len("properties."))
]
"""An event's own field, ``properties.<name>`` or ``user.<name>``; the list is in fields.py."""
EventName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=limits.MAX_EVENT_NAME_CHARS)]
AppId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)]
FilterValue: TypeAlias = Annotated[str, Meta(max_length=MAX_VALUE_CHARS)] | int | float | bool

Operator: TypeAlias = Literal[
    "eq",
    "ne",
    "in",
    "not_in",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "contains",
    "not_contains",
    "starts_with",
    "matches",
    "exists",
    "not_exists",
]
Interval: TypeAlias = Literal["hour", "day", "week", "month", "quarter"]
Identity: TypeAlias = Literal["latest", "strict"]
Compare: TypeAlias = Literal["previous_period", "previous_year"]


class Params(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a request: fields by name, unknown ones refused."""


class TimeRange(Params, kw_only=True):
    """
    Two calendar days in the request's ``timezone``, both included; or RFC 3339 instants, then ``to`` is excluded.

    Either end may be a day or an instant.
    """

    from_: Annotated[str, Meta(max_length=40)] = field(name="from")
    to: Annotated[str, Meta(max_length=40)]


class Filter(Params, kw_only=True):
    """
    A node of a filter tree: either a condition (``field``, ``op``, ``values``) or a group (``relation``, ``conditions``).

    ``not`` negates either. What each operator means: filters.py.
    """

    field: FieldName | None = None
    op: Operator | None = None
    values: Annotated[list[FilterValue], Meta(max_length=MAX_VALUES)] | None = None
    relation: Literal["and", "or"] | None = None
    conditions: Annotated[list[Filter], Meta(max_length=MAX_CONDITIONS)] | None = None
    not_: bool = msgspec.field(name="not", default=False)


class EventSelector(Params, kw_only=True):
    """Events of one name (absent: of any name) that pass a filter."""

    event: EventName | None = None
    filter: Filter | None = None


class Query(Params, kw_only=True):
    """
    What every report takes.

    ``app_ids`` absent: all apps of the read token. ``breakdown``: up to three fields; the most frequent
    ``breakdown_limit`` combinations are shown, the rest as "other". ``identity``: which person an event counts for.
    ``as_of``: an instant, or a day for its end: answer with what was known then. ``scheme``: the grouping behind
    ``scene_group``. ``compare``: adds ``result.compare``, the same of the range before or a year before, and its
    ``time_range``. ``partial``: where shards of a cluster do not answer, answer from the others
    and say so. ``explain``: show the SQL and its parameters.
    """

    app_ids: Annotated[list[AppId], Meta(min_length=1, max_length=1_000)] | None = None
    time_range: TimeRange
    timezone: Annotated[str, Meta(max_length=64)] = "Asia/Shanghai"
    filter: Filter | None = None
    breakdown: Annotated[list[FieldName], Meta(max_length=MAX_BREAKDOWN_FIELDS)] = []
    breakdown_limit: Annotated[int, Meta(ge=1, le=MAX_BREAKDOWN_LIMIT)] = 20
    segment: Annotated[str, Meta(max_length=limits.MAX_ID_CHARS)] | None = None
    identity: Identity = "latest"
    as_of: Annotated[str, Meta(max_length=40)] | None = None
    scheme: Annotated[str, Meta(max_length=64)] = "standard"
    compare: Compare | None = None
    partial: bool = False
    explain: bool = False


QueryType = TypeVar("QueryType", bound=Query)

_UNKNOWN_FIELD = re.compile(
    r"^Object contains unknown field `(?P<name>.*?)`(?: - at `(?P<path>[^`]*)`)?$"
)
_MISSING_FIELD = re.compile(
    r"^Object missing required field `(?P<name>.*?)`(?: - at `(?P<path>[^`]*)`)?$"
)
_AT = re.compile(r"^(?P<message>.*) - at (?:`key` in )?`(?P<path>[^`]*)`$", re.S)
_ANY_KEY = "[...]"
"""Stands in a path of msgspec's for the key of an object that may have any."""
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def decode(body: bytes, type_: type[QueryType]) -> QueryType:
    """
    Decode a request body and check what needs no database.

    Errors: ``not_json``; ``invalid_request`` with the path of the field.
    """
    query = decode_struct(body, type_)
    zone(query)
    known = [scheme.scheme for scheme in scenes.dictionary().schemes]
    if query.scheme not in known:
        raise InvalidRequest("$.scheme", f"unknown scheme; one of {', '.join(known)}")
    if len(set(query.breakdown)) != len(query.breakdown):
        raise InvalidRequest("$.breakdown", "a field stands twice")
    return query


StructType = TypeVar("StructType", bound=Struct)


def decode_struct(body: bytes, type_: type[StructType]) -> StructType:
    """Decode JSON into a Struct. Errors: ``not_json``; ``invalid_request`` with the path of the field."""
    try:
        return _decoder(type_).decode(body)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise _invalid(_with_keys(body, type_, str(error))) from error
    except msgspec.DecodeError as error:
        raise QueryError("not_json", f"the body is not JSON in UTF-8: {error}") from error
    except RecursionError as error:
        raise InvalidRequest("$", "nested too deeply") from error


@cache
def _decoder(type_: type[Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)


def _with_keys(body: bytes, type_: type[Struct], text: str) -> str:
    """Put the keys at fault into a message of msgspec's, which does not name them: ``$.values["service/info"]``."""
    if _ANY_KEY not in text:
        return text
    before, _, path = text.rpartition("`$")
    *parts, last = path.split(_ANY_KEY)
    named = f"{before}`$"
    whole = here = msgspec.json.decode(body)
    for part in parts:
        for name, place in _STEP.findall(part):
            here = here[int(place) if place else name]
        key = _first_wrong_key(here, whole, type_, text)
        here = here[key]
        named += f"{part}[{msgspec.json.encode(key).decode()}]"
    return named + last


def _first_wrong_key(here: dict[str, Any], whole: Any, type_: type[Struct], text: str) -> str:  # noqa: ANN401
    """Return the first key of ``here``, a part of ``whole``, without which msgspec would not say ``text``."""
    entries = list(here.items())

    def is_said_of(count: int) -> bool:
        here.clear()
        here.update(entries[:count])
        try:
            msgspec.convert(whole, type_)
        except msgspec.ValidationError as error:
            return str(error) == text
        return False

    count = bisect_left(range(len(entries)), True, key=is_said_of)
    here.update(entries)
    return entries[count - 1][0]


def _invalid(text: str) -> InvalidRequest:
    """Turn msgspec's message into one whose path ends with the field that is unknown or missing."""
    for pattern, message in ((_UNKNOWN_FIELD, "unknown field"), (_MISSING_FIELD, "is required")):
        if found := pattern.match(text):
            return InvalidRequest(f"{found['path'] or '$'}.{found['name']}", message)
    if found := _AT.match(text):
        return InvalidRequest(found["path"], found["message"])
    return InvalidRequest("$", text)


def whole_number(text: str, path: str, least: int, most: int) -> int:
    """Read a number of an address. Errors: ``invalid_request`` for another text, and outside of ``least`` to ``most``."""
    # The length first: Python refuses to read thousands of digits.
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_number or not least <= int(text) <= most:
        raise InvalidRequest(path, f"a whole number from {least} to {most}")
    return int(text)


def zone(query: Query) -> zoneinfo.ZoneInfo:
    """Return the request's time zone. Errors: ``invalid_request`` for anything but an IANA name."""
    return zone_named(query.timezone, "$.timezone")


def zone_named(name: str, path: str) -> zoneinfo.ZoneInfo:
    """Return the zone of an IANA name such as ``Asia/Shanghai``."""
    if name not in _zone_names():
        raise InvalidRequest(path, "not an IANA time zone such as Asia/Shanghai")
    return zoneinfo.ZoneInfo(name)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}
