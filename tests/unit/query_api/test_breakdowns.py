"""Keys of a breakdown: JSON values there and back."""

import pytest

from query_api.breakdowns import decode_element, describe, encode_element, key_of_cell
from query_api.errors import InvalidRequest


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "北京",
        10,
        -3,
        2.5,
        2**60 + 1,
        True,
        False,
        None,
        ["a/b", '\u2028\x01,"', "北京:3"],
        [],
        "true",
        1e300,
        0,
    ],
)
def test_a_value_comes_back_with_its_type(value):
    back = decode_element(encode_element(value, "$"))
    assert back == value
    assert type(back) is type(value)


def test_other_is_told_apart_from_absent():
    assert describe(("",), ["city"]) == {"breakdown": {"city": None}, "other": False}
    assert describe((), ["city"]) == {"breakdown": {"city": None}, "other": True}
    assert describe((), []) == {"breakdown": {}, "other": False}


def test_a_cell_must_name_the_fields_of_the_breakdown():
    assert key_of_cell({"b": 1, "a": "x"}, False, ["a", "b"]) == ("sx", "n1")
    assert key_of_cell(None, False, ["a"]) is None
    assert key_of_cell(None, True, ["a"]) == ()
    for breakdown, other in (({"a": 1}, True), ({"b": 1}, False), ({"a": {}}, False)):
        with pytest.raises(InvalidRequest):
            key_of_cell(breakdown, other, ["a"])
