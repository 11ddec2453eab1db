"""
Users (用户列表): the persons of a rule, a page at a time, with ids, first and last event and the wished attributes.

A person is listed with at least one event in the time range that passes ``filter``, if it satisfies ``rule`` at the end of
the range. ``did`` and ``did_not`` are short for a rule; there ``within`` absent means the time range.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from query_api import attributes, people, rules
from query_api.breakdowns import decode_element, key_sql
from query_api.errors import InvalidRequest
from query_api.filters import filter_sql
from query_api.params import Params, Query
from query_api.people import UserKey
from query_api.periods import rfc3339
from query_api.report import Answer, Ask, Report, Row, UserSelect, users_page
from query_api.rules import FIRST_DAY_MS, Did, Rule, Scope
from query_api.sql import load_sql
from sdk_spec.ids import KINDS

FieldOfUser = Annotated[str, Meta(pattern=r"^user\..+", max_length=200)]


class UsersQuery(Query, kw_only=True):
    """Persons by rule. ``fields``: attributes to show, such as ``user.city``. ``after``: the last user of the page before."""

    rule: Rule | None = None
    did: Annotated[list[Did], Meta(max_length=20)] = msgspec.field(default_factory=list)
    did_not: Annotated[list[Did], Meta(max_length=20)] = msgspec.field(default_factory=list)
    fields: Annotated[list[FieldOfUser], Meta(max_length=50)] = msgspec.field(default_factory=list)
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100
    after: UserKey = "0"


class UsersCell(Params, kw_only=True):
    """All users of the list."""


def scope_of(ask: Ask, from_ms: int, to_ms: int) -> Scope:
    """Return the scope of a rule in a question."""
    return Scope(
        database=ask.database,
        app_ids=ask.app_ids,
        timezone=ask.query.timezone,
        identity=ask.query.identity,
        scheme=ask.query.scheme,
        from_ms=from_ms,
        to_ms=to_ms,
        now_ms=ask.now_ms,
        load_segment=ask.load_segment,
        as_of=ask.as_of,
    )


async def users(ask: Ask, query: UsersQuery, _cell: UsersCell | None = None) -> UserSelect:
    """Select the users of the list."""
    bindings = ask.bindings()
    seen = load_sql(
        "rules.everyone",
        source=ask.source(bindings, filter_sql(query.filter, "$.filter", bindings)),
    )
    conditions = []
    if query.rule is not None:
        scope = scope_of(ask, FIRST_DAY_MS, ask.range.to_ms)
        conditions.append((await rules.users_of(scope, query.rule, "$.rule"), "rule"))
    short = [
        *(("did", i, Rule(did=did)) for i, did in enumerate(query.did)),
        *(("did_not", i, Rule(did_not=did)) for i, did in enumerate(query.did_not)),
    ]
    for name, i, rule in short:
        scope = scope_of(ask, ask.range.from_ms, ask.range.to_ms)
        try:
            select = await rules.users_of(scope, rule, "$")
        except InvalidRequest as error:
            path = (error.path or "$").replace(f"$.{name}", f"$.{name}[{i}]", 1)
            raise InvalidRequest(path, error.message) from error
        conditions.append((select, f"{name}{i}"))
    where = [
        load_sql("source.in_segment", users=bindings.embed(prefix, select.sql, select.bindings))
        for select, prefix in conditions
    ]
    sql = load_sql("source.restricted", events=seen, where=" AND ".join(where) or "1", segment="1")
    return UserSelect("users.listed", load_sql("users.listed", rows=sql), bindings)


async def answer(ask: Ask, query: UsersQuery) -> Answer:
    """Answer the users report."""
    page = await users_page(ask, await users(ask, query), query.limit, query.after)
    persons = [int(row["user"]) for row in page.result["users"]]
    known = await _summaries(ask, query, persons) if persons else {}
    page.result["users"] = [{"user": str(person), **known.get(person, {})} for person in persons]
    return Answer(
        result=page.result,
        semantics={**page.semantics, **_semantics(query)},
        truncated=page.truncated,
    )


async def _summaries(ask: Ask, query: UsersQuery, persons: list[int]) -> dict[int, Row]:
    """Return what is shown beside each person: of all their events in the asked apps up to the end of the range."""
    bindings = ask.bindings()
    source = people.events_of(ask, bindings, persons, from_ms=0)
    fields = key_sql(list(query.fields), bindings, "$.fields")
    rows = await ask.fetch("users.summaries", bindings, source=source, fields=fields)
    phones = await people.phones_of(ask, persons)
    return {
        row["user"]: {
            "first_seen": rfc3339(row["first_ms"], ask.zone),
            "last_seen": rfc3339(row["last_ms"], ask.zone),
            "events": row["events"],
            "platforms": row["platforms"],
            "ids": [people.id_of(one) for one in row["ids"]] + phones.get(row["user"], []),
            **({"fields": _fields(query, row["fields"])} if query.fields else {}),
        }
        for row in rows
    }


def _fields(query: UsersQuery, values: list[str]) -> Row:
    return {name: decode_element(value) for name, value in zip(query.fields, values, strict=True)}


def _semantics(query: UsersQuery) -> Row:
    return {
        "rule": None if query.rule is None else msgspec.to_builtins(query.rule),
        "did": msgspec.to_builtins(query.did),
        "did_not": msgspec.to_builtins(query.did_not),
        "fields": query.fields,
        "listed": "persons with an event in the time range that passes `filter`, and that satisfy rule, did and did_not",
        "rules": rules.SEMANTICS,
        "attributes": attributes.FOLD,
        "summary": "first_seen, last_seen, events, platforms, ids: of the asked apps up to the end of the time range; "
        "phone_hash of all time",
    }


def table(result: Row) -> list[Row]:
    """Flatten: one row for each person, with a column for each field and one for each kind of id."""
    return [_flat(row) for row in result["users"]]


def _flat(row: Row) -> Row:
    flat = {name: value for name, value in row.items() if name not in ("ids", "fields")}
    for kind in KINDS:
        flat[kind] = " ".join(one["id"] for one in row.get("ids", []) if one["kind"] == kind)
    return {**flat, **row.get("fields", {})}


def columns(query: UsersQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    summary = ("user", "first_seen", "last_seen", "events", "platforms")
    return list(_flat({**dict.fromkeys(summary), "fields": dict.fromkeys(query.fields)}))


REPORT: Any = Report(
    name="users",
    summary="Persons by rule, with ids and attributes (用户列表)",
    params=UsersQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=UsersCell,
    users=users,
    refuses={
        "breakdown": "a list of persons has none: show attributes with `fields`",
        "compare": "a list of persons is no number: ask again with another `time_range`",
    },
)
