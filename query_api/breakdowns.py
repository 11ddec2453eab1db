"""
Breakdowns: the value of up to three fields as one key in SQL, and back to JSON values. Pure, but for ``most_frequent``.

A key is an Array(String) with one element for each field: a letter for the JSON type and the value (``s`` text, ``n``
number, ``b`` boolean, ``l`` list), or the empty text where the field is absent. So "10", 10 and true stay apart. The
empty array stands for "other": all keys beyond the most frequent ones. Without a breakdown it is the only key.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from query_api.bindings import Bindings
from query_api.errors import InvalidRequest
from query_api.fields import FieldSql, field_sql, is_of_person
from query_api.source import GROUPED_ON_SHARDS
from query_api.sql import load_sql

if TYPE_CHECKING:
    from query_api.report import Ask

Key: TypeAlias = tuple[str, ...]
OTHER: Key = ()


def key_sql(fields: list[str], bindings: Bindings, path: str = "$.breakdown") -> str:
    """Return the expression of a key over the columns of ``events``."""
    parts = elements_sql(fields, bindings, path)
    return f"[{', '.join(parts)}]::Array(String)" if parts else "emptyArrayString()"


def elements_sql(fields: list[str], bindings: Bindings, path: str = "$.breakdown") -> list[str]:
    """Return the expression of each element of a key."""
    return [element_sql(field_sql(name, f"{path}[{i}]", bindings)) for i, name in enumerate(fields)]


class Apart(Struct, frozen=True):
    """
    A key in two parts, that of the event and that of its person: SQL.

    ``of_event`` and ``of_person``: the one over columns of events, the other over attributes; each a text where the part is one
    element, an Array(String) of several. Without any the one is ``''``, the other nothing. ``fields``: whether each is the
    person's.
    """

    of_event: str
    of_person: str
    fields: tuple[bool, ...]

    def has_event_part(self) -> bool:
        """Tell whether a user's events can have different keys."""
        return not all(self.fields)

    def elements(
        self, event_part: str = "event_part", person_part: str = "person_part"
    ) -> list[str]:
        """Return the expression of each element of the key over columns that hold the parts."""
        places = {True: 0, False: 0}
        elements = []
        for of_person in self.fields:
            places[of_person] += 1
            part = person_part if of_person else event_part
            several = self.fields.count(of_person) > 1
            elements.append(f"{part}[{places[of_person]}]" if several else part)
        return elements

    def key(self, event_part: str = "event_part", person_part: str = "person_part") -> str:
        """Return the expression of the whole key over columns that hold the parts."""
        if len(self.fields) > 1 and len(set(self.fields)) == 1:
            return person_part if self.fields[0] else event_part
        return f"[{', '.join(self.elements(event_part, person_part))}]::Array(String)"

    def packed(self, event_part: str = "event_part", person_part: str = "person_part") -> str:
        """Return ``key`` as one text."""
        return pack_elements_sql(self.elements(event_part, person_part))

    def is_absent(self, part: str, *, of_person: bool) -> str:
        """Return the condition that a part has none of its fields."""
        number = self.fields.count(of_person)
        return f"{part} = {[''] * number if number > 1 else _NO_PART}"


_NO_PART = "''"


def apart(fields: list[str], bindings: Bindings, path: str = "$.breakdown") -> Apart:
    """Return a key of which the person's part is the same for all events of a user, and can be looked up once."""
    of_person = tuple(map(is_of_person, fields))
    elements = list(zip(of_person, elements_sql(fields, bindings, path), strict=True))
    return Apart(
        _part([element for is_persons, element in elements if not is_persons]) or _NO_PART,
        _part([element for is_persons, element in elements if is_persons]),
        of_person,
    )


def _part(elements: list[str]) -> str:
    return f"[{', '.join(elements)}]" if len(elements) > 1 else "".join(elements)


def element_sql(read: FieldSql) -> str:
    """Return the expression of one element of a key."""
    cases = []
    if read.number is not None:
        cases.append(f"{read.has_number}, concat('n', {read.number_text})")
    if read.text is not None:
        cases.append(f"{read.has_text}, concat('s', {read.text})")
    if read.flag is not None:
        cases.append(f"{read.has_flag}, if({read.flag}, 'btrue', 'bfalse')")
    if read.list_ is not None:
        cases.append(f"{read.has_list}, concat('l', {pack_sql(read.list_)})")
    return f"multiIf({', '.join(cases)}, '')"


def pack_sql(texts: str) -> str:
    """Return the expression of an Array(String) as one text: each with its length in bytes before it. '' for none."""
    return (
        f"arrayStringConcat(arrayMap(text -> concat(toString(length(text)), ':', text), {texts}))"
    )


def pack_elements_sql(texts: list[str]) -> str:
    """Return the same for texts that are expressions of their own; much cheaper than an array."""
    parts = [f"toString(length({text})), ':', {text}" for text in texts]
    return f"concat({', '.join(parts)})"


def pack(texts: Iterable[str]) -> str:
    """Do what ``pack_sql`` does."""
    return "".join(f"{len(text.encode())}:{text}" for text in texts)


def unpack(packed: str) -> Key:
    """Take a packed text apart."""
    left = packed.encode()
    texts = []
    while left:
        length, _, left = left.partition(b":")
        texts.append(left[: int(length)].decode())
        left = left[int(length) :]
    return tuple(texts)


async def most_frequent(
    ask: Ask, events: str, key: str, bindings: Bindings, number: str = "count()"
) -> list[Key] | None:
    """
    Return the keys with the most events in ``events``, most frequent first; None when there are no others anywhere.

    ``events``: a FROM clause; ``key``: expression over its columns, packed; ``number``: of events, an aggregate. What a
    comparison shows by itself are the values of the range asked for: with ``compare`` these are returned also where they are
    all, since the other range may have more.
    """
    limit = ask.query.breakdown_limit
    bindings.named("breakdown_limit", limit + 1, "UInt32")
    sql = load_sql("breakdowns.top", events=events, key=key, number=number)
    found = await ask.run("breakdowns.top", sql, bindings, GROUPED_ON_SHARDS)
    if len(found.rows) <= limit and ask.query.compare is None:
        return None
    return [unpack(row["key"]) for row in found.rows[:limit]]


def decode_element(text: str) -> Any:  # noqa: ANN401 (a JSON value)
    """Turn one element of a key into its JSON value; None for absent."""
    kind, value = text[:1], text[1:]
    if kind == "n":
        return float(value) if "." in value or "e" in value else int(value)
    if kind == "b":
        return value == "true"
    if kind == "l":
        return list(unpack(value))
    return value if kind == "s" else None


def encode_element(value: Any, path: str) -> str:  # noqa: ANN401 (a JSON value)
    """Turn a JSON value of a cell into the element of a key: the inverse of ``decode_element``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "btrue" if value else "bfalse"
    if isinstance(value, str):
        return f"s{value}"
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise InvalidRequest(path, "lists hold texts")
        return f"l{pack(value)}"
    if isinstance(value, int):
        return f"n{value}"
    if isinstance(value, float):
        return f"n{float_text(value)}"
    raise InvalidRequest(path, "a value as the answer shows it")


def float_text(value: float) -> str:
    """Write a finite number as ClickHouse's toString does: shortest digits, an exponent from 1e21 on and below 1e-6."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    if text == "0":
        return "0"
    if not -6 < point <= 21:
        text = f"{text[0]}{'.' * (len(text) > 1)}{text[1:]}e{point - 1}"
    elif point >= len(text):
        text += "0" * (point - len(text))
    elif point > 0:
        text = f"{text[:point]}.{text[point:]}"
    else:
        text = f"0.{'0' * -point}{text}"
    return f"-{text}" if sign else text


def describe(key: Key, fields: list[str]) -> dict[str, Any]:
    """
    Return what an answer says of a key: ``breakdown`` (field to value, null where absent) and ``other``.

    "Other" has every field null and ``other`` true.
    """
    if fields and key == OTHER:
        return {"breakdown": dict.fromkeys(fields), "other": True}
    return {
        "breakdown": {f: decode_element(e) for f, e in zip(fields, key, strict=True)},
        "other": False,
    }


def key_of_cell(
    breakdown: dict[str, Any] | None, other: bool, fields: list[str], path: str = "$.cell"
) -> Key | None:
    """
    Return the key that a cell names; None when it names none (all keys together).

    Errors: ``invalid_request`` where the fields are not those of the request's breakdown.
    """
    if other:
        if not fields or breakdown is not None:
            raise InvalidRequest(
                f"{path}.other", "only with a breakdown in the request, and none in the cell"
            )
        return OTHER
    if breakdown is None:
        return None
    if set(breakdown) != set(fields):
        raise InvalidRequest(
            f"{path}.breakdown", "must have exactly the fields of the request's breakdown"
        )
    return tuple(encode_element(breakdown[f], f"{path}.breakdown.{f}") for f in fields)
