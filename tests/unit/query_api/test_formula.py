"""Formulas: what they give and what they refuse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_api.errors import InvalidRequest
from query_api.formula import evaluate, parse

VALUES = {"A": 6, "B": 4, "zero": 0, "none": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A / B", 1.5),
        ("A - B - 1", 1),
        ("A / B / 2", 0.75),
        ("A - B * 2", -2),
        ("(A - B) * 2", 4),
        ("-A + 1", -5),
        ("--A", 6),
        ("2.5 * A", 15),
        (" A ", 6),
        ("A / zero", None),
        ("A / (B - 4)", None),
        ("A + none", None),
        ("1" + "0" * 200 + " * 1" + "0" * 200, None),
    ],
)
def test_values(text, expected):
    assert evaluate(parse(text, set(VALUES)), VALUES) == expected


@pytest.mark.parametrize(
    "text", ["", "A B", "A +", "(A", "A)", "C", "A.real", "A[0]", "1e5", "A ^ B", "A; B", "*"]
)
def test_refused(text):
    with pytest.raises(InvalidRequest) as caught:
        parse(text, set(VALUES))
    assert caught.value.path == "$.formula"


@settings(deadline=None)
@given(st.text("AB0.+-*/() x_", max_size=30))
def test_any_text_is_parsed_or_refused(text):
    try:
        node = parse(text, set(VALUES))
    except InvalidRequest:
        return
    evaluate(node, VALUES)
