"""
Profile (用户画像): one person's attributes, each with the event that last changed it, its ids, and where it came from.

Attributes are folded from the ``user_*`` events of the asked apps in the time range (absent: all of history) in the order of
events: ``fold`` is the definition that ``user.<name>`` in filters follows as well.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any

from query_api import attributes, people
from query_api.fields import field_sql
from query_api.people import PersonQuery
from query_api.periods import rfc3339
from query_api.report import Answer, Ask, Report, Row


class ProfileQuery(PersonQuery, kw_only=True):
    """One person. ``time_range`` bounds the events that count: with its end in the past, the profile as it was then."""


def fold(changes: Iterable[Row]) -> dict[str, Row]:
    """
    Fold ``user_*`` events, given in their order, into the attributes they leave.

    Shapes: name → ``value`` and ``source``, the row of the event that set or last added to it.
    """
    found: dict[str, Row] = {}
    for row in changes:
        for name, value in people.properties_of(row).items():
            known = found.get(name)
            if row["event"] == "user_unset":
                found.pop(name, None)
            elif row["event"] == "user_set" or (row["event"] == "user_set_once" and known is None):
                found[name] = {"value": value, "source": row}
            elif row["event"] == "user_increment" and _is_number(value):
                if known is None:
                    found[name] = {"value": value, "source": row}
                elif _is_number(known["value"]):
                    added = float(known["value"]) + float(value)
                    if math.isfinite(added):  # as attributes.values.sql
                        found[name] = {"value": _plain(added), "source": row}
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


async def answer(ask: Ask, query: ProfileQuery) -> Answer:
    """Answer the profile report. Errors: ``not_found``."""
    person = await people.person_of(ask, query)

    async def rows_of(name: str, **fragments: str) -> list[Row]:
        bindings = ask.bindings()
        if "direction" in fragments:
            fragments["scene_group"] = str(field_sql("scene_group", "$", bindings).text)
        if name == "people.seen":
            fragments["ids"] = people.ids_sql(bindings)
        source = people.events_of(ask, bindings, [person])
        return await ask.fetch(name, bindings, source=source, **fragments)

    changes, first, latest, seen, phones = await asyncio.gather(
        rows_of("profile.changes"),
        rows_of("profile.entries", direction="ASC"),
        rows_of("profile.entries", direction="DESC"),
        rows_of("people.seen"),
        people.phones_of(ask, [person]),
    )
    result: Row = {
        "user": str(person),
        "ids": [people.id_of(one) for one in seen[0]["ids"]] + phones.get(person, []),
        "attributes": [
            {"name": name, "value": one["value"], **_event_of(ask, one["source"])}
            for name, one in sorted(fold(changes).items())
        ],
        "first_seen": rfc3339(seen[0]["first_ms"], ask.zone) if seen[0]["events"] else None,
        "last_seen": rfc3339(seen[0]["last_ms"], ask.zone) if seen[0]["events"] else None,
        "events": seen[0]["events"],
        "app_ids": seen[0]["app_ids"],
        "platforms": seen[0]["platforms"],
        "first_source": _entry(ask, first),
        "latest_source": _entry(ask, latest),
    }
    return Answer(result=result, semantics=SEMANTICS, truncated=len(changes) >= 100_000)


def _event_of(ask: Ask, row: Row) -> Row:
    return {
        "event": row["event"],
        "event_id": row["event_id"],
        "app_id": row["app_id"],
        "at": rfc3339(row["at_ms"], ask.zone),
    }


def _entry(ask: Ask, rows: list[Row]) -> Row | None:
    if not rows:
        return None
    [row] = rows
    rest = {name: value for name, value in row.items() if name not in ("at_ms", "seq")}
    return {**rest, "at": rfc3339(row["at_ms"], ask.zone)}


SEMANTICS: Row = {
    "attributes": attributes.FOLD,
    "order": "occurred_at after clock correction, then seq, then event_id; arrival and copies change nothing",
    "source_of_an_attribute": "the event that set it or last added to it",
    "ids": "of the person's events in the time range, phone_hash of all time; /v1/identity/{id}/explain says why they are one "
    "person",
    "first_source": "the first app_launch or app_show in the time range; latest_source: the last (rule version 1)",
}


def table(result: Row) -> list[Row]:
    """Flatten: one row for each attribute."""
    return [{"user": result["user"], **one} for one in result["attributes"]]


def columns(_query: ProfileQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    return ["user", "name", "value", "event", "event_id", "app_id", "at"]


REPORT: Any = Report(
    name="profile",
    summary="One person with the source of each attribute (用户画像)",
    params=ProfileQuery,
    answer=answer,
    table=table,
    columns=columns,
    refuses={
        "filter": "a profile is folded from all events of the person; bound them by `time_range`",
        "breakdown": "one person has none",
        "compare": "a person has no other period: ask again with another `time_range`",
    },
)
