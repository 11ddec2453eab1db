"""
Segments (用户分群): stored rules and their dated snapshots. A rule is asked when a report needs it, or read from a snapshot.

``seg_…`` in a request means the rule at the end of the request's time range; ``seg_…@2026-10-31`` the snapshot of that date,
whose persons are followed when they have merged since. Every change is one more row; the newest version counts. Called by
segment_handlers.py and, for ``segment`` in a request, by reports.py.
"""

from __future__ import annotations

import secrets
import uuid
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api import segment_export, source
from query_api.as_of import AsOf
from query_api.bindings import Bindings
from query_api.clickhouse import Database
from query_api.editor import Editor
from query_api.errors import InvalidRequest, QueryError
from query_api.params import AppId, Params, zone_named
from query_api.periods import local_day, rfc3339, start_of_day_ms
from query_api.report import Row, UserSelect
from query_api.rules import FIRST_DAY_MS, Compiler, Rule, Scope, users_of
from query_api.segment_export import Wish
from query_api.sql import load_sql

MAX_SEGMENTS = 1_000
"""Of a project."""
_COLUMNS = (
    "project",
    "segment_id",
    "name",
    "rule",
    "app_ids",
    "timezone",
    "created_at",
    "created_by",
    "version",
    "is_deleted",
    "refresh",
)
Refresh: TypeAlias = Literal["never", "daily"]
_DAY = r"^\d{4}-\d{2}-\d{2}$"


class NewSegment(Params, kw_only=True):
    """
    Body of ``POST /v1/segments``.

    ``app_ids``: whose events the rule reads; absent: all that the token may read. ``refresh``: ``daily`` takes a snapshot of
    each day once it has ended.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    rule: Rule
    app_ids: Annotated[list[AppId], Meta(min_length=1, max_length=1_000)] | None = None
    timezone: Annotated[str, Meta(max_length=64)] = "Asia/Shanghai"
    refresh: Refresh = "never"


class NewSnapshot(Params, kw_only=True):
    """Body of ``POST /v1/segments/{id}/snapshots``. ``date``: a day of the segment's zone; absent: the last that has ended."""

    date: Annotated[str, Meta(pattern=_DAY)] | None = None


class Segment(Struct, frozen=True, kw_only=True):
    """A stored rule."""

    segment_id: str
    name: str
    rule: Rule
    app_ids: list[str]
    timezone: str
    created_at: str
    created_by: str
    refresh: Refresh = "never"


class Segments:
    """The segments of one project, read and written with the rights of one token's apps."""

    def __init__(self, database: Database, project: str, readable: list[str]) -> None:
        self._database = database
        self._project = project
        self._readable = readable

    async def _fetch(self, name: str, bindings: Bindings, **fragments: str) -> list[Row]:
        bindings.named("project", self._project, "String")
        sql = load_sql(name, **fragments)
        fetched = await self._database.fetch(name, sql, bindings.values, uuid.uuid4().hex)
        return fetched.rows

    async def all(self) -> list[Segment]:
        """Return all segments whose apps the token may read."""
        rows = await self._fetch("segments.list", Bindings())
        found = [_segment(row) for row in rows]
        return [one for one in found if set(one.app_ids) <= set(self._readable)]

    async def get(self, segment_id: str, path: str = "$.segment") -> Segment:
        """Return one segment. Errors: ``not_found``, also for one of apps that the token cannot read."""
        for segment in await self.all():
            if segment.segment_id == segment_id:
                return segment
        raise QueryError("not_found", "no segment of this id", path)

    async def create(self, editor: Editor, body: NewSegment, token_id: str, now_ms: int) -> Segment:
        """
        Check a rule by asking it for its plan, then store it.

        Errors: ``invalid_request`` with the path of what is wrong in the rule.
        """
        app_ids = sorted(set(body.app_ids or self._readable))
        for i, app_id in enumerate(app_ids):
            if app_id not in self._readable:
                raise QueryError("forbidden", "this token cannot read this app", f"$.app_ids[{i}]")
        zone_named(body.timezone, "$.timezone")
        if len(await self.all()) >= MAX_SEGMENTS:
            raise InvalidRequest("$", f"there are {MAX_SEGMENTS} segments; delete some")
        scope = self._scope(app_ids, body.timezone, now_ms, now_ms)
        await users_of(scope, body.rule, "$.rule")
        segment = Segment(
            segment_id=f"seg_{secrets.token_hex(8)}",
            name=body.name,
            rule=body.rule,
            app_ids=app_ids,
            timezone=body.timezone,
            created_at=rfc3339(now_ms),
            created_by=token_id,
            refresh=body.refresh,
        )
        await self._store(editor, segment, now_ms)
        return segment

    async def delete(self, editor: Editor, segment_id: str, now_ms: int) -> None:
        """Store that a segment is gone; its snapshots are no longer found. Errors: ``not_found``."""
        await self._store(editor, await self.get(segment_id, "$"), now_ms, is_deleted=True)

    async def _store(
        self, editor: Editor, segment: Segment, now_ms: int, *, is_deleted: bool = False
    ) -> None:
        row = (
            self._project,
            segment.segment_id,
            segment.name,
            msgspec.json.encode(segment.rule).decode(),
            segment.app_ids,
            segment.timezone,
            datetime.fromisoformat(segment.created_at),
            segment.created_by,
            now_ms,
            int(is_deleted),
            segment.refresh,
        )
        await editor.insert("segments", _COLUMNS, [row])

    def _scope(
        self,
        app_ids: list[str],
        timezone: str,
        to_ms: int,
        now_ms: int,
        depth: int = 0,
        as_of: AsOf | None = None,
    ) -> Scope:
        return Scope(
            database=self._database,
            app_ids=app_ids,
            timezone=timezone,
            identity="latest",
            scheme="standard",
            from_ms=FIRST_DAY_MS,
            to_ms=to_ms,
            now_ms=now_ms,
            load_segment=self.users,
            depth=depth,
            as_of=as_of,
        )

    async def users(self, name: str, scope: Scope, path: str) -> UserSelect:
        """
        Return the users of ``seg_…`` at a scope's instant, or of a snapshot, ``seg_…@<day>``.

        Errors: ``not_found``; ``invalid_request`` for identity "strict", which has other persons.
        """
        if scope.identity != "latest":
            raise InvalidRequest(path, "segments hold persons of identity latest")
        segment_id, at, day = name.partition("@")
        segment = await self.get(segment_id, path)
        if at:
            return await self._snapshot(segment, day, path, scope.as_of)
        own = self._scope(
            segment.app_ids,
            segment.timezone,
            scope.to_ms,
            scope.now_ms,
            scope.depth,
            scope.as_of,
        )
        return await users_of(own, segment.rule, path)

    async def _snapshot(
        self, segment: Segment, day: str, path: str, as_of: AsOf | None
    ) -> UserSelect:
        taken = {one["date"]: one for one in await self.snapshots(segment)}
        if day not in taken:
            raise QueryError("not_found", "no snapshot of this date was taken", path)
        bindings = Bindings()
        bindings.named("project", self._project, "String")
        bindings.named("segment_id", segment.segment_id, "String")
        bindings.named("snapshot_id", taken[day]["snapshot_id"], "UInt64")
        sql = load_sql("segments.users", persons=source.persons(bindings, as_of=as_of))
        return UserSelect("segments.users", sql, bindings)

    async def snapshots(self, segment: Segment) -> list[Row]:
        """Return date, number of users and instant of each snapshot, oldest first."""
        bindings = Bindings()
        bindings.named("segment_id", segment.segment_id, "String")
        rows = await self._fetch("segments.snapshots", bindings)
        return [
            {
                "date": row["date"].isoformat(),
                "users": row["users"],
                "taken_at": rfc3339(row["snapshot_id"]),
                "snapshot_id": row["snapshot_id"],
            }
            for row in rows
        ]

    async def take_snapshot(
        self, editor: Editor, segment: Segment, body: NewSnapshot, token_id: str, now_ms: int
    ) -> Row:
        """
        Store the users of the rule at the end of a day. Taken again, the newer one counts.

        Errors: ``invalid_request`` for a day that has not ended.
        """
        zone = zoneinfo.ZoneInfo(segment.timezone)
        day = _day(body.date) if body.date else local_day(now_ms, zone) - timedelta(days=1)
        to_ms = start_of_day_ms(day + timedelta(days=1), zone)
        if to_ms > now_ms:
            raise InvalidRequest("$.date", "this day has not ended yet in the segment's timezone")
        scope = self._scope(segment.app_ids, segment.timezone, to_ms, now_ms)
        select = await users_of(scope, segment.rule, "$")
        bindings = Bindings()
        users = bindings.embed("snapshot", select.sql, select.bindings)
        bindings.named("project", self._project, "String")
        bindings.named("segment_id", segment.segment_id, "String")
        bindings.named("snapshot_id", now_ms, "UInt64")
        sql = load_sql("segments.take", users=users)
        await editor.run("segments.take", sql, bindings.values)
        [counted] = await self._fetch("segments.count", bindings)
        await editor.insert(
            "segment_snapshots",
            ("project", "segment_id", "date", "snapshot_id", "users", "taken_by"),
            [(self._project, segment.segment_id, day, now_ms, counted["users"], token_id)],
        )
        return {"date": day.isoformat(), "users": counted["users"], "taken_at": rfc3339(now_ms)}

    async def export(
        self, segment: Segment, wish: Wish, project_apps: list[str], now_ms: int
    ) -> tuple[Row, bool]:
        """Return the members' ids for a channel; and whether there is a next page."""
        scope = self._scope(segment.app_ids, segment.timezone, now_ms, now_ms)
        at = f"@{wish.snapshot}" if wish.snapshot else ""
        members = await self.users(f"{segment.segment_id}{at}", scope, "$.snapshot")
        select = segment_export.statement(wish, members, self._readable, project_apps)
        fetched = await self._database.fetch(
            select.name, select.sql, select.bindings.values, uuid.uuid4().hex
        )
        return segment_export.result_of(wish, fetched.rows)

    async def describe(self, segment: Segment, now_ms: int) -> Row:
        """Return a segment with its size and a sample now, and its snapshots."""
        scope = self._scope(segment.app_ids, segment.timezone, now_ms, now_ms)
        compiler = Compiler(scope)
        select = compiler.users(await compiler.condition(segment.rule, "$"))
        bindings = Bindings()
        users = bindings.embed("now", select.sql, select.bindings)
        [size] = await self._fetch("segments.size", bindings, users=users)
        taken = [
            {name: value for name, value in one.items() if name != "snapshot_id"}
            for one in await self.snapshots(segment)
        ]
        return {
            **msgspec.to_builtins(segment),
            "users": size["users"],
            "sample": [str(user) for user in size["sample"]],
            "counted_at": rfc3339(now_ms),
            "snapshots": taken,
        }


def _segment(row: Row) -> Segment:
    return Segment(
        segment_id=row["segment_id"],
        name=row["name"],
        rule=msgspec.json.decode(row["rule"], type=Rule),
        app_ids=row["app_ids"],
        timezone=row["timezone"],
        created_at=rfc3339(row["created_ms"]),
        created_by=row["created_by"],
        refresh=row["refresh"],
    )


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise InvalidRequest("$.date", f"no such day: {error}") from error


def semantics() -> dict[str, Any]:
    """Return what a segment means, for answers."""
    return {
        "segment": "the rule, asked at the end of the request's time range over the segment's own apps and timezone",
        "snapshot": "seg_…@<day>: the users of that day's snapshot; persons that merged since are followed",
    }
