"""
The SQL of a funnel, put together from ``sql/funnel.*.sql``. Pure; what each part computes and why: DESIGN-funnel.md.

An event becomes one number (order_keys.py): its place in the user's order and a mask of what it matches.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Literal

from msgspec import Struct

from query_api import by_actor, source
from query_api.bindings import Bindings
from query_api.breakdowns import apart, key_sql
from query_api.errors import InvalidRequest
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.funnel_params import FunnelParams
from query_api.order_keys import AT, MAX_PAYLOAD, ORDER_KEYS, OrderKey, hashed, names_sql
from query_api.periods import DAY_MS, Range, local_day, periods_of, start_of_day_ms
from query_api.report import Ask
from query_api.sql import load_sql

FIRST_EXCLUSION_BIT = 20
BOUNDARY_BIT = 51
BOUNDARY = 1 << BOUNDARY_BIT

KeyOf = Literal["breakdown", "next_event"]
"""What stands in a user's ``breakdown_key``: the values of the request's breakdown, or a number of the next event."""
Span = tuple[int, int, int]
"""An exclusion: from step, to step, its bit alone."""


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
            condition = f"({condition} AND {AT} < {{entry_to_ms:Int64}})"
            if params.ties == "any_of_day":
                # Then the events before the range, of its first day, are there as well.
                condition = f"({condition} AND {AT} >= {{entry_from_ms:Int64}})"
        terms.append(f"bitShiftLeft(toUInt64({condition}), {i})")
    for j, exclusion in enumerate(params.exclusions):
        condition = selector_sql(exclusion.selector(), f"$.exclusions[{j}]", bindings)
        terms.append(f"bitShiftLeft(toUInt64({condition}), {FIRST_EXCLUSION_BIT + j})")
    return "\n+ ".join(terms)


def _where_sql(params: FunnelParams, bindings: Bindings, *, every_event: bool) -> str:
    """Return which events matter, as far as their names and the request's filter tell."""
    where = [filter_sql(params.filter, "$.filter", bindings)]
    if not every_event:
        selectors = [selector for step in params.steps for selector in step.selectors()]
        selectors += [exclusion.selector() for exclusion in params.exclusions]
        where.append(event_names_sql(selectors, bindings))
    return all_of(where)


def _span(ask: Ask, params: FunnelParams, range_: Range) -> tuple[int, int]:
    """Return from when to when events are read, epoch ms, end exclusive: the range and the window after it."""
    # A calendar day is up to an hour longer than 24, and the range may end in the middle of one.
    more_ms = DAY_MS if params.window_counts == "calendar_days" else 0
    from_ms = range_.from_ms
    if params.ties == "any_of_day":
        from_ms = start_of_day_ms(local_day(from_ms, ask.zone), ask.zone)
    return from_ms, range_.to_ms + params.window.ms() + more_ms


def _collected_sql(
    ask: Ask,
    params: FunnelParams,
    bindings: Bindings,
    range_: Range,
    columns: str,
    arrays: dict[str, str],
    *,
    person_part: str,
    every_event: bool,
) -> str:
    """
    Return one row for each user with ``arrays``, aggregates by name over ``columns`` of events that matter; unsorted.

    Those that match anything, or all, up to range and window.
    """
    from_ms, to_ms = _span(ask, params, range_)
    return by_actor.collected(
        ask,
        bindings,
        _where_sql(params, bindings, every_event=every_event),
        computed=columns,
        wanted="1" if every_event else "mask != 0",
        aggregates=arrays | {"matched": "groupBitOr(mask)"},
        having="1" if params.order == "any" else "bitTest(matched, 0)",
        person_part=person_part,
        # Arrays of texts cost more to put together than what is saved.
        pays_alone="breakdown_values" not in arrays,
        from_ms=from_ms,
        to_ms=to_ms,
    )


def _narrow(mask: str, params: FunnelParams) -> str:
    """Return a mask in as few bytes as it needs: it leaves the shards of a cluster with every event."""
    bits = payload_bits(params)
    return next(f"toUInt{size}({mask})" for size in (8, 16, 32, 64) if bits <= size)


def payload_bits(params: FunnelParams) -> int:
    """Return how many bits a mask needs."""
    if params.exclusions:
        return FIRST_EXCLUSION_BIT + len(params.exclusions)
    return len(params.steps)


def user_events_sql(
    ask: Ask,
    params: FunnelParams,
    bindings: Bindings,
    order_key: OrderKey,
    range_: Range,
    key_of: KeyOf = "breakdown",
) -> str:
    """Return each user's events in order, and whether ``order_key`` decides it."""
    read = ORDER_KEYS[order_key]
    steps = (1 << len(params.steps)) - 1
    mask = mask_sql(params, bindings)
    number = read.key.format("toUInt64(mask)")
    more: list[str] = []
    arrays = {"unsorted_keys": f"groupArray({number})"}
    in_order = ""
    if params.hold_constant:
        hold = key_sql(params.hold_constant, bindings, "$.hold_constant")
        # An event that lacks a held property is in no chain.
        mask = f"if(has({hold}, ''), bitAnd({mask}, {MAX_PAYLOAD - steps}), {mask})"
        more.append(f"reinterpretAsUInt128(sipHash128Reference({hold})) AS hold")
        arrays["unsorted_holds"] = "groupArray(hold)"
        in_order += ",\narraySort((hold, k) -> k, unsorted_holds, unsorted_keys) AS holds"
    every_event = params.order == "strict" or key_of == "next_event"
    parts = apart(params.breakdown if key_of == "breakdown" else [], bindings)
    if key_of == "next_event":
        # A number for each name: millions of texts take three times as long to collect.
        arrays["event_numbers"] = f"groupArray({hashed('event')})"
        in_order += ",\nunsorted_keys AS value_keys,\nevent_numbers AS breakdown_values"
    elif parts.has_event_part():
        attributable = _attributable_sql(params)
        # Of all events: only of those that can be attributed takes 15 % longer: that copies their maps.
        computed, read_from = ask.of_maps({"breakdown_value": parts.of_event})
        more.append(computed)
        value = read_from["breakdown_value"]
        arrays["value_keys"] = f"groupArrayIf({number}, {attributable})"
        arrays["breakdown_values"] = f"groupArrayIf({value}, {attributable})"
        in_order += ",\nvalue_keys,\nbreakdown_values"
    if parts.of_person:
        in_order += ",\nperson_part"
    bindings.named("entry_from_ms", range_.from_ms, "Int64")
    bindings.named("entry_to_ms", range_.to_ms, "Int64")
    # Events that match the same steps at the same time can change places, unless something else is read from them.
    same_mask_is_same = not (
        params.hold_constant or "value_keys" in arrays or key_of == "next_event"
    )
    return load_sql(
        "funnel.user_events",
        collected=_collected_sql(
            ask,
            params,
            bindings,
            range_,
            source.listed(f"{_narrow(mask, params)} AS mask", *more),
            arrays,
            person_part=parts.of_person,
            every_event=every_event,
        ),
        key_at=read.at.format("k"),
        key_mask=read.payload.format("k"),
        undecided=read.undecided("keys", payload_decides=same_mask_is_same),
        sorted=in_order,
    )


def _attributable_sql(params: FunnelParams) -> str:
    """Return which events can be the one whose values a breakdown takes."""
    if params.order == "any" or params.breakdown_attribution == "last":
        return f"bitAnd(mask, {(1 << len(params.steps)) - 1}) != 0"
    step = 1 if params.breakdown_attribution == "first" else params.breakdown_attribution
    return f"bitTest(mask, {step - 1})"


def _is_declared(params: FunnelParams) -> bool:
    """Tell whether ties, window or exclusions are those of ``funnel.chains_declared``."""
    taken_out = bool(params.exclusions) and params.exclusion_effect == "user"
    return params.ties != "order" or params.window_counts != "elapsed" or taken_out


def _is_ordered(params: FunnelParams) -> bool:
    """Tell whether places in a chain are places among the user's events: nothing has sorted them anew."""
    return _is_declared(params) or (
        params.order == "ordered" and not params.exclusions and not params.hold_constant
    )


def chains_sql(
    ask: Ask,
    params: FunnelParams,
    bindings: Bindings,
    user_events: str,
    spans: list[Span],
    range_: Range,
) -> str:
    """Return each user's level and chain. Picks the cheapest of the files that is right for the request."""
    bindings.named("steps", len(params.steps), "UInt8")
    bindings.named("window_ms", params.window.ms(), "Int64")
    if _is_declared(params):
        return _declared_sql(ask, params, bindings, user_events, range_)
    if _is_ordered(params):
        return _ordered_sql(user_events, len(params.steps))
    if params.hold_constant:
        bits = [bit.bit_length() - 1 for _, _, bit in spans]
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
    phases = _phases(spans, len(params.steps))
    bindings.named("caps", [phase.cap for phase in phases], "Array(UInt8)")
    bindings.named("carries", [phase.carry for phase in phases], "Array(Array(UInt64))")
    bindings.named("owns", [phase.own for phase in phases], "Array(Array(UInt64))")
    return load_sql("funnel.chains_restricted", user_events=user_events)


_STARTS = "arrayMap((now_ms, mask) -> if(bitTest(mask, 0), now_ms, 0), at_ms, masks)"
_CARRIED_ON = (
    "arrayMap((now_ms, mask, start_ms) -> if(bitTest(mask, {bit}) AND start_ms != 0 AND "
    "now_ms - start_ms <= {{window_ms:Int64}}, start_ms, 0), at_ms, masks, arrayShiftRight(latest_{bit}, 1))"
)
_STEPS_AT_ONCE = 4
"""Columns that build on one another in one SELECT: each holds a copy of all before, more of them take long to plan."""


def _ordered_sql(user_events: str, steps: int) -> str:
    """Return the chains of plain funnels. One pass for each step is written out: a fold would copy all arrays for each."""
    found = [_STARTS, *(_CARRIED_ON.format(bit=bit) for bit in range(1, steps))]
    latest = [f"latest_{step}" for step in range(1, steps + 1)]
    columns = [
        f"arrayFill(start_ms -> start_ms != 0, {starts}) AS {name}"
        for starts, name in zip(found, latest, strict=True)
    ]
    levels = user_events
    for first in range(0, steps, _STEPS_AT_ONCE):
        some = ",\n".join(columns[first : first + _STEPS_AT_ONCE])
        levels = load_sql("funnel.levels", user_events=levels, latest=some)
    firsts = [f"arrayFirstIndex(start_ms -> start_ms != 0, {name})" for name in latest]
    return load_sql(
        "funnel.chains_ordered",
        levels=levels,
        latest=", ".join(latest),
        firsts=",\n".join(firsts),
    )


_BEFORE = {
    # The latest start of the step before, as an event may follow it: one place, one tie, or the whole tie it lies in.
    "order": "arrayShiftRight(latest, 1)",
    "apart": "arrayFill((start, tie, previous_tie) -> tie != previous_tie, arrayShiftRight(latest, 1), tie_at, "
    "arrayShiftRight(tie_at, 1))",
    "any": "arrayReverseFill((start, tie, next_tie) -> tie != next_tie, latest, tie_at, arrayShiftLeft(tie_at, 1))",
}


def _declared_sql(
    ask: Ask, params: FunnelParams, bindings: Bindings, user_events: str, range_: Range
) -> str:
    window_at = "at_ms"
    if params.window_counts == "calendar_days":
        _bind_days(ask, params, bindings, range_)
        window_at = f"arrayMap(at -> {_day_sql('at')}, at_ms)"
    bindings.named("window_length", _window_length(params), "Int64")
    bindings.named("tie_gap", int(params.ties in ("order", "apart")), "UInt8")
    spans = [(e.from_step, e.to_step) for e in params.exclusions]
    bits = [FIRST_EXCLUSION_BIT + j for j in range(len(spans))]
    bindings.named("removing_bits", bits, "Array(UInt8)")
    bindings.named("removing_from", [from_ for from_, _ in spans], "Array(UInt8)")
    bindings.named("removing_to", [to for _, to in spans], "Array(UInt8)")
    ties = {"order": "arrayEnumerate(at_ms)", "any_of_day": "window_at"}
    return load_sql(
        "funnel.chains_declared",
        user_events=user_events,
        window_at=window_at,
        tie_at=ties.get(params.ties, "at_ms"),
        before=_BEFORE["any" if params.ties == "any_of_day" else params.ties],
    )


def _window_length(params: FunnelParams) -> int:
    """Return the longest way from the first event, in what the window counts: ms, or calendar days."""
    return params.window.ms() if params.window_counts == "elapsed" else params.window.value - 1


def _bind_days(ask: Ask, params: FunnelParams, bindings: Bindings, range_: Range) -> None:
    # A day more than the window: where clocks change, so many days are longer than 24 hours each.
    days = periods_of(range_.from_ms, range_.to_ms, "day", ask.zone, params.window.value + 1)
    bindings.named("day_starts", list(days.starts_ms), "Array(Int64)")


def _day_sql(at: str) -> str:
    starts = "{day_starts:Array(Int64)}"
    return f"toInt64(indexOf({starts}, roundDown({at}, {starts})))"


class Phase(Struct, frozen=True):
    """
    Which exclusions break chains of up to ``cap`` events.

    ``carry[i]``: bits that break a chain of i events when they occur after its last one, i from 0. ``own[i - 1]``: bits
    that e_i itself must not have.
    """

    cap: int
    carry: list[int]
    own: list[int]


def spans_of(params: FunnelParams) -> list[Span]:
    """Return the exclusions that break chains, with their bits of a mask."""
    return [
        (exclusion.from_step, exclusion.to_step, 1 << (FIRST_EXCLUSION_BIT + j))
        for j, exclusion in enumerate(params.exclusions)
    ]


def phases_of(params: FunnelParams) -> list[Phase]:
    """
    Return the phases by rising cap.

    An exclusion bears only on chains that hold both its steps. One between neighbours can be applied always: it breaks
    nothing before the later step. One that spans further starts a phase of its own at its later step.
    """
    return _phases(spans_of(params), len(params.steps))


def _phases(spans: list[Span], count: int) -> list[Phase]:
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


def variants_of(params: FunnelParams) -> list[list[int]]:
    """Return the steps that are left when a set of optional steps is: once for each set, none left out first."""
    optional = params.optional_steps()
    numbers = range(1, len(params.steps) + 1)
    return [
        [step for step in numbers if step not in left_out]
        for size in range(len(optional) + 1)
        for left_out in combinations(optional, size)
    ]


def _variants_sql(
    params: FunnelParams, bindings: Bindings, user_events: str
) -> tuple[str, list[Span]]:
    """Return user_events for each variant, and the exclusions as they count in the variants' own steps."""
    variants = variants_of(params)
    bits: dict[tuple[int, int, int], int] = {}
    cases = []
    for number, kept in enumerate(variants, 1):
        moves = [(step - 1, place) for place, step in enumerate(kept)]
        for j, exclusion in enumerate(params.exclusions):
            if exclusion.from_step in kept and exclusion.to_step in kept:
                span = (j, kept.index(exclusion.from_step) + 1, kept.index(exclusion.to_step) + 1)
                bit = bits.setdefault(span, FIRST_EXCLUSION_BIT + len(bits))
                moves.append((FIRST_EXCLUSION_BIT + j, bit))
        cases.append(f"variant = {number}, {_moved_sql(moves)}")
    if FIRST_EXCLUSION_BIT + len(bits) > BOUNDARY_BIT:
        raise InvalidRequest("$.exclusions", "too many together with so many optional steps")
    bindings.named("variants", len(variants), "UInt8")
    bindings.named("variant_steps", variants, "Array(Array(UInt8))")
    sql = load_sql(
        "funnel.variants",
        user_events=user_events,
        renumbered=f"multiIf({', '.join(cases)}, toUInt64(0))",
    )
    return sql, [(from_, to, 1 << bit) for (_, from_, to), bit in bits.items()]


def _moved_sql(moves: list[tuple[int, int]]) -> str:
    """Return a mask with bits moved from one place to another; moves of one distance together."""
    distances: dict[int, int] = {}
    for from_, to in moves:
        distances[to - from_] = distances.get(to - from_, 0) | 1 << from_
    terms = []
    for distance, bits in distances.items():
        kept = f"bitAnd(mask, toUInt64({bits}))"
        shift = "bitShiftLeft" if distance > 0 else "bitShiftRight"
        terms.append(f"{shift}({kept}, {abs(distance)})" if distance else kept)
    return " + ".join(terms)


def users_sql(
    ask: Ask,
    params: FunnelParams,
    bindings: Bindings,
    order_key: OrderKey,
    period_starts_ms: list[int],
    range_: Range,
    key_of: KeyOf = "breakdown",
) -> str:
    """Return one row for each user who entered: level, times, breakdown key, entry period."""
    sql = user_events_sql(ask, params, bindings, order_key, range_, key_of)
    bindings.named("period_starts_ms", period_starts_ms, "Array(Int64)")
    spans = spans_of(params)
    if params.entry == "first":
        sql = load_sql("funnel.first_entry", user_events=sql)
    variant = columns = ""
    has_variants = bool(params.optional_steps())
    if has_variants:
        sql, spans = _variants_sql(params, bindings, sql)
        places = "chain" if _is_ordered(params) else "arrayMap(place -> ranks[place], chain)"
        reached = "arraySlice({variant_steps:Array(Array(UInt8))}[variant], 1, level)"
        variant = f",\n{reached} AS reached,\n{places} AS places"
        columns = ",\nreached,\nplaces"
    times = "arrayMap(place -> at_ms[place], chain)"
    if params.ties == "any_of_day":
        # An event of the day that lies before the one it follows counts as simultaneous.
        times = f"arrayMap(last -> arrayMax(arraySlice({times}, 1, last)), arrayEnumerate(chain))"
    breakdown = _attributed_sql(params, bindings)
    if key_of == "next_event":
        breakdown = _next_event_sql(ask, params, bindings, order_key, range_)
    sql = load_sql(
        "funnel.attributed",
        chains=chains_sql(ask, params, bindings, sql, spans, range_),
        breakdown=breakdown,
        times=times,
        variant=variant,
        columns=columns,
    )
    return load_sql("funnel.best_variant", users=sql) if has_variants else sql


def has_step_sql(params: FunnelParams, step: str) -> str:
    """Return whether a user's chain holds a step: over rows of ``users_sql``."""
    return f"has(reached, {step})" if params.optional_steps() else f"level >= {step}"


def _place_sql(params: FunnelParams, position: str) -> str:
    """Return the place among the user's events of a position of the chain."""
    return position if _is_ordered(params) else f"ranks[{position}]"


def _next_event_sql(
    ask: Ask, params: FunnelParams, bindings: Bindings, order_key: OrderKey, range_: Range
) -> str:
    """Return the number of the event after the chain's last, as a text, if it lies in the window; else ''."""
    place = f"{_place_sql(params, 'chain[-1]')} + 1"
    at = ORDER_KEYS[order_key].at.format(f"keys[{place}]")
    began = "at_ms[chain[1]]"
    if params.window_counts == "calendar_days":
        _bind_days(ask, params, bindings, range_)
        at, began = _day_sql(at), _day_sql(began)
    inside = f"{place} <= length(keys) AND {at} - {began} <= {_window_length(params)}"
    return f"[if({inside}, toString(breakdown_values[indexOf(value_keys, keys[{place}])]), '')]"


def next_names_sql() -> str:
    """Return the SELECT of the names (``key``) behind the numbers of next events."""
    return names_sql("event", hashed("event"), "1", made_of="event")


def next_in_sql(names: Iterable[str | None], bindings: Bindings) -> str:
    """Return whether a user's next event, the key of its row, is one of these; None: it has none."""
    texts = list(names)
    named = bindings.add([name for name in texts if name is not None], "Array(String)")
    numbers = f"arrayMap(name -> toString({hashed('name')}), {named})"
    if None in texts:
        numbers = f"arrayPushBack({numbers}, '')"
    return f"has({numbers}, breakdown_key[1])"


def _attributed_sql(params: FunnelParams, bindings: Bindings) -> str:
    """Return the breakdown key of the chain's event that the request names, found by the event's order key."""
    if not params.breakdown:
        return "emptyArrayString()"
    attribution = params.breakdown_attribution
    place = {"first": "1", "last": "-1"}.get(str(attribution), str(attribution))
    if params.optional_steps() and isinstance(attribution, int):
        place = f"indexOf(reached, {attribution})"
    position = _place_sql(params, f"chain[{place}]")
    parts = apart(params.breakdown, bindings)
    value = parts.key(f"breakdown_values[indexOf(value_keys, keys[{position}])]")
    reached = "1" if isinstance(attribution, str) else has_step_sql(params, str(attribution))
    return f"if({reached}, {value}, {[''] * len(params.breakdown)})"
