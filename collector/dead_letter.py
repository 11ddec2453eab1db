"""
A refused event as the writer stores it; ``dead_letters`` reads it back.
"""

from __future__ import annotations

from msgspec import Struct


class DeadLetter(Struct, frozen=True):
    """
    One refused event with everything needed to repair and send it again.

    ``received_at`` in epoch ms. ``raw`` is the event as received; where ``envelope`` is empty it is the whole body.
    """

    project: str
    app_id: str
    received_at: int
    request_id: str
    event_index: int
    event_id: str
    code: str
    path: str
    message: str
    raw: str
    envelope: str
