"""Sessions as their definition says: a walk over the events of each user, app and session_id."""

from dataclasses import dataclass, field
from typing import Any

from reference.people import Identity, Matches, Row, by_person


@dataclass
class Visit:
    """One session, with its events up to the limit."""

    user: int
    events: list[Row] = field(default_factory=list)
    clamped: bool = False

    @property
    def start_ms(self) -> int:
        """Time of the first event."""
        return self.events[0]["occurred_at"]


def visits(
    rows: list[Row],
    identity: Identity,
    *,
    gap_ms: int,
    limit_ms: int,
    identity_mode: str,
) -> list[Visit]:
    """All sessions of the log, whenever they start."""
    found: list[Visit] = []
    for person, events in by_person(rows, identity, identity_mode).items():
        groups: dict[Any, list[Row]] = {}
        for event in events:
            key = (event["app_id"], event.get("session_id", ""))
            groups.setdefault(key, []).append(event)
        for (_, session_id), group in groups.items():
            longest_silence = limit_ms if session_id else gap_ms
            last_ms = None
            for event in group:
                at_ms = event["occurred_at"]
                if last_ms is None or at_ms - last_ms > longest_silence:
                    found.append(Visit(person))
                last_ms = at_ms
                visit = found[-1]
                if visit.events and at_ms - visit.start_ms > limit_ms:
                    visit.clamped = True
                else:
                    visit.events.append(event)
    return found


def duration_ms(visit: Visit, limit_ms: int) -> int:
    return limit_ms if visit.clamped else visit.events[-1]["occurred_at"] - visit.start_ms


def pages(visit: Visit, is_page_view: Matches) -> list[str]:
    return [event.get("page", "") for event in visit.events if is_page_view(event)]
