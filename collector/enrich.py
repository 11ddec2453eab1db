"""Clock correction: from the client's time to the time that reports use. Pure."""

from __future__ import annotations

from sdk_spec import limits

CLOCK_OK = "ok"
CLOCK_SHIFTED = "shifted"
CLOCK_FUTURE = "future"


def clock_offset_ms(sent_at: int | None, received_at: int, max_clock_skew_ms: int) -> int:
    """
    Milliseconds to add to every event of a batch: 0 while the client's clock is believed.

    One offset per batch never re-orders it.
    """
    if sent_at is None:
        return 0
    difference = received_at - sent_at
    return difference if abs(difference) > max_clock_skew_ms else 0


def correct_time(
    client_occurred_at: int, offset_ms: int, received_at: int, max_clock_skew_ms: int
) -> tuple[int, str] | None:
    """
    Return the corrected time in ms and the clock's verdict; None when the event lies before 2015.

    What is still more than ``max_clock_skew_ms`` in the future is stored at ``received_at`` and marked.
    """
    occurred_at = client_occurred_at + offset_ms
    if occurred_at > received_at + max_clock_skew_ms:
        return received_at, CLOCK_FUTURE
    if occurred_at < limits.MIN_OCCURRED_AT_MS:
        return None
    return occurred_at, CLOCK_SHIFTED if offset_ms else CLOCK_OK
