"""
Timeline (行为序列): one person's events in the order of events, a page at a time, newest first unless asked otherwise.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api import people
from query_api.errors import InvalidRequest
from query_api.filters import filter_sql
from query_api.people import PersonQuery
from query_api.periods import rfc3339
from query_api.report import Answer, Ask, Report, Row


class TimelineQuery(PersonQuery, kw_only=True):
    """One person's events that pass ``filter``. ``after``: ``next_after`` of the page before."""

    order: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100
    after: Annotated[str, Meta(max_length=1_000)] | None = None


_SENT = (
    *("event", "event_id", "app_id", "platform", "clock", "seq", "session_id"),
    *("anonymous_id", "openid", "unionid", "user_id"),
    *("scene", "page", "page_query", "referrer_page", "referrer_app_id"),
    *("share_id", "share_ticket", "chat_type", "group_id"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "duration_ms"),
    *("device_brand", "device_model", "device_os", "device_os_version", "device_host_version"),
    *("device_base_library_version", "device_language", "device_network_type"),
    *("device_screen_width", "device_screen_height"),
    *("app_version", "env_version", "sdk_name", "sdk_version"),
)
"""Columns of an event with what was sent, but for its properties."""
_COLUMNS = ("user", *_SENT, "occurred_at", "received_at", "properties")
"""Of a table."""
_PIXELS = ("device_screen_width", "device_screen_height")
"""0 where the device did not tell."""
_Place = tuple[int, Annotated[int, Meta(ge=0, lt=2**32)], str, str]


async def answer(ask: Ask, query: TimelineQuery) -> Answer:
    """Answer the timeline report. Errors: ``not_found``."""
    person = await people.person_of(ask, query)
    bindings = ask.bindings()
    where = filter_sql(query.filter, "$.filter", bindings)
    after = _place(query)
    for name, value, type_ in zip(
        ("after_ms", "after_seq", "after_event_id", "after_app_id"),
        after or (0, 0, "", ""),
        ("Int64", "UInt32", "String", "String"),
        strict=True,
    ):
        bindings.named(name, value, type_)
    bindings.named("is_first_page", after is None, "Bool")
    # One more tells of a next page; one more is the first event, whose row has the total also past the last page.
    bindings.named("page_limit", query.limit + 2, "UInt32")
    is_newest = query.order == "newest"
    rows = await ask.fetch(
        "timeline.events",
        bindings,
        sent=",\n    ".join(_SENT),
        source=people.events_of(ask, bindings, [person], where),
        beyond="<" if is_newest else ">",
        direction="DESC" if is_newest else "ASC",
        first="max" if is_newest else "min",
    )
    found = [row for row in rows if row["is_beyond"]]
    more = len(found) > query.limit
    shown = found[: query.limit]
    last = shown[-1] if more else None
    return Answer(
        result={
            "user": str(person),
            "total": rows[0]["total"] if rows else 0,
            "events": [_event(ask, row) for row in shown],
            "next_after": last
            and msgspec.json.encode(
                [last["at_ms"], last["seq"], last["event_id"], last["app_id"]]
            ).decode(),
        },
        semantics={
            "order": f"{query.order} first: occurred_at after clock correction, then seq, then event_id, then app_id",
            "total": "events of the person in the time range that pass the filter",
        },
        truncated=more,
    )


def _place(query: TimelineQuery) -> _Place | None:
    if query.after is None:
        return None
    try:
        place: _Place = msgspec.json.decode(query.after, type=_Place)
    except msgspec.MsgspecError as error:
        raise InvalidRequest("$.after", "`next_after` of the page before") from error
    return place


def _event(ask: Ask, row: Row) -> Row:
    """Return the event as it was sent, without what is absent."""
    return {
        **{name: row[name] for name in _SENT if _is_there(name, row[name])},
        "occurred_at": rfc3339(row["at_ms"], ask.zone),
        "received_at": rfc3339(row["received_ms"], ask.zone),
        "properties": people.properties_of(row),
    }


def _is_there(name: str, value: object) -> bool:
    return bool(value) if name in _PIXELS else value not in ("", None)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each event, with a column for all that one can have."""
    empty = dict.fromkeys(_COLUMNS)
    return [{**empty, "user": result["user"], **event} for event in result["events"]]


def columns(_query: TimelineQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return list(_COLUMNS)


REPORT: Any = Report(
    name="timeline",
    summary="One person's events in order (行为序列)",
    params=TimelineQuery,
    answer=answer,
    table=table,
    columns=columns,
    refuses={
        "breakdown": "one person has none",
        "compare": "one person's events are a list, not numbers: ask again with another `time_range`",
    },
)
