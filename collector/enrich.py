"""Clock correction: from the client's time to the time that reports use. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdk_spec import limits

CLOCK_VERDICTS = ("ok", "shifted", "future")
"""Believed; the whole batch shifted; still in the future and stored at ``received_at``."""
_OK, _SHIFTED, _FUTURE = range(3)


def clock_offset_ms(sent_at: int | None, received_at: int, max_clock_skew_ms: int) -> int:
    """
    Milliseconds to add to every event of a batch: 0 while the client's clock is believed.

    One offset per batch never re-orders it.
    """
    if sent_at is None:
        return 0
    difference = received_at - sent_at
    return difference if abs(difference) > max_clock_skew_ms else 0


def is_too_old(client_occurred_at: int, offset_ms: int) -> bool:
    """True for an event that lies before 2015 after correction: it is refused."""
    return client_occurred_at + offset_ms < limits.MIN_OCCURRED_AT_MS


def correct_times(
    client_occurred_at: NDArray[np.int64],
    offset_ms: NDArray[np.int64],
    received_at: NDArray[np.int64],
    max_clock_skew_ms: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """
    Return corrected times and indexes into ``CLOCK_VERDICTS``, one of each per event; all times in epoch ms.

    What is still more than ``max_clock_skew_ms`` in the future after the shift is stored at ``received_at``.
    """
    shifted = client_occurred_at + offset_ms
    is_future = shifted > received_at + max_clock_skew_ms
    verdict = np.where(is_future, _FUTURE, np.where(offset_ms != 0, _SHIFTED, _OK))
    return np.where(is_future, received_at, shifted), verdict.astype(np.int8)
