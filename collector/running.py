"""
What a running ``scenetrail up`` tells about itself: the READY line, and ``ready.json`` of its data folder while it serves.

``standalone`` writes it; the other commands find ClickHouse and the collector by it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

READY_FILE = "ready.json"


class Ready(Struct, frozen=True):
    """
    Addresses and first credentials.

    ``clickhouse_url`` has the writer's credentials, ``clickhouse_reader_url`` the reader's; of a cluster they are the first
    node's, and ``clickhouse_urls`` has the addresses of all nodes, with commas between them.
    """

    collector_url: str
    query_url: str
    clickhouse_url: str
    clickhouse_reader_url: str
    clickhouse_editor_url: str
    clickhouse_urls: str
    write_key: str
    read_token: str
    app_id: str
    project: str
    data_dir: str
    pid: int

    def json(self) -> str:
        """One line."""
        return msgspec.json.encode(self).decode()


def publish(data_dir: Path, ready: Ready) -> None:
    """Write the file, for this user only: it holds secrets."""
    path = data_dir / READY_FILE
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(ready.json())
    temporary.replace(path)


def withdraw(data_dir: Path) -> None:
    """Remove the file."""
    (data_dir / READY_FILE).unlink(missing_ok=True)


def published(data_dir: Path) -> Ready | None:
    """
    Return what runs on a data folder, as far as this user may know it.

    Errors: msgspec.DecodeError for a file of another program.
    """
    path = data_dir / READY_FILE
    if not path.is_file() or not os.access(path, os.R_OK):
        return None
    return msgspec.json.decode(path.read_bytes(), type=Ready)
