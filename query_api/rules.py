"""
Rules: which persons. The language of the users report, of segments and of layers; and its SQL.

A rule is a condition or a group (``relation``, ``rules``); ``not`` negates either. Conditions:

- ``did``: events of a name and filter, how often (``times``), on how many calendar days (``days``), for how much (``sum`` of a
  field over the events that have it as a number), in ``within``. ``did_not``: the very opposite.
- ``sequence``: a funnel's steps in order within a window; the definition is that of the funnel report.
- ``property``: a filter over ``user.…`` only: attributes, first and latest source, first and last seen.
- ``segment``: another stored rule.

A rule is asked at an instant, the end of a date: later events do not exist for it. Every person with an event before that
instant, in the asked apps, either satisfies it or does not; so ``not`` is exact. ``within`` counts back from that instant.

SQL: each condition is a SELECT of users with a bit; one pass ORs the bits of a user; groups become one condition over them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from query_api import attributes, funnel, source
from query_api.as_of import AsOf
from query_api.bindings import Bindings
from query_api.clickhouse import Database
from query_api.errors import InvalidRequest
from query_api.fields import number_sql
from query_api.filters import filter_sql, selector_sql
from query_api.funnel_params import FunnelCell, FunnelParams, Order, Step, Window
from query_api.params import (
    EventSelector,
    FieldName,
    Filter,
    Identity,
    Params,
    TimeRange,
    zone_named,
)
from query_api.periods import DAY_MS, HOUR_MS, periods_of, resolve_range, rfc3339
from query_api.report import Ask, UserSelect
from query_api.sql import load_sql
from query_api.sums import partial_sum_sql, sum_of_parts_sql
from sdk_spec import limits

MAX_CONDITIONS = 60
"""Of one rule or tree: each takes a bit of 64."""
MAX_DEPTH = 8
FIRST_DAY_MS = limits.MIN_OCCURRED_AT_MS - DAY_MS
"""Before any event."""
_UNIT_MS = {"hour": HOUR_MS, "day": DAY_MS}


class Within(Params, kw_only=True):
    """
    When: ``last`` so many hours or days before the rule's instant (a day is 24 hours), or a range ``from`` and ``to``.

    The range is that of a report: days of the timezone, both included, or RFC 3339 instants.
    """

    last: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    unit: Literal["hour", "day"] = "day"
    from_: Annotated[str, Meta(max_length=40)] | None = msgspec.field(name="from", default=None)
    to: Annotated[str, Meta(max_length=40)] | None = None


class Bounds(Params, kw_only=True):
    """A number that lies between two, both included."""

    at_least: float | None = None
    at_most: float | None = None


class Amount(Bounds, kw_only=True):
    """The sum of a field."""

    field: FieldName


class Did(EventSelector, kw_only=True):
    """Events of a person, at least one. All of ``times``, ``days`` and ``sum`` that are given must hold of them."""

    times: Bounds | None = None
    days: Bounds | None = None
    sum: Amount | None = None
    within: Within | None = None


class Sequence(Params, kw_only=True):
    """Steps of a funnel that the person went through to the last, within the window."""

    steps: Annotated[list[Step], Meta(min_length=2, max_length=20)]
    window: Window = msgspec.field(default_factory=Window)
    order: Order = "ordered"
    within: Within | None = None


class Rule(Params, kw_only=True):
    """A condition (one of did, did_not, sequence, property, segment) or a group (relation, rules)."""

    did: Did | None = None
    did_not: Did | None = None
    sequence: Sequence | None = None
    property: Filter | None = None
    segment: Annotated[str, Meta(max_length=64)] | None = None
    relation: Literal["and", "or"] | None = None
    rules: Annotated[list[Rule], Meta(min_length=1, max_length=MAX_CONDITIONS)] | None = None
    not_: bool = msgspec.field(name="not", default=False)


LoadSegment = Callable[[str, "Scope", str], Awaitable[UserSelect]]
"""Gives the users of a stored segment: (its name, the scope of the rule that names it, path for errors)."""


class Scope(Struct, frozen=True, kw_only=True):
    """For whom and when a rule is asked. ``to_ms``: its instant, excluded. ``from_ms``: where ``within`` is absent."""

    database: Database
    app_ids: list[str]
    timezone: str
    identity: Identity
    scheme: str
    from_ms: int
    to_ms: int
    now_ms: int
    load_segment: LoadSegment
    depth: int = 0
    as_of: AsOf | None = None


class Compiler:
    """Collects the conditions of one or several rules over one scope; ``users`` or ``leaves`` make the SQL."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.bindings = Bindings(scope.scheme)
        # Of each condition the SELECT of its users; '' where it is one of the properties.
        self._parts: list[str] = []
        self._properties: dict[int, tuple[Filter, str]] = {}

    async def condition(self, rule: Rule, path: str, depth: int = 0) -> str:
        """Return the rule as a condition over ``bits``. Errors: ``invalid_request`` with the path."""
        if depth > MAX_DEPTH:
            raise InvalidRequest(path, f"nested deeper than {MAX_DEPTH} groups")
        given = [
            name
            for name in ("did", "did_not", "sequence", "property", "segment", "rules")
            if getattr(rule, name) is not None
        ]
        if len(given) != 1:
            raise InvalidRequest(
                path, "give exactly one of did, did_not, sequence, property, segment, rules"
            )
        [name] = given
        if rule.relation is not None and name != "rules":
            raise InvalidRequest(f"{path}.relation", "only with `rules`")
        if rule.rules is not None:
            parts = [
                await self.condition(child, f"{path}.rules[{i}]", depth + 1)
                for i, child in enumerate(rule.rules)
            ]
            joined = f" {(rule.relation or 'and').upper()} ".join(parts)
            sql = f"({joined})"
        else:
            sql = await self._bit(rule, f"{path}.{name}")
            if name == "did_not":
                sql = f"(NOT {sql})"
        return f"(NOT {sql})" if rule.not_ else sql

    async def _bit(self, rule: Rule, path: str) -> str:
        number = len(self._parts) + 1
        if number > MAX_CONDITIONS:
            raise InvalidRequest(path, f"more than {MAX_CONDITIONS} conditions")
        self._parts.append("")
        if rule.property is not None:
            _only_user_fields(rule.property, path)
            self._properties[number] = rule.property, path
            return f"bitTest(bits, {number})"
        if (did := rule.did or rule.did_not) is not None:
            select = self._did(did, path)
        elif rule.sequence is not None:
            select = await self._sequence(rule.sequence, path)
        else:
            select = await self._segment(str(rule.segment), path)
        self._parts[number - 1] = self.bindings.embed(f"r{number}", select.sql, select.bindings)
        return f"bitTest(bits, {number})"

    def _range(self, within: Within | None, path: str) -> tuple[int, int]:
        scope = self.scope
        if within is None:
            return scope.from_ms, scope.to_ms
        if within.last is not None and within.from_ is None and within.to is None:
            from_ms = scope.to_ms - within.last * _UNIT_MS[within.unit]
            return max(FIRST_DAY_MS, from_ms), scope.to_ms
        if within.last is not None or within.from_ is None or within.to is None:
            raise InvalidRequest(f"{path}.within", "give either `last`, or `from` and `to`")
        range_ = resolve_range(
            TimeRange(from_=within.from_, to=within.to), self._zone(), f"{path}.within"
        )
        return range_.from_ms, min(range_.to_ms, scope.to_ms)

    def _did(self, did: Did, path: str) -> UserSelect:
        bindings = Bindings(self.scope.scheme, attributes.named_in(did))
        from_ms, to_ms = self._range(did.within, path)
        is_did = selector_sql(did, path, bindings)
        given: list[str] = []
        keys: tuple[str, ...] = ()
        columns = ["count() AS events"]
        having = []
        if did.days is not None:
            starts = periods_of(from_ms, max(to_ms, from_ms + 1), "day", self._zone()).starts_ms
            # In minutes: ClickHouse takes no value of more than 128 KiB unless its profile says so.
            minutes = [start // 60_000 for start in starts[:-1]]
            bindings.named("days", minutes, "Array(UInt32)")
            given, keys = [load_sql("rules.day")], ("day",)
            having += self._bounds("uniqExact(day)", did.days, f"{path}.days", bindings)
        if did.sum is not None:
            amount, has_amount = number_sql(did.sum.field, f"{path}.sum.field", bindings)
            given += [f"toFloat64({amount}) AS amount", f"{has_amount} AS has_amount"]
            columns.append("countIf(has_amount) AS amounts")
            columns.append(source.named(partial_sum_sql("amount", "has_amount", "amount")))
            having.append("sum(amounts) > 0")
            total = sum_of_parts_sql("amount")
            having += self._bounds(total, did.sum, f"{path}.sum", bindings)
        if did.times is not None:
            having += self._bounds("sum(events)", did.times, f"{path}.times", bindings)
        parts = self._parts_of(
            bindings,
            from_ms,
            to_ms,
            is_did,
            given=source.listed(*given),
            keys=keys,
            columns=source.listed(*keys, *columns),
        )
        sql = load_sql("rules.did", parts=parts, having=" AND ".join(having) or "1")
        return UserSelect("rules.did", sql, bindings)

    @staticmethod
    def _bounds(number: str, bounds: Bounds, path: str, bindings: Bindings) -> list[str]:
        if bounds.at_least is None and bounds.at_most is None:
            raise InvalidRequest(path, "give at_least, at_most or both")
        parts = []
        if bounds.at_least is not None:
            parts.append(f"{number} >= {bindings.add(float(bounds.at_least), 'Float64')}")
        if bounds.at_most is not None:
            parts.append(f"{number} <= {bindings.add(float(bounds.at_most), 'Float64')}")
        return parts

    def _zone(self) -> ZoneInfo:
        return zone_named(self.scope.timezone, "$.timezone")

    def _parts_of(
        self,
        bindings: Bindings,
        from_ms: int,
        to_ms: int,
        where: str,
        *,
        given: str,
        keys: tuple[str, ...],
        columns: str,
    ) -> str:
        """Return what events add up to, by actor; by user where attributes of persons are known only after these are."""
        scope = self.scope
        at_home = ""
        names = bindings.user_names
        if names and scope.database.is_sharded:
            at_home = attributes.at_home(
                bindings, names, scope.app_ids, scope.identity, scope.to_ms, scope.as_of
            )
        elif names:
            events = source.events(
                bindings, scope.app_ids, from_ms, to_ms, scope.identity, as_of=scope.as_of
            )
            events = attributes.joined(
                bindings, events, names, scope.app_ids, scope.identity, scope.to_ms, scope.as_of
            )
            return load_sql(
                "rules.did_of_users",
                events=source.computed(events, given),
                where=where,
                columns=columns,
                keys=source.more_keys(keys),
            )
        return source.by_actor(
            bindings,
            scope.app_ids,
            from_ms,
            to_ms,
            columns,
            scope.identity,
            keys=keys,
            given=given,
            where=where,
            as_of=scope.as_of,
            joined=at_home,
        )

    async def _sequence(self, sequence: Sequence, path: str) -> UserSelect:
        scope = self.scope
        from_ms, to_ms = self._range(sequence.within, path)
        params = FunnelParams(
            app_ids=scope.app_ids,
            # Asked before `within` begins, nobody has begun: the filter leaves no event.
            time_range=TimeRange(from_=rfc3339(from_ms), to=rfc3339(max(to_ms, from_ms + 1))),
            timezone=scope.timezone,
            # A step after the rule's instant does not exist yet.
            filter=Filter(field="occurred_at", op="lt", values=[scope.to_ms]),
            identity=scope.identity,
            scheme=scope.scheme,
            steps=sequence.steps,
            window=sequence.window,
            order=sequence.order,
        )
        ask = Ask(scope.database, params, scope.app_ids, scope.now_ms)
        ask.as_of = scope.as_of
        try:
            return await funnel.users(ask, params, FunnelCell(step=len(sequence.steps)))
        except InvalidRequest as error:
            raise InvalidRequest(f"{path}{(error.path or '$')[1:]}", error.message) from error

    def _properties_part(self) -> str:
        """Return the users with the bits of all conditions on attributes, which are joined once."""
        bindings = Bindings(
            self.scope.scheme,
            attributes.named_in([node for node, _ in self._properties.values()]),
        )
        bits = " + ".join(
            f"if({filter_sql(node, path, bindings)}, {1 << number}, 0)"
            for number, (node, path) in self._properties.items()
        )
        rows = attributes.joined(
            bindings,
            self._everyone(bindings),
            bindings.user_names,
            self.scope.app_ids,
            self.scope.identity,
            self.scope.to_ms,
            self.scope.as_of,
        )
        part = load_sql("rules.part", bit=bits, users=rows)
        return self.bindings.embed("attributes", part, bindings)

    async def _segment(self, name: str, path: str) -> UserSelect:
        if self.scope.depth >= MAX_DEPTH:
            raise InvalidRequest(
                path, f"segments of segments deeper than {MAX_DEPTH}, or in a circle"
            )
        deeper = msgspec.structs.replace(self.scope, depth=self.scope.depth + 1)
        return await self.scope.load_segment(name, deeper, path)

    def _everyone(self, bindings: Bindings) -> str:
        scope = self.scope
        span = (FIRST_DAY_MS, scope.to_ms)
        seen = source.by_actor(
            bindings, scope.app_ids, *span, "count() AS events", scope.identity, as_of=scope.as_of
        )
        return load_sql("rules.everyone", source=seen)

    def _bits(self) -> str:
        everyone = Bindings(self.scope.scheme)
        users = [self.bindings.embed("r0", self._everyone(everyone), everyone), *self._parts]
        parts = [
            load_sql("rules.part", bit=str(1 << number), users=one)
            for number, one in enumerate(users)
            if one
        ]
        if self._properties:
            parts.append(self._properties_part())
        return load_sql("rules.bits", parts="\nUNION ALL\n".join(parts))

    def users(self, condition: str) -> UserSelect:
        """Return the users that satisfy a condition over ``bits``."""
        sql = load_sql("rules.users", bits=self._bits(), condition=condition)
        return UserSelect("rules.users", sql, self.bindings)

    def leaves(self, leaf: str) -> UserSelect:
        """Return every user with the value of an expression over ``bits``."""
        sql = load_sql("rules.leaves", bits=self._bits(), leaf=leaf)
        return UserSelect("rules.leaves", sql, self.bindings)


def _only_user_fields(node: Filter, path: str) -> None:
    if node.field is not None and not node.field.startswith("user."):
        raise InvalidRequest(f"{path}.field", "user.… only; events are asked for with `did`")
    for i, child in enumerate(node.conditions or []):
        _only_user_fields(child, f"{path}.conditions[{i}]")


async def users_of(scope: Scope, rule: Rule, path: str) -> UserSelect:
    """Return the users of a rule."""
    compiler = Compiler(scope)
    return compiler.users(await compiler.condition(rule, path))


SEMANTICS: dict[str, Any] = {
    "instant": "the rule is asked at the end of the time range: later events do not exist for it",
    "everyone": "every person with an event in the asked apps before that instant satisfies the rule or does not",
    "did": "at least one event, also where times, days or sum give at_most only (who has none is found by did_not or not); "
    "days: calendar days of the timezone; sum: over the events that have the field as a number, at least one",
    "within": "absent: all of history up to the instant; last: so many times 24 hours (or hours) before it",
    "property": "attributes as the events up to the instant left them",
    "sequence": "as the funnel report defines it; all events lie before the instant",
}
