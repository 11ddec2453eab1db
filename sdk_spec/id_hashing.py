"""
Openids as keyed hashes: for apps whose openids shall never reach a disk. Shared by collector, query API and ``scenetrail``.

The key lies in the data folder (``id-hash.secret``, 0600) and must be the same for every collector of a project; without it
nobody can tell an openid from its hash or find one by trying. Losing it makes old and new ids strangers.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path

FILE = "id-hash.secret"
PREFIX = "hid_"
_HASHED = re.compile(rf"{PREFIX}[0-9a-f]{{32}}")


def key_of(data_dir: Path, *, make: bool = False) -> bytes | None:
    """Return the key of a data folder; None without one. ``make``: make it on first use."""
    path = data_dir / FILE
    if make and not path.exists():
        temporary = path.with_name(f"{FILE}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32).hex().encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # of several processes one wins
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes().strip() if path.exists() else None


def hashed(key: bytes, app_id: str, openid: str) -> str:
    """Return what stands for an openid; an id that is a hash already stays."""
    if _HASHED.fullmatch(openid):
        return openid
    digest = hmac.digest(key, f"{app_id}\x1f{openid}".encode("utf-8", "surrogatepass"), "sha256")
    return PREFIX + digest[:16].hex()


def is_hashed(openid: str) -> bool:
    """True for what ``hashed`` returns."""
    return _HASHED.fullmatch(openid) is not None


def key_id(key: bytes) -> str:
    """A name of the key that tells nothing of it: to compare two collectors."""
    return hashlib.sha256(b"id of " + key).hexdigest()[:12]
