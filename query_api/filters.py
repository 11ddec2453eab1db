"""
Filters and fields: the only place where the variable part of SQL is made. Pure.

Every name of a field comes from the table below or is a property's name, which is bound; every value is bound as
``{name:Type}``. Nothing of a request is ever text in a query.

**Fields**: ``TEXT_COLUMNS`` and ``NUMBER_COLUMNS`` (an event's own fields, ``device.*``, ``utm.*``, ``sdk.*``),
``scene_group``, ``properties.<name>``, ``user.<name>``: an attribute of the event's person, read from the columns
``user_property_<n>_…`` that attributes.py joins to the events; ``SOURCE_FIELDS`` and ``first_seen``, ``last_seen`` are kept
names.

**Types**: the JSON type of the value decides. ``"10"``, ``10`` and ``true`` are three values: a property that holds the
number 10 is not equal to the text "10". Numbers are 64-bit floats; ``eq`` and ``in`` of an integer beyond 2^53 are exact.

**Operators** are two-valued, never unknown:

- ``eq``, ``in``: equal to any of the values. A property that is a list: any element is equal.
- ``gt gte lt lte between``: numbers by size, texts by code point (so ISO dates work); ``between`` includes both ends.
  A list: any element.
- ``contains starts_with matches``: texts, case-sensitive, any of the values; ``matches`` is an RE2 expression that may
  match anywhere. A list: any element.
- ``exists``: the field is there. An own field that is the empty text is absent; a property that is "" is there.
- ``ne not_in not_contains not_exists`` are exactly ``not`` of ``eq in contains exists``. So **an event that lacks the
  field passes** ``ne``, ``not_in`` and ``not_contains``, as it passes ``{"not": true, "op": "eq"}``; add ``exists`` to
  leave it out. An absent field passes no other operator.

**Groups**: ``and``, ``or``; ``not`` negates a condition or a group.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from query_api.errors import InvalidRequest
from query_api.params import EventSelector, Filter, FilterValue
from query_api.sql import load_sql

MAX_DEPTH = 10
MAX_TREE_CONDITIONS = 500
MAX_PATTERN_CHARS = 1_000
EXACT_FLOAT = 2**53
"""Integers up to it are exact as 64-bit floats."""

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
_NAME_OF_VALUE = re.compile(r"\{(\w+):")


class Bindings:
    """
    The parameters of one query: values by name, and the ``{name:Type}`` text that stands for each.

    ``user_names``: the names behind ``user.`` for which the rows have columns.
    """

    def __init__(self, scheme: str = "standard", user_names: tuple[str, ...] = ()) -> None:
        self.values: dict[str, Any] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.user_names = user_names
        self.scheme_name = scheme
        self._reused: dict[tuple[str, str], str] = {}

    def add(self, value: Any, type_: str) -> str:  # noqa: ANN401 (any type that ClickHouse takes)
        """Bind a value under a new name and return its place-holder. Equal texts share one."""
        key = (value, type_) if isinstance(value, str) else None
        if key is not None and key in self._reused:
            return self._reused[key]
        placeholder = self.named(f"p{len(self.values)}", value, type_)
        if key is not None:
            self._reused[key] = placeholder
        return placeholder

    def named(self, name: str, value: Any, type_: str) -> str:  # noqa: ANN401
        """Bind a value under the name that a .sql file uses. Binding it again replaces the value."""
        self.values[name] = value
        return f"{{{name}:{type_}}}"

    def table(self, name: str, columns: dict[str, Any]) -> None:
        """Send a table with the query: columns by name, numpy arrays of one length."""
        self.tables[name] = columns

    def scheme(self) -> str:
        """Bind the scene grouping scheme of this request as ``scheme`` and return its place-holder."""
        return self.named("scheme", self.scheme_name, "String")

    def embed(self, prefix: str, sql: str, inner: Bindings) -> str:
        """
        Take over the values of a part that was made with bindings of its own; return its SQL with their new names.

        The same part may be embedded again: it then binds the same values once more.
        """
        for name, value in inner.values.items():
            self.values[f"{prefix}_{name}"] = value
        self.tables.update(inner.tables)
        return _NAME_OF_VALUE.sub(rf"{{{prefix}_\1:", sql)


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
        text = load_sql("filters.scene_group", unknown=f"'{SCENE_GROUP_UNKNOWN}'")
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


def _user_property(name: str, path: str, bindings: Bindings) -> FieldSql:
    which, _, field = name.partition(".")
    if not name or (
        which in SOURCE_FIELDS and field != "scene_group" and field not in TEXT_COLUMNS
    ):
        raise InvalidRequest(
            path,
            "user.<attribute>, or user.first_source.<own text field> such as .scene or .utm.source",
        )
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


def filter_sql(node: Filter | None, path: str, bindings: Bindings) -> str:
    """
    Turn a filter into one SQL condition over the columns of ``events``; ``1`` without a filter.

    Errors: ``invalid_request`` with the path of the node or field at fault.
    """
    if node is None:
        return "1"
    return _node_sql(node, path, bindings, 1, [0])


def selector_sql(selector: EventSelector, path: str, bindings: Bindings) -> str:
    """Turn "events of this name that pass this filter" into one SQL condition."""
    condition = filter_sql(selector.filter, f"{path}.filter", bindings)
    if selector.event is None:
        return condition
    named = f"event = {bindings.add(selector.event, 'String')}"
    return named if condition == "1" else f"({named} AND {condition})"


def event_names_sql(selectors: list[EventSelector], bindings: Bindings) -> str:
    """Return the condition that an event has one of the names asked for: lets ClickHouse skip the others by the sort key."""
    names = [selector.event for selector in selectors]
    if not names or any(name is None for name in names):
        return "1"
    return f"event IN {bindings.add(sorted({n for n in names if n is not None}), 'Array(String)')}"


def _node_sql(node: Filter, path: str, bindings: Bindings, depth: int, count: list[int]) -> str:
    if depth > MAX_DEPTH:
        raise InvalidRequest(path, f"nested deeper than {MAX_DEPTH} groups")
    is_group = node.conditions is not None or node.relation is not None
    is_condition = node.field is not None or node.op is not None or node.values is not None
    if is_group and is_condition:
        raise InvalidRequest(
            path, "either a condition (field, op, values) or a group (relation, conditions)"
        )
    if is_group:
        if not node.conditions:
            raise InvalidRequest(f"{path}.conditions", "give at least one condition")
        parts = [
            _node_sql(child, f"{path}.conditions[{i}]", bindings, depth + 1, count)
            for i, child in enumerate(node.conditions)
        ]
        joined = f" {(node.relation or 'and').upper()} ".join(parts)
        sql = parts[0] if len(parts) == 1 else f"({joined})"
    else:
        count[0] += 1
        if count[0] > MAX_TREE_CONDITIONS:
            raise InvalidRequest(path, f"more than {MAX_TREE_CONDITIONS} conditions in one filter")
        sql = _condition_sql(node, path, bindings)
    return f"(NOT {sql})" if node.not_ else sql


_LARGE_INTEGER = re.compile(r"-?[0-9]{16,20}")
_NEGATIONS = {"ne": "eq", "not_in": "in", "not_contains": "contains", "not_exists": "exists"}
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _condition_sql(node: Filter, path: str, bindings: Bindings) -> str:
    if node.field is None:
        raise InvalidRequest(f"{path}.field", "is required")
    if node.op is None:
        raise InvalidRequest(f"{path}.op", "is required")
    read = field_sql(node.field, f"{path}.field", bindings)
    values = node.values or []
    op = _NEGATIONS.get(node.op, node.op)
    values_path = f"{path}.values"
    if op == "exists":
        if values:
            raise InvalidRequest(values_path, f"{node.op} takes no values")
        sql = f"({read.exists})"
    elif not values:
        raise InvalidRequest(values_path, "give at least one value")
    elif op in ("eq", "in"):
        sql = _equal_sql(read, values, values_path, bindings)
    elif op in ("contains", "starts_with", "matches"):
        sql = _text_search_sql(op, read, values, values_path, bindings)
    else:
        sql = _order_sql(op, read, values, values_path, bindings)
    return f"(NOT {sql})" if node.op in _NEGATIONS else sql


def _is_number(value: FilterValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal_sql(read: FieldSql, values: list[FilterValue], path: str, bindings: Bindings) -> str:
    texts = [v for v in values if isinstance(v, str)]
    flags = [v for v in values if isinstance(v, bool)]
    large = [v for v in values if type(v) is int and abs(v) > EXACT_FLOAT]
    numbers = [float(v) for v in values if _is_number(v) and v not in large]
    parts = []
    if texts:
        _must_have(read.text, "a text", values, texts, path)
        bound = (
            bindings.add(texts[0], "String")
            if len(texts) == 1
            else bindings.add(texts, "Array(String)")
        )
        equal = f"{read.text} = {bound}" if len(texts) == 1 else f"{read.text} IN {bound}"
        # Reading one map is enough, but for '' (an absent text reads so) and digits (a large integer stands there too).
        unsure = any(not text or _LARGE_INTEGER.fullmatch(text) for text in texts)
        parts.append(f"({read.has_text} AND {equal})" if unsure else equal)
        if read.list_ is not None:
            parts.append(
                f"has({read.list_}, {bound})"
                if len(texts) == 1
                else f"hasAny({read.list_}, {bound})"
            )
    if numbers:
        _must_have(read.number, "a number", values, numbers, path)
        bound = bindings.add(numbers, "Array(Float64)")
        parts.append(f"({read.has_number} AND {read.number} IN {bound})")
    if large:
        _must_have(read.number, "a number", values, large, path)
        bound = bindings.add([str(v) for v in large], "Array(String)")
        parts.append(f"({read.has_number} AND {read.number_text} IN {bound})")
    if flags:
        _must_have(read.flag, "true or false", values, flags, path)
        bound = bindings.add(flags, "Array(Bool)")
        parts.append(f"({read.has_flag} AND {read.flag} IN {bound})")
    return f"({' OR '.join(parts)})"


def _must_have(
    sql: str | None, kind: str, values: list[FilterValue], wrong: list[Any], path: str
) -> None:
    """Refuse values of a type that the field can never have."""
    if sql is None:
        raise InvalidRequest(f"{path}[{values.index(wrong[0])}]", f"this field is never {kind}")


def _any_text(read: FieldSql, predicate: Callable[[str], str]) -> str:
    """Return the condition that the text, or any element of the list, satisfies a predicate."""
    parts = [f"({read.has_text} AND {predicate(str(read.text))})"]
    if read.list_ is not None:
        parts.append(f"arrayExists(item -> {predicate('item')}, {read.list_})")
    return f"({' OR '.join(parts)})"


_SEARCHES: dict[str, Callable[[str, str], str]] = {
    "contains": lambda text, bound: f"position({text}, {bound}) > 0",
    "starts_with": lambda text, bound: f"startsWith({text}, {bound})",
    "matches": lambda text, bound: f"match({text}, {bound})",
}


def _text_search_sql(
    op: str, read: FieldSql, values: list[FilterValue], path: str, bindings: Bindings
) -> str:
    parts = []
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidRequest(f"{path}[{i}]", f"{op} takes texts")
        _must_have(read.text, "a text", values, [value], path)
        if op == "matches":
            _check_pattern(value, f"{path}[{i}]")
        bound = bindings.add(value, "String")
        parts.append(_any_text(read, lambda text, bound=bound: _SEARCHES[op](text, bound)))  # type: ignore[misc]
    return f"({' OR '.join(parts)})"


def _check_pattern(pattern: str, path: str) -> None:
    """Refuse what RE2 cannot compile; pyarrow carries the same RE2 as ClickHouse."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidRequest(path, f"an expression of more than {MAX_PATTERN_CHARS} characters")
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise InvalidRequest(path, f"not an RE2 expression: {error}") from error


def _order_sql(
    op: str, read: FieldSql, values: list[FilterValue], path: str, bindings: Bindings
) -> str:
    wanted = 2 if op == "between" else 1
    if len(values) != wanted:
        raise InvalidRequest(path, f"{op} takes exactly {wanted} value{'s' * (wanted > 1)}")
    texts = [v for v in values if isinstance(v, str)]
    if not all(_is_number(v) for v in values) and len(texts) != wanted:
        raise InvalidRequest(path, f"{op} takes numbers or texts, not a mixture")
    if texts:
        _must_have(read.text, "a text", values, texts, path)
        bounds = [bindings.add(v, "String") for v in texts]
        return _any_text(read, lambda text: _compare(op, text, bounds))
    _must_have(read.number, "a number", values, values, path)
    bounds = [bindings.add(float(v), "Float64") for v in values]
    return f"({read.has_number} AND {_compare(op, str(read.number), bounds)})"


def _compare(op: str, sql: str, bounds: list[str]) -> str:
    if op == "between":
        return f"{sql} >= {bounds[0]} AND {sql} <= {bounds[1]}"
    return f"{sql} {_COMPARISONS[op]} {bounds[0]}"
