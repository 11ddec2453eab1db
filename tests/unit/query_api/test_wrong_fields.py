"""
Every field of every request, wrong in every way that its Struct can tell: 400 with a path that leads to it.

Generated from the Structs, so that a new field is tried as well. No database: a request that is right gets as far as that.
"""

import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from query_api.errors import InvalidRequest
from query_api.params import decode
from query_api.reports import REPORTS, params_of

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-03"}}
PAY = {"event": "pay"}
RULE = {"did": PAY}
NEEDED: dict[str, dict[str, Any]] = {
    # Fields without a default, by report.
    "attribution": {"target": PAY, "touches": [PAY]},
    "events": {"measures": [PAY]},
    "funnel": {"steps": [PAY, PAY]},
    "interval": {"start": PAY, "end": PAY},
    "layers": {"tree": "group.v1"},
    "ltv": {"start": PAY, "measures": [{**PAY, "field": "properties.a"}]},
    "retention": {"initial": PAY, "returning": PAY},
    "segments": {"segments": ["seg_1"]},
    "sql": {"sql": "SELECT 1"},
}
CELLS: dict[str, dict[str, Any]] = {
    "funnel": {"step": 1},
    "lifecycle": {"time": "2026-10-01", "state": "new"},
    "recall": {"campaign": "a"},
    "summary": {"time": "2026-10-01"},
}
WRONG: list[Any] = [
    None, True, -1, 0, 1.5, 2**63, 2**70, -1e308, "", "x", "a" * 70_000, "2026-13-01",
    [], [None], [[]], [{}], [1, "a", True], ["a"] * 1_001, [{"unknown": 1}], {}, {"unknown": 1}, {"event": 7},
    {"field": None, "op": 3}, {"value": "1"}, {"from": []},
]  # fmt: skip
WRONG_PARTS = [value for value in WRONG if len(str(value)) < 100]
QUESTIONS = sorted(
    [(name, False) for name in REPORTS]
    + [(name, True) for name, report in REPORTS.items() if report.users is not None]
)


def structs_of(type_: Any) -> Iterator[type[Struct]]:
    """Give the Structs that a type may hold."""
    if typing.get_origin(type_) is typing.Annotated:
        type_ = typing.get_args(type_)[0]
    if isinstance(type_, type) and issubclass(type_, Struct):
        yield type_
    elif isinstance(type_, types.UnionType) or typing.get_origin(type_) in (
        typing.Union,
        list,
        dict,
    ):
        for part in typing.get_args(type_):
            yield from structs_of(part)


def fields_of(type_: type[Struct]) -> Iterator[tuple[str, str | None, bool]]:
    """Give the name of each field, with each field of the Structs it may hold, and whether these stand in a list."""
    for one in msgspec.structs.fields(type_):
        yield one.encode_name, None, False
        is_list = "list[" in str(one.type)
        for inner in structs_of(one.type):
            for part in msgspec.structs.fields(inner):
                yield one.encode_name, part.encode_name, is_list


def body_with(name: str, part: str | None, is_list: bool, value: Any) -> tuple[dict[str, Any], str]:
    """Return a body with a value at a place, and the path of that place."""
    if part is None:
        return {name: value}, f"$.{name}"
    if is_list:
        return {name: [{part: value}]}, f"$.{name}[0].{part}"
    return {name: {part: value}}, f"$.{name}.{part}"


@pytest.mark.parametrize(("report", "users"), QUESTIONS)
def test_a_wrong_field_is_named(report: str, users: bool) -> None:
    type_ = params_of(report, users)
    needed = RANGE | NEEDED.get(report, {}) | ({"cell": CELLS.get(report, {})} if users else {})
    for name, part, is_list in dict.fromkeys(fields_of(type_)):
        named = set()
        for value in WRONG if part is None else WRONG_PARTS:
            body, path = body_with(name, part, is_list, value)
            raw = msgspec.json.encode({**needed, **body})
            try:
                decode(raw, type_)
            except InvalidRequest as error:
                named.add(error.path or "")
        # Never the path of another field; and for some of these values the path of this very one.
        assert all(one.startswith(f"$.{name}") for one in named), (path, named)
        assert any(one.startswith(path) for one in named), (path, named)
