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
out. Distinct openers are exact, down to depth share_forest.MAX_DEPTH.

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
from msgspec import Meta, Struct, structs

from query_api import breakdowns, per_user, share_counts, share_forest, share_sql, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.numbering import distinct
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.per_user import BreakdownCell
from query_api.periods import local_day, periods_of, rfc3339
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.share_counts import Acts, Dimension, Facts, Openers, Table, Taken
from query_api.share_forest import Below, Forest, Indexes, Integers, Shape
from query_api.share_sql import Asked, RangeRead
from query_api.sql import load_sql

MAX_SHARERS = 10_000
MAX_CASCADE = 10_000
MAX_ROWS = 1_000
"""Pages, channels or groups shown."""

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


class CardName(Params, kw_only=True):
    """A card as a cascade names it."""

    app_id: str
    share_id: ShareId


class ShareCell(BreakdownCell, kw_only=True):
    """
    One number: ``metric`` of a row: by ``depth``, ``page``, ``channel``, ``group_id``, ``day``, ``card`` or ``breakdown``.

    At most one of them; none: all rows together. ``sharer``: of one sharer's cards; ``descendant_openers`` needs it and takes
    no row. ``resharers`` made the re-shares, ``opened_before`` those whose delay is known; ``active_users`` is an input of K,
    of no row and no sharer.
    """

    metric: Literal[
        "sharers", "openers", "new_users", "converters", "descendant_openers",
        "resharers", "opened_before", "active_users",
    ] = "openers"  # fmt: skip
    depth: Annotated[int, Meta(ge=1, lt=2**32)] | None = None
    page: str | None = None
    channel: str | None = None
    group_id: str | None = None
    day: Annotated[str, Meta(max_length=10)] | None = None
    card: CardName | None = None
    sharer: Annotated[str, Meta(pattern="^[0-9]{1,20}$")] | None = None


def _asked(query: ShareQuery) -> Asked:
    if len(set(query.by)) != len(query.by):
        raise InvalidRequest("$.by", "a table stands twice")
    names: list[Dimension] = ["total", "depth", *query.by]
    if query.breakdown:
        names.append("breakdown")
    if query.k == "growingio_daily":
        names.append("day")
    return Asked(query=query, conversion=query.conversion, revenue=query.revenue, dimensions=names)


async def _forest(ask: Ask, asked: Asked, top: list[Key] | None) -> Forest:
    bindings = ask.bindings()
    events = share_sql.events(ask, asked, bindings, top)
    forest = await share_forest.load(ask, events, bindings)
    if forest.deepest > share_forest.MAX_DEPTH:
        ask.warn(
            "deep_forest",
            f"descendants, cascades and the list of depths end at depth {share_forest.MAX_DEPTH}; "
            f"this forest is {forest.deepest} deep",
        )
    return forest


class _Trees(Struct, frozen=True):
    """The cards, and what is worked out of them alone, while visits are read. ``shape``: as ``_shape``."""

    forest: Forest
    below: Below
    shape: Shape | None


async def _trees(ask: Ask, asked: Asked, top: list[Key] | None) -> _Trees:
    forest = await _forest(ask, asked, top)
    below, shape = await asyncio.gather(
        asyncio.to_thread(share_forest.below_of, forest), asyncio.to_thread(_shape, forest)
    )
    return _Trees(forest, below, shape)


async def _top(ask: Ask, query: ShareQuery) -> list[Key] | None:
    def cards(ask: Ask, query: ShareQuery, bindings: Bindings) -> str:
        return share_sql.source_of_cards(
            ask, bindings, f"{per_user.event_key(query, bindings)} AS key"
        )

    return await per_user.top_of(ask, query, cards)


async def answer(ask: Ask, query: ShareQuery) -> Answer:
    """Answer the share report."""
    asked = _asked(query)
    truncated = False

    async def result_of(one: Ask) -> Row:
        nonlocal truncated
        # What can be read without the cards is read beside them.
        range_read, forged, grown = await asyncio.gather(
            share_sql.read_range(one, asked), share_sql.forged(one), asyncio.shield(trees)
        )
        result, cut = await _result(one, query, asked, grown, range_read, forged)
        truncated |= cut
        return result

    trees = asyncio.create_task(_trees(ask, asked, await _top(ask, query)))
    try:
        result = await with_comparison(ask, query.compare, result_of)
    finally:
        trees.cancel()
    return Answer(result=result, semantics=_semantics(query), truncated=truncated)


async def _result(
    ask: Ask, query: ShareQuery, asked: Asked, trees: _Trees, range_read: RangeRead, forged: Row
) -> tuple[Row, bool]:
    """Return the numbers of a range, and whether a list was cut."""
    forest, below = trees.forest, trees.below
    facts, active_users = await asyncio.gather(
        share_sql.facts(range_read, forest),
        asyncio.to_thread(distinct, range_read.read.visits.user),
    )
    (tables, group_names), (sharers, sharers_total) = await asyncio.gather(
        _named_tables(ask, asked, facts),
        asyncio.to_thread(_sharers, facts, below, query.sharer_limit),
    )
    depths = tables["depth"]
    seen = [*depths.filled(), *forest.depth[facts.own.card].tolist()]
    result: Row = {
        "total": _metrics(tables["total"].row(0)),
        "depths": [
            {"depth": depth, **_metrics(depths.row(depth))}
            for depth in range(1, min(max(seen, default=0), share_forest.MAX_DEPTH) + 1)
        ],
        "counts": {
            "cards_known": len(forest.card),
            "unknown_parents": forest.unknown_parents,
            "cycles": forest.cycles,
            "repeated_shares": forest.repeated_shares,
            "own_opens": len(facts.own.card),
            "unknown_opens": facts.unknown_opens,
            "unknown_share_ids": facts.unknown_share_ids,
            "forged_events": forged["events"],
            "forged_share_ids": forged["share_ids"],
        },
    }
    truncated = False
    for name in query.by:
        field = "group_id" if name == "group" else name
        table = tables[name]
        places = table.largest(MAX_ROWS)
        is_group = name == "group"
        texts = (
            group_names if is_group else dict(enumerate(share_counts.labelled(forest, name).texts))
        )
        rows = [
            {field: texts[label], **_metrics(table.row(place))}
            for label, place in zip(table.labels[places].tolist(), places.tolist(), strict=True)
        ]
        rows.sort(key=lambda row, field=field: (-row["opens"], -row["shares"], row[field]))  # type: ignore[misc]
        truncated |= len(table.filled()) > MAX_ROWS
        result[f"{name}s"] = rows[:MAX_ROWS]
    if query.breakdown:
        result["rows"] = _broken_down(query, tables["breakdown"], forest)
    if trees.shape is not None:
        result["forest"] = msgspec.to_builtins(trees.shape)
    result["sharers"], result["sharers_total"] = sharers, sharers_total
    result["reshare_delay"] = _delays(facts)
    result["k"] = _k(ask, query, result["total"], active_users, tables.get("day"))
    if query.root is not None:
        result["cascade"] = await _cascade(ask, query, asked, facts, below)
        truncated |= len(result["cascade"]["cards"]) < result["cascade"]["total_cards"]
    return result, truncated or len(sharers) < sharers_total


async def _named_tables(
    ask: Ask, asked: Asked, facts: Facts
) -> tuple[dict[Dimension, Table], dict[int, str]]:
    """Return the tables, and the texts of the groups that are shown."""
    days = share_sql.days(ask) if "day" in asked.dimensions else []
    tables = await asyncio.to_thread(_tables, facts, asked, days)
    if "group" not in tables:
        return tables, {}
    groups = tables["group"]
    return tables, await share_sql.group_names(ask, groups.labels[groups.largest(MAX_ROWS)])


def _tables(facts: Facts, asked: Asked, starts_ms: list[int]) -> dict[Dimension, Table]:
    return {name: share_counts.counted(facts, name, starts_ms) for name in asked.dimensions}


def _sharers(facts: Facts, below: Below, limit: int) -> tuple[list[Row], int]:
    """Return the sharers that are shown, and how many there are."""
    if not limit:
        return [], 0
    return share_counts.top_sharers(facts, Openers(facts, below), limit)


def _shape(forest: Forest) -> Shape | None:
    """Return the form of the forest, None where it is too deep to be walked."""
    if forest.deepest > share_forest.MAX_DEPTH:
        return None
    return share_forest.shape_of(forest.above, forest.depth)


def _broken_down(query: ShareQuery, table: Table, forest: Forest) -> list[Row]:
    places = {breakdowns.unpack(forest.key.texts[place]): place for place in table.filled()}
    rows = {key: table.row(place) for key, place in places.items()}
    sizes = {key: row["opens"] + row["shares"] for key, row in rows.items()}
    return [
        {**per_user.described(key, query), **_metrics(rows[key])} for key in per_user.ordered(sizes)
    ]


def _metrics(row: Row) -> Row:
    shares, opens, openers, converters = (
        row[name] for name in ("shares", "opens", "openers", "converters")
    )
    return {
        **row,
        "opens_per_share": opens / shares if shares else None,
        "converters_per_opener": converters / openers if openers else None,
    }


def _k(ask: Ask, query: ShareQuery, total: Row, active: int, by_day: Table | None) -> Row:
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
        rows = [by_day.row(place) for place in range(len(by_day.labels))] if by_day else []
        daily = [
            {
                "day": label,
                "new_users": row["new_users"],
                "sharers": row["sharers"],
                "value": row["new_users"] / row["sharers"] if row["sharers"] else None,
            }
            for label, row in zip(days.labels, rows, strict=False)
        ]
        values = [day["value"] for day in daily if day["value"] is not None]
        value = sum(values) / len(values) if values else None
        formula = "mean over the days with a sharer of (new_users of the day / sharers of the day)"
        inputs = {"days": daily, "days_with_a_sharer": len(values)}
    return {"definition": query.k, "value": value, "formula": formula, "inputs": inputs}


def _delays(facts: Facts) -> Row:
    delays = facts.delays_ms
    known = len(delays) > 0
    return {
        "reshares": len(facts.reshared),
        "opened_before": len(delays),
        "median_ms": float(np.quantile(delays, 0.5)) if known else None,
        "p90_ms": float(np.quantile(delays, 0.9)) if known else None,
        "average_ms": float(delays.mean()) if known else None,
    }


async def _cards(ask: Ask, forest: Forest, app_ids: list[str], share_id: str) -> Indexes:
    """Return the places of the cards that have a share_id in some apps."""
    bindings = ask.bindings()
    bindings.named("app_ids", app_ids, "Array(String)")
    bindings.named("root", share_id, "String")
    [found] = await ask.fetch("share.root", bindings)
    keys = np.array(found["cards"], dtype=np.uint64)
    return forest.places(keys[np.isin(keys, forest.card)])


async def _cascade(ask: Ask, query: ShareQuery, asked: Asked, facts: Facts, laid_out: Below) -> Row:
    forest = facts.forest
    roots = await _cards(ask, forest, ask.app_ids, query.root or "")
    if not len(roots):
        raise InvalidRequest("$.root", "no card of these apps has this share_id")
    below = laid_out.of(roots)
    bindings = ask.bindings()
    bindings.named("cascade_limit", MAX_CASCADE, "UInt32")
    wanted = {"card": forest.card[below], "up": forest.up[below], "depth": forest.depth[below]}
    bindings.table("wanted", wanted)
    described = structs.replace(asked, dimensions=["page", "channel"])
    events = share_sql.events(ask, described, bindings)
    rows = await ask.fetch("share.cascade", bindings, cards=load_sql("share.cards", events=events))
    numbers = await asyncio.to_thread(share_counts.counted, facts, "card", [])
    names = ("app_id", "share_id", "parent_share_id", "depth", "page", "channel")
    counts = ("opens", "openers", "new_users", "conversions", "revenue")
    answered: Row = {
        "root": query.root,
        "total_cards": len(below),
        "cards": [
            {
                **{name: row[name] for name in names},
                "sharer": str(row["sharer"]),
                "shared_at": rfc3339(row["shared_ms"], ask.zone),
                **{name: numbers.columns[name][place].item() for name in counts},
            }
            for row, place in zip(
                rows, forest.places(np.array([row["card"] for row in rows], np.uint64)), strict=True
            )
        ],
    }
    if forest.deepest <= share_forest.MAX_DEPTH:
        shape = await asyncio.to_thread(forest.shape_below, roots, below)
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
        "forged": "app_launch, app_show and share events of the range whose share_id had a wrong signature, or none where one "
        "is required; they open nothing",
        "of_a_segment": "events of its persons only: a card of anybody else is not known here, so its opens are among "
        "unknown_opens and cards below it are roots",
        "own_opens": "what would be opens, were the user not the card's own sharer",
        "unknown_opens": "what would be opens, had the app a card of this share_id: it is forged, or its share event was lost",
        "direct_openers": "distinct users who opened a card of the sharer",
        "descendant_openers": "distinct users who opened a card of the sharer or any card below one, the sharer left out; "
        "a filter chooses the cards opened, not those above them",
        "active_users": "users with an app_launch or app_show in the time range",
        "sharers_order": "by descendant_openers, direct_openers, shares, most first",
        "reshare_delay": "from the sharer's last opening of the parent card before the share; over cards of the "
        "range that have a card above them",
        "forest": "all cards of these apps, whatever filter and range: trees, largest (cards), depth, breadth (cards of the "
        "widest depth of one tree), structural_virality (mean number of steps between two cards of one tree; mean over the "
        "trees of at least two); the same of a root's cascade in `cascade.shape`",
        "groups": "by the first group_id of the opening session's entries with the card, favourites left out; shares have none",
    }


async def users(ask: Ask, query: ShareQuery, cell: ShareCell) -> UserSelect:
    """Select the users of a cell."""
    asked = _asked(query)
    dimension, text = _place(query, cell)
    if dimension not in asked.dimensions:
        asked = structs.replace(asked, dimensions=[*asked.dimensions, dimension])
    sharer = int(cell.sharer or 0)
    if sharer >= 2**64:
        raise InvalidRequest("$.cell.sharer", "the `user` of a sharer as the answer shows it")
    if cell.metric == "descendant_openers" and (cell.sharer is None or dimension != "total"):
        raise InvalidRequest(
            "$.cell.sharer", "descendant_openers are those of one sharer, over all rows"
        )
    if cell.metric == "active_users" and (cell.sharer is not None or dimension != "total"):
        raise InvalidRequest("$.cell.metric", "active_users have neither row nor sharer")
    top = await _top(ask.asked, query) if cell.other else None
    per_user.check_other(cell, top)
    range_read, forest = await asyncio.gather(
        share_sql.read_range(ask, asked), _forest(ask, asked, top)
    )
    facts = await share_sql.facts(range_read, forest)
    if cell.metric == "active_users":
        chosen = share_counts.once(range_read.read.visits.user)
    else:
        codes = await _codes(ask, forest, cell, dimension, text)
        starts_ms = share_sql.days(ask) if dimension == "day" else []
        in_row = share_counts.rows_of(facts, dimension, starts_ms).taken(codes)
        chosen = await asyncio.to_thread(_chosen, facts, cell, sharer, dimension, in_row)
    bindings = ask.bindings()
    bindings.table("chosen", {"user": chosen})
    return UserSelect("share.chosen", load_sql("share.chosen"), bindings)


async def _codes(
    ask: Ask, forest: Forest, cell: ShareCell, dimension: Dimension, text: str
) -> list[int] | None:
    """Return the labels of a cell's row; None: all rows."""
    if dimension == "total":
        return None
    if dimension == "depth":
        return [int(text)]
    if dimension == "group":
        return [await share_sql.group_number(ask, text)]
    if dimension == "day":
        return [start for start in share_sql.days(ask) if str(local_day(start, ask.zone)) == text]
    if cell.card is not None:
        app_ids = [one for one in ask.app_ids if one == cell.card.app_id]
        places: list[int] = (await _cards(ask, forest, app_ids, text)).tolist()
        return places
    texts = share_counts.labelled(forest, dimension).texts
    return [place for place, one in enumerate(texts) if one == text]


def _chosen(
    facts: Facts, cell: ShareCell, sharer: int, dimension: Dimension, in_row: Taken
) -> Integers:
    """Return the users of a cell: those of the facts that are counted in it."""
    if cell.metric == "descendant_openers":
        place = np.flatnonzero(facts.users == np.uint64(sharer))
        openers = Openers(facts, share_forest.below_of(facts.forest))
        return facts.users[openers.of(int(place[0]))] if len(place) else facts.users[:0]
    acts: Acts = {
        "sharers": facts.shares,
        "openers": facts.opens,
        "new_users": facts.new,
        "converters": facts.conversions,
        "resharers": facts.shares.of_cards(facts.reshared),
        "opened_before": facts.shares.of_cards(facts.delayed),
    }[cell.metric]
    if cell.sharer is not None:
        acts = acts.only(facts.forest.sharer[acts.card] == np.uint64(sharer))
    if dimension == "group" and cell.metric in ("sharers", "resharers", "opened_before"):
        return facts.users[:0]
    return facts.users[np.unique(acts.only(in_row(acts)).user)]


def _place(query: ShareQuery, cell: ShareCell) -> tuple[Dimension, str]:
    """Return the table and the row that a cell names."""
    named: list[tuple[str, Dimension, Any]] = [
        ("depth", "depth", cell.depth),
        ("page", "page", cell.page),
        ("channel", "channel", cell.channel),
        ("group_id", "group", cell.group_id),
        ("day", "day", cell.day),
        ("card", "card", cell.card and cell.card.share_id),
    ]
    places = [(field, name, str(value)) for field, name, value in named if value is not None]
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    if key is not None:
        places.append(("breakdown", "breakdown", breakdowns.pack(key)))
    if len(places) > 1:
        raise InvalidRequest(f"$.cell.{places[1][0]}", "a cell names one row of one table")
    if not places:
        return "total", ""
    field, name, value = places[0]
    if name not in ("depth", "breakdown", "day", "card", *query.by):
        raise InvalidRequest(f"$.cell.{field}", "this table is not in `by`")
    return name, value


def table(result: Row) -> list[Row]:
    """Flatten: one row for each depth."""
    rows: list[Row] = result["depths"]
    return rows


def columns(_query: ShareQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return ["depth", *_metrics(dict.fromkeys(share_counts.NUMBERS, 0))]


REPORT = Report(
    name="share",
    summary="The share forest: depths, sharers, K (分享裂变)",
    params=ShareQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=ShareCell,
    users=users,
)
