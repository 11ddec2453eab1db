"""
Promoters (分销员): who is bound to whom, and whose registrations and orders are due to which promoter, with a trail per order.

A **touch** tells a user's promoter: with ``by: field`` an event of ``touch`` whose ``promoter_field`` is a text (a code in a
link or a QR code), not empty and not one of the event's own ids; with ``by: sharer`` an app_launch or app_show with the
share_id of a known card, whose sharer (the first share event's user) is the promoter, never oneself.

**Binding rule**: ``first``: a touch binds, and those that follow change nothing while it holds; ``last``: every touch binds
anew. A binding holds ``days`` times 24 hours from its touch, the end included; without ``days`` for ever. Touches of all of
history count.

A registration or order of the time range is due to the binding that holds then: of the user's touches at or before it, by
(occurred_at, seq, event_id). Without one it stands in the row with ``promoter`` null, so that every column adds up. ``base``
is the sum of ``commission_base`` of the orders, by default their amount: what a commission is computed from. The request's
``filter`` chooses registrations and orders.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api import by_actor, source
from query_api.bindings import Bindings
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.fields import amount_sql, field_sql
from query_api.filters import all_of, filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.periods import DAY_MS, rfc3339
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.share_sql import ENTRY, EVER_MS
from query_api.sql import load_sql

MAX_ROWS = 10_000
EVERY_PROMOTER = "*"
PromoterId = Annotated[str, Meta(max_length=1_024)]


class BindingRule(Params, kw_only=True):
    """Which touch binds, and for how many days; ``days`` absent: for ever."""

    rule: Literal["first", "last"] = "first"
    days: Annotated[int, Meta(ge=1, le=3_660)] | None = None


class PromotersQuery(Query, kw_only=True):
    """
    Registrations, orders and commission base per promoter.

    ``trail``: the orders of this promoter (of all: ``"*"``), each with the touch that it is due to; at most ``trail_limit``.
    """

    by: Literal["field", "sharer"] = "field"
    touch: EventSelector = msgspec.field(default_factory=EventSelector)
    promoter_field: FieldName = "properties.promoter_id"
    binding: BindingRule = msgspec.field(default_factory=BindingRule)
    registration: EventSelector = msgspec.field(
        default_factory=lambda: EventSelector(event="register")
    )
    order: EventSelector = msgspec.field(default_factory=lambda: EventSelector(event="order_pay"))
    amount: FieldName = "properties.amount"
    commission_base: FieldName | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100
    trail: PromoterId | None = None
    trail_limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100


class PromotersCell(Params, kw_only=True):
    """
    The users behind a number: ``promoter`` of the row (absent: the row without one; ``"*"``: all promoters), and the column.

    ``promoters``: those that ``promoters_total`` counts, of all rows; they are users only with ``by: sharer``.
    """

    promoter: PromoterId = ""
    metric: Literal["bound_users", "registered_users", "buyers", "promoters"] = "buyers"


_NUMBERS = (
    "bound_users",
    "registrations",
    "registered_users",
    "orders",
    "buyers",
    "amount",
    "base",
)
_NONE: Row = {"promoter": "", **dict.fromkeys(_NUMBERS, 0)}
"""Of a row without anything in it."""
_OF_ORDER = ("user", "event_id", "app_id", "at", "amount", "base", "touch")
"""What a trail says of an order, beside its promoter."""
_KINDS = {"bound_users": 1, "registered_users": 2, "buyers": 3}


def _binding_touches(query: PromotersQuery) -> str:
    """Return the aggregate of the touches that may bind: where the first binds for ever, that alone."""
    is_first_alone = query.binding.rule == "first" and query.binding.days is None
    return load_sql("promoters.first_touch" if is_first_alone else "promoters.all_touches")


def _touches(ask: Ask, query: PromotersQuery, bindings: Bindings) -> str:
    until = "occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
    if query.by == "sharer":
        entry = f"{ENTRY} AND share_id != '' AND {until}"
        share = "event = 'share' AND properties_text['share_id'] != ''"
        made = "properties_text['share_id'] AS made_share_id"
        return load_sql(
            "promoters.touches_sharer",
            found=_binding_touches(query),
            order=source.order(),
            entries=ask.source(bindings, entry, from_ms=0, to_ms=EVER_MS),
            shares=ask.computed(bindings, share, made, from_ms=0, to_ms=EVER_MS),
        )
    read = field_sql(query.promoter_field, "$.promoter_field", bindings)
    if read.text is None or query.promoter_field.startswith("user."):
        raise InvalidRequest("$.promoter_field", "a text of the event")
    touch = selector_sql(query.touch, "$.touch", bindings)
    is_of_another = load_sql("promoters.is_of_another", promoter=read.text)
    return by_actor.collected(
        ask,
        bindings,
        all_of([touch, read.has_text, is_of_another, until]),
        computed=load_sql("promoters.touches_field", order=source.order(), promoter=read.text),
        aggregates={"found": _binding_touches(query)},
        together={"found": "groupArrayArray(part.found)"},
        having="1",
        pays_alone=False,
        from_ms=0,
        to_ms=EVER_MS,
    )


def _facts(ask: Ask, query: PromotersQuery, bindings: Bindings) -> str:
    """Return the SELECT that rows, trails and lists of users come from."""
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    days = query.binding.days
    bindings.named("window_ms", EVER_MS if days is None else days * DAY_MS, "Int64")
    registration = selector_sql(query.registration, "$.registration", bindings)
    order = selector_sql(query.order, "$.order", bindings)
    amount = amount_sql(query.amount, "$.amount", bindings)
    base = amount
    if query.commission_base is not None:
        base = amount_sql(query.commission_base, "$.commission_base", bindings)
    in_range = (
        "occurred_at >= fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC') "
        "AND occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
    )
    where = [
        filter_sql(query.filter, "$.filter", bindings),
        f"(({registration}) OR ({order}))",
        in_range,
    ]
    acts = by_actor.collected(
        ask,
        bindings,
        all_of(where),
        computed=load_sql(
            "promoters.numbers",
            order_of_event=source.order(),
            registration=registration,
            order=order,
            amount=amount,
            base=base,
        ),
        aggregates={
            "acted": "groupArray((is_registration, is_order, act_order, toString(app_id), act_amount, act_base))"
        },
        having="1",
        pays_alone=False,
        from_ms=0,
        to_ms=EVER_MS,
    )
    bound = load_sql(
        "promoters.bound",
        acts=acts,
        touches=_touches(ask, query, bindings),
        kept=load_sql(f"promoters.kept_{query.binding.rule}"),
    )
    return load_sql("promoters.facts", bound=bound)


async def answer(ask: Ask, query: PromotersQuery) -> Answer:
    """Answer the promoters report."""
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal truncated
        result, cut = await _result(one, query)
        truncated |= cut
        return result

    return Answer(
        result=await with_comparison(ask, query.compare, result_of),
        semantics=_semantics(query),
        truncated=truncated,
    )


async def _result(ask: Ask, query: PromotersQuery) -> tuple[Row, bool]:
    """Return the numbers of a range, and whether a list was cut."""
    bindings = ask.bindings()
    facts = _facts(ask, query, bindings)
    rows = await ask.fetch("promoters.counts", bindings, facts=facts)
    of_one = [row for row in rows if not row["all_promoters"]]
    named = [row for row in of_one if row["promoter"]]
    result: Row = {
        "promoters": [_shown(row) for row in named[: query.limit]],
        "direct": _shown(next((row for row in of_one if not row["promoter"]), _NONE)),
        "promoters_total": len(named),
        "due": _shown(next((row for row in rows if row["all_promoters"]), _NONE)),
    }
    truncated = len(named) > query.limit
    if query.trail is not None:
        bindings = ask.bindings()
        facts = _facts(ask, query, bindings)
        bindings.named("trail", query.trail, "String")
        bindings.named("trail_limit", query.trail_limit + 1, "UInt32")
        found = await ask.fetch("promoters.trail", bindings, facts=facts)
        truncated |= len(found) > query.trail_limit
        result["trail"] = [_order(ask, row) for row in found[: query.trail_limit]]
    return result, truncated


def _shown(row: Row) -> Row:
    return {"promoter": row["promoter"] or None, **{name: row[name] for name in _NUMBERS}}


def _order(ask: Ask, row: Row) -> Row:
    touch = None
    if row["promoter"]:
        touch = {
            "event_id": row["touch_id"],
            "app_id": row["touch_app_id"],
            "at": rfc3339(row["touched_ms"], ask.zone),
        }
    return {
        "promoter": row["promoter"] or None,
        "user": str(row["user"]),
        "event_id": row["event_id"],
        "app_id": row["app_id"],
        "at": rfc3339(row["at_ms"], ask.zone),
        "amount": row["amount"],
        "base": row["base"],
        "touch": touch,
    }


def _semantics(query: PromotersQuery) -> Row:
    return {
        "by": query.by,
        "touch": msgspec.to_builtins(query.touch)
        if query.by == "field"
        else "app_launch or app_show with a card's share_id",
        "promoter_field": query.promoter_field,
        "limit": query.limit,
        "trail": query.trail,
        "trail_limit": query.trail_limit,
        "promoter": query.promoter_field
        if query.by == "field"
        else "the `user` whose share event made the card first",
        "own": "a touch with one's own id or card binds nobody",
        "binding": msgspec.to_builtins(query.binding),
        "rule": {
            "first": "the first touch binds; touches while it holds change nothing",
            "last": "every touch binds anew",
        }[query.binding.rule],
        "holds": "for ever"
        if query.binding.days is None
        else f"{query.binding.days} × 24 hours from the touch, included",
        "registration": msgspec.to_builtins(query.registration),
        "order": msgspec.to_builtins(query.order),
        "amount": query.amount,
        "commission_base": query.commission_base or query.amount,
        "bound_users": "users with a binding that began in the time range",
        "due": "to the binding that holds at the event: of all promoters together in `due`, `direct` has what is due to none",
    }


async def users(ask: Ask, query: PromotersQuery, cell: PromotersCell) -> UserSelect:
    """Select the users of a cell."""
    bindings = ask.bindings()
    facts = _facts(ask, query, bindings)
    if cell.metric == "promoters":
        if query.by != "sharer":
            raise InvalidRequest("$.cell.metric", "promoters are users only with `by` sharer")
        if cell.promoter:
            raise InvalidRequest("$.cell.promoter", "not with the metric promoters: it has all")
        name = "promoters.sharers"
    else:
        bindings.named("cell_kind", _KINDS[cell.metric], "UInt8")
        bindings.named("cell_promoter", cell.promoter, "String")
        bindings.named("is_any_promoter", cell.promoter == EVERY_PROMOTER, "Bool")
        name = "promoters.users"
    return UserSelect(name, load_sql(name, facts=facts), bindings)


def table(result: Row) -> list[Row]:
    """Flatten: the trail where it was asked for, else one row for each promoter and the direct one."""
    if "trail" in result:
        rows: list[Row] = result["trail"]
        return rows
    has_direct = any(result["direct"][name] for name in _NUMBERS)
    return [*result["promoters"], *([result["direct"]] if has_direct else [])]


def columns(query: PromotersQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return ["promoter", *(_NUMBERS if query.trail is None else _OF_ORDER)]


REPORT: Any = Report(
    name="promoters",
    summary="Registrations, orders and commission base per promoter, with a trail (分销员)",
    params=PromotersQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=PromotersCell,
    users=users,
    refuses={
        "breakdown": "this report has none: its rows are promoters",
    },
)
