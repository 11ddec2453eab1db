"""Intervals of proportions against published examples, and what must hold for all."""

from statistics import NormalDist

import pytest

from query_api.proportions import Z_95, newcombe, wilson

# Newcombe 1998, table II: (a) to (h), method 10: hits, of, hits, of, low, high.
PUBLISHED = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000),
    (10, 10, 0, 10, 0.6075, 1.0000),
]


@pytest.mark.parametrize(("hits", "of", "other", "other_of", "low", "high"), PUBLISHED)
def test_newcombe_gives_the_published_intervals(hits, of, other, other_of, low, high):
    found = newcombe(hits, of, other, other_of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_wilson_gives_the_published_interval():
    # Newcombe 1998, two-sided intervals for the single proportion, table I: 81 of 263.
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_the_quantile_is_that_of_95_percent():
    assert pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-14) == Z_95


def test_intervals_hold_the_estimate_stay_in_bounds_and_turn_with_the_arms():
    for of in (1, 2, 7, 1000):
        for hits in range(0, of + 1, max(1, of // 7)):
            for other in (0, 1, of):
                one, turned = newcombe(hits, of, other, of), newcombe(other, of, hits, of)
                assert -1 <= one.low <= one.estimate <= one.high <= 1
                assert (one.low, one.high) == pytest.approx((-turned.high, -turned.low))
