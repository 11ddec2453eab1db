"""
Rows of a SELECT that ClickHouse itself runs: whatever it reads, and tables of any server. Called by ``history``.

The engine is that of the ``chdb-core`` wheel, in this process, with the rights of whoever calls the command: ``file()``,
``s3()``, ``url()``, ``remoteSecure()``, ``mysql()`` and all formats and compressions that it knows. The server that stores the
events reads nothing: its users may not use these functions (``deploy/clickhouse-users.xml``), since whoever got a password
could then read files and addresses of its network. Rows come as Arrow, a block at a time, and go the way of rows of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
from clickhouse_connect.driver.binding import quote_identifier
from msgspec import Struct

from collector.history_columns import ColumnError, places_of, rows_of
from collector.history_files import Reading, Rows, SourceError

_AS_TEXT = re.compile(r"(Enum|UUID|IPv|U?Int(128|256)|FixedString|JSON|Object|Dynamic|Variant)")
"""Types that Arrow has no text or number of the wire for."""
_INNER = re.compile(r"(?:(?:Nullable|LowCardinality)\()*(.+?)\)*")


class Select(Struct, frozen=True):
    """A statement: ``name`` stands in reports."""

    name: str
    statement: str

    @property
    def base_name(self) -> str:
        """As that of a file."""
        return self.name

    @property
    def size_bytes(self) -> int:
        """0: nobody knows before the end."""
        return 0

    def place_of(self, number: int) -> str:
        """Return the same for every row: another run may have them in another order."""
        del number
        return f"{self.name}\x1f"


class _Column(Struct):
    name: str
    type: str


class _Described(Struct):
    data: list[_Column]


def select_of(text: str) -> Select:
    """Return the statement that is meant: the text itself, or that of a file ``*.sql``. Errors: SourceError."""
    name = ""
    if text.endswith(".sql"):
        try:
            name, text = Path(text).name, Path(text).read_text("utf-8")
        except (OSError, UnicodeError) as error:
            raise SourceError(f"{text}: {error}") from error
    statement = text.strip().removesuffix(";")
    return Select(name or f"select-{hashlib.sha256(statement.encode()).hexdigest()[:8]}", statement)


def read_select(select: Select, how: Reading, rows_at_once: int) -> Iterator[Rows]:
    """Yield the rows of the statement, which have no order. Errors: SourceError, where the rest of it cannot be had."""
    from chdb import ChdbError  # noqa: PLC0415 (0.4 s and 300 MB, which other imports need not)
    from chdb.session import Session  # noqa: PLC0415

    try:
        with contextlib.closing(Session()) as session:
            # In lines of their own: a statement may end with a comment.
            asked = f"(\n{select.statement}\n)"
            described = session.query(f"DESCRIBE TABLE {asked}", "JSON").bytes()
            columns = msgspec.json.decode(described, type=_Described).data
            places = places_of([column.name for column in columns])
            selected = f"SELECT {_selected(columns)} FROM {asked}"  # noqa: S608 (the caller's own)
            answer = session.send_query(selected, "Arrow")
            first = 1
            for batch in answer.record_batch(rows_at_once):
                rows = rows_of(_with_bytes(batch), places, how.zone)
                yield Rows(first, rows, 0.0)
                first += len(rows)
            yield Rows(first, [], 1.0)
    except (ChdbError, ColumnError, pa.ArrowException, UnicodeError) as error:
        raise SourceError(f"{select.name}: {error}") from error


def _selected(columns: list[_Column]) -> str:
    """Return the columns, those as something else that Arrow would have as bytes, or a moment as a number of seconds."""
    selected = []
    for column in columns:
        name = quote_identifier(column.name)
        inner = _INNER.fullmatch(column.type)
        kind = column.type if inner is None else inner[1]
        if _AS_TEXT.match(kind):
            selected.append(f"toString({name}) AS {name}")
        elif re.match(r"DateTime(\W|$)", kind):
            selected.append(f"toDateTime64({name}, 3) AS {name}")
        else:
            selected.append(name)
    return ", ".join(selected)


def _with_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return texts as bytes: ClickHouse's need be no UTF-8, and that must cost its own row only."""
    columns = [
        column.cast(pa.binary()) if pa.types.is_string(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
