"""
What a row of the scenes report is: the fields that name it for each ``by``, their SQL, and back to names. Pure.

The key of a row is the texts of its naming fields and the elements of the breakdown, packed. A naming field that an entry
lacks is '' there and null in the answer; platform and scene stay ''. Called by scenes.py.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from query_api import breakdowns
from query_api.bindings import Bindings
from query_api.costs import Spent
from query_api.errors import InvalidRequest
from query_api.fields import SCENE_GROUP_UNKNOWN, TEXT_COLUMNS, field_sql
from query_api.report import Row

By: TypeAlias = Literal[
    "scene",
    "group",
    "utm.source",
    "utm.medium",
    "utm.campaign",
    "utm.term",
    "utm.content",
    "referrer_app_id",
    "page",
    "qr_code",
    "store",
    "city",
    "placement",
]
NAMED_BY: dict[str, tuple[str, ...]] = {
    "scene": ("platform", "scene"),
    "group": ("scene_group",),
    "qr_code": ("app_id", "qr_code", "qr_status"),
    "store": ("store", "qr_status"),
    "city": ("city", "qr_status"),
    "placement": ("placement", "qr_status"),
}
"""Fields that name a row, where they are others than ``by`` itself."""
PLACES = ("store", "city", "placement")
BY_CODE = ("qr_code", *PLACES)
"""What needs the registry of codes."""
OF_CODE = (*BY_CODE, "qr_status")
"""Fields of the joined registry that a breakdown may name as well."""

Key: TypeAlias = tuple[str, ...]
Known: TypeAlias = dict[tuple[str, str], Row]
OTHER: Key = ("",) * 99
"""Of the row that has what rows cut by a limit have together; no other key has so many parts."""
OTHER_TEXT = "*"
"""The same in SQL: no packed key, which begins with a length."""


class Shown(Struct, frozen=True):
    """The keys that have rows of their own."""

    keys: list[Key]


def names_of(by: str) -> tuple[str, ...]:
    """Return the fields that name a row."""
    return NAMED_BY.get(by, (by,))


def needs_codes(by: str, breakdown: list[str]) -> bool:
    """Tell whether rows are named by something of the registry of codes."""
    return by in BY_CODE or any(name in OF_CODE for name in breakdown)


def key_sql(by: str, breakdown: list[str], bindings: Bindings, shown: Shown | None = None) -> str:
    """
    Return the expression of a row's packed key over the columns of a source, with those of qr_codes.beside_events for codes.

    ``shown``: keys with rows of their own; all others are "other". None: every key.
    """
    texts = []
    for name in names_of(by):
        if name == "scene_group":
            texts.append(str(field_sql("scene_group", "$.by", bindings).text))
        else:
            texts.append(f"toString({TEXT_COLUMNS.get(name, name)})")
    for i, name in enumerate(breakdown):
        if name in OF_CODE:
            texts.append(f"if({name} = '', '', concat('s', {name}))")
        else:
            read = field_sql(name, f"$.breakdown[{i}]", bindings)
            texts.append(breakdowns.element_sql(read))
    return folded_sql(breakdowns.pack_elements_sql(texts), shown, bindings)


def folded_sql(key: str, shown: Shown | None, bindings: Bindings) -> str:
    """Return the expression of a packed key, or of "other" for keys that are not among ``shown``."""
    if shown is None:
        return key
    bound = bindings.add([breakdowns.pack(one) for one in shown.keys], "Array(String)")
    return f"if({key} IN (SELECT arrayJoin({bound})), {key}, '{OTHER_TEXT}')"


def unpacked(text: str) -> Key:
    """Return the key of a row of SQL; empty for the total."""
    return OTHER if text == OTHER_TEXT else breakdowns.unpack(text)


def packed(key: Key) -> str:
    """Do the inverse."""
    return OTHER_TEXT if key == OTHER else breakdowns.pack(key)


def described(key: Key, by: str, breakdown: list[str], scenes: Known, codes: Known) -> Row:
    """Return the fields that name a row: the fixed four, those of ``by``, for a code what the registry says, the breakdown."""
    names = names_of(by)
    row: Row = dict.fromkeys(("platform", "scene", "scene_name", "scene_group"))
    row["other"] = key == OTHER
    if key == OTHER:
        row |= dict.fromkeys(names)
        key = ("",) * (len(names) + len(breakdown))
    elif by == "scene":
        platform, scene = key[:2]
        found = scenes.get((platform, scene))
        row |= {"platform": platform, "scene": scene}
        row["scene_name"] = (found["scene_name"] if found else "") or scene
        row["scene_group"] = scene_group(platform, scene, scenes)
    elif by == "group":
        row["scene_group"] = key[0]
    else:
        row |= {name: text or None for name, text in zip(names, key, strict=False)}
    if by == "qr_code":
        code = {} if row["other"] else codes.get((key[0], key[1]), {})
        for name in ("label", *PLACES, "valid_from", "valid_to"):
            row[name] = code.get(name) or None
    if breakdown:
        row["breakdown"] = {
            field: breakdowns.decode_element(element)
            for field, element in zip(breakdown, key[len(names) :], strict=True)
        }
    return row


def scene_group(platform: str, scene: str, scenes: Known) -> str:
    """Return the group of a scene; "unknown" for one that the dictionary does not list, '' without a scene."""
    found = scenes.get((platform, scene))
    return str(found["scene_group"]) if found else (SCENE_GROUP_UNKNOWN if scene else "")


def key_of_cell(
    by: str, given: dict[str, Any] | None, breakdown: list[str], of_breakdown: dict[str, Any] | None
) -> Key:
    """
    Return the key of the row that a cell names; empty: the total. ``given``: the naming fields as the answer shows them.

    Errors: ``invalid_request`` with what is missing or too much.
    """
    if given is None:
        if of_breakdown is not None:
            raise InvalidRequest("$.cell.breakdown", "name the row too")
        return ()
    names = names_of(by)
    if set(given) != set(names):
        raise InvalidRequest(
            "$.cell.row", f"with `by` {by} a row is named by {', '.join(names)} together"
        )
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"$.cell.row.{name}", "a text or null, as the answer shows it")
    elements = breakdowns.key_of_cell(of_breakdown or {}, False, breakdown)
    return (*(given[name] or "" for name in names), *(elements or ()))


def cost_fields(by: str) -> tuple[str, ...]:
    """Return the fields that the key of a cost row must have, without those of the breakdown."""
    if by in BY_CODE:
        return ("qr_code",)
    return ("platform", "scene") if by == "group" else names_of(by)


def with_costs(
    found: dict[Key, Spent],
    by: str,
    scenes: Known,
    codes: Known,
) -> dict[Key, Spent]:
    """Put costs, by app and values of the cost fields and the breakdown, to the rows they belong to."""
    width = len(cost_fields(by))
    rows: dict[Key, Spent] = {}
    for (app_id, *values), spent in found.items():
        named, elements = tuple(values[:width]), tuple(f"s{value}" for value in values[width:])
        if by == "group":
            named = (scene_group(named[0], named[1], scenes),)
        elif by in BY_CODE:
            code = codes.get((app_id, named[0]))
            status = "unknown" if code is None else "registered"
            place = "" if code is None or by == "qr_code" else code[by]
            named = (app_id, named[0], status) if by == "qr_code" else (place, status)
        rows.setdefault((*named, *elements), Spent()).add(spent)
    return rows
