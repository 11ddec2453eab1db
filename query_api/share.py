"""
Shares (分享裂变): the forest of cards, who opened them, how far they went, whom each sharer brought.

**Card**: a ``share`` event with ``properties.share_id`` makes one in its app; the first by (occurred_at, seq, event_id) when
there are several. ``parent_share_id`` names the card above it. **Depth** is counted along the parents, from 1 at a root; what
the event claims is not used. A card whose parent is not known, or that names itself, is a root; a cycle is cut above its
earliest card, which becomes a root. Cards are known in all of history; the request's ``filter`` and ``breakdown`` look at the
share event and choose cards, never change depths.

**Open**: a session with an ``app_launch`` or ``app_show`` that carries the card's ``share_id``, however many of them: a cold
start sends both. A session that opens two cards opens each once. It lies at its first such entry. No open is made by the
card's own sharer, by an entry from a favourite (FAVOURITE_SCENES), by an entry through a list of recently used programs and
the like (RELAUNCH_SCENES) when the user had opened that card before. A ``share_id`` that no card of the app has is counted
apart.

**Numbers** of a row: ``shares`` and ``sharers`` (cards made in the range, their users), ``opens``, ``openers`` (distinct
users), ``new_users`` (openers whose first app_launch or app_show ever is the opening one), ``conversions`` (events of
``conversion`` in the range), ``converters``, ``revenue`` (sum of the number in ``revenue``). A conversion belongs to the card
that its event carries, if its user opened that card at or before it; without a known card to the card that its session opened
last at or before it.

**Sharers**: ``direct_openers`` opened a card of the user; ``descendant_openers`` one of those or any card below, the user left
out. Distinct openers are exact, down to depth share_sql.MAX_DEPTH.

**K** has no common definition; ``k`` chooses one and ``result.k`` prints every input:

- ``invite_conversion``: invitations per active user (shares / active_users) times new users per invitation (new_users /
  shares); active: with an app_launch or app_show in the range.
- ``new_per_sharer``: new_users / sharers.
- ``growingio_daily``: for each day new users of the day / sharers of the day; the mean over the days with a sharer. GrowingIO
  publishes that its coefficient is daily, not the formula.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from query_api import breakdowns, per_user, share_forest, share_sql, source
from query_api.breakdowns import Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.filters import Bindings
from query_api.params import EventSelector, FieldName, Query
from query_api.per_user import BreakdownCell
from query_api.periods import periods_of, rfc3339
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.share_forest import Forest
from query_api.share_sql import Asked
from query_api.sql import load_sql

MAX_SHARERS = 10_000
MAX_CASCADE = 10_000
MAX_ROWS = 1_000
"""Pages, channels or groups shown."""
LEAST_CANDIDATES = 200
_COUNTS, _SHARERS, _DELAYS = 1, 2, 3
_PARTS = {
    _COUNTS: (
        "shares", "sharers", "opens", "openers", "new_users", "conversions", "converters", "own_opens",
        "unknown_opens", "unknown_share_ids", "revenue",
    ),
    _SHARERS: (
        "shares", "direct_opens", "direct_openers", "descendant_openers", "new_users", "conversions",
        "sharers", "beyond", "revenue",
    ),
    _DELAYS: ("reshares", "opened_before", "active_users", "median_ms", "p90_ms", "average_ms"),
}  # fmt: skip
"""Parts of share.report, and the names of their numbers."""

ShareId = Annotated[str, Meta(min_length=1, max_length=1_024)]


class ShareQuery(Query, kw_only=True):
    """
    The share forest.

    ``conversion``, ``revenue``: which events convert, and their number that is added up. ``by``: further tables, of the card's
    page and share_channel and the opening's group_id. ``root``: a share_id whose cascade is listed.
    """

    conversion: EventSelector = msgspec.field(
        default_factory=lambda: EventSelector(event="order_pay")
    )
    revenue: FieldName | None = "properties.amount"
    by: list[Literal["page", "channel", "group"]] = msgspec.field(
        default_factory=lambda: ["page", "channel", "group"]
    )
    k: Literal["invite_conversion", "new_per_sharer", "growingio_daily"] = "invite_conversion"
    sharer_limit: Annotated[int, Meta(ge=0, le=MAX_SHARERS)] = 100
    root: ShareId | None = None


class ShareCell(BreakdownCell, kw_only=True):
    """
    One number: ``metric`` of the row with this ``depth``, ``page``, ``channel``, ``group_id`` or ``breakdown``.

    At most one of them; none: all rows together. ``sharer``: of one sharer's cards; ``descendant_openers`` needs it and takes
    no row.
    """

    metric: Literal["sharers", "openers", "new_users", "converters", "descendant_openers"] = (
        "openers"
    )
    depth: Annotated[int, Meta(ge=1)] | None = None
    page: str | None = None
    channel: str | None = None
    group_id: str | None = None
    sharer: Annotated[str, Meta(pattern="^[0-9]{1,20}$")] | None = None


def _asked(query: ShareQuery) -> Asked:
    if len(set(query.by)) != len(query.by):
        raise InvalidRequest("$.by", "a table stands twice")
    names = ["total", "depth", *query.by, *(["breakdown"] if query.breakdown else [])]
    if query.k == "growingio_daily":
        names.append("day")
    return Asked(query=query, conversion=query.conversion, revenue=query.revenue, dimensions=names)


async def _forest(ask: Ask, asked: Asked) -> Forest:
    bindings = ask.bindings()
    forest = await share_forest.load(ask, share_sql.cards(ask, asked, bindings), bindings)
    if forest.deepest > share_sql.MAX_DEPTH:
        ask.warn(
            "deep_forest",
            f"descendants and cascades are followed down to depth {share_sql.MAX_DEPTH}; this forest is {forest.deepest} deep",
        )
    return forest


async def _top(ask: Ask, query: ShareQuery) -> list[Key] | None:
    bindings = ask.bindings()
    key = breakdowns.key_sql(query.breakdown, bindings)
    return await breakdowns.top(ask, share_sql.source_of_cards(ask, bindings), key, bindings)


async def answer(ask: Ask, query: ShareQuery) -> Answer:
    """Answer the share report."""
    asked = _asked(query)
    forest = await _forest(ask, asked)
    top = await _top(ask, query)
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal truncated
        result, cut = await _result(one, query, asked, forest, top)
        truncated |= cut
        return result

    return Answer(
        result=await with_comparison(ask, query.compare, result_of),
        semantics=_semantics(query),
        truncated=truncated,
    )


async def _result(
    ask: Ask, query: ShareQuery, asked: Asked, forest: Forest, top: list[Key] | None
) -> tuple[Row, bool]:
    """Return the numbers of a range, and whether a list was cut."""
    asked = await share_sql.with_silent(ask, asked)
    counted = await _counted(ask, query, asked, forest, top)
    tables = counted.tables
    total = tables["total"].get((), {})
    bindings = ask.bindings()
    forged_source = ask.source(bindings, "properties_text['$forged_share_id'] != ''")
    [forged] = await ask.fetch("share.forged", bindings, source=forged_source)
    depths = {int(value[0]): row for value, row in tables["depth"].items() if value[0] != "0"}
    deepest = max(depths, default=0)
    result: Row = {
        "total": _metrics(total),
        "depths": [
            {"depth": depth, **_metrics(depths.get(depth, {}))} for depth in range(1, deepest + 1)
        ],
        "counts": {
            "cards_known": len(forest.card),
            "unknown_parents": forest.unknown_parents,
            "cycles": forest.cycles,
            "repeated_shares": forest.repeated_shares,
            "own_opens": total.get("own_opens", 0),
            "unknown_opens": total.get("unknown_opens", 0),
            "unknown_share_ids": total.get("unknown_share_ids", 0),
            "forged_events": forged["events"],
            "forged_share_ids": forged["share_ids"],
        },
    }
    truncated = False
    for name in query.by:
        field = "group_id" if name == "group" else name
        # Own openings and unknown cards make rows without a number that is shown.
        rows = [
            {field: value[0], **_metrics(row)} for value, row in tables[name].items() if _any(row)
        ]
        rows.sort(key=lambda row, field=field: (-row["opens"], -row["shares"], row[field]))  # type: ignore[misc]
        truncated |= len(rows) > MAX_ROWS
        result[f"{name}s"] = rows[:MAX_ROWS]
    if query.breakdown:
        sizes = {
            key: row["opens"] + row["shares"]
            for key, row in tables["breakdown"].items()
            if _any(row)
        }
        result["rows"] = [
            {**per_user.described(key, query), **_metrics(tables["breakdown"][key])}
            for key in per_user.ordered(sizes)
        ]
    if forest.deepest <= share_sql.MAX_DEPTH:
        shape = await asyncio.to_thread(share_forest.shape_of, forest.parents(), forest.depth)
        result["forest"] = msgspec.to_builtins(shape)
    result["sharers"], sharers = await _sharers(ask, query, asked, forest, counted)
    result["sharers_total"] = sharers
    result["reshare_delay"], active_users = _delays(counted.delays)
    daily = {int(value[0]): row for value, row in tables.get("day", {}).items()}
    result["k"] = _k(ask, query, result["total"], active_users, daily)
    if query.root is not None:
        result["cascade"] = await _cascade(ask, query, asked, forest)
        truncated |= len(result["cascade"]["cards"]) < result["cascade"]["total_cards"]
    return result, truncated or len(result["sharers"]) < sharers


def _any(row: Row) -> bool:
    return bool(row["shares"] or row["opens"] or row["conversions"])


def _metrics(row: Row) -> Row:
    shares, opens, openers = (row.get(name, 0) for name in ("shares", "opens", "openers"))
    converters = row.get("converters", 0)
    return {
        "shares": shares,
        "sharers": row.get("sharers", 0),
        "opens": opens,
        "openers": openers,
        "new_users": row.get("new_users", 0),
        "conversions": row.get("conversions", 0),
        "converters": converters,
        "revenue": row.get("revenue", 0.0),
        "opens_per_share": opens / shares if shares else None,
        "converters_per_opener": converters / openers if openers else None,
    }


class _Counted(Struct):
    """What share.report counts: rows by table and key, the sharers (not where none are asked for), the delays."""

    tables: dict[str, dict[Key, Row]]
    sharers: list[Row]
    delays: Row


async def _counted(
    ask: Ask, query: ShareQuery, asked: Asked, forest: Forest, top: list[Key] | None
) -> _Counted:
    bindings = ask.bindings()
    sharers = ""
    more: dict[str, str] = {}
    if query.sharer_limit:
        select, more = _top_sharers(query, _candidates(query), bindings)
        sharers = load_sql("share.report_sharers", sharers=select)
    select = load_sql(
        "share.report",
        counts=load_sql("share.counts", dimensions=share_sql.dimensions(ask, asked, top, bindings)),
        sharers=sharers,
        delays=load_sql("share.delays"),
    )
    sql = share_sql.statement(ask, asked, bindings, forest, select, more, described=True)
    found = _Counted({name: {} for name in asked.dimensions}, [], {})
    for row in await ask.fetch_sql("share.report", sql, bindings):
        values = [*row["counts"], *row["numbers"]]
        named = dict(zip(_PARTS[row["part"]], values, strict=True))
        if row["part"] == _COUNTS:
            found.tables[row["dimension"]][tuple(row["value"])] = named
        elif row["part"] == _SHARERS:
            found.sharers.append(named | {"sharer": row["sharer"]})
        else:
            found.delays = named
    return found


def _candidates(query: ShareQuery) -> int:
    return max(LEAST_CANDIDATES, 4 * query.sharer_limit)


def _top_sharers(
    query: ShareQuery, candidates: int, bindings: Bindings
) -> tuple[str, dict[str, str]]:
    """Return the SELECT of the sharers with the most descendant openers among so many candidates, and its CTEs."""
    bindings.named("candidates", candidates, "UInt32")
    bindings.named("sharer_limit", query.sharer_limit, "UInt32")
    pairs = load_sql("share.pairs", among="sharer IN (SELECT sharer FROM candidates)")
    more = {name: load_sql(f"share.{name}") for name in ("paths", "bounds", "candidates")}
    return load_sql("share.sharers", pairs=pairs), more


async def _sharers(
    ask: Ask, query: ShareQuery, asked: Asked, forest: Forest, counted: _Counted
) -> tuple[list[Row], int]:
    """Return the sharers with the most descendant openers, and how many sharers there are."""
    rows, candidates = counted.sharers, _candidates(query)
    while rows and rows[0]["beyond"]:
        if min(row["descendant_openers"] for row in rows) > rows[0]["beyond"]:
            break
        candidates *= 16
        bindings = ask.bindings()
        select, more = _top_sharers(query, candidates, bindings)
        sql = share_sql.statement(ask, asked, bindings, forest, select, more)
        rows = await ask.fetch_sql("share.sharers", sql, bindings)
    rows.sort(
        key=lambda row: (
            -row["descendant_openers"], -row["direct_openers"], -row["shares"], row["sharer"]
        )
    )  # fmt: skip
    names = ["shares", "direct_opens", "direct_openers", "descendant_openers"]
    names += ["new_users", "conversions", "revenue"]
    return (
        [{"user": str(row["sharer"]), **{name: row[name] for name in names}} for row in rows],
        rows[0]["sharers"] if rows else 0,
    )


def _k(ask: Ask, query: ShareQuery, total: Row, active: int, by_day: dict[int, Row]) -> Row:
    shares, sharers, new_users = (total[name] for name in ("shares", "sharers", "new_users"))
    if query.k == "invite_conversion":
        value = new_users / active if active else None
        formula = "invitations_per_user × conversion_per_invitation = (shares / active_users) × (new_users / shares)"
        inputs: Row = {
            "shares": shares,
            "active_users": active,
            "new_users": new_users,
            "invitations_per_user": shares / active if active else None,
            "conversion_per_invitation": new_users / shares if shares else None,
        }
    elif query.k == "new_per_sharer":
        value = new_users / sharers if sharers else None
        formula = "new_users / sharers"
        inputs = {"new_users": new_users, "sharers": sharers}
    else:
        days = periods_of(ask.range.from_ms, ask.range.to_ms, "day", ask.zone)
        daily = [
            {
                "day": label,
                "new_users": row.get("new_users", 0),
                "sharers": row.get("sharers", 0),
                "value": row["new_users"] / row["sharers"] if row.get("sharers") else None,
            }
            for label, start in zip(days.labels, days.starts_ms, strict=False)
            for row in [by_day.get(start, {})]
        ]
        values = [day["value"] for day in daily if day["value"] is not None]
        value = sum(values) / len(values) if values else None
        formula = "mean over the days with a sharer of (new_users of the day / sharers of the day)"
        inputs = {"days": daily, "days_with_a_sharer": len(values)}
    return {"definition": query.k, "value": value, "formula": formula, "inputs": inputs}


def _delays(row: Row) -> tuple[Row, int]:
    """Return the re-share delay, and the active users of the range."""
    known = row["opened_before"] > 0
    delay = {
        "reshares": row["reshares"],
        "opened_before": row["opened_before"],
        **{name: row[name] if known else None for name in ("median_ms", "p90_ms", "average_ms")},
    }
    return delay, row["active_users"]


async def _cascade(ask: Ask, query: ShareQuery, asked: Asked, forest: Forest) -> Row:
    bindings = ask.bindings()
    bindings.named("root", query.root, "String")
    bindings.named("cascade_limit", MAX_CASCADE, "UInt32")
    more = {"below": load_sql("share.below")}
    select = load_sql("share.cascade")
    sql = share_sql.statement(ask, asked, bindings, forest, select, more, described=True)
    rows = await ask.fetch_sql("share.cascade", sql, bindings)
    if not rows:
        raise InvalidRequest("$.root", "no card of these apps has this share_id")
    cards = [
        {
            **{
                name: row[name]
                for name in ("app_id", "share_id", "parent_share_id", "depth", "page", "channel")
            },
            "sharer": str(row["sharer"]),
            "shared_at": rfc3339(row["shared_ms"], ask.zone),
            **{
                name: row[name]
                for name in ("opens", "openers", "new_users", "conversions", "revenue")
            },
        }
        for row in rows
    ]
    answered: Row = {"root": query.root, "total_cards": rows[0]["cards"], "cards": cards}
    if forest.deepest <= share_sql.MAX_DEPTH:
        [found] = await ask.fetch("share.root", bindings)
        roots = np.searchsorted(forest.card, np.array(found["cards"], dtype=np.uint64))
        roots = roots[np.isin(np.array(found["cards"], dtype=np.uint64), forest.card)]
        shape = await asyncio.to_thread(forest.below, roots)
        answered["shape"] = msgspec.to_builtins(shape)
    return answered


def _semantics(query: ShareQuery) -> Row:
    return {
        "conversion": msgspec.to_builtins(query.conversion),
        "revenue": query.revenue,
        "by": query.by,
        "k": query.k,
        "root": query.root,
        "sharer_limit": query.sharer_limit,
        "card": "a share event with properties.share_id, the first of its app; known in all of history; filter and breakdown "
        "look at this event",
        "depth": "1 at a root, counted along parent_share_id; the event's own `depth` is not used",
        "missing_parent": "a card whose parent is no card of its app is a root",
        "cycle": "is cut above its earliest card (by occurred_at, seq, event_id), which becomes a root",
        "shares": "cards made in the time range",
        "open": "one session whose app_launch or app_show carries the card's share_id, at its first such entry, in the time "
        "range; a session that opens two cards opens each once; not by the card's sharer",
        "favourite_scenes": share_sql.FAVOURITE_SCENES,
        "relaunch_scenes": share_sql.RELAUNCH_SCENES,
        "favourite": "an entry by a favourite scene opens no card",
        "relaunch": "an entry by a relaunch scene opens a card only if the user never opened it before",
        "session": source.SESSION_DEFINITION,
        "new_users": "openers whose first app_launch or app_show ever, in these apps, is the opening entry",
        "conversions": "events of `conversion` in the time range whose user opened the card they carry at or before them; "
        "without a known card: whose session opened a card at or before them, the last one",
        "forged": "events of the range whose share_id had a wrong signature, or none where one is required; they open nothing",
        "unknown_opens": "sessions with a share_id that no card of the app has: forged, or its share event was lost",
        "direct_openers": "distinct users who opened a card of the sharer",
        "descendant_openers": "distinct users who opened a card of the sharer or any card below one, the sharer left out",
        "active_users": "users with an app_launch or app_show in the time range",
        "sharers_order": "by descendant_openers, direct_openers, shares, most first",
        "reshare_delay": "from the sharer's last opening of the parent card before the share; over cards of the "
        "range with a known parent",
        "forest": "all cards of these apps, whatever filter and range: trees, largest (cards), depth, breadth (cards of the "
        "widest depth of one tree), structural_virality (mean number of steps between two cards of one tree; mean over the "
        "trees of at least two); the same of a root's cascade in `cascade.shape`",
        "groups": "by the first group_id of the opening session's entries with the card; shares have none",
    }


_KINDS = {"sharers": 1, "openers": 2, "new_users": 2, "converters": 3}


async def users(ask: Ask, query: ShareQuery, cell: ShareCell) -> UserSelect:
    """Select the users of a cell."""
    asked = _asked(query)
    dimension, value = _place(query, cell)
    forest = await _forest(ask, asked)
    bindings = ask.bindings()
    sharer = int(cell.sharer or 0)
    if sharer >= 2**64:
        raise InvalidRequest("$.cell.sharer", "the `user` of a sharer as the answer shows it")
    bindings.named("cell_sharer", sharer, "UInt64")
    if cell.metric == "descendant_openers":
        if cell.sharer is None or dimension != "total":
            raise InvalidRequest(
                "$.cell.sharer", "descendant_openers are those of one sharer, over all rows"
            )
        pairs = load_sql("share.pairs", among="sharer = {cell_sharer:UInt64}")
        select = load_sql("share.descendants", pairs=pairs)
        more = {"paths": load_sql("share.paths")}
        sql = share_sql.statement(ask, asked, bindings, forest, select, more)
        return UserSelect("share.descendants", sql, bindings)
    top = await _top(ask.asked, query) if cell.other else None
    per_user.check_other(cell, top)
    bindings.named("cell_dimension", dimension, "String")
    bindings.named("cell_value", value, "Array(String)")
    bindings.named("cell_kind", _KINDS[cell.metric], "UInt8")
    bindings.named("cell_new", cell.metric == "new_users", "Bool")
    select = load_sql("share.users", dimensions=share_sql.dimensions(ask, asked, top, bindings))
    sql = share_sql.statement(ask, asked, bindings, forest, select, described=True)
    return UserSelect("share.users", sql, bindings)


def _place(query: ShareQuery, cell: ShareCell) -> tuple[str, list[str]]:
    """Return the table and the row that a cell names."""
    named: list[tuple[str, str, Any]] = [
        ("depth", "depth", cell.depth),
        ("page", "page", cell.page),
        ("channel", "channel", cell.channel),
        ("group_id", "group", cell.group_id),
    ]
    places = [(field, name, [str(value)]) for field, name, value in named if value is not None]
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    if key is not None:
        places.append(("breakdown", "breakdown", list(key)))
    if len(places) > 1:
        raise InvalidRequest(f"$.cell.{places[1][0]}", "a cell names one row of one table")
    if not places:
        return "total", []
    field, name, value = places[0]
    if name not in ("depth", "breakdown", *query.by):
        raise InvalidRequest(f"$.cell.{field}", "this table is not in `by`")
    return name, value


def table(result: Row) -> list[Row]:
    """Flatten: one row for each depth."""
    rows: list[Row] = result["depths"]
    return rows


REPORT = Report(
    name="share",
    summary="The share forest: depths, sharers, K (分享裂变)",
    params=ShareQuery,
    answer=answer,
    table=table,
    cell=ShareCell,
    users=users,
)
