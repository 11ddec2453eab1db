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

from query_api import breakdowns, scenes, source
from query_api.bindings import Bindings
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.fields import field_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.order_keys import OrderKey, decided
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.scene_rows import OTHER, Key, Shown, folded_sql, key_sql, packed, unpacked
from query_api.scenes import ScenesQuery
from query_api.sql import load_sql

MAX_ROWS = 10_000
OUT_EVENT = "navigate_to_mini_program"
OUT_FIELD = "properties.target_app_id"
_HAS_PARTNER = "referrer_app_id != ''"
_ANY_PARTNER = "key != '' AND NOT startsWith(key, '0:')"
"""Of packed keys: those whose first text, the partner, is not empty."""


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


def _entries(query: ExchangeQuery) -> ScenesQuery:
    """Return the question of the scenes report that the numbers of those who come are taken from."""
    common = {name: getattr(query, name) for name in Query.__struct_fields__}
    return ScenesQuery(
        **common, by="referrer_app_id", conversion=query.conversion, value=query.value
    )


class _Exits(Struct, frozen=True):
    """
    The events that send a user out, and what they are counted by: SQL over their columns.

    ``partner``, ``row``: packed keys, of the partner alone and of the row that it has when all are shown.
    """

    source: str
    partner: str
    row: str


def _exits(ask: Ask, query: ExchangeQuery, bindings: Bindings) -> _Exits:
    read = field_sql(query.out_field, "$.out_field", bindings)
    if read.text is None:
        raise InvalidRequest("$.out_field", "this field is never a text")
    where = [
        event_names_sql([query.out], bindings),
        selector_sql(query.out, "$.out", bindings),
        filter_sql(query.filter, "$.filter", bindings),
        f"{read.has_text} AND {read.text} != ''",
    ]
    text = f"toString({read.text})"
    elements = breakdowns.elements_sql(query.breakdown, bindings)
    columns, keys = source.of_maps(
        {
            "partner": breakdowns.pack_elements_sql([text]),
            "partner_row": breakdowns.pack_elements_sql([text, *elements]),
        }
    )
    return _Exits(
        source=ask.computed(bindings, all_of(where), columns),
        partner=keys["partner"],
        row=keys["partner_row"],
    )


def _out(ask: Ask, query: ExchangeQuery, bindings: Bindings, shown: Shown | None = None) -> str:
    """Return the SELECT of (user, key, exits) that both the numbers and their users come from."""
    exits = _exits(ask, query, bindings)
    return load_sql("exchange.out", key=folded_sql(exits.row, shown, bindings), source=exits.source)


def _came(
    ask: Ask, query: ExchangeQuery, bindings: Bindings, order_key: OrderKey, shown: Shown | None
) -> str:
    """Return the SELECT of what each user adds to each row as one who came, and to the total of all partners."""
    return scenes.user_metrics(ask, _entries(query), bindings, order_key, shown, _HAS_PARTNER)


async def _in(ask: Ask, query: ExchangeQuery, shown: Shown | None) -> dict[Key, Row]:
    """Return launches, entries, users, new users and conversions by key; ``()``: the total."""
    found = _Numbers()

    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        metrics = _came(ask, query, bindings, order_key, shown)
        return await ask.fetch("exchange.in_counts", bindings, user_metrics=metrics)

    rows, _ = await decided(ask_with)
    for row in rows:
        found.of(row).update(row)
    bindings = ask.bindings()
    converted = scenes.conversions(ask, _entries(query), query.conversion, bindings, shown)
    for row in await ask.fetch("exchange.conversion_counts", bindings, conversions=converted):
        found.of(row).update(row)
    return found.rows


class _Numbers:
    """Numbers of rows by key."""

    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}

    def of(self, row: Row) -> Row:
        """Return the numbers of the row that a row of SQL belongs to."""
        return self.rows.setdefault(unpacked(row["key"]), {})


async def _counted(
    ask: Ask, query: ExchangeQuery, shown: Shown | None
) -> tuple[dict[Key, Row], list[Key]]:
    """
    Return the numbers of every row by its key, ``()`` the total, and the keys in the order of the rows.

    ``shown``: these alone, and the rest as "other".
    """
    numbers = _Numbers()
    numbers.rows = await _in(ask, query, shown)
    bindings = ask.bindings()
    out = _out(ask, query, bindings, shown)
    for row in await ask.fetch("exchange.out_counts", bindings, out=out):
        numbers.of(row).update(exits=row["exits"], users_out=row["users_out"])
    bindings = ask.bindings()
    both = _both(ask, query, bindings, shown)
    for row in await ask.fetch("exchange.both_counts", bindings, both=both):
        numbers.of(row).update(users_both=row["users_both"])

    def place(key: Key) -> tuple[bool, int, Key]:
        found = numbers.rows[key]
        return key == OTHER, -found.get("users_in", 0) - found.get("users_out", 0), key

    return numbers.rows, sorted((key for key in numbers.rows if key), key=place)


async def answer(ask: Ask, query: ExchangeQuery) -> Answer:
    """Answer the exchange report. A comparison shows the same rows, where they are cut."""
    shown: Shown | None = None
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal shown, truncated
        numbers, order = await _counted(one, query, shown)
        if shown is None and len(order) > query.limit:
            cut = Shown(order[: query.limit], keeps_unnamed=True)
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
            return Shown(order[:limit], keeps_unnamed=True)
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


def _both(ask: Ask, query: ExchangeQuery, bindings: Bindings, shown: Shown | None = None) -> str:
    """Return the SELECT of (user, key) of those who came and were sent; who came are the ``users`` of the scenes report."""
    matches = filter_sql(query.filter, "$.filter", bindings)
    row = key_sql("referrer_app_id", query.breakdown, bindings)
    exits = _exits(ask, query, bindings)
    return load_sql(
        "exchange.both",
        key=folded_sql("row", shown, bindings),
        row=row,
        partner=key_sql("referrer_app_id", [], bindings),
        entries=ask.source(bindings, f"{scenes.ENTRY_EVENTS} AND {_HAS_PARTNER} AND ({matches})"),
        out_row=exits.row,
        out_partner=exits.partner,
        out=exits.source,
    )


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
    bindings = ask.bindings()
    in_cell = "key = {cell_key:String}"
    if cell.metric in ("converters", "users_out"):
        if key == ():
            in_cell = _ANY_PARTNER
        rows = (
            _out(ask, query, bindings, shown)
            if cell.metric == "users_out"
            else scenes.conversions(ask, _entries(query), query.conversion, bindings, shown)
        )
    elif cell.metric == "users_both":
        rows = _both(ask, query, bindings, shown)
    else:
        order_key = await ask.deciding(partial(_came, ask, query, shown=shown))
        metrics = _came(ask, query, bindings, order_key, shown)
        metric = cell.metric.removesuffix("_in")
        rows = load_sql("exchange.metric_users", user_metrics=metrics, metric=metric)
    bindings.named("cell_key", packed(key), "String")
    sql = load_sql("exchange.users", rows=rows, in_cell=in_cell)
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
