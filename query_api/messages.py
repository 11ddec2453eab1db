"""
Send logs (召回消息): imported rows that say who was sent which message, and who was held out. What the recall report reads.

(app_id, message_id) is a row's identity: importing it again replaces it, so a log may be sent again when deliveries are known.
A held-out person has a row too, with an id of its own and the time at which the message would have been sent. Of the
person's id only its key is stored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from query_api.errors import QueryError
from query_api.identity import id_key
from query_api.params import AppId, Params, zone_named
from query_api.periods import instant_ms, rfc3339
from query_api.project_tables import MAX_ROWS, Page, ProjectTables, check_unique
from query_api.report import Row
from sdk_spec.limits import MAX_ID_CHARS

Campaign: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Arm: TypeAlias = Literal["treated", "hold_out"]
_COLUMNS = (
    "project",
    "app_id",
    "message_id",
    "campaign",
    "actor",
    "arm",
    "sent_at",
    "delivered",
    "imported_by",
    "version",
)


class PersonId(Params, kw_only=True):
    """An id of a person; ``openid`` and ``anonymous_id`` identify within the row's app."""

    kind: Literal["user_id", "unionid", "openid", "anonymous_id", "phone_hash"]
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]


class Message(Params, kw_only=True):
    """
    A message to one person, or one that was held back (``arm`` ``hold_out``).

    ``sent_at``: RFC 3339. ``delivered``: absent or null where it is not known.
    """

    message_id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]
    app_id: AppId
    campaign: Campaign
    person: PersonId
    arm: Arm = "treated"
    sent_at: Annotated[str, Meta(pattern="[Tt ]", max_length=40)]
    delivered: bool | None = None


class NewMessages(Params, kw_only=True):
    """Body of ``POST /v1/messages``: one of the same app and message_id replaces the one before."""

    rows: Annotated[list[Message], Meta(min_length=1, max_length=MAX_ROWS)]


class GoneMessages(Params, kw_only=True):
    """Query parameters of ``DELETE /v1/messages``: all rows of a campaign in one app."""

    app_id: AppId
    campaign: Campaign


async def store(tables: ProjectTables, body: NewMessages, now_ms: int) -> int:
    """Store rows and return how many. Errors: ``forbidden``, ``invalid_request``; then none is stored."""
    check_unique(((row.app_id, row.message_id) for row in body.rows), "$.rows")
    zone = zone_named("UTC", "$")
    project = tables.rights.project
    rows = []
    for i, row in enumerate(body.rows):
        tables.rights.check(row.app_id, f"$.rows[{i}].app_id")
        sent_ms = instant_ms(row.sent_at, zone, f"$.rows[{i}].sent_at")
        rows.append(
            (
                project,
                row.app_id,
                row.message_id,
                row.campaign,
                id_key(project, row.person.kind, row.app_id, row.person.id),
                row.arm,
                datetime.fromtimestamp(sent_ms / 1000, UTC),
                None if row.delivered is None else int(row.delivered),
                tables.rights.token_id,
                now_ms,
            )
        )
    await tables.insert("messages", _COLUMNS, rows)
    return len(rows)


async def campaigns(tables: ProjectTables, page: Page) -> Row:
    """Return the campaigns of the asked apps: rows by arm, first and last time."""
    bindings = tables.bindings(tables.rights.apps(page.app_id))
    total, rows = await tables.page(
        "messages.campaigns", bindings, page, "last_ms DESC, app_id, campaign"
    )
    return {
        "total": total,
        "campaigns": [
            {
                "app_id": row["app_id"],
                "campaign": row["campaign"],
                "treated": row["treated"],
                "hold_out": row["hold_out"],
                "first_sent_at": rfc3339(row["first_ms"]),
                "last_sent_at": rfc3339(row["last_ms"]),
            }
            for row in rows
        ],
    }


async def delete(tables: ProjectTables, gone: GoneMessages, now_ms: int) -> int:
    """Store that a campaign's rows are gone; return how many there were. Errors: ``forbidden``, ``not_found``."""
    tables.rights.check(gone.app_id, "$.app_id")
    bindings = tables.bindings([gone.app_id])
    bindings.named("campaign", gone.campaign, "String")
    bindings.named("version", now_ms, "UInt64")
    bindings.named("token_id", tables.rights.token_id, "String")
    [counted] = await tables.fetch("messages.count", bindings)
    if not counted["rows"]:
        raise QueryError("not_found", "no messages of this campaign in this app", "$.campaign")
    await tables.change("messages.delete", bindings)
    return int(counted["rows"])
