"""
One number for each event: its place in the order of a user's events, and below it 52 bits of what is known of it.

Plain numbers sort five times as fast as tuples, and what stands in their low bits comes along for nothing. ``ORDER_KEYS``
lists three, cheap to dear; a report asks with the first, has ``tied`` looked for, and asks again with the next one only where
that found two events whose order the number leaves open (``decided``). DESIGN-funnel.md has the figures. No I/O of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from query_api import source
from query_api.sql import load_sql

MAX_PAYLOAD = (1 << 52) - 1

OrderKey = Literal["seq", "id_prefix", "event_id"]

AskWith: TypeAlias = Callable[[OrderKey], Awaitable[list[dict[str, Any]]]]
"""Asks a question with a key; of its rows at least one has ``undecided`` set where the key leaves an order open."""

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

    def tied(self, *, payload_decides: bool, other: str = "previous") -> str:
        """
        Return the condition that the order of ``k`` and ``other``, by default its neighbour, is open and matters.

        ``payload_decides``: events with the same payload can change places.
        """
        if not self.order:
            return "0"
        same = f"{self.order.format('k')} = {self.order.format(other)}"
        return f"{same} AND k != {other}" if payload_decides else same

    def undecided(self, keys: str, *, payload_decides: bool) -> str:
        """Return whether the order of two of a user's events is open and matters; ``keys``: an array of all, sorted."""
        tied = self.tied(payload_decides=payload_decides)
        return f"arrayExists((k, previous) -> {tied}, arrayPopFront({keys}), arrayPopBack({keys}))"

    def mirrored_key(self, payload: str) -> str:
        """Return a key that is the least where, of events at one place, the payload is the greatest."""
        return self.key.format(f"toUInt64({MAX_PAYLOAD} - {payload})")

    def mirrored_payload(self, key: str) -> str:
        """Return the payload that a ``mirrored_key`` was made of."""
        return f"{MAX_PAYLOAD} - {self.payload.format(key)}"


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


def hashed(*texts: str, largest: int = MAX_PAYLOAD) -> str:
    """Return the SQL of a number that stands for texts and fits into a payload."""
    return load_sql("order_keys.hashed", texts=", ".join(texts), largest=str(largest))


def names_sql(
    key: str, number: str, wanted: str, events: str, *, joins: bool = False, made_of: str = ""
) -> str:
    """
    Return the SELECT of the keys behind numbers.

    ``wanted``: a condition that the events have whose keys count. ``events``: their source, which is read where the key is not
    made of columns of the table alone: attributes of the person, or what the source ``joins``. ``made_of``: the expressions
    that key and number are made of, where these are fewer to group by. Binds nothing: the range is that of a source in the
    same statement.
    """
    from_source = joins or source.USER_COLUMN in key
    table = f"(\n{events}\n)" if from_source else "events"
    return load_sql(
        "order_keys.names",
        key=key,
        number=number,
        wanted=wanted,
        events=table,
        groups=made_of or "key, number",
    )


async def decided(ask: AskWith) -> tuple[list[dict[str, Any]], OrderKey]:
    """Ask with the cheapest key that decides the order of every user's events; return the rows and that key."""
    for order_key in ORDER_KEYS:
        rows = await ask(order_key)
        if not _is_open(rows):
            break
    return rows, order_key


async def deciding(ask: AskWith) -> OrderKey:
    """Return that key alone. The dearest leaves nothing open and is not asked."""
    *cheaper, dearest = ORDER_KEYS
    for order_key in cheaper:
        if not _is_open(await ask(order_key)):
            return order_key
    return dearest


def _is_open(rows: list[dict[str, Any]]) -> bool:
    return any(row["undecided"] for row in rows)
