"""
The SQL of the share report: cards, visits and conversions come as arrays; share_counts.py counts. Called by share.py.

What lies in the range is read first, beside the cards. Only then it is known what else decides: visits before the range of the
cards and sessions that matter in it, and events whose order their ms and seq leave open (share_opens.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec import Struct, structs

from query_api import by_actor, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.fields import amount_sql
from query_api.filters import filter_sql, selector_sql
from query_api.numbering import arrays
from query_api.params import EventSelector, FieldName, Query
from query_api.periods import DAY_MS, MAX_YEAR, periods_of
from query_api.report import Ask, Row
from query_api.share_counts import Dimension, Facts
from query_api.share_forest import Forest, Integers
from query_api.share_opens import Conversions, Read, Visits, opened_of, reshared
from query_api.sql import load_sql
from query_api.sums import large_sql, parts_sql

LOOK_AROUND_MS = DAY_MS
"""How far sessions without a session_id are followed before the range."""
EVER_MS = (MAX_YEAR - 1970) * 366 * DAY_MS

FAVOURITE_SCENES = {"wechat": ("1010",)}
"""Entries from a favourite: a card that was put aside is not opened by being passed on."""
RELAUNCH_SCENES = {
    "wechat": (
        "1001", "1023", "1038", "1089", "1090", "1103", "1104", "1131", "1187", "1256", "1257", "1271", "1273",
    ),
}  # fmt: skip
"""Entries by which a user comes back to what was open: recent list, own list, desktop, floating window, back from another."""
ENTRY = "event IN ('app_launch', 'app_show')"
_HAS_CARD = "event IN ('app_launch', 'app_show', 'share')"
FORGED = f"{_HAS_CARD} AND properties_text['$forged_share_id'] != ''"
"""Other events of such a visit carry the property as well; they would cost a pass over everything."""
_MAY_BE_FORGED = f"{_HAS_CARD} AND mapContainsKey(properties_text, '$forged_share_id')"
"""True of all of them; reads the keys of properties only, for half the time."""
_CARD = "event = 'share' AND properties_text['share_id'] != ''"
_BEFORE_END = "occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
_BEFORE_RANGE = "occurred_at < fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC')"
_IN_RANGE = (
    f"occurred_at >= fromUnixTimestamp64Milli({{range_from_ms:Int64}}, 'UTC') AND {_BEFORE_END}"
)


_VALUE = "converted_value"
_KEYS = ("held", "carried", "large")
_ADDED = load_sql("share.added", sums=parts_sql(_VALUE))


class Asked(Struct, frozen=True, kw_only=True):
    """The part of a request that the statement depends on."""

    query: Query
    conversion: EventSelector
    revenue: FieldName | None
    dimensions: list[Dimension]


def _by_scene(by_platform: Mapping[str, tuple[str, ...]], bindings: Bindings) -> str:
    """Return the condition that an entry came by one of these scenes: scenes alone are compared by their dictionary."""
    entered = (
        f"platform = {bindings.add(platform, 'String')} AND scene IN {bindings.add(list(scenes), 'Array(String)')}"
        for platform, scenes in by_platform.items()
    )
    return " OR ".join(entered)


def days(ask: Ask) -> list[int]:
    """Return where the days of the range begin."""
    found = periods_of(ask.range.from_ms, ask.range.to_ms, "day", ask.zone, path="$.time_range")
    return list(found.starts_ms[:-1])


def source_of_cards(ask: Ask, bindings: Bindings, columns: str = "") -> str:
    """Return the SELECT of all share events that make a card, of all of history, with more ``columns`` (Ask.computed)."""
    return ask.computed(bindings, _CARD, columns, from_ms=0, to_ms=EVER_MS)


def events(ask: Ask, asked: Asked, bindings: Bindings, top: list[Key] | None = None) -> str:
    """
    Return the SELECT of all events that make cards; texts of dimensions that nobody asks for are empty.

    ``top``: the keys of the breakdown that have a row of their own, None: all.
    """
    named = asked.dimensions
    key = per_user.event_key(asked.query, bindings) if "breakdown" in named else per_user.NO_KEY
    columns = load_sql(
        "share.events",
        order=source.order(),
        matches=filter_sql(asked.query.filter, "$.filter", bindings),
        page="toString(page)" if "page" in named else "''",
        channel="properties_text['share_channel']" if "channel" in named else "''",
        key=per_user.folded(top, bindings, key),
    )
    return source_of_cards(ask, bindings, columns)


async def group_names(ask: Ask, numbers: Integers) -> dict[int, str]:
    """Return the group_ids behind the numbers of opens up to the end of the range; 0 is no group."""
    bindings = ask.bindings()
    bindings.named("app_ids", ask.app_ids, "Array(String)")
    bindings.named("any_to_ms", ask.range.to_ms, "Int64")
    bindings.table("wanted", {"number": numbers})
    rows = await ask.fetch("share.group_names", bindings, entry=ENTRY)
    return {0: "", **{row["number"]: row["text"] for row in rows}}


async def group_number(ask: Ask, group_id: str) -> int:
    """Return the number of a group_id."""
    if not group_id:
        return 0
    bindings = ask.bindings()
    bindings.named("text", group_id, "String")
    [row] = await ask.fetch("share.number", bindings)
    number: int = row["number"]
    return number


async def forged(ask: Ask) -> Row:
    """Count the events and share_ids with a wrong signature in the range. Hardly any log has some: that is looked for first."""
    if not await ask.has_any(_MAY_BE_FORGED, ask.range.from_ms, ask.range.to_ms):
        return {"events": 0, "share_ids": 0}
    bindings = ask.bindings()
    [row] = await ask.fetch("share.forged", bindings, source=ask.source(bindings, FORGED))
    return row


class _Events(Struct, frozen=True):
    """How the events of a question are read. ``silent``: sessions have to be cut."""

    ask: Ask
    asked: Asked
    silent: bool

    def bindings(self) -> Bindings:
        """Start the parameters of a statement."""
        bindings = self.ask.bindings()
        bindings.named("range_from_ms", self.ask.range.from_ms, "Int64")
        bindings.named("range_to_ms", self.ask.range.to_ms, "Int64")
        return bindings

    def _in_sessions(self, bindings: Bindings, where: str, columns: str) -> str:
        ask = self.ask
        found = ask.computed(bindings, where, columns, from_ms=0, to_ms=EVER_MS)
        if not self.silent:
            return source.with_sessions(bindings, found, None)
        bindings.named("silent_from_ms", ask.range.from_ms - LOOK_AROUND_MS, "Int64")
        silent = (
            f"{source.SILENT} AND occurred_at >= fromUnixTimestamp64Milli({{silent_from_ms:Int64}}, 'UTC') "
            f"AND {_BEFORE_END}"
        )
        of_silent = ask.source(bindings, silent, from_ms=0, to_ms=EVER_MS)
        return source.with_sessions(bindings, found, of_silent)

    def _by_seq(self, bindings: Bindings, where: str, columns: str = "") -> str:
        events = self._in_sessions(bindings, where, columns)
        return load_sql("share.placed_seq", place=load_sql("share.place"), events=events)

    def _by_rank(self, bindings: Bindings, users: Integers, columns: str = "") -> str:
        """Return all events that are compared, of some users."""
        bindings.table("undecided", {"user": users})
        kinds = (ENTRY, _CARD, self._converts(bindings))
        where = f"({' OR '.join(kinds)}) AND {_BEFORE_END}"
        return load_sql("share.placed_rank", events=self._in_sessions(bindings, where, columns))

    def _converts(self, bindings: Bindings) -> str:
        return selector_sql(self.asked.conversion, "$.conversion", bindings)

    def _value(self, bindings: Bindings) -> str:
        """Return the column of what a conversion adds to the revenue."""
        amount = amount_sql(self.asked.revenue, "$.revenue", bindings)
        return f"toFloat64({amount}) AS {_VALUE}"

    async def _visits(self, bindings: Bindings, events: str, entry: str, kept: str) -> Visits:
        columns = await self.ask.columns(
            "share.visits",
            bindings,
            events=events,
            entry=entry,
            kept=kept,
            is_relaunch=_by_scene(RELAUNCH_SCENES, bindings),
            is_favourite=_by_scene(FAVOURITE_SCENES, bindings),
        )
        return await asyncio.to_thread(Visits.of, columns)

    async def visits(self) -> Visits:
        """Read the visits of the range."""
        bindings = self.bindings()
        events = self._by_seq(bindings, f"{ENTRY} AND {_IN_RANGE}")
        return await self._visits(bindings, events, "1", "1")

    async def visits_before(self, user: Integers, number: Integers) -> Visits:
        """Read the visits before the range of some users by the cards or sessions ``number``, and the others together."""
        bindings = self.bindings()
        bindings.table("wanted", {"user": user, "number": number})
        events = self._by_seq(bindings, f"{ENTRY} AND {_BEFORE_RANGE}")
        of_users = "user IN (SELECT user FROM wanted)"
        return await self._visits(bindings, events, of_users, load_sql("share.visits_wanted"))

    async def visits_of(self, users: Integers) -> Visits:
        """Read all visits of some users, places being ranks."""
        bindings = self.bindings()
        return await self._visits(bindings, self._by_rank(bindings, users), ENTRY, "1")

    async def _converted(self, bindings: Bindings, groups: str) -> Conversions:
        columns = await self.ask.columns("share.converted", bindings, groups=groups)
        return await asyncio.to_thread(Conversions.of, columns)

    def _held(self, bindings: Bindings) -> tuple[str, tuple[str, ...]]:
        """Return what conversions are added up by, expressions with names; and the names."""
        held = load_sql("share.held", large=large_sql(_VALUE))
        if "day" not in self.asked.dimensions:
            return held, _KEYS
        bindings.named("days", days(self.ask), "Array(Int64)")
        return source.listed(held, load_sql("share.day")), (*_KEYS, "day")

    def _grouped(self, bindings: Bindings, events: str, *, in_parts: bool = False) -> str:
        """``in_parts``: groups between which no open lies; ``events`` then are all entries with a card as well."""
        held, keys = self._held(bindings)
        converts = "1"
        if in_parts:
            held = source.listed(held, load_sql("share.part", entry=ENTRY))
            keys = (*keys, "part")
            converts = f"{self._converts(bindings)} AND {_IN_RANGE}"
        return load_sql(
            "share.grouped",
            by=held,
            keys=source.more_keys(keys),
            events=events,
            converts=converts,
            added=_ADDED,
        )

    async def conversions(self) -> Conversions:
        """Read the conversions of the range."""
        bindings = self.bindings()
        where, value = f"{self._converts(bindings)} AND {_IN_RANGE}", self._value(bindings)
        if self.silent or not by_actor.pays(self.ask, bindings, where):
            events = self._by_seq(bindings, where, value)
            return await self._converted(bindings, self._grouped(bindings, events))
        held, keys = self._held(bindings)
        groups = by_actor.rows(
            self.ask,
            bindings,
            where,
            columns=source.listed(
                "held, carried, large", "toInt64(0) AS silent_session_ms", _ADDED
            ),
            keys=keys,
            given=source.listed(value, held, f"{load_sql('share.place')} AS place"),
            from_ms=0,
            to_ms=EVER_MS,
        )
        return await self._converted(bindings, groups)

    async def conversions_apart(self, users: Integers) -> Conversions:
        """Read those of some users in parts."""
        bindings = self.bindings()
        bindings.table("apart", {"user": users})
        where = f"({ENTRY} AND share_id != '' OR {self._converts(bindings)}) AND {_IN_RANGE}"
        events = self._by_seq(bindings, where, self._value(bindings))
        of_users = load_sql("share.apart", events=events)
        return await self._converted(bindings, self._grouped(bindings, of_users, in_parts=True))

    async def conversions_of(self, users: Integers) -> Conversions:
        """Read those of some users in parts, places being ranks."""
        bindings = self.bindings()
        events = self._by_rank(bindings, users, self._value(bindings))
        return await self._converted(bindings, self._grouped(bindings, events, in_parts=True))

    async def shared_of(
        self, users: Integers, card: Integers, sharer: Integers
    ) -> tuple[Integers, Integers]:
        """Read which of some cards these users shared, and the place of that event as a rank."""
        bindings = self.bindings()
        bindings.table("wanted", {"card": card, "sharer": sharer})
        columns = await self.ask.columns(
            "share.shared", bindings, events=self._by_rank(bindings, users), makes=_CARD
        )
        card, shared = arrays(columns)
        return card, shared


class RangeRead(Struct, frozen=True):
    """What was read of a question's range without knowing the cards."""

    events: _Events
    has_before: bool
    read: Read


async def read_range(ask: Ask, asked: Asked) -> RangeRead:
    """Read the entries and conversions of the range of a question."""
    from_ms, to_ms = ask.range.from_ms, ask.range.to_ms
    bindings = ask.bindings()
    by_name = EventSelector(event=asked.conversion.event)
    converts = selector_sql(by_name, "$.conversion", bindings)
    silent, has_before = await asyncio.gather(
        ask.has_any(
            f"{source.SILENT} AND ({ENTRY} OR {converts})",
            from_ms - LOOK_AROUND_MS,
            to_ms,
            bindings=bindings,
        ),
        ask.has_any(ENTRY, 0, from_ms),
    )
    events = _Events(ask, asked, silent)
    visits, conversions = await asyncio.gather(events.visits(), events.conversions())
    read = Read(visits=visits, conversions=conversions, from_ms=ask.range.from_ms)
    return RangeRead(events, has_before, read)


async def facts(range_read: RangeRead, forest: Forest) -> Facts:
    """Put what was read of a range and the cards together; what else decides is read now."""
    events, read = range_read.events, range_read.read
    ask = events.ask
    made = forest.made(ask.range.from_ms, ask.range.to_ms)
    if range_read.has_before:
        before = await events.visits_before(*read.asks_before(forest, made))
        read = structs.replace(read, visits=read.visits.continued(before))
    opened = await asyncio.to_thread(opened_of, forest, made, read)
    if len(apart := opened.due.apart):
        opened = await asyncio.to_thread(opened.again, apart, await events.conversions_apart(apart))
    found, undecided = await asyncio.to_thread(opened.facts)
    if len(undecided):
        below = reshared(forest, made)
        visits, conversions, shared = await asyncio.gather(
            events.visits_of(undecided),
            events.conversions_of(undecided),
            events.shared_of(undecided, forest.card[below], forest.sharer[below]),
        )
        again = structs.replace(
            read, visits=visits, conversions=conversions, decided=undecided, shared=shared
        )
        opened = await asyncio.to_thread(opened_of, forest, made, opened.read.settled(again))
        found, _ = await asyncio.to_thread(opened.facts)
    return found
