"""
The id that who asks may give a question, to look after it while it runs: its header and its form. Pure.
"""

from __future__ import annotations

import re

from query_api.errors import QueryError

HEADER = "X-Query-Id"
"""Of a question: how its ``meta.query_id`` shall begin."""
PATTERN = "^[0-9a-f]{32}$"
_QUERY_ID = re.compile(PATTERN)


def checked(query_id: str, path: str) -> str:
    """Return the id. Errors: ``invalid_request`` with ``path``."""
    if not _QUERY_ID.fullmatch(query_id):
        raise QueryError(
            "invalid_request", "32 hexadecimal digits in lower case, as of a UUID", path
        )
    return query_id
