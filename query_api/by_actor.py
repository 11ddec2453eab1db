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


def pays(ask: Ask, bindings: Bindings, where: str, *, pays_alone: bool = True) -> bool:
    """
    Tell whether the events of ``where`` can be added up by actor, and should.

    ``pays_alone``: also on one server. Where each actor has few events it costs more there than joining the person of each,
    and is worth it only for what shards then need not send.
    """
    asks_for_attributes = source.USER_COLUMN in where or bool(bindings.user_names)
    is_possible = ask.query.identity == "latest" and not asks_for_attributes
    return is_possible and (pays_alone or ask.database.is_sharded)


def rows(
    ask: Ask,
    bindings: Bindings,
    where: str,
    *,
    columns: str,
    keys: tuple[str, ...] = (),
    given: str = "",
    from_ms: int,
    to_ms: int,
) -> str:
    """
    Return the SELECT of ``user`` and columns, where it ``pays``; a user has a row or several for all values of the keys.

    ``columns``: the keys as expressions over the columns of events, and aggregates; ``keys``: their names; ``given``: more
    expressions with names, which the columns and ``where`` may use.
    """
    by_actor = source.by_actor(
        bindings,
        ask.app_ids,
        from_ms,
        to_ms,
        columns,
        keys=keys,
        given=given,
        where=where,
        as_of=ask.as_of,
    )
    if ask.segment is None:
        return by_actor
    return source.restricted(bindings, by_actor, "1", ask.segment)


def period_sql() -> str:
    """Return the number of an event's period, of ``starts`` and ``numbers`` that are bound."""
    return load_sql("by_actor.period")


def sets(
    ask: Ask,
    bindings: Bindings,
    where: str,
    number: str,
    *,
    flags: dict[str, str] | None = None,
    more: str = "",
    from_ms: int,
    to_ms: int,
) -> tuple[str, str]:
    """
    Return the SELECT of the sets of numbers of a user's events, as ``rows``, and the numbers of one of them.

    ``flags``: conditions by name: a set for each combination. ``more``: aggregates of each set.
    """
    flags = flags or {}
    columns = [f"{condition} AS {name}" for name, condition in flags.items()]
    found = rows(
        ask,
        bindings,
        where,
        columns=source.listed(*columns, load_sql("by_actor.set", number=number), more),
        keys=("word", *flags),
        from_ms=from_ms,
        to_ms=to_ms,
    )
    return found, load_sql("by_actor.numbers")
