"""The scenes report as its definitions say: a walk over the events of each person, one metric after the other."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import mean, median
from typing import Any
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

from reference.people import Identity, Matches, Row, by_person, local_day, order

from query_api.periods import start_of_day_ms

DAY_MS = 86_400_000
GAP_MS = 1_800_000
ENTRIES = ("app_launch", "app_show")
TOTAL = ("total",)
BEHIND = ("launches", "entries", "sessions", "bounces")
Key = tuple[Any, ...]


@dataclass
class Numbers:
    """One row. What counts users is a set of them."""

    launches: int = 0
    entries: int = 0
    users: set[int] = field(default_factory=set)
    new_users: set[int] = field(default_factory=set)
    next_day_eligible: set[int] = field(default_factory=set)
    next_day_returned: set[int] = field(default_factory=set)
    converters: set[int] = field(default_factory=set)
    conversions: int = 0
    conversion_value: float = 0
    stays_ms: list[int] = field(default_factory=list)
    views: list[int] = field(default_factory=list)
    behind: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def users_of(self, metric: str) -> set[int]:
        """The users of a metric; of one that counts something else those behind it."""
        return self.behind[metric] if metric in BEHIND else getattr(self, metric)

    def shown(self) -> dict[str, Any]:
        """As the report shows them."""
        sessions = len(self.views)
        counted = ("users", "new_users", "next_day_eligible", "next_day_returned", "converters")
        return {
            "launches": self.launches,
            "entries": self.entries,
            **{name: len(getattr(self, name)) for name in counted},
            "conversions": self.conversions,
            "conversion_value": self.conversion_value,
            "sessions": sessions,
            "bounces": sum(1 for views in self.views if views <= 1),
            "page_views": sum(self.views),
            "median_stay_ms": median(self.stays_ms) if sessions else None,
            "mean_stay_ms": mean(self.stays_ms) if sessions else None,
        }


def code_of(page_query: str) -> str:
    """The code that an entry carries: `scene`, else `q`, decoded once as decodeURIComponent does; '' for none."""
    pairs = [part.partition("=") for part in page_query.removeprefix("?").split("&")]
    for wanted in ("scene", "q"):
        for name, _, raw in pairs:
            if name == wanted and raw:
                if re.search("%(?![0-9A-Fa-f]{2})", raw):
                    return raw
                try:
                    return unquote_to_bytes(raw).decode()
                except UnicodeDecodeError:
                    return raw
    return ""


def code_status(row: Row, codes: dict[tuple[str, str], dict[str, Any]]) -> tuple[str, str]:
    """The code of an entry and what the registry says of it."""
    code = code_of(row.get("page_query", ""))
    if not code:
        return "", "none"
    known = codes.get((row["app_id"], code))
    if known is None:
        return code, "unknown"
    valid_from, valid_to = known["valid_from"], known["valid_to"]
    is_valid = (valid_from is None or valid_from <= row["occurred_at"]) and (
        valid_to is None or row["occurred_at"] < valid_to
    )
    return code, "registered" if is_valid else "outside_validity"


def scenes(
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    zone: ZoneInfo,
    now_ms: int,
    identity_mode: str,
    key_of: Callable[[Row], Key],
    matches: Matches,
    converts: Matches,
    value: Callable[[Row], float],
) -> dict[Key, Numbers]:
    """All rows by key, and the total."""
    found: dict[Key, Numbers] = defaultdict(Numbers)
    found[TOTAL] = Numbers()

    def counts(row: Row) -> bool:
        return row["event"] in ENTRIES and from_ms <= row["occurred_at"] < to_ms and matches(row)

    for person, events in by_person(rows, identity, identity_mode).items():
        entered = [row for row in events if row["event"] in ENTRIES]
        active_days = {local_day(row["occurred_at"], zone) for row in entered}
        first_days: dict[Key, Any] = {}
        for row in filter(counts, entered):
            for key in (key_of(row), TOTAL):
                found[key].launches += row["event"] == "app_launch"
                found[key].entries += row["event"] == "app_show"
                found[key].users.add(person)
                counted = "launches" if row["event"] == "app_launch" else "entries"
                found[key].behind[counted].add(person)
                first_days.setdefault(key, local_day(row["occurred_at"], zone))
        if entered and counts(entered[0]):
            for key in (key_of(entered[0]), TOTAL):
                found[key].new_users.add(person)
        for key, day in first_days.items():
            if start_of_day_ms(day + timedelta(days=2), zone) <= now_ms:
                found[key].next_day_eligible.add(person)
                if day + timedelta(days=1) in active_days:
                    found[key].next_day_returned.add(person)
        last: Row | None = None
        for row in events:
            if counts(row):
                last = row
            if last is not None and from_ms <= row["occurred_at"] < to_ms and converts(row):
                for key in (key_of(last), TOTAL):
                    found[key].conversions += 1
                    found[key].conversion_value += value(row)
                    found[key].converters.add(person)
        for session in _sessions(events, from_ms - DAY_MS, to_ms + DAY_MS):
            entry = next((row for row in session if row["event"] in ENTRIES), None)
            if entry is None or not matches(entry):
                continue
            if not from_ms <= session[0]["occurred_at"] < to_ms:
                continue
            for key in (key_of(entry), TOTAL):
                views = sum(row["event"] == "page_view" for row in session)
                found[key].views.append(views)
                for counted in ("sessions", "bounces") if views <= 1 else ("sessions",):
                    found[key].behind[counted].add(person)
                found[key].stays_ms.append(session[-1]["occurred_at"] - session[0]["occurred_at"])
    return found


def _sessions(events: list[Row], from_ms: int, to_ms: int) -> list[list[Row]]:
    """One person's sessions: by session_id, without one cut at the gaps."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in sorted(events, key=order):
        if from_ms <= row["occurred_at"] < to_ms:
            groups[row["app_id"], row.get("session_id", "")].append(row)
    sessions = []
    for (_, session_id), group in groups.items():
        part: list[Row] = []
        for row in group:
            if not session_id and part and row["occurred_at"] - part[-1]["occurred_at"] > GAP_MS:
                sessions.append(part)
                part = []
            part.append(row)
        sessions.append(part)
    return sessions
