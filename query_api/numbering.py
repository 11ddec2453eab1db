"""
Keys of 64 bits as small numbers, by hash tables: which of many are the same, and where some stand among others. Pure.

Called by the share report's modules; figures: DESIGN-share.md.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

_SPREADS = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose bits are mixed."""


def arrays(columns: pa.Table) -> list[NDArray[Any]]:
    """Return the numbers of each column, of Int128 Int64 or, where one does not fit, Python's integers."""
    return [
        _of_16_bytes(column) if pa.types.is_fixed_size_binary(column.type) else column.to_numpy()
        for column in columns.columns
    ]


def _of_16_bytes(column: pa.ChunkedArray) -> NDArray[Any]:
    parts = [
        np.frombuffer(chunk.buffers()[1], np.int64, 2 * len(chunk), 16 * chunk.offset)
        for chunk in column.chunks
        if len(chunk)
    ]
    low, high = np.concatenate([np.empty(0, np.int64), *parts]).reshape(-1, 2).T
    if np.array_equal(high, low >> 63):
        return np.ascontiguousarray(low)
    integers: NDArray[Any] = high.astype(object) * 2**64 + low.view(np.uint64).astype(object)
    return integers


def slots(keys: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Return a place in a table of 2^bits for each key; different keys may share one."""
    return ((keys.view(np.uint64) * _SPREADS) >> np.uint64(64 - bits)).view(np.int64)


def numbered(keys: NDArray[T]) -> tuple[NDArray[T], NDArray[np.int64]]:
    """Return each key once, as they come, and the place of every key among these."""
    encoded = pa.array(keys).dictionary_encode()
    return encoded.dictionary.to_numpy(), encoded.indices.to_numpy().astype(np.int64)


def distinct(keys: NDArray[Any]) -> int:
    """Count the different keys."""
    bits = len(keys).bit_length() + 1
    slot = slots(keys, bits)
    key_in, is_taken = np.zeros(1 << bits, keys.dtype), np.zeros(1 << bits, bool)
    key_in[slot], is_taken[slot] = keys, True
    lost = keys[key_in[slot] != keys]
    return int(np.count_nonzero(is_taken)) + len(numbered(lost)[0])


def places_among(known: NDArray[T], keys: NDArray[T]) -> NDArray[np.int64]:
    """
    Return the place of each key among the known ones, -1: it is none of them.

    ``known``: each once, in any order. Each is written to a slot of a table; those whose slot another one took are looked for
    by ``numbered``, which takes three times as long for a key.
    """
    if not len(known):
        return np.full(len(keys), -1)
    bits = len(known).bit_length() + 2
    place_in = np.zeros(1 << bits, np.int32)
    slot, all_places = slots(known, bits), np.arange(len(known))
    place_in[slot] = all_places
    lost = np.flatnonzero(place_in[slot] != all_places)
    slot_of = slots(keys, bits)
    place = place_in[slot_of].astype(np.int64)
    left = np.flatnonzero(known[place] != keys)
    place[left] = -1
    was_lost = np.zeros(1 << bits, bool)
    was_lost[slot[lost]] = True
    left = left[was_lost[slot_of[left]]]
    _, number = numbered(np.concatenate([known[lost], keys[left]]))
    number = number[len(lost) :]
    is_known = number < len(lost)
    place[left[is_known]] = lost[number[is_known]]
    return place
