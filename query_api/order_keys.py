"""
One number for each event: its place in the order of a user's events, and below it 52 bits of what is known of it.

Plain numbers sort five times as fast as tuples, and what stands in their low bits comes along for nothing. ``ORDER_KEYS``
lists three, cheap to dear; a report asks with the first, has ``tied`` looked for, and asks again with the next one only where
that found two events whose order the number leaves open. DESIGN-funnel.md has the figures. Pure.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

MAX_PAYLOAD = (1 << 52) - 1

OrderKey = Literal["seq", "id_prefix", "event_id"]

AT = "toUnixTimestamp64Milli(occurred_at)"


class KeySql(Struct, frozen=True):
    """
    How an event's order and payload become one value, and are read from it: templates.

    ``key``: over the columns of ``events`` and a UInt64 of 52 bits. ``at`` (Int64, epoch ms), ``payload`` and ``order`` (what
    sorts; '' where nothing is left open): of a key.
    """

    key: str
    at: str
    payload: str
    order: str

    def tied(self, *, payload_decides: bool) -> str:
        """
        Return the condition that the order of neighbours ``k`` and ``previous`` is open and matters.

        ``payload_decides``: events with the same payload can change places.
        """
        if not self.order:
            return "0"
        same = f"{self.order.format('k')} = {self.order.format('previous')}"
        return f"{same} AND k != previous" if payload_decides else same


ORDER_KEYS: dict[OrderKey, KeySql] = {
    # 44 bits of time, 32 of seq, 52 of payload.
    "seq": KeySql(
        key=f"bitShiftLeft(toUInt128({AT}), 84) + bitShiftLeft(toUInt128(seq), 52) + {{}}",
        at="toInt64(bitShiftRight({}, 84))",
        payload=f"toUInt64(bitAnd({{}}, {MAX_PAYLOAD}))",
        order="bitShiftRight({}, 52)",
    ),
    # The same with the first 16 bytes of event_id between seq and payload: 256 bits.
    "id_prefix": KeySql(
        key=f"bitShiftLeft(toUInt256({AT}), 212) + bitShiftLeft(toUInt256(seq), 180) + bitShiftLeft(toUInt256("
        "reinterpretAsUInt128(reverse(toFixedString(substring(event_id, 1, 16), 16)))), 52) + {}",
        at="toInt64(bitShiftRight({}, 212))",
        payload=f"toUInt64(bitAnd({{}}, {MAX_PAYLOAD}))",
        order="bitShiftRight({}, 52)",
    ),
    # Everything; equal ids of two apps by app_id, equal apps cannot be.
    "event_id": KeySql(
        key=f"({AT}, seq, event_id, toString(app_id), {{}})",
        at="{}.1",
        payload="{}.5",
        order="",
    ),
}
