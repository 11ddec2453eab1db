"""
The SQL of the share report: the statement around each question. Called by share.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from query_api import breakdowns, source
from query_api.breakdowns import Key
from query_api.errors import InvalidRequest
from query_api.filters import Bindings, field_sql, filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Query
from query_api.periods import DAY_MS, MAX_YEAR, periods_of
from query_api.report import Ask
from query_api.share_forest import Forest
from query_api.sql import load_sql

MAX_DEPTH = 1_000
"""Descendants and cascades are followed down to this depth."""
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


class Asked(Struct, frozen=True, kw_only=True):
    """The part of a request that the statement depends on."""

    query: Query
    conversion: EventSelector
    revenue: FieldName | None
    dimensions: list[str]
    silent: bool = True
    """Whether there may be events without a session_id."""


def _scenes(by_platform: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{platform} {scene}" for platform, scenes in by_platform.items() for scene in scenes]


def source_of_cards(ask: Ask, bindings: Bindings) -> str:
    """Return the SELECT of all share events that make a card, of all of history."""
    where = "event = 'share' AND properties_text['share_id'] != ''"
    return ask.source(bindings, where, from_ms=0, to_ms=EVER_MS)


def cards(ask: Ask, asked: Asked, bindings: Bindings, *, described: bool = False) -> str:
    """Return the SELECT of all cards; ``described``: with page, channel and breakdown, which else are empty."""
    key = breakdowns.key_sql(asked.query.breakdown if described else [], bindings)
    return load_sql(
        "share.cards",
        order=source.order(),
        matches=filter_sql(asked.query.filter, "$.filter", bindings),
        page="toString(page)" if described else "''",
        channel="properties_text['share_channel']" if described else "''",
        key=key,
        source=source_of_cards(ask, bindings),
    )


async def with_silent(ask: Ask, asked: Asked) -> Asked:
    """Ask whether sessions have to be cut."""
    from_ms = ask.range.from_ms - LOOK_AROUND_MS
    return structs.replace(asked, silent=await ask.has_silent(from_ms, ask.range.to_ms))


def _with_sessions(ask: Ask, asked: Asked, bindings: Bindings, where: str) -> str:
    bindings.named("silent_from_ms", ask.range.from_ms - LOOK_AROUND_MS, "Int64")
    silent = (
        "session_id = '' AND occurred_at >= fromUnixTimestamp64Milli({silent_from_ms:Int64}, 'UTC') "
        "AND occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
    )
    around = {"from_ms": 0, "to_ms": EVER_MS}
    events = ask.source(bindings, where, **around)
    return source.with_sessions(
        bindings, events, ask.source(bindings, silent, **around) if asked.silent else None
    )


def _entries(ask: Ask, asked: Asked, bindings: Bindings) -> str:
    before_end = "occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
    return _with_sessions(ask, asked, bindings, f"{ENTRY} AND {before_end}")


def _conversions(ask: Ask, asked: Asked, bindings: Bindings) -> str:
    condition = selector_sql(asked.conversion, "$.conversion", bindings)
    value = "0"
    if asked.revenue is not None:
        read = field_sql(asked.revenue, "$.revenue", bindings)
        if read.number is None:
            raise InvalidRequest("$.revenue", "this field is never a number")
        value = f"if({read.has_number}, {read.number}, 0)"
    in_range = (
        "occurred_at >= fromUnixTimestamp64Milli({range_from_ms:Int64}, 'UTC') "
        "AND occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
    )
    return load_sql(
        "share.conversions",
        order=source.order(),
        value=value,
        events=_with_sessions(ask, asked, bindings, f"{condition} AND {in_range}"),
    )


def dimensions(ask: Ask, asked: Asked, top: list[Key] | None, bindings: Bindings) -> str:
    """Return the expression of the rows that a fact counts in."""
    days = periods_of(ask.range.from_ms, ask.range.to_ms, "day", ask.zone, path="$.time_range")
    bindings.named("starts", list(days.starts_ms[:-1]), "Array(Int64)")
    bindings.named("dimensions", asked.dimensions, "Array(String)")
    return load_sql("share.dimensions", folded=breakdowns.top_sql("key", top, bindings))


def statement(
    ask: Ask,
    asked: Asked,
    bindings: Bindings,
    forest: Forest,
    select: str,
    more: dict[str, str] | None = None,
    *,
    described: bool = False,
) -> str:
    """
    Return one statement over forest, openings, opens, conversions and facts.

    ``select``: what is asked of them. ``more``: further CTEs by name. ``described``: as ``cards``
    has it.
    """
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    bindings.named("favourite_scenes", _scenes(FAVOURITE_SCENES), "Array(String)")
    bindings.named("relaunch_scenes", _scenes(RELAUNCH_SCENES), "Array(String)")
    bindings.named("max_depth", MAX_DEPTH, "UInt32")
    forest.bind(bindings)
    return load_sql(
        "share.with",
        cards=cards(ask, asked, bindings, described=described),
        openings=load_sql(
            "share.openings", order=source.order(), entries=_entries(ask, asked, bindings)
        ),
        opens=load_sql("share.opens"),
        conversions=_conversions(ask, asked, bindings),
        facts=load_sql("share.facts"),
        more="".join(
            f",\n{name} AS MATERIALIZED\n(\n{sql}\n)" for name, sql in (more or {}).items()
        ),
        select=select,
    )
