"""
The registry of QR codes (二维码): which printed code hangs where. And how a launch is matched with it.

A launch by a mini-program code carries ``scene`` in its query, one by a QR code of a link carries ``q``; the platform leaves
both percent-encoded once, so both are decoded once, as ``decodeURIComponent`` does: ``+`` stays, and a value that is not
well encoded, or not UTF-8 afterwards, stays as it is. ``scene`` counts before ``q``; of a parameter that stands twice the
first. What is decoded is the code: it is compared with ``code_id`` of the launch's app, exactly.

``qr_status`` of an entry: ``none`` (carries no code), ``unknown`` (not in the registry), ``outside_validity`` (registered, but
the entry lies before ``valid_from`` or not before ``valid_to``), ``registered``. Only the last has a store, city and placement.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

from query_api.bindings import Bindings
from query_api.errors import InvalidRequest, QueryError
from query_api.params import AppId, Params, zone_named
from query_api.periods import instant_ms, rfc3339
from query_api.project_tables import MAX_ROWS, Page, ProjectTables, Text, check_unique
from query_api.report import Ask, Row
from query_api.source import Beside
from query_api.sql import load_sql

MAX_CODES = 100_000
"""Of a project: what the platforms allow for one app."""
CodeId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2_048)]
Instant: TypeAlias = Annotated[str, Meta(max_length=40)]
_COLUMNS = (
    "project",
    "app_id",
    "code_id",
    "label",
    "store",
    "city",
    "placement",
    "valid_from",
    "valid_to",
    "updated_by",
    "version",
)


class QrCode(Params, kw_only=True):
    """
    A printed code. ``code_id``: what a launch carries, decoded: the scene of a mini-program code, or the whole link.

    ``valid_from``, ``valid_to``: days of ``timezone``, both included, or RFC 3339 instants, then ``valid_to`` is excluded.
    """

    code_id: CodeId
    app_id: AppId
    label: Text = ""
    store: Text = ""
    city: Text = ""
    placement: Text = ""
    valid_from: Instant | None = None
    valid_to: Instant | None = None


class NewQrCodes(Params, kw_only=True):
    """Body of ``POST /v1/qr-codes``: codes to store; one of the same ``app_id`` and ``code_id`` replaces the one before."""

    codes: Annotated[list[QrCode], Meta(min_length=1, max_length=MAX_ROWS)]
    timezone: Annotated[str, Meta(max_length=64)] = "Asia/Shanghai"


class GoneQrCodes(Params, kw_only=True):
    """Query parameters of ``DELETE /v1/qr-codes``: codes of one app."""

    app_id: AppId
    code_id: Annotated[list[CodeId], Meta(min_length=1, max_length=MAX_ROWS)]


async def stored(tables: ProjectTables, page: Page) -> Row:
    """Return the codes of the asked apps, by app and code."""
    bindings = tables.bindings(tables.rights.apps(page.app_id))
    total, rows = await tables.page("qr_codes.list", bindings, page, "app_id, code_id")
    return {
        "total": total,
        "codes": [shown(row) for row in rows],
    }


def shown(row: Row) -> Row:
    """Return a row of the registry as answers show it."""
    names = ("code_id", "app_id", "label", "store", "city", "placement")
    return {
        **{name: row[name] for name in names},
        **{
            name: None if row[f"{name}_ms"] is None else rfc3339(row[f"{name}_ms"])
            for name in ("valid_from", "valid_to")
        },
    }


async def store(tables: ProjectTables, body: NewQrCodes, now_ms: int) -> int:
    """Store codes and return how many. Errors: ``forbidden``, ``invalid_request``; then none is stored."""
    zone = zone_named(body.timezone, "$.timezone")
    check_unique(((code.app_id, code.code_id) for code in body.codes), "$.codes")
    rows = []
    for i, code in enumerate(body.codes):
        tables.rights.check(code.app_id, f"$.codes[{i}].app_id")
        valid_from, valid_to = _validity(code, zone, f"$.codes[{i}]")
        rows.append(
            (
                tables.rights.project,
                code.app_id,
                code.code_id,
                code.label,
                code.store,
                code.city,
                code.placement,
                valid_from,
                valid_to,
                tables.rights.token_id,
                now_ms,
            )
        )
    [counted] = await tables.fetch("qr_codes.count", tables.bindings(tables.rights.readable))
    if counted["codes"] + len(rows) > MAX_CODES:
        raise InvalidRequest("$.codes", f"there are at most {MAX_CODES} codes; delete some")
    await tables.insert("qr_codes", _COLUMNS, rows)
    return len(rows)


def _validity(
    code: QrCode, zone: zoneinfo.ZoneInfo, path: str
) -> tuple[datetime | None, datetime | None]:
    ends = []
    for name, text in (("valid_from", code.valid_from), ("valid_to", code.valid_to)):
        at_ms = None
        if text is not None:
            at_ms = instant_ms(text, zone, f"{path}.{name}", is_end=name == "valid_to")
        ends.append(at_ms)
    start, end = ends
    if start is not None and end is not None and end <= start:
        raise InvalidRequest(
            f"{path}.valid_to", "must lie after `valid_from` (days: not before it)"
        )
    return _utc(start), _utc(end)


def _utc(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)


async def delete(tables: ProjectTables, gone: GoneQrCodes, now_ms: int) -> int:
    """Store that codes are gone; return how many were there. Errors: ``forbidden``; ``not_found`` when none was."""
    tables.rights.check(gone.app_id, "$.app_id")
    bindings = tables.bindings([gone.app_id])
    bindings.named("code_ids", sorted(set(gone.code_id)), "Array(String)")
    bindings.named("version", now_ms, "UInt64")
    bindings.named("token_id", tables.rights.token_id, "String")
    [counted] = await tables.fetch("qr_codes.found", bindings)
    if not counted["codes"]:
        raise QueryError("not_found", "no such code in this app", "$.code_id")
    await tables.change("qr_codes.delete", bindings)
    return int(counted["codes"])


def beside_events(ask: Ask, bindings: Bindings) -> Beside:
    """Return ``qr_code``, ``qr_status``, ``store``, ``city`` and ``placement``, to be put beside events."""
    _named(ask, bindings)
    columns = load_sql("qr_codes.columns", decoded=load_sql("qr_codes.decoded"))
    return Beside(load_sql("qr_codes.beside"), columns)


async def registry(ask: Ask) -> dict[tuple[str, str], Row]:
    """Return the codes of the asked apps by app and code."""
    bindings = ask.bindings()
    _named(ask, bindings)
    rows = await ask.fetch("qr_codes.registry", bindings)
    return {(row["app_id"], row["code_id"]): shown(row) for row in rows}


def _named(ask: Ask, bindings: Bindings) -> None:
    bindings.named("project", ask.project, "String")
    bindings.named("app_ids", ask.app_ids, "Array(String)")


def semantics() -> Row:
    """Return what a code means, for answers."""
    return {
        "qr_code": "the launch parameter `scene` of page_query, else `q`, percent-decoded once (+ stays; what is not well "
        "encoded stays as it is); compared exactly with code_id of the entry's app",
        "qr_status": "none: the entry carries no code; unknown: not in the registry; outside_validity: registered, but not "
        "valid at the entry's time; registered. Only registered ones have store, city and placement",
    }
