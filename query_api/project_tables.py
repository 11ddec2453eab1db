"""
Tables that people fill through the query API for the apps of their token: codes, costs, messages.

Owns who may touch which row: an app belongs to one project, a row to one app, and a token reads and writes the rows of its
own apps only. Every change is one more row; the newest version of a key counts, so repeating an import changes nothing.
Called by qr_codes.py, costs.py and messages.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Iterable, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api.bindings import Bindings
from query_api.clickhouse import Database
from query_api.editor import Editor
from query_api.errors import InvalidRequest, QueryError
from query_api.params import Params
from query_api.report import Row
from query_api.sql import load_sql

MAX_ROWS = 5_000
"""Of one request."""
Text: TypeAlias = Annotated[str, Meta(max_length=256)]


class Page(Params, kw_only=True):
    """Query parameters of a list. ``app_id``: which apps; absent: all that the token may read."""

    app_id: Annotated[list[str], Meta(max_length=1_000)] = msgspec.field(default_factory=list)
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000
    offset: Annotated[int, Meta(ge=0)] = 0


class Rights(Struct, frozen=True):
    """What a token may touch: the apps of a project; ``token_id`` stands beside what it stores."""

    project: str
    readable: list[str]
    token_id: str

    def check(self, app_id: str, path: str) -> None:
        """Refuse an app that is not the token's. Errors: ``forbidden``, whether the app exists or not."""
        if app_id not in self.readable:
            raise QueryError("forbidden", "this token cannot read this app", path)

    def apps(self, asked: list[str]) -> list[str]:
        """Return the asked apps, or all."""
        for app_id in asked:
            self.check(app_id, "$.app_id")
        return sorted(set(asked)) or self.readable


class ProjectTables:
    """The tables of one project with the rights of one token."""

    def __init__(self, database: Database, editor: Editor, rights: Rights) -> None:
        self._database = database
        self._editor = editor
        self.rights = rights

    def bindings(self, app_ids: list[str]) -> Bindings:
        """Start the parameters of a statement over rows of these apps."""
        bindings = Bindings()
        bindings.named("project", self.rights.project, "String")
        bindings.named("app_ids", app_ids, "Array(String)")
        return bindings

    async def fetch(self, name: str, bindings: Bindings, **fragments: str) -> list[Row]:
        """Run ``sql/<name>.sql`` with the reader's rights."""
        sql = load_sql(name, **fragments)
        return (await self._database.fetch(name, sql, bindings.values, uuid.uuid4().hex)).rows

    async def page(
        self, name: str, bindings: Bindings, page: Page, places: str
    ) -> tuple[int, list[Row]]:
        """
        Return how many rows ``sql/<name>.sql`` has in all, and those of the page.

        ``places``: the columns that order them, no two rows alike.
        """
        bindings.named("offset", page.offset, "UInt64")
        bindings.named("page_limit", page.limit, "UInt64")
        rows = await self.fetch("project_tables.page", bindings, rows=load_sql(name), places=places)
        total = rows[0]["total"] if rows else 0
        return total, [row for row in rows if row["place"] > page.offset]

    async def change(self, name: str, bindings: Bindings) -> None:
        """Run an ``INSERT … SELECT`` of ``sql/<name>.sql`` with the editor's rights."""
        await self._editor.run(name, load_sql(name), bindings.values)

    async def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Append rows."""
        if rows:
            await self._editor.insert(table, columns, rows)


def check_unique(keys: Iterable[Hashable], path: str) -> None:
    """Refuse a request that has a key twice: which of both should count?"""
    seen: dict[Hashable, int] = {}
    for i, key in enumerate(keys):
        if key in seen:
            raise InvalidRequest(f"{path}[{i}]", f"the same key as {path}[{seen[key]}]")
        seen[key] = i
