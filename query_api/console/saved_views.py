"""
Saved views and boards: definitions that operators keep, in one file of the data folder (``console.json``).

A view is a page and the state of its address, nothing of the answers. All operators of a project share them. The file is
replaced atomically; the console's export and import write and read the same list.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api.errors import QueryError

MAX_VIEWS = 500
"""In one project."""
MAX_STATE_CHARS = 60_000
"""A health model of sixty indicators fits in."""

ViewId: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,40}$")]


class View(Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One saved view. Boards show theirs in the order of the list.

    ``state``: the query text of the page's address. ``board``: the board it hangs on, '' for none; ``wide``: over its whole
    width.
    """

    view_id: ViewId
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    page: Annotated[str, Meta(pattern="^[a-z_]{1,30}$")]
    state: Annotated[str, Meta(max_length=MAX_STATE_CHARS)] = ""
    board: Annotated[str, Meta(max_length=100)] = ""
    wide: bool = False
    saved_at: int = 0


class ViewList(Struct, kw_only=True, forbid_unknown_fields=True):
    """What GET answers and PUT takes."""

    views: Annotated[list[View], Meta(max_length=MAX_VIEWS)] = []


class SavedViews:
    """The views of all projects. One process writes, in several threads; a call reads or replaces the whole small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replacing = threading.Lock()

    def of(self, project: str) -> ViewList:
        """Return a project's views. Errors: ``internal`` when the file is no longer what was written."""
        return ViewList(views=self._load().get(project, []))

    def replace(self, project: str, views: ViewList) -> None:
        """Keep these views of a project in place of those it had. Errors: ``invalid_request`` for ids that stand twice."""
        ids = [view.view_id for view in views.views]
        if len(set(ids)) != len(ids):
            raise QueryError("invalid_request", "a view_id stands twice", "$.views")
        with self._replacing:
            everyone = self._load()
            everyone[project] = views.views
            temporary = self._path.with_suffix(".new")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(everyone), indent=1))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)

    def _load(self) -> dict[str, list[View]]:
        if not self._path.exists():
            return {}
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, list[View]])
        except msgspec.MsgspecError as error:
            raise QueryError(
                "internal", f"{self._path.name} in the data folder cannot be read: {error}"
            ) from error
