"""
What reports share that put each user into one row of a breakdown: whose value counts, the most frequent, the order.

A user has one value in each row of such a report, so that rows add up: that of the user's first event (by occurred_at,
seq, event_id) that has any of the breakdown's fields; a launch carries the scene, most later events do not. What is first, and
of which events, each report says in its ``semantics``. Which values are shown by themselves is found among the rows that the
report counts (``shown``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from msgspec import Struct

from query_api import breakdowns, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.fields import is_of_person
from query_api.order_keys import MAX_PAYLOAD, hashed, names_sql
from query_api.params import Params, Query, QueryType
from query_api.report import Ask, Row
from query_api.sql import load_sql

NO_KEY = "''"

RowsOf: TypeAlias = Callable[[Ask, QueryType, Bindings], str]
"""What makes the SELECT of a report's rows, with a packed ``key``."""


class BreakdownCell(Params, kw_only=True):
    """Which rows of a breakdown: the values as the answer shows them, or ``other``; neither: all rows together."""

    breakdown: dict[str, Any] | None = None
    other: bool = False


def first_key(query: Query, where: str = "1") -> str:
    """Return the aggregate that gives a user's key over rows with ``event_key`` and ``key_order``, of those of ``where``."""
    if not query.breakdown:
        return NO_KEY
    return f"argMinIf(event_key, key_order, {where})" if is_ordered(query) else "any(event_key)"


def is_ordered(query: Query) -> bool:
    """Tell whether a user's events can have different keys: a breakdown by more than attributes of the person."""
    return not all(map(is_of_person, query.breakdown))


def event_key(query: Query, bindings: Bindings) -> str:
    """Return the expression of an event's key, packed into one text: sorting and comparing texts is cheap."""
    if not query.breakdown:
        return NO_KEY
    return breakdowns.pack_elements_sql(breakdowns.elements_sql(query.breakdown, bindings))


class NumberedKey(Struct, frozen=True):
    """
    An event's key as a number, and back: SQL.

    ``number``: over the columns of events. ``names``: to be joined to rows with ``key_number``, or nothing; ``key``: then the
    packed key. ``person_part``: what of it is the person's, a column of these rows as well, or nothing.
    """

    number: str
    key: str
    names: str
    person_part: str = ""

    def person_column(self) -> str:
        """Return the column ``person_part`` after others of a SELECT, or nothing."""
        return source.more_keys(("person_part",)) if self.person_part else ""


def numbered_key(
    query: Query, bindings: Bindings, wanted: str, largest: int = MAX_PAYLOAD
) -> NumberedKey:
    """
    Return the key as a number up to ``largest``: for statements in which an event is one number.

    ``wanted``: a condition that the events have whose key counts.
    """
    if not query.breakdown:
        return NumberedKey("toUInt64(0)", NO_KEY, "")
    parts = breakdowns.apart(query.breakdown, bindings)
    if not parts.has_event_part():
        return NumberedKey("toUInt64(0)", parts.packed(), "", parts.of_person)
    if parts.of_person:
        number = hashed(parts.of_event, largest=largest)
        names = names_sql(parts.of_event, number, wanted)
        return NumberedKey(number, parts.packed("names.key"), names_joined(names), parts.of_person)
    elements = breakdowns.elements_sql(query.breakdown, bindings)
    number = hashed(*elements, largest=largest)
    packed = breakdowns.pack_elements_sql(elements)
    names = names_sql(packed, number, wanted, made_of=", ".join(elements))
    return NumberedKey(number, "names.key", names_joined(names))


def names_joined(names: str) -> str:
    """Return the JOIN that puts ``names.key`` to rows with ``key_number``; ``names``: order_keys.names_sql."""
    return f"ANY LEFT JOIN (\n{names}\n) AS names ON names.number = key_number"


def absent(query: Query) -> str:
    """Return the literal of the key of an event that has none of the fields."""
    return f"'{breakdowns.pack([''] * len(query.breakdown))}'"


def key_order(query: Query, key: str = "event_key") -> str:
    """Return the expression over a ``key`` that is least for the event whose value counts."""
    if not is_ordered(query):
        return NO_KEY
    return f"concat(if({key} = {absent(query)}, '1', '0'), {source.order()})"


def first_of_actor(query: Query, bindings: Bindings, where: str = "1") -> tuple[str, str]:
    """
    Return columns of by_actor.py, and those over them and the person.

    Together ``event_key`` and ``key_order`` of the first event with a value, of those of ``where``.
    """
    if not query.breakdown:
        return "", ""
    key = breakdowns.apart(query.breakdown, bindings)
    if not key.of_person:
        packed = event_key(query, bindings)
        order = key_order(query, packed)
        return load_sql("per_user.first_of_actor", key=packed, order=order, where=where), ""
    person_part = f"{key.of_person} AS person_part"
    packed = f"{key.packed()} AS event_key"
    if not key.has_event_part():
        return "", source.listed(person_part, packed, f"{NO_KEY} AS key_order")
    columns = load_sql(
        "per_user.firsts_of_actor",
        part=key.of_event,
        is_absent=key.is_absent(key.of_event, of_person=False),
        order=source.order(),
        where=where,
    )
    nobody = key.is_absent("person_part", of_person=True)
    chosen = [
        f"if({nobody}, part_with_value, part_of_first) AS event_part",
        f"if({nobody}, order_with_value, order_of_first) AS key_order",
    ]
    return columns, source.listed(person_part, *chosen, packed)


def folded(top: list[Key] | None, bindings: Bindings, key: str = "key") -> str:
    """Return the expression that turns a packed ``key`` beyond the most frequent into "other"."""
    if top is None:
        return key
    bound = bindings.add([breakdowns.pack(shown) for shown in top], "Array(String)")
    return f"if(has({bound}, {key}), {key}, '')"


def with_other(rows: str, top: list[Key] | None, bindings: Bindings) -> str:
    """Return rows with a packed ``key`` in which keys beyond ``top`` are "other"; as they are where it is None."""
    if top is None:
        return rows
    return load_sql("per_user.with_other", rows=rows, folded=folded(top, bindings))


def ranked(
    query: Query, rows: str, bindings: Bindings, number: str = "count()", counted: str = "1"
) -> str:
    """
    Return the same with the most frequent keys of the very rows by themselves.

    ``rows``: the name of a materialized CTE. ``number``: what ranks a key, an aggregate over its rows; ``counted``: which of
    them.
    """
    bindings.named("breakdown_limit", query.breakdown_limit, "UInt32")
    events = f"FROM {rows}\nWHERE {counted}"
    top = load_sql("breakdowns.top", key="key", number=number, events=events)
    return load_sql("per_user.ranked", rows=rows, top=top)


def shown(
    query: Query,
    rows: str,
    top: list[Key] | None,
    bindings: Bindings,
    number: str = "count()",
    counted: str = "1",
) -> str:
    """
    Return the rows that a report counts, a SELECT, with keys beyond the most frequent as "other".

    ``top``: the keys to show; None: those of these rows, as ``ranked`` finds them.
    """
    if not query.breakdown or top is not None:
        return with_other(rows, top, bindings)
    of_kept = ranked(query, "kept", bindings, number, counted)
    return load_sql("per_user.shown", rows=rows, ranked=of_kept)


def keys_of(rows: Iterable[Row]) -> list[Key]:
    """Return the keys that rows of an answer show by themselves: what a comparison shows as well."""
    return [breakdowns.unpack(key) for key in {row["key"]: None for row in rows} if key]


async def compared(
    ask: Ask,
    query: QueryType,
    counted: Callable[[Ask, QueryType, list[Key] | None], Awaitable[list[Row]]],
    result: Callable[[Ask, QueryType, list[Row]], Row],
) -> Row:
    """
    Return the result for the request's range and, with ``compare``, for the range before: of the same keys.

    ``counted``: the rows of a range with the keys to show, as ``shown`` takes them. ``result``: what they say.
    """
    top: list[Key] | None = None

    async def result_of(one: Ask) -> Row:
        nonlocal top
        rows = await counted(one, query, top)
        top = keys_of(rows)
        return result(one, query, rows)

    return await with_comparison(ask, query.compare, result_of)


async def most_frequent(
    ask: Ask, rows: str, bindings: Bindings, number: str = "count()"
) -> list[Key] | None:
    """
    Return the keys with the most rows, as ``breakdowns.most_frequent`` does.

    ``rows``: a SELECT with a packed ``key``; ``number``: see ``ranked``.
    """
    return await breakdowns.most_frequent(ask, f"FROM ({rows})", "key", bindings, number)


async def top_of(ask: Ask, query: QueryType, rows_of: RowsOf[QueryType]) -> list[Key] | None:
    """
    Return the keys that a report shows by themselves over the range asked for; None without a breakdown or an "other".

    For the users of a cell; the report itself finds them among the rows that it counts (``shown``).
    """
    if not query.breakdown:
        return None
    ask = ask.asked
    bindings = ask.bindings()
    return await most_frequent(ask, rows_of(ask, query, bindings), bindings)


def check_other(cell: BreakdownCell, top: list[Key] | None) -> None:
    """Refuse a cell of "other" where the answer has none. ``top``: what ``most_frequent`` gave for the request."""
    if cell.other and top is None:
        raise InvalidRequest("$.cell.other", "this answer has no `other`: all values are shown")


def in_key(cell: BreakdownCell, query: Query, bindings: Bindings) -> str:
    """Return the condition that a row with ``key`` belongs to the cell."""
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    return "1" if key is None else f"key = {bindings.add(breakdowns.pack(key), 'String')}"


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
