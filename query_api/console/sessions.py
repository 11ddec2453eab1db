"""
Console sessions: what the cookie holds and how it is checked. Pure.

A session is ``<token_id>.<expires_s>.<mac>``; the MAC's key is the SHA-256 of the read token, as the access file has it.
So nothing is stored, a restart signs nobody out, revoking the token ends its sessions, and a stolen cookie (cookies of
one host are shared by all its ports) is no read token: it expires. Called by console/handlers.py and by Tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from sdk_spec.access import ReadToken

SESSION_S = 14 * 86_400
"""How long one stays signed in."""
SCHEME = "console-session"
"""Authorization scheme under which a session stands for its read token."""
_SESSION = re.compile(
    r"(?P<token_id>[A-Za-z0-9_-]{1,64})\.(?P<expires_s>[0-9]{1,12})\.[0-9a-f]{64}"
)


def issue(token: ReadToken, now_s: int) -> str:
    """Return a new session of a token."""
    return _signed(token, now_s + SESSION_S)


def token_id_of(session: str) -> str | None:
    """Return whose session this claims to be; None for anything but the form of one."""
    found = _SESSION.fullmatch(session)
    return None if found is None else found["token_id"]


def is_valid(session: str, token: ReadToken, now_s: int) -> bool:
    """Tell whether the session was issued for this token and has not expired."""
    found = _SESSION.fullmatch(session)
    if found is None or int(found["expires_s"]) <= now_s:
        return False
    return hmac.compare_digest(session, _signed(token, int(found["expires_s"])))


def _signed(token: ReadToken, expires_s: int) -> str:
    text = f"{token.token_id}.{expires_s}"
    mac = hmac.new(token.sha256.encode(), f"console\x1f{text}".encode(), hashlib.sha256)
    return f"{text}.{mac.hexdigest()}"
