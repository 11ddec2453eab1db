"""
Sums of numbers that are the same in every run, and exact for money.

Floats added in another order give another sum, and ClickHouse adds them in the order in which its threads and parts come.
So every sum of a report is one of integers, in SQL by ``sum_sql`` (in .sql files ``{{exact_sum(value, condition)}}``), in
Python by ``added``, of arrays by ``sums_by``:

- It does not depend on the order of the rows, nor on threads, parts and shards.
- Of numbers with at most six decimals, each below 2 billion, it is the number nearest to the sum as people reckon it: ten
  times 0.1 is 1, and 0.1 + 0.2 is 0.3.
- Of other numbers it is as near as a float comes; from 9e12 on they are added from the least to the greatest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from itertools import accumulate
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEANING = "exact for numbers with at most six decimals; the same for any order of the events"
_LARGE = "9e12"
"""Its millionths, and what they leave in units of 2^-70, still fit into 64 bits."""
_EXACT_INTEGERS = 2**53
_EXACT = Context(prec=700)
"""More digits than lie between the least and the greatest float."""


def sum_sql(value: str, condition: str = "1") -> str:
    """
    Return an aggregate, Float64: the sum of ``value`` (a number, never NULL) over the rows of ``condition``; 0 without any.

    A value is so many millionths, and a rest that is 0 for a number with at most six decimals. Both are added as integers.
    """
    if not value.isidentifier():
        value = f"({value})"
    is_usual = f"abs({value}) < {_LARGE}"
    rounded = f"round({value} * 1e6)"
    millionths = f"sumIf(toInt128(toInt64(if({is_usual}, {rounded}, 0))), {condition})"
    rest = f"if({is_usual}, ({value} - {rounded} / 1e6) * exp2(70), 0)"
    rests = f"sumIf(toInt128(toInt64({rest})), {condition})"
    large = f"arraySum(arraySort(groupArrayIf({value}, ({condition}) AND NOT {is_usual})))"
    # Beyond 2^53 an integer is no float any more: units and millionths apart.
    in_units = (
        f"if(abs({millionths}) <= {_EXACT_INTEGERS}, {millionths} / 1e6, "
        f"toFloat64(intDiv({millionths}, 1000000)) + ({millionths} % 1000000) / 1e6)"
    )
    return f"({in_units} + {rests} / exp2(70) + {large})"


def added(values: Iterable[float]) -> float:
    """Return the sum of numbers as they are written: the nearest float, in any order; of integers the integer."""
    numbers = list(values)
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    if not all(isfinite(number) for number in numbers):
        return sum(sorted(numbers))
    return float(_running(numbers)[-1])


def added_in(numbers: Mapping[int, float], ranges: Iterable[tuple[int, int]]) -> list[float]:
    """
    Return for each range, both ends included and from 0 on, the sum of the numbers whose places lie in it.

    Complexity: linear in places and ranges, but for numbers that are not finite.
    """
    places = range(1 + max(numbers, default=-1))
    if all(isinstance(number, int) for number in numbers.values()):
        sums = list(accumulate((numbers.get(place, 0) for place in places), initial=0))
        end = len(places)
        return [sums[min(last + 1, end)] - sums[min(first, end)] for first, last in ranges]
    if not all(isfinite(number) for number in numbers.values()):
        return [
            added([0.0, *(n for place, n in numbers.items() if first <= place <= last)])
            for first, last in ranges
        ]
    until = _running(numbers.get(place, 0.0) for place in places)
    end = len(places)
    return [
        float(_EXACT.subtract(until[min(last + 1, end)], until[min(first, end)]))
        for first, last in ranges
    ]


def _running(numbers: Iterable[float]) -> list[Decimal]:
    """Return the sums of the first 0, 1, 2, … numbers."""
    return list(accumulate((Decimal(repr(n)) for n in numbers), _EXACT.add, initial=Decimal(0)))


def sums_by(values: NDArray[np.float64], place: NDArray[Any], places: int) -> NDArray[np.float64]:
    """Return for each place the sum of the values that stand there: what ``sum_sql`` gives."""
    is_usual = np.abs(values) < float(_LARGE)
    usual = np.where(is_usual, values, 0.0)
    rounded = np.round(usual * 1e6)
    millionths = _added_by(rounded, place, places)
    rests = _added_by(np.trunc((usual - rounded / 1e6) * 2.0**70), place, places)
    units = np.abs(millionths) // 1_000_000 * np.sign(millionths)
    sums = np.where(
        np.abs(millionths) <= _EXACT_INTEGERS,
        millionths.astype(np.float64) / 1e6,
        units.astype(np.float64) + (millionths - units * 1_000_000).astype(np.float64) / 1e6,
    )
    sums += rests.astype(np.float64) / 2.0**70
    large = values[~is_usual]
    for at in np.unique(place[~is_usual]):
        # One after the other: other ways to add floats give other sums.
        sums[at] += np.cumsum(np.sort(large[place[~is_usual] == at]))[-1]
    return sums


def _added_by(integers: NDArray[np.float64], place: NDArray[Any], places: int) -> NDArray[Any]:
    """Add whole numbers exactly: as Python's integers where 64 bits could be too few."""
    fits = float(np.abs(integers).sum()) < 2.0**62
    sums: NDArray[Any] = np.zeros(places, dtype=np.int64 if fits else object)
    exact = integers.astype(np.int64)
    np.add.at(sums, place, exact if fits else exact.astype(object))
    return sums
