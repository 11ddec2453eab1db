"""
Exchange of traffic (换量): who comes from which partner's program, and who is sent there.

**In**: entry events (``app_launch``, ``app_show``) that carry the partner as ``referrer_app_id``: the platform says so, for the
scenes that have it. ``users_in``, ``new_users``, ``conversions`` and the rest mean what they mean in the scenes report by
``referrer_app_id``: new in the row of the first entry ever, a conversion in the row of the last entry before it, of whatever
origin.

**Out**: no platform tells the program that is left; the client records it beside its call of ``navigateToMiniProgram``: by
convention the event ``navigate_to_mini_program`` with the partner in ``properties.target_app_id``; ``out`` and ``out_field``
name others. ``exits``: those events; ``users_out``: who sent them. What becomes of them there only the partner can count: so
in and out are not the same measure, and ``balance`` (users_in minus users_out) compares people, not their worth.

``users_both``: users who came from the partner and were sent there, in either order. In ``total`` each user counts once,
whatever the partner, and once to come back: the day after the first entry from any. More rows than ``limit``: those with the
fewest users are one row with ``other`` true, in which each user counts once. Neither a limit nor a breakdown changes the
total. ``is_own``: the partner is one of the asked apps. ``filter`` and ``breakdown`` look at entries and exits.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from query_api import breakdowns, by_actor, scenes, source
from query_api.bindings import Bindings
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.fields import field_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.order_keys import (
    MAX_PAYLOAD,
    ORDER_KEYS,
    KeySql,
    OrderKey,
    decided,
    hashed,
    names_sql,
)
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.scene_rows import OTHER, Key, Shown, folded_sql, packed, unpacked
from query_api.sql import load_sql
from query_api.sums import sum_sql

MAX_ROWS = 10_000
OUT_EVENT = "navigate_to_mini_program"
OUT_FIELD = "properties.target_app_id"
_LARGEST_KEY = MAX_PAYLOAD >> 2
"""Below the number of a key stand whether the entry is a launch, and whether it has a partner."""
_OF_ENTRIES = {
    "entries": "groupArrayIf(place, is_entry AND at_ms >= {range_from_ms:Int64})",
    "has_before": "max(is_entry AND at_ms < {range_from_ms:Int64})",
    "came": "groupUniqArrayIf(came_as, counts)",
}
_OF_OTHERS = {
    "conversions": "groupArrayIf((converted_place, converted_value), is_conversion)",
    "exits": "groupArrayIf(sent_as, is_exit)",
}
_EMPTY = {"entries": "[]", "has_before": "0", "came": "[]", "conversions": "[]", "exits": "[]"}
"""What is known of a user, in a part of the events that has nothing of it (exchange.part)."""
_BITS = {
    "users_in": 2, "new_users": 3, "next_day_eligible": 4, "next_day_returned": 5,
    "converters": 7, "users_out": 9, "users_both": 10,
}  # fmt: skip
"""Metrics that count users: the bits of ``what`` (exchange.added)."""
_DECIDED_BY_ORDER = ("new_users", "converters")
"""Of these, what the order of a user's events decides."""


class ExchangeQuery(Query, kw_only=True):
    """
    Users in and out by partner. ``out``, ``out_field``: which events send a user to the app that the field names.

    ``conversion`` (default ``order_pay``), ``value``: as in the scenes report. The ``limit`` rows with the most users, the rest
    as "other".
    """

    out: EventSelector = msgspec.field(default_factory=lambda: EventSelector(event=OUT_EVENT))
    out_field: FieldName = OUT_FIELD
    conversion: EventSelector = msgspec.field(
        default_factory=lambda: EventSelector(event="order_pay")
    )
    value: FieldName | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = MAX_ROWS


class ExchangeCell(Params, kw_only=True):
    """
    One number that counts users: ``metric`` of a partner's row (and ``breakdown`` as in it), of the total.

    Or of ``other`` of an answer with this ``limit``; the request's own is that of the list of users.
    """

    metric: Literal[
        "users_in", "new_users", "next_day_eligible", "next_day_returned", "converters",
        "users_out", "users_both",
    ] = "users_in"  # fmt: skip
    partner_app_id: str | None = None
    breakdown: dict[str, Any] | None = None
    other: bool = False
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = MAX_ROWS


class _Numbers(Struct, frozen=True):
    """The three numbers of an entry or exit: of the row that counts it, of its row when all are shown, of the partner alone."""

    key: str
    number: str
    row_number: str
    partner_number: str

    def fragments(self) -> dict[str, str]:
        """Return what exchange.entry and exchange.exit take."""
        return {name: getattr(self, name) for name in ("number", "row_number", "partner_number")}


def _numbers(
    partner: str, query: ExchangeQuery, bindings: Bindings, shown: Shown | None
) -> _Numbers:
    """Return the numbers of an event whose partner is this expression."""
    row = breakdowns.pack_elements_sql(
        [partner, *breakdowns.elements_sql(query.breakdown, bindings)]
    )
    key = folded_sql(row, shown, bindings)
    return _Numbers(
        key=key,
        number=hashed(key, largest=_LARGEST_KEY),
        row_number=hashed(row, largest=_LARGEST_KEY),
        partner_number=hashed(breakdowns.pack_elements_sql([partner]), largest=_LARGEST_KEY),
    )


def _came(query: ExchangeQuery, bindings: Bindings, shown: Shown | None) -> _Numbers:
    return _numbers("toString(referrer_app_id)", query, bindings, shown)


def _sent(query: ExchangeQuery, bindings: Bindings, shown: Shown | None) -> tuple[_Numbers, str]:
    """Return the numbers of an exit, and what an event has that may be one."""
    read = field_sql(query.out_field, "$.out_field", bindings)
    if read.text is None:
        raise InvalidRequest("$.out_field", "this field is never a text")
    names = event_names_sql([query.out], bindings)
    numbers = _numbers(f"toString({read.text})", query, bindings, shown)
    return numbers, all_of([names, f"{read.has_text} AND {read.text} != ''"])


def _added(
    ask: Ask,
    query: ExchangeQuery,
    bindings: Bindings,
    order_key: OrderKey,
    shown: Shown | None = None,
) -> str:
    """Return the SELECT of what each user adds to each row, that both the numbers and their users come from."""
    days_to_ms = scenes.bind_days(ask, bindings)
    key = ORDER_KEYS[order_key]
    mark = key.payload.format("k")
    came = _came(query, bindings, shown)
    sent, may_be_exit = _sent(query, bindings, shown)
    in_range = load_sql("exchange.in_range")
    is_out = all_of(
        [
            may_be_exit,
            selector_sql(query.out, "$.out", bindings),
            filter_sql(query.filter, "$.filter", bindings),
            in_range,
        ]
    )
    entry = load_sql(
        "exchange.entry",
        matches=filter_sql(query.filter, "$.filter", bindings),
        place=key.key.format("mark"),
        **came.fragments(),
    )
    other = source.listed(
        scenes.conversion_columns(query.conversion, query.value, order_key, bindings),
        load_sql("exchange.exit", is_out=is_out, **sent.fragments()),
    )
    names = event_names_sql([query.out, query.conversion], bindings)
    # Maps of properties are read of events that may convert or send out alone.
    may_be_entry = any(
        one.event in (None, *scenes.ENTRY_NAMES) for one in (query.out, query.conversion)
    )

    def collected(where: str, computed: str, aggregates: dict[str, str], having: str) -> str:
        found = by_actor.collected(
            ask,
            bindings,
            where,
            computed=computed,
            aggregates=aggregates,
            having=having,
            from_ms=0,
            to_ms=days_to_ms,
        )
        columns = (
            name if name in aggregates else f"{empty} AS {name}" for name, empty in _EMPTY.items()
        )
        return load_sql("exchange.part", columns=source.listed(*columns), collected=found)

    return load_sql(
        "exchange.added",
        entries=collected(
            scenes.ENTRY_EVENTS,
            source.listed(entry, other if may_be_entry else ""),
            _OF_ENTRIES | (_OF_OTHERS if may_be_entry else {}),
            f"notEmpty(entries){' OR notEmpty(exits)' if may_be_entry else ''}",
        ),
        others=collected(
            all_of([f"NOT ({scenes.ENTRY_EVENTS})", names, in_range]),
            other,
            _OF_OTHERS,
            "notEmpty(conversions) OR notEmpty(exits)",
        ),
        at=key.at.format("k"),
        mark=mark,
        last_mark=str(MAX_PAYLOAD),
        tied_first=f"({key.tied(payload_decides=True, other='first_entry')}) AND {_differ(key, 'first_entry')}",
        tied=f"({key.tied(payload_decides=True)}) AND {_differ(key, 'previous')}",
    )


def _differ(key: KeySql, other: str) -> str:
    """Return whether the key ``k`` and another are not of one row, or one of them is a conversion."""
    one, two = (f"bitOr({key.payload.format(name)}, 2)" for name in ("k", other))
    return f"{one} != {two}"


async def _counted(
    ask: Ask, query: ExchangeQuery, shown: Shown | None
) -> tuple[dict[Key, Row], list[Key]]:
    """
    Return the numbers of every row by its key, ``()`` the total, and the keys in the order of the rows.

    ``shown``: these alone, and the rest as "other".
    """

    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        added = _added(ask, query, bindings, order_key, shown)
        return await ask.fetch(
            "exchange.counts",
            bindings,
            added=added,
            value=sum_sql("amount", "bitTest(what, 6)") if query.value else "toFloat64(0)",
            names=_names(ask, query, bindings, shown, scenes.bind_days(ask, bindings)),
        )

    rows, _ = await decided(ask_with)
    numbers = {unpacked(row["key"]): row for row in rows}

    def place(key: Key) -> tuple[bool, int, Key]:
        found = numbers[key]
        return key == OTHER, -found["users_in"] - found["users_out"], key

    return numbers, sorted((key for key in numbers if key), key=place)


def _names(
    ask: Ask, query: ExchangeQuery, bindings: Bindings, shown: Shown | None, to_ms: int
) -> str:
    """Return the SELECT of the keys behind the numbers, and of some more. ``to_ms``: up to where the statement reads."""
    came = _came(query, bindings, shown)
    sent, may_be_exit = _sent(query, bindings, shown)
    in_range = load_sql("exchange.in_range")
    selects = []
    for one, wanted in (
        (came, all_of([scenes.ENTRY_EVENTS, "referrer_app_id != ''", in_range])),
        (sent, all_of([may_be_exit, in_range])),
    ):
        events = ask.unmerged(bindings, wanted, one.key, from_ms=0, to_ms=to_ms)
        selects.append(names_sql(one.key, one.number, wanted, events))
    return "\nUNION ALL\n".join(selects)


async def answer(ask: Ask, query: ExchangeQuery) -> Answer:
    """Answer the exchange report. A comparison shows the same rows, where they are cut."""
    shown: Shown | None = None
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal shown, truncated
        numbers, order = await _counted(one, query, shown)
        if shown is None and len(order) > query.limit:
            cut = Shown(order[: query.limit])
            numbers, order = await _counted(one, query, cut)
            shown = cut if one is ask else None
        truncated |= OTHER in numbers
        return {
            "rows": [
                {**_named(one.app_ids, query, key), **_metrics(numbers[key], query)}
                for key in order
            ],
            "total": _metrics(numbers.get((), {}), query),
        }

    result = await with_comparison(ask, query.compare, result_of)
    return Answer(result=result, semantics=_semantics(query), truncated=truncated)


async def _shown(ask: Ask, query: ExchangeQuery, limit: int) -> Shown:
    """Return the rows that are not "other". Errors: ``invalid_request`` where the answer has none."""
    for one in dict.fromkeys((ask.asked, ask)):
        _, order = await _counted(one, query, None)
        if len(order) > limit:
            return Shown(order[:limit])
    raise InvalidRequest("$.cell.other", "this answer has no `other`: all rows are shown")


def _named(app_ids: list[str], query: ExchangeQuery, key: Key) -> Row:
    """Return what names a row. ``app_ids``: one's own."""
    is_other = key == OTHER
    named: Row = {
        "partner_app_id": None if is_other else key[0],
        "is_own": not is_other and key[0] in app_ids,
        "other": is_other,
    }
    if query.breakdown:
        elements = ("",) * len(query.breakdown) if is_other else key[1:]
        named["breakdown"] = {
            field: breakdowns.decode_element(element)
            for field, element in zip(query.breakdown, elements, strict=True)
        }
    return named


def _metrics(found: Row, query: ExchangeQuery) -> Row:
    users_in, users_out = found.get("users_in", 0), found.get("users_out", 0)
    eligible, returned = found.get("next_day_eligible", 0), found.get("next_day_returned", 0)
    converters = found.get("converters", 0)
    return {
        "launches": found.get("launches", 0),
        "entries": found.get("entries", 0),
        "users_in": users_in,
        "new_users": found.get("new_users", 0),
        "next_day_eligible": eligible,
        "next_day_returned": returned,
        "next_day_retention": returned / eligible if eligible else None,
        "conversions": found.get("conversions", 0),
        "converters": converters,
        "conversion_rate": converters / users_in if users_in else None,
        "conversion_value": found.get("conversion_value", 0.0) if query.value else None,
        "exits": found.get("exits", 0),
        "users_out": users_out,
        "users_both": found.get("users_both", 0),
        "balance": users_in - users_out,
        "users_in_per_user_out": users_in / users_out if users_out else None,
    }


def _semantics(query: ExchangeQuery) -> Row:
    return {
        "out": query.out,
        "out_field": query.out_field,
        "conversion": query.conversion,
        "value": query.value,
        "in": "app_launch and app_show events whose referrer_app_id is the partner; numbers as in the scenes report by "
        "referrer_app_id",
        "new_users": "users whose first entry event ever lies in the range, matches the filter and comes from the partner",
        "conversions": "events of `conversion` in the range whose user's last entry of the range at or before them comes "
        "from the partner",
        "exits": "events of `out` with the partner in `out_field`, as the client records them beside navigateToMiniProgram",
        "users_both": "users_in who are users_out of the same row; `other`: of one of its rows; total: of the same partner",
        "balance": "users_in minus users_out; what becomes of users_out only the partner knows",
        "limit": query.limit,
        "other": "rows beyond the limit as one, users counted once; a comparison shows the rows of the range asked for",
        "total": "each user once, whatever the partner, to return on the day after the first entry from any of them",
        "order": "by users_in plus users_out, most first",
    }


async def users(ask: Ask, query: ExchangeQuery, cell: ExchangeCell) -> UserSelect:
    """Select the users of a metric."""
    key: Key = ()
    shown = None
    if cell.other:
        if cell.partner_app_id is not None or cell.breakdown is not None:
            raise InvalidRequest("$.cell.other", "either a row or `other`")
        key, shown = OTHER, await _shown(ask, query, cell.limit)
    elif cell.partner_app_id is not None:
        elements = breakdowns.key_of_cell(cell.breakdown or {}, False, query.breakdown)
        key = (cell.partner_app_id, *(elements or ()))
    elif cell.breakdown is not None:
        raise InvalidRequest("$.cell.breakdown", "name the partner too")
    order_key: OrderKey = "seq"
    if cell.metric in _DECIDED_BY_ORDER:
        order_key = await ask.deciding(partial(_added, ask, query, shown=shown))
    bindings = ask.bindings()
    bindings.named("cell_key", packed(key), "String")
    sql = load_sql(
        "exchange.users",
        added=_added(ask, query, bindings, order_key, shown),
        bit=str(_BITS[cell.metric]),
        number=hashed("{cell_key:String}", largest=_LARGEST_KEY),
    )
    return UserSelect("exchange.users", sql, bindings)


def columns(query: ExchangeQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return list(scenes.table({"rows": [{**_named([], query, OTHER), **_metrics({}, query)}]})[0])


REPORT = Report(
    name="exchange",
    summary="Users in and out by partner program (换量)",
    params=ExchangeQuery,
    answer=answer,
    table=scenes.table,
    columns=columns,
    cell=ExchangeCell,
    users=users,
    refuses={
        "breakdown_limit": "rows are cut by `limit`: the rest of them is one row",
    },
)
