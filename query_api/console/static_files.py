"""
The files of the web page, read once at the start: bytes, gzip, entity tag, and the headers that keep the page closed.

``CONTENT_SECURITY_POLICY`` allows nothing but this server: no inline script or style, no other address, and no text that
becomes HTML (trusted types; the page's one policy passes only the empty text).
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from msgspec import Struct

FOLDER = Path(__file__).parent.parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types default",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class StaticFile(Struct, frozen=True):
    """One file. ``etag`` is of its bytes; browsers ask again each time and get 304, so an update shows at once."""

    body: bytes
    zipped: bytes
    content_type: str
    etag: str


def load(folder: Path = FOLDER) -> dict[str, StaticFile]:
    """Read all files that a browser may ask for, by path relative to the folder."""
    files: dict[str, StaticFile] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            files[path.relative_to(folder).as_posix()] = StaticFile(
                body=body,
                zipped=gzip.compress(body, 6, mtime=0),
                content_type=_TYPES[path.suffix],
                etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            )
    return files
