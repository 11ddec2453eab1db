"""
What a request can name, and how it is read: an allow-list. Pure.

- ``TEXT_COLUMNS`` and ``NUMBER_COLUMNS``: an event's own fields, ``device.*``, ``utm.*``, ``sdk.*``;
- ``scene_group``;
- ``properties.<name>``: the name is bound like a value;
- ``user.<name>``: an attribute of the event's person, read from the columns ``user_property_<n>_…`` that attributes.py joins to
  the events; ``SOURCE_FIELDS``, ``first_seen`` and ``last_seen`` are kept names.
"""

from __future__ import annotations

from msgspec import Struct

from query_api.bindings import Bindings
from query_api.errors import InvalidRequest
from query_api.sql import load_sql

TEXT_COLUMNS: dict[str, str] = {
    name: name.replace(".", "_")
    for name in (
        "event",
        "event_id",
        "app_id",
        "platform",
        "clock",
        "session_id",
        "anonymous_id",
        "openid",
        "unionid",
        "user_id",
        "scene",
        "page",
        "page_query",
        "referrer_page",
        "referrer_app_id",
        "share_id",
        "share_ticket",
        "group_id",
        "utm.source",
        "utm.medium",
        "utm.campaign",
        "utm.term",
        "utm.content",
        "device.brand",
        "device.model",
        "device.os",
        "device.os_version",
        "device.host_version",
        "device.base_library_version",
        "device.language",
        "device.network_type",
        "app_version",
        "env_version",
        "sdk.name",
        "sdk.version",
    )
}
"""Field to column of type text."""

NUMBER_COLUMNS: dict[str, tuple[str, str]] = {
    "seq": ("seq", "1"),
    "chat_type": ("ifNull(chat_type, 0)", "isNotNull(chat_type)"),
    "duration_ms": ("ifNull(duration_ms, 0)", "isNotNull(duration_ms)"),
    "device.screen_width": ("device_screen_width", "device_screen_width != 0"),
    "device.screen_height": ("device_screen_height", "device_screen_height != 0"),
    "occurred_at": ("toUnixTimestamp64Milli(occurred_at)", "1"),
    "received_at": ("toUnixTimestamp64Milli(received_at)", "1"),
}
"""Field to (expression, whether it is there). Times are epoch milliseconds, as on the wire."""

SCENE_GROUP_UNKNOWN = "unknown"
"""``scene_group`` of a scene that the dictionary does not list. Without a scene the group is absent."""


SOURCE_FIELDS = ("first_source", "latest_source")
"""``user.first_source.<field>``: a text field of the person's first entry event."""


class FieldSql(Struct, frozen=True):
    """
    How a field is read.

    A field may be there with several types (a property that is a text in one event, a number in another). ``has_*`` are
    SQL conditions that tell whether it is there with that type; ``number_text`` is the number's exact digits.
    """

    text: str | None = None
    has_text: str = "0"
    list_: str | None = None
    has_list: str = "0"
    number: str | None = None
    number_text: str = "''"
    has_number: str = "0"
    flag: str | None = None
    has_flag: str = "0"
    exists: str = "0"


def number_sql(name: str, path: str, bindings: Bindings) -> tuple[str, str]:
    """Return a field's number, and the condition that it is there. Errors: as ``field_sql``, also if it never is a number."""
    read = field_sql(name, path, bindings)
    if read.number is None:
        raise InvalidRequest(path, "this field is never a number")
    return read.number, read.has_number


def amount_sql(name: str | None, path: str, bindings: Bindings) -> str:
    """Return a field's number, 0 where it is not there or no field is given. Errors: as ``number_sql``."""
    if name is None:
        return "0"
    number, has_number = number_sql(name, path, bindings)
    return f"if({has_number}, {number}, 0)"


def field_sql(name: str, path: str, bindings: Bindings) -> FieldSql:
    """Return how a field is read. Errors: ``invalid_request`` with ``path`` for a name that is not a field."""
    if name in TEXT_COLUMNS:
        column = TEXT_COLUMNS[name]
        has = f"{column} != ''"
        return FieldSql(text=column, has_text=has, exists=has)
    if name in NUMBER_COLUMNS:
        number, has = NUMBER_COLUMNS[name]
        return FieldSql(
            number=number, number_text=f"toString({number})", has_number=has, exists=has
        )
    if name == "scene_group":
        bindings.scheme()
        text = load_sql("fields.scene_group", unknown=f"'{SCENE_GROUP_UNKNOWN}'")
        has = "scene != ''"
        return FieldSql(text=text, has_text=has, exists=has)
    kind, dot, property_name = name.partition(".")
    if kind == "properties" and dot and property_name:
        return _property(bindings.add(property_name, "String"))
    if kind == "user" and dot:
        return _user_property(property_name, path, bindings)
    raise InvalidRequest(
        path, f"unknown field {name!r}: an event's own field, properties.<name> or user.<name>"
    )


def _property(key: str) -> FieldSql:
    has = {
        kind: f"mapContains(properties_{kind}, {key})"
        for kind in ("text", "number", "flag", "list")
    }
    return FieldSql(
        text=f"properties_text[{key}]",
        # An integer beyond 2^53 stands in both maps; it is no text.
        has_text=f"({has['text']} AND NOT {has['number']})",
        list_=f"properties_list[{key}]",
        has_list=has["list"],
        number=f"properties_number[{key}]",
        # Adding 0 makes 0 of -0.
        number_text=f"if({has['text']}, properties_text[{key}], toString(properties_number[{key}] + 0))",
        has_number=has["number"],
        flag=f"properties_flag[{key}]",
        has_flag=has["flag"],
        exists=f"({' OR '.join(has.values())})",
    )


def is_of_person(name: str) -> bool:
    """Tell whether a field is an attribute of the person: the same for all events of a user in one answer."""
    return name.startswith("user.")


def check_user_field(name: str, path: str) -> None:
    """Refuse what stands behind ``user.`` and is no attribute. Errors: ``invalid_request`` with ``path``."""
    which, _, field = name.partition(".")
    if not name or (
        which in SOURCE_FIELDS and field != "scene_group" and field not in TEXT_COLUMNS
    ):
        raise InvalidRequest(
            path,
            "user.<attribute>, or user.first_source.<own text field> such as .scene or .utm.source",
        )


def _user_property(name: str, path: str, bindings: Bindings) -> FieldSql:
    check_user_field(name, path)
    if name not in bindings.user_names:
        raise InvalidRequest(path, "attributes of persons cannot be used here")
    column = f"user_property_{bindings.user_names.index(name)}"
    has = {
        kind: f"{column}_kind = {number}"
        for number, kind in enumerate(("", "text", "number", "flag", "list"))
    }
    return FieldSql(
        text=f"{column}_text",
        has_text=has["text"],
        list_=f"{column}_list",
        has_list=has["list"],
        number=f"{column}_number",
        number_text=f"{column}_number_text",
        has_number=has["number"],
        flag=f"{column}_flag",
        has_flag=has["flag"],
        exists=f"{column}_kind != 0",
    )
