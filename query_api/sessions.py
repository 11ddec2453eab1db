"""
Sessions (访问): how many, how long, how deep; where they begin and where they end.

A session is the client's ``session_id`` of one user in one app, cut where more than ``max_duration`` lies between neighbouring
events. Events without one are cut where more than ``session_gap`` lies between neighbours. All events make sessions; the
request's ``filter`` then chooses those with at least one event that passes.

- A session counts in the period of its first event, and only when that lies in the range; what follows is looked at up to
  ``max_duration`` after it, beyond the end of the range too. A session that began before the range is in none.
- Duration: first to last event. A session that goes on after ``max_duration`` has just that duration and is ``clamped``.
- Depth: its events of ``page_view``. A bounce is a session with at most one. Entry page: that of its first page view, exit
  page: of its last; a session without a page view has neither.
- With a breakdown a session stands under the value of its first event with any of the fields, so sessions add up (users need
  not).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from query_api import breakdowns, by_actor, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.filters import filter_sql, selector_sql
from query_api.funnel_params import Window
from query_api.order_keys import ORDER_KEYS, hashed
from query_api.params import EventSelector, Interval, Query
from query_api.per_user import BreakdownCell
from query_api.periods import DAY_MS, Periods, Range, periods_of, start_of_cell
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql
from sdk_spec import limits

MAX_EDGES = 100
MAX_POINTS = 200_000
MAX_FOLLOW_DAYS = 7
_NO_PLACES = "CAST([], 'Array(UInt128)')"
_UNDECIDED = ORDER_KEYS["seq"].undecided("places", payload_decides=True)
"""Two page views of one millisecond and ``seq``: event_id decides which came first."""
_REGULAR = "irregular = 0"
_IN_RANGE = "passes AND start_ms >= {visit_from_ms:Int64} AND start_ms < {visit_to_ms:Int64}"
_NUMBERS, _PAGE, _LEFT_OUT = 1, 2, 3
"""Rows of sessions.measures."""
_OF_PAGE = (
    "views", "users", "sessions", "entries", "entry_users", "bounces", "exits", "exit_users"
)  # fmt: skip
_SILENT = 1
"""Kind of irregular sessions (sessions.whole) without a ``session_id``."""
_PageName = Annotated[str, Meta(max_length=limits.MAX_PAGE_CHARS)]


class SessionsQuery(Query, kw_only=True):
    """
    Sessions by ``interval`` (null: only totals).

    ``page_view``: which events are page views. ``page_limit``: entry and exit pages shown, the rest is added up; 0 leaves both
    tables out.
    """

    interval: Interval | None = "day"
    session_gap: Window = msgspec.field(default_factory=lambda: Window(value=30, unit="minute"))
    max_duration: Window = msgspec.field(default_factory=lambda: Window(value=12, unit="hour"))
    page_view: EventSelector = msgspec.field(
        default_factory=lambda: EventSelector(event="page_view")
    )
    duration_edges_ms: Annotated[
        list[Annotated[int, Meta(ge=0, le=MAX_FOLLOW_DAYS * DAY_MS)]],
        Meta(min_length=1, max_length=MAX_EDGES),
    ] = msgspec.field(
        default_factory=lambda: [
            0, 1_000, 3_000, 10_000, 30_000, 60_000, 180_000, 600_000, 1_800_000, 3_600_000
        ]
    )  # fmt: skip
    depth_edges: Annotated[
        list[Annotated[int, Meta(ge=0, le=1_000_000)]], Meta(min_length=1, max_length=MAX_EDGES)
    ] = msgspec.field(default_factory=lambda: [0, 1, 2, 3, 4, 5, 6, 11, 21])
    page_limit: Annotated[int, Meta(ge=0, le=10_000)] = 50


class SessionsCell(BreakdownCell, kw_only=True):
    """
    The users with a session of a number: of a point (``time``; absent: the range) and, if given, all of these.

    ``bounced`` and ``clamped`` sessions; a bucket of duration or depth by its number; those that enter on, exit from or view
    a page.
    """

    time: Annotated[str, Meta(max_length=40)] | None = None
    bounced: bool | None = None
    clamped: bool | None = None
    duration_bucket: Annotated[int, Meta(ge=0, le=MAX_EDGES)] | None = None
    depth_bucket: Annotated[int, Meta(ge=0, le=MAX_EDGES)] | None = None
    entry_page: _PageName | None = None
    exit_page: _PageName | None = None
    viewed_page: _PageName | None = None


def _edges(edges: list[int], path: str) -> list[int]:
    """Return the lower ends of the buckets; the first is 0."""
    for i, (edge, following) in enumerate(pairwise(edges)):
        if not edge < following:
            raise InvalidRequest(f"{path}[{i + 1}]", "edges must ascend")
    return edges if edges[0] == 0 else [0, *edges]


def _periods(ask: Ask, query: SessionsQuery, range_: Range) -> Periods | None:
    if query.interval is None:
        return None
    return periods_of(range_.from_ms, range_.to_ms, query.interval, ask.zone)


class _Events(Struct, frozen=True):
    """
    All events that may belong to a session of the range.

    ``each``: the SELECT of one row for each. ``by_actor``: what makes that of aggregates for each actor and session; None where
    sessions cannot be put together from those.
    """

    each: str
    by_actor: Callable[[str], str] | None


def _events(ask: Ask, query: SessionsQuery, bindings: Bindings, range_: Range) -> _Events:
    follow_ms = query.max_duration.ms()
    if follow_ms > MAX_FOLLOW_DAYS * DAY_MS:
        raise InvalidRequest("$.max_duration", f"longer than {MAX_FOLLOW_DAYS} days")
    if query.session_gap.ms() > follow_ms:
        raise InvalidRequest("$.session_gap", "longer than max_duration")
    bindings.named("gap_ms", query.session_gap.ms(), "Int64")
    bindings.named("follow_ms", follow_ms, "Int64")
    columns, read = ask.of_maps({"event_key": per_user.event_key(query, bindings)})
    flags = load_sql(
        "sessions.flags",
        is_page_view=selector_sql(query.page_view, "$.page_view", bindings),
        passes=filter_sql(query.filter, "$.filter", bindings),
    )
    places = load_sql(
        "sessions.places",
        page_number=hashed("page"),
        page_place=ORDER_KEYS["seq"].key.format("page_number"),
    )
    from_ms, to_ms = range_.from_ms - follow_ms, range_.to_ms + 2 * follow_ms
    each = load_sql(
        "sessions.events",
        source=ask.computed(
            bindings, "1", source.listed(flags, columns), from_ms=from_ms, to_ms=to_ms
        ),
        places=places,
        **read,
        order=source.order(),
    )
    if not by_actor.pays(ask, bindings, "1", keyed=True):
        return _Events(each, None)
    first, of_person = per_user.first_of_actor(query, bindings)

    def parts(columns: str) -> str:
        return by_actor.rows(
            ask,
            bindings,
            "1",
            columns=source.listed(columns, first),
            keys=("session",),
            given=source.listed(flags, places),
            of_person=of_person,
            from_ms=from_ms,
            to_ms=to_ms,
        )

    return _Events(each, parts)


async def _kinds(ask: Ask, query: SessionsQuery, range_: Range) -> set[int]:
    """Ask what there is to look at event by event: in most logs nothing, and then aggregates do instead of arrays."""
    bindings = ask.bindings()
    events = _events(ask, query, bindings, range_)
    bindings.named("visit_from_ms", range_.from_ms, "Int64")
    bindings.named("visit_to_ms", range_.to_ms, "Int64")
    whole = _whole(query, events, with_pages=True, wanted="irregular != 0")
    rows = await ask.fetch("sessions.kinds", bindings, whole=whole)
    return {row["irregular"] for row in rows}


def _visits(
    ask: Ask,
    query: SessionsQuery,
    bindings: Bindings,
    *,
    kinds: set[int] | None,
    with_pages: bool = False,
) -> str:
    """
    Return the SELECT of sessions that all numbers and their users come from; pages only where needed.

    ``kinds``: of the irregular sessions that there are (sessions.whole); None: not asked yet, then they stand there as such.
    """
    range_ = ask.range
    events = _events(ask, query, bindings, range_)
    periods = _periods(ask, query, range_)
    starts = [range_.from_ms] if periods is None else list(periods.starts_ms[:-1])
    bindings.named("starts", starts, "Array(Int64)")
    bindings.named("visit_from_ms", range_.from_ms, "Int64")
    bindings.named("visit_to_ms", range_.to_ms, "Int64")
    duration_edges = _edges(query.duration_edges_ms, "$.duration_edges_ms")
    bindings.named("duration_edges", duration_edges, "Array(Int64)")
    bindings.named("depth_edges", _edges(query.depth_edges, "$.depth_edges"), "Array(UInt32)")
    wanted = f"{_REGULAR} AND {_IN_RANGE}"
    if kinds is None:
        wanted = f"irregular != 0 OR ({_IN_RANGE})"
    sessions = _whole(query, events, with_pages, wanted)
    if kinds:
        sessions += "\nUNION ALL\n" + _cut(query, events, with_pages, kinds)
    return load_sql("sessions.visits", sessions=sessions)


def _whole(query: SessionsQuery, events: _Events, with_pages: bool, wanted: str) -> str:
    places = "groupArrayIf(page_place, bitTest(flags, 0))" if with_pages else _NO_PLACES
    absent = per_user.absent(query)
    if events.by_actor is not None:
        grouped = load_sql(
            "sessions.grouped_by_actor",
            rows=events.by_actor(load_sql("sessions.part", places=places)),
            places="arraySort(groupArrayArray(part.places))" if with_pages else _NO_PLACES,
            key=per_user.first_key(query),
        )
    else:
        grouped = load_sql(
            "sessions.grouped",
            events=events.each,
            part=load_sql("sessions.part", places=f"arraySort({places})"),
            first_key=(
                f"if(countIf(event_key != {absent}) = 0, {absent}, "
                f"argMinIf(event_key, event_order, event_key != {absent}))"
                if query.breakdown
                else per_user.NO_KEY
            ),
        )
    return load_sql(
        "sessions.whole",
        grouped=grouped,
        page=ORDER_KEYS["seq"].payload.format("place"),
        undecided=_UNDECIDED if with_pages else "0",
        wanted=wanted,
    )


def _cut(query: SessionsQuery, events: _Events, with_pages: bool, kinds: set[int]) -> str:
    only = ["is_silent"] if _SILENT in kinds else []
    if kinds - {_SILENT}:
        irregular = _whole(query, events, with_pages, "irregular != 0")
        among = load_sql("sessions.irregular", whole=irregular)
        only.append(f"(user, session) IN (\n{among}\n)")
    has_key = f"one.4 != {per_user.absent(query)}"
    first_key = (
        f"if(arrayExists(one -> {has_key}, visit_events), "
        f"arrayFirst(one -> {has_key}, visit_events).4, visit_events[1].4)"
    )
    # Without pages and breakdown, times alone decide everything.
    ordered = with_pages or bool(query.breakdown)
    return load_sql(
        "sessions.cut",
        events=events.each,
        only=" OR ".join(only),
        first_key=first_key if query.breakdown else per_user.NO_KEY,
        element=(
            "(at_ms, flags, page_number, event_key, event_order)" if ordered else "(at_ms, flags)"
        ),
        page_of="one.3" if with_pages else "toUInt64(0)",
        sort="one.5" if ordered else "one.1",
    )


async def answer(ask: Ask, query: SessionsQuery) -> Answer:
    """Answer the sessions report."""
    top: list[Key] | None = None

    async def result_of(one: Ask) -> Row:
        nonlocal top
        numbers, pages = await _counted(one, query, top)
        top = per_user.keys_of(numbers)
        return {
            "series": _series(one, query, one.range, numbers),
            **(_pages(query, pages) if query.page_limit else {}),
        }

    result = await with_comparison(ask, query.compare, result_of)
    return Answer(
        result=result,
        semantics=_semantics(query),
        truncated=any(
            result.get(f"{side}_pages_other", {}).get("pages") for side in ("entry", "exit")
        ),
    )


async def _counted(
    ask: Ask, query: SessionsQuery, top: list[Key] | None
) -> tuple[list[Row], list[Row]]:
    """Return the numbers and those of the pages; asked again only where sessions have to be looked at event by event."""
    kinds: set[int] | None = None
    with_pages = query.page_limit > 0
    while True:
        bindings = ask.bindings()
        visits = _visits(ask, query, bindings, kinds=kinds, with_pages=with_pages)
        visits = per_user.with_other(visits, top, bindings)
        shown = "visits"
        if query.breakdown and top is None:
            shown = f"({per_user.ranked(query, 'visits', bindings, counted=_REGULAR)})"
        names = load_sql("sessions.page_names", page_number=hashed("page"))
        pages = load_sql("sessions.pages", names=names) if with_pages else ""
        rows = await ask.fetch(
            "sessions.measures", bindings, visits=visits, shown=shown, pages=pages
        )
        left_out = {kind for row in rows if row["kind"] == _LEFT_OUT for kind in row["left_out"]}
        if kinds is not None or not left_out:
            break
        kinds = left_out
    numbers, found = ([row for row in rows if row["kind"] == kind] for kind in (_NUMBERS, _PAGE))
    return numbers, [
        {"page": row["page"], **dict(zip(_OF_PAGE, row["of_page"], strict=True))} for row in found
    ]


def _series(ask: Ask, query: SessionsQuery, range_: Range, numbers: list[Row]) -> list[Row]:
    periods = _periods(ask, query, range_)
    found: dict[Key, dict[tuple[int, int, int], Row]] = {} if query.breakdown else {(): {}}
    for row in numbers:
        place = (row["bucket_ms"], row["duration_slot"], row["depth_slot"])
        found.setdefault(breakdowns.unpack(row["key"]), {})[place] = row
    labels = () if periods is None else periods.labels
    if len(found) * len(labels) > MAX_POINTS:
        raise InvalidRequest(
            "$.breakdown_limit", f"more than {MAX_POINTS} points: fewer series or longer periods"
        )
    duration_edges = _edges(query.duration_edges_ms, "$.duration_edges_ms")
    depth_edges = _edges(query.depth_edges, "$.depth_edges")
    sizes = {k: rows[0, 0, 0]["sessions"] if rows else 0 for k, rows in found.items()}
    series = []
    for key in per_user.ordered(sizes):
        rows = found[key]
        series.append(
            {
                **breakdowns.describe(key, query.breakdown),
                "points": [
                    {"time": label, **_numbers(rows.get((start, 0, 0)))}
                    for label, start in zip(
                        labels, periods.starts_ms if periods else (), strict=False
                    )
                ],
                "total": _numbers(rows.get((0, 0, 0))),
                "durations": [
                    {**bounds, **_bucket(rows.get((0, slot, 0)), sizes[key])}
                    for slot, bounds in enumerate(_bounds(duration_edges, "_ms"), start=1)
                ],
                "depths": [
                    {**bounds, **_bucket(rows.get((0, 0, slot)), sizes[key])}
                    for slot, bounds in enumerate(_bounds(depth_edges, ""), start=1)
                ],
            }
        )
    return series


def _bounds(edges: list[int], unit: str) -> list[Row]:
    return [
        {"bucket": number, f"from{unit}": low, f"to{unit}": high}
        for number, (low, high) in enumerate(zip(edges, [*edges[1:], None], strict=True))
    ]


def _bucket(row: Row | None, all_sessions: int) -> Row:
    sessions = row["sessions"] if row else 0
    return {
        "sessions": sessions,
        "users": row["users"] if row else 0,
        "share": _rate(sessions, all_sessions),
    }


def _numbers(row: Row | None) -> Row:
    """Return the metrics of one point; without sessions the counts are zero and the rest null."""
    names = (
        "sessions", "users", "clamped", "bounces", "with_page", "page_view_sum", "duration_sum"
    )  # fmt: skip
    sessions, users_there, clamped, bounces, with_page, page_views, duration_sum = (
        row[name] if row else 0 for name in names
    )
    return {
        "sessions": sessions,
        "users": users_there,
        "sessions_per_user": _rate(sessions, users_there),
        "duration_ms_sum": duration_sum,
        "mean_duration_ms": _rate(duration_sum, sessions),
        "median_duration_ms": row["durations"][0] if row else None,
        "p90_duration_ms": row["durations"][1] if row else None,
        "clamped": clamped,
        "page_views": page_views,
        "mean_depth": _rate(page_views, sessions),
        "median_depth": row["median_depth"] if row else None,
        "bounces": bounces,
        "bounce_rate": _rate(bounces, sessions),
        "sessions_with_page": with_page,
    }


def _rate(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def _pages(query: SessionsQuery, rows: list[Row]) -> Row:
    """Return the tables of entry and exit pages, over all values of a breakdown."""
    begun = sum(row["entries"] for row in rows)
    ended = sum(row["exits"] for row in rows)
    entries = sorted(
        (row for row in rows if row["entries"]), key=lambda row: (-row["entries"], row["page"])
    )
    exits = sorted(
        (row for row in rows if row["exits"]), key=lambda row: (-row["exits"], row["page"])
    )
    limit = query.page_limit
    return {
        "entry_pages": [
            {
                "page": row["page"],
                "entries": row["entries"],
                "users": row["entry_users"],
                "share": _rate(row["entries"], begun),
                "bounces": row["bounces"],
                "bounce_rate": _rate(row["bounces"], row["entries"]),
            }
            for row in entries[:limit]
        ],
        "entry_pages_other": {
            "pages": len(entries[limit:]),
            "entries": sum(row["entries"] for row in entries[limit:]),
            "bounces": sum(row["bounces"] for row in entries[limit:]),
        },
        "exit_pages": [
            {
                "page": row["page"],
                "exits": row["exits"],
                "users": row["exit_users"],
                "share": _rate(row["exits"], ended),
                "views": row["views"],
                "viewers": row["users"],
                "sessions": row["sessions"],
                "exit_rate": _rate(row["exits"], row["views"]),
            }
            for row in exits[:limit]
        ],
        "exit_pages_other": {
            "pages": len(exits[limit:]),
            "exits": sum(row["exits"] for row in exits[limit:]),
            "views": sum(row["views"] for row in exits[limit:]),
        },
    }


def _window(window: Window) -> Row:
    return {"value": window.value, "unit": window.unit}


def _semantics(query: SessionsQuery) -> Row:
    return {
        "session": "the client's session_id of one user in one app, cut where more than max_duration lies between "
        "neighbouring events; events without one are cut where more than session_gap lies between neighbours",
        "session_gap": _window(query.session_gap),
        "max_duration": _window(query.max_duration),
        "filter_is": "sessions with at least one event that passes; all events make sessions",
        "interval": query.interval,
        "point": "by the period of the session's first event, which must lie in the time range; what follows counts up to "
        "max_duration after it",
        "duration": "first to last event; a session that goes on after max_duration has that duration and is clamped",
        "page_view": msgspec.to_builtins(query.page_view),
        "depth": "page views of the session",
        "bounce": "a session with at most one page view; bounce_rate = bounces / sessions",
        "entry_page": "of the session's first page view; bounces here: sessions with that page view only",
        "exit_page": "of the session's last page view; exit_rate = exits / views",
        "share": "of entry pages: entries of all entries; of exit pages: exits of all exits; of buckets: of all sessions",
        "page_limit": query.page_limit,
        "pages": "over the whole range and all values of a breakdown",
        "duration_edges_ms": _edges(query.duration_edges_ms, "$.duration_edges_ms"),
        "depth_edges": _edges(query.depth_edges, "$.depth_edges"),
        "bucket_is": "from <= value < to; null: no bound",
        "percentiles": "exact, interpolated linearly",
        "calendar": "hours, days, weeks from Monday, months and quarters of the timezone",
        "breakdown_value": "of the session's first event that has any of the fields",
        "breakdown_order": "by sessions in the range, most first; the rest is `other`",
    }


async def users(ask: Ask, query: SessionsQuery, cell: SessionsCell) -> UserSelect:
    """Select the users with a session of a number."""
    periods = _periods(ask, query, ask.range)
    bucket_ms = start_of_cell(periods, cell.time)
    for number, edges, name in (
        (cell.duration_bucket, query.duration_edges_ms, "duration_bucket"),
        (cell.depth_bucket, query.depth_edges, "depth_bucket"),
    ):
        last = len(_edges(edges, f"$.{name}")) - 1
        if number is not None and number > last:
            raise InvalidRequest(f"$.cell.{name}", f"the last bucket of this request: {last}")
    kinds = await _kinds(ask, query, ask.range)
    top = None
    if cell.other:
        asked_kinds = await _kinds(ask.asked, query, ask.asked.range)
        top = await per_user.top_of(ask, query, partial(_visits, kinds=asked_kinds))
    bindings = ask.bindings()
    named = (cell.entry_page, cell.exit_page, cell.viewed_page)
    with_pages = any(page is not None for page in named)
    visits = _visits(ask, query, bindings, kinds=kinds, with_pages=with_pages)
    visits = per_user.with_other(visits, top, bindings)
    in_key = per_user.in_key(cell, query, bindings)
    per_user.check_other(cell, top)
    bindings.named("cell_bucket_ms", bucket_ms, "Int64")

    def bound(value: Any, type_: str) -> str:  # noqa: ANN401 (any type that ClickHouse takes)
        return bindings.add(value, type_)

    conditions = []
    if cell.bounced is not None:
        conditions.append("page_views <= 1" if cell.bounced else "page_views > 1")
    if cell.clamped is not None:
        conditions.append("is_clamped" if cell.clamped else "NOT is_clamped")
    if cell.duration_bucket is not None:
        conditions.append(f"duration_slot = {bound(cell.duration_bucket + 1, 'UInt16')}")
    if cell.depth_bucket is not None:
        conditions.append(f"depth_slot = {bound(cell.depth_bucket + 1, 'UInt16')}")
    if cell.entry_page is not None:
        page = hashed(bound(cell.entry_page, "String"))
        conditions.append(f"page_views > 0 AND entry_page = {page}")
    if cell.exit_page is not None:
        page = hashed(bound(cell.exit_page, "String"))
        conditions.append(f"page_views > 0 AND exit_page = {page}")
    if cell.viewed_page is not None:
        conditions.append(f"has(pages, {hashed(bound(cell.viewed_page, 'String'))})")
    sql = load_sql(
        "sessions.users", visits=visits, in_cell=" AND ".join(conditions) or "1", in_key=in_key
    )
    return UserSelect("sessions.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each series and point, and its total (``time`` null)."""
    return [
        {"time": point.get("time"), **head, **point}
        for head, line in per_user.heads(result["series"])
        for point in [*line["points"], line["total"]]
    ]


def columns(query: SessionsQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = breakdowns.describe(breakdowns.OTHER, query.breakdown)
    return list(table({"series": [{**named, "points": [], "total": _numbers(None)}]})[0])


REPORT = Report(
    name="sessions",
    summary="Sessions: number, duration, depth, bounces, entry and exit pages (访问)",
    params=SessionsQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=SessionsCell,
    users=users,
)
