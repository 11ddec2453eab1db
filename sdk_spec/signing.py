"""
Signed requests: for servers, which can hold a secret. The write key itself never travels.

The secret of a signature is the SHA-256 of the write key in hex: the client computes it from its key, the collector has
it in the access file, and nothing more is stored. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from msgspec import Struct

from sdk_spec.access import digest

KEY_ID_HEADER = "X-Write-Key-Id"
SIGNATURE_HEADER = "X-Signature"
_FORM = re.compile(r"t=([0-9]{1,15}),v1=([0-9a-f]{64})", re.ASCII)


class Signature(Struct, frozen=True):
    """What ``X-Signature: t=<epoch ms>,v1=<hex>`` says."""

    at_ms: int
    mac: str

    def is_of(self, sha256: str, encoding: str, body: bytes) -> bool:
        """True when the owner of the key with this digest made it for this body. Constant time."""
        return hmac.compare_digest(self.mac, _mac(sha256, self.at_ms, encoding, body))


def parse(header: str) -> Signature | None:
    """Read the header; None when it has another form."""
    match = _FORM.fullmatch(header.strip())
    return None if match is None else Signature(int(match[1]), match[2])


def headers(write_key: str, key_id: str, at_ms: int, encoding: str, body: bytes) -> dict[str, str]:
    """
    Return the headers of a signed request, instead of ``X-Write-Key``.

    ``encoding`` is the value of Content-Encoding, empty without one; ``body`` the bytes as they are sent.
    """
    mac = _mac(digest(write_key), at_ms, encoding, body)
    return {KEY_ID_HEADER: key_id, SIGNATURE_HEADER: f"t={at_ms},v1={mac}"}


def _mac(sha256: str, at_ms: int, encoding: str, body: bytes) -> str:
    """
    No header can hold a line feed, so what is signed can be read in one way only.

    A client may send bytes as ``encoding`` that are no text: they must be an answer, no fault.
    """
    head = f"v1\n{at_ms}\n{encoding}\n".encode("utf-8", "surrogateescape")
    made = hmac.new(sha256.encode(), head, hashlib.sha256)
    made.update(body)
    return made.hexdigest()
