"""
The SQL of a funnel, put together from ``sql/funnel.*.sql``. Pure; what each part computes and why: DESIGN-funnel.md.

An event becomes one number: its place in the user's order and a mask of what it matches. ``ORDER_KEYS`` lists three
such numbers, cheap to dear; the dearer ones are needed only where the cheap one leaves an order open.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from query_api.breakdowns import key_sql
from query_api.filters import Bindings, event_names_sql, filter_sql, selector_sql
from query_api.funnel_params import FunnelParams
from query_api.report import Ask
from query_api.sql import load_sql

FIRST_EXCLUSION_BIT = 20
BOUNDARY_BIT = 51
MASK_BITS = 52
_MASK = (1 << MASK_BITS) - 1
BOUNDARY = 1 << BOUNDARY_BIT

OrderKey = Literal["seq", "id_prefix", "event_id"]


class _KeySql(Struct, frozen=True):
    """How an event's order and mask become one value ``key``, and are read from it."""

    key: str
    at: str
    mask: str
    order: str


_AT = "toUnixTimestamp64Milli(occurred_at)"
ORDER_KEYS: dict[OrderKey, _KeySql] = {
    # 44 bits of time, 32 of seq, 52 of mask.
    "seq": _KeySql(
        key=f"bitShiftLeft(toUInt128({_AT}), 84) + bitShiftLeft(toUInt128(seq), 52) + mask",
        at="toInt64(bitShiftRight(k, 84))",
        mask=f"toUInt64(bitAnd(k, {_MASK}))",
        order="bitShiftRight({}, 52)",
    ),
    # The same with the first 16 bytes of event_id between seq and mask: 256 bits.
    "id_prefix": _KeySql(
        key=f"bitShiftLeft(toUInt256({_AT}), 212) + bitShiftLeft(toUInt256(seq), 180) + bitShiftLeft(toUInt256("
        "reinterpretAsUInt128(reverse(toFixedString(substring(event_id, 1, 16), 16)))), 52) + mask",
        at="toInt64(bitShiftRight(k, 212))",
        mask=f"toUInt64(bitAnd(k, {_MASK}))",
        order="bitShiftRight({}, 52)",
    ),
    # Everything; equal ids of two apps by app_id, equal apps cannot be.
    "event_id": _KeySql(
        key=f"({_AT}, seq, event_id, toString(app_id), mask)",
        at="k.1",
        mask="k.5",
        order="({0}.1, {0}.2, {0}.3, {0}.4)",
    ),
}


def mask_sql(params: FunnelParams, bindings: Bindings) -> str:
    """
    Return what an event matches as bits: step i as bit i - 1, exclusion j (from 0) as bit 20 + j.

    Bit 0 also says that the event may begin a chain: it lies in the time range. Not so in order "any", where the
    earliest event of a set may match any step.
    """
    terms = []
    for i, step in enumerate(params.steps):
        matched = [
            selector_sql(selector, step.path_of(i, j), bindings)
            for j, selector in enumerate(step.selectors())
        ]
        condition = f"({' OR '.join(matched)})"
        if i == 0 and params.order != "any":
            condition = f"({condition} AND {_AT} < {{entry_to_ms:Int64}})"
        terms.append(f"bitShiftLeft(toUInt64({condition}), {i})")
    for j, exclusion in enumerate(params.exclusions):
        condition = selector_sql(exclusion.selector(), f"$.exclusions[{j}]", bindings)
        terms.append(f"bitShiftLeft(toUInt64({condition}), {FIRST_EXCLUSION_BIT + j})")
    return "\n+ ".join(terms)


def source_sql(ask: Ask, params: FunnelParams, bindings: Bindings) -> str:
    """Return the events that matter: those of the names asked for, or in order "strict" all, up to range and window."""
    selectors = [selector for step in params.steps for selector in step.selectors()]
    selectors += [exclusion.selector() for exclusion in params.exclusions]
    names = "1" if params.order == "strict" else event_names_sql(selectors, bindings)
    condition = filter_sql(params.filter, "$.filter", bindings)
    return ask.source(
        bindings, f"({names}) AND {condition}", to_ms=ask.range.to_ms + params.window.ms()
    )


def user_events_sql(ask: Ask, params: FunnelParams, bindings: Bindings, order_key: OrderKey) -> str:
    """Return each user's events in order, and whether ``order_key`` decides it."""
    read = ORDER_KEYS[order_key]
    steps = (1 << len(params.steps)) - 1
    mask = mask_sql(params, bindings)
    grouped = ""
    in_order = ""
    if params.hold_constant:
        hold = key_sql(params.hold_constant, bindings, "$.hold_constant")
        # An event that lacks a held property is in no chain.
        mask = f"if(has({hold}, ''), bitAnd({mask}, {_MASK - steps}), {mask})"
        grouped += (
            f",\ngroupArray(reinterpretAsUInt128(sipHash128Reference({hold}))) AS unsorted_holds"
        )
        in_order += ",\narraySort((hold, k) -> k, unsorted_holds, unsorted_keys) AS holds"
    if params.breakdown:
        key = key_sql(params.breakdown, bindings)
        # Plain texts are collected faster than arrays of one text.
        value = f"({key})[1]" if len(params.breakdown) == 1 else key
        attributable = _attributable_sql(params)
        grouped += f",\ngroupArrayIf({read.key}, {attributable}) AS value_keys"
        grouped += f",\ngroupArrayIf({value}, {attributable}) AS breakdown_values"
        in_order += ",\nvalue_keys,\nbreakdown_values"
    bindings.named("entry_to_ms", ask.range.to_ms, "Int64")
    tied = "0"
    if order_key != "event_id":
        tied = f"{read.order.format('k')} = {read.order.format('previous')}"
        if not (params.hold_constant or params.breakdown):
            # Events that match the same steps at the same time can change places.
            tied += " AND k != previous"
    return load_sql(
        "funnel.user_events",
        source=source_sql(ask, params, bindings),
        mask=mask,
        wanted="1" if params.order == "strict" else "mask != 0",
        entered="1" if params.order == "any" else "bitTest(groupBitOr(mask), 0)",
        key=read.key,
        key_at=read.at,
        key_mask=read.mask,
        tied=tied,
        grouped=grouped,
        sorted=in_order,
    )


def _attributable_sql(params: FunnelParams) -> str:
    """Return which events can be the one whose values a breakdown takes."""
    if params.order == "any" or params.breakdown_attribution == "last":
        return f"bitAnd(mask, {(1 << len(params.steps)) - 1}) != 0"
    step = 1 if params.breakdown_attribution == "first" else params.breakdown_attribution
    return f"bitTest(mask, {step - 1})"


def chains_sql(params: FunnelParams, bindings: Bindings, user_events: str) -> str:
    """Return each user's level and chain. Picks the cheapest of the files that is right for the request."""
    bindings.named("steps", len(params.steps), "UInt8")
    bindings.named("window_ms", params.window.ms(), "Int64")
    if params.order == "ordered" and not params.exclusions and not params.hold_constant:
        return load_sql("funnel.chains_ordered", user_events=user_events)
    if params.hold_constant:
        bits = [FIRST_EXCLUSION_BIT + j for j in range(len(params.exclusions))]
        bindings.named("exclusion_bits", bits, "Array(UInt8)")
        bindings.named("boundary", BOUNDARY, "UInt64")
        bindings.named("strict", params.order == "strict", "Bool")
        user_events = load_sql("funnel.gaps_held", user_events=user_events)
    else:
        user_events = load_sql("funnel.gaps_none", user_events=user_events)
    if params.order == "any":
        bindings.named("boundary", BOUNDARY, "UInt64")
        name = "funnel.chains_any_matched" if params.steps_overlap() else "funnel.chains_any"
        return load_sql(name, user_events=user_events)
    bindings.named("strict", params.order == "strict", "Bool")
    phases = phases_of(params)
    bindings.named("caps", [phase.cap for phase in phases], "Array(UInt8)")
    bindings.named("carries", [phase.carry for phase in phases], "Array(Array(UInt64))")
    bindings.named("owns", [phase.own for phase in phases], "Array(Array(UInt64))")
    return load_sql("funnel.chains_restricted", user_events=user_events)


class Phase(Struct, frozen=True):
    """
    Which exclusions break chains of up to ``cap`` events.

    ``carry[i]``: bits that break a chain of i events when they occur after its last one, i from 0. ``own[i - 1]``: bits
    that e_i itself must not have.
    """

    cap: int
    carry: list[int]
    own: list[int]


def phases_of(params: FunnelParams) -> list[Phase]:
    """
    Return the phases by rising cap.

    An exclusion bears only on chains that hold both its steps. One between neighbours can be applied always: it breaks
    nothing before the later step. One that spans further starts a phase of its own at its later step.
    """
    count = len(params.steps)
    spans = [
        (exclusion.from_step, exclusion.to_step, 1 << (FIRST_EXCLUSION_BIT + j))
        for j, exclusion in enumerate(params.exclusions)
    ]
    wide = sorted({to for from_, to, _ in spans if to - from_ > 1})
    phases = []
    for cap in [*(to - 1 for to in wide), count]:
        active = [(from_, to, bit) for from_, to, bit in spans if to - from_ == 1 or to <= cap]
        carry = [
            BOUNDARY | sum(bit for from_, to, bit in active if from_ <= i < to)
            for i in range(count + 1)
        ]
        own = [sum(bit for from_, to, bit in active if from_ < i < to) for i in range(1, count + 1)]
        phases.append(Phase(cap, carry, own))
    return phases


def users_sql(
    ask: Ask,
    params: FunnelParams,
    bindings: Bindings,
    order_key: OrderKey,
    period_starts_ms: list[int],
) -> str:
    """Return one row for each user who entered: level, times, breakdown key, entry period."""
    user_events = user_events_sql(ask, params, bindings, order_key)
    bindings.named("period_starts_ms", period_starts_ms, "Array(Int64)")
    return load_sql(
        "funnel.attributed",
        chains=chains_sql(params, bindings, user_events),
        breakdown=_attributed_sql(params),
    )


def _attributed_sql(params: FunnelParams) -> str:
    """Return the breakdown key of the chain's event that the request names, found by the event's order key."""
    if not params.breakdown:
        return "emptyArrayString()"
    attribution = params.breakdown_attribution
    place = {"first": "1", "last": "-1"}.get(str(attribution), str(attribution))
    in_order = params.order == "ordered" and not params.exclusions and not params.hold_constant
    position = f"chain[{place}]" if in_order else f"ranks[chain[{place}]]"
    value = f"breakdown_values[indexOf(value_keys, keys[{position}])]"
    if len(params.breakdown) == 1:
        value = f"[{value}]"
    reached = f"level >= {1 if isinstance(attribution, str) else attribution}"
    return f"if({reached}, {value}, {[''] * len(params.breakdown)})"
