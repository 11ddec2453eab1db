"""
Entry scenes (场景值): through which entry of which platform users come, and what becomes of them.

An entry event is an ``app_launch`` (cold start) or an ``app_show``; its scene is (platform, scene). The request's filter and
breakdown look at entry events. Metrics of a row:

- ``launches``: app_launch events. ``entries``: app_show events. A cold start usually sends both.
- ``users``: distinct users with an entry event of the row. A user of two scenes is in two rows, and once in the total.
- ``new_users``: users whose first entry event ever lies in the range and matches the filter, in the row of that event: each
  new user is in one row.
- ``sessions``: sessions whose first event lies in the range, in the row of their first entry event; sessions without an entry
  event are in none. Sessions are followed for a day before and after the range.
- ``bounce_rate``: ``bounces`` (sessions with at most one page_view) over ``sessions``.
- ``median_stay_ms``: median time from the first to the last event of those sessions, interpolated.
- ``next_day_retention``: ``next_day_returned`` over ``next_day_eligible``. Eligible: users of the row whose next calendar day
  after their first entry of the row has ended by now. Returned: those with any entry event, of whatever scene, on that day.

Unknown scenes are rows like others: named by their code, group "unknown". An entry without a scene has the scene "" and the
group "". ``by`` ``group``: one row for each group of the scheme. ``total``: all rows together, users once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from query_api import breakdowns, source
from query_api.errors import InvalidRequest
from query_api.filters import SCENE_GROUP_UNKNOWN, Bindings, field_sql, filter_sql
from query_api.params import Params, Query
from query_api.periods import DAY_MS, Periods, periods_of
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

ENTRY_EVENTS = "event IN ('app_launch', 'app_show')"
LOOK_AROUND_MS = DAY_MS
"""How far sessions are followed beyond the range."""
NO_DAY = 65_535
USER_METRICS = ("users", "new_users", "next_day_eligible", "next_day_returned")


class ScenesQuery(Query, kw_only=True):
    """Entry scenes ``by`` scene or group of the ``scheme``; the ``limit`` rows with the most entry events."""

    by: Literal["scene", "group"] = "scene"
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000


class ScenesCell(Params, kw_only=True):
    """
    One number that counts users: ``metric`` of a row, or of the total when no row is named.

    The row: ``platform`` and ``scene``, or ``scene_group`` with ``by`` group; and ``breakdown`` as in it.
    """

    metric: Literal["users", "new_users", "next_day_eligible", "next_day_returned"] = "users"
    platform: str | None = None
    scene: str | None = None
    scene_group: str | None = None
    breakdown: dict[str, Any] | None = None


def _key_sql(query: ScenesQuery, bindings: Bindings) -> str:
    """Return the expression of a row's key: platform and scene, or the group; then the breakdown's elements."""
    row = ["toString(platform)", "toString(scene)"]
    if query.by == "group":
        row = [str(field_sql("scene_group", "$.by", bindings).text)]
    return breakdowns.pack_elements_sql([*row, *breakdowns.elements_sql(query.breakdown, bindings)])


def _days(ask: Ask) -> tuple[Periods, int]:
    """Return the days of the range and the one after, and how many of them have a next day that has ended."""
    days = periods_of(ask.range.from_ms, ask.range.to_ms, "day", ask.zone, 1, "$.time_range")
    mature = sum(1 for end_of_next in days.starts_ms[2:] if end_of_next <= ask.now_ms)
    return days, mature


def _user_metrics(ask: Ask, query: ScenesQuery, bindings: Bindings) -> str:
    """Return the SELECT of (user, key, metric, n) that both the numbers and their users come from."""
    days, mature = _days(ask)
    bindings.named("starts", list(days.starts_ms[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(days.labels))), "Array(UInt16)")
    bindings.named("mature_days", mature, "UInt16")
    bindings.named("no_day", NO_DAY, "UInt16")
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    return load_sql(
        "scenes.user_metrics",
        key=_key_sql(query, bindings),
        matches=filter_sql(query.filter, "$.filter", bindings),
        order=source.order(),
        source=ask.source(bindings, ENTRY_EVENTS, from_ms=0, to_ms=days.starts_ms[-1]),
    )


async def _sessions(ask: Ask, query: ScenesQuery) -> list[Row]:
    bindings = ask.bindings()
    bindings.named("session_gap_ms", source.SESSION_GAP_MS, "Int64")
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    return await ask.fetch(
        "scenes.sessions",
        bindings,
        key=_key_sql(query, bindings),
        matches=filter_sql(query.filter, "$.filter", bindings),
        order=source.order(),
        source=ask.source(
            bindings,
            from_ms=ask.range.from_ms - LOOK_AROUND_MS,
            to_ms=ask.range.to_ms + LOOK_AROUND_MS,
        ),
    )


async def answer(ask: Ask, query: ScenesQuery) -> Answer:
    """Answer the scenes report."""
    if "scene_group" in query.breakdown and query.by == "group":
        raise InvalidRequest("$.breakdown", "`by` group already gives the scene_group")
    bindings = ask.bindings()
    user_metrics = _user_metrics(ask, query, bindings)
    numbers: dict[tuple[str, ...], Row] = {}
    for row in await ask.fetch("scenes.counts", bindings, user_metrics=user_metrics):
        numbers.setdefault(_key(row), {})[row["metric"]] = row["n"]
    for row in await _sessions(ask, query):
        numbers.setdefault(_key(row), {}).update(row)
    dictionary_bindings = ask.bindings()
    dictionary_bindings.scheme()
    dictionary = await ask.fetch("scenes.dictionary", dictionary_bindings)
    known = {(row["platform"], row["scene"]): row for row in dictionary}
    total = _metrics(numbers.pop((), {}))
    rows = [
        {**_described(key, query, known), **_metrics(found)}
        for key, found in sorted(
            numbers.items(),
            key=lambda item: (-item[1].get("launches", 0) - item[1].get("entries", 0), item[0]),
        )
        # A user's entries outside the range make keys without numbers.
        if len(found) > 0
    ]
    return Answer(
        result={"rows": rows[: query.limit], "total": total},
        semantics=_semantics(query, dictionary),
        truncated=len(rows) > query.limit,
    )


def _key(row: Row) -> tuple[str, ...]:
    """Return the key of a row of SQL: names of the scene or group and elements of the breakdown; empty for the total."""
    return breakdowns.unpack(row["key"])


def _described(key: tuple[str, ...], query: ScenesQuery, known: dict[tuple[str, str], Row]) -> Row:
    """Return the fields that name a row."""
    if query.by == "group":
        named: Row = {"platform": None, "scene": None, "scene_name": None, "scene_group": key[0]}
        elements = key[1:]
    else:
        platform, scene = key[:2]
        found = known.get((platform, scene))
        named = {
            "platform": platform,
            "scene": scene,
            "scene_name": (found["scene_name"] if found else "") or scene,
            "scene_group": found["scene_group"]
            if found
            else (SCENE_GROUP_UNKNOWN if scene else ""),
        }
        elements = key[2:]
    if query.breakdown:
        named["breakdown"] = {
            field: breakdowns.decode_element(element)
            for field, element in zip(query.breakdown, elements, strict=True)
        }
    return named


def _metrics(found: Row) -> Row:
    sessions, bounces = found.get("sessions", 0), found.get("bounces", 0)
    eligible, returned = found.get("next_day_eligible", 0), found.get("next_day_returned", 0)
    return {
        "launches": found.get("launches", 0),
        "entries": found.get("entries", 0),
        "users": found.get("users", 0),
        "new_users": found.get("new_users", 0),
        "sessions": sessions,
        "bounces": bounces,
        "bounce_rate": bounces / sessions if sessions else None,
        "median_stay_ms": found["median_stay_ms"] if sessions else None,
        "next_day_eligible": eligible,
        "next_day_returned": returned,
        "next_day_retention": returned / eligible if eligible else None,
    }


def _semantics(query: ScenesQuery, dictionary: list[Row]) -> Row:
    versions = sorted({row["scheme_version"] for row in dictionary})
    return {
        "by": query.by,
        "limit": query.limit,
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
        "median_stay_ms": "median of last minus first event of those sessions",
        "next_day_retention": "next_day_returned (any entry event on the calendar day after the user's first entry of the row) "
        "over next_day_eligible (users for whom that day has ended by now)",
        "unknown_scenes": f"rows like others, named by their code, group {SCENE_GROUP_UNKNOWN!r}; without a scene: both empty",
        "order": "by launches plus entries, most first",
    }


async def users(ask: Ask, query: ScenesQuery, cell: ScenesCell) -> UserSelect:
    """Select the users of a metric that counts users."""
    key: list[str] = []
    names_row = cell.scene_group is not None if query.by == "group" else cell.scene is not None
    if query.by == "group" and (cell.scene is not None or cell.platform is not None):
        raise InvalidRequest("$.cell.scene", "with `by` group a row is named by its scene_group")
    if query.by == "scene" and cell.scene_group is not None:
        raise InvalidRequest(
            "$.cell.scene_group", "with `by` scene a row is named by platform and scene"
        )
    if (cell.platform is None) != (cell.scene is None):
        raise InvalidRequest("$.cell.platform", "a row is named by platform and scene together")
    if names_row:
        named = [cell.scene_group] if query.by == "group" else [cell.platform, cell.scene]
        elements = breakdowns.key_of_cell(cell.breakdown or {}, False, query.breakdown)
        key = [*(str(part) for part in named), *(elements or ())]
    elif cell.breakdown is not None:
        raise InvalidRequest("$.cell.breakdown", "name the row too")
    bindings = ask.bindings()
    user_metrics = _user_metrics(ask, query, bindings)
    bindings.named("cell_key", breakdowns.pack(key), "String")
    bindings.named("cell_metric", cell.metric, "String")
    return UserSelect("scenes.users", load_sql("scenes.users", user_metrics=user_metrics), bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each scene or group, the breakdown's fields beside it."""
    return [
        {
            name: value
            for name, value in {**row, **row.get("breakdown", {})}.items()
            if name != "breakdown"
        }
        for row in result["rows"]
    ]


REPORT = Report(
    name="scenes",
    summary="Entry scenes and what becomes of their users (场景值)",
    params=ScenesQuery,
    answer=answer,
    table=table,
    cell=ScenesCell,
    users=users,
)
