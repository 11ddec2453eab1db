"""
Retention (留存): of the users with an initial event in a period, how many have a returning event n periods later.

Cohorts are calendar days, weeks (from Monday) or months of the zone. The time range bounds the initial events; returning
events may lie after it, and in the cohort's own period also before the initial event or before the range.

- ``cohort`` ``every``: a user is in the cohort of each period with an initial event in the range. ``first``: only in that of
  the user's first initial event ever, also when it lies before the range (then in none). The request's ``filter`` bounds
  what counts as an event here, so "ever" means ever among events that pass it.
- ``mode`` ``on``: returned in period n. ``on_or_after``: in period n or a later one up to the last asked for. ``bracket``: in
  any of the periods of the bracket, both ends included.
- ``period_counts`` ``calendar``: period n is the n-th calendar period after the cohort's; period 0 is the cohort's own.
  ``elapsed``: 24 hours, 7 or 30 days each, counted for each user from the cohort's first initial event;
  ``elapsed_from_hour``: from the beginning of that event's hour. ``elapsed_from_day``: 1, 7 or 30 calendar days, that event's
  day the first of them.
- ``period_zero`` ``any``: one event may be the initial and the returning one. ``repeated``: in period 0 the returning event
  is another one than the initial event.
- A cell is ``mature`` when its last period has ended by now for every user of the cohort; for ``on_or_after`` that is the
  last one asked for. ``total`` adds up only mature cells: the users returned over the sizes of those cohorts.
- ``first_returned[n]``: users whose first returning event after the cohort's own period lies in period n, up to the last
  period that a column asks about. ``lost``: users of the cohort without one in any mature period after the cohort's own.
- ``measure``: an aggregate of the selected events of all users of the cohort in the column's periods.
- With a breakdown, a user stands in each cohort under the value of the first initial event there (by occurred_at, seq,
  event_id), so the rows add up to the cohort.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from query_api import breakdowns, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest
from query_api.periods import DAY_MS, Periods, Range, local_day, periods_of
from query_api.presets import RETENTION, Preset, RetentionAxes, differing
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.retention_params import (
    RetentionCell,
    RetentionParams,
    RetentionQuery,
    resolve,
)
from query_api.retention_sql import (
    FIRST_RETURN,
    MEASURED,
    UNIT_DAYS,
    USERS_MEASURED,
    cells_of_sql,
    patterns_sql,
)
from query_api.sql import load_sql
from query_api.sums import added, added_in, partial_sum_sql, sum_of_parts_sql

MAX_CELLS = 500_000
"""Cohorts times columns times breakdown values of one answer."""


def _axes(preset: Preset | None) -> RetentionAxes | None:
    return None if preset is None else RETENTION[preset]


def axes_of(params: RetentionParams) -> Row:
    """Return the declared axes by name."""
    return {
        "mode": params.mode,
        "cohort": params.cohort,
        "period_counts": params.period_counts,
        "period_zero": params.period_zero,
    }


def _periods(ask: Ask, params: RetentionParams, range_: Range) -> tuple[Periods, int]:
    """Return all periods that matter, and how many of them are cohorts."""
    path = "$.time_range"
    cohorts = len(periods_of(range_.from_ms, range_.to_ms, params.unit, ask.zone, path=path).labels)
    extra = params.last_period()
    whole = periods_of(range_.from_ms, range_.to_ms, params.unit, ask.zone, extra, path)
    if cohorts * len(params.columns()) > MAX_CELLS:
        raise InvalidRequest(
            path, f"more than {MAX_CELLS} cells: ask for a shorter range or fewer periods"
        )
    return whole, cohorts


def _patterns(ask: Ask, params: RetentionParams, bindings: Bindings) -> str:
    """Return the rows that the report counts."""
    periods, _ = _periods(ask, params, ask.range)
    return patterns_sql(ask, params, bindings, periods, ask.range)


async def answer(ask: Ask, query: RetentionQuery) -> Answer:
    """Answer the retention report; with ``compare`` that of another range, with ``compare_semantics`` under presets."""
    params, left_out = resolve(query, _axes(query.preset))
    if left_out:
        ask.warn(
            "preset_axes_left_out",
            f"{', '.join(left_out)} of {query.preset} cannot go with the rest of this request; the default is used instead",
        )

    top: list[Key] | None = None

    async def result_of(one: Ask) -> Row:
        nonlocal top
        rows = await _counted(one, params, top)
        top = per_user.keys_of(rows)
        return _result(one, params, rows)

    result = await with_comparison(ask, query.compare, result_of)
    meaning = _semantics(params) | {"preset": None, "compare_semantics": query.compare_semantics}
    if query.preset is not None:
        axes = RETENTION[query.preset]
        meaning["preset"] = {
            "name": query.preset,
            "axes": axes.values(params.unit),
            "left_out": left_out,
            "not_expressed": list(axes.not_expressed),
            "source": axes.source,
        }
    if query.compare_semantics:
        result["compare_semantics"] = [
            await _under(ask, query, params, preset)
            for preset in dict.fromkeys(query.compare_semantics)
        ]
    periods, cohorts = _periods(ask, params, ask.range)
    if (periods.starts_ms[0], periods.starts_ms[cohorts]) != (ask.range.from_ms, ask.range.to_ms):
        ask.warn(
            "partial_period",
            "the first or last cohort's period reaches beyond the time range; only initial events in the range count",
        )
    return Answer(result=result, semantics=meaning)


def _params_under(query: RetentionQuery, preset: Preset) -> tuple[RetentionParams, list[str]]:
    """Return the retention that ``compare_semantics`` counts under a preset, and the axes left out."""
    params, left_out = resolve(query, RETENTION[preset])
    return msgspec.structs.replace(params, breakdown=[], measure=None), left_out


async def _under(ask: Ask, query: RetentionQuery, here: RetentionParams, preset: Preset) -> Row:
    """Return the totals under a preset: axes that the request gives itself stay as they are."""
    params, left_out = _params_under(query, preset)
    result = _result(ask, params, await _counted(ask, params, None))
    axes = axes_of(params)
    return {
        "preset": preset,
        "total": result["total"],
        "cohorts": result["cohorts"],
        "axes": axes,
        "differs": differing(axes_of(here), axes),
        "left_out": left_out,
        "not_expressed": list(RETENTION[preset].not_expressed),
        "source": RETENTION[preset].source,
    }


def _result(ask: Ask, params: RetentionParams, counted: list[Row]) -> Row:
    columns = params.columns()
    periods, cohorts = _periods(ask, params, ask.range)
    found: dict[Key, dict[tuple[int, int], int]] = {} if params.breakdown else {(): {}}
    measured: dict[tuple[int, Key], dict[int, Row]] = {}
    for row in counted:
        cohort, key, cell = row["cohort"], breakdowns.unpack(row["key"]), row["cell"]
        if cell > FIRST_RETURN + params.last_period():
            measured.setdefault((cohort, key), {})[cell] = row
        else:
            found.setdefault(key, {})[cohort, cell] = row["number"]
    if len(found) * cohorts * len(columns) > MAX_CELLS:
        raise InvalidRequest(
            "$.breakdown_limit", f"more than {MAX_CELLS} cells: ask for fewer values"
        )
    measures = {line: _columns(columns, rows) for line, rows in measured.items()}
    keys = sorted(
        found,
        key=lambda key: (
            bool(params.breakdown) and key == OTHER,
            -sum(users for (_, cell), users in found[key].items() if cell == -1),
            key,
        ),
    )
    rows = [
        {
            "cohort": periods.labels[cohort],
            **_described(key, params),
            **_line(ask, params, periods, cohort, found[key]),
            **_measured_line(
                params,
                measures.get((cohort, key)),
                [found[key].get((cohort, -1), 0)] * len(columns),
            ),
        }
        for key in keys
        for cohort in range(cohorts)
    ]
    lines = [measures.get((cohort, key)) for key in keys for cohort in range(cohorts)]
    matured = [_mature_periods(ask, params, periods, cohort) for cohort in range(cohorts)]
    result: Row = {"cohorts": rows, "total": _total(params, rows, matured, lines)}
    if params.mode == "bracket":
        result["brackets"] = params.brackets
    if params.breakdown:
        result["totals"] = [
            {
                **_described(key, params),
                **_total(params, rows[of_key], matured, lines[of_key]),
            }
            for i, key in enumerate(keys)
            for of_key in [slice(i * cohorts, (i + 1) * cohorts)]
        ]
    return result


async def _counted(ask: Ask, params: RetentionParams, top: list[Key] | None) -> list[Row]:
    bindings = ask.bindings()
    periods, _ = _periods(ask, params, ask.range)
    of_pattern = cells_of_sql(params, periods, bindings)
    patterns = patterns_sql(ask, params, bindings, periods, ask.range, measured=True)
    parts = sums = key = ""
    is_user = "1"
    if params.measure is not None:
        has_users = params.measure.aggregate in ("users", "per_user")
        users = load_sql("retention.measured_users") if has_users else ""
        patterns = load_sql("retention.measured", patterns=patterns, users=users)
        amount = partial_sum_sql("measured_value", "1", "amount")
        parts = load_sql("retention.measured_parts", amount=source.named(amount))
        sums = load_sql("retention.measured_sums", amount=sum_of_parts_sql("amount"))
        key, is_user = source.more_keys(("measured_period",)), "measured_period = -1"
        of_pattern["cells"] = load_sql("retention.cells_measured", cells=of_pattern["cells"])
    alike = load_sql("retention.alike", patterns=patterns, measured=parts, measured_key=key)
    return await ask.fetch(
        "retention.counts",
        bindings,
        shown=per_user.shown(params, alike, top, bindings, "sum(pattern_users)", is_user),
        measured=sums,
        **of_pattern,
    )


class _Measured(Struct, frozen=True):
    """What any aggregate of one column is made of; ``least`` and ``most`` None without an event."""

    amount: float = 0.0
    events: int = 0
    users: int = 0
    least: float | None = None
    most: float | None = None


def _columns(columns: list[tuple[int, int]], rows: dict[int, Row]) -> list[_Measured]:
    """Return the columns of what retention.counts gives of a measure, by cell."""
    by_period = {cell - MEASURED: row for cell, row in rows.items() if cell >= MEASURED}
    amounts = added_in({period: row["amount"] for period, row in by_period.items()}, columns)
    found = []
    for n, (first, last) in enumerate(columns):
        inside = [row for period, row in by_period.items() if first <= period <= last]
        of_users = rows.get(USERS_MEASURED - n)
        found.append(
            _Measured(
                amounts[n],
                sum(row["number"] for row in inside),
                of_users["number"] if of_users else 0,
                min((row["least"] for row in inside), default=None),
                max((row["most"] for row in inside), default=None),
            )
        )
    return found


def _line(
    ask: Ask,
    params: RetentionParams,
    periods: Periods,
    cohort: int,
    cells: dict[tuple[int, int], int],
) -> Row:
    """Return the numbers of one cohort."""
    columns = params.columns()
    mature_periods = _mature_periods(ask, params, periods, cohort)
    size = cells.get((cohort, -1), 0)
    returned = [cells.get((cohort, n), 0) for n in range(len(columns))]
    first = [
        cells.get((cohort, FIRST_RETURN + n), 0) if n else 0
        for n in range(params.last_period() + 1)
    ]
    return {
        "size": size,
        "returned": returned,
        "mature": [last < mature_periods for _, last in columns],
        "rates": [_rate(users, size) for users in returned],
        "first_returned": first,
        "lost": size - sum(first[:mature_periods]) if mature_periods > 1 else None,
        "lost_periods": max(0, mature_periods - 1),
    }


def _mature_periods(ask: Ask, params: RetentionParams, periods: Periods, cohort: int) -> int:
    """Return how many periods have ended for every user of the cohort, its own first."""
    last = params.last_period()
    if params.period_counts == "calendar":
        ends = periods.starts_ms[cohort + 1 : cohort + last + 2]
        return sum(end_ms <= ask.now_ms for end_ms in ends)
    unit_days = UNIT_DAYS[params.unit]
    if params.period_counts == "elapsed_from_day":
        # The last who start do so on the last day of the cohort's period.
        past_days = (
            local_day(ask.now_ms, ask.zone) - local_day(periods.starts_ms[cohort + 1] - 1, ask.zone)
        ).days
        return min(last + 1, max(0, past_days // unit_days))
    past_ms = ask.now_ms - periods.starts_ms[cohort + 1]
    return min(last + 1, max(0, past_ms // (unit_days * DAY_MS)))


def _measured_line(params: RetentionParams, found: list[_Measured] | None, sizes: list[int]) -> Row:
    """Return the columns of the measure; ``sizes``: the users that each is about."""
    if params.measure is None:
        return {}
    cells = found or [_Measured()] * len(params.columns())
    aggregate = params.measure.aggregate
    if aggregate in ("sum", "count", "users"):
        field = {"sum": "amount", "count": "events", "users": "users"}[aggregate]
        values = [getattr(cell, field) for cell in cells]
        return {
            "measured": values,
            "measured_per_user": [_rate(*pair) for pair in zip(values, sizes, strict=True)],
        }
    if aggregate in ("min", "max"):
        field = "least" if aggregate == "min" else "most"
        return {"measured": [getattr(cell, field) for cell in cells]}
    if aggregate == "avg":
        pairs = [(cell.amount, cell.events) for cell in cells]
    elif params.measure.field is None:
        pairs = [(cell.events, cell.users) for cell in cells]
    else:
        pairs = [(cell.amount, cell.users) for cell in cells]
    return {
        "measured": [_rate(*pair) for pair in pairs],
        "measured_numerator": [numerator for numerator, _ in pairs],
        "measured_denominator": [denominator for _, denominator in pairs],
    }


def _together(parts: Iterable[_Measured]) -> _Measured:
    """Add cohorts up; a user counts once in each."""
    cells = list(parts)
    return _Measured(
        added([0.0, *(cell.amount for cell in cells)]),
        sum(cell.events for cell in cells),
        sum(cell.users for cell in cells),
        min((cell.least for cell in cells if cell.least is not None), default=None),
        max((cell.most for cell in cells if cell.most is not None), default=None),
    )


def _described(key: Key, params: RetentionParams) -> Row:
    return breakdowns.describe(key, params.breakdown) if params.breakdown else {}


def _rate(numerator: float, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def _total(
    params: RetentionParams,
    rows: list[Row],
    matured: list[int],
    lines: list[list[_Measured] | None],
) -> Row:
    """Add up the mature cells of each column, and of each period of the first return."""
    columns = len(params.columns())
    returned, sizes = [0] * columns, [0] * columns
    last = params.last_period()
    first, by_then, first_sizes = [0] * (last + 1), [0] * (last + 1), [0] * (last + 1)
    lost = lost_size = 0
    for i, row in enumerate(rows):
        for n in range(columns):
            if row["mature"][n]:
                returned[n] += row["returned"][n]
                sizes[n] += row["size"]
        for n in range(matured[i % len(matured)]):
            first[n] += row["first_returned"][n]
            by_then[n] += sum(row["first_returned"][: n + 1])
            first_sizes[n] += row["size"]
        if row["lost"] is not None:
            lost += row["lost"]
            lost_size += row["size"]
    total: Row = {
        "size": sum(row["size"] for row in rows),
        "returned": returned,
        "sizes": sizes,
        "rates": [_rate(*pair) for pair in zip(returned, sizes, strict=True)],
        "first_returned": first,
        "returned_by": by_then,
        "first_return_sizes": first_sizes,
        "first_return_rates": [_rate(*pair) for pair in zip(first, first_sizes, strict=True)],
        "returned_by_rates": [_rate(*pair) for pair in zip(by_then, first_sizes, strict=True)],
        "lost": lost,
        "lost_size": lost_size,
        "lost_rate": _rate(lost, lost_size),
    }
    cells = [
        _together(
            line[n] for row, line in zip(rows, lines, strict=True) if line and row["mature"][n]
        )
        for n in range(columns)
    ]
    return total | _measured_line(params, cells, sizes)


def _semantics(params: RetentionParams) -> Row:
    meaning: Row = {
        "initial": msgspec.to_builtins(params.initial),
        "returning": msgspec.to_builtins(params.returning),
        "unit": params.unit,
        "periods": params.periods if params.mode != "bracket" else None,
        "brackets": params.brackets,
        **axes_of(params),
        "calendar": "cohorts are calendar days, weeks from Monday or months of the timezone",
        "period_counts_is": {
            "calendar": "period n is the n-th calendar period after the cohort's",
            "elapsed": "period n is the n-th stretch of 24 hours (week: 7 days, month: 30 days) from the user's first initial "
            "event in the cohort's period on; events before that do not count",
            "elapsed_from_hour": "period n is the n-th stretch of 24 hours (week: 7 days, month: 30 days) from the beginning "
            "of the timezone's hour of the user's first initial event in the cohort's period on; what is before does not count",
            "elapsed_from_day": "period n is the n-th stretch of 1 calendar day (week: 7, month: 30) of the timezone from the "
            "day of the user's first initial event in the cohort's period on, whole days; what is before does not count",
        }[params.period_counts],
        "cohort_is": {
            "every": "a user is in the cohort of each period with an initial event in the time range",
            "first": "a user is in the cohort of the period of the first initial event ever; in none when it lies before "
            "the time range",
        }[params.cohort],
        "returned_is": {
            "on": "has a returning event in the n-th period after the cohort's; in period 0 at any time of it",
            "on_or_after": "has a returning event in the n-th period after the cohort's or in a later one up to the last "
            "asked for",
            "bracket": "has a returning event in one of the periods of the bracket, both ends included",
        }[params.mode],
        "same_event": {
            "any": "one event may be the initial and the returning one: then period 0 holds the whole cohort",
            "repeated": "in period 0 the returning event is another one than the initial event; their order does not matter",
        }[params.period_zero],
        "mature": "the last period of the cell has ended by now, for every user of the cohort",
        "total": "mature cells only: returned[n] of sizes[n], the users of the cohorts whose cell n is mature",
        "first_returned": "users whose first returning event after the cohort's own period lies in period n, up to the last "
        "one asked about; in the total of mature periods only, and returned_by[n] of first_return_sizes[n] up to period n",
        "lost": "users of the cohort without a returning event in the lost_periods mature periods after the cohort's own; null "
        "where there is none yet; the total adds up the others",
        "users_of_total": {
            "first": "a cell without cohort lists as many users as the total says: each is in one cohort",
            "every": "a cell without cohort lists each user once, where the total counts a user once in each cohort",
        }[params.cohort],
        "breakdown_value": "of the user's first initial event in the cohort's period (first: ever)",
        "breakdown_order": "by users of the cohorts, most first; the rest is `other`",
    }
    meaning["measure"] = msgspec.to_builtins(params.measure)
    if params.measure is not None:
        meaning["measured"] = (
            "over the events of all users of the cohort in the column's periods, whether they returned or not, as the events "
            "report aggregates them; measured_per_user: over the size of the cohort; total: mature cells only, users once in "
            "each cohort"
        )
    return meaning


async def users(ask: Ask, query: RetentionQuery, cell: RetentionCell) -> UserSelect:
    """Select the users of a cell of one cohort, or of the total over all."""
    params, _ = resolve(query, _axes(query.preset))
    if cell.preset is not None:
        if cell.preset not in query.compare_semantics:
            raise InvalidRequest("$.cell.preset", "not one of `compare_semantics`")
        params, _ = _params_under(query, cell.preset)
    columns = params.columns()
    periods, count = _periods(ask, params, ask.range)
    if params.measure is not None:
        # Refused where it is wrong, also where the cell does not need it.
        patterns_sql(ask, params, ask.bindings(), periods, ask.range, measured=True)
    if cell.cohort is not None and cell.cohort not in periods.labels[:count]:
        raise InvalidRequest("$.cell.cohort", "not the first day of a cohort of this request")
    if cell.period is not None and cell.period >= len(columns):
        raise InvalidRequest(
            "$.cell.period", f"the last column of this request is {len(columns) - 1}"
        )
    cohorts = range(count) if cell.cohort is None else [periods.labels.index(cell.cohort)]
    ended = {cohort: _mature_periods(ask, params, periods, cohort) for cohort in cohorts}
    # How many periods of a cohort must have ended for its part of the total.
    needed = 0
    wanted, unwanted, never_back = [-1], list[int](), False
    if cell.first_return is not None:
        if cell.period is not None or cell.lost:
            raise InvalidRequest("$.cell.first_return", "only without period and lost")
        if cell.first_return > params.last_period():
            raise InvalidRequest(
                "$.cell.first_return", f"the last period of this request is {params.last_period()}"
            )
        wanted.append(FIRST_RETURN + cell.first_return)
        needed = cell.first_return + 1
    elif cell.period is not None:
        (unwanted if cell.lost else wanted).append(cell.period)
        needed = columns[cell.period][1] + 1
    elif cell.lost:
        if cell.cohort is not None and max(ended.values()) < 2:
            raise InvalidRequest(
                "$.cell.lost", "no period after this cohort's has ended yet; name a period"
            )
        never_back, needed = True, 2
    if cell.cohort is None:
        ended = {cohort: periods_ for cohort, periods_ in ended.items() if periods_ >= needed}
    key = breakdowns.key_of_cell(cell.breakdown, cell.other, params.breakdown)
    top = await per_user.top_of(ask, params, _patterns) if cell.other else None
    if cell.other and top is None:
        raise InvalidRequest("$.cell.other", "this answer has no `other`: all values are shown")
    bindings = ask.bindings()
    bindings.named("cell_cohorts", list(ended), "Array(UInt16)")
    in_key = "1" if key is None else f"key = {bindings.add(breakdowns.pack(key), 'String')}"
    if cell.measured:
        if params.measure is None or cell.period is None or cell.lost:
            raise InvalidRequest(
                "$.cell.measured", "only with a `measure` in the request, with period, without lost"
            )
        first, last = columns[cell.period]
        bindings.named("cell_from", first, "UInt16")
        bindings.named("cell_to", last, "UInt16")
        patterns = patterns_sql(ask, params, bindings, periods, ask.range, measured=True)
        patterns = per_user.with_other(patterns, top, bindings)
        sql = load_sql("retention.measured_by", patterns=patterns, in_key=in_key)
        return UserSelect("retention.measured_by", sql, bindings)
    bindings.named(
        "never_back_until",
        [FIRST_RETURN + (periods_ if never_back else 0) for periods_ in ended.values()],
        "Array(Int32)",
    )
    bindings.named("wanted", wanted, "Array(Int32)")
    bindings.named("unwanted", unwanted, "Array(Int32)")
    sql = load_sql(
        "retention.users",
        patterns=per_user.with_other(_patterns(ask, params, bindings), top, bindings),
        in_key=in_key,
        **cells_of_sql(params, periods, bindings),
    )
    return UserSelect("retention.users", sql, bindings)


_MEASURED = ("measured", "measured_per_user", "measured_numerator", "measured_denominator")


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
                    **{name: line[name][n] for name in _MEASURED if name in line},
                }
            )
    return rows


def columns(query: RetentionQuery, result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    params, _ = resolve(query, _axes(query.preset))
    nothing = {
        "cohort": None,
        **_described(OTHER, params),
        "size": 0,
        "returned": [0],
        "rates": [None],
        "mature": [False],
        **_measured_line(params, None, [0] * len(params.columns())),
    }
    return list(table({**result, "cohorts": [nothing]})[0])


REPORT = Report(
    name="retention",
    summary="Users who come back, by cohort (留存)",
    params=RetentionQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=RetentionCell,
    users=users,
)
