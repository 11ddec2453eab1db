"""
Attribution (归因): which touches the targets of the time range are due to.

A **target** is an event of ``target`` in the range; ``value`` is a number of it that is added up. A **touch** is an event of
one of ``touches`` (of the first that it matches). The chain of a target is what the same user touched before it, by
(occurred_at, seq, event_id), at most ``lookback`` earlier; with ``shared_property`` only touches whose property equals the
target's (both present, of one JSON type). A touch may stand in the chains of several targets. The request's ``filter`` bounds
what counts as an event here.

Each target gives 1 conversion and its value to its chain:

- ``first``, ``last``: all to the first or last touch. ``linear``: in equal parts.
- ``position``: 40 % to the first, 40 % to the last, 20 % in equal parts to those between; two touches: half each; one: all.
- ``time_decay``: in proportion to 2^(-age / ``half_life``), age being the time from the touch to the target.

A target with an empty chain is **direct**: it stands in a row of its own, so conversions and values add up to the targets and
their values under every model. ``breakdown``: fields of the touch.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from query_api import breakdowns, by_actor, per_user, source
from query_api.bindings import Bindings
from query_api.breakdowns import OTHER, Key
from query_api.errors import InvalidRequest
from query_api.fields import amount_sql, field_sql
from query_api.filters import all_of, event_names_sql, filter_sql, selector_sql
from query_api.order_keys import ORDER_KEYS, OrderKey, decided, hashed, names_sql
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.per_user import BreakdownCell
from query_api.report import Answer, Ask, Report, Row, UserSelect
from query_api.sql import load_sql
from query_api.sums import partial_sum_sql, sum_of_parts_sql

MAX_TOUCHES = 20
_MARK_BITS = 6
"""Of an event's mark: five for the number of its touch, one for the target."""
_TOUCHES = "sum(times)"
"""Over rows of attribution.credits or attribution.of_keys: what ranks a key."""
MAX_LOOKBACK_MS = 366 * 86_400_000
UNIT_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

Model: TypeAlias = Literal["first", "last", "linear", "position", "time_decay"]


class Span(Params, kw_only=True):
    """A length of time: at most 366 days."""

    value: Annotated[int, Meta(ge=1, le=527_040)]
    unit: Literal["minute", "hour", "day"] = "day"


class SharedProperty(Params, kw_only=True):
    """A field of the touch that must equal a field of the target."""

    touch: FieldName
    target: FieldName


class AttributionQuery(Query, kw_only=True):
    """What the events of ``target`` are due to among the events of ``touches``, under each of the ``models``."""

    target: EventSelector
    value: FieldName | None = None
    touches: Annotated[list[EventSelector], Meta(min_length=1, max_length=MAX_TOUCHES)]
    models: Annotated[list[Model], Meta(min_length=1, max_length=5)] = msgspec.field(
        default_factory=lambda: ["last"]
    )
    lookback: Span = msgspec.field(default_factory=lambda: Span(value=30))
    half_life: Span = msgspec.field(default_factory=lambda: Span(value=7))
    shared_property: SharedProperty | None = None


class AttributionCell(BreakdownCell, kw_only=True):
    """
    The users of a row: its ``touch`` (from 1), or ``direct``; and its ``breakdown`` or ``other``. Neither: all rows.

    ``model``: only those of whose conversions the row gets something under this model of the request.
    """

    touch: Annotated[int, Meta(ge=1, le=MAX_TOUCHES)] | None = None
    direct: bool = False
    model: Model | None = None


def _span_ms(span: Span, path: str) -> int:
    length = span.value * UNIT_MS[span.unit]
    if length > MAX_LOOKBACK_MS:
        raise InvalidRequest(f"{path}.value", "at most 366 days")
    return length


def _shared(name: str, side: str, bindings: Bindings) -> str:
    """Return the value of a field as a text with its JSON type; '' where it is absent."""
    field_sql(name, f"$.shared_property.{side}", bindings)  # refuses with this path
    [element] = breakdowns.elements_sql([name], bindings)
    return element


def _plain(touch_of: str) -> dict[str, str]:
    """Return what attribution.chains needs where a touch is its number and nothing else."""
    return {
        "touch_texts": "''",
        "target_shared": "''",
        "in_order": "",
        "codes": f"arrayMap(k -> toUInt32({touch_of}), touches)",
        "more": "",
        "chain": "codes_before",
        "chain_ms": "ms_before",
    }


def _with_texts(query: AttributionQuery, bindings: Bindings, touch_of: str) -> dict[str, str]:
    """Return the same where a touch has a key, or a value to share: its code is its kind among those of the user."""
    touch_shared = target_shared = "''"
    in_chain = "{}"
    if query.shared_property is not None:
        touch_shared = _shared(query.shared_property.touch, "touch", bindings)
        target_shared = _shared(query.shared_property.target, "target", bindings)
        in_chain = (
            "arrayFilter((one, shared) -> shared = target_shared AND shared != '', {}, "
            "arraySlice(shared_values, first_place, places))"
        )
    numbers_of_touches = f"arrayMap(k -> toUInt8({touch_of}), touches)"
    return {
        "touch_texts": f"({_key_number(query, bindings)}, {touch_shared})",
        "target_shared": target_shared,
        "in_order": ",\narraySort(touched) AS described",
        "codes": f"arrayEnumerateDense({numbers_of_touches}, described.2.1)",
        "more": f",\narrayDistinct(arrayZip({numbers_of_touches}, described.2.1)) AS kinds,\ndescribed.2.2 AS shared_values",
        "chain": in_chain.format("codes_before"),
        "chain_ms": in_chain.format("ms_before"),
    }


def _key_number(query: AttributionQuery, bindings: Bindings) -> str:
    """Return the key of a touch as a number."""
    return hashed(per_user.event_key(query, bindings)) if query.breakdown else "toUInt64(0)"


def _names(ask: Ask, query: AttributionQuery, bindings: Bindings) -> dict[str, str]:
    """Return the key of rows with ``key_number``, and the JOIN that brings it."""
    if not query.breakdown:
        return {"key": per_user.NO_KEY, "names": ""}
    key = per_user.event_key(query, bindings)
    wanted = event_names_sql(query.touches, bindings)
    names = names_sql(
        key, _key_number(query, bindings), wanted, ask.unmerged(bindings, wanted, key)
    )
    return {
        "key": "names.key",
        "names": per_user.names_joined(names),
    }


def _has_texts(query: AttributionQuery) -> bool:
    return bool(query.breakdown) or query.shared_property is not None


def _chains(ask: Ask, query: AttributionQuery, bindings: Bindings, order_key: OrderKey) -> str:
    """Return the SELECT of the chain of each target."""
    lookback_ms = _span_ms(query.lookback, "$.lookback")
    bindings.named("lookback_ms", lookback_ms, "Int64")
    bindings.named("range_from_ms", ask.range.from_ms, "Int64")
    bindings.named("range_to_ms", ask.range.to_ms, "Int64")
    target = selector_sql(query.target, "$.target", bindings)
    touches = [
        selector_sql(touch, f"$.touches[{i}]", bindings) for i, touch in enumerate(query.touches)
    ]
    amount = amount_sql(query.value, "$.value", bindings)
    where = [
        filter_sql(query.filter, "$.filter", bindings),
        event_names_sql([query.target, *query.touches], bindings),
        f"({' OR '.join([target, *touches])})",
    ]
    key = ORDER_KEYS[order_key]
    touch_of = f"bitAnd({key.payload.format('k')}, 31)"
    texts = _with_texts(query, bindings, touch_of) if _has_texts(query) else _plain(touch_of)
    events = load_sql(
        "attribution.events",
        target=target,
        touch=f"multiIf({', '.join(f'{sql}, {i + 1}' for i, sql in enumerate(touches))}, 0)",
        amount=amount,
        number=key.key.format("mark"),
        touch_texts=texts.pop("touch_texts"),
        target_shared=texts.pop("target_shared"),
    )
    aggregates = {
        "unsorted": "groupArray(number)",
        "aims": "groupArrayIf((number, amount, target_shared), is_target)",
        "has_target": "max(is_target)",
    }
    if _has_texts(query):
        aggregates["touched"] = "groupArrayIf((number, touch_texts), touch > 0)"
    return load_sql(
        "attribution.chains",
        collected=by_actor.collected(
            ask,
            bindings,
            all_of(where),
            computed=events,
            wanted="(touch > 0 OR is_target)",
            aggregates=aggregates,
            having="has_target",
            # Arrays of texts cost more to put together than what is saved.
            pays_alone=not _has_texts(query),
            from_ms=ask.range.from_ms - lookback_ms,
            to_ms=ask.range.to_ms,
        ),
        undecided=key.undecided(
            "numbers", payload_decides=not _has_texts(query) and query.value is None
        ),
        at=key.at.format("k"),
        payload=key.payload.format("k"),
        **texts,
    )


def _credits(
    ask: Ask,
    query: AttributionQuery,
    bindings: Bindings,
    order_key: OrderKey,
) -> str:
    """Return the SELECT of what each touch gets, that both the rows and their users come from."""
    chains = _chains(ask, query, bindings, order_key)
    bindings.named("half_life_ms", _span_ms(query.half_life, "$.half_life"), "Int64")
    return load_sql(
        "attribution.credits",
        chains=chains,
        kind="if(code = 0, (toUInt8(0), toUInt64(0)), kinds[code])"
        if _has_texts(query)
        else "(toUInt8(code), toUInt64(0))",
    )


def _named(ask: Ask, query: AttributionQuery, bindings: Bindings, order_key: OrderKey) -> str:
    """Return the same with the packed ``key`` of each touch."""
    credits_ = _credits(ask, query, bindings, order_key)
    return load_sql("attribution.named", credits=credits_, **_names(ask, query, bindings))


async def _top(ask: Ask, query: AttributionQuery) -> list[Key] | None:
    """Return the keys that the report shows, for the users of a cell."""
    order_key = await ask.deciding(partial(_chains, ask, query), _MARK_BITS)
    bindings = ask.bindings()
    touched = load_sql("attribution.touched", credits=_named(ask, query, bindings, order_key))
    return await per_user.most_frequent(ask, touched, bindings, _TOUCHES)


async def answer(ask: Ask, query: AttributionQuery) -> Answer:
    """Answer the attribution report."""
    if len(set(query.models)) != len(query.models):
        raise InvalidRequest("$.models", "a model stands twice")
    result = await per_user.compared(ask, query, _counted, _result)
    return Answer(result=result, semantics=_semantics(query))


async def _counted(ask: Ask, query: AttributionQuery, top: list[Key] | None) -> list[Row]:
    of_keys: dict[str, str] = {}
    models: list[str] = []
    for model in query.models:
        for name, value in (
            (f"{model}_conversions", model),
            (f"{model}_value", f"{model} * amount"),
        ):
            of_keys |= partial_sum_sql(value, "1", name)
            models.append(f"{sum_of_parts_sql(name)} AS {name}")
        of_keys[f"{model}_users"] = f"uniqExactStateIf(user, {_is_credited(model)})"
        models.append(f"uniqExactMerge({model}_users) AS {model}_credited")

    async def ask_with(order_key: OrderKey) -> list[Row]:
        bindings = ask.bindings()
        rows = load_sql(
            "attribution.of_keys",
            credits=_credits(ask, query, bindings, order_key),
            models=source.named(of_keys),
            in_other="touch > 0" if query.breakdown else "0",
            **_names(ask, query, bindings),
        )
        return await ask.fetch(
            "attribution.counts",
            bindings,
            shown=per_user.shown(query, rows, top, bindings, _TOUCHES, "touch > 0"),
            is_other="touch > 0 AND key = ''" if query.breakdown else "0",
            models=source.listed(*models),
        )

    rows, _ = await decided(ask_with, _MARK_BITS)
    return rows


def _result(_ask: Ask, query: AttributionQuery, found: list[Row]) -> Row:
    rows = []
    total = {"users": 0, "targets": 0, **_models(query, {})}
    for row in found:
        numbers = {
            "users": row["users"],
            "targets": row["targets"],
            **_models(query, row),
        }
        if row["total"]:
            total = numbers
            continue
        rows.append((row["touch"], breakdowns.unpack(row["key"]), numbers))
    first_model = query.models[0]
    rows.sort(
        key=lambda row: (
            row[0] == 0,
            bool(query.breakdown) and row[1] == OTHER,
            -row[2]["models"][first_model]["conversions"],
            row[0],
            row[1],
        )
    )
    return {
        "rows": [{**_described(query, touch, key), **numbers} for touch, key, numbers in rows],
        "total": total,
    }


def _is_credited(model: Model) -> str:
    """Return the condition that a touch gets something of a conversion."""
    return f"{model} > 0"


def _models(query: AttributionQuery, row: Row) -> Row:
    return {
        "models": {
            model: {
                "conversions": row.get(f"{model}_conversions", 0.0),
                "value": row.get(f"{model}_value", 0.0),
                "credited_users": row.get(f"{model}_credited", 0),
            }
            for model in query.models
        }
    }


def _described(query: AttributionQuery, touch: int, key: Key) -> Row:
    """Return what names a row."""
    if touch == 0:
        named: Row = {"touch": None, "event": None, "direct": True}
        if query.breakdown:
            named |= {"breakdown": dict.fromkeys(query.breakdown), "other": False}
        return named
    named = {"touch": touch, "event": query.touches[touch - 1].event, "direct": False}
    return named | per_user.described(key, query)


def _semantics(query: AttributionQuery) -> Row:
    return {
        "target": msgspec.to_builtins(query.target),
        "value": query.value,
        "touches": msgspec.to_builtins(query.touches),
        "models": query.models,
        "lookback": msgspec.to_builtins(query.lookback),
        "half_life": msgspec.to_builtins(query.half_life),
        "shared_property": msgspec.to_builtins(query.shared_property),
        "touch_is": "an event of the user before the target by (occurred_at, seq, event_id), at most `lookback` earlier; "
        "of the first of `touches` that it matches",
        "chain": "each target has its own; a touch may stand in several",
        "first": "all to the first touch",
        "last": "all to the last touch",
        "linear": "in equal parts",
        "position": "40 % first, 40 % last, 20 % in equal parts between; two touches: half each; one: all",
        "time_decay": "in proportion to 2^(-age / half_life)",
        "direct": "a target without a touch, in a row of its own: conversions and values add up to the total",
        "users": "distinct users with a target that such a touch stands before",
        "credited_users": "those of `users` of whose conversions the row gets something under the model",
        "breakdown_value": "of the touch",
        "breakdown_order": "by how often such a touch stands in a chain, most first; the rest is `other`",
    }


async def users(ask: Ask, query: AttributionQuery, cell: AttributionCell) -> UserSelect:
    """Select the users of a row."""
    if cell.touch is not None and cell.touch > len(query.touches):
        raise InvalidRequest("$.cell.touch", "the request has fewer touches")
    names_key = cell.breakdown is not None or cell.other
    if cell.direct and (cell.touch is not None or names_key):
        raise InvalidRequest("$.cell.direct", "the direct row has no touch")
    if cell.model is not None and cell.model not in query.models:
        raise InvalidRequest("$.cell.model", "not one of `models`")
    top = await _top(ask.asked, query) if cell.other else None
    per_user.check_other(cell, top)
    order_key = await ask.deciding(partial(_chains, ask, query), _MARK_BITS)
    bindings = ask.bindings()
    credits_sql = per_user.with_other(_named(ask, query, bindings, order_key), top, bindings)
    touch = 0 if cell.direct else -1 if cell.touch is None else cell.touch
    bindings.named("cell_touch", touch, "Int16")
    in_key = per_user.in_key(cell, query, bindings)
    if names_key:
        in_key = f"touch > 0 AND {in_key}"
    sql = load_sql(
        "attribution.users",
        credits=credits_sql,
        in_key=in_key,
        is_credited="1" if cell.model is None else _is_credited(cell.model),
    )
    return UserSelect("attribution.users", sql, bindings)


def table(result: Row) -> list[Row]:
    """Flatten: one row for each touch and model."""
    return [
        {
            **{name: line[name] for name in ("touch", "event", "direct")},
            **head,
            "users": line["users"],
            "targets": line["targets"],
            "model": model,
            **numbers,
        }
        for head, line in per_user.heads(result["rows"])
        for model, numbers in line["models"].items()
    ]


def columns(query: AttributionQuery, _result: Row) -> list[str]:
    """Return the columns of a table without rows."""
    nothing = {**_described(query, 0, ()), "users": 0, "targets": 0, **_models(query, {})}
    return list(table({"rows": [nothing]})[0])


REPORT = Report(
    name="attribution",
    summary="Which touches conversions are due to (归因)",
    params=AttributionQuery,
    answer=answer,
    table=table,
    columns=columns,
    cell=AttributionCell,
    users=users,
)
