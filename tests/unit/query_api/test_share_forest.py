"""The form of a forest whose cards come in another order."""

import numpy as np

from query_api.share_forest import shape_of, walk


def test_the_form_of_a_forest_is_the_same_whatever_order_its_cards_come_in():
    random = np.random.default_rng(1)
    cards = 3_000
    parent = random.integers(-1, np.arange(cards))  # one of those before it, or none
    parent[random.random(cards) < 0.1] = -1
    shapes = set()
    for _ in range(20):
        order = random.permutation(cards)
        place = np.append(np.argsort(order), cards)  # the last: none
        above = place[parent[order]]
        _, steps, _ = walk(above)
        shapes.add(repr(shape_of(above, steps + np.uint32(1))))
    assert len(shapes) == 1
