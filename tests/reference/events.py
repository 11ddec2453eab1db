"""The events report as its definition says: for each period, go through all events; slow and obvious."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, local_day, next_period, once, period_of, person

SILENCE_MS = 30 * 60 * 1000


def sessions_of(rows: list[Row], identity: Identity, mode: str) -> dict[str, tuple]:
    """event_id to session: by session_id, else cut at more than 30 minutes of silence of the user in the app."""
    session: dict[str, tuple] = {}
    silent: dict[tuple, list[Row]] = {}
    for row in once(rows):
        who = (person(row, identity, mode), row["app_id"])
        if row.get("session_id"):
            session[row["event_id"]] = (*who, row["session_id"])
        else:
            silent.setdefault(who, []).append(row)
    for who, events in silent.items():
        events.sort(key=lambda e: e["occurred_at"])
        start = last = -math.inf
        for e in events:
            if e["occurred_at"] - last > SILENCE_MS:
                start = e["occurred_at"]
            last = e["occurred_at"]
            session[e["event_id"]] = (*who, None, start)
    return session


def percentile(values: list[float], p: float) -> float | None:
    """Linear between the two neighbours."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * p
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def aggregates(
    rows: list[Row], identity: Identity, mode: str, sessions: dict[str, tuple]
) -> dict[str, float | None]:
    """All aggregates of some events; ``price`` is the field of those that need one."""
    prices = [
        row["properties_number"]["price"] for row in rows if "price" in row["properties_number"]
    ]
    users = {person(row, identity, mode) for row in rows}
    return {
        "count": len(rows),
        "users": len(users),
        "sessions": len({sessions[row["event_id"]] for row in rows}),
        "sum": sum(prices),
        "avg": sum(prices) / len(prices) if prices else None,
        "min": min(prices, default=None),
        "max": max(prices, default=None),
        "p50": percentile(prices, 0.5),
        "p90": percentile(prices, 0.9),
        "p99": percentile(prices, 0.99),
        "per_user": len(rows) / len(users) if users else None,
        "price_per_user": sum(prices) / len(users) if users else None,
    }


def in_range(row: Row, first_day: date, last_day: date, zone: ZoneInfo) -> bool:
    """Whether an event lies on one of the days."""
    return first_day <= local_day(row["occurred_at"], zone) <= last_day


def series(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    interval: str,
    identity_mode: str,
    matches: Matches,
) -> tuple[dict[str, dict], dict]:
    """(time to aggregates, aggregates of the whole range)."""
    zone_info = ZoneInfo(zone)
    kept = [row for row in once(rows) if in_range(row, first_day, last_day, zone_info)]
    sessions = sessions_of(kept, identity, identity_mode)
    counted = [row for row in kept if matches(row)]
    points: dict[str, list[Row]] = {}
    if interval == "hour":
        # Every minute of the range belongs to the local hour it lies in.
        at = datetime.combine(first_day - timedelta(days=2), datetime.min.time(), UTC)
        while at.astimezone(zone_info).date() <= last_day:
            if at.astimezone(zone_info).date() >= first_day:
                points.setdefault(hour_of(at, zone_info), [])
            at += timedelta(minutes=15)
        for row in counted:
            points[
                hour_of(datetime.fromtimestamp(row["occurred_at"] // 1000, UTC), zone_info)
            ].append(row)
    else:
        start = period_of(first_day, interval)
        while start <= last_day:
            points[start.isoformat()] = [
                row
                for row in counted
                if period_of(local_day(row["occurred_at"], zone_info), interval) == start
            ]
            start = next_period(start, interval)
    return (
        {
            time: aggregates(found, identity, identity_mode, sessions)
            for time, found in points.items()
        },
        aggregates(counted, identity, identity_mode, sessions),
    )


def windowed(
    rows: list[Row],
    identity: Identity,
    *,
    first_day: date,
    last_day: date,
    zone: str,
    interval: str,
    identity_mode: str,
    matches: Matches,
    days: int | None,
) -> dict[str, dict]:
    """Time to aggregates over the days that end with the point's last one; ``days`` None: from the range's first."""
    zone_info = ZoneInfo(zone)
    counted = [row for row in once(rows) if matches(row)]
    sessions = sessions_of(once(rows), identity, identity_mode)
    points = {}
    start = period_of(first_day, interval)
    while start <= last_day:
        after = next_period(start, interval)
        end = min(after - timedelta(days=1), last_day)
        begin = first_day if days is None else end - timedelta(days=days - 1)
        inside = [row for row in counted if in_range(row, begin, end, zone_info)]
        points[start.isoformat()] = aggregates(inside, identity, identity_mode, sessions)
        start = after
    return points


def hour_of(at: datetime, zone: ZoneInfo) -> str:
    """The local hour of an instant: its start with the offset it has."""
    return at.astimezone(zone).replace(minute=0, second=0, microsecond=0).isoformat()
