"""
What a report is, and what it is given: one asked question with its range, zone, apps and database.

A report is a module with its params Struct, a function that answers, a function that selects a cell's users, and a
constant ``REPORT``; ``reports.py`` lists them. The rest (HTTP, meta, CSV, explain, paging of users) is done here once.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
import pyarrow as pa
from msgspec import Meta, Struct

from query_api import attributes, source
from query_api.as_of import AsOf
from query_api.bindings import Bindings
from query_api.clickhouse import Database, Fetched, written
from query_api.errors import InvalidRequest, QueryError
from query_api.order_keys import PAYLOAD_BITS, OrderKey, deciding
from query_api.params import MAX_USERS_PER_PAGE, Params, Query, zone
from query_api.periods import Range, resolve_range, rfc3339
from query_api.source import NOTHING, Beside
from query_api.sql import load_sql

Row = dict[str, Any]


class Answer(Struct, kw_only=True):
    """
    What a report answers.

    ``semantics``: the report's own definition; the common part is added. ``truncated``: a list was cut by a limit.
    """

    result: Row
    semantics: Row
    truncated: bool = False


class UserSelect(Struct, frozen=True):
    """
    The users of a cell as SQL: ``sql`` gives a column ``user`` with one row for each.

    It must be the very SELECT whose rows the report counts, restricted to the cell: then both numbers are one.
    """

    name: str
    sql: str
    bindings: Bindings


class Report(Struct, frozen=True, kw_only=True):
    """
    One report.

    ``answer(ask, params)`` gives the result. ``users(ask, params, cell)`` gives the users of a cell of it. ``table``
    turns a result into flat rows for CSV and Arrow; ``columns(params, result)`` names those of a table without rows, where
    they are known. ``summary`` stands in the OpenAPI document. ``refuses``: the common fields that mean nothing here, and
    why: nothing that is asked is passed over in silence.
    """

    name: str
    summary: str
    params: type[Query]
    answer: Callable[..., Awaitable[Answer]]
    table: Callable[[Row], list[Row]]
    columns: Callable[[Any, Row], list[str]] | None = None
    cell: type[Params] | None = None
    users: Callable[..., Awaitable[UserSelect]] | None = None
    refuses: dict[str, str] = {}

    def check(self, query: Query) -> None:
        """Refuse common fields that the report cannot answer to. Errors: ``invalid_request`` with the field's path."""
        defaults = msgspec.structs.fields(Query)
        for one in defaults:
            if one.name not in self.refuses:
                continue
            default = one.default_factory() if one.default is msgspec.NODEFAULT else one.default
            if getattr(query, one.name) != default:
                raise InvalidRequest(f"$.{one.name}", self.refuses[one.name])

    def users_params(self) -> type[Query]:
        """Params of ``/users``: those of the report, and ``cell``, ``compared``, ``details``, ``limit``, ``after``."""
        return msgspec.defstruct(  # type: ignore[return-value]
            f"{self.params.__name__}Users",
            [
                ("cell", self.cell),
                ("compared", bool, False),
                ("details", bool, False),
                ("limit", Annotated[int, Meta(ge=1, le=MAX_USERS_PER_PAGE)], 10_000),
                ("after", Annotated[str, Meta(pattern="^[0-9]{1,20}$")], "0"),
            ],
            bases=(self.params,),
            kw_only=True,
            forbid_unknown_fields=True,
        )


class Ask:
    """One question on its way: what it asks, the queries it needed, what to tell about them."""

    def __init__(self, database: Database, query: Query, app_ids: list[str], now_ms: int) -> None:
        self.query = query
        self.app_ids = app_ids
        self.now_ms = now_ms
        self.zone = zone(query)
        self.range: Range = resolve_range(query.time_range, self.zone)
        self.query_id = uuid.uuid4().hex
        self.rows_read = 0
        self.warnings: list[Row] = []
        self.explained: list[Row] = []
        self.user_names = attributes.checked_in(query)
        # What was known then; None: all that is known now.
        self.as_of: AsOf | None = None
        # Restricts every source; set where the request names a segment.
        self.segment: UserSelect | None = None
        self.load_segment: Callable[..., Awaitable[UserSelect]] = _no_segments
        # That of the token: whose imported codes, costs and messages the question may read. '' has none.
        self.project = ""
        # Asks another report over the same apps, persons and rights: (its name, its request as JSON) to its result.
        self.answer_within: Callable[[str, bytes], Awaitable[Row]] = _no_others
        self.database = database
        self._queries = 0
        self._parts = 0
        self._asked: Ask | None = None

    @property
    def asked(self) -> Ask:
        """The question about the request's own range: which values a comparison shows by themselves is decided there."""
        return self._asked or self

    def during(self, range_: Range) -> Ask:
        """Ask the same about another range: same apps, segment, knowledge and rights; explained with it."""
        other = copy.copy(self)
        other.range, other._asked = range_, self
        other.query_id = f"{self.query_id}-compared"
        other.rows_read = other._queries = 0
        return other

    def part(self, query: Query) -> Ask:
        """Start a question that is part of this one: same apps, segment, knowledge and rights; explained with it."""
        self._parts += 1
        inner = Ask(self.database, query, self.app_ids, self.now_ms)
        inner.query_id = f"{self.query_id}-part{self._parts}"
        inner.as_of, inner.segment = self.as_of, self.segment
        inner.load_segment, inner.project = self.load_segment, self.project
        inner.explained, inner.warnings = self.explained, self.warnings
        return inner

    def bindings(self) -> Bindings:
        """Start the parameters of one SQL query."""
        return Bindings(self.query.scheme, self.user_names)

    def source(
        self,
        bindings: Bindings,
        where: str = "1",
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> str:
        """Return the SELECT of events with their ``user``, by default of the request's time range."""
        return self.computed(bindings, where, "", from_ms=from_ms, to_ms=to_ms)

    def computed(
        self,
        bindings: Bindings,
        where: str,
        columns: str,
        *,
        beside: Beside = NOTHING,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> str:
        """
        Return ``source`` with more columns, a list of expressions over its own, and what stands ``beside`` its events.

        They are computed where the events lie: shards of a cluster send a value and not the map that it stands in.
        ``where`` may name them, unless they need persons.
        """
        if self.needs_persons(columns):
            events = self.computed(bindings, where, "", beside=beside, from_ms=from_ms, to_ms=to_ms)
            return source.computed(events, columns)
        computed = source.listed(beside.columns, columns)
        at_home = self._at_home(bindings)
        of_events, of_persons = (where, "1") if at_home else source.apart(where)
        events = source.events(
            bindings,
            self.app_ids,
            *self._between(from_ms, to_ms),
            self.query.identity,
            of_events,
            self.as_of,
            f",\n{computed}" if computed else "",
            source.joins(at_home, beside.joined),
        )
        if self.user_names and not at_home:
            events = attributes.joined(
                bindings,
                events,
                self.user_names,
                self.app_ids,
                self.query.identity,
                as_of=self.as_of,
            )
        if self.segment is None and of_persons == "1":
            return events
        return source.restricted(bindings, events, of_persons, self.segment)

    def of_maps(self, expressions: dict[str, str]) -> tuple[str, dict[str, str]]:
        """
        Return columns for ``computed``, and what to read in place of each expression, by the names of their columns.

        The columns are the expressions that read an event's maps, or attributes that are joined to events where these lie. An
        own field leaves a shard as it lies there: less than what is made of it.
        """
        wide = {
            name: made
            for name, made in expressions.items()
            if (source.OF_PROPERTIES in made or source.USER_COLUMN in made)
            and not self.needs_persons(made)
        }
        columns = source.listed(*(f"{made} AS {name}" for name, made in wide.items()))
        return columns, {name: name if name in wide else made for name, made in expressions.items()}

    def alone(
        self,
        bindings: Bindings,
        where: str = "1",
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> str:
        """
        Return a FROM clause of the events of ``source``, without ``user`` where persons do not choose them.

        For what is counted without persons: on a cluster shards then send their groups and not their rows.
        """
        at_home = self._at_home(bindings)
        if (self.user_names and not at_home) or self.segment is not None:
            return f"FROM ({self.source(bindings, where, from_ms=from_ms, to_ms=to_ms)})"
        return source.alone(
            bindings,
            self.app_ids,
            *self._between(from_ms, to_ms),
            where,
            self.as_of,
            at_home,
        )

    def unmerged(
        self,
        bindings: Bindings,
        where: str,
        key: str,
        *,
        beside: Beside = NOTHING,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> str:
        """
        Return what stands after FROM to read a key of the events of ``source`` for its names (order_keys.names_sql).

        The table, with all copies, unless the key reads attributes that are known only with the person.
        """
        at_home = ""
        if self.needs_persons(key):
            events = f"(\n{self.source(bindings, where, from_ms=from_ms, to_ms=to_ms)}\n)"
        else:
            events = "events"
            at_home = self._at_home(bindings) if source.USER_COLUMN in key else ""
        return source.joins(events, at_home, beside.joined)

    def attributes_at_home(self, bindings: Bindings) -> str:
        """
        Return JOINs that put the attributes which the question names to events where these lie, to stand after ``FROM events``.

        On a cluster: shards then compute what is made of them, and send no event for it. '' on one server, where a person is
        cheaper to look up by itself. With identity ``strict`` they stand after ``source.changes``.
        """
        if not self.database.is_sharded:
            return ""
        return attributes.at_home(
            bindings, self.user_names, self.app_ids, self.query.identity, as_of=self.as_of
        )

    def _at_home(self, bindings: Bindings) -> str:
        """Return the same with what has to stand before."""
        at_home = self.attributes_at_home(bindings)
        if at_home and self.query.identity == "strict":
            return f"{source.changes(bindings, self.as_of)}\n{at_home}"
        return at_home

    def needs_persons(self, expression: str) -> bool:
        """Tell whether an expression over events can be computed only once the attributes of their persons are known."""
        return source.USER_COLUMN in expression and not self.database.is_sharded

    def _between(self, from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
        return (
            self.range.from_ms if from_ms is None else from_ms,
            self.range.to_ms if to_ms is None else to_ms,
        )

    async def has_any(
        self,
        where: str,
        from_ms: int,
        to_ms: int,
        *,
        bindings: Bindings | None = None,
    ) -> bool:
        """
        Tell whether the apps have events of a kind there.

        ``where``: a condition over the columns of ``events``, whose values are in ``bindings``; the narrower, the cheaper.
        """
        bindings = bindings or self.bindings()
        bindings.named("app_ids", self.app_ids, "Array(String)")
        bindings.named("any_from_ms", from_ms, "Int64")
        bindings.named("any_to_ms", to_ms, "Int64")
        return bool(await self.fetch("source.any", bindings, where=where))

    async def fetch(self, name: str, bindings: Bindings, **fragments: str) -> list[Row]:
        """Run ``sql/<name>.sql`` with these fragments and values; return its rows by column."""
        return await self.fetch_sql(name, load_sql(name, **fragments), bindings)

    async def fetch_sql(self, name: str, sql: str, bindings: Bindings) -> list[Row]:
        """Run SQL that was put together from .sql files; ``name`` is the outermost file."""
        return (await self.run(name, sql, bindings)).rows

    async def run(
        self, name: str, sql: str, bindings: Bindings, settings: Row | None = None
    ) -> Fetched:
        """Run SQL, with settings of its own, and return columns and cost as well."""
        query_id = self._next_query(name, sql, bindings)
        fetched = await self.database.fetch(
            name, sql, bindings.values, query_id, bindings.tables, settings
        )
        self.rows_read += fetched.rows_read
        return fetched

    async def deciding(
        self, rows: Callable[[Bindings, OrderKey], str], payload_bits: int = PAYLOAD_BITS
    ) -> OrderKey:
        """
        Return the cheapest key with which the rows of a statement hold.

        ``rows``: makes it, they have ``undecided``. ``payload_bits``: as many as they put into the key.
        """

        async def ask_with(order_key: OrderKey) -> list[Row]:
            bindings = self.bindings()
            sql = rows(bindings, order_key)
            return await self.fetch("order_keys.undecided", bindings, rows=sql)

        return await deciding(ask_with, payload_bits)

    async def columns(self, name: str, bindings: Bindings, **fragments: str) -> pa.Table:
        """Run ``sql/<name>.sql`` and return its columns, as ``Database.columns`` does."""
        sql = load_sql(name, **fragments)
        query_id = self._next_query(name, sql, bindings)
        found, rows_read = await self.database.columns(
            name, sql, bindings.values, query_id, bindings.tables
        )
        self.rows_read += rows_read
        return found

    def _next_query(self, name: str, sql: str, bindings: Bindings) -> str:
        """Return the id of one more query, and explain it where that is asked."""
        self._queries += 1
        if self.query.explain:
            explained: Row = {
                "sql_file": f"{name}.sql",
                "sql": sql,
                "parameters": dict(bindings.values),
            }
            if bindings.tables:
                explained["tables"] = [
                    written(name, columns) for name, columns in bindings.tables.items()
                ]
            self.explained.append(explained)
        return f"{self.query_id}-{self._queries}"

    async def syntax(self, name: str, statement: str) -> list[str]:
        """Return the lines of ``sql/<name>.sql``, an EXPLAIN AST of a statement."""
        self._queries += 1
        return await self.database.syntax(
            name, load_sql(name, statement=statement), f"{self.query_id}-{self._queries}"
        )

    def warn(self, code: str, message: str) -> None:
        """Tell something about the numbers in ``meta.warnings``."""
        warning = {"code": code, "message": message}
        if warning not in self.warnings:
            self.warnings.append(warning)

    async def data_complete_until(self) -> str | None:
        """Arrival time of the newest event of the apps, RFC 3339; None without events."""
        bindings = self.bindings()
        bindings.named("app_ids", self.app_ids, "Array(String)")
        rows = await self.fetch("report.data_complete_until", bindings)
        received_ms = rows[0]["received_ms"]
        if received_ms is not None and self.as_of is not None:
            received_ms = min(received_ms, self.as_of.at_ms)
        return None if received_ms is None else rfc3339(received_ms)

    def semantics(self) -> Row:
        """Return the common part of the resolved definition, defaults included."""
        query = self.query
        return {
            "app_ids": self.app_ids,
            "time_range": {
                "from": rfc3339(self.range.from_ms, self.zone),
                "to": rfc3339(self.range.to_ms, self.zone),
                "to_is": "excluded",
            },
            "timezone": query.timezone,
            "filter": query.filter,
            "breakdown": query.breakdown,
            "breakdown_limit": query.breakdown_limit,
            "identity": query.identity,
            "as_of": None if self.as_of is None else rfc3339(self.as_of.at_ms, self.zone),
            "known": _KNOWN if self.as_of is None else _KNOWN_THEN,
            "scheme": query.scheme,
            "segment": query.segment,
            "compare": query.compare,
            "user": _USER[query.identity],
            "duplicates": "events with one (app_id, event_id) count once; the first received wins",
            "absent_fields": "ne, not_in, not_contains and not_exists pass where the field is absent; no other does",
            "data_complete_until": "received_at of the newest event of these apps; what arrived later is not in the numbers",
        }


_KNOWN = "all that is stored now"
_KNOWN_THEN = (
    "events received until as_of; persons as bindings received and unbindings made until as_of give them; periods have ended "
    "or not as of then. Erased since stays erased; stored rules, scenes and imported tables are those of now"
)


async def _no_others(name: str, _body: bytes) -> Row:
    raise QueryError("not_found", f"the report {name} cannot be asked here")


async def _no_segments(_name: str, _scope: object, path: str) -> UserSelect:
    raise InvalidRequest(path, "segments cannot be used here")


_USER = {
    "latest": "the person of the event's strongest id (user_id, unionid, openid, anonymous_id); "
    "ids that ever stood together are one person for all of history",
    "strict": "the person of the event's strongest id (user_id, unionid, openid, anonymous_id); "
    "ids that stood together are one person from then on",
}


async def users_page(
    ask: Ask, select: UserSelect, limit: int, after: str, path: str = "$.after"
) -> Answer:
    """Return one page of a cell's users, in ascending order, and how many the cell has."""
    if int(after) >= 2**64:
        raise InvalidRequest(path, "the `user` that ended the page before")
    bindings = select.bindings
    bindings.named("after", int(after), "UInt64")
    # One more tells of a next page; one more is the cell's first user, whose row has the total also past the last page.
    bindings.named("page_limit", limit + 2, "UInt32")
    rows = await ask.fetch("users.page", bindings, users=select.sql)
    found = [row["user"] for row in rows if row["user"] > int(after) or not int(after)]
    more = len(found) > limit
    users = [{"user": str(user)} for user in found[:limit]]
    return Answer(
        result={
            "total": rows[0]["total"] if rows else 0,
            "users": users,
            "next_after": users[-1]["user"] if more else None,
        },
        semantics={
            "cell": getattr(ask.query, "cell", None),
            "total": "users of the cell: the number that the report shows for it",
            "order": "by `user`; the next page is asked for with `after`: next_after",
        },
        truncated=more,
    )
