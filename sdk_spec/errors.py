"""
Every error code on the wire: HTTP status, whether a client may send the same again, meaning.

``REQUEST_ERRORS`` answer a whole request; ``EVENT_ERRORS`` are the fate of one event inside a 200 or 422.
Clients need only ``may_retry``; operators read the meaning in ``sdk_spec/README.md`` (a test keeps both equal).
"""

from __future__ import annotations

from msgspec import Struct


class ErrorCode(Struct, frozen=True):
    """One row of the table."""

    status: int
    may_retry: bool
    meaning: str


REQUEST_ERRORS: dict[str, ErrorCode] = {
    "not_json": ErrorCode(400, False, "The body is not JSON in UTF-8."),
    "invalid_envelope": ErrorCode(400, False, "A field beside `events` is missing or wrong."),
    "invalid_encoding": ErrorCode(400, False, "The body is not what Content-Encoding says."),
    "invalid_request": ErrorCode(400, False, "A field of a query or of an HTTP header is wrong."),
    "unauthorized": ErrorCode(401, False, "No key or token, or an unknown or revoked one."),
    "signature_required": ErrorCode(401, False, "The app takes signed requests only."),
    "signature_invalid": ErrorCode(401, False, "The signature is not that of this body and key."),
    "signature_expired": ErrorCode(401, False, "Signed too long ago, or by a clock that is wrong."),
    "forbidden": ErrorCode(403, False, "The key or token belongs to another app."),
    "not_found": ErrorCode(404, False, "No such address."),
    "method_not_allowed": ErrorCode(405, False, "The address exists, but not for this method."),
    "request_timeout": ErrorCode(408, True, "The body did not arrive in time."),
    "length_required": ErrorCode(411, False, "Neither Content-Length nor chunked encoding."),
    "body_too_large": ErrorCode(413, False, "Split the batch: too many bytes."),
    "too_many_events": ErrorCode(413, False, "Split the batch: too many events."),
    "unsupported_encoding": ErrorCode(415, False, "Content-Encoding is not gzip, deflate or zstd."),
    "all_events_rejected": ErrorCode(422, False, "Every event was refused; see `errors`."),
    "too_many_requests": ErrorCode(429, True, "Over the app's rate; nothing was kept."),
    "internal": ErrorCode(500, True, "A fault of ours; the log has the request id."),
    "spool_full": ErrorCode(503, True, "The spool is at its limit; nothing was kept."),
    "spool_unavailable": ErrorCode(503, True, "The spool's disk fails; nothing was kept."),
    "shutting_down": ErrorCode(503, True, "The process is stopping; nothing was kept."),
    "overloaded": ErrorCode(503, True, "Too many bodies arrive at once; nothing was kept."),
    "query_limit": ErrorCode(422, False, "The query passed its limit of time, rows or memory."),
    "storage_unavailable": ErrorCode(503, True, "ClickHouse does not answer."),
}

EVENT_ERRORS: dict[str, str] = {
    "missing_field": "A required field is absent.",
    "invalid_type": "A field has another type than the schema says.",
    "invalid_value": "A field has the right type but a value that is not allowed.",
    "too_long": "A text or list is longer than its limit.",
    "out_of_range": "A number is outside its limits.",
    "not_printable": "An id or name is empty, blank or holds control characters.",
    "phone_not_hashed": "`phone_hash` is not a keyed hash; a number itself is never taken or kept.",
    "missing_identity": "None of anonymous_id, openid, user_id is given.",
    "occurred_at_out_of_range": "Before 2015 or after 2100; perhaps seconds instead of ms.",
}
