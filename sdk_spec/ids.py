"""
The kinds of id, and what is no id: shared by who binds them (collector) and who explains it (query API).
"""

from __future__ import annotations

KINDS = ("user_id", "unionid", "openid", "anonymous_id", "phone_hash")
"""Strongest first. An event belongs to the person of its strongest id; ``phone_hash`` only binds, it stands for no event."""

MANY_OF_A_PERSON = frozenset(("anonymous_id", "phone_hash"))
"""A person may have several of these; of the others one (of an app, for openids)."""

KINDS_OF_AN_APP = frozenset(("openid", "anonymous_id"))
"""They identify within the app; the others within the project."""

PLACEHOLDERS = frozenset(
    (
        "null",
        "(null)",
        "<null>",
        "nil",
        "undefined",
        "none",
        "nan",
        "0",
        "-1",
        "-",
        "unknown",
        "[object object]",
        "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
    )
)
"""What broken clients send for "no id" (lower case). Such an id never binds, so that it cannot join strangers."""
