"""
Persons of a question: one found by ``user`` or an id, what is shown beside those of a list, their events.

Called by profile, timeline, users and, for the lists of users behind numbers, by reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from query_api import source
from query_api.bindings import Bindings
from query_api.breakdowns import decode_element, key_sql
from query_api.errors import InvalidRequest, QueryError
from query_api.identity import candidates
from query_api.params import Query, TimeRange
from query_api.periods import rfc3339
from query_api.report import Ask, Row
from query_api.sql import load_sql
from sdk_spec.ids import KINDS, PLACEHOLDERS
from sdk_spec.limits import MAX_ID_CHARS

MAX_SUMMARIES = 10_000
"""Persons of one list with what is shown beside each."""
_UNSEEN: Row = {"first_seen": None, "last_seen": None, "events": 0, "platforms": []}


def _ever() -> TimeRange:
    return TimeRange(from_="2000-01-01", to="2099-12-31")


UserKey = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
"""A person as lists of users name it."""


class PersonQuery(Query, kw_only=True):
    """
    A question about one person: ``user`` as lists of users name it, or ``id``: ``kind:value`` or a bare value.

    ``time_range``: absent: all of history.
    """

    time_range: TimeRange = msgspec.field(default_factory=_ever)
    user: UserKey | None = None
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS + 20)] | None = None


async def person_of(ask: Ask, query: PersonQuery) -> int:
    """
    Return the person that the question is about, also where ``user`` has become part of another since.

    Errors: ``not_found`` for an id never seen in the asked apps; ``invalid_request`` for one that several persons have.
    """
    if (query.user is None) == (query.id is None):
        raise InvalidRequest("$.user", "give either `user` or `id`")
    if query.user is not None:
        if int(query.user) >= 2**64:
            raise InvalidRequest("$.user", "a `user` as lists of users name it")
        if query.identity == "strict":
            # There an id is a person of its own before it was bound.
            return int(query.user)
        keys = {int(query.user): query.user}
    else:
        bindings = ask.bindings()
        bindings.named("app_ids", ask.app_ids, "Array(String)")
        projects = await ask.fetch("people.project", bindings)
        found = candidates(projects[0]["project"], query.id or "", ask.app_ids) if projects else {}
        keys = {key: f"{one['kind']}:{one['id']} {one['app_id']}" for key, one in found.items()}
    bindings = ask.bindings()
    bindings.named("keys", list(keys), "Array(UInt64)")
    bindings.named("app_ids", ask.app_ids, "Array(String)")
    known = "1" if ask.as_of is None else load_sql("source.known_then")
    maps = source.persons(bindings, as_of=ask.as_of)
    rows = await ask.fetch("identity.known", bindings, known=known, persons=maps)
    persons = {row["person"] for row in rows}
    if query.user is not None and not persons:
        # A person may be known only by ids of other apps of the project, and events of this one.
        persons = await _person_of_events(ask, int(query.user))
    if not persons:
        raise QueryError("not_found", "nobody with this id was seen in the asked apps")
    if len(persons) > 1:
        raise InvalidRequest(
            "$.id",
            f"several persons have this id; give one of `user`: {', '.join(map(str, sorted(persons)))}",
        )
    return int(persons.pop())


async def _person_of_events(ask: Ask, user: int) -> set[int]:
    bindings = ask.bindings()
    sql = events_of(ask, bindings, [user], from_ms=0)
    rows = await ask.fetch("people.seen", bindings, source=sql, ids=ids_sql(bindings))
    return {user} if rows[0]["events"] else set()


def ids_sql(bindings: Bindings) -> str:
    """Return the ids that an event says of its person."""
    bindings.named("placeholders", sorted(PLACEHOLDERS), "Array(String)")
    return load_sql("people.ids")


def events_of(
    ask: Ask,
    bindings: Bindings,
    persons: list[int],
    where: str = "1",
    *,
    from_ms: int | None = None,
) -> str:
    """Return the events of some persons, read through their ids."""
    bindings.named("persons", persons, "Array(UInt64)")
    then = "" if ask.as_of is None else load_sql("people.actors_then")
    actors = load_sql("people.actors", then=then)
    rows = ask.source(bindings, f"({actors}) AND ({where})", from_ms=from_ms)
    return load_sql("people.events", source=rows)


async def with_summaries(ask: Ask, users: list[Row], fields: Sequence[str] = ()) -> list[Row]:
    """
    Return the users of a list, each with what is shown beside it.

    Of all their events in the asked apps up to the end of the range: ``first_seen``, ``last_seen``, ``events``,
    ``platforms``, ``ids``, and ``fields`` (attributes) where some are asked for. One without events has none of these.
    """
    if not users:
        return users
    persons = [int(row["user"]) for row in users]
    bindings = ask.bindings()
    sql = events_of(ask, bindings, persons, from_ms=0)
    shown = key_sql(list(fields), bindings, "$.fields")
    rows = await ask.fetch(
        "people.summaries", bindings, source=sql, fields=shown, ids=ids_sql(bindings)
    )
    phones = await phones_of(ask, persons)
    known: dict[int, Row] = {
        row["user"]: {
            "first_seen": rfc3339(row["first_ms"], ask.zone),
            "last_seen": rfc3339(row["last_ms"], ask.zone),
            "events": row["events"],
            "platforms": row["platforms"],
            "ids": [id_of(one) for one in row["ids"]] + phones.get(row["user"], []),
            **({"fields": _fields(fields, row["fields"])} if fields else {}),
        }
        for row in rows
    }
    return [
        {
            "user": str(person),
            **known.get(person, {**_UNSEEN, "ids": phones.get(person, [])}),
        }
        for person in persons
    ]


def keys_of(users: Sequence[str], path: str) -> list[int]:
    """Return the numbers of persons. Errors: ``invalid_request`` for one beyond 64 bits."""
    keys = [int(user) for user in users]
    for place, key in enumerate(keys):
        if key >= 2**64:
            raise InvalidRequest(f"{path}[{place}]", "a `user` as lists of users name it")
    return keys


def _fields(names: Sequence[str], values: list[str]) -> Row:
    return {name: decode_element(value) for name, value in zip(names, values, strict=True)}


def flat(row: Row) -> Row:
    """Flatten a person with its summary: a column for each kind of id, and one for each field."""
    one = {name: value for name, value in row.items() if name not in ("ids", "fields")}
    for kind in KINDS:
        one[kind] = " ".join(found["id"] for found in row.get("ids", []) if found["kind"] == kind)
    return {**one, **row.get("fields", {})}


def flat_columns(fields: Sequence[str] = ()) -> list[str]:
    """Return the columns of ``flat`` over persons with their summaries."""
    return list(flat({"user": None, **_UNSEEN, "fields": dict.fromkeys(fields)}))


async def phones_of(ask: Ask, persons: list[int]) -> dict[int, list[Row]]:
    """Return the phones (keyed hashes) of persons as ids, those that the asked apps saw."""
    bindings = ask.bindings()
    bindings.named("persons", persons, "Array(UInt64)")
    bindings.named("app_ids", ask.app_ids, "Array(String)")
    rows = await ask.fetch(
        "people.phones",
        bindings,
        known="1" if ask.as_of is None else load_sql("source.known_then"),
        persons=source.persons(bindings, as_of=ask.as_of),
    )
    return {row["user"]: [id_of(one) for one in row["ids"]] for row in rows}


def id_of(one: Iterable[str]) -> Row:
    """Return an id as answers show it."""
    return dict(zip(("kind", "app_id", "id"), one, strict=True))


def value_of(row: Row, name: str) -> object:
    """Return a property's JSON value from the four maps of an event's row; None where it is absent."""
    if name in row["properties_number"]:
        exact = row["properties_text"].get(name)
        if exact is not None:
            return int(exact)
        number = row["properties_number"][name]
        return int(number) if number.is_integer() and abs(number) <= 2**53 else number
    for kind in ("text", "flag", "list"):
        if name in row[f"properties_{kind}"]:
            return row[f"properties_{kind}"][name]
    return None


def properties_of(row: Row) -> Row:
    """Return all properties of an event's row as it was sent; nulls are not kept."""
    names = {
        name for kind in ("text", "number", "flag", "list") for name in row[f"properties_{kind}"]
    }
    return {name: value_of(row, name) for name in sorted(names)}
