"""
Sums of numbers that are the same in every run, and exact for money.

Floats added in another order give another sum, and ClickHouse adds them in the order in which its threads and parts come.
So every sum of a report is one of integers, in SQL by ``sum_sql`` (in .sql files ``{{exact_sum(value, condition)}}``), in
Python by ``added``, and by ``sums_by`` of groups that SQL added up (``parts_sql``):

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
from msgspec import Struct
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
    is_usual, millionth, rest = _integers(value)
    return _total(
        f"sumIf({millionth}, {condition})",
        f"sumIf({rest}, {condition})",
        f"groupArrayIf({value}, ({condition}) AND NOT {is_usual})",
    )


def partial_sum_sql(value: str, condition: str, name: str) -> dict[str, str]:
    """Return aggregates by name from which ``sum_of_parts_sql`` makes ``sum_sql`` of all parts together."""
    is_usual, millionth, rest = _integers(value)
    return {
        f"{name}_millionths": f"sumIf({millionth}, {condition})",
        f"{name}_rests": f"sumIf({rest}, {condition})",
        f"{name}_large": f"groupArrayIf({value}, ({condition}) AND NOT {is_usual})",
    }


def sum_of_parts_sql(name: str) -> str:
    """Return an aggregate over rows that have ``partial_sum_sql``, Float64: the sum of all numbers in them."""
    return _total(f"sum({name}_millionths)", f"sum({name}_rests)", f"groupArrayArray({name}_large)")


def _total(millionths: str, rests: str, large: str) -> str:
    # Beyond 2^53 an integer is no float any more: units and millionths apart.
    in_units = (
        f"if(abs({millionths}) <= {_EXACT_INTEGERS}, {millionths} / 1e6, "
        f"toFloat64(intDiv({millionths}, 1000000)) + ({millionths} % 1000000) / 1e6)"
    )
    return f"({in_units} + {rests} / exp2(70) + arraySum(arraySort({large})))"


def _integers(value: str) -> tuple[str, str, str]:
    """Return whether a number is one that integers add up, its millionths and its rest in units of 2^-70."""
    if not value.isidentifier():
        value = f"({value})"
    is_usual = f"abs({value}) < {_LARGE}"
    rounded = f"round({value} * 1e6)"
    rest = f"if({is_usual}, ({value} - {rounded} / 1e6) * exp2(70), 0)"
    return (
        is_usual,
        f"toInt128(toInt64(if({is_usual}, {rounded}, 0)))",
        f"toInt128(toInt64({rest}))",
    )


def large_sql(value: str) -> str:
    """Return the number where it is too large for ``parts_sql``, else 0: a key of the groups there."""
    is_usual, _, _ = _integers(value)
    return f"if({is_usual}, 0, {value})"


def parts_sql(value: str) -> str:
    """Return aggregates from which ``sums_by`` makes the sum of any groups: ``millionths`` and ``rests``, Int128."""
    _, millionth, rest = _integers(value)
    return f"sum({millionth}) AS millionths,\nsum({rest}) AS rests"


class Parts(Struct, frozen=True):
    """
    Groups of numbers, each added up: arrays of one length. Of which keys a group is, is the caller's.

    ``number``: how many there are in the group. ``millionths``, ``rests``: of ``parts_sql``, Int64 or Python's integers.
    ``large``: of ``large_sql``, the same for all of a group.
    """

    number: NDArray[np.int64]
    millionths: NDArray[Any]
    rests: NDArray[Any]
    large: NDArray[np.float64]

    def only(self, which: NDArray[Any]) -> Parts:
        """Return some of them, by a mask or by places."""
        return Parts(*(getattr(self, name)[which] for name in self.__struct_fields__))


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


def sums_by(parts: Parts, place: NDArray[Any], places: int) -> NDArray[np.float64]:
    """Return for each place the sum of the groups that stand there: what ``sum_sql`` gives of all their numbers."""
    millionths = _added_by(parts.millionths, place, places)
    rests = _added_by(parts.rests, place, places)
    units = np.abs(millionths) // 1_000_000 * np.sign(millionths)
    sums = np.where(
        np.abs(millionths) <= _EXACT_INTEGERS,
        millionths.astype(np.float64) / 1e6,
        units.astype(np.float64) + (millionths - units * 1_000_000).astype(np.float64) / 1e6,
    )
    sums += rests.astype(np.float64) / 2.0**70
    is_large = parts.large != 0
    place, large = place[is_large], np.repeat(parts.large[is_large], parts.number[is_large])
    of_large = np.repeat(place, parts.number[is_large])
    for at in np.unique(place):
        # One after the other: other ways to add floats give other sums.
        sums[at] += np.cumsum(np.sort(large[of_large == at]))[-1]
    return sums


def _added_by(integers: NDArray[Any], place: NDArray[Any], places: int) -> NDArray[Any]:
    """Add integers exactly: as Python's where 64 bits could be too few."""
    fits = integers.dtype != object and float(np.abs(integers.astype(np.float64)).sum()) < 2.0**62
    sums: NDArray[Any] = np.zeros(places, dtype=np.int64 if fits else object)
    np.add.at(sums, place, integers if fits else integers.astype(object))
    return sums
