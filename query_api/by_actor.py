"""
Events added up by actor before their persons are looked up.

What leaves the shards of a cluster is then a row for each actor, and on one server the join has fewer rows.

For what can be put together from parts, such as counts, sets of days, extremes, and arrays that are sorted afterwards: a
person has several actors, and each of them events on every shard. With identity ``strict`` an actor has a row for each person
that it was. Attributes of the person are the same for all of a user's events in one answer, so they are joined to these rows:
to choose them, where the request's filter asks for them beside what it asks of the event, and as the person's part of a
breakdown (``breakdowns.apart``). Wherever else they are asked for, events are joined with them: on a cluster where they lie
(``Ask.attributes_at_home``). Called by the reports that add up or collect.
"""

from __future__ import annotations

import msgspec

from query_api import attributes, source
from query_api.bindings import Bindings
from query_api.filters import OfPerson, all_of, parts_of
from query_api.report import Ask
from query_api.sql import load_sql


def pays(
    ask: Ask, bindings: Bindings, where: str, *, pays_alone: bool = True, keyed: bool = False
) -> bool:
    """
    Tell whether the events of ``where`` can be added up by actor, and should: on a cluster always.

    ``pays_alone``: also on one server. Where each actor has few events it costs more there than joining the person of each,
    and is worth it only for what shards then need not send; not so where attributes have to be joined too. So it is with
    identity ``strict``. ``keyed``: the person's part of the request's breakdown is put to the rows.
    """
    if ask.database.is_sharded:
        return True
    some = pays_alone or bool(bindings.user_names)
    return ask.query.identity == "latest" and some and _is_possible(ask, bindings, where, keyed)


def _is_possible(ask: Ask, bindings: Bindings, where: str, keyed: bool) -> bool:
    """Tell whether no event needs attributes of its person: they choose persons in ``where``, or are put to the rows."""
    if not bindings.user_names:
        return True
    chooses = source.apart(where)[1]
    breakdown = [] if keyed else ask.query.breakdown
    elsewhere = msgspec.structs.replace(ask.query, filter=None, breakdown=breakdown)
    return (
        (chooses != "1") == bool(attributes.named_in(ask.query.filter))
        and not attributes.named_in(elsewhere)
        and _is_of_persons(chooses)
    )


def _is_of_persons(condition: str) -> bool:
    """Tell whether a condition looks at attributes of persons alone, or asks for nothing."""
    return condition == "1" or all(isinstance(part, OfPerson) for part in parts_of(condition))


def rows(
    ask: Ask,
    bindings: Bindings,
    where: str,
    *,
    columns: str,
    keys: tuple[str, ...] = (),
    given: str = "",
    beside: source.Beside = source.NOTHING,
    of_person: str = "",
    from_ms: int,
    to_ms: int,
) -> str:
    """
    Return the SELECT of ``user`` and columns, where it ``pays``; a user has a row or several for all values of the keys.

    ``columns``: the keys as expressions over the columns of events, and aggregates; ``keys``: their names; ``given``: more
    expressions with names, which the columns and ``where`` may use. ``beside``: see ``Ask.computed``. ``of_person``: more
    columns, over these and the person's attributes.
    """
    of_events, chooses = source.apart(where)
    at_home = ""
    if source.USER_COLUMN in columns + given + of_events or not _is_of_persons(chooses):
        at_home = ask.attributes_at_home(bindings)
        of_events, chooses = where, "1"
    by_actor = source.by_actor(
        bindings,
        ask.app_ids,
        from_ms,
        to_ms,
        columns,
        ask.query.identity,
        keys=keys,
        given=source.listed(beside.columns, given),
        where=of_events,
        as_of=ask.as_of,
        joined=source.joins(at_home, beside.joined),
    )
    if chooses != "1" or of_person:
        by_actor = attributes.joined(
            bindings,
            by_actor,
            bindings.user_names,
            ask.app_ids,
            ask.query.identity,
            as_of=ask.as_of,
        )
    if chooses != "1" or ask.segment is not None:
        by_actor = source.restricted(bindings, by_actor, chooses, ask.segment)
    return source.computed(by_actor, of_person)


_OF_PARTS = {
    "countIf": "sum",
    "groupArray": "groupArrayArray",
    "groupArrayIf": "groupArrayArray",
    "groupBitOr": "groupBitOr",
    "groupBitOrIf": "groupBitOr",
    "groupUniqArrayIf": "groupUniqArrayArray",
    "max": "max",
    "maxIf": "max",
    "maxOrNullIf": "maxOrNull",
    "minOrNullIf": "minOrNull",
    "sumIf": "sum",
}
"""What puts together what an aggregate made of the events of each actor."""


def put_together(aggregates: dict[str, str]) -> dict[str, str]:
    """Return what makes aggregates of some events, by name, of those of each actor: columns of these names of ``part``."""
    return {
        name: f"{_OF_PARTS[aggregate.partition('(')[0]]}(part.{name})"
        for name, aggregate in aggregates.items()
    }


def collected(
    ask: Ask,
    bindings: Bindings,
    where: str,
    *,
    computed: str,
    aggregates: dict[str, str],
    having: str,
    together: dict[str, str] | None = None,
    wanted: str = "1",
    keys: tuple[str, ...] = (),
    person_part: str = "",
    beside: source.Beside = source.NOTHING,
    pays_alone: bool = True,
    from_ms: int,
    to_ms: int,
) -> str:
    """
    Return the SELECT of each user's events, collected: one row for each user and values of the keys.

    ``computed``: expressions with names over an event, which the others may use. ``aggregates``: by name, each a function of
    ``_OF_PARTS``, or with its name in ``together``: what puts its parts together, over columns of ``part``. ``wanted``: which
    events matter, beside ``where``, which must not name what is computed. ``having``: which users, over the aggregates.
    ``person_part``: an expression over attributes of the person, a column of that name. ``beside``: see ``Ask.computed``.
    ``pays_alone``: see ``pays``.
    """
    in_computed = ask.needs_persons(computed)
    if not in_computed:
        where, wanted = all_of([where, wanted]), "1"
    made = source.named(aggregates)
    of_person = f"{person_part} AS person_part" if person_part else ""
    if in_computed or not pays(ask, bindings, where, pays_alone=pays_alone, keyed=True):
        columns = made
        found = ask.computed(bindings, where, computed, beside=beside, from_ms=from_ms, to_ms=to_ms)
        found = source.computed(found, of_person)
    else:
        together = together or {}
        others = {name: made for name, made in aggregates.items() if name not in together}
        columns = source.named(put_together(others), together)
        found = rows(
            ask,
            bindings,
            where,
            columns=source.listed(*keys, made),
            keys=keys,
            given=computed,
            beside=beside,
            of_person=of_person,
            from_ms=from_ms,
            to_ms=to_ms,
        )
    if person_part:
        columns = source.listed(columns, "any(part.person_part) AS person_part")
    return load_sql(
        "by_actor.collected",
        rows=found,
        wanted=wanted,
        keys=source.more_keys(keys),
        columns=columns,
        having=having,
    )


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
    of_person: str = "",
    from_ms: int,
    to_ms: int,
) -> tuple[str, str]:
    """
    Return the SELECT of the sets of numbers of a user's events, as ``rows``, and the numbers of one of them.

    ``flags``: conditions by name: a set for each combination. ``more``: aggregates of each set. ``of_person``: see
    ``rows``.
    """
    flags = flags or {}
    columns = [f"{condition} AS {name}" for name, condition in flags.items()]
    found = rows(
        ask,
        bindings,
        where,
        columns=source.listed(*columns, load_sql("by_actor.set", number=number), more),
        keys=("word", *flags),
        of_person=of_person,
        from_ms=from_ms,
        to_ms=to_ms,
    )
    return found, load_sql("by_actor.numbers")
