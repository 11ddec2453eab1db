"""
Lifetime value (生命周期价值, LTV): what the users of a cohort have brought, per user, by the n-th day after they began.

A user is in the cohort of the calendar period (day, week from Monday, month of the zone) of the ``start`` event: with
``cohort`` ``first`` the user's first start event ever, in no cohort when it lies before the time range; with
``first_in_range`` the first one in the range. The request's ``filter`` bounds what counts as an event here.

A payment is an event of one of the ``measures`` that has its ``field`` as a number, from the start event on (the event itself
can be one); its amount is the number times ``margin`` (a refund: a negative margin). Period 0 is the cohort's own.

- ``revenue[n]``: the amounts of periods 0 to n together. ``ltv[n]``: revenue[n] / ``size``. ``payers[n]``: users with a payment
  by then. All three are null while period n of the cohort has not ended by now (``mature``).
- ``total``: for each n over the cohorts that are mature in it, ``revenue[n]`` over ``sizes[n]``.
- With a breakdown a user stands under the value of the start event, so rows add up.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.fields import number_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.order_keys import MAX_PAYLOAD, ORDER_KEYS, OrderKey, decided
from query_api.params import EventSelector, FieldName, Query
from query_api.per_user import BreakdownCell
from query_api.periods import Periods, periods_of
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql
from query_api.sums import added

MAX_PERIODS_AFTER = 366
MAX_MEASURES = 10
MAX_CELLS = 500_000
"""Cohorts times columns times breakdown values of one answer."""
_OF_PERIOD = ("revenue", "ltv", "payers", "mature")
"""What a cohort has for each period."""
_LARGEST_KEY = MAX_PAYLOAD >> 1
"""Below the number of a key a bit says that the event is a start (ltv.cells)."""
_USERS = "countIf(cell = -1)"
"""Over rows of ltv.cells: what ranks a key."""


class LtvMeasure(EventSelector, kw_only=True):
    """Payments: events of a name that pass a filter; ``field`` times ``margin``."""

    field: FieldName
    margin: Annotated[float, Meta(ge=-1, le=1)] = 1.0


class LtvQuery(Query, kw_only=True):
    """Lifetime value by cohort of the ``start`` event: columns 0 to ``periods``."""

    start: EventSelector
    measures: Annotated[list[LtvMeasure], Meta(min_length=1, max_length=MAX_MEASURES)]
    unit: Literal["day", "week", "month"] = "day"
    periods: Annotated[int, Meta(ge=0, le=MAX_PERIODS_AFTER)] = 30
    cohort: Literal["first", "first_in_range"] = "first"


class LtvCell(BreakdownCell, kw_only=True):
    """
    The users of a ``cohort`` (its first day); with ``period``: those who had paid by then.

    Without ``cohort``: of the total over all cohorts; with ``period`` over the mature ones.
    """

    cohort: Annotated[str, Meta(max_length=40)] | None = None
    period: Annotated[int, Meta(ge=0, le=MAX_PERIODS_AFTER)] | None = None


def _periods(ask: Ask, query: LtvQuery) -> tuple[Periods, int]:
    """Return all periods that matter, and how many of them are cohorts."""
    path = "$.time_range"
    from_ms, to_ms = ask.range.from_ms, ask.range.to_ms
    cohorts = len(periods_of(from_ms, to_ms, query.unit, ask.zone, path=path).labels)
    if cohorts * (query.periods + 1) > MAX_CELLS:
        raise InvalidRequest(
            path, f"more than {MAX_CELLS} cells: ask for a shorter range or fewer periods"
        )
    return periods_of(from_ms, to_ms, query.unit, ask.zone, query.periods, path), cohorts


def _cells(ask: Ask, query: LtvQuery, bindings: Bindings, order_key: OrderKey) -> str:
    """Return the SELECT of (user, cohort, key, cell, amount, undecided) that both the table and its users come from."""
    periods, _ = _periods(ask, query)
    starts = periods.starts_ms
    first_ever = query.cohort == "first"
    bindings.named("starts", list(starts[:-1]), "Array(Int64)")
    bindings.named("numbers", list(range(len(starts) - 1)), "Array(UInt16)")
    bindings.named("periods", query.periods, "UInt16")
    bindings.named("start_from_ms", 0 if first_ever else ask.range.from_ms, "Int64")
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    start = selector_sql(query.start, "$.start", bindings)
    paying, amounts = [], []
    for i, measure in enumerate(query.measures):
        path = f"$.measures[{i}]"
        number, has_number = number_sql(measure.field, f"{path}.field", bindings)
        condition = f"({selector_sql(measure, path, bindings)} AND {has_number})"
        margin = bindings.add(measure.margin, "Float64")
        paying.append(condition)
        amounts.append(f"if({condition}, {number} * {margin}, 0)")
    where = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql([query.start, *query.measures], bindings),
        f"({' OR '.join([start, *paying])})",
    ]
    condition = all_of(where)
    from_ms, to_ms = 0 if first_ever else starts[0], starts[-1]
    of_start = per_user.numbered_key(
        query, bindings, event_names_sql([query.start], bindings), _LARGEST_KEY
    )
    key = ORDER_KEYS[order_key]
    aggregates = {
        "is_started": "max(is_start)",
        "start_event": "minIf(number, is_start)",
        "all_payments": "groupArrayIf(number, is_paying)",
        "all_amounts": "groupArrayIf(amount, is_paying)",
    }
    together = {"start_event": "minIf(part.start_event, part.is_started)"}
    start_tied = "0"
    if of_start.names and key.order:
        # Of the starts that are as early as the first, this is the one with the greatest key.
        aggregates["mirrored_start"] = f"minIf({key.mirrored_key('mark')}, is_start)"
        together["mirrored_start"] = "minIf(part.mirrored_start, part.is_started)"
        greatest = key.mirrored_payload("mirrored_start")
        start_tied = f"{key.payload.format('start_event')} != {greatest}"
    return load_sql(
        "ltv.cells",
        collected=by_actor.collected(
            ask,
            bindings,
            condition,
            computed=load_sql(
                "ltv.events",
                start=start,
                paying=" OR ".join(paying),
                amount=" + ".join(amounts),
                mark=f"if(is_start, 1 + bitShiftLeft({of_start.number}, 1), 0)",
                number=key.key.format("mark"),
            ),
            aggregates=aggregates,
            together=together,
            having=f"is_started AND {key.at.format('start_event')} >= {{range_from_ms:Int64}}",
            person_part=of_start.person_part,
            pays_alone=False,
            from_ms=from_ms,
            to_ms=to_ms,
        ),
        tied=key.tied(payload_decides=True, other="start_event"),
        start_tied=start_tied,
        at_k=key.at.format("k"),
        at_start=key.at.format("start_event"),
        payload_start=key.payload.format("start_event"),
        key=of_start.key,
        names=of_start.names,
        person=of_start.person_column(),
    )


async def _top(ask: Ask, query: LtvQuery) -> list[Key] | None:
    """Return the keys that the report shows, for the users of a cell."""
    order_key = await ask.deciding(partial(_cells, ask, query))
    bindings = ask.bindings()
    cells = _cells(ask, query, bindings, order_key)
    return await per_user.most_frequent(ask, cells, bindings, _USERS)


async def answer(ask: Ask, query: LtvQuery) -> Answer:
    """Answer the lifetime value report."""
    periods, cohorts = _periods(ask, query)
    result = await per_user.compared(ask, query, _counted, _result)
    if (periods.starts_ms[0], periods.starts_ms[cohorts]) != (ask.range.from_ms, ask.range.to_ms):
        ask.warn(
            "partial_period",
            "the first or last cohort's period reaches beyond the time range; only start events in the range count",
        )
    return Answer(result=result, semantics=_semantics(query))


async def _counted(ask: Ask, query: LtvQuery, top: list[Key] | None) -> list[Row]:
    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        cells = _cells(ask, query, bindings, order_key)
        shown = per_user.shown(query, cells, top, bindings, _USERS)
        return await ask.fetch("ltv.counts", bindings, cells=shown)

    rows, _ = await decided(ask_with)
    return rows


def _result(ask: Ask, query: LtvQuery, rows: list[Row]) -> Row:
    periods, cohorts = _periods(ask, query)
    found: dict[Key, dict[tuple[int, int], tuple[int, float]]] = {} if query.breakdown else {(): {}}
    for row in rows:
        of_key = found.setdefault(breakdowns.unpack(row["key"]), {})
        of_key[row["cohort"], row["cell"]] = (row["users"], row["amount"])
    if len(found) * cohorts * (query.periods + 1) > MAX_CELLS:
        raise InvalidRequest(
            "$.breakdown_limit", f"more than {MAX_CELLS} cells: ask for fewer values"
        )
    sizes = {
        key: sum(users for (_, cell), (users, _) in numbers.items() if cell == -1)
        for key, numbers in found.items()
    }
    lines: list[Row] = []
    totals: list[Row] = []
    for key in per_user.ordered(sizes):
        head = per_user.described(key, query)
        of_key_rows = [
            _row(periods, cohort, query.periods, found[key], ask.now_ms, head)
            for cohort in range(cohorts)
        ]
        lines += of_key_rows
        totals.append({**head, **_total(of_key_rows, query.periods)})
    result: Row = {"cohorts": lines, "total": _total(lines, query.periods)}
    if query.breakdown:
        result["totals"] = totals
    return result


def _row(
    periods: Periods,
    cohort: int,
    last: int,
    numbers: dict[tuple[int, int], tuple[int, float]],
    now_ms: int,
    head: Row,
) -> Row:
    size = numbers.get((cohort, -1), (0, 0.0))[0]
    revenue: list[float | None] = []
    payers: list[int | None] = []
    mature = []
    amount, paid = 0.0, 0
    for n in range(last + 1):
        users, more = numbers.get((cohort, n), (0, 0.0))
        amount, paid = added((amount, more)), paid + users
        has_ended = periods.starts_ms[cohort + n + 1] <= now_ms
        mature.append(has_ended)
        revenue.append(amount if has_ended else None)
        payers.append(paid if has_ended else None)
    return {
        "cohort": periods.labels[cohort],
        **head,
        "size": size,
        "revenue": revenue,
        "ltv": [None if value is None or not size else value / size for value in revenue],
        "payers": payers,
        "mature": mature,
    }


def _total(lines: list[Row], last: int) -> Row:
    """Add up the mature cells of each column: revenue over the sizes of those cohorts."""
    sizes, payers = [0] * (last + 1), [0] * (last + 1)
    revenue = [
        added([0.0, *(line["revenue"][n] for line in lines if line["mature"][n])])
        for n in range(last + 1)
    ]
    for line in lines:
        for n in range(last + 1):
            if line["mature"][n]:
                payers[n] += line["payers"][n]
                sizes[n] += line["size"]
    return {
        "size": sum(line["size"] for line in lines),
        "revenue": revenue,
        "sizes": sizes,
        "payers": payers,
        "ltv": [a / size if size else None for a, size in zip(revenue, sizes, strict=True)],
    }


def _semantics(query: LtvQuery) -> Row:
    return {
        "start": msgspec.to_builtins(query.start),
        "measures": msgspec.to_builtins(query.measures),
        "unit": query.unit,
        "periods": query.periods,
        "cohort": query.cohort,
        "cohort_is": {
            "first": "the period of the user's first start event ever; none when it lies before the time range",
            "first_in_range": "the period of the user's first start event in the time range",
        }[query.cohort],
        "calendar": "periods are calendar days, weeks from Monday or months of the timezone; 0 is the cohort's own",
        "payment": "an event of a measure that has its field as a number, from the start event on, itself included",
        "amount": "the field times the margin, added up over the measures that the event matches",
        "revenue": "cumulative: the amounts of periods 0 to n",
        "ltv": "revenue / size",
        "mature": "period n has ended by now; cells that are not are null",
        "total": "for each n over the cohorts that are mature in it",
        "breakdown_value": "of the start event",
        "breakdown_order": "by users of the cohorts, most first; the rest is `other`",
    }


async def users(ask: Ask, query: LtvQuery, cell: LtvCell) -> UserSelect:
    """Select the users of a cell of one cohort, or of the total over all: each user is in one cohort."""
    periods, count = _periods(ask, query)
    if cell.cohort is not None and cell.cohort not in periods.labels[:count]:
        raise InvalidRequest("$.cell.cohort", "not the first day of a cohort of this request")
    if cell.period is not None and cell.period > query.periods:
        raise InvalidRequest("$.cell.period", f"the last column of this request is {query.periods}")
    top = await _top(ask.asked, query) if cell.other else None
    per_user.check_other(cell, top)
    order_key = await ask.deciding(partial(_cells, ask, query))
    bindings = ask.bindings()
    cells = per_user.with_other(_cells(ask, query, bindings, order_key), top, bindings)
    cohorts = [
        cohort
        for cohort in range(count)
        if cell.cohort in (None, periods.labels[cohort])
        and (
            cell.cohort is not None
            or cell.period is None
            or periods.starts_ms[cohort + cell.period + 1] <= ask.now_ms
        )
    ]
    bindings.named("cell_cohorts", cohorts, "Array(UInt16)")
    bindings.named("cell_period", -1 if cell.period is None else cell.period, "Int32")
    in_key = per_user.in_key(cell, query, bindings)
    return UserSelect("ltv.users", load_sql("ltv.users", cells=cells, in_key=in_key), bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each cohort and column."""
    return [
        {
            "cohort": line["cohort"],
            **head,
            "size": line["size"],
            "period": n,
            **{name: line[name][n] for name in _OF_PERIOD},
        }
        for head, line in per_user.heads(result["cohorts"])
        for n in range(len(line["mature"]))
    ]


def columns(query: LtvQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    named = per_user.described(OTHER, query)
    nothing = {"cohort": None, **named, "size": 0, **{name: [None] for name in _OF_PERIOD}}
    return list(table({"cohorts": [nothing]})[0])


REPORT = Report(
    name="ltv",
    summary="Cumulative revenue per user by cohort (生命周期价值)",
    params=LtvQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=LtvCell,
    users=users,
)
