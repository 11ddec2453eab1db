"""
What reports share that put each user into one row of a breakdown: whose value counts, the most frequent, the order.

A user has one value in each row of such a report, so that rows add up: that of the user's first event (by occurred_at,
seq, event_id) that has any of the breakdown's fields; a launch carries the scene, most later events do not. Called by
lifecycle, stickiness, distribution; what is first, and of which events, each says in its ``semantics``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from query_api import breakdowns
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.filters import Bindings
from query_api.params import Params, Query
from query_api.report import Row

ABSENT = "arrayAll(element -> element = '', event_key)"
"""None of the fields is there; ``event_key`` is the key of one event."""
ORDER = f"({ABSENT}, at_ms, seq, event_id, app_id)"
"""Sorts a user's events so that the one whose value counts is the first."""
FIRST_KEY = f"argMin(event_key, {ORDER})"
NO_KEY = "emptyArrayString()"


class BreakdownCell(Params, kw_only=True):
    """Which rows of a breakdown: the values as the answer shows them, or ``other``; neither: all rows together."""

    breakdown: dict[str, Any] | None = None
    other: bool = False


def first_key(query: Query) -> str:
    """Return the aggregate that gives a user's key over rows with event_key, at_ms, seq, event_id, app_id."""
    return FIRST_KEY if query.breakdown else NO_KEY


def event_key(query: Query, bindings: Bindings) -> str:
    """Return the expression of an event's key."""
    return breakdowns.key_sql(query.breakdown, bindings)


def folded(top: list[Key] | None, bindings: Bindings) -> str:
    """Return the expression over ``key`` that turns keys beyond the most frequent into "other"."""
    return breakdowns.top_sql("key", top, bindings)


def check_other(cell: BreakdownCell, top: list[Key] | None) -> None:
    """Refuse a cell of "other" where the answer has none. ``top``: what ``breakdowns.top`` gave for the request."""
    if cell.other and top is None:
        raise InvalidRequest("$.cell.other", "this answer has no `other`: all values are shown")


def in_key(cell: BreakdownCell, query: Query, bindings: Bindings) -> str:
    """Return the condition that a row with ``key`` belongs to the cell."""
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    return "1" if key is None else f"key = {bindings.add(list(key), 'Array(String)')}"


def described(key: Key, query: Query) -> Row:
    """Return ``breakdown`` and ``other`` of a row; nothing without a breakdown."""
    return breakdowns.describe(key, query.breakdown) if query.breakdown else {}


def ordered(sizes: dict[Key, int]) -> list[Key]:
    """Order the rows of a breakdown: "other" last, the largest first, then by value."""
    return sorted(sizes, key=lambda key: (key == OTHER, -sizes[key], key))


def heads(lines: Iterable[Row]) -> Iterable[tuple[Row, Row]]:
    """Give each line of a result with the columns that stand before its numbers in a table."""
    for line in lines:
        head = dict(line.get("breakdown", {}))
        if "other" in line:
            head["other"] = line["other"]
        yield head, line
