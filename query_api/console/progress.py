"""
How far a question has come. Called by handlers.py.
"""

from __future__ import annotations

import uuid

from query_api.clickhouse import ACCESS_DENIED, Database, clickhouse_code
from query_api.errors import QueryError
from query_api.report import Row
from query_api.sql import load_sql


async def progress(database: Database, query_id: str) -> Row:
    """
    Return ``rows_read`` and ``rows_to_read`` of the statements that run for a question; 0 while none does.

    A report asks several, some beside one another, and each counts for itself. None where the reader may not look
    (deploy/clickhouse-users.xml). Errors: as ``Database.fetch``.
    """
    name = "console.progress"
    values = {"query_id": query_id}
    try:
        found = await database.fetch(name, load_sql(name), values, uuid.uuid4().hex)
    except QueryError as error:
        if clickhouse_code(error) == ACCESS_DENIED:
            return {"rows_read": None, "rows_to_read": None}
        raise
    return found.rows[0]
