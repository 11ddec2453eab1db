"""
Python values → Arrow columns, as ClickHouse reads them cheapest. Pure; knows types, not the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sdk_spec.events import Event, Utm

_TEXT = pa.string()
_TIME = pa.timestamp("ms", tz="UTC")
_EXACT_INTEGER = 2**53
"""Beyond it a Float64 rounds, so the exact digits are kept as text as well."""
_NO_UTM = Utm()
_NO_PROPERTIES: dict[str, Any] = {}


class Spread:
    """Spreads one value per batch over the batch's events."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._index = pa.array(np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))

    def integers(self, values: list[int]) -> NDArray[np.int64]:
        """One number per batch → per event."""
        return np.repeat(np.array(values, dtype=np.int64), self._sizes)

    def take(self, values: pa.Array) -> pa.Array:
        """One value per batch → per event, of any type."""
        return values.take(self._index)

    def text(self, values: Iterable[str | None]) -> pa.Array:
        """One text per batch → per event, as a dictionary; '' for None."""
        array = pa.array([value or "" for value in values], _TEXT).dictionary_encode()
        return self.take(array)

    def number(self, values: Iterable[int | None]) -> pa.Array:
        """One number per batch → per event; 0 for None."""
        return self.take(pa.array([value or 0 for value in values], pa.uint32()))


def common(values: list[str | None]) -> pa.Array:
    """Texts with few different values, as a dictionary: what ClickHouse keeps as LowCardinality."""
    if values.count(None) == len(values):
        return _no_texts(len(values))
    return pa.array([value or "" for value in values], _TEXT).dictionary_encode()


def _no_texts(count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), [""])


def texts(values: list[str | None]) -> pa.Array:
    """Texts with many different values; '' for None."""
    if values.count(None) == len(values):
        return pa.repeat("", len(values))
    return pa.array([value or "" for value in values], _TEXT)


def utm_columns(utms: list[Utm | None]) -> dict[str, pa.Array]:
    """One column for each field of ``Utm``."""
    names = Utm.__struct_fields__
    if utms.count(None) == len(utms):
        nothing = _no_texts(len(utms))
        return {f"utm_{name}": nothing for name in names}
    given = [utm or _NO_UTM for utm in utms]
    return {f"utm_{name}": common([getattr(utm, name) for utm in given]) for name in names}


def times(epoch_ms: NDArray[np.int64]) -> pa.Array:
    """Epoch ms → what ClickHouse keeps as DateTime64(3)."""
    return pa.array(epoch_ms).cast(_TIME)


def property_maps(events: list[Event]) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """
    Properties as one map per type: texts, numbers, flags, lists. Nulls are not stored.

    The innermost loop of the writer: plain lists and no calls of ours.
    """
    text, number, flag, listed = _Map(), _Map(), _Map(), _Map()
    text_names, text_values = text.names, text.values
    number_names, number_values = number.names, number.values
    for event in events:
        for name, value in (event.properties or _NO_PROPERTIES).items():
            kind = type(value)
            if kind is str:
                text_names.append(name)
                text_values.append(value)
            elif kind is float:
                number_names.append(name)
                number_values.append(value)
            elif kind is int:
                number_names.append(name)
                number_values.append(value)
                if not -_EXACT_INTEGER <= value <= _EXACT_INTEGER:  # type: ignore[operator]
                    text_names.append(name)
                    text_values.append(str(value))
            elif kind is bool:
                flag.names.append(name)
                flag.values.append(value)
            elif kind is list:
                listed.names.append(name)
                listed.values.append(value)
            elif event.event == "user_unset":
                # A null is what the SDK sends: here the name is what counts.
                flag.names.append(name)
                flag.values.append(True)
        text.ends.append(len(text_names))
        number.ends.append(len(number_names))
        flag.ends.append(len(flag.names))
        listed.ends.append(len(listed.names))
    return (
        text.array(_TEXT),
        # numpy rounds integers beyond 2^53, where Arrow would refuse them.
        number.array(pa.float64(), np.array(number_values, dtype=np.float64)),
        flag.array(pa.bool_()),
        listed.array(pa.list_(_TEXT)),
    )


class _Map:
    """Grows one Arrow map column: names and values of all rows, and where each row ends."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: list[Any] = []
        self.ends: list[int] = [0]

    def array(self, value_type: pa.DataType, values: NDArray[np.float64] | None = None) -> pa.Array:
        return pa.MapArray.from_arrays(
            pa.array(self.ends, pa.int32()),
            pa.array(self.names, _TEXT),
            pa.array(self.values if values is None else values, value_type),
        )
