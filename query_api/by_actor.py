"""
Events added up by actor before their persons are looked up.

What leaves the shards of a cluster is then a row for each actor, and on one server the join has fewer rows.

For what can be put together from parts, such as counts, sets of days and extremes: a person has several actors, and each of
them events on every shard. Not for the order of a person's events, nor where the person of an actor depends on the event
(identity ``strict``) or the person's attributes choose the events. Called by the reports that add up.
"""

from __future__ import annotations

from query_api import source
from query_api.bindings import Bindings
from query_api.report import Ask
from query_api.sql import load_sql


def is_possible(ask: Ask, bindings: Bindings, where: str) -> bool:
    """Tell whether the events of ``where`` can be added up by actor."""
    asks_for_attributes = source.USER_COLUMN in where or bool(bindings.user_names)
    return ask.query.identity == "latest" and not asks_for_attributes


def rows(
    ask: Ask,
    bindings: Bindings,
    where: str,
    *,
    columns: str,
    keys: tuple[str, ...] = (),
    from_ms: int,
    to_ms: int,
) -> str:
    """
    Return the SELECT of ``user`` and columns, where ``is_possible``; a user has a row or several for all values of the keys.

    ``columns``: the keys as expressions over the columns of events, and aggregates; ``keys``: their names.
    """
    by_actor = load_sql(
        "source.by_actor",
        columns=columns,
        keys="".join(f",\n        {key}" for key in keys),
        events=source.alone(bindings, ask.app_ids, from_ms, to_ms, where, ask.as_of),
        persons=source.persons(bindings, "latest", ask.as_of),
    )
    if ask.segment is None:
        return by_actor
    return source.restricted(bindings, by_actor, "1", ask.segment)


def period_sql() -> str:
    """Return the number of an event's period, of ``starts`` and ``numbers`` that are bound."""
    return load_sql("by_actor.period")


def sets(
    ask: Ask, bindings: Bindings, where: str, number: str, *, from_ms: int, to_ms: int
) -> tuple[str, str]:
    """Return the SELECT of the sets of numbers of a user's events, as ``rows``, and the numbers of one of them."""
    found = rows(
        ask,
        bindings,
        where,
        columns=load_sql("by_actor.set", number=number),
        keys=("word",),
        from_ms=from_ms,
        to_ms=to_ms,
    )
    return found, load_sql("by_actor.numbers")
