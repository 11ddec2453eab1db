"""
Failures of the query API; each carries a code of ``sdk_spec.errors``. ``app.py`` turns them into the one JSON shape.
"""

from __future__ import annotations

from sdk_spec.errors import REQUEST_ERRORS


class QueryError(Exception):
    """
    A request that cannot be answered.

    ``code`` is a key of ``REQUEST_ERRORS``; ``path`` names the field of the request at fault, such as
    ``$.filter.conditions[0].op``. The message is for the one who asked: no SQL, no secrets.
    """

    def __init__(self, code: str, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path

    @property
    def status(self) -> int:
        """HTTP status of the code."""
        return REQUEST_ERRORS[self.code].status


class InvalidRequest(QueryError):  # noqa: N818 (named as its code)
    """A field of the request is wrong; ``path`` says which."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__("invalid_request", message, path)
