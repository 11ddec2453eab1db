"""
Why some ids are one person, and how a person takes them apart: ``GET /v1/identity/{id}/explain``, ``POST /v1/identity/unbind``.

Reads what the collector's writer derived and its evidence; decides nothing itself. An unbinding is one more row, from both
sides; the writer sees it within about a second and works the persons out again. Called by identity_handlers.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import xxhash
from msgspec import Meta

from query_api.bindings import Bindings
from query_api.clickhouse import Database
from query_api.editor import Editor
from query_api.errors import InvalidRequest, QueryError
from query_api.params import AppId, Params
from query_api.periods import rfc3339
from query_api.report import Row
from query_api.sql import load_sql
from sdk_spec.access import ReadToken
from sdk_spec.ids import KINDS, KINDS_OF_AN_APP, PLACEHOLDERS
from sdk_spec.limits import MAX_ID_CHARS

MAX_MEMBERS = 1_000
"""Ids of the explained persons that are shown; a device that thousands used has more."""
MAX_PAIRS = 5_000


class GivenId(Params, kw_only=True):
    """One id. ``app_id``: for ``openid`` and ``anonymous_id``, which identify within an app."""

    kind: Literal["user_id", "unionid", "openid", "anonymous_id", "phone_hash"]
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]
    app_id: AppId | None = None


class Unbind(Params, kw_only=True):
    """Body of ``POST /v1/identity/unbind``: two ids that were bound and are not one person."""

    id: GivenId
    other: GivenId
    reason: Annotated[str, Meta(min_length=1, max_length=1_000)]


def id_key(project: str, kind: str, app_id: str, value: str) -> int:
    """64-bit key of an id within its scope, as the collector computes it."""
    scope = app_id if kind in KINDS_OF_AN_APP else ""
    return xxhash.xxh3_64_intdigest(f"{project}\x1f{kind}\x1f{scope}\x1f{value}".encode())


def candidates(project: str, text: str, app_ids: Iterable[str]) -> dict[int, Row]:
    """
    Return what a text may mean, by key: ``kind:value``, or a bare value under every kind.

    An openid or anonymous_id stands for one id in each of ``app_ids``.
    """
    kind, colon, value = text.partition(":")
    kinds: tuple[str, ...] = (kind,)
    if not colon or kind not in KINDS:
        kinds, value = KINDS, text
    if not 0 < len(value) <= MAX_ID_CHARS:
        raise InvalidRequest("$.id", f"an id of 1 to {MAX_ID_CHARS} characters")
    found: dict[int, Row] = {}
    for each in kinds:
        for app_id in app_ids if each in KINDS_OF_AN_APP else ("",):
            key = id_key(project, each, app_id, value)
            found[key] = {"kind": each, "app_id": app_id, "id": value}
    return found


class Explainer:
    """Answers ``explain`` for one token: ids and evidence of apps it cannot read are counted, not shown."""

    def __init__(self, database: Database, token: ReadToken, app_ids: list[str]) -> None:
        self._database = database
        self._token = token
        self._app_ids = app_ids
        # Ids of the explained persons that only events of other apps have.
        self._unseen: set[int] = set()

    async def _fetch(
        self, name: str, fragments: dict[str, str] | None = None, **values: tuple[Any, str]
    ) -> list[Row]:
        bindings = Bindings()
        for parameter, (value, type_) in values.items():
            bindings.named(parameter, value, type_)
        fetched = await self._database.fetch(
            name, load_sql(name, **(fragments or {})), bindings.values, uuid.uuid4().hex
        )
        return fetched.rows

    async def persons(self, asked: dict[int, Row]) -> dict[int, list[Row]]:
        """Return those of the asked ids that were seen, by person."""
        rows = await self._fetch(
            "identity.known",
            {"known": "1", "persons": load_sql("source.map_latest")},
            keys=(list(asked), "Array(UInt64)"),
            app_ids=(self._app_ids, "Array(String)"),
        )
        found: dict[int, list[Row]] = {}
        for row in rows:
            found.setdefault(row["person"], []).append(asked[row["id_key"]])
        return found

    async def explain(self, text: str) -> Row:
        """
        Answer for an id. Errors: ``not_found`` for one that was never seen in the apps of the token.
        """
        asked = candidates(self._token.project, text, self._app_ids)
        persons = await self.persons(asked)
        if not persons:
            raise QueryError("not_found", "this id was never seen in the apps that the token reads")
        members = await self._fetch(
            "identity.members",
            persons=(list(persons), "Array(UInt64)"),
            app_ids=(self._app_ids, "Array(String)"),
            members_limit=(MAX_MEMBERS + 1, "UInt32"),
        )
        ids: dict[int, Row] = {
            key: one for key, one in asked.items() if any(one in of for of in persons.values())
        }
        person_of = {key: p for p, of in persons.items() for key in ids if ids[key] in of}
        seen = set(ids)
        for row in members[:MAX_MEMBERS]:
            person_of[row["id_key"]] = row["person"]
            if row["kind"]:
                ids[row["id_key"]] = {name: row[name] for name in ("kind", "app_id", "id")}
                if not row["is_seen"]:
                    self._unseen.add(row["id_key"])
        self._unseen -= seen
        keys = (sorted(person_of), "Array(UInt64)")
        pairs = await self._fetch(
            "identity.bindings", keys=keys, pairs_limit=(MAX_PAIRS + 1, "UInt32")
        )
        unbindings = await self._fetch("identity.unbindings", keys=keys)
        quarantined = await self._fetch("identity.quarantined", keys=keys)
        shown = [
            self._person(
                person,
                persons[person],
                ids,
                person_of,
                pairs[:MAX_PAIRS],
                unbindings,
                {row["id_key"]: row for row in quarantined},
            )
            for person in sorted(persons)
        ]
        return {
            "result": {"asked": text, "persons": shown},
            "semantics": SEMANTICS,
            "meta": {"truncated": len(members) > MAX_MEMBERS or len(pairs) > MAX_PAIRS},
        }

    def _person(
        self,
        person: int,
        asked: list[Row],
        ids: dict[int, Row],
        person_of: dict[int, int],
        pairs: list[Row],
        unbindings: list[Row],
        quarantined: dict[int, Row],
    ) -> Row:
        mine = {key for key, whose in person_of.items() if whose == person}
        texts = dict(ids)
        bindings, not_merged = [], []
        hidden = 0
        seen: set[tuple[int, int]] = set()
        for pair in pairs:
            if pair["id_key"] not in mine:
                continue
            texts[pair["other_key"]] = {
                name: pair[f"other_{name}"] for name in ("kind", "app_id", "id")
            }
            # Both sides of a pair lie in the person: shown once.
            both = tuple(sorted((pair["id_key"], pair["other_key"])))
            if both in seen:
                continue
            seen.add(both)
            keys = pair["id_key"], pair["other_key"]
            sides = [texts[key] for key in keys]
            may_show = all(map(self._may_show, keys, sides))
            if pair["event_app_id"] not in self._app_ids or not may_show:
                hidden += 1
                continue
            sides.sort(key=lambda one: KINDS.index(one["kind"]))
            shown = {
                "id": sides[0],
                "other": sides[1],
                "evidence": {
                    "event_id": pair["event_id"],
                    "app_id": pair["event_app_id"],
                    "occurred_at": rfc3339(pair["occurred_ms"]),
                    "received_at": rfc3339(pair["received_ms"]),
                },
                "events": pair["events"],
                "last_occurred_at": rfc3339(pair["last_ms"]),
            }
            if pair["is_bound"] and pair["other_person"] == person:
                bindings.append(shown)
            else:
                other = {"other_user": str(pair["other_person"])}
                not_merged.append(shown | other | self._why_not(pair, person))
        own = sorted(
            ((key, ids[key]) for key in mine if key in ids),
            key=lambda one: (KINDS.index(one[1]["kind"]), one[1]["app_id"], one[1]["id"]),
        )
        return {
            "user": str(person),
            "asked": asked,
            "ids": [
                one | {"is_placeholder": one["id"].strip().lower() in PLACEHOLDERS}
                for key, one in own
                if self._may_show(key, one)
            ],
            "bindings": bindings,
            "not_merged": not_merged,
            "conflicts": [one for one in not_merged if one["why"] == "conflict"],
            "unbindings": self._unbindings(unbindings, mine, texts),
            "quarantined": [
                ids[key]
                | {
                    "why": "crowd",
                    "crowded_kind": quarantined[key]["crowded_kind"],
                    "companions": quarantined[key]["companions"],
                    "since": rfc3339(quarantined[key]["since_ms"]),
                }
                for key in sorted(mine & quarantined.keys() & ids.keys())
                if self._may_show(key, ids[key])
            ],
            "hidden": {
                "ids": sum(not self._may_show(key, one) for key, one in own),
                "bindings": hidden,
            },
        }

    def _may_show(self, key: int, one: Row) -> bool:
        return key not in self._unseen and (not one["app_id"] or one["app_id"] in self._app_ids)

    @staticmethod
    def _why_not(pair: Row, person: int) -> Row:
        if not pair["is_bound"]:
            why, kind = "unbound", None
        elif pair["other_person"] == person:
            why, kind = "joined_by_others", None
        elif pair["is_quarantined"]:
            why, kind = "quarantined", None
        elif pair["conflict"]:
            why, kind = "conflict", pair["conflict"]
        else:
            why, kind = "not_followed", None
        return {"why": why, "conflicting_kind": kind, "because": _BECAUSE[why]}

    def _unbindings(self, rows: list[Row], mine: set[int], texts: dict[int, Row]) -> list[Row]:
        shown = []
        seen: set[tuple[int, int, int]] = set()
        for row in rows:
            left, right = sorted((row["id_key"], row["other_key"]))
            if row["id_key"] not in mine or (left, right, row["unbound_ms"]) in seen:
                continue
            seen.add((left, right, row["unbound_ms"]))
            if not all(k in texts and self._may_show(k, texts[k]) for k in (left, right)):
                continue
            sides = [texts[left], texts[right]]
            sides.sort(key=lambda one: KINDS.index(one["kind"]))
            shown.append(
                {
                    "id": sides[0],
                    "other": sides[1],
                    "unbound_at": rfc3339(row["unbound_ms"]),
                    "reason": row["reason"],
                    "unbound_by": row["unbound_by"],
                }
            )
        return shown

    async def unbind(self, editor: Editor, body: Unbind, now_ms: int) -> Row:
        """
        Append an unbinding. Errors: ``forbidden`` for a token of some apps only; ``not_found`` when nothing binds the two.
        """
        if self._token.app_ids:
            raise QueryError(
                "forbidden",
                "taking ids apart changes every app: it needs a token for the whole project",
            )
        key, other_key = self._key(body.id, "$.id"), self._key(body.other, "$.other")
        if key == other_key:
            raise InvalidRequest("$.other", "the same id as `id`")
        pairs = await self._fetch(
            "identity.bindings",
            keys=([key], "Array(UInt64)"),
            pairs_limit=(2**32 - 1, "UInt32"),
        )
        pair = next((p for p in pairs if p["other_key"] == other_key and p["is_bound"]), None)
        if pair is None:
            raise QueryError(
                "not_found", "no event binds these two ids since they were last taken apart"
            )
        # An event a little in the future binds no longer either.
        unbound_ms = max(now_ms, pair["last_ms"])
        columns = ("id_key", "other_key", "project", "unbound_at", "reason", "unbound_by")
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=unbound_ms)
        rest = (self._token.project, at, body.reason, self._token.token_id)
        await editor.insert(
            "identity_unbindings", columns, [(key, other_key, *rest), (other_key, key, *rest)]
        )
        return {
            "result": {
                "id": body.id,
                "other": body.other,
                "unbound_at": rfc3339(unbound_ms),
                "unbound_by": self._token.token_id,
            },
            "semantics": {
                "effect": "the persons are worked out again within about a second; events at or before `unbound_at` bind "
                "these two no longer, a later event with both binds them again"
            },
        }

    def _key(self, given: GivenId, path: str) -> int:
        if given.kind in KINDS_OF_AN_APP:
            if given.app_id is None:
                raise InvalidRequest(
                    f"{path}.app_id", f"is required: {given.kind} identifies within an app"
                )
            if given.app_id not in self._app_ids:
                raise QueryError("forbidden", "this token cannot read this app", f"{path}.app_id")
        return id_key(self._token.project, given.kind, given.app_id or "", given.id)


_BECAUSE = {
    "unbound": "the pair was taken apart and no later event has both ids",
    "joined_by_others": "the pair was taken apart; other bindings still make one person of the two",
    "quarantined": "one of the ids stood with more than 20 ids of a kind other than anonymous_id: a bot, a shop's tablet, a "
    "test device, a hotline's number; it binds nothing",
    "conflict": "both sides already had another id of the conflicting kind; the binding that came first holds",
    "not_followed": "one of the ids has more bindings than are followed (a bot or a shared device), or the writer has not "
    "seen this binding yet",
}
SEMANTICS: Row = {
    "user": "the person as `identity: latest` counts it now: the key of its strongest id",
    "order": "bindings are followed in the order of their events: occurred_at, seq, event_id; those of phones after all others",
    "evidence": "the earliest event that has both ids, after the last unbinding of the pair",
    "one_of_each": "a person has one user_id, one unionid and one openid of each app, any number of anonymous_ids, and as "
    "many phones as one id may stand with",
    "phones": "phone_hash is the weakest evidence: followed after all other bindings, whatever came first",
    "not_merged": "pairs with an id of this person that make no one person, and why",
    "quarantined": "ids that stood with more than 20 ids of a kind other than anonymous_id: they bind nothing",
    "placeholders": f"never bound: {', '.join(sorted(PLACEHOLDERS))}",
    "hidden": "what belongs to apps that the token cannot read",
}
