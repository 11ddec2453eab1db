"""Sums in Python: as people reckon them, in any order."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from query_api.sums import added, added_in

FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


def test_sums_of_decimals_are_those_that_people_reckon():
    assert added([0.1, 0.2]) == 0.3
    assert added([0.1] * 10) == 1
    assert added([715.2, -0.1]) == 715.1
    assert added([1e300, 1, -1e300]) == 1


def test_integers_stay_integers():
    assert repr(added([2**60, 1])) == str(2**60 + 1)
    assert repr(added([])) == "0"
    assert repr(added([1, 0.5])) == "1.5"


def test_what_is_not_finite_stays_so():
    assert added([1.0, math.inf]) == math.inf
    assert added_in({0: 1.0, 1: math.inf}, [(0, 0), (0, 1)]) == [1, math.inf]


@given(st.data())
def test_any_order_gives_the_nearest_float(data):
    numbers = data.draw(st.lists(FLOATS))
    exact = sum((Fraction(repr(number)) for number in numbers), Fraction())

    assert added(data.draw(st.permutations(numbers))) == added(numbers) == float(exact)


@given(
    st.dictionaries(st.integers(0, 20), FLOATS),
    st.lists(st.tuples(st.integers(0, 22), st.integers(0, 22)).map(sorted).map(tuple)),
)
def test_ranges_add_up_their_places(numbers, ranges):
    assert added_in(numbers, ranges) == [
        added([0.0, *(n for place, n in numbers.items() if first <= place <= last)])
        for first, last in ranges
    ]
