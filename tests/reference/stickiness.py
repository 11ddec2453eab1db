"""Stickiness as its definition says: days are counted one by one, person by person."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, period_of


def unit_of(at_ms: int, unit: str, zone: ZoneInfo) -> str:
    """The calendar hour (with its offset, since an hour may come twice), day or week of an instant."""
    if unit == "hour":
        local = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone)
        return local.replace(minute=0, second=0).isoformat()
    return period_of(local_day(at_ms, zone), unit).isoformat()


def units(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    unit: str,
    min_count: int,
    interval: str | None,
    identity_mode: str,
    active: Matches,
) -> dict[str | None, dict[int, int]]:
    """Period to person to number of active units."""
    zone_info = ZoneInfo(zone)
    found: dict[str | None, dict[int, int]] = {}
    for person, events in by_person(rows, identity, identity_mode).items():
        counts: Counter[tuple[str | None, str]] = Counter()
        for event in events:
            day = local_day(event["occurred_at"], zone_info)
            if active(event) and first_day <= day <= last_day:
                period = None if interval is None else period_of(day, interval).isoformat()
                counts[period, unit_of(event["occurred_at"], unit, zone_info)] += 1
        for (period, _), count in counts.items():
            if count >= min_count:
                people = found.setdefault(period, {})
                people[person] = people.get(person, 0) + 1
    return found


def rolling(
    rows: list[Row],
    identity: Identity,
    *,
    day: date,
    days: int,
    zone: str,
    min_count: int,
    identity_mode: str,
    active: Matches,
) -> set[int]:
    """People with an active day among the ``days`` that end with ``day``."""
    zone_info = ZoneInfo(zone)
    window = [day - timedelta(days=n) for n in range(days)]
    return {
        person
        for person, events in by_person(rows, identity, identity_mode).items()
        if any(
            sum(active(e) and local_day(e["occurred_at"], zone_info) == d for e in events)
            >= min_count
            for d in window
        )
    }
