"""
Who may send and who may ask: the access file, shared by collector and query API.

One JSON file, replaced atomically, read again when it changes: it works while ClickHouse is down, and a revocation takes
effect within a second. Keys and tokens stand in it as SHA-256 only; they are random 128-bit values, so a plain hash
cannot be searched.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

Signatures = Literal["off", "optional", "required"]


class App(Struct, frozen=True):
    """
    A mini-program on one platform, or a brand's server, web or native app.

    ``signatures``: whether requests may or must be signed. ``max_events_per_s`` of one collector worker and
    ``max_body_bytes`` (as sent and decompressed) bound what is taken from it; 0: as the collector's own limits.
    ``deny``: rules for properties that never reach a disk (collector/scrub.py). ``hash_openids``: only keyed hashes of them are
    kept. ``retention_days``: events older than that are removed; 0: kept. ``signed_cards``: whether share_ids may or must be
    signed (cards.py).
    """

    app_id: str
    project: str
    platform: str = ""
    name: str = ""
    signatures: Signatures = "off"
    max_events_per_s: int = 0
    max_body_bytes: int = 0
    deny: tuple[str, ...] = ()
    hash_openids: bool = False
    retention_days: int = 0
    signed_cards: Signatures = "off"


class WriteKey(Struct, frozen=True):
    """Lets a client send events of one app. ``revoked_at`` in epoch ms, 0 while valid."""

    key_id: str
    app_id: str
    sha256: str
    created_at: int = 0
    revoked_at: int = 0


class ReadToken(Struct, frozen=True):
    """Lets a program query a project, or some of its apps when ``app_ids`` is not empty."""

    token_id: str
    project: str
    sha256: str
    app_ids: tuple[str, ...] = ()
    created_at: int = 0
    revoked_at: int = 0


class AdminToken(Struct, frozen=True):
    """Lets a program erase persons of a project and hand out all that is stored of them. It cannot query or send."""

    token_id: str
    project: str
    sha256: str
    created_at: int = 0
    revoked_at: int = 0


class AccessFile(Struct, frozen=True):
    """The whole file."""

    version: int = 1
    apps: tuple[App, ...] = ()
    write_keys: tuple[WriteKey, ...] = ()
    read_tokens: tuple[ReadToken, ...] = ()
    admin_tokens: tuple[AdminToken, ...] = ()


def digest(secret: str) -> str:
    """SHA-256 of a key or token in hex, as it stands in the file."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_secret(prefix: str) -> str:
    """Make a random 128-bit key such as ``wk_…`` or ``rt_…``; shown once, then only its digest is kept."""
    return f"{prefix}_{secrets.token_hex(16)}"


def path_of(data_dir: Path, access_file: str = "") -> Path:
    """Where the file lies: as a setting says, else in the data folder."""
    return Path(access_file) if access_file else data_dir / "access.json"


def load(path: Path) -> AccessFile:
    """Read the file; a missing one is empty. Errors: msgspec.ValidationError, OSError."""
    if not path.exists():
        return AccessFile()
    return msgspec.json.decode(path.read_bytes(), type=AccessFile)


def save(path: Path, access: AccessFile) -> None:
    """Replace the file atomically and durably, mode 0600."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(access), indent=1))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Access:
    """
    The file as lookup tables, read again when its modification time or inode changes.

    ``refresh`` costs one ``stat``; callers do it at most once a second. A file that cannot be read or parsed keeps the
    last good state, so that a broken edit locks nobody out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self.apps: dict[str, App] = {}
        self._write_keys: dict[str, WriteKey] = {}
        self._write_keys_by_id: dict[str, WriteKey] = {}
        # Valid keys that were seen, which spares their next digest.
        self._apps_by_key: dict[str, App] = {}
        self._read_tokens: dict[str, ReadToken] = {}
        self._admin_tokens: dict[str, AdminToken] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the file again if it changed. Errors: those of ``load``; the old state then stays."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp == self._stamp:
            return
        access = load(self._path)
        self._stamp = stamp
        self.apps = {app.app_id: app for app in access.apps}
        self._apps_by_key = {}
        self._write_keys = {key.sha256: key for key in access.write_keys if not key.revoked_at}
        self._write_keys_by_id = {key.key_id: key for key in self._write_keys.values()}
        self._read_tokens = {t.sha256: t for t in access.read_tokens if not t.revoked_at}
        self._admin_tokens = {t.sha256: t for t in access.admin_tokens if not t.revoked_at}

    def app_of_key(self, write_key: str) -> App | None:
        """Return the app of a valid write key. A lookup by digest takes the same time for any wrong key."""
        app = self._apps_by_key.get(write_key)
        if app is None:
            key = self.write_key(write_key)
            app = None if key is None else self.apps.get(key.app_id)
            if app is not None:
                self._apps_by_key[write_key] = app
        return app

    def write_key(self, write_key: str) -> WriteKey | None:
        """Return the entry of a valid write key."""
        return self._write_keys.get(digest(write_key))

    def write_key_of_id(self, key_id: str) -> WriteKey | None:
        """Return a valid write key by its id, which is no secret: the caller has proof of its own."""
        return self._write_keys_by_id.get(key_id)

    def admin_token(self, secret: str) -> AdminToken | None:
        """Return a valid admin token's rights."""
        return self._admin_tokens.get(digest(secret))

    def token(self, read_token: str) -> ReadToken | None:
        """Return a valid read token's rights."""
        return self._read_tokens.get(digest(read_token))

    def token_of_id(self, token_id: str) -> ReadToken | None:
        """Return a valid read token's rights by its id, which is no secret: the caller has proof of its own."""
        return next((t for t in self._read_tokens.values() if t.token_id == token_id), None)

    def apps_of(self, token: ReadToken) -> list[str]:
        """All app ids that a token may read, sorted."""
        return sorted(
            app.app_id
            for app in self.apps.values()
            if app.project == token.project and (not token.app_ids or app.app_id in token.app_ids)
        )
