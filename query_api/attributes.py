"""
Attributes of persons as columns beside their events: ``user.<name>`` in filters and breakdowns.

- ``user.<name>``: the value that ``user_set``, ``user_set_once``, ``user_increment`` and ``user_unset`` leave, folded in the
  order of events (occurred_at, seq, event_id), whatever the order of arrival: ``FOLD`` says how.
- ``user.first_seen``, ``user.last_seen``: epoch ms of the first and last event.
- ``user.first_source.<field>``, ``user.latest_source.<field>``: a text field of the first or last entry event
  (``app_launch``, ``app_show``).

All of it comes from the events of the asked apps, of all of history (in a rule: up to its date). Pure: makes SQL. Called by
report.py for every source and by rules.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from query_api import source
from query_api.as_of import AsOf
from query_api.bindings import Bindings
from query_api.errors import InvalidRequest
from query_api.fields import SOURCE_FIELDS, check_user_field, field_sql
from query_api.params import Identity
from query_api.sql import load_sql

EVER_MS = 4_102_444_800_000
"""Later than any event."""
USER_EVENTS = ("user_set", "user_set_once", "user_increment", "user_unset")
"""In the order of the operations' numbers in attributes.values, from 1."""
FOLD = (
    "in the order of events: user_set replaces; user_set_once sets where nothing is; user_increment adds to a number, or sets "
    "where nothing is, and is ignored for a value that is no number; user_unset takes away"
)
KINDS = ("absent", "text", "number", "flag", "list")
"""Of a value, by the number in the column ``user_property_<n>_kind``."""
_ABSENT = {
    "kind": "0",
    "text": "''",
    "number": "0",
    "number_text": "''",
    "flag": "false",
    "list": "emptyArrayString()",
}
"""The parts of a value, and what they are where it is not."""


_ELSEWHERE = (
    *("values", "cell", "rule", "did", "did_not", "tree"),
    *("event", "id", "campaigns", "root", "trail", "sql", "title"),
)
"""Values and names of events are data, whatever they look like; rules and trees read attributes as of their instant."""


def named_in(query: Any) -> tuple[str, ...]:  # noqa: ANN401 (any Struct of a request)
    """Return the names behind ``user.`` that a request uses anywhere but in values, each once."""
    return tuple(sorted({name for name, _ in _names(msgspec.to_builtins(query), "$")}))


def checked_in(query: Any) -> tuple[str, ...]:  # noqa: ANN401 (any Struct of a request)
    """
    Return ``named_in`` of a whole request, each a name that there is.

    They are joined to the events before a field is read. Errors: ``invalid_request`` with the field's path.
    """
    names: set[str] = set()
    for name, path in _names(msgspec.to_builtins(query), "$"):
        check_user_field(name, path)
        names.add(name)
    return tuple(sorted(names))


def _names(part: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key not in _ELSEWHERE:
                yield from _names(value, f"{path}.{key}")
    elif isinstance(part, list):
        for i, value in enumerate(part):
            yield from _names(value, f"{path}[{i}]")
    elif isinstance(part, str) and part.startswith("user."):
        yield part.removeprefix("user."), path


def joined(
    bindings: Bindings,
    rows: str,
    names: tuple[str, ...],
    app_ids: list[str],
    identity: Identity,
    to_ms: int = EVER_MS,
    as_of: AsOf | None = None,
) -> str:
    """
    Return ``rows`` (a SELECT with a column ``user``) with the columns that fields.py reads ``user.<name>`` from.

    ``names``: those of ``bindings.user_names``; of each the columns ``user_property_<place>_…``.
    """
    for values in _of_persons(bindings, names, app_ids, identity, to_ms, as_of):
        columns = source.listed(*(f"u.{column} AS {column}" for column in values.columns))
        rows = load_sql("attributes.join", rows=rows, values=values.sql, columns=columns)
    return rows


def at_home(
    bindings: Bindings,
    names: tuple[str, ...],
    app_ids: list[str],
    identity: Identity,
    to_ms: int = EVER_MS,
    as_of: AsOf | None = None,
) -> str:
    """
    Return JOINs of the same columns to events where these lie, to stand after ``FROM events`` (see ``source.beside_ids``).

    The asked node finds the values of all persons and sends them to the shards, a row for each id of a person.
    """
    return "\n".join(
        source.beside_ids(bindings, values.sql, values.columns, values.name, identity, as_of=as_of)
        for values in _of_persons(bindings, names, app_ids, identity, to_ms, as_of)
    )


class _Values(Struct, frozen=True):
    """A SELECT of ``user`` and columns of attributes, and its name in a statement."""

    name: str
    sql: str
    columns: list[str]


def _of_persons(
    bindings: Bindings,
    names: tuple[str, ...],
    app_ids: list[str],
    identity: Identity,
    to_ms: int,
    as_of: AsOf | None,
) -> Iterator[_Values]:
    """Find the values that clients have set, and those that follow from visits, as far as they are named."""
    plain = [name for name in names if not _is_of_visits(name)]
    visits = [name for name in names if _is_of_visits(name)]
    if plain:
        inner = Bindings()
        inner.named("user_names", plain, "Array(String)")
        kinds = inner.add(list(USER_EVENTS), "Array(String)")
        events = source.events(inner, app_ids, 0, to_ms, identity, f"event IN {kinds}", as_of)
        columns = [
            f"anyIf({part}, name = {inner.add(name, 'String')}) AS user_property_{names.index(name)}_{part}"
            for name in plain
            for part in _ABSENT
        ]
        values = load_sql("attributes.values", source=events, columns=",\n".join(columns))
        sql = bindings.embed("attributes", values, inner)
        yield _Values("attributes", sql, _columns_of(plain, names))
    if visits:
        inner = Bindings(bindings.scheme_name)
        parts, columns = _visit_columns(visits, names, inner)
        of_actors = source.by_actor(
            inner,
            app_ids,
            0,
            to_ms,
            source.listed(*parts),
            identity,
            given=f"{load_sql('attributes.entry_order', order=source.order())} AS entry_order",
            where="1" if any(name in _SEEN for name in visits) else _IS_ENTRY,
            as_of=as_of,
        )
        values = load_sql("attributes.visits", parts=of_actors, columns=",\n".join(columns))
        yield _Values("visits", bindings.embed("visits", values, inner), _columns_of(visits, names))


def _columns_of(some: list[str], names: tuple[str, ...]) -> list[str]:
    return [f"user_property_{names.index(name)}_{part}" for name in some for part in _ABSENT]


_SEEN = {"first_seen": "min", "last_seen": "max"}
"""Attributes that are the time of an event, and which."""
_IS_ENTRY = "event IN ('app_launch', 'app_show')"
_PICKED = {
    "first_source": ("argMinIf", "minIf"),
    "latest_source": ("argMaxIf", "maxIf"),
}
"""Of an actor's entries: the aggregates of the value and of its order."""


def _is_of_visits(name: str) -> bool:
    return name in _SEEN or name.partition(".")[0] in SOURCE_FIELDS


def _visit_columns(
    visits: list[str], names: tuple[str, ...], bindings: Bindings
) -> tuple[list[str], list[str]]:
    """Return the aggregates over an actor's events, and over the rows of a person's actors those of each name and part."""
    parts: dict[str, str] = {}
    columns = []
    for name in visits:
        if name in _SEEN:
            pick = _SEEN[name]
            parts[name] = f"{pick}(toUnixTimestamp64Milli(occurred_at))"
            number = f"{pick}(part.{name})"
            of_name = {"kind": "2", "number": number, "number_text": f"toString({number})"}
        else:
            which, _, field = name.partition(".")
            read = field_sql(field, f"user.{name}", bindings)
            if read.text is None or field.startswith(("properties.", "user.")):
                raise InvalidRequest(
                    "$", f"user.{name}: an own text field of an event, such as user.{which}.scene"
                )
            pick, order = _PICKED[which]
            value = f"value_{names.index(name)}"
            parts[value] = f"{pick}({read.text}, entry_order, {_IS_ENTRY})"
            parts[which] = f"{order}(entry_order, {_IS_ENTRY})"
            # An actor without entries has an order of ''.
            text = f"{pick}(part.{value}, part.{which}, part.{which} != '')"
            of_name = {"kind": f"if({text} != '', 1, 0)", "text": text}
        columns += [
            f"{sql} AS user_property_{names.index(name)}_{part}"
            for part, sql in {**_ABSENT, **of_name}.items()
        ]
    return [f"{sql} AS {column}" for column, sql in parts.items()], columns
