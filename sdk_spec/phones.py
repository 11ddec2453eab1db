"""
Phone numbers as keyed hashes: ``phone_hash``, the weakest of the ids. The number itself never travels.

A business's own server knows the number (platforms give it to servers only), so the server hashes it, with the project's
phone key (``scenetrail keys phone-key``), before it sends an event. The collector takes hashes only and refuses anything
else, so no number can reach its disk, a proxy's log or another party through this field. Without the key nobody can find a
number by trying.

A hash is ``ph_`` and the first 32 hex digits of HMAC-SHA-256 over the number in E.164 (``+8613800138000``). Shared by the
server SDK, the collector and ``scenetrail``.
"""

from __future__ import annotations

import hmac
import re
import unicodedata

PREFIX = "ph_"
PATTERN = "^(ph_[0-9a-f]{32})?$"
"""Empty means absent, as for the other ids."""
MAX_CHARS = len(PREFIX) + 32
_FILLERS = re.compile(r"[\s().\-\u2010-\u2015]+")
_MAINLAND = re.compile(r"(?:\+?86)?(1[3-9]\d{9})", re.A)
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.A)


def phone_key(key: bytes, project: str) -> str:
    """Derive a project's phone key from the key of the data folder (id_hashing.key_of): 64 hex digits."""
    return hmac.digest(key, f"phone\x1f{project}".encode(), "sha256").hex()


def phone_hash(key: str, phone: str) -> str:
    """
    Return what stands for a phone number: the same for every way of writing it.

    ``key``: as ``scenetrail keys phone-key`` prints it. Errors: ValueError, without the number.
    """
    if not re.fullmatch("[0-9a-f]{64}", key):
        raise ValueError("the key is the 64 hex digits that `scenetrail keys phone-key` prints")
    digest = hmac.digest(key.encode(), normalised(phone).encode(), "sha256")
    return PREFIX + digest[:16].hex()


def normalised(phone: str) -> str:
    """
    Return a number as E.164: ``138 0013 8000``, ``+86-13800138000`` and ``008613800138000`` are ``+8613800138000``.

    A number of another place needs its ``+`` and country code. Errors: ValueError, without the number.
    """
    text = _FILLERS.sub("", unicodedata.normalize("NFKC", phone))
    if text.startswith("00"):
        text = f"+{text[2:]}"
    mainland = _MAINLAND.fullmatch(text)
    if mainland:
        return f"+86{mainland[1]}"
    if not _E164.fullmatch(text) or text.startswith("+86"):
        raise ValueError(
            "no phone number: give a mainland mobile number, or + and the country code / 不是手机号"
        )
    return text


def is_hash(text: str) -> bool:
    """True for what ``phone_hash`` returns."""
    return bool(text) and re.fullmatch(PATTERN, text) is not None
