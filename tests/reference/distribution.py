"""Distribution as its definition says: a value for each person and period."""

from datetime import date
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, period_of
from reference.stickiness import unit_of


def values(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    of: str,
    interval: str | None,
    identity_mode: str,
    measured: Matches,
    field: str | None = None,
) -> dict[str | None, dict[int, float]]:
    """Period to person to value."""
    zone_info = ZoneInfo(zone)
    found: dict[str | None, dict[int, float]] = {}
    for person, events in by_person(rows, identity, identity_mode).items():
        periods: dict[str | None, list[Row]] = {}
        for event in events:
            day = local_day(event["occurred_at"], zone_info)
            if measured(event) and first_day <= day <= last_day:
                period = None if interval is None else period_of(day, interval).isoformat()
                periods.setdefault(period, []).append(event)
        for period, there in periods.items():
            if of == "times":
                value: float = len(there)
            elif of in ("days", "hours"):
                unit = of.removesuffix("s")
                value = len({unit_of(e["occurred_at"], unit, zone_info) for e in there})
            else:
                numbers = [
                    e["properties_number"][field] for e in there if field in e["properties_number"]
                ]
                if not numbers:
                    continue
                value = sum(numbers)
            found.setdefault(period, {})[person] = value
    return found
