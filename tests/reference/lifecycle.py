"""Lifecycle as its definition says: for every person and every period, three questions."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, next_period, period_of


def lifecycle(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    interval: str,
    identity_mode: str,
    active: Matches,
) -> dict[str, dict[str, set[int]]]:
    """First day of each period to the users of each state."""
    zone_info = ZoneInfo(zone)
    start = period_of(first_day, interval)
    found = {}
    while start <= last_day:
        before = period_of(start - timedelta(days=1), interval)
        states: dict[str, set[int]] = {
            name: set() for name in ("new", "returning", "resurrected", "dormant", "active")
        }
        for person, events in by_person(rows, identity, identity_mode).items():
            days = [local_day(e["occurred_at"], zone_info) for e in events if active(e)]
            periods = {period_of(day, interval) for day in days}
            if start in periods:
                states["active"].add(person)
                if min(periods) == start:
                    states["new"].add(person)
                elif before in periods:
                    states["returning"].add(person)
                else:
                    states["resurrected"].add(person)
            elif before in periods:
                states["dormant"].add(person)
        found[start.isoformat()] = states
        start = next_period(start, interval)
    return found
