"""
The slow, obvious meaning of an event log: each event once, its person, its local day. For comparison with the SQL.

Works on the rows of ``query_support.event`` and the rows of ``identity_map`` given to ``query_support.bind``.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

Row = dict
Identity = dict[int, tuple[int, list[tuple[int, int]]]]
"""actor to (person, [(from epoch ms, person)])."""


def once(rows: list[Row]) -> list[Row]:
    """Each event once: the first received wins."""
    kept: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row["app_id"], row["event_id"])
        if key not in kept or row["received_at"] < kept[key]["received_at"]:
            kept[key] = row
    return list(kept.values())


def person(row: Row, identity: Identity, mode: str) -> int:
    """The person an event counts for."""
    actor = row["actor"]
    if actor not in identity:
        return actor
    latest, strict = identity[actor]
    if mode == "latest":
        return latest
    bound = [who for start, who in strict if start <= row["occurred_at"]]
    return bound[-1] if bound else actor


def order(row: Row) -> tuple[int, int, str]:
    """Order of one user's events."""
    return row["occurred_at"], row.get("seq", 0), row["event_id"]


def local_day(at_ms: int, zone: ZoneInfo) -> date:
    """Local date of an instant."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone).date()


def period_of(day: date, unit: str) -> date:
    """First day of the period of a day."""
    if unit == "week":
        return day - timedelta(days=day.isoweekday() - 1)
    if unit == "month":
        return date(day.year, day.month, 1)
    if unit == "quarter":
        return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return day


def next_period(start: date, unit: str) -> date:
    """First day of the period after the one that begins on ``start``: walks day by day."""
    day = start
    while period_of(day, unit) == start:
        day += timedelta(days=1)
    return day


def by_person(rows: list[Row], identity: Identity, mode: str) -> dict[int, list[Row]]:
    """Each person's events in order."""
    people: dict[int, list[Row]] = {}
    for row in sorted(once(rows), key=order):
        people.setdefault(person(row, identity, mode), []).append(row)
    return people


Matches = Callable[[Row], bool]
