"""Lifetime value as its definition says: for every person the start event, then every payment."""

from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, next_period, period_of


def ltv(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    unit: str,
    periods: int,
    cohort: str,
    identity_mode: str,
    start: Matches,
    amount: Callable[[Row], float | None],
) -> dict[str, dict]:
    """
    Cohort's first day to size (users), revenue by n (cumulative), payers by n (users), and the users' start events.

    ``amount``: None is no payment.
    """
    zone_info = ZoneInfo(zone)

    def day(event: Row) -> date:
        return local_day(event["occurred_at"], zone_info)

    cohorts: dict[str, dict] = {}
    first = period_of(first_day, unit)
    while first <= last_day:
        columns = [first]
        for _ in range(periods):
            columns.append(next_period(columns[-1], unit))
        found = {"users": set(), "revenue": [0.0] * len(columns), "payers": [set() for _ in columns], "starts": []}  # fmt: skip
        for person, events in by_person(rows, identity, identity_mode).items():
            starts = [
                i
                for i, e in enumerate(events)
                if start(e) and (cohort == "first" or first_day <= day(e) <= last_day)
            ]
            if not starts or not first_day <= day(events[starts[0]]) <= last_day:
                continue
            if period_of(day(events[starts[0]]), unit) != first:
                continue
            found["users"].add(person)
            found["starts"].append(events[starts[0]])
            for event in events[starts[0] :]:
                if amount(event) is None:
                    continue
                for n, column in enumerate(columns):
                    if period_of(day(event), unit) <= column:
                        found["revenue"][n] += amount(event)
                        found["payers"][n].add(person)
        cohorts[first.isoformat()] = found
        first = next_period(first, unit)
    return cohorts
