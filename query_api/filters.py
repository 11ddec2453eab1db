"""
Filters → SQL conditions. Pure. Names of fields come from ``fields``; every value is bound.

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
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from query_api.bindings import Bindings
from query_api.errors import InvalidRequest
from query_api.fields import FieldSql, field_sql, is_of_person
from query_api.params import EventSelector, Filter, FilterValue

MAX_DEPTH = 10
MAX_TREE_CONDITIONS = 500
MAX_PATTERN_CHARS = 1_000
EXACT_FLOAT = 2**53
"""Integers up to it are exact as 64-bit floats."""


class OfPerson(str):
    """A condition that looks at attributes of the event's person alone."""

    __slots__ = ()


class AllOf(str):
    """A condition that remembers what it is the conjunction of."""

    __slots__ = ("parts",)
    parts: tuple[str, ...]

    def __new__(cls, text: str, parts: tuple[str, ...]) -> AllOf:
        """Make one of its whole text, in brackets where it may stand beside an OR, and its parts."""
        made = super().__new__(cls, text)
        made.parts = parts
        return made


def filter_sql(node: Filter | None, path: str, bindings: Bindings) -> str:
    """
    Turn a filter into one SQL condition over the columns of ``events``; ``1`` without a filter.

    Errors: ``invalid_request`` with the path of the node or field at fault.
    """
    if node is None:
        return "1"
    return _node_sql(node, path, bindings, 1, [0])


def all_of(conditions: Iterable[str]) -> str:
    """Return the condition that all of these hold; ``1`` stands for one that asks for nothing."""
    parts = tuple(part for one in conditions for part in parts_of(one) if part != "1")
    return AllOf(" AND ".join(parts) or "1", parts)


def parts_of(condition: str) -> tuple[str, ...]:
    """Return what a condition is the conjunction of, as far as it was put together here."""
    return condition.parts if isinstance(condition, AllOf) else (condition,)


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
        sql = parts[0] if len(parts) == 1 else _group_sql(node.relation or "and", parts)
    else:
        count[0] += 1
        if count[0] > MAX_TREE_CONDITIONS:
            raise InvalidRequest(path, f"more than {MAX_TREE_CONDITIONS} conditions in one filter")
        sql = _condition_sql(node, path, bindings)
        if is_of_person(node.field or ""):
            sql = OfPerson(sql)
    if not node.not_:
        return sql
    return OfPerson(f"(NOT {sql})") if _is_of_person(sql) else f"(NOT {sql})"


def _group_sql(relation: str, parts: list[str]) -> str:
    sql = f"({f' {relation.upper()} '.join(parts)})"
    if relation == "and":
        return AllOf(sql, tuple(part for one in parts for part in parts_of(one)))
    return OfPerson(sql) if all(map(_is_of_person, parts)) else sql


def _is_of_person(condition: str) -> bool:
    return all(isinstance(part, OfPerson) for part in parts_of(condition))


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
        # IN compares bits, and 0 has two of them.
        zeros = [0.0, -0.0] if 0 in numbers else []
        bound = bindings.add([*numbers, *zeros], "Array(Float64)")
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
