"""
How far a question has come. Called by handlers.py.
"""

from __future__ import annotations

import re
import uuid

from query_api.clickhouse import Database, is_denied
from query_api.errors import QueryError
from query_api.report import Row
from query_api.sql import load_sql

_QUERY_ID = re.compile("[0-9a-f]{32}")


def checked(query_id: str, path: str) -> str:
    """Return an id that who asks has chosen, to look after the question. Errors: ``invalid_request``."""
    if not _QUERY_ID.fullmatch(query_id):
        raise QueryError(
            "invalid_request", "32 hexadecimal digits in lower case, as of a UUID", path
        )
    return query_id


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
        if is_denied(error):
            return {"rows_read": None, "rows_to_read": None}
        raise
    return found.rows[0]
