"""
One number for each event: its place in the order of a user's events, and below it a payload: bits of what is known of it.

Plain numbers sort five times as fast as tuples, and what stands in their low bits comes along for nothing. ``ORDER_KEYS``
lists them, cheap to dear; a report asks with the cheapest that its payload fits into, has ``tied`` looked for, and asks again
with a dearer one only where that found two events whose order the number leaves open (``decided``). DESIGN-funnel.md has the
figures. No I/O of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from query_api.sql import load_sql
from sdk_spec import limits

PAYLOAD_BITS = 52
MAX_PAYLOAD = (1 << PAYLOAD_BITS) - 1

OrderKey = Literal["short", "seq", "id_prefix", "event_id"]

AskWith: TypeAlias = Callable[[OrderKey], Awaitable[list[dict[str, Any]]]]
"""Asks a question with a key; of its rows at least one has ``undecided`` set where the key leaves an order open."""

AT = "toUnixTimestamp64Milli(occurred_at)"


class KeySql(Struct, frozen=True):
    """
    How an event's order and payload become one value, and are read from it: templates.

    ``key``: over the columns of ``events`` and a UInt64 of 52 bits, of "short" 8. ``at`` (Int64, epoch ms), ``payload`` and
    ``order`` (what sorts; '' where nothing is left open): of a key.
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


_SHORT_BITS = 8
_SHORT_SEQ_BITS = 15

ORDER_KEYS: dict[OrderKey, KeySql] = {
    # 41 bits of time since 2015 (until 2084), 15 of seq, 8 of payload: half as long as the next. Every greater seq is as the
    # greatest that fits: such events of one millisecond share a place, and their order is open.
    "short": KeySql(
        key=f"bitShiftLeft(toUInt64({AT} - {limits.MIN_OCCURRED_AT_MS}), {_SHORT_SEQ_BITS + _SHORT_BITS}) + "
        f"bitShiftLeft(toUInt64(least(seq, {(1 << _SHORT_SEQ_BITS) - 1})), {_SHORT_BITS}) + {{}}",
        at=f"toInt64(bitShiftRight({{}}, {_SHORT_SEQ_BITS + _SHORT_BITS}) + {limits.MIN_OCCURRED_AT_MS})",
        payload=f"bitAnd({{}}, toUInt64({(1 << _SHORT_BITS) - 1}))",
        order=f"bitShiftRight({{}}, {_SHORT_BITS})",
    ),
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
    key: str,
    number: str,
    wanted: str,
    events: str = "events",
    *,
    given: str = "",
    made_of: str = "",
) -> str:
    """
    Return the SELECT of the keys behind numbers.

    ``wanted``: a condition that the events have whose keys count. ``events``: what is read, see ``Ask.unmerged``. ``given``:
    named expressions over its columns, which the others may use. ``made_of``: the expressions that key and number are made of,
    where these are fewer to group by. Binds nothing: the range is that of a source in the same statement.
    """
    return load_sql(
        "order_keys.names",
        given=f"WITH\n{given}" if given else "",
        key=key,
        number=number,
        wanted=wanted,
        events=events,
        groups=made_of or "key, number",
    )


async def decided(
    ask: AskWith, payload_bits: int = PAYLOAD_BITS
) -> tuple[list[dict[str, Any]], OrderKey]:
    """Ask with the cheapest key that decides the order of every user's events; return the rows and that key."""
    for order_key in _to_try(payload_bits):
        rows = await ask(order_key)
        if not _is_open(rows):
            break
    return rows, order_key


async def deciding(ask: AskWith, payload_bits: int = PAYLOAD_BITS) -> OrderKey:
    """Return that key alone. The dearest leaves nothing open and is not asked."""
    *cheaper, dearest = _to_try(payload_bits)
    for order_key in cheaper:
        if not _is_open(await ask(order_key)):
            return order_key
    return dearest


def _to_try(payload_bits: int) -> list[OrderKey]:
    """Return the keys for a payload, cheap to dear."""
    # What "short" leaves open "seq" mostly does too; the next one decides both.
    first: OrderKey = "short" if payload_bits <= _SHORT_BITS else "seq"
    return [first, "id_prefix", "event_id"]


def _is_open(rows: list[dict[str, Any]]) -> bool:
    return any(row["undecided"] for row in rows)
