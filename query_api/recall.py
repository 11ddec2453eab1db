"""
Recall (召回): what messages brought back, against persons who were held out. Reads the imported send logs (messages.py).

A row is a campaign; its unit is the person, whatever number of messages it got:

- ``sent``: persons with a row of the campaign in the time range. A person's time is that of its earliest row, and so is its
  arm: one with rows in both stays in that of the earliest (by sent_at, app, message_id) and is counted in ``both_arms``.
- ``delivered``: treated persons with a message that was delivered; ``delivery_unknown``: those of whom no row says.
- ``opened``, ``active``, ``converted``: persons with such an event at or after their time, and at most ``window`` later, in the
  asked apps. ``filter`` looks at these events. ``conversions``: those events, ``conversion_value``: sum of ``value`` over them.
- Rates are over ``sent`` in both arms (intention to treat): who did not get the message counts too, else the arms would differ.
- ``uplift``: rate of the treated minus that of the held out, with a 95 % interval by Newcombe's method (proportions.py).
  ``relative``: the difference over the rate of the held out.

With a breakdown a person stands under one value, that of its last event at or before its time that has any of the fields (of
``filter`` or not, in all of history): known when the message went out, so the arms of a row stay comparable, and rows of a
campaign add up.

``window_ended``: persons whose window has ended by now; rates of the others may still grow.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user, proportions, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.fields import amount_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.funnel_params import MAX_WINDOW_DAYS, Window
from query_api.messages import Arm, Campaign
from query_api.params import EventSelector, FieldName, Filter, Query
from query_api.per_user import BreakdownCell
from query_api.periods import DAY_MS
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql
from query_api.sums import partial_sum_sql, sum_of_parts_sql

MAX_CAMPAIGNS = 1_000
MESSAGE_SCENES = ("1014", "1107")
"""WeChat: template message, subscription message."""
ARMS: tuple[Arm, ...] = ("treated", "hold_out")
OUTCOMES = ("opened", "active", "converted")
_AMOUNT = partial_sum_sql("amount", "is_conversion", "amount")


def _opened() -> EventSelector:
    entries = Filter(field="event", op="in", values=["app_launch", "app_show"])
    by_message = Filter(field="scene", op="in", values=list(MESSAGE_SCENES))
    return EventSelector(filter=Filter(relation="and", conditions=[entries, by_message]))


class RecallQuery(Query, kw_only=True):
    """
    Campaigns with messages sent in the range; absent ``campaigns``: all.

    ``opened``: which events mean that the message was opened, by default an entry through scene 1014 or 1107; ``active``: by
    default any event; ``converted``: by default ``order_pay``; ``value``: the number of those that is added up.
    """

    campaigns: Annotated[list[Campaign], Meta(min_length=1, max_length=MAX_CAMPAIGNS)] | None = None
    opened: EventSelector = msgspec.field(default_factory=_opened)
    active: EventSelector = msgspec.field(default_factory=EventSelector)
    converted: EventSelector = msgspec.field(
        default_factory=lambda: EventSelector(event="order_pay")
    )
    value: FieldName | None = None
    window: Window = msgspec.field(default_factory=lambda: Window(value=7))


class RecallCell(BreakdownCell, kw_only=True):
    """The persons of one number: ``metric`` of an ``arm`` of a ``campaign``, of a row of its breakdown or of all."""

    campaign: Campaign
    arm: Arm = "treated"
    metric: Literal[
        "sent",
        "delivered",
        "delivery_unknown",
        "opened",
        "active",
        "converted",
        "both_arms",
        "window_ended",
    ] = "sent"


def _persons(ask: Ask, query: RecallQuery, bindings: Bindings) -> str:
    """Return the SELECT of who was sent or held out what."""
    bindings.named("project", ask.project, "String")
    bindings.named("app_ids", ask.app_ids, "Array(String)")
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    chosen = "1"
    if query.campaigns is not None:
        chosen = f"campaign IN {bindings.add(query.campaigns, 'Array(String)')}"
    persons = load_sql(
        "recall.persons", chosen=chosen, persons=source.persons(bindings, "latest", ask.as_of)
    )
    return source.restricted(bindings, persons, "1", ask.segment)


def _outcomes(ask: Ask, query: RecallQuery, bindings: Bindings) -> str:
    """Return the SELECT of what became of each person, with its row of the breakdown: of numbers and their users."""
    window_ms = query.window.ms()
    if window_ms > MAX_WINDOW_DAYS * DAY_MS:
        raise InvalidRequest("$.window.value", f"at most {MAX_WINDOW_DAYS} days")
    amount = amount_sql(query.value, "$.value", bindings)
    bindings.named("window_ms", window_ms, "Int64")
    bindings.named("now_ms", ask.now_ms, "Int64")
    selectors = [query.opened, query.active, query.converted]
    opened, active, converted = (
        selector_sql(selector, f"$.{name}", bindings)
        for name, selector in zip(OUTCOMES, selectors, strict=True)
    )
    persons = _persons(ask, query, bindings)
    matches = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql(selectors, bindings),
    ]
    aggregates = {
        "has_opened": "max(is_opening)",
        "was_active": "max(is_activity)",
        "conversions": "countIf(is_conversion)",
        **_AMOUNT,
    }
    happened = {"opened": opened, "active": active, "converted": converted, "amount": amount}
    if query.breakdown:
        # Values are also those of events from before, of any name.
        value = load_sql(
            "recall.value",
            key=per_user.event_key(query, bindings),
            order=source.order(),
            absent=per_user.absent(query),
        )
        computed = source.listed(
            load_sql("recall.happened", matches=all_of(matches), **happened), value
        )
        where, since, from_ms = "1", "1", 0
        key = f"if(d.last_key = '', {per_user.absent(query)}, d.last_key)"
        aggregates |= {
            "last_key": "argMaxIf(value_key, value_order, is_known)",
            "last_order": "maxIf(value_order, is_known)",
        }
    else:
        computed = load_sql("recall.happened", matches="1", **happened)
        where, since, from_ms = all_of(matches), "at_ms >= one.2", ask.range.from_ms
        key = per_user.NO_KEY
    sendings = load_sql("recall.sendings", persons=persons)
    collected = by_actor.collected(
        ask,
        bindings,
        where,
        computed=computed,
        aggregates=aggregates,
        together={"last_key": "argMax(part.last_key, part.last_order)"} if query.breakdown else {},
        having="1",
        keys=("campaign",),
        beside=source.Beside(
            source.beside_ids(
                bindings, sendings, ["sendings"], "sent", as_of=ask.as_of, kind="SEMI"
            ),
            load_sql("recall.sending", since=since),
        ),
        from_ms=from_ms,
        to_ms=ask.range.to_ms + window_ms + 1,
    )
    return load_sql(
        "recall.outcomes",
        persons=persons,
        collected=collected,
        key=key,
        amounts=source.named({name: f"d.{name}" for name in _AMOUNT}),
    )


async def answer(ask: Ask, query: RecallQuery) -> Answer:
    """Answer the recall report."""
    top: list[Key] | None = None
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal top, truncated
        found = await _counted(one, query, top)
        top = per_user.keys_of(found)
        result, cut = _result(query, found)
        truncated |= cut
        return result

    result = await with_comparison(ask, query.compare, result_of)
    _warn(ask, result["rows"])
    return Answer(result=result, semantics=_semantics(query), truncated=truncated)


async def _counted(ask: Ask, query: RecallQuery, top: list[Key] | None) -> list[Row]:
    bindings = ask.bindings()
    outcomes = per_user.shown(query, _outcomes(ask, query, bindings), top, bindings)
    keys = query.breakdown_limit + 1 if query.breakdown else 1
    bindings.named("max_rows", 2 * (MAX_CAMPAIGNS + 1) * keys, "UInt32")
    value = sum_of_parts_sql("amount")
    return await ask.fetch("recall.counts", bindings, outcomes=outcomes, conversion_value=value)


def _result(query: RecallQuery, found: list[Row]) -> tuple[Row, bool]:
    """Return the rows of a range, and whether campaigns were cut."""
    campaigns: dict[str, dict[Key, dict[str, Row]]] = {}
    for row in found:
        of_key = campaigns.setdefault(row["campaign"], {})
        of_key.setdefault(breakdowns.unpack(row["key"]), {})[row["arm"]] = row
    rows = []
    for campaign, of_key in list(campaigns.items())[:MAX_CAMPAIGNS]:
        sizes = {key: sum(arm["sent"] for arm in arms.values()) for key, arms in of_key.items()}
        for key in per_user.ordered(sizes):
            treated, hold_out = (_arm(of_key[key].get(arm, {}), query) for arm in ARMS)
            uplift = {name: _uplift(treated, hold_out, name) for name in OUTCOMES}
            rows.append(
                {
                    "campaign": campaign,
                    **per_user.described(key, query),
                    "treated": treated,
                    "hold_out": hold_out,
                    "uplift": uplift,
                }
            )
    return {"rows": rows}, len(campaigns) > MAX_CAMPAIGNS


def _warn(ask: Ask, rows: list[Row]) -> None:
    open_windows = {
        row["campaign"]
        for row in rows
        if any(row[arm]["window_ended"] < row[arm]["sent"] for arm in ARMS)
    }
    if open_windows:
        ask.warn(
            "window_not_ended",
            f"the window of some persons has not ended yet in {len(open_windows)} campaigns: their rates may still grow",
        )
    mixed = sum(row[arm]["both_arms"] for row in rows for arm in ARMS)
    if mixed:
        ask.warn(
            "both_arms",
            f"{mixed} persons stand in both arms of a campaign and count in that of their earliest row",
        )


def _arm(row: Row, query: RecallQuery) -> Row:
    sent = row.get("sent", 0)
    counts = ("delivered", "delivery_unknown", *OUTCOMES)
    counted = {name: row.get(name, 0) for name in counts}
    rated = ("delivered", *OUTCOMES)
    return {
        "sent": sent,
        "messages": row.get("messages", 0),
        **counted,
        **{f"{name}_rate": counted[name] / sent if sent else None for name in rated},
        "conversions": row.get("conversions", 0),
        "conversion_value": row.get("conversion_value", 0.0) if query.value else None,
        "both_arms": row.get("both_arms", 0),
        "window_ended": row.get("window_ended", 0),
    }


def _uplift(treated: Row, hold_out: Row, name: str) -> Row:
    uplift: Row = {
        "treated": treated[name],
        "treated_of": treated["sent"],
        "hold_out": hold_out[name],
        "hold_out_of": hold_out["sent"],
        "difference": None,
        "low": None,
        "high": None,
        "relative": None,
    }
    if treated["sent"] and hold_out["sent"]:
        found = proportions.newcombe(
            treated[name], treated["sent"], hold_out[name], hold_out["sent"]
        )
        uplift |= {"difference": found.estimate, "low": found.low, "high": found.high}
        if hold_out[name]:
            uplift["relative"] = found.estimate / (hold_out[name] / hold_out["sent"])
    return uplift


def _semantics(query: RecallQuery) -> Row:
    return {
        "campaigns": query.campaigns,
        "opened": query.opened,
        "active": query.active,
        "converted": query.converted,
        "value": query.value,
        "window": query.window,
        "sent": "persons with a row of the campaign sent in the range, at the time and in the arm of their earliest row",
        "both_arms": "persons with rows in both arms; they count in that of the earliest (by sent_at, app_id, message_id)",
        "delivered": "treated persons with a delivered message; delivery_unknown: those of whom no row says whether",
        "outcomes": "opened, active, converted: persons with such an event at or after their time, at most `window` later; "
        "filter looks at these events",
        "rates": "over sent, in both arms (intention to treat)",
        "uplift": "rate of treated minus rate of hold_out; null where an arm is empty",
        "interval": "95 %, Newcombe's hybrid score interval (1998, method 10) from Wilson intervals",
        "relative": "the difference over the rate of hold_out",
        "window_ended": "persons whose window has ended by now",
        "breakdown_value": "of the person's last event at or before its time that has any of the fields, in all of history",
        "breakdown_order": "by persons in the range, most first; the rest is `other`",
        "order": "by the latest sent_at, newest first",
    }


async def users(ask: Ask, query: RecallQuery, cell: RecallCell) -> UserSelect:
    """Select the persons of a number."""
    top = await per_user.top_of(ask, query, _outcomes) if cell.other else None
    per_user.check_other(cell, top)
    bindings = ask.bindings()
    outcomes = per_user.with_other(_outcomes(ask, query, bindings), top, bindings)
    in_key = per_user.in_key(cell, query, bindings)
    bindings.named("cell_campaign", cell.campaign, "String")
    bindings.named("cell_arm", cell.arm, "String")
    metric = "1" if cell.metric == "sent" else cell.metric
    sql = load_sql("recall.users", outcomes=outcomes, in_key=in_key, metric=metric)
    return UserSelect("recall.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: a row for each campaign, value and arm; the uplift's numbers beside both."""
    rows: list[Row] = []
    for head, row in per_user.heads(result["rows"]):
        uplift: dict[str, Any] = {
            f"{name}_{part}": row["uplift"][name][part]
            for name in OUTCOMES
            for part in ("difference", "low", "high")
        }
        rows += [
            {"campaign": row["campaign"], **head, "arm": arm, **row[arm], **uplift} for arm in ARMS
        ]
    return rows


def columns(query: RecallQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    arm = _arm({}, query)
    nothing: Row = {
        "campaign": None,
        **per_user.described(OTHER, query),
        **dict.fromkeys(ARMS, arm),
        "uplift": {name: _uplift(arm, arm, name) for name in OUTCOMES},
    }
    return list(table({"rows": [nothing]})[0])


REPORT = Report(
    name="recall",
    summary="Messages that call users back, against those held out (召回)",
    params=RecallQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=RecallCell,
    users=users,
    refuses={
        "identity": "send logs hold persons of identity latest",
    },
)
