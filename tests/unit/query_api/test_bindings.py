"""Names of values in one statement: none is silently computed with another's value."""

from __future__ import annotations

import numpy as np
import pytest

from query_api.bindings import Bindings, ValueBoundTwiceError


def test_another_value_under_a_name_is_refused() -> None:
    bindings = Bindings()
    bindings.named("from_ms", 1, "Int64")

    with pytest.raises(ValueBoundTwiceError, match="from_ms"):
        bindings.named("from_ms", 2, "Int64")

    assert bindings.values == {"from_ms": 1}


def test_the_same_value_may_be_bound_again() -> None:
    bindings = Bindings()
    bindings.named("app_ids", ["a"], "Array(String)")

    assert bindings.named("app_ids", ["a"], "Array(String)") == "{app_ids:Array(String)}"


def test_embedded_parts_may_share_a_prefix_only_with_the_same_values() -> None:
    first, other = Bindings(), Bindings()
    first.named("from_ms", 1, "Int64")
    other.named("from_ms", 2, "Int64")
    bindings = Bindings()
    bindings.embed("rule", "{from_ms:Int64}", first)
    bindings.embed("rule", "{from_ms:Int64}", first)

    with pytest.raises(ValueBoundTwiceError, match="rule_from_ms"):
        bindings.embed("rule", "{from_ms:Int64}", other)


def test_a_sent_table_is_replaced_only_by_one_that_says_so() -> None:
    bindings = Bindings()
    bindings.table("wanted", {"card": np.array([1])})

    with pytest.raises(ValueBoundTwiceError, match="wanted"):
        bindings.table("wanted", {"card": np.array([2])})

    bindings.table("wanted", {"card": np.array([3])}, replaces=True)
    assert bindings.tables["wanted"]["card"].tolist() == [3]
