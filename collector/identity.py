"""
The ids of an event and the bindings that follow from them. Pure; persons.py of sdk_spec turns bindings into persons.

``user_id``, ``unionid`` and ``phone_hash`` identify within the project, ``openid`` and ``anonymous_id`` within the app. Ids
that stand together in an event are bound.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import xxhash

from sdk_spec.ids import KINDS, KINDS_OF_AN_APP, PLACEHOLDERS
from sdk_spec.persons import Binding


def id_key(project: str, kind: str, app_id: str, value: str) -> int:
    """64-bit key of an id within its scope: the app for openid and anonymous_id, else the project."""
    scope = app_id if kind in KINDS_OF_AN_APP else ""
    return xxhash.xxh3_64_intdigest(f"{project}\x1f{kind}\x1f{scope}\x1f{value}".encode())


class Ids(msgspec.Struct, frozen=True):
    """The ids of one event, '' where absent, with what follows from them."""

    project: str
    app_id: str
    anonymous_id: str
    openid: str
    unionid: str
    user_id: str
    phone_hash: str
    actor: int
    bindings: tuple[Binding, ...]
    placeholders: int = 0

    @staticmethod
    def of(project: str, app_id: str, source: Any) -> Ids:  # noqa: ANN401 (Envelope or Event)
        """Ids of a batch or an event."""
        return _ids(
            project,
            app_id,
            source.anonymous_id or "",
            source.openid or "",
            source.unionid or "",
            source.user_id or "",
            source.phone_hash or "",
        )

    def overridden_by(self, event: Any) -> Ids:  # noqa: ANN401 (Event)
        """These ids with those that the event gives itself."""
        return _ids(
            self.project,
            self.app_id,
            event.anonymous_id or self.anonymous_id,
            event.openid or self.openid,
            event.unionid or self.unionid,
            event.user_id or self.user_id,
            event.phone_hash or self.phone_hash,
        )


@lru_cache(maxsize=65_536)
def _ids(
    project: str,
    app_id: str,
    anonymous_id: str,
    openid: str,
    unionid: str,
    user_id: str,
    phone_hash: str,
) -> Ids:
    values = (user_id, unionid, openid, anonymous_id, phone_hash)
    given = [
        (
            kind,
            app_id if kind in KINDS_OF_AN_APP else "",
            value,
            id_key(project, kind, app_id, value),
        )
        for kind, value in zip(KINDS, values, strict=True)
        if value
    ]
    usable = [entry for entry in given if entry[2].strip().lower() not in PLACEHOLDERS]
    bindings = tuple(
        Binding(
            project=project,
            id_key=strong[3],
            kind=strong[0],
            app_id=strong[1],
            id=strong[2],
            other_key=weak[3],
            other_kind=weak[0],
            other_app_id=weak[1],
            other_id=weak[2],
        )
        for index, strong in enumerate(usable)
        for weak in usable[index + 1 :]
    )
    # A placeholder counts only where nothing better is given. A phone only binds: no event is its own.
    actor = next((one[3] for one in (*usable, *given) if one[0] != "phone_hash"), 0)
    placeholders = len(given) - len(usable)
    return Ids(
        project,
        app_id,
        anonymous_id,
        openid,
        unionid,
        user_id,
        phone_hash,
        actor,
        bindings,
        placeholders,
    )
