"""Numbers of keys against a dictionary of Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from query_api.numbering import numbered, places_among

KEYS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40)


@given(KEYS)
def test_every_key_has_the_place_of_its_first_occurrence(keys):
    once, place = numbered(np.array(keys, np.uint64))
    assert once.tolist() == list(dict.fromkeys(keys))
    assert once[place].tolist() == keys


@given(KEYS.map(lambda keys: list(dict.fromkeys(keys))), KEYS)
def test_keys_are_found_among_known_ones_and_others_numbered_behind(known, keys):
    place, is_known = places_among(np.array(known, np.uint64), np.array(keys, np.uint64))
    everything = known + [key for key in dict.fromkeys(keys) if key not in known]
    assert [everything[i] for i in place] == keys
    assert is_known.tolist() == [key in known for key in keys]
