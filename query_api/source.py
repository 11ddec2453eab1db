"""
The rows that every report reads: events once each, of the apps and times asked for, with the person they count for.

Owns the choice between the two identities; the SQL is in ``sql/source.events_latest.sql`` and ``events_strict.sql``.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from query_api.as_of import AsOf
from query_api.bindings import Bindings
from query_api.filters import all_of, parts_of
from query_api.params import Identity
from query_api.sql import load_sql


class Beside(Struct, frozen=True):
    """Other rows that are put beside each event where it lies: JOINs after ``FROM events``, and named expressions over both."""

    joined: str = ""
    columns: str = ""


NOTHING = Beside()


def events(
    bindings: Bindings,
    app_ids: list[str],
    from_ms: int,
    to_ms: int,
    identity: Identity,
    where: str = "1",
    as_of: AsOf | None = None,
    computed: str = "",
    joined: str = "",
) -> str:
    """
    Return a SELECT of all columns of ``events`` and ``user`` (UInt64: the resolved person).

    ``where``: a condition from filters.py over the columns of ``events``. ``computed``: more columns, as expressions over them,
    each with a comma before it; of what they are made of nothing leaves a shard. Columns that the outer query does not use are
    not read. ``joined``: see ``alone``. Binds ``app_ids``, ``from_ms`` and ``to_ms`` (epoch ms, end exclusive): one source for
    each query.
    """
    rows = f"SELECT *{computed}\n{alone(bindings, app_ids, from_ms, to_ms, where, as_of, joined)}"
    return _with_persons(bindings, rows, identity, as_of, "toUnixTimestamp64Milli(e.occurred_at)")


def _with_persons(
    bindings: Bindings, rows: str, identity: Identity, as_of: AsOf | None, at: str
) -> str:
    """Return rows with ``actor``, as ``e``, with their ``user``; ``at``: the time that counts for a row."""
    of_time = {"at": at} if identity == "strict" else {}
    known = persons(bindings, identity, as_of)
    return load_sql(f"source.events_{identity}", rows=rows, persons=known, **of_time)


def beside_ids(
    bindings: Bindings,
    rows: str,
    columns: list[str],
    name: str,
    identity: Identity = "latest",
    *,
    as_of: AsOf | None = None,
    kind: Literal["ANY", "SEMI"] = "ANY",
) -> str:
    """
    Return a JOIN of what is known of persons to the events of their ids, to stand after ``FROM events``.

    With identity ``strict`` after ``changes``, and over the time of the source of the statement. ``rows``: a SELECT of
    ``user``, each once, and ``columns``. ``name``: of the joined rows in the statement. ``kind``: SEMI leaves out the events of
    all others.
    """
    of_time = {"since": load_sql("source.since")} if identity == "strict" else {}
    return load_sql(
        f"source.beside_{identity}",
        rows=rows,
        columns=listed(*columns),
        persons=persons(bindings, identity, as_of),
        kind=kind,
        joined_as=name,
        **of_time,
    )


def changes(bindings: Bindings, as_of: AsOf | None) -> str:
    """Return a JOIN of the times at which ids become another person's, to stand after ``FROM events``."""
    return load_sql("source.changes", persons=persons(bindings, "strict", as_of))


GROUPED_ON_SHARDS = {"optimize_const_name_size": -1}
"""
Settings of a query over ``alone`` with a GROUP BY. TRICKY: else a large constant in it, such as the values of a breakdown that
are shown, is named by a hash that differs between the asked node and a shard (THERE_IS_NO_COLUMN).
"""


def alone(
    bindings: Bindings,
    app_ids: list[str],
    from_ms: int,
    to_ms: int,
    where: str = "1",
    as_of: AsOf | None = None,
    joined: str = "",
) -> str:
    """Return the FROM clause of the events of ``events``, without their ``user``; binds the same. ``joined``: JOINs."""
    bindings.named("app_ids", app_ids, "Array(String)")
    bindings.named("from_ms", from_ms, "Int64")
    bindings.named("to_ms", to_ms, "Int64")
    if as_of is not None:
        bindings.named("as_of_ms", as_of.at_ms, "Int64")
        where = f"({where}) AND {load_sql('source.known_then')}"
    return load_sql("source.alone", where=where, joined=f"\n{joined}" if joined else "")


def by_actor(
    bindings: Bindings,
    app_ids: list[str],
    from_ms: int,
    to_ms: int,
    columns: str,
    identity: Identity,
    *,
    keys: tuple[str, ...] = (),
    given: str = "",
    where: str = "1",
    as_of: AsOf | None = None,
    joined: str = "",
) -> str:
    """
    Return a SELECT of ``user``, keys and aggregates of events that were added up by actor; binds what ``events`` does.

    ``columns``: expressions over the columns of ``events``, ``keys`` the names of those that are no aggregates. ``given``:
    expressions with names, which the columns and ``where`` may use. A user has a row or several for all values of the keys.
    With identity ``strict`` events before and after an id becomes another person's are added up apart. ``joined``: see
    ``alone``.
    """
    if identity == "strict":
        joined = joins(changes(bindings, as_of), joined)
        columns = listed(f"{load_sql('source.since')} AS since_ms", columns)
        keys = ("since_ms", *keys)
    rows = load_sql(
        "source.by_actor",
        given=f"WITH\n{given}" if given else "",
        columns=columns,
        keys=more_keys(keys),
        events=alone(bindings, app_ids, from_ms, to_ms, where, as_of, joined),
    )
    return _with_persons(bindings, rows, identity, as_of, "e.since_ms")


def persons(bindings: Bindings, identity: Identity = "latest", as_of: AsOf | None = None) -> str:
    """Return the SELECT of every bound id with its person, of now or of an instant."""
    if as_of is None:
        return load_sql(f"source.map_{identity}")
    as_of.bind(bindings)
    return load_sql(f"source.map_{identity}_as_of")


SESSION_GAP_MS = 30 * 60 * 1000
"""Events without a session_id are cut where more silence than this lies between them."""
SILENT = "session_id = ''"
"""Events whose sessions have to be cut."""
SESSION = "(user, app_id, session_id, silent_session_ms)"
"""What tells sessions apart in the rows of ``with_sessions``."""
SESSION_DEFINITION = (
    "the client's session_id of one user in one app; events without one are cut where more than 30 minutes of silence lie "
    "between two neighbouring events of the user in the app"
)


OF_PROPERTIES = "properties_"
"""In an expression that reads an event's map of properties: worth to be computed on the shards, which then need not send it."""
USER_COLUMN = "user_property_"
"""In a condition that reads the person's attributes, which are there only after they are joined."""


def apart(where: str) -> tuple[str, str]:
    """Return what of a condition can be asked where the events lie, and what reads attributes of their persons."""
    parts = parts_of(where)
    return (
        all_of(part for part in parts if USER_COLUMN not in part),
        all_of(part for part in parts if USER_COLUMN in part),
    )


def computed(rows: str, columns: str) -> str:
    """Return rows with more columns, a list of expressions over theirs; as they are without."""
    return load_sql("source.computed", rows=rows, computed=f",\n{columns}") if columns else rows


def listed(*columns: str) -> str:
    """Return lists of columns as one list; '' is a list of none."""
    return ",\n".join(filter(None, columns))


def named(*columns: dict[str, str]) -> str:
    """Return expressions by name as one list of columns."""
    return listed(*(f"{made} AS {name}" for one in columns for name, made in one.items()))


def joins(*parts: str) -> str:
    """Return what stands after FROM, one under the other; '' is none."""
    return "\n".join(filter(None, parts))


def more_keys(keys: tuple[str, ...]) -> str:
    """Return the keys of a GROUP BY after its first."""
    return "".join(f",\n    {key}" for key in keys)


class Users(Protocol):
    """A SELECT of ``user`` with its values; see report.UserSelect."""

    @property
    def sql(self) -> str: ...  # noqa: D102
    @property
    def bindings(self) -> Bindings: ...  # noqa: D102


def restricted(bindings: Bindings, events_source: str, where: str, segment: Users | None) -> str:
    """Restrict the rows of a source to a condition over their columns and to the users of a segment."""
    users = "1"
    if segment is not None:
        users = load_sql(
            "source.in_segment", users=bindings.embed("segment", segment.sql, segment.bindings)
        )
    return load_sql("source.restricted", events=events_source, where=where, segment=users)


def order() -> str:
    """Return the expression that sorts one user's events: by time, ``seq``, then ``event_id``."""
    return load_sql("source.order")


def with_sessions(bindings: Bindings, events_source: str, silent_source: str | None) -> str:
    """
    Add the session to the events of a source.

    ``silent_source``: all events of the same range with ``session_id = ''``, unfiltered; None where there are none
    (``Ask.has_any``), which saves a second pass over the range.
    """
    if silent_source is None:
        return load_sql("source.no_silent", events=events_source)
    bindings.named("session_gap_ms", SESSION_GAP_MS, "Int64")
    return load_sql("source.sessions", events=events_source, silent=silent_source)
