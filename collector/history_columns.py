"""
Columns of Arrow → rows by name, as the wire has their values. Pure; called by ``history_files`` and ``history_select``.
"""

from __future__ import annotations

import contextlib
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from collector.history_rows import MOMENTS, NUMBERS, Place, from_text, place


class ColumnError(ValueError):
    """Columns that cannot be told apart; the message says which."""


def places_of(columns: list[str]) -> list[tuple[str, Place]]:
    """Return where each column of a table goes. Errors: ColumnError, where two go to the same place."""
    places = [(name, place(name)) for name in columns]
    if len({where for _, where in places}) < len(places):
        twice = sorted({name for name in columns if columns.count(name) > 1}) or columns
        raise ColumnError(f"the same column twice / 列名重复: {', '.join(twice)}")
    return places


def rows_of(
    batch: pa.RecordBatch, places: list[tuple[str, Place]], zone: ZoneInfo | None
) -> list[dict[str, Any]]:
    """Return the values that are there, by column; ``zone``: of times that name none."""
    rows: list[dict[str, Any]] = [{} for _ in range(batch.num_rows)]
    for (name, where), column in zip(places, batch.columns, strict=True):
        # As in an export, where what is absent is empty; an empty property is one.
        absent: tuple[Any, ...] = (None,) if where.part == "property" else (None, "", [])
        for row, value in zip(rows, _values(column, where, zone), strict=True):
            if value not in absent:
                row[name] = value
    return rows


def _values(column: pa.Array, where: Place, zone: ZoneInfo | None) -> list[Any]:
    """Values of a column as the wire has them: times in epoch ms, whole numbers where they are meant, JSON as objects."""
    if where.part == "nowhere":
        # One that nobody knows is there, so that it is named at the end.
        return [None if where.is_known else True] * len(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moments(column, where, zone)
    is_whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    # The wire takes a scene as a number, and a row without an event_id is named by what stands in it.
    if (
        is_whole
        and where.part in ("event", "envelope")
        and where.kind == "text"
        and where.name != "scene"
    ):
        return column.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_decimal(kind):
        # TRICKY: not by cast, which makes 19.90 to 19.900000000000002.
        floats = [None if one is None else float(one) for one in column.to_pylist()]
        column = pa.array(floats, pa.float64())
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if where.name in MOMENTS | NUMBERS:  # columns with gaps that other programs keep as floats
            with contextlib.suppress(pa.ArrowInvalid):
                column = column.cast(pa.int64())
    values = column.to_pylist()
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        is_text = True
        values = [None if one is None else one.decode("utf-8", "surrogateescape") for one in values]
    if is_text and (where.kind != "text" or where.type):
        return [from_text(one, where, zone) if one else None for one in values]
    if where.group or where.kind == "json":
        return [_without_nulls(one) for one in values]
    return values  # type: ignore[no-any-return]


def _moments(column: pa.Array, where: Place, zone: ZoneInfo | None) -> list[Any]:
    """Times and days in epoch ms where a moment is meant and its zone is known, else as texts."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False)
    if column.type.tz is None and zone is not None:
        column = pc.assume_timezone(column, str(zone), ambiguous="earliest", nonexistent="earliest")
    if where.kind != "moment" or column.type.tz is None:
        return [None if one is None else one.isoformat() for one in column.to_pylist()]
    column = column.cast(pa.timestamp("ms", tz=column.type.tz), safe=False)
    return column.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 (a struct or map of Arrow)
    """A struct has every name in every row; what a row lacks is null."""
    if isinstance(value, list):
        value = dict(value)
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if one is not None}
    return value
