"""
Ids of events that this worker accepted lately, to answer ``duplicates`` and to spare the spool a retry.

A memory of what is durable, bounded and forgetful: whatever it does not recognise is recognised later by the writer or
collapses in every query. Pure, apart from its state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


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

    def duplicates(self, app_id: str, ids: Sequence[str | None]) -> list[int]:
        """Indexes of ids that were accepted before, or stand earlier in the same batch. None is no id."""
        young, old = self._young[app_id], self._old[app_id]
        different = set(ids)
        if len(different) == len(ids) and different.isdisjoint(young) and different.isdisjoint(old):
            return []
        in_batch: set[str] = set()
        found: list[int] = []
        for index, event_id in enumerate(ids):
            if event_id is None:
                continue
            if event_id in in_batch or event_id in young or event_id in old:
                found.append(index)
            in_batch.add(event_id)
        return found

    def remember(self, app_id: str, ids: Sequence[str | None]) -> None:
        """Call when the events are durable."""
        young = self._young[app_id]
        before = len(young)
        young.update(event_id for event_id in ids if event_id is not None)
        self._young_count += len(young) - before
        if self._young_count >= self._half:
            self._old = self._young
            self._young = defaultdict(set)
            self._young_count = 0
