"""
DuckDB beside us: the same rows in a file of its own, and what a person would write there for some reports.

Called by ``queries``. The rows come from ClickHouse as Parquet, copies collapsed and persons joined: work that every
report of ours does again. DuckDB is no dependency of the product; without it its column stays empty.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtest.clickhouse import ClickHouse, load_sql

if TYPE_CHECKING:
    import duckdb

PARAMETERS = ("names", "from_ms", "to_ms")


def is_installed() -> bool:
    """Tell whether there is a DuckDB to compare with."""
    return importlib.util.find_spec("duckdb") is not None


class Duck:
    """A DuckDB file with one table ``events``."""

    def __init__(self, path: Path, threads: int) -> None:
        import duckdb  # noqa: PLC0415

        path.unlink(missing_ok=True)
        self._path = path
        self._connection: duckdb.DuckDBPyConnection = duckdb.connect(
            str(path), config={"threads": threads}
        )

    def close(self) -> None:
        """Close and remove the file."""
        self._connection.close()
        self._path.unlink(missing_ok=True)

    def load(self, clickhouse: ClickHouse, app_id: str) -> None:
        """Take all events of an app. Errors: ClickHouseError, OSError."""
        parquet = self._path.with_suffix(".parquet")
        try:
            parquet.write_bytes(clickhouse.command(load_sql("queries.export"), app_id=app_id))
            self._connection.execute("DROP TABLE IF EXISTS events")
            self._connection.execute(
                "CREATE TABLE events AS SELECT * FROM read_parquet($file) ORDER BY event, person, at_ms",
                {"file": str(parquet)},
            )
        finally:
            parquet.unlink(missing_ok=True)

    def rows(self, name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run ``sql/<name>.sql`` with those of the parameters that it names."""
        sql = load_sql(name)
        given = {key: parameters[key] for key in PARAMETERS if f"${key}" in sql}
        found: list[tuple[Any, ...]] = self._connection.execute(sql, given).fetchall()
        return found
