"""
Health (健康分): one score from a declared tree of indicators, weights and grades, and what to raise first.

The model (model.py) is JSON, named and versioned; ``<name>.v<version>.json`` in this folder are shipped, a request may bring
its own. ``sci_like.v1`` is an example in the manner of Alipay's 小程序 SCI: four groups with twelve indicators, two bonuses,
grades D to S; its points are a start, to be set by who knows the business. A leaf's value is a number of another report over
the same range, apps, filter and segment, or one that the request gives in ``values``, such as how complete the service
information is. So a score can be computed again for any past week, with ``interval`` for several.

``raise_first``: leaves by ``marginal_gain``, what the score would gain if the leaf were one ``step`` better and all else
stayed; then by ``possible_gain``, up to full marks. ``value_for_next_grade``: the value at which this leaf alone would lift
the grade.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from query_api.comparison import with_comparison
from query_api.errors import InvalidRequest, QueryError
from query_api.health.model import Leaf, Measure, Model, leaves_of, model_of, scored
from query_api.params import Interval, Query
from query_api.periods import instant_ms, periods_of, rfc3339
from query_api.report import Answer, Ask, Report, Row

MAX_POINTS = 60
NOT_MEASURES = ("health", "sql", "profile", "timeline", "users")
"""Reports that have no numbers for a score."""
COMMON = (
    "app_ids",
    "time_range",
    "timezone",
    "identity",
    "as_of",
    "segment",
    "scheme",
    "compare",
    "breakdown",
    "explain",
)
"""Fields that a measure takes from the question."""
_PART = re.compile(r"(\w+)|\[(-?\d+)\]")


class HealthQuery(Query, kw_only=True):
    """
    The score over the range. ``model``: the name of a shipped one such as ``sci_like.v1``, or a model.

    ``values``: numbers of leaves without a measure by their path, ``{"service/info": 0.9}``; or by the period's ``time``, its
    first day, ``{"service/info": {"2026-10-05": 0.9}}``, also of periods outside the range, which are not used.
    ``interval``: a score for each period that the range touches.
    """

    model: str | Model = "sci_like.v1"
    values: dict[
        Annotated[str, Meta(max_length=400)],
        float | dict[Annotated[str, Meta(max_length=40)], float],
    ] = msgspec.field(default_factory=dict)
    interval: Interval | None = None


def _spans(ask: Ask, query: HealthQuery) -> list[tuple[str | None, int, int]]:
    """Return label, start and end of each period; without an interval the range."""
    if query.interval is None:
        return [(None, ask.range.from_ms, ask.range.to_ms)]
    periods = periods_of(ask.range.from_ms, ask.range.to_ms, query.interval, ask.zone)
    if len(periods.labels) > MAX_POINTS:
        raise InvalidRequest("$.interval", f"more than {MAX_POINTS} scores: ask for longer periods")
    ends = periods.starts_ms[1:]
    return list(zip(periods.labels, periods.starts_ms, ends, strict=False))


async def answer(ask: Ask, query: HealthQuery) -> Answer:
    """Answer the health report."""
    model = model_of(query.model)
    leaves = leaves_of(model)
    _check_values(ask, query, leaves)

    async def result_of(one: Ask) -> Row:
        return await _result(one, query, model, leaves)

    return Answer(
        result=await with_comparison(ask, query.compare, result_of),
        semantics=_semantics(query, model),
    )


async def _result(ask: Ask, query: HealthQuery, model: Model, leaves: list[Leaf]) -> Row:
    points = []
    missing: set[str] = set()
    for label, from_ms, to_ms in _spans(ask, query):
        values = await _values(ask, query, leaves, label, (from_ms, to_ms))
        missing |= {path for path, value in values.items() if value is None}
        points.append(
            {
                "time": label,
                "from": rfc3339(from_ms, ask.zone),
                "to": rfc3339(to_ms, ask.zone),
                "mature": to_ms <= ask.now_ms,
                **scored(model, values),
            }
        )
    if missing:
        ask.warn(
            "missing_values",
            f"no value for {', '.join(sorted(missing))}: they get nothing, or are left out where the model says so",
        )
    return {"points": points}


def _check_values(ask: Ask, query: HealthQuery, leaves: list[Leaf]) -> None:
    """
    Refuse values that no period of ``interval`` could use, each by its path.

    A period may lie outside the range: one table of values can be sent with every question.
    """
    given = [leaf.path for leaf in leaves if leaf.indicator.measure is None]
    for path, value in query.values.items():
        where = f"$.values[{_quoted(path)}]"
        if path not in given:
            raise InvalidRequest(
                where, f"no leaf without a measure; there are: {', '.join(given) or 'none'}"
            )
        if not isinstance(value, dict):
            continue
        if query.interval is None:
            raise InvalidRequest(where, "one number; numbers by period need an `interval`")
        for label in value:
            at = f"{where}[{_quoted(label)}]"
            at_ms = instant_ms(label, ask.zone, at)
            [begins] = periods_of(at_ms, at_ms + 1, query.interval, ask.zone).labels
            if begins != label:
                raise InvalidRequest(at, f"no {query.interval} begins then, but at {begins}")


def _quoted(key: str) -> str:
    return msgspec.json.encode(key).decode()


async def _values(
    ask: Ask, query: HealthQuery, leaves: list[Leaf], label: str | None, span: tuple[int, int]
) -> dict[str, float | None]:
    """Return the value of each leaf in one period; equal questions are asked once."""
    questions: dict[bytes, Leaf] = {}
    asked: dict[str, bytes] = {}
    for leaf in leaves:
        if leaf.indicator.measure is not None:
            body = msgspec.json.encode(_body(query, leaf, leaf.indicator.measure, ask, span))
            key = leaf.indicator.measure.report.encode() + b" " + body
            asked[leaf.path] = key
            questions.setdefault(key, leaf)
    results = dict(
        zip(
            questions,
            await asyncio.gather(*(_answered(ask, key, leaf) for key, leaf in questions.items())),
            strict=True,
        )
    )
    values: dict[str, float | None] = {}
    for leaf in leaves:
        if leaf.indicator.measure is None:
            given = query.values.get(leaf.path)
            values[leaf.path] = given.get(label or "") if isinstance(given, dict) else given
        else:
            result = results[asked[leaf.path]]
            values[leaf.path] = _number(result, leaf.indicator.measure.value, leaf)
    return values


def _body(query: HealthQuery, leaf: Leaf, measure: Measure, ask: Ask, span: tuple[int, int]) -> Row:
    """Return the request that a measure stands for."""
    for name in measure.ask:
        if name in COMMON:
            raise InvalidRequest(
                f"{leaf.place}.measure.ask.{name}", "comes from the question about the health"
            )
    whole_range = span == (ask.range.from_ms, ask.range.to_ms)
    body: Row = {
        **measure.ask,
        "app_ids": ask.app_ids,
        "time_range": _days_of(ask)
        if whole_range
        else {"from": rfc3339(span[0]), "to": rfc3339(span[1])},
        "timezone": query.timezone,
        "identity": query.identity,
        "scheme": query.scheme,
        "explain": query.explain,
    }
    filters = [one for one in (query.filter, measure.ask.get("filter")) if one is not None]
    if filters:
        body["filter"] = {"relation": "and", "conditions": filters}
    return body


def _days_of(ask: Ask) -> Row:
    """Return the range as it can be asked: in days where it is one of days."""
    if ask.range.from_day is not None and ask.range.to_day is not None:
        return {"from": ask.range.from_day.isoformat(), "to": ask.range.to_day.isoformat()}
    return {"from": rfc3339(ask.range.from_ms), "to": rfc3339(ask.range.to_ms)}


async def _answered(ask: Ask, key: bytes, leaf: Leaf) -> Row:
    name, _, body = key.partition(b" ")
    report = name.decode()
    where = f"{leaf.place}.measure"
    if report in NOT_MEASURES:
        raise InvalidRequest(f"{where}.report", "this report has no numbers for a score")
    try:
        return await ask.answer_within(report, body)
    except QueryError as error:
        if error.code == "not_found":
            raise InvalidRequest(f"{where}.report", error.message) from error
        if error.code == "invalid_request":
            path = (error.path or "$").removeprefix("$")
            raise InvalidRequest(f"{where}.ask{path}", error.message) from error
        raise


def _number(result: Row, path: str, leaf: Leaf) -> float | None:
    """Return the number at a path of a result; None for null or an element that is not there."""
    where = f"{leaf.place}.measure.value"
    here: Any = result
    for name, index in _PART.findall(path):
        if name:
            if not isinstance(here, dict) or name not in here:
                raise InvalidRequest(where, f"the result has no {name!r} there")
            here = here[name]
        elif not isinstance(here, list):
            raise InvalidRequest(where, f"no list before [{index}]")
        elif not -len(here) <= int(index) < len(here):
            return None
        else:
            here = here[int(index)]
        if here is None:
            return None
    if isinstance(here, bool) or not isinstance(here, int | float):
        raise InvalidRequest(where, "what stands there is no number")
    return float(here)


def _semantics(query: HealthQuery, model: Model) -> Row:
    return {
        "interval": query.interval,
        "model": model,
        "values": query.values,
        "score": "the sum of the leaves' points: full_points times share. A leaf's full_points: its part by weight of those "
        "of its parent, the top nodes' parts of `scale`; of a bonus its weight",
        "share": "of full marks, linear between the model's points and constant beyond",
        "missing": "a leaf without a value gets nothing; with if_missing leave_out its weight goes to its neighbours",
        "measured": "as the report of the measure counts over the period; its /users has the persons",
        "raise_first": "by marginal_gain (one step better, all else as it is), then by possible_gain (up to full marks)",
        "value_for_next_grade": "the value at which this leaf alone would lift the grade; null where it cannot",
        "mature": "the period has ended by now",
    }


def table(result: Row) -> list[Row]:
    """Flatten: one row for each period and leaf, the score beside it."""
    return [
        {
            "time": point["time"],
            "score": point["score"],
            "grade": point["grade"],
            **indicator,
            "rank": point["raise_first"].index(indicator["path"]) + 1
            if indicator["path"] in point["raise_first"]
            else None,
        }
        for point in result["points"]
        for indicator in point["indicators"]
    ]


REPORT = Report(
    name="health",
    summary="A score from a declared tree of indicators, and what to raise first (健康分)",
    params=HealthQuery,
    answer=answer,
    table=table,
    refuses={
        "breakdown": "one score; use `filter` or `segment` for a part",
    },
)
