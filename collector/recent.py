"""
Ids of events that this worker accepted lately, to answer ``duplicates`` and to spare the spool a retry.

A memory of what is durable, bounded and forgetful: whatever it does not recognise is recognised later by the writer or
collapses in every query. Pure, apart from its state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sdk_spec.events import Event


class RecentIds:
    """
    Two generations of ids per worker: when the young one holds half of ``capacity``, the old one is dropped.

    Memory: about 150 bytes an id. Each generation is one set per app.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: defaultdict[str, set[str]] = defaultdict(set)
        self._old: defaultdict[str, set[str]] = defaultdict(set)
        self._young_count = 0

    def duplicates(self, app_id: str, events: Sequence[Event | None]) -> list[int]:
        """Indexes of events whose id was accepted before, or stands earlier in the same batch."""
        young, old = self._young[app_id], self._old[app_id]
        ids = [event.event_id for event in events if event is not None]
        different = set(ids)
        if len(different) == len(ids) and different.isdisjoint(young) and different.isdisjoint(old):
            return []
        in_batch: set[str] = set()
        found: list[int] = []
        for index, event in enumerate(events):
            if event is None:
                continue
            event_id = event.event_id
            if event_id in in_batch or event_id in young or event_id in old:
                found.append(index)
            in_batch.add(event_id)
        return found

    def remember(self, app_id: str, events: Sequence[Event | None]) -> None:
        """Call when the events are durable."""
        young = self._young[app_id]
        before = len(young)
        young.update(event.event_id for event in events if event is not None)
        self._young_count += len(young) - before
        if self._young_count >= self._half:
            self._old = self._young
            self._young = defaultdict(set)
            self._young_count = 0
