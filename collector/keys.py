"""
Make, rotate and revoke apps, write keys and read tokens in the access file.

Called by ``commands`` (``scenetrail keys …``) and by ``standalone`` (the first app of a data folder).
Every change is one atomic replacement of the file under a lock; running collectors and query APIs
read it again within seconds. Secrets are returned once and never stored here: the file holds their
digests. Only ``credentials.json``, for the app that ``scenetrail up`` prints, holds them as text.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from collector.file_lock import one_at_a_time
from collector.scrub import RULES, wrong_rule
from sdk_spec import access, limits
from sdk_spec.access import AccessFile, AdminToken, App, ReadToken, WriteKey
from sdk_spec.events import Platform

CREDENTIALS_FILE = "credentials.json"
FIRST_PROJECT = "default"
FIRST_NAME = "微信小程序 / WeChat mini-program"
"""What people see of a new folder's app until `scenetrail keys set APP --name` says better."""


class KeysError(ValueError):
    """A change that cannot be made; the message says why and what to do."""


class Issued(Struct, frozen=True):
    """A new secret, to be shown once. ``id`` names it in ``keys list``, ``rotate``, ``revoke``."""

    kind: str
    id: str
    secret: str
    project: str
    app_ids: tuple[str, ...]


class Credentials(Struct, frozen=True):
    """The app made for a data folder on the first start, and its secrets as text."""

    project: str
    app_id: str
    write_key: str
    read_token: str


def add_app(
    file: AccessFile, app_id: str, project: str, platform: str = "", name: str = ""
) -> AccessFile:
    """Add an app. Errors: KeysError for a taken or unprintable id or an unknown platform."""
    for what, text in (("app_id", app_id), ("project", project)):
        if not text.isprintable() or not 1 <= len(text) <= limits.MAX_ID_CHARS:
            raise KeysError(f"{what} must be 1 to {limits.MAX_ID_CHARS} printable characters")
    if platform and platform not in get_args(Platform):
        raise KeysError(f"platform must be one of: {' '.join(get_args(Platform))}")
    if any(app.app_id == app_id for app in file.apps):
        raise KeysError(f"app {app_id} exists already; `scenetrail keys list` shows it")
    return replace(file, apps=(*file.apps, App(app_id, project, platform, name)))


def set_app(
    file: AccessFile,
    app_id: str,
    *,
    name: str | None = None,
    signatures: str | None = None,
    max_events_per_s: int | None = None,
    max_body_bytes: int | None = None,
    deny: tuple[str, ...] | None = None,
    hash_openids: bool | None = None,
    retention_days: int | None = None,
    signed_cards: str | None = None,
) -> AccessFile:
    """
    Change an app's name, what it must and may do; None leaves a value as it is, 0 takes a limit away.

    Errors: KeysError for an unknown app or value.
    """
    app = _app(file, app_id)
    given = {
        "name": name,
        "signatures": signatures,
        "max_events_per_s": max_events_per_s,
        "max_body_bytes": max_body_bytes,
        "deny": deny,
        "hash_openids": hash_openids,
        "retention_days": retention_days,
        "signed_cards": signed_cards,
    }
    wrong = [rule for rule in deny or () if wrong_rule(rule)]
    if wrong:
        raise KeysError(f"{wrong[0]!r} is no rule; there are {', '.join(RULES)} and name:<pattern>")
    try:
        changed = msgspec.convert(
            msgspec.structs.asdict(app) | {n: v for n, v in given.items() if v is not None}, App
        )
    except msgspec.ValidationError:
        raise KeysError(f"signatures is one of: {' '.join(get_args(access.Signatures))}") from None
    if min(changed.max_events_per_s, changed.max_body_bytes, changed.retention_days) < 0:
        raise KeysError("a limit is a number from 0 on; 0 takes it away")
    return replace(file, apps=tuple(changed if one is app else one for one in file.apps))


def add_write_key(file: AccessFile, app_id: str, now_ms: int) -> tuple[AccessFile, Issued]:
    """Add a write key beside the app's others. Errors: KeysError for an unknown app."""
    app = _app(file, app_id)
    secret = access.new_secret("wk")
    key = WriteKey(_new_id("key"), app_id, access.digest(secret), created_at=now_ms)
    issued = Issued("write_key", key.key_id, secret, app.project, (app_id,))
    return replace(file, write_keys=(*file.write_keys, key)), issued


def add_read_token(
    file: AccessFile, project: str, app_ids: tuple[str, ...], now_ms: int
) -> tuple[AccessFile, Issued]:
    """
    Add a read token for a project, or for some of its apps.

    Errors: KeysError for an unknown project or an app that is not in it.
    """
    if all(app.project != project for app in file.apps):
        known = sorted({app.project for app in file.apps})
        raise KeysError(
            f"no app belongs to project {project!r}; projects: {' '.join(known) or 'none yet'}"
        )
    for app_id in app_ids:
        if _app(file, app_id).project != project:
            raise KeysError(f"app {app_id} does not belong to project {project!r}")
    secret = access.new_secret("rt")
    token = ReadToken(_new_id("token"), project, access.digest(secret), app_ids, created_at=now_ms)
    issued = Issued("read_token", token.token_id, secret, project, app_ids)
    return replace(file, read_tokens=(*file.read_tokens, token)), issued


def add_admin_token(file: AccessFile, project: str, now_ms: int) -> tuple[AccessFile, Issued]:
    """Add a token that may erase and export persons of a project. Errors: KeysError for an unknown project."""
    if all(app.project != project for app in file.apps):
        known = sorted({app.project for app in file.apps})
        raise KeysError(
            f"no app belongs to project {project!r}; projects: {' '.join(known) or 'none yet'}"
        )
    secret = access.new_secret("at")
    token = AdminToken(_new_id("admin"), project, access.digest(secret), created_at=now_ms)
    issued = Issued("admin_token", token.token_id, secret, project, ())
    return replace(file, admin_tokens=(*file.admin_tokens, token)), issued


def rotate(
    file: AccessFile, identifier: str, now_ms: int, *, keep_old: bool = False
) -> tuple[AccessFile, Issued]:
    """
    Issue a successor with the same rights and revoke the old one.

    Args:
        file: the present state.
        identifier: a key id, a token id, or an app id, which means all write keys of the app.
        now_ms: epoch ms.
        keep_old: leave the old one valid, to be revoked when every client has the new one.
    """
    old = file if keep_old else revoke(file, identifier, now_ms)
    for key in file.write_keys:
        if key.key_id == identifier:
            return add_write_key(old, key.app_id, now_ms)
    for token in file.read_tokens:
        if token.token_id == identifier:
            return add_read_token(old, token.project, token.app_ids, now_ms)
    for admin in file.admin_tokens:
        if admin.token_id == identifier:
            return add_admin_token(old, admin.project, now_ms)
    return add_write_key(old, identifier, now_ms)


def revoke(file: AccessFile, identifier: str, now_ms: int) -> AccessFile:
    """
    Make a write key or a read token invalid; for an app id, all write keys of the app.

    An app itself stays: its stored events remain readable. Errors: KeysError for an unknown id.
    """
    if identifier not in {
        *(key.key_id for key in file.write_keys),
        *(token.token_id for token in file.read_tokens),
        *(token.token_id for token in file.admin_tokens),
        *(app.app_id for app in file.apps),
    }:
        raise KeysError(
            f"no key, token or app has the id {identifier!r}; `scenetrail keys list` shows all ids"
        )
    return replace(
        file,
        write_keys=tuple(
            replace(key, revoked_at=now_ms)
            if identifier in (key.key_id, key.app_id) and not key.revoked_at
            else key
            for key in file.write_keys
        ),
        read_tokens=tuple(
            replace(token, revoked_at=now_ms)
            if identifier == token.token_id and not token.revoked_at
            else token
            for token in file.read_tokens
        ),
        admin_tokens=tuple(
            replace(admin, revoked_at=now_ms)
            if identifier == admin.token_id and not admin.revoked_at
            else admin
            for admin in file.admin_tokens
        ),
    )


def change(path: Path, make: Callable[[AccessFile], tuple[AccessFile, Issued]]) -> Issued:
    """Apply a change that issues a secret to the file at ``path``, atomically."""
    with locked(path):
        changed, issued = make(access.load(path))
        access.save(path, changed)
    return issued


def change_only(path: Path, make: Callable[[AccessFile], AccessFile]) -> None:
    """Apply a change that issues nothing to the file at ``path``, atomically."""
    with locked(path):
        access.save(path, make(access.load(path)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other programs from changing the file meanwhile. Readers need no lock."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with one_at_a_time(path.with_name(path.name + ".lock")):
        yield


def first_credentials(data_dir: Path, access_path: Path, now_ms: int) -> Credentials:
    """
    Return the folder's app with a valid write key and read token; made on the first call.

    Later calls give the same, unless its key or token was revoked: then a new one is issued, and
    the revoked one stays revoked. Apps, keys and tokens of others are left alone.
    """
    path = data_dir / CREDENTIALS_FILE
    with locked(access_path):
        file = access.load(access_path)
        before = file
        old = (
            msgspec.json.decode(path.read_bytes(), type=Credentials)
            if path.exists()
            else Credentials(FIRST_PROJECT, "wx" + secrets.token_hex(8), "", "")
        )
        if all(app.app_id != old.app_id for app in file.apps):
            file = add_app(file, old.app_id, old.project, "wechat", FIRST_NAME)
        write_key, read_token = old.write_key, old.read_token
        if not write_key or _is_revoked(file.write_keys, write_key):
            file, issued = add_write_key(file, old.app_id, now_ms)
            write_key = issued.secret
        elif all(key.sha256 != access.digest(write_key) for key in file.write_keys):
            key = WriteKey(_new_id("key"), old.app_id, access.digest(write_key), now_ms)
            file = replace(file, write_keys=(*file.write_keys, key))
        if not read_token or _is_revoked(file.read_tokens, read_token):
            file, issued = add_read_token(file, old.project, (), now_ms)
            read_token = issued.secret
        elif all(token.sha256 != access.digest(read_token) for token in file.read_tokens):
            token = ReadToken(
                _new_id("token"), old.project, access.digest(read_token), created_at=now_ms
            )
            file = replace(file, read_tokens=(*file.read_tokens, token))
        new = replace(old, write_key=write_key, read_token=read_token)
        # The text first: after a crash in between, the next call adds its digests.
        if new != old:
            _save_private(path, msgspec.json.format(msgspec.json.encode(new), indent=1))
        if file != before:
            access.save(access_path, file)
    return new


def _app(file: AccessFile, app_id: str) -> App:
    for app in file.apps:
        if app.app_id == app_id:
            return app
    known = " ".join(app.app_id for app in file.apps) or "none; `scenetrail keys create app`"
    raise KeysError(f"no app {app_id!r}; apps: {known}")


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(5)}"


def _is_revoked(issued: tuple[WriteKey, ...] | tuple[ReadToken, ...], secret: str) -> bool:
    digest = access.digest(secret)
    return any(one.sha256 == digest and one.revoked_at for one in issued)


def _save_private(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
