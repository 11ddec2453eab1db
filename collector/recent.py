"""
Ids of events that this worker accepted lately, to answer ``duplicates`` and to spare the spool a retry.

A memory of what is durable, bounded and forgetful: whatever it does not recognise is recognised later by the writer or
collapses in every query. Pure, apart from its state.
"""

from __future__ import annotations

from collections.abc import Sequence

from sdk_spec.events import Event


class RecentIds:
    """
    Two generations of ids per worker: when the young one holds half of ``capacity``, the old one is dropped.

    Memory: about 150 bytes an id.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: set[tuple[str, str]] = set()
        self._old: set[tuple[str, str]] = set()

    def duplicates(self, app_id: str, events: Sequence[Event | None]) -> list[int]:
        """Indexes of events whose id was accepted before, or stands earlier in the same batch."""
        young, old = self._young, self._old
        in_batch: set[str] = set()
        found: list[int] = []
        for index, event in enumerate(events):
            if event is None:
                continue
            event_id = event.event_id
            key = (app_id, event_id)
            if event_id in in_batch or key in young or key in old:
                found.append(index)
            in_batch.add(event_id)
        return found

    def remember(self, app_id: str, events: Sequence[Event | None]) -> None:
        """Call when the events are durable."""
        self._young.update((app_id, event.event_id) for event in events if event is not None)
        if len(self._young) >= self._half:
            self._old = self._young
            self._young = set()
