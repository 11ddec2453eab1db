"""
Retention (留存): of the users with an initial event in a period, how many have a returning event n periods later.

Periods are calendar days, weeks (from Monday) or months of the zone. The time range bounds the initial events; returning
events may lie after it, and in the cohort's own period also before the initial event or before the range.

- ``cohort`` ``every``: a user is in the cohort of each period with an initial event in the range. ``first``: only in that of
  the user's first initial event ever, also when it lies before the range (then in none). The request's ``filter`` bounds
  what counts as an event here, so "ever" means ever among events that pass it.
- ``mode`` ``on``: returned in period n. ``on_or_after``: in period n or a later one up to the last asked for. ``bracket``: in
  any of the periods of the bracket, both ends included.
- Period 0 is the cohort's own period. The same event may be the initial and the returning one.
- A cell is ``mature`` when its last period has ended by now; for ``on_or_after`` that is the last one asked for.
- ``total`` adds up only mature cells: the users returned over the sizes of those cohorts.
- With a breakdown, a user stands in each cohort under the value of the first initial event there (by occurred_at, seq,
  event_id), so the rows add up to the cohort.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, source
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.filters import Bindings, event_names_sql, filter_sql, selector_sql
from query_api.params import EventSelector, Params, Query
from query_api.periods import Periods, periods_of
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql

MAX_RETENTION_PERIODS = 366
MAX_BRACKETS = 50
MAX_CELLS = 500_000
"""Cohorts times columns times breakdown values of one answer."""

Bracket = Annotated[
    list[Annotated[int, Meta(ge=0, le=MAX_RETENTION_PERIODS)]], Meta(min_length=2, max_length=2)
]


class RetentionQuery(Query, kw_only=True):
    """Retention of the users with an ``initial`` event: columns 0 to ``periods``, or one for each of ``brackets``."""

    initial: EventSelector
    returning: EventSelector
    unit: Literal["day", "week", "month"] = "day"
    periods: Annotated[int, Meta(ge=0, le=MAX_RETENTION_PERIODS)] = 7
    mode: Literal["on", "on_or_after", "bracket"] = "on"
    brackets: Annotated[list[Bracket], Meta(min_length=1, max_length=MAX_BRACKETS)] | None = None
    cohort: Literal["every", "first"] = "every"


class RetentionCell(Params, kw_only=True):
    """
    One number of the table.

    ``cohort``: its first day. ``period``: the column from 0 (of a bracket: its number from 0); absent: the whole cohort.
    ``lost``: those of the cohort who are not in the column. ``breakdown`` or ``other`` as in the row; neither: all rows.
    """

    cohort: str
    period: Annotated[int, Meta(ge=0, le=MAX_RETENTION_PERIODS)] | None = None
    lost: bool = False
    breakdown: dict[str, Any] | None = None
    other: bool = False


def _columns(query: RetentionQuery) -> list[tuple[int, int]]:
    """Return for each column the first and last period after the cohort's in which a return counts."""
    if query.mode == "bracket":
        if query.brackets is None:
            raise InvalidRequest(
                "$.brackets", "mode bracket needs brackets such as [[1, 1], [2, 7]]"
            )
        for i, (first, last) in enumerate(query.brackets):
            if last < first:
                raise InvalidRequest(f"$.brackets[{i}]", "ends before it begins")
        return [(first, last) for first, last in query.brackets]
    if query.brackets is not None:
        raise InvalidRequest("$.brackets", "only with mode bracket")
    last = query.periods
    return [(n, last if query.mode == "on_or_after" else n) for n in range(last + 1)]


def _periods(
    ask: Ask, query: RetentionQuery, columns: list[tuple[int, int]]
) -> tuple[Periods, int]:
    """Return all periods that matter, and how many of them are cohorts."""
    path = "$.time_range"
    cohorts = len(
        periods_of(ask.range.from_ms, ask.range.to_ms, query.unit, ask.zone, path=path).labels
    )
    extra = max(last for _, last in columns)
    whole = periods_of(ask.range.from_ms, ask.range.to_ms, query.unit, ask.zone, extra, path)
    if cohorts * len(columns) > MAX_CELLS:
        raise InvalidRequest(
            path, f"more than {MAX_CELLS} cells: ask for a shorter range or fewer periods"
        )
    return whole, cohorts


def _initial_and_returning(query: RetentionQuery, bindings: Bindings) -> tuple[str, str]:
    return (
        selector_sql(query.initial, "$.initial", bindings),
        selector_sql(query.returning, "$.returning", bindings),
    )


def _cells(
    ask: Ask,
    query: RetentionQuery,
    bindings: Bindings,
    periods: Periods,
    top: list[Key] | None,
) -> str:
    """Return the SELECT of (user, cohort, key, cell) that both the table and its users come from."""
    initial, returning = _initial_and_returning(query, bindings)
    key = breakdowns.top_sql(breakdowns.key_sql(query.breakdown, bindings), top, bindings)
    key = breakdowns.pack_sql(key) if query.breakdown else "''"
    starts = periods.starts_ms
    first_ever = query.cohort == "first"
    bindings.named("starts", list(starts[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(starts) - 1)), "Array(UInt16)")
    bindings.named("initial_from_ms", 0 if first_ever else ask.range.from_ms, "Int64")
    bindings.named("initial_to_ms", ask.range.to_ms, "Int64")
    if query.mode == "bracket":
        bindings.named(
            "bracket_from", [first for first, _ in query.brackets or ()], "Array(UInt16)"
        )
        bindings.named("bracket_to", [last for _, last in query.brackets or ()], "Array(UInt16)")
    else:
        bindings.named("periods", query.periods, "UInt16")
    if first_ever:
        bindings.named("range_from_ms", ask.range.from_ms, "Int64")
        first_key = "argMinIf(packed_key, event_order, is_initial)"
        cohort_sql = load_sql(
            "retention.cohorts_first",
            first_key=first_key if query.breakdown else "''",
        )
    else:
        cohort_sql = load_sql(
            "retention.cohorts_every_by_key" if query.breakdown else "retention.cohorts_every"
        )
    where = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql([query.initial, query.returning], bindings),
        initial if initial == returning else f"({initial} OR {returning})",
    ]
    return load_sql(
        "retention.cells",
        source=ask.source(
            bindings,
            " AND ".join(part for part in where if part != "1") or "1",
            from_ms=0 if first_ever else starts[0],
            to_ms=starts[-1],
        ),
        initial=initial,
        returning=returning,
        key=key,
        order=source.order() if query.breakdown else "''",
        cohorts=cohort_sql,
        hits=load_sql(f"retention.hits_{query.mode}"),
    )


async def _top(ask: Ask, query: RetentionQuery) -> list[Key] | None:
    if not query.breakdown:
        return None
    bindings = ask.bindings()
    initial, _ = _initial_and_returning(query, bindings)
    where = f"{filter_sql(query.filter, '$.filter', bindings)} AND {initial}"
    return await breakdowns.top(
        ask, ask.source(bindings, where), breakdowns.key_sql(query.breakdown, bindings), bindings
    )


async def answer(ask: Ask, query: RetentionQuery) -> Answer:
    """Answer the retention report."""
    columns = _columns(query)
    periods, cohorts = _periods(ask, query, columns)
    top = await _top(ask, query)
    bindings = ask.bindings()
    cells = _cells(ask, query, bindings, periods, top)
    found: dict[Key, dict[tuple[int, int], int]] = {} if query.breakdown else {(): {}}
    for row in await ask.fetch("retention.counts", bindings, cells=cells):
        found.setdefault(breakdowns.unpack(row["key"]), {})[row["cohort"], row["cell"]] = row[
            "users"
        ]
    if len(found) * cohorts * len(columns) > MAX_CELLS:
        raise InvalidRequest(
            "$.breakdown_limit", f"more than {MAX_CELLS} cells: ask for fewer values"
        )
    mature = [
        [periods.starts_ms[cohort + last + 1] <= ask.now_ms for _, last in columns]
        for cohort in range(cohorts)
    ]
    keys = sorted(
        found,
        key=lambda key: (
            bool(query.breakdown) and key == OTHER,
            -sum(users for (_, cell), users in found[key].items() if cell == -1),
            key,
        ),
    )
    rows = [
        {
            "cohort": periods.labels[cohort],
            **_described(key, query),
            "size": found[key].get((cohort, -1), 0),
            "returned": [found[key].get((cohort, n), 0) for n in range(len(columns))],
            "mature": mature[cohort],
        }
        for key in keys
        for cohort in range(cohorts)
    ]
    for line in rows:
        line["rates"] = [_rate(returned, line["size"]) for returned in line["returned"]]
    result: Row = {"cohorts": rows, "total": _total(rows, len(columns))}
    if query.mode == "bracket":
        result["brackets"] = query.brackets
    if query.breakdown:
        result["totals"] = [
            {
                **_described(key, query),
                **_total(rows[i * cohorts : (i + 1) * cohorts], len(columns)),
            }
            for i, key in enumerate(keys)
        ]
    if (periods.starts_ms[0], periods.starts_ms[cohorts]) != (ask.range.from_ms, ask.range.to_ms):
        ask.warn(
            "partial_period",
            "the first or last cohort's period reaches beyond the time range; only initial events in the range count",
        )
    return Answer(result=result, semantics=_semantics(query))


def _described(key: Key, query: RetentionQuery) -> Row:
    return breakdowns.describe(key, query.breakdown) if query.breakdown else {}


def _rate(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def _total(rows: list[Row], columns: int) -> Row:
    """Add up the mature cells of each column: ``returned`` over ``sizes``."""
    returned, sizes = [0] * columns, [0] * columns
    for row in rows:
        for n in range(columns):
            if row["mature"][n]:
                returned[n] += row["returned"][n]
                sizes[n] += row["size"]
    return {
        "size": sum(row["size"] for row in rows),
        "returned": returned,
        "sizes": sizes,
        "rates": [_rate(*pair) for pair in zip(returned, sizes, strict=True)],
    }


def _semantics(query: RetentionQuery) -> Row:
    return {
        "initial": msgspec.to_builtins(query.initial),
        "returning": msgspec.to_builtins(query.returning),
        "unit": query.unit,
        "periods": query.periods if query.mode != "bracket" else None,
        "mode": query.mode,
        "brackets": query.brackets,
        "cohort": query.cohort,
        "calendar": "periods are calendar days, weeks from Monday or months of the timezone",
        "cohort_is": {
            "every": "a user is in the cohort of each period with an initial event in the time range",
            "first": "a user is in the cohort of the period of the first initial event ever; in none when it lies before "
            "the time range",
        }[query.cohort],
        "returned_is": {
            "on": "has a returning event in the n-th period after the cohort's; in period 0 at any time of it",
            "on_or_after": "has a returning event in the n-th period after the cohort's or in a later one up to the last "
            "asked for",
            "bracket": "has a returning event in one of the periods of the bracket, both ends included",
        }[query.mode],
        "same_event": "one event may be the initial and the returning one: then period 0 holds the whole cohort",
        "mature": "the last period of the cell has ended by now",
        "total": "mature cells only: returned[n] of sizes[n], the users of the cohorts whose cell n is mature",
        "breakdown_value": "of the user's first initial event in the cohort's period (first: ever)",
    }


async def users(ask: Ask, query: RetentionQuery, cell: RetentionCell) -> UserSelect:
    """Select the users of a cell."""
    columns = _columns(query)
    periods, cohorts = _periods(ask, query, columns)
    if cell.cohort not in periods.labels[:cohorts]:
        raise InvalidRequest("$.cell.cohort", "not the first day of a cohort of this request")
    if cell.period is not None and cell.period >= len(columns):
        raise InvalidRequest(
            "$.cell.period", f"the last column of this request is {len(columns) - 1}"
        )
    if cell.lost and cell.period is None:
        raise InvalidRequest("$.cell.lost", "needs a period")
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, query.breakdown)
    top = await _top(ask, query) if cell.other else None
    if cell.other and top is None:
        raise InvalidRequest("$.cell.other", "this answer has no `other`: all values are shown")
    bindings = ask.bindings()
    cells = _cells(ask, query, bindings, periods, top)
    bindings.named("cell_cohort", periods.labels.index(cell.cohort), "UInt16")
    bindings.named("cell_number", -1 if cell.period is None else cell.period, "Int32")
    bindings.named("lost", cell.lost, "Bool")
    in_key = "1" if key is None else f"key = {bindings.add(breakdowns.pack(key), 'String')}"
    return UserSelect(
        "retention.users", load_sql("retention.users", cells=cells, in_key=in_key), bindings
    )


def table(result: Row) -> list[Row]:
    """Flatten: one row for each cohort and column."""
    brackets = result.get("brackets")
    rows = []
    for line in result["cohorts"]:
        head = {"cohort": line["cohort"], **line.get("breakdown", {})}
        if "other" in line:
            head["other"] = line["other"]
        for n, returned in enumerate(line["returned"]):
            span = (
                {"bracket_from": brackets[n][0], "bracket_to": brackets[n][1]} if brackets else {}
            )
            rows.append(
                {
                    **head,
                    "size": line["size"],
                    "period": n,
                    **span,
                    "returned": returned,
                    "rate": line["rates"][n],
                    "mature": line["mature"][n],
                }
            )
    return rows


REPORT = Report(
    name="retention",
    summary="Users who come back, by cohort (留存)",
    params=RetentionQuery,
    answer=answer,
    table=table,
    cell=RetentionCell,
    users=users,
)
