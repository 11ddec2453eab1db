"""
Costs of channels (投放成本): imported rows, and what the scenes report makes of them.

A row says what a channel cost on a day in an app. ``key`` names the channel by one field or several, such as
``{"utm.source": "baidu"}``, ``{"platform": "wechat", "scene": "1011"}``, ``{"qr_code": "A-17"}``. (app_id, day, key) is the
row's identity: importing it again replaces it.

A report's row gets the costs whose key has exactly the fields that name it (``by`` and ``breakdown``), never the sum of finer
ones, so nothing counts twice; only groups add up their scenes, and stores, cities and placements their codes. Days are those of
the request's range. What was not imported is null, not 0.
"""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from query_api.errors import InvalidRequest
from query_api.fields import TEXT_COLUMNS
from query_api.params import AppId, FieldName, Params
from query_api.periods import local_day
from query_api.project_tables import MAX_ROWS, Page, ProjectTables, check_unique
from query_api.report import Ask, Row
from sdk_spec.limits import MAX_PROPERTY_STRING_CHARS

MAX_KEY_FIELDS = 5
MAX_AMOUNT = 10**12
Day: TypeAlias = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Currency: TypeAlias = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
KeyValue: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_PROPERTY_STRING_CHARS)]
_COLUMNS = (
    "project",
    "app_id",
    "day",
    "key_fields",
    "key_values",
    "amount",
    "currency",
    "clicks",
    "impressions",
    "imported_by",
    "version",
)
_ZERO = Decimal(0)


class Cost(Params, kw_only=True):
    """
    What a channel cost on a day. ``key``: fields and values that name the channel; ``scene`` needs ``platform`` beside it.

    ``amount``: in units of ``currency`` (ISO 4217), at most four decimal places.
    """

    day: Day
    app_id: AppId
    key: Annotated[dict[FieldName, KeyValue], Meta(min_length=1, max_length=MAX_KEY_FIELDS)]
    amount: Annotated[float, Meta(ge=0, le=MAX_AMOUNT)]
    currency: Currency = "CNY"
    clicks: Annotated[int, Meta(ge=0, le=2**53)] = 0
    impressions: Annotated[int, Meta(ge=0, le=2**53)] = 0


class NewCosts(Params, kw_only=True):
    """Body of ``POST /v1/costs``: one of the same app, day and key replaces the one before."""

    rows: Annotated[list[Cost], Meta(min_length=1, max_length=MAX_ROWS)]


class CostsPage(Page, kw_only=True):
    """Query parameters of ``GET /v1/costs``: days, both included."""

    from_: Day = msgspec.field(name="from", default="2000-01-01")
    to: Day = "2099-12-31"


class GoneCosts(Params, kw_only=True):
    """Query parameters of ``DELETE /v1/costs``: all rows of an app on these days, both included."""

    app_id: AppId
    from_: Day = msgspec.field(name="from")
    to: Day


class Spent(Struct):
    """Costs of one row of a report, by currency; clicks and impressions over all of them."""

    amounts: dict[str, Decimal] = {}
    clicks: int = 0
    impressions: int = 0

    def add(self, other: Spent) -> None:
        """Add costs."""
        self.amounts = {
            currency: self.amounts.get(currency, _ZERO) + other.amounts.get(currency, _ZERO)
            for currency in self.amounts | other.amounts
        }
        self.clicks += other.clicks
        self.impressions += other.impressions


async def store(tables: ProjectTables, body: NewCosts, now_ms: int) -> int:
    """Store rows and return how many. Errors: ``forbidden``, ``invalid_request``; then none is stored."""
    check_unique(
        ((row.app_id, row.day, tuple(sorted(row.key.items()))) for row in body.rows), "$.rows"
    )
    rows = []
    for i, row in enumerate(body.rows):
        tables.rights.check(row.app_id, f"$.rows[{i}].app_id")
        _check_key(row.key, f"$.rows[{i}].key")
        amount = Decimal(repr(row.amount))
        if not math.isfinite(row.amount) or amount != amount.quantize(Decimal("0.0001")):
            raise InvalidRequest(f"$.rows[{i}].amount", "at most four decimal places")
        rows.append(
            (
                tables.rights.project,
                row.app_id,
                day_of(row.day, f"$.rows[{i}].day"),
                sorted(row.key),
                [row.key[name] for name in sorted(row.key)],
                amount,
                row.currency,
                row.clicks,
                row.impressions,
                tables.rights.token_id,
                now_ms,
            )
        )
    await tables.insert("costs", _COLUMNS, rows)
    return len(rows)


def _check_key(key: dict[str, str], path: str) -> None:
    for name in key:
        if name not in TEXT_COLUMNS and name != "qr_code" and not name.startswith("properties."):
            raise InvalidRequest(
                path,
                f"unknown field {name!r}: a text field of an event, qr_code or properties.<name>",
            )
    if "scene" in key and "platform" not in key:
        raise InvalidRequest(path, "a scene is named by `platform` and `scene` together")


def day_of(text: str, path: str) -> date:
    """Return a calendar day. Errors: ``invalid_request`` for one that does not exist."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(path, f"no such day: {error}") from error
    if not 2000 <= day.year < 2100:
        raise InvalidRequest(path, "the year must lie between 2000 and 2099")
    return day


async def stored(tables: ProjectTables, page: CostsPage) -> Row:
    """Return the rows of the asked apps and days, by day, app and key."""
    bindings = tables.bindings(tables.rights.apps(page.app_id))
    bindings.named("from_day", day_of(page.from_, "$.from"), "Date")
    bindings.named("to_day", day_of(page.to, "$.to"), "Date")
    total, rows = await tables.page(
        "costs.list", bindings, page, "day, app_id, key_fields, key_values"
    )
    return {
        "total": total,
        "rows": [
            {
                "day": row["day"].isoformat(),
                "app_id": row["app_id"],
                "key": dict(zip(row["key_fields"], row["key_values"], strict=True)),
                "amount": float(row["amount"]),
                "currency": row["currency"],
                "clicks": row["clicks"],
                "impressions": row["impressions"],
            }
            for row in rows
        ],
    }


async def delete(tables: ProjectTables, gone: GoneCosts, now_ms: int) -> int:
    """Store that the rows of some days are gone; return how many there were. Errors: ``forbidden``."""
    tables.rights.check(gone.app_id, "$.app_id")
    bindings = tables.bindings([gone.app_id])
    bindings.named("from_day", day_of(gone.from_, "$.from"), "Date")
    bindings.named("to_day", day_of(gone.to, "$.to"), "Date")
    bindings.named("version", now_ms, "UInt64")
    bindings.named("token_id", tables.rights.token_id, "String")
    [counted] = await tables.fetch("costs.count", bindings)
    if counted["rows"]:
        await tables.change("costs.delete", bindings)
    return int(counted["rows"])


async def spent(ask: Ask, fields: list[str]) -> dict[tuple[str, ...], Spent]:
    """Return the costs of the asked apps and days whose key has exactly these fields, by app and values in their order."""
    names = sorted(set(fields))
    bindings = ask.bindings()
    bindings.named("project", ask.project, "String")
    bindings.named("app_ids", ask.app_ids, "Array(String)")
    first, last = days_of(ask)
    bindings.named("from_day", first, "Date")
    bindings.named("to_day", last, "Date")
    bindings.named("key_fields", names, "Array(String)")
    found: dict[tuple[str, ...], Spent] = {}
    for row in await ask.fetch("costs.sums", bindings):
        values = dict(zip(names, row["key_values"], strict=True))
        key = (row["app_id"], *(values[name] for name in fields))
        one = Spent({row["currency"]: row["amount"]}, row["clicks"], row["impressions"])
        found.setdefault(key, Spent()).add(one)
    return found


def days_of(ask: Ask) -> tuple[date, date]:
    """Return the first and the last calendar day that the range touches."""
    return local_day(ask.range.from_ms, ask.zone), local_day(ask.range.to_ms - 1, ask.zone)


def shown(spent: Spent | None, row: Row) -> Row:
    """
    Return the cost columns of a row with its ``new_users``, ``conversions`` and ``conversion_value``.

    Costs in several currencies are listed and not added up: then ``cost`` and the ratios are null.
    """
    amounts = {} if spent is None else spent.amounts
    single = next(iter(amounts.items())) if len(amounts) == 1 else None
    cost = None if single is None else float(single[1])
    clicks = None if spent is None else spent.clicks
    impressions = None if spent is None else spent.impressions
    value = row["conversion_value"]
    return {
        "cost": cost,
        "currency": None if single is None else single[0],
        "costs": [{"currency": c, "amount": float(a)} for c, a in sorted(amounts.items())],
        "clicks": clicks,
        "impressions": impressions,
        "cost_per_new_user": _ratio(cost, row["new_users"]),
        "cost_per_conversion": _ratio(cost, row["conversions"]),
        "cost_per_click": _ratio(cost, clicks),
        "click_through_rate": _ratio(clicks, impressions),
        "return_on_ad_spend": _ratio(value, cost),
        "roi": None if value is None or not cost else (value - cost) / cost,
    }


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def warn(ask: Ask, total: Spent) -> None:
    """Tell what the costs of an answer do not say."""
    if len(total.amounts) > 1:
        ask.warn(
            "several_currencies",
            f"costs are in {', '.join(sorted(total.amounts))}; they are not added up across currencies",
        )
    first, last = days_of(ask)
    if total.amounts and (ask.range.from_day, ask.range.to_day) != (first, last):
        ask.warn(
            "whole_days",
            f"costs are those of the whole days {first} to {last}, more than the range holds",
        )


def semantics() -> dict[str, Any]:
    """Return what the cost columns mean, for answers."""
    return {
        "cost": "imported rows of the range's days whose key has exactly the fields that name the row; group: its scenes; "
        "store, city, placement: their registered codes; null where none was imported or several currencies were",
        "cost_per_new_user": "cost over new_users",
        "cost_per_conversion": "cost over conversions",
        "cost_per_click": "cost over clicks",
        "click_through_rate": "clicks over impressions",
        "return_on_ad_spend": "conversion_value over cost",
        "roi": "(conversion_value - cost) over cost",
    }
