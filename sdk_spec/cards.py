"""
Signed share cards: a share_id that a brand's own server made, so that nobody can make up cards. Optional, per app.

A signed share_id is ``<id>.<signature>``: the first 16 hex digits of HMAC-SHA-256 over the id, with the app's card key
(``scenetrail keys card-key APP``), which only the brand's server and the collectors have: a mini-program can keep no secret.
"""

from __future__ import annotations

import hmac
import re

_SIGNED = re.compile(r"(?P<id>.+)\.(?P<signature>[0-9a-f]{16})", re.S)


def card_key(key: bytes, app_id: str) -> bytes:
    """Derive an app's card key from the key of the data folder (id_hashing.key_of)."""
    return hmac.digest(key, f"card\x1f{app_id}".encode(), "sha256").hex().encode()


def signed(key: bytes, card: str) -> str:
    """Return the share_id of a card."""
    return f"{card}.{hmac.digest(key, card.encode('utf-8', 'surrogatepass'), 'sha256')[:8].hex()}"


def is_forged(key: bytes, share_id: str, *, required: bool) -> bool:
    """True for a wrong signature, and where one is required for none."""
    found = _SIGNED.fullmatch(share_id)
    if found is None:
        return required
    return not hmac.compare_digest(
        signed(key, found["id"]).encode(), share_id.encode("utf-8", "surrogatepass")
    )
