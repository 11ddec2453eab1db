"""
Answers as tables: CSV and Arrow for every report. Pure.

The main list of a result is flattened by the report (``Report.table``). What does not fit a table (semantics, meta) stands
in the Arrow schema's metadata and, shortened, in headers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pyarrow as pa

from query_api.errors import QueryError
from query_api.report import Row

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
_FORMS = (JSON, CSV, ARROW)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""A spreadsheet takes a text that begins so for a formula; the full-width forms too, under East Asian settings."""


def form_of(accept: str | None) -> str:
    """
    Return the content type that ``Accept`` prefers of those we have; JSON without a preference.

    Errors: ``invalid_request`` when none of ours is accepted.
    """
    best, best_weight = JSON, -1.0
    if not accept:
        return JSON
    for part in accept.split(","):
        pieces = [piece.strip().lower() for piece in part.split(";")]
        weight = 1.0
        for piece in pieces[1:]:
            name, _, value = piece.partition("=")
            if name == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        offered = {"*/*": JSON, "application/*": JSON, "text/*": CSV}.get(pieces[0], pieces[0])
        if offered in _FORMS and weight > max(best_weight, 0):
            best, best_weight = offered, weight
    if best_weight < 0:
        raise QueryError("invalid_request", f"Accept names none of {', '.join(_FORMS)}")
    return best


def encode(form: str, rows: list[Row], answer: Row, columns: Sequence[str] = ()) -> bytes:
    """
    Write flat rows as CSV (UTF-8, header line, empty for null) or as an Arrow stream. ``columns``: where there are no rows.

    In CSV a text that a spreadsheet would run as a formula has an apostrophe before it (``'=1+1``), names of columns too:
    event names and property values come from outside. Numbers are no texts: -5 stays -5. Arrow has the texts as they are.
    """
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(columns)
    if form == CSV:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        if names:
            writer.writerow([_cell(name) for name in names])
        writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
        return text.getvalue().encode()
    table = pa.Table.from_arrays(
        [_column([row.get(name) for row in rows]) for name in names], names=names
    ).replace_schema_metadata(
        {part: msgspec.json.encode(answer[part]) for part in ("semantics", "meta")}
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def headers(answer: Row) -> dict[str, str]:
    """Return the part of ``meta`` that a reader of a table should not miss."""
    meta = answer["meta"]
    return {
        "X-Query-Id": meta["query_id"],
        "X-Data-Complete-Until": meta["data_complete_until"] or "",
        "X-Truncated": "true" if meta["truncated"] else "false",
        "X-Missing-Shards": ",".join(map(str, meta["missing_shards"])),
    }


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _column(values: list[object]) -> pa.Array:
    """
    One Arrow column.

    Values of several types (a property that is a number here and a text there) become JSON texts, and so do numbers that
    Arrow has no common type for: integers beyond 64 bits, or beyond 2^53 beside fractions.
    """
    kinds = {
        float if isinstance(v, int) and not isinstance(v, bool) else type(v)
        for v in values
        if v is not None
    }
    if len(kinds) <= 1:
        with suppress(OverflowError, pa.ArrowInvalid):
            return pa.array(values)
    return pa.array(
        [v if v is None or isinstance(v, str) else msgspec.json.encode(v).decode() for v in values],
        pa.string(),
    )
