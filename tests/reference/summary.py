"""The summary of one period as its definition says."""

import statistics
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

from reference.people import Identity, Row, by_person, local_day
from reference.share import sessions_of


def summary(
    rows: list[Row],
    identity: Identity,
    *,
    period: Callable[[date], bool],
    zone: str,
    identity_mode: str,
    followed: tuple[int, int],
) -> tuple[dict, dict]:
    """
    The numbers of the days that ``period`` takes, and the users behind some of them.

    ``followed``: sessions are made of the events between (epoch ms).
    """
    zone_info = ZoneInfo(zone)

    def inside(row: Row) -> bool:
        return period(local_day(row["occurred_at"], zone_info))

    users, new, sharers, payers = set(), set(), set(), set()
    visitors, viewers = set(), set()
    stays = []
    counts = {"page_views": 0, "shares": 0, "orders": 0, "revenue": 0.0}
    for person, events in by_person(rows, identity, identity_mode).items():
        here = [row for row in events if inside(row)]
        if here:
            users.add(person)
        if inside(events[0]):
            new.add(person)
        sessions: dict[tuple, list[int]] = {}
        near = [row for row in events if followed[0] <= row["occurred_at"] < followed[1]]
        for row, session in sessions_of(near):
            sessions.setdefault(session, []).append(row["occurred_at"])
        starting = [t for t in sessions.values() if period(local_day(min(t), zone_info))]
        stays += [max(times) - min(times) for times in starting]
        if starting:
            visitors.add(person)
        for row in here:
            if row["event"] == "page_view":
                counts["page_views"] += 1
                viewers.add(person)
            if row["event"] == "share":
                counts["shares"] += 1
                sharers.add(person)
            if row["event"] == "order_pay":
                counts["orders"] += 1
                counts["revenue"] += row["properties_number"].get("sku", 0)
                payers.add(person)
    return {
        "users": len(users),
        "new_users": len(new),
        "sessions": len(stays),
        "average_stay_ms": statistics.fmean(stays) if stays else None,
        "median_stay_ms": statistics.median(stays) if stays else None,
        "sharers": len(sharers),
        "payers": len(payers),
        **counts,
    }, {"sessions": visitors, "page_views": viewers}
