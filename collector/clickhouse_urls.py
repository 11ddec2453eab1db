"""
Addresses of ClickHouse as operators write them: ``http://user:password@host:8123/database``, several with commas between.

Pure. The password may hold a comma; it is shown to nobody.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

DATABASE = "scenetrail"
"""Of an address that names none."""
_END = re.compile(r",(?=https?://)")


class AddressError(ValueError):
    """No address of ClickHouse; the message says how one looks."""


def addresses(url: str) -> list[str]:
    """Addresses of several nodes, written with commas between them."""
    return _END.split(url)


def with_database(url: str) -> str:
    """
    Add the default database to addresses (several: commas between them) that name none.

    Errors: AddressError when one is no ``http(s)://[user:password@]host:port[/database]``.
    """
    found = []
    for one in addresses(url):
        parts = urlsplit(one)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AddressError(
                "the ClickHouse address must look like http://user:password@host:8123/scenetrail\n"
                "ClickHouse 地址格式应为 http://user:password@host:8123/scenetrail"
            )
        found.append(parts._replace(path=f"/{parts.path.strip('/') or DATABASE}").geturl())
    return ",".join(found)


def without_password(text: str) -> str:
    """Hide the passwords of addresses in a text before it is shown."""
    return re.sub(r"//([^/:@\s]*):[^/@\s]*@", r"//\1:***@", text)
