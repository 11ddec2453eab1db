"""
The request body that sends a refused event again, as it was or repaired. Pure.

For ``scenetrail dead-letters`` and ``/v1/dead-letters`` of the query API.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sdk_spec import limits


def body_of(raw: str, envelope: str, received_at: int, edited: bytes | None, now_ms: int) -> bytes:
    """
    Return the body of the request.

    Args:
        raw: the event as received; with an empty ``envelope`` it is the whole body.
        envelope: the batch around it.
        received_at: epoch ms, when it was refused.
        edited: the repaired event as JSON, instead of ``raw``.
        now_ms: epoch ms. ``sent_at`` is moved to now, so that the clock correction of the event stays what it was.

    Errors: ValueError when the event is not JSON.
    """
    event = raw.encode() if edited is None else edited
    try:
        msgspec.json.decode(event)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not envelope:
        return event
    around = msgspec.json.decode(envelope, type=dict[str, Any])
    sent_at = around.pop("sent_at", None)
    if sent_at is not None and abs(received_at - sent_at) > limits.MAX_CLOCK_SKEW_MS:
        around["sent_at"] = now_ms - (received_at - sent_at)
    return msgspec.json.encode({**around, "events": [msgspec.Raw(event)]})
