"""What the collector answers: the fate of every event of a batch."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType


class EventError(Struct, frozen=True):
    """
    Why one event was refused.

    ``index`` is its place in ``events``; ``path`` points at the field (``$.events[7].occurred_at``).
    """

    index: int
    event_id: str | None
    code: str
    path: str
    message: str


class BatchResponse(Struct, frozen=True):
    """
    Status 200, and 422 when every event was refused (then with ``error`` and ``message``).

    ``accepted`` events are durable. ``duplicates`` are those the collector itself recognised; one it does not
    recognise is still never counted twice in any query. The three counts add up to the events sent.
    """

    request_id: str
    accepted: int
    duplicates: int
    rejected: int
    errors: list[EventError]
    error: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class ErrorResponse(Struct, frozen=True):
    """The one shape of every error, of the collector and of the query API."""

    error: str
    message: str
    request_id: str
    path: str | UnsetType = UNSET
