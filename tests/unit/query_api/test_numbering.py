"""Numbers of keys against a dictionary of Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from query_api.numbering import distinct, numbered, places_among

KEYS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40)


@given(KEYS)
def test_every_key_has_the_place_of_its_first_occurrence(keys):
    once, place = numbered(np.array(keys, np.uint64))
    assert once.tolist() == list(dict.fromkeys(keys))
    assert once[place].tolist() == keys


@given(KEYS)
def test_different_keys_are_counted(keys):
    assert distinct(np.array(keys, np.uint64)) == len(set(keys))


@given(KEYS.map(lambda keys: list(dict.fromkeys(keys))), KEYS)
def test_keys_are_found_among_known_ones(known, keys):
    place = places_among(np.array(known, np.uint64), np.array(keys + known, np.uint64))
    places = {key: place for place, key in enumerate(known)}
    assert place.tolist() == [places.get(key, -1) for key in keys + known]


def test_keys_that_share_slots_are_told_apart():
    """Of 50,000 in a row and as many at random some share a slot in every table."""
    random = np.random.default_rng(1)
    everything = np.append(
        np.arange(50_000, dtype=np.uint64), random.integers(2**32, 2**64, 50_000, np.uint64)
    )
    random.shuffle(everything)
    place = places_among(everything[:60_000], everything)
    assert (place[:60_000] == np.arange(60_000)).all()
    assert (place[60_000:] == -1).all()
    assert distinct(np.append(everything, everything[:30_000])) == 100_000
