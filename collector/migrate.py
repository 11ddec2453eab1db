"""
Apply ``collector/sql/NNNN_*.sql`` in order, each file once, and load the scene dictionary.

Every statement can be repeated (``IF NOT EXISTS``), so a run that died half-way is simply run again. Synchronous: runs
before anything serves.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import clickhouse_connect

from sdk_spec import scenes

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations
(
    name String,
    sha256 String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY name
"""


class MigrationChangedError(RuntimeError):
    """A file that was applied before has other content now: write a new file instead."""


def statements(text: str) -> list[str]:
    """Split a file into statements; a statement ends with ``;`` at the end of a line. Comment lines are dropped."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [
        part.strip() for part in re.split(r";\s*$", "\n".join(lines), flags=re.M) if part.strip()
    ]


def files() -> list[tuple[str, str]]:
    """All migrations as (name, text), in order."""
    folder = resources.files("collector.sql")
    return sorted(
        (entry.name, entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if re.fullmatch(r"\d{4}_\w+\.sql", entry.name)
    )


def sha256(text: str) -> str:
    """Digest of a migration file as it is recorded."""
    return hashlib.sha256(text.encode()).hexdigest()


def connect(url: str, **settings: Any) -> Client:  # noqa: ANN401 (ClickHouse settings of any kind)
    """Client for an address with credentials and database: ``http://user:password@host:port/database``."""
    return clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False, settings=settings)


def migrate(url: str) -> list[str]:
    """
    Bring the database of ``url`` up to date and return the names of the files applied now.

    Creates the database if it is missing. Errors: MigrationChangedError; ClickHouse's own.
    """
    server_url, _, database = url.rpartition("/")
    if not re.fullmatch(r"\w+", database):
        raise ValueError(f"the ClickHouse address must end with a database name: {database!r}")
    server = connect(server_url)
    try:
        server.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    finally:
        server.close()
    client = connect(url)
    try:
        client.command(_RECORD)
        done = dict(client.query("SELECT name, sha256 FROM migrations FINAL").result_rows)
        applied = []
        for name, text in files():
            digest = sha256(text)
            if name in done:
                if done[name] != digest:
                    raise MigrationChangedError(name)
                continue
            for statement in statements(text):
                client.command(statement)
            client.insert("migrations", [[name, digest]], column_names=["name", "sha256"])
            applied.append(name)
        load_scenes(client)
        return applied
    finally:
        client.close()


def load_scenes(client: Client) -> None:
    """Insert every grouping scheme of the scene dictionary whose version is not in the table yet."""
    stored = {
        tuple(row)
        for row in client.query("SELECT DISTINCT scheme, scheme_version FROM scenes").result_rows
    }
    dictionary = scenes.dictionary()
    for scheme in dictionary.schemes:
        if (scheme.scheme, scheme.version) in stored:
            continue
        client.insert(
            "scenes",
            [
                [scheme.scheme, scheme.version, s.platform, s.scene, s.name, scheme.group_of(s)]
                for s in dictionary.scenes
            ],
            column_names=[
                "scheme",
                "scheme_version",
                "platform",
                "scene",
                "scene_name",
                "scene_group",
            ],
        )
