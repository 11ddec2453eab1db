"""
The SQL of the share report: cards, openings and conversions come as arrays; share_counts.py counts. Called by share.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct, structs

from query_api import per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.errors import InvalidRequest
from query_api.fields import field_sql
from query_api.filters import filter_sql, selector_sql
from query_api.params import EventSelector, FieldName, Query
from query_api.periods import DAY_MS, MAX_YEAR
from query_api.report import Ask
from query_api.share_counts import CONVERSIONS, OPENS, RESHARES, Dimension, Facts, facts_of
from query_api.share_forest import Forest, Integers
from query_api.sql import load_sql

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
FORGED = (
    "event IN ('app_launch', 'app_show', 'share') AND properties_text['$forged_share_id'] != ''"
)
"""Other events of such a visit carry the property as well; they would cost a pass over everything."""
_CARD = "event = 'share' AND properties_text['share_id'] != ''"
_BEFORE_END = "occurred_at < fromUnixTimestamp64Milli({range_to_ms:Int64}, 'UTC')"
_IN_RANGE = (
    f"occurred_at >= fromUnixTimestamp64Milli({{range_from_ms:Int64}}, 'UTC') AND {_BEFORE_END}"
)


class Asked(Struct, frozen=True, kw_only=True):
    """The part of a request that the statement depends on."""

    query: Query
    conversion: EventSelector
    revenue: FieldName | None
    dimensions: list[Dimension]
    silent: bool = True
    """Whether there may be events without a session_id."""


def _scenes(by_platform: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{platform} {scene}" for platform, scenes in by_platform.items() for scene in scenes]


def source_of_cards(ask: Ask, bindings: Bindings, where: str = "1") -> str:
    """Return the SELECT of all share events that make a card, of all of history."""
    return ask.source(bindings, f"{_CARD} AND {where}", from_ms=0, to_ms=EVER_MS)


def events(ask: Ask, asked: Asked, bindings: Bindings, top: list[Key] | None = None) -> str:
    """
    Return the SELECT of all events that make cards; texts of dimensions that nobody asks for are empty.

    ``top``: the keys of the breakdown that have a row of their own, None: all.
    """
    named = asked.dimensions
    key = per_user.event_key(asked.query, bindings) if "breakdown" in named else per_user.NO_KEY
    return load_sql(
        "share.events",
        order=source.order(),
        matches=filter_sql(asked.query.filter, "$.filter", bindings),
        page="toString(page)" if "page" in named else "''",
        channel="properties_text['share_channel']" if "channel" in named else "''",
        key=per_user.folded(top, bindings, key),
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
        f"AND {_BEFORE_END}"
    )
    around = {"from_ms": 0, "to_ms": EVER_MS}
    events = ask.source(bindings, where, **around)
    return source.with_sessions(
        bindings, events, ask.source(bindings, silent, **around) if asked.silent else None
    )


def _entries(ask: Ask, asked: Asked, bindings: Bindings) -> str:
    return _with_sessions(ask, asked, bindings, f"{ENTRY} AND {_BEFORE_END}")


def _conversions(ask: Ask, asked: Asked, bindings: Bindings) -> str:
    condition = selector_sql(asked.conversion, "$.conversion", bindings)
    value = "0"
    if asked.revenue is not None:
        read = field_sql(asked.revenue, "$.revenue", bindings)
        if read.number is None:
            raise InvalidRequest("$.revenue", "this field is never a number")
        value = f"if({read.has_number}, {read.number}, 0)"
    return load_sql(
        "share.conversions",
        order=source.order(),
        value=value,
        events=_with_sessions(ask, asked, bindings, f"{condition} AND {_IN_RANGE}"),
    )


async def facts(ask: Ask, asked: Asked, forest: Forest) -> Facts:
    """Read what is counted in the range of the question."""
    asked = await with_silent(ask, asked)
    bindings = ask.bindings()
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    bindings.named("favourite_scenes", _scenes(FAVOURITE_SCENES), "Array(String)")
    bindings.named("relaunch_scenes", _scenes(RELAUNCH_SCENES), "Array(String)")
    bindings.table("given", {"card": forest.card, "sharer": forest.sharer})
    made = forest.made(ask.range.from_ms, ask.range.to_ms)
    reshared = made[forest.above[made] < len(forest.card)]
    bindings.table(
        "reshared",
        {
            "card": forest.card[reshared],
            "up": forest.card[forest.above[reshared]],
            "sharer": forest.sharer[reshared],
            "shared_ms": forest.shared_ms[reshared].astype(np.uint64),
        },
    )
    rows = await ask.fetch(
        "share.facts",
        bindings,
        openings=load_sql(
            "share.openings", order=source.order(), entries=_entries(ask, asked, bindings)
        ),
        opens=load_sql("share.opens"),
        conversions=_conversions(ask, asked, bindings),
        delays=load_sql("share.delays"),
    )
    parts = {row["part"]: row for row in rows}
    arrays = {
        part: [np.array(numbers, dtype=np.uint64) for numbers in row["numbers"]]
        for part, row in parts.items()
    }
    if parts[RESHARES]["named"]:
        await _settle_ties(ask, asked, arrays[RESHARES], dict(parts[RESHARES]["named"]))
    texts = dict([*parts[OPENS]["named"], *parts[CONVERSIONS]["named"]])
    return facts_of(forest, made, arrays, texts, reshares=len(reshared))


async def _settle_ties(
    ask: Ask, asked: Asked, reshares: list[Integers], tied: dict[int, str]
) -> None:
    """Let openings in the very ms of the share count where they came first. ``tied``: by card, hex of the opening."""
    card, shared_ms, opened_ms = reshares
    bindings = ask.bindings()
    bindings.table("wanted", {"card": np.array(list(tied), dtype=np.uint64)})
    cards = load_sql("share.cards", events=events(ask, asked, bindings))
    rows = await ask.fetch("share.tied", bindings, cards=cards)
    earlier = [row["card"] for row in rows if tied[row["card"]] <= row["shared"]]
    settled = np.isin(card, np.array(earlier, dtype=np.uint64))
    opened_ms[settled] = shared_ms[settled]
