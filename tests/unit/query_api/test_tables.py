"""Which form an Accept header asks for, and what does not fit a table easily."""

import csv
import io

import pyarrow as pa
import pytest

from query_api.errors import QueryError
from query_api.tables import ARROW, CSV, JSON, encode, form_of

ANSWER = {
    "semantics": {},
    "meta": {"query_id": "q", "data_complete_until": None, "truncated": False},
}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv;q=0.9", CSV),
        ("application/json;q=0.9, text/csv;q=x", JSON),
        (ARROW, ARROW),
    ],
)
def test_form_of(accept, form):
    assert form_of(accept) == form


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0"])
def test_none_of_ours_is_an_error(accept):
    with pytest.raises(QueryError):
        form_of(accept)


def test_csv_quotes_and_leaves_null_empty():
    rows = [{"a": 'x,"y"\n', "b": None, "c": True}, {"a": "北京", "d": 1.5}]
    assert encode(CSV, rows, ANSWER).decode() == 'a,b,c,d\r\n"x,""y""\n",,true,\r\n北京,,,1.5\r\n'
    assert encode(CSV, [], ANSWER) == b""


def test_a_column_of_several_types_becomes_texts_in_arrow():
    rows = [{"v": 1, "n": 1}, {"v": "a", "n": 2.5}, {"v": None, "n": None}, {"v": True, "n": 3}]
    table = pa.ipc.open_stream(io.BytesIO(encode(ARROW, rows, ANSWER))).read_all()
    assert table.column("v").to_pylist() == ["1", "a", None, "true"]
    assert table.column("n").to_pylist() == [1.0, 2.5, None, 3.0]
    assert pa.ipc.open_stream(io.BytesIO(encode(ARROW, [], ANSWER))).read_all().num_rows == 0


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([10**20, 1], ["100000000000000000000", "1"]),
        ([2**53 + 1, 1.5, None], ["9007199254740993", "1.5", None]),
    ],
)
def test_numbers_that_arrow_has_no_type_for_become_texts(values, texts):
    rows = [{"n": value} for value in values]
    table = pa.ipc.open_stream(io.BytesIO(encode(ARROW, rows, ANSWER))).read_all()
    assert table.column("n").to_pylist() == texts


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "=cmd|' /C calc'!A0"]
)
def test_a_spreadsheet_runs_no_text_of_a_csv_cell_or_column_name(text):
    [names, cells] = csv.reader(
        io.StringIO(encode(CSV, [{text: text}], ANSWER).decode(), newline="")
    )

    assert names == cells == [f"'{text}"]


def test_numbers_of_a_csv_stay_numbers_and_arrow_keeps_texts():
    assert encode(CSV, [{"a": -5, "b": -0.5, "c": "5-4"}], ANSWER).decode() == (
        "a,b,c\r\n-5,-0.5,5-4\r\n"
    )
    table = pa.ipc.open_stream(encode(ARROW, [{"a": "=1"}], ANSWER)).read_all()
    assert table.to_pylist() == [{"a": "=1"}]
