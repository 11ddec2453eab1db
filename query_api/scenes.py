"""
Entries (场景值, 渠道): through which entry users come, and what becomes of them.

An entry event is an ``app_launch`` (cold start) or an ``app_show``. ``by`` says what it is counted under: its scene, which is
(platform, scene), or the scene's group in the ``scheme``; a ``utm`` field; the referring app; its page, on which the user
lands; the QR code it carries, or that code's store, city or placement in the registry (qr_codes.py). Each is in exactly one
row, so launches and entries add up. The request's filter and breakdown look at entry events; a breakdown may also name
``qr_code``, ``qr_status``, ``store``, ``city`` and ``placement``. Metrics of a row:

- ``launches``: app_launch events. ``entries``: app_show events. A cold start usually sends both.
- ``users``: distinct users with an entry event of the row. A user of two scenes is in two rows, and once in the total.
- ``new_users``: users whose first entry event ever lies in the range and matches the filter, in the row of that event: each
  new user is in one row.
- ``sessions``: sessions whose first event lies in the range, in the row of their first entry event; sessions without an entry
  event are in none. Sessions are followed for a day before and after the range.
- ``bounce_rate``: ``bounces`` (sessions with at most one page_view) over ``sessions``. ``page_views`` of those sessions, and
  ``page_views_per_session``.
- ``median_stay_ms``, ``mean_stay_ms``: time from the first to the last event of those sessions; the median interpolated.
- ``next_day_retention``: ``next_day_returned`` over ``next_day_eligible``. Eligible: users of the row whose next calendar day
  after their first entry of the row has ended by now. Returned: those with any entry event, of whatever scene, on that day.
- ``conversions``: events of ``conversion`` in the range, in the row of the user's last entry event of the range at or before
  them; each is in one row, those before any entry in none. ``converters``: users with one. ``conversion_rate``: converters over
  users. ``conversion_value``: sum of ``value`` over the conversions. All null without ``conversion`` in the request.
- ``cost`` and what follows from it: imported costs (costs.py).

With more rows than ``limit``, those with the fewest entry events are together one row with ``other`` true, in which a user
counts once, as in a row of one channel.

Unknown scenes are rows like others: named by their code, group "unknown". An entry without a scene has the scene "" and the
group "", one without a page, campaign, … null. Channels that cost something and brought nobody are rows with zeros.
``total``: all rows together, users once.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from query_api import by_actor, costs, qr_codes, source
from query_api.bindings import Bindings
from query_api.comparison import with_comparison
from query_api.costs import Spent
from query_api.errors import InvalidRequest
from query_api.fields import SCENE_GROUP_UNKNOWN, amount_sql
from query_api.filters import event_names_sql, filter_sql, selector_sql
from query_api.order_keys import (
    MAX_PAYLOAD,
    ORDER_KEYS,
    OrderKey,
    decided,
    hashed,
    names_sql,
)
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.periods import DAY_MS, periods_of
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.scene_rows import (
    BY_CODE,
    OTHER,
    By,
    Key,
    Shown,
    cost_fields,
    described,
    key_of_cell,
    key_sql,
    names_of,
    needs_codes,
    packed,
    unpacked,
    with_costs,
)
from query_api.sql import load_sql
from query_api.sums import sum_sql

ENTRY_NAMES = ("app_launch", "app_show")
ENTRY_EVENTS = "event IN ('app_launch', 'app_show')"
LOOK_AROUND_MS = DAY_MS
"""How far sessions are followed beyond the range."""
NO_DAY = 65_535
DEFAULT_LIMIT = 1_000
_OF_SESSIONS = {"sessions": "1", "bounces": "views <= 1"}
"""Metrics that count sessions, and which of them."""
_NUMBERS_OF_USERS = (
    "launches", "entries", "users", "new_users", "next_day_eligible", "next_day_returned"
)  # fmt: skip
_NUMBERS_OF_SESSIONS = ("sessions", "bounces", "page_views", "median_stay_ms", "mean_stay_ms")
_NUMBERS_OF_CONVERSIONS = ("conversions", "converters", "conversion_value")
"""What scenes.measures says of a row; where it leaves a part open, another statement says that."""
_LARGEST_KEY = MAX_PAYLOAD >> 1
"""Below the number of a key a bit says that the entry counts (scenes.user_metrics), or is a launch (scenes.entry_places)."""
_ENTRY_KEY = ORDER_KEYS["seq"]
_CONVERSIONS = "groupArrayIf((converted_place, converted_value), is_conversion)"
_NO_CONVERSIONS = "CAST([], 'Array(Tuple(UInt128, Float64))')"
_CONVERTING = {
    "of_session": "groupArrayArray(part.conversions)",
    "of_user": "arraySort(groupArrayArray(conversions))",
    "steps": "arraySort(arrayConcat(counted, conversions.1))",
}
_NOTHING_CONVERTS = {
    "of_session": _NO_CONVERSIONS,
    "of_user": _NO_CONVERSIONS,
    "steps": "CAST([], 'Array(UInt128)')",
}
"""Constants, from which nothing is computed."""
_OPEN_BEFORE = f"({_ENTRY_KEY.tied(payload_decides=True)}) AND bitShiftRight(k, 1) != bitShiftRight(previous, 1)"
"""Two entries of different keys, or an entry and a conversion, of one millisecond and seq."""
RowLimit: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]


class ScenesQuery(Query, kw_only=True):
    """
    Entries ``by`` scene, group of the ``scheme``, utm field, referring app, page, QR code or its place.

    The ``limit`` rows with the most entry events, the rest as "other". ``conversion``: which events convert; ``value``: their
    number, added up.
    """

    by: By = "scene"
    limit: RowLimit = DEFAULT_LIMIT
    conversion: EventSelector | None = None
    value: FieldName | None = None


class ScenesCell(Params, kw_only=True):
    """
    One number: ``metric`` of a row, or of the total when no row is named.

    ``launches``, ``entries``, ``sessions``, ``bounces``: the users with at least one of them in the row.

    The row: ``platform`` and ``scene``, or ``scene_group`` with ``by`` group, or ``row`` with the fields that name it, as the
    answer shows them; and ``breakdown`` as in it. Or ``other`` of an answer with this ``limit``; that of the request is of the
    list of users.
    """

    metric: Literal[
        "users", "new_users", "next_day_eligible", "next_day_returned", "converters",
        "launches", "entries", "sessions", "bounces",
    ] = "users"  # fmt: skip
    platform: str | None = None
    scene: str | None = None
    scene_group: str | None = None
    row: dict[str, Any] | None = None
    breakdown: dict[str, Any] | None = None
    other: bool = False
    limit: RowLimit = DEFAULT_LIMIT


def _source(
    ask: Ask,
    query: ScenesQuery,
    bindings: Bindings,
    where: str,
    columns: str,
    from_ms: int,
    to_ms: int,
) -> str:
    """Return the SELECT of events with more columns, and the code of each where rows are named by codes."""
    beside = _codes(ask, query, bindings)
    return ask.computed(bindings, where, columns, beside=beside, from_ms=from_ms, to_ms=to_ms)


def _codes(ask: Ask, query: ScenesQuery, bindings: Bindings) -> source.Beside:
    """Return the code of each event where rows are named by codes."""
    needs = needs_codes(query.by, query.breakdown)
    return qr_codes.beside_events(ask, bindings) if needs else source.NOTHING


def bind_days(ask: Ask, bindings: Bindings) -> int:
    """Bind the days of the range and the one after, and how many have a next day that has ended; return their end, epoch ms."""
    days = periods_of(ask.range.from_ms, ask.range.to_ms, "day", ask.zone, 1, "$.time_range")
    mature = sum(1 for end_of_next in days.starts_ms[2:] if end_of_next <= ask.now_ms)
    bindings.named("starts", list(days.starts_ms[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(days.labels))), "Array(UInt16)")
    bindings.named("mature_days", mature, "UInt16")
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    return days.starts_ms[-1]


def _numbered(
    ask: Ask,
    query: ScenesQuery,
    bindings: Bindings,
    shown: Shown | None,
    *,
    from_ms: int,
    to_ms: int,
) -> tuple[str, str]:
    """Return the key of an entry as a number, and the SELECT of the keys behind the numbers."""
    key = key_sql(query.by, query.breakdown, bindings, shown)
    number = hashed(key, largest=_LARGEST_KEY)
    codes = _codes(ask, query, bindings)
    events = ask.unmerged(bindings, ENTRY_EVENTS, key, beside=codes, from_ms=from_ms, to_ms=to_ms)
    return number, names_sql(key, number, ENTRY_EVENTS, events, given=codes.columns)


def user_metrics(
    ask: Ask,
    query: ScenesQuery,
    bindings: Bindings,
    order_key: OrderKey,
    shown: Shown | None = None,
) -> str:
    """Return the SELECT of each user's part of each row that both the numbers and their users come from."""
    days_to_ms = bind_days(ask, bindings)
    bindings.named("no_day", NO_DAY, "UInt16")
    number, names = _numbered(ask, query, bindings, shown, from_ms=0, to_ms=days_to_ms)
    read = ORDER_KEYS[order_key]
    return load_sql(
        "scenes.user_metrics",
        number=number,
        place=read.key.format("mark"),
        mirrored_place=read.mirrored_key("mark"),
        first=read.payload.format("first_entry"),
        mirrored=read.mirrored_payload("first_mirrored"),
        matches=filter_sql(query.filter, "$.filter", bindings),
        names=names,
        source=_source(ask, query, bindings, ENTRY_EVENTS, "", 0, days_to_ms),
    )


def _parts(
    ask: Ask, query: ScenesQuery, bindings: Bindings, shown: Shown | None, days_to_ms: int
) -> dict[str, str]:
    """Return the fragments of scenes.measures that are made of events: each session's parts, and the keys behind numbers."""
    around = (ask.range.from_ms - LOOK_AROUND_MS, ask.range.to_ms + LOOK_AROUND_MS)
    bindings.named("around_from_ms", around[0], "Int64")
    bindings.named("around_to_ms", around[1], "Int64")
    from_ms, to_ms = 0, max(around[1], days_to_ms)
    matches = filter_sql(query.filter, "$.filter", bindings)

    def places(number: str) -> str:
        return load_sql(
            "scenes.entry_places",
            number=number,
            matches=matches,
            place=_ENTRY_KEY.key.format("mark"),
            mirrored_place=_ENTRY_KEY.mirrored_key("mark"),
        )

    in_sessions = load_sql("scenes.around")
    converts, conversion = _converts(query, bindings)
    number, names = _numbered(ask, query, bindings, shown, from_ms=from_ms, to_ms=to_ms)
    if not by_actor.pays(ask, bindings, ENTRY_EVENTS):
        where = f"({ENTRY_EVENTS} OR ({in_sessions}))"
        events = _source(ask, query, bindings, where, "", from_ms, to_ms)
        of_events = load_sql(
            "scenes.event_parts",
            places=source.listed(places(number), conversion),
            conversions=_CONVERSIONS if conversion else _NO_CONVERSIONS,
            source=events,
        )
        return {"parts": of_events, "names": names}

    def rows(
        where: str, name: str, given: str, conversion: str, beside: source.Beside = source.NOTHING
    ) -> str:
        conversions = _CONVERSIONS if conversion else _NO_CONVERSIONS
        return by_actor.rows(
            ask,
            bindings,
            where,
            columns=load_sql(name, conversions=conversions),
            keys=("session",),
            given=source.listed(given, conversion),
            beside=beside,
            from_ms=from_ms,
            to_ms=to_ms,
        )

    # The map with values is read of events that may convert alone.
    of_entries = conversion if _may_be_entry(query) else ""
    others = f"NOT ({ENTRY_EVENTS}) AND {in_sessions}"
    codes = _codes(ask, query, bindings)
    parts = [rows(ENTRY_EVENTS, "scenes.entry_parts", places(number), of_entries, codes)]
    if conversion:
        parts.append(rows(f"{others} AND {converts}", "scenes.other_parts", "", conversion))
    if converts != "1":
        rest = f"{others} AND NOT ({converts})" if conversion else others
        parts.append(rows(rest, "scenes.other_parts", "", ""))
    return {"parts": "\nUNION ALL\n".join(parts), "names": names}


def _converts(query: ScenesQuery, bindings: Bindings) -> tuple[str, str]:
    """Return the condition on the name of a conversion, and the columns of scenes.conversion_place; '' without conversions."""
    if query.conversion is None:
        return "0", ""
    columns = conversion_columns(query.conversion, query.value, "seq", bindings)
    return event_names_sql([query.conversion], bindings), columns


def conversion_columns(
    conversion: EventSelector, value: FieldName | None, order_key: OrderKey, bindings: Bindings
) -> str:
    """Return the columns of an event that say whether it converts, its place and how much."""
    return load_sql(
        "scenes.conversion_place",
        conversion=selector_sql(conversion, "$.conversion", bindings),
        amount=amount_sql(value, "$.value", bindings),
        last_place=ORDER_KEYS[order_key].key.format(f"toUInt64({MAX_PAYLOAD})"),
    )


def _may_be_entry(query: ScenesQuery) -> bool:
    """Tell whether an entry may be a conversion."""
    return query.conversion is not None and query.conversion.event in (None, *ENTRY_NAMES)


async def _measured(ask: Ask, query: ScenesQuery, shown: Shown | None) -> list[Row]:
    """Count users, sessions and conversions in one pass, over numbers; what these leave open is asked again."""
    bindings = ask.bindings()
    days_to_ms = bind_days(ask, bindings)
    bindings.named("days_to_ms", days_to_ms, "Int64")
    measured = await ask.fetch(
        "scenes.measures",
        bindings,
        at=_ENTRY_KEY.at.format("k"),
        mark=_ENTRY_KEY.payload.format("k"),
        first_at=_ENTRY_KEY.at.format("first_entry"),
        first_mark=_ENTRY_KEY.payload.format("first_entry"),
        mirrored_mark=_ENTRY_KEY.mirrored_payload("first_mirrored"),
        last_mark=str(MAX_PAYLOAD),
        tied=_OPEN_BEFORE,
        value=sum_sql("converted_value", "is_conversion") if query.value else "toFloat64(0)",
        **(_NOTHING_CONVERTS if query.conversion is None else _CONVERTING),
        **_parts(ask, query, bindings, shown, days_to_ms),
    )

    async def ask_with(order_key: OrderKey) -> list[Row]:
        if order_key == "seq":
            return measured
        bindings = ask.bindings()
        metrics = user_metrics(ask, query, bindings, order_key, shown)
        return await ask.fetch("scenes.counts", bindings, user_metrics=metrics)

    rows, _ = await decided(ask_with)
    found = [_some(row, _NUMBERS_OF_USERS) for row in rows if row["users"]]
    if any(row["silent"] or row["undecided_sessions"] for row in measured):
        bindings = ask.bindings()
        sessions = _sessions(ask, query, bindings, shown)
        found += await ask.fetch("scenes.sessions", bindings, sessions=sessions)
    else:
        found += [_some(row, _NUMBERS_OF_SESSIONS) for row in measured if row["sessions"]]
    if query.conversion is not None and any(row["undecided_conversions"] for row in measured):
        bindings = ask.bindings()
        converted = conversions(ask, query, query.conversion, bindings, shown)
        found += await ask.fetch("scenes.conversion_counts", bindings, conversions=converted)
    else:
        found += [_some(row, _NUMBERS_OF_CONVERSIONS) for row in measured if row["conversions"]]
    return found


def _some(row: Row, names: tuple[str, ...]) -> Row:
    return {name: row[name] for name in ("key", *names)}


def _sessions(ask: Ask, query: ScenesQuery, bindings: Bindings, shown: Shown | None) -> str:
    """Return the SELECT of sessions with their first entries, whatever the log."""
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    bindings.named("session_gap_ms", source.SESSION_GAP_MS, "Int64")
    events = _source(
        ask,
        query,
        bindings,
        "1",
        load_sql("scenes.session"),
        ask.range.from_ms - LOOK_AROUND_MS,
        ask.range.to_ms + LOOK_AROUND_MS,
    )
    return load_sql(
        "scenes.sessions_cut",
        key=key_sql(query.by, query.breakdown, bindings, shown),
        order=source.order(),
        matches=filter_sql(query.filter, "$.filter", bindings),
        source=events,
    )


def conversions(
    ask: Ask,
    query: ScenesQuery,
    conversion: EventSelector,
    bindings: Bindings,
    shown: Shown | None = None,
) -> str:
    """Return the SELECT of (user, key, conversions, amount) that both the numbers and their users come from."""
    condition = selector_sql(conversion, "$.conversion", bindings)
    amount = amount_sql(query.value, "$.value", bindings)
    names = event_names_sql([conversion], bindings)
    where = "1" if names == "1" else f"({ENTRY_EVENTS} OR {names})"
    return load_sql(
        "scenes.conversions",
        key=key_sql(query.by, query.breakdown, bindings, shown),
        matches=filter_sql(query.filter, "$.filter", bindings),
        order=source.order(),
        source=_source(
            ask,
            query,
            bindings,
            where,
            load_sql("scenes.conversion", conversion=condition, amount=amount),
            ask.range.from_ms,
            ask.range.to_ms,
        ),
    )


class _Known(Struct, kw_only=True):
    """What is known of the rows without counting events: names, registered codes, costs of each row and of all."""

    dictionary: list[Row]
    scenes: dict[Any, Row]
    codes: dict[Any, Row]
    spent: dict[Key, Spent]
    all_spent: Spent | None


async def _looked_up(ask: Ask, query: ScenesQuery) -> _Known:
    bindings = ask.bindings()
    bindings.scheme()
    dictionary = await ask.fetch("scenes.dictionary", bindings)
    scenes = {(row["platform"], row["scene"]): row for row in dictionary}
    codes = await qr_codes.registry(ask) if query.by in BY_CODE else {}
    spent, all_spent = await _spent(ask, query, scenes, codes)
    return _Known(
        dictionary=dictionary, scenes=scenes, codes=codes, spent=spent, all_spent=all_spent
    )


class _Counted(Struct, kw_only=True):
    """The numbers of every row by its key, ``()`` the total, and what each row cost."""

    numbers: dict[Key, Row]
    spent: dict[Key, Spent]

    def order(self) -> list[Key]:
        """Return the keys of the rows, the most entry events first, "other" last."""

        def place(key: Key) -> tuple[bool, int, Key]:
            found = self.numbers[key]
            return key == OTHER, -found.get("launches", 0) - found.get("entries", 0), key

        # A user's entries outside the range make keys without numbers.
        return sorted((key for key, found in self.numbers.items() if key and found), key=place)


async def _counted(ask: Ask, query: ScenesQuery, known: _Known, shown: Shown | None) -> _Counted:
    """Count every row; with ``shown`` these alone, and the rest as "other"."""
    numbers: dict[Key, Row] = {}

    for row in await _measured(ask, query, shown):
        numbers.setdefault(unpacked(row["key"]), {}).update(row)
    spent = known.spent
    if shown is not None:
        spent = {}
        own = set(shown.keys)
        for key, one in known.spent.items():
            spent.setdefault(key if key in own else OTHER, Spent()).add(one)
    for key in spent:
        # What cost something and brought nobody.
        numbers.setdefault(key, {"launches": 0})
    return _Counted(numbers=numbers, spent=spent)


def _cut(counted: _Counted, limit: int) -> Shown | None:
    """Return the keys that get rows of their own; None: all."""
    order = counted.order()
    return Shown(order[:limit]) if len(order) > limit else None


async def answer(ask: Ask, query: ScenesQuery) -> Answer:
    """Answer the scenes report. A comparison shows the same rows, where they are cut."""
    _check(query)
    shown: Shown | None = None
    dictionary: list[Row] = []
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal shown, dictionary, truncated
        known = await _looked_up(one, query)
        counted = await _counted(one, query, known, shown)
        cut = _cut(counted, query.limit) if shown is None else None
        if cut is not None:
            counted = await _counted(one, query, known, cut)
            shown = cut if one is ask else None
        dictionary = known.dictionary
        truncated |= OTHER in counted.numbers
        return _result(query, known, counted)

    result = await with_comparison(ask, query.compare, result_of)
    return Answer(result=result, semantics=_semantics(query, dictionary), truncated=truncated)


def _result(query: ScenesQuery, known: _Known, counted: _Counted) -> Row:
    return {
        "rows": [
            {
                **described(key, query.by, query.breakdown, known.scenes, known.codes),
                **_metrics(counted.numbers[key], query, counted.spent.get(key)),
            }
            for key in counted.order()
        ],
        "total": _metrics(counted.numbers.get((), {}), query, known.all_spent),
    }


async def _shown(ask: Ask, query: ScenesQuery, limit: int) -> Shown:
    """Return the rows that are not "other". Errors: ``invalid_request`` where the answer has none."""
    for one in dict.fromkeys((ask.asked, ask)):
        cut = _cut(await _counted(one, query, await _looked_up(one, query), None), limit)
        if cut is not None:
            return cut
    raise InvalidRequest("$.cell.other", "this answer has no `other`: all rows are shown")


def _check(query: ScenesQuery) -> None:
    if "scene_group" in query.breakdown and query.by == "group":
        raise InvalidRequest("$.breakdown", "`by` group already gives the scene_group")
    if query.value is not None and query.conversion is None:
        raise InvalidRequest("$.value", "is the number of the `conversion`: give that too")


async def _spent(
    ask: Ask, query: ScenesQuery, scenes: dict[Any, Row], codes: dict[Any, Row]
) -> tuple[dict[Key, Spent], Spent | None]:
    """Return the costs of each row, and of all together."""
    if set(cost_fields(query.by)) & set(query.breakdown):
        return {}, None
    found = await costs.spent(ask, [*cost_fields(query.by), *query.breakdown])
    total = Spent()
    for one in found.values():
        total.add(one)
    costs.warn(ask, total)
    rows = with_costs(found, query.by, scenes, codes)
    return rows, total if found else None


def _metrics(found: Row, query: ScenesQuery, spent: Spent | None) -> Row:
    sessions, bounces = found.get("sessions", 0), found.get("bounces", 0)
    page_views = found.get("page_views", 0)
    eligible, returned = found.get("next_day_eligible", 0), found.get("next_day_returned", 0)
    converts, users = query.conversion is not None, found.get("users", 0)
    converters = found.get("converters", 0) if converts else None
    row: Row = {
        "launches": found.get("launches", 0),
        "entries": found.get("entries", 0),
        "users": users,
        "new_users": found.get("new_users", 0),
        "sessions": sessions,
        "bounces": bounces,
        "bounce_rate": bounces / sessions if sessions else None,
        "page_views": page_views,
        "page_views_per_session": page_views / sessions if sessions else None,
        "median_stay_ms": found["median_stay_ms"] if sessions else None,
        "mean_stay_ms": found["mean_stay_ms"] if sessions else None,
        "next_day_eligible": eligible,
        "next_day_returned": returned,
        "next_day_retention": returned / eligible if eligible else None,
        "conversions": found.get("conversions", 0) if converts else None,
        "converters": converters,
        "conversion_rate": converters / users if converters is not None and users else None,
        "conversion_value": found.get("conversion_value", 0.0) if query.value else None,
    }
    return {**row, **costs.shown(spent, row)}


def _semantics(query: ScenesQuery, dictionary: list[Row]) -> Row:
    versions = sorted({row["scheme_version"] for row in dictionary})
    return {
        "by": query.by,
        "row": f"named by {', '.join(names_of(query.by))}; each entry event is in exactly one",
        "limit": query.limit,
        "other": "rows beyond the limit as one, users counted once; a comparison shows the rows of the range asked for",
        "scheme": query.scheme,
        "scheme_version": versions[-1] if versions else None,
        "entry_event": "app_launch or app_show; filter and breakdown look at entry events",
        "launches": "app_launch events (cold starts)",
        "entries": "app_show events",
        "users": "distinct users with an entry event of the row; in the total each once",
        "new_users": "users whose first entry event ever lies in the range and matches the filter, in the row of that event",
        "sessions": "sessions whose first event lies in the range, in the row of their first entry event; followed for a day "
        "before and after the range",
        "session": source.SESSION_DEFINITION,
        "bounce_rate": "bounces (sessions with at most one page_view) over sessions",
        "page_views_per_session": "page_view events of those sessions over sessions",
        "median_stay_ms": "median of last minus first event of those sessions",
        "mean_stay_ms": "mean of last minus first event of those sessions",
        "next_day_retention": "next_day_returned (any entry event on the calendar day after the user's first entry of the row) "
        "over next_day_eligible (users for whom that day has ended by now)",
        "unknown_scenes": f"rows like others, named by their code, group {SCENE_GROUP_UNKNOWN!r}; without a scene: both empty",
        "conversion": query.conversion,
        "value": query.value,
        "conversions": "events of `conversion` in the range, in the row of the user's last entry event of the range at or "
        "before them; null without `conversion`",
        "converters": "users of the row with such a conversion; conversion_rate: over users",
        "conversion_value": "sum of `value` over the conversions",
        **costs.semantics(),
        **(qr_codes.semantics() if needs_codes(query.by, query.breakdown) else {}),
        "order": "by launches plus entries, most first",
    }


async def users(ask: Ask, query: ScenesQuery, cell: ScenesCell) -> UserSelect:
    """Select the users of a metric."""
    _check(query)
    if query.conversion is not None:
        # Refused where it is wrong, also where the metric does not need it.
        conversions(ask, query, query.conversion, ask.bindings())
    key = key_of_cell(query.by, _row_of(query, cell), query.breakdown, cell.breakdown)
    shown = None
    if cell.other:
        if key or cell.breakdown is not None:
            raise InvalidRequest("$.cell.other", "either a row or `other`")
        key, shown = OTHER, await _shown(ask, query, cell.limit)
    bindings = ask.bindings()
    bindings.named("cell_key", packed(key), "String")
    if cell.metric == "converters":
        if query.conversion is None:
            raise InvalidRequest("$.conversion", "is required: which events convert")
        converted = conversions(ask, query, query.conversion, bindings, shown)
        sql = load_sql("scenes.converters", conversions=converted)
        return UserSelect("scenes.converters", sql, bindings)
    if cell.metric in _OF_SESSIONS:
        # A session over texts is right whatever the log.
        sessions = _sessions(ask, query, bindings, shown)
        in_cell = _OF_SESSIONS[cell.metric]
        sql = load_sql("scenes.session_users", sessions=sessions, in_cell=in_cell)
        return UserSelect("scenes.session_users", sql, bindings)
    order_key = await ask.deciding(partial(user_metrics, ask, query, shown=shown))
    metrics = user_metrics(ask, query, bindings, order_key, shown)
    sql = load_sql("scenes.users", user_metrics=metrics, metric=cell.metric)
    return UserSelect("scenes.users", sql, bindings)


def _row_of(query: ScenesQuery, cell: ScenesCell) -> dict[str, Any] | None:
    """Return the naming fields of a cell's row; None for the total."""
    if query.by != "scene" and (cell.scene is not None or cell.platform is not None):
        names = ", ".join(names_of(query.by))
        raise InvalidRequest("$.cell.scene", f"with `by` {query.by} a row is named by its {names}")
    if query.by != "group" and cell.scene_group is not None:
        names = " and ".join(names_of(query.by))
        raise InvalidRequest(
            "$.cell.scene_group", f"with `by` {query.by} a row is named by {names}"
        )
    named = (cell.platform, cell.scene, cell.scene_group)
    if cell.row is not None and any(name is not None for name in named):
        raise InvalidRequest("$.cell.row", "either `row`, or the fields beside it")
    if (cell.platform is None) != (cell.scene is None):
        raise InvalidRequest("$.cell.platform", "a row is named by platform and scene together")
    if cell.scene is not None:
        return {"platform": cell.platform, "scene": cell.scene}
    if cell.scene_group is not None:
        return {"scene_group": cell.scene_group}
    return cell.row


def table(result: Row) -> list[Row]:
    """Flatten: one row for each row of the result, the breakdown's fields beside it. Exchange has the same."""
    return [
        {
            name: value
            for name, value in {**row, **row.get("breakdown", {})}.items()
            if name != "breakdown"
        }
        for row in result["rows"]
    ]


def columns(query: ScenesQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = described(OTHER, query.by, query.breakdown, {}, {})
    return list(table({"rows": [{**named, **_metrics({}, query, None)}]})[0])


REPORT = Report(
    name="scenes",
    summary="Entries by scene, campaign, referring app, page and QR code, with conversions and costs (场景值, 渠道)",
    params=ScenesQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=ScenesCell,
    users=users,
    refuses={
        "breakdown_limit": "rows are cut by `limit`: the rest of them is one row",
    },
)
