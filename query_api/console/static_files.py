"""
The files of the web page, read once at the start: bytes, gzip, entity tag, and the headers that keep the page closed.

``CONTENT_SECURITY_POLICY`` allows nothing but this server: no inline script or style, no other address, and no text that
becomes HTML (trusted types; the page's one policy passes only the empty text).
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
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


SESSION = '<meta name="scenetrail-session" content="">'
"""Where the page is told who is signed in, so that it need not ask first."""
MODULES = "<!-- modules -->"
"""Where the page names all of its modules, so that a browser asks for them at once and not one after another."""
FIRST_PAGES = ("app.js", "pages/overview.js")
"""What the first numbers need, with what these import: named first, and not behind what may come later."""
_IMPORTED = re.compile(r'^(?:import|export) [^;]*?from "(\.[^"]+)";', re.MULTILINE)


class StaticFile(Struct, frozen=True):
    """One file. ``etag`` is of its bytes."""

    body: bytes
    zipped: bytes
    content_type: str
    etag: str


def load(folder: Path = FOLDER) -> dict[str, StaticFile]:
    """
    Read all files that a browser may ask for, by path relative to the folder.

    The page names them below ``/static/<version>/``, a digest of them all: browsers keep them for good, and an update shows
    at once because the page, which is never kept, names other addresses.
    """
    files: dict[str, StaticFile] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TYPES:
            files[path.relative_to(folder).as_posix()] = _file(path.read_bytes(), path.suffix)
    version = version_of(files)
    first = imported_by(FIRST_PAGES, files)
    later = [name for name in files if name.endswith(".js") and name not in first]
    later.sort(key=lambda name: not name.startswith("vendor/"))  # the charts before other pages
    modules = "\n".join(
        [f'<link rel="modulepreload" href="/static/{name}">' for name in first if name != "app.js"]
        + [
            f'<link rel="modulepreload" href="/static/{name}" fetchpriority="low">'
            for name in later
        ]
    )
    page = files["index.html"].body.decode().replace(MODULES, modules)
    page = page.replace('"/static/', f'"/static/{version}/')
    files["index.html"] = _file(page.encode(), ".html")
    return files


def imported_by(names: tuple[str, ...], files: dict[str, StaticFile]) -> list[str]:
    """Return these modules and all that they import before they run, each once, those asked for first before the others."""
    found = list(names)
    for name in found:
        folder = posixpath.dirname(name)
        found += [
            imported
            for path in _IMPORTED.findall(files[name].body.decode())
            if (imported := posixpath.normpath(posixpath.join(folder, path))) not in found
        ]
    return found


def version_of(files: dict[str, StaticFile]) -> str:
    """Return what stands for these files in their addresses; the page itself is not among them."""
    tags = "".join(file.etag for name, file in sorted(files.items()) if name != "index.html")
    return hashlib.sha256(tags.encode()).hexdigest()[:16]


def _file(body: bytes, suffix: str) -> StaticFile:
    return StaticFile(
        body=body,
        zipped=gzip.compress(body, 6, mtime=0),
        content_type=_TYPES[suffix],
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    )
