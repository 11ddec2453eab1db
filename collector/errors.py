"""Exceptions that carry an error code of ``sdk_spec.errors``; ``app.answer_errors`` turns them into answers."""

from __future__ import annotations


class RequestError(Exception):
    """
    A request that is refused whole.

    ``code`` is a key of ``REQUEST_ERRORS``; ``retry_after_s`` is sent as ``Retry-After``.
    """

    def __init__(self, code: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
