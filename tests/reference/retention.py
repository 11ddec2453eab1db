"""Retention as its definition says, user by user, cohort by cohort; slow and obvious."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, next_period, period_of

HOUR_MS = 3_600_000
UNIT_MS = {"day": 24 * HOUR_MS, "week": 7 * 24 * HOUR_MS, "month": 30 * 24 * HOUR_MS}


@dataclass
class Cohort:
    """What is known of one cohort: sizes, returned users and sums by column, first returns by period."""

    returned: list[int]
    first_returned: list[int]
    measured: list[float]
    size: int = 0
    members: set[int] = field(default_factory=set)
    returned_later: set[int] = field(default_factory=set)


def retention(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    unit: str,
    periods: int,
    mode: str,
    brackets: list[list[int]] | None,
    cohort: str,
    identity_mode: str,
    initial: Matches,
    returning: Matches,
    period_counts: str = "calendar",
    period_zero: str = "any",
) -> dict[str, Cohort]:
    """First day of each cohort to its numbers. The measure: sum of ``price`` over the returning events."""
    zone_info = ZoneInfo(zone)
    calendar = [period_of(first_day, unit)]
    while next_period(calendar[-1], unit) <= last_day:
        calendar.append(next_period(calendar[-1], unit))
    cohorts = list(calendar)
    last_period = max(b for _, b in brackets) if brackets else periods
    for _ in range(1 + last_period):
        calendar.append(next_period(calendar[-1], unit))
    columns = brackets or [[n, periods if mode == "on_or_after" else n] for n in range(periods + 1)]

    def day(event: Row) -> date:
        return local_day(event["occurred_at"], zone_info)

    table: dict[str, Cohort] = {}
    people = by_person(rows, identity, identity_mode)
    for number, start in enumerate(cohorts):
        found = Cohort([0] * len(columns), [0] * (last_period + 1), [0.0] * len(columns))
        for person, events in people.items():
            starts = [e for e in events if initial(e)]
            if cohort == "first":
                starts = starts[:1]
            starts = [
                e
                for e in starts
                if first_day <= day(e) <= last_day and period_of(day(e), unit) == start
            ]
            if not starts:
                continue
            found.size += 1
            found.members.add(person)

            period = partial(
                _period,
                periods=calendar[number : number + last_period + 1],
                began_ms=starts[0]["occurred_at"],
                unit=unit,
                period_counts=period_counts,
                zone=zone_info,
            )
            active = {period(e) for e in events if returning(e)} - {None}
            if period_zero == "repeated":
                own = [e for e in events if period(e) == 0]
                is_repeated = any(
                    a is not b and a in starts_of(own, initial, first_day, last_day, day)
                    for a in own
                    for b in own
                    if returning(b)
                )
                if not is_repeated:
                    active -= {0}
            for n, (first, last) in enumerate(columns):
                found.returned[n] += any(k in active for k in range(first, last + 1))
                found.measured[n] += sum(
                    e["properties_number"].get("price", 0)
                    for e in events
                    if returning(e) and period(e) in range(first, last + 1)
                )
            later = [n for n in active if n > 0]
            if later:
                found.first_returned[min(later)] += 1
                found.returned_later.add(person)
        table[start.isoformat()] = found
    return table


def _period(
    event: Row,
    *,
    periods: list[date],
    began_ms: int,
    unit: str,
    period_counts: str,
    zone: ZoneInfo,
) -> int | None:
    """Number of an event's period after the cohort's; None before and after all of them."""
    if period_counts == "calendar":
        start = period_of(local_day(event["occurred_at"], zone), unit)
        return periods.index(start) if start in periods else None
    if period_counts == "elapsed_from_day":
        days = local_day(event["occurred_at"], zone) - local_day(began_ms, zone)
        n = days // timedelta(days=UNIT_MS[unit] // UNIT_MS["day"])
        return n if 0 <= n < len(periods) else None
    if period_counts == "elapsed_from_hour":
        began = datetime.fromtimestamp(began_ms // 1000, zone)
        began_ms -= (began.minute * 60 + began.second) * 1000 + began_ms % 1000
    n = (event["occurred_at"] - began_ms) // UNIT_MS[unit]
    return n if 0 <= n < len(periods) else None


def starts_of(
    events: list[Row], initial: Matches, first_day: date, last_day: date, day: Callable[[Row], date]
) -> list[Row]:
    """The initial events of the range among some events."""
    return [e for e in events if initial(e) and first_day <= day(e) <= last_day]
