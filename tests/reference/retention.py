"""Retention as its definition says, user by user, cohort by cohort; slow and obvious."""

from datetime import date
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, next_period, period_of


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
) -> dict[str, tuple[int, list[int]]]:
    """First day of each cohort to (size, returned)."""
    zone_info = ZoneInfo(zone)
    calendar = [period_of(first_day, unit)]
    while next_period(calendar[-1], unit) <= last_day:
        calendar.append(next_period(calendar[-1], unit))
    cohorts = list(calendar)
    for _ in range(1 + (max(b for _, b in brackets) if brackets else periods)):
        calendar.append(next_period(calendar[-1], unit))
    columns = brackets or [[n, periods if mode == "on_or_after" else n] for n in range(periods + 1)]

    table: dict[str, tuple[int, list[int]]] = {}
    people = by_person(rows, identity, identity_mode)
    for number, start in enumerate(cohorts):
        size = 0
        returned = [0] * len(columns)
        for events in people.values():
            initial_days = [local_day(e["occurred_at"], zone_info) for e in events if initial(e)]
            if cohort == "first":
                initial_days = initial_days[:1]
            if not any(
                first_day <= d <= last_day and period_of(d, unit) == start for d in initial_days
            ):
                continue
            size += 1
            active = {
                period_of(local_day(e["occurred_at"], zone_info), unit)
                for e in events
                if returning(e)
            }
            for n, (first, last) in enumerate(columns):
                returned[n] += any(calendar[number + k] in active for k in range(first, last + 1))
        table[start.isoformat()] = (size, returned)
    return table
