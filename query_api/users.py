"""
Users (用户列表): the persons of a rule, a page at a time, with ids, first and last event and the wished attributes.

A person is listed with at least one event in the time range that passes ``filter``, if it satisfies ``rule`` at the end of
the range. ``did`` and ``did_not`` are short for a rule; there ``within`` absent means the time range.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from query_api import attributes, by_actor, people, rules
from query_api.errors import InvalidRequest
from query_api.filters import filter_sql
from query_api.params import Params, Query
from query_api.people import MAX_SUMMARIES, UserKey
from query_api.report import Answer, Ask, Report, Row, UserSelect, users_page
from query_api.rules import FIRST_DAY_MS, Did, Rule, Scope
from query_api.sql import load_sql

FieldOfUser = Annotated[str, Meta(pattern=r"^user\..+", max_length=200)]


class UsersQuery(Query, kw_only=True):
    """
    Persons by rule.

    ``users``: only these. ``fields``: attributes to show, such as ``user.city``. ``after``: the last user of the page before.
    """

    users: Annotated[list[UserKey], Meta(max_length=MAX_SUMMARIES)] | None = None
    rule: Rule | None = None
    did: Annotated[list[Did], Meta(max_length=20)] = msgspec.field(default_factory=list)
    did_not: Annotated[list[Did], Meta(max_length=20)] = msgspec.field(default_factory=list)
    fields: Annotated[list[FieldOfUser], Meta(max_length=50)] = msgspec.field(default_factory=list)
    limit: Annotated[int, Meta(ge=1, le=MAX_SUMMARIES)] = 100
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
    where = filter_sql(query.filter, "$.filter", bindings)
    if query.users is None and by_actor.pays(ask, bindings, where):
        events = by_actor.rows(
            ask,
            bindings,
            where,
            columns="count() AS events",
            from_ms=ask.range.from_ms,
            to_ms=ask.range.to_ms,
        )
    elif query.users is None:
        events = ask.source(bindings, where)
    else:
        events = people.events_of(ask, bindings, people.keys_of(query.users, "$.users"), where)
    seen = load_sql("rules.everyone", source=events)
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
    passes = [
        load_sql("source.in_segment", users=bindings.embed(prefix, select.sql, select.bindings))
        for select, prefix in conditions
    ]
    sql = load_sql("source.restricted", events=seen, where=" AND ".join(passes) or "1", segment="1")
    return UserSelect("users.listed", load_sql("users.listed", rows=sql), bindings)


async def answer(ask: Ask, query: UsersQuery) -> Answer:
    """Answer the users report."""
    page = await users_page(ask, await users(ask, query), query.limit, query.after)
    page.result["users"] = await people.with_summaries(ask, page.result["users"], query.fields)
    return Answer(
        result=page.result,
        semantics={**page.semantics, **_semantics(query)},
        truncated=page.truncated,
    )


def _semantics(query: UsersQuery) -> Row:
    return {
        "users": query.users,
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
    return [people.flat(row) for row in result["users"]]


def columns(query: UsersQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return people.flat_columns(query.fields)


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
