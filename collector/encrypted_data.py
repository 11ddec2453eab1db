"""
WeChat's ``encryptedData`` (wx.getGroupEnterInfo, wx.getShareInfo) in clear: AES-128-CBC, PKCS#7, watermark checked. Pure.

The session key comes from code2Session on the server of the brand; it is an argument here, never stored and never logged. A
later wx.login replaces it, so data is opened with the key of its own login: ``WrongSessionKeyError`` means another one.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 16
MAX_AGE_S = 24 * 3600
"""Of the watermark: a queue of a client's may hold the data for some hours; older data is a replay."""
MAX_AHEAD_S = 300
MAX_ENCRYPTED_CHARS = 8_192


class EncryptedDataError(ValueError):
    """The data cannot be used; the message holds neither key nor contents."""


class WrongSessionKeyError(EncryptedDataError):
    """Not made with this session key: the user has logged in again since."""


class Watermark(msgspec.Struct, frozen=True):
    """For which app and when (epoch s) WeChat made the data."""

    appid: str
    timestamp: int


class _Marked(msgspec.Struct, frozen=True):
    watermark: Watermark


class GroupEntry(msgspec.Struct, frozen=True):
    """What getGroupEnterInfo and getShareInfo hold; new fields of WeChat's are ignored."""

    opengid: str = msgspec.field(name="opengid", default="")
    open_gid: str = msgspec.field(name="openGId", default="")
    chat_type: int | None = None

    @property
    def group_id(self) -> str:
        """The group's id for this app; '' outside a group."""
        return self.opengid or self.open_gid


def decrypt(session_key: str, iv: str, encrypted_data: str, app_id: str, now_s: float) -> bytes:
    """
    Return the JSON inside, once its watermark names ``app_id`` and a fresh time.

    Args:
        session_key: base64 of 16 bytes, as code2Session gave it.
        iv: base64 of 16 bytes, as the client got it beside the data.
        encrypted_data: base64.
        app_id: whose data it must be.
        now_s: wall clock, epoch s.

    Errors: WrongSessionKeyError; EncryptedDataError.
    """
    if len(encrypted_data) > MAX_ENCRYPTED_CHARS:
        raise EncryptedDataError(f"longer than {MAX_ENCRYPTED_CHARS} characters")
    key, vector = (
        _bytes(text, name, KEY_BYTES) for text, name in ((session_key, "session_key"), (iv, "iv"))
    )
    cipher_text = _bytes(encrypted_data, "encrypted_data", None)
    if not cipher_text or len(cipher_text) % KEY_BYTES:
        raise EncryptedDataError("encrypted_data is not whole blocks of AES")
    decryptor = Cipher(algorithms.AES128(key), modes.CBC(vector)).decryptor()
    padded = decryptor.update(cipher_text) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        text = unpadder.update(padded) + unpadder.finalize()
        mark = msgspec.json.decode(text, type=_Marked).watermark
    except ValueError:
        # Not chained: the cause quotes what was inside.
        raise WrongSessionKeyError(
            "not made with this session key; the user has logged in since"
        ) from None
    if mark.appid != app_id:
        raise EncryptedDataError("made for another app")
    if not -MAX_AHEAD_S <= now_s - mark.timestamp <= MAX_AGE_S:
        raise EncryptedDataError("the watermark's time is not now")
    return text


def group_entry(
    session_key: str, iv: str, encrypted_data: str, app_id: str, now_s: float
) -> GroupEntry:
    """Return the group that a visit came from. Errors: those of ``decrypt``."""
    text = decrypt(session_key, iv, encrypted_data, app_id, now_s)
    try:
        return msgspec.json.decode(text, type=GroupEntry)
    except msgspec.ValidationError:
        raise EncryptedDataError("no group's entry") from None


def _bytes(text: str, name: str, length: int | None) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EncryptedDataError(f"{name} is not base64") from None
    if length is not None and len(found) != length:
        raise EncryptedDataError(f"{name} is not {length} bytes")
    return found


def as_event_fields(entry: GroupEntry) -> dict[str, Any]:
    """Return the fields of an event that the entry fills: ``group_id`` and ``chat_type``."""
    fields: dict[str, Any] = {"group_id": entry.group_id or None, "chat_type": entry.chat_type}
    return {name: value for name, value in fields.items() if value is not None}
