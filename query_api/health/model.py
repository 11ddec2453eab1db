"""
The model behind a health score: a declared tree of indicators, weights and grades; and the arithmetic over it. Pure.

A **leaf** turns a value into a share of full marks by its ``points``, (value, share) pairs between which the share changes
linearly and beyond which it stays; shares rise with the value or fall with it (a bounce rate). A **node** has the mean of its
children by ``weight``. The score is the mean of the top nodes times ``scale``, plus ``weight`` times the share of each
``bonus`` leaf. So every leaf has a number of points at full marks, and the points of the leaves add up to the score.

A leaf without a value (nothing to divide by, nothing given) gets nothing, or with ``if_missing`` ``leave_out`` its weight
goes to its neighbours. Called by ``__init__``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from query_api.errors import InvalidRequest
from query_api.params import Params

MAX_INDICATORS = 60
MAX_LEVELS = 5
MAX_SCORE = 1e9
_ROUND = 9
"""Decimal places of a score, so that 7.999999999999999 is 8 when it is graded."""

Key = Annotated[str, Meta(pattern="^[a-z0-9_]{1,64}$")]
Title = Annotated[str, Meta(max_length=200)]
Weight = Annotated[float, Meta(gt=0, le=1_000_000)]
Number = Annotated[float, Meta(ge=-1e15, le=1e15)]
Point = tuple[Number, Annotated[float, Meta(ge=0, le=1)]]


class Measure(Params, kw_only=True):
    """
    A number of a report's result. ``ask``: the report's own fields; ``value``: where it stands, ``series[0].total.formula``.

    Apps, time range, timezone, identity, segment and filter come from the question about the health.
    """

    report: Key
    ask: dict[str, Any] = msgspec.field(default_factory=dict)
    value: Annotated[
        str, Meta(pattern=r"^\w+(\[-?\d{1,4}\])*(\.\w+(\[-?\d{1,4}\])*)*$", max_length=200)
    ]


class Indicator(Params, kw_only=True):
    """
    A node with ``children``, or a leaf: with ``measure``, or without one a number that the request gives in ``values``.

    ``step``: what raising the leaf a little means; absent: a tenth of the way from the worst to the best of ``points``.
    """

    key: Key
    title: Title = ""
    weight: Weight = 1.0
    children: Annotated[list[Indicator], Meta(min_length=1, max_length=MAX_INDICATORS)] | None = (
        None
    )
    measure: Measure | None = None
    points: Annotated[list[Point], Meta(min_length=2, max_length=20)] | None = None
    step: Annotated[float, Meta(gt=0, le=1e15)] | None = None
    unit: Annotated[str, Meta(max_length=64)] = ""
    if_missing: Literal["zero", "leave_out"] = "zero"


class Grade(Params, kw_only=True):
    """A grade and the score from which on it is given."""

    grade: Annotated[str, Meta(min_length=1, max_length=64)]
    at_least: Annotated[float, Meta(ge=0, le=MAX_SCORE)]


class Model(Params, kw_only=True):
    """A model; ``version`` changes with its indicators, weights or grades. ``scale``: the score of full marks, bonus aside."""

    name: Key
    version: Annotated[int, Meta(ge=1)]
    title: Title = ""
    scale: Annotated[float, Meta(gt=0, le=1_000_000)] = 10.0
    grades: Annotated[list[Grade], Meta(min_length=1, max_length=20)]
    indicators: Annotated[list[Indicator], Meta(min_length=1, max_length=MAX_INDICATORS)]
    bonus: Annotated[list[Indicator], Meta(max_length=MAX_INDICATORS)] = msgspec.field(
        default_factory=list
    )


class Leaf(Struct, frozen=True):
    """A leaf with its path of keys, ``users/retention``, and where it stands in the model, for errors."""

    path: str
    place: str
    indicator: Indicator

    @property
    def points(self) -> list[Point]:
        """Its points; ``check`` made sure that there are some."""
        return self.indicator.points or []


@cache
def shipped() -> dict[str, Model]:
    """Return the models of this folder by ``<name>.v<version>``."""
    found = {}
    for entry in resources.files("query_api.health").iterdir():
        if entry.name.endswith(".json"):
            model = msgspec.json.decode(entry.read_bytes(), type=Model)
            check(model, entry.name)
            found[f"{model.name}.v{model.version}"] = model
    return found


def model_of(given: str | Model) -> Model:
    """Return the model of a request. Errors: ``invalid_request`` for an unknown name or a model that is none."""
    if isinstance(given, Model):
        check(given, "$.model")
        return given
    if given not in shipped():
        raise InvalidRequest("$.model", f"a model, or one of {', '.join(sorted(shipped()))}")
    return shipped()[given]


def check(model: Model, path: str) -> None:
    """
    Refuse a model that gives no score or two grades at once.

    Errors: ``invalid_request`` with the path of the node.
    """
    if model.grades[0].at_least != 0:
        raise InvalidRequest(f"{path}.grades[0].at_least", "the lowest grade begins at 0")
    for i, (lower, higher) in enumerate(pairwise(model.grades)):
        if higher.at_least <= lower.at_least:
            raise InvalidRequest(f"{path}.grades[{i + 1}].at_least", "grades go up, lowest first")
    names = [grade.grade for grade in model.grades]
    if len(set(names)) != len(names):
        raise InvalidRequest(f"{path}.grades", "a grade stands twice")
    count = [0]
    _check(model.indicators, f"{path}.indicators", 1, count)
    _check(model.bonus, f"{path}.bonus", 1, count)
    taken = {indicator.key for indicator in model.indicators}
    for i, indicator in enumerate(model.bonus):
        if indicator.children is not None:
            raise InvalidRequest(f"{path}.bonus[{i}].children", "a bonus is a leaf")
        if indicator.key in taken:
            raise InvalidRequest(f"{path}.bonus[{i}].key", "an indicator has this key")


def _check(nodes: list[Indicator], path: str, level: int, count: list[int]) -> None:
    if level > MAX_LEVELS:
        raise InvalidRequest(path, f"more than {MAX_LEVELS} levels")
    seen: set[str] = set()
    for i, node in enumerate(nodes):
        here = f"{path}[{i}]"
        count[0] += 1
        if count[0] > MAX_INDICATORS:
            raise InvalidRequest(here, f"more than {MAX_INDICATORS} indicators")
        if node.key in seen:
            raise InvalidRequest(f"{here}.key", "two indicators beside one another have this key")
        seen.add(node.key)
        if node.children is not None:
            for name in ("measure", "points", "step"):
                if getattr(node, name) is not None:
                    raise InvalidRequest(f"{here}.{name}", "a node has children or is a leaf")
            _check(node.children, f"{here}.children", level + 1, count)
        elif node.points is None:
            raise InvalidRequest(f"{here}.points", "is required in a leaf")
        else:
            _check_points(node.points, f"{here}.points")


def _check_points(points: list[Point], path: str) -> None:
    for i, (before, after) in enumerate(pairwise(points)):
        if after[0] <= before[0]:
            raise InvalidRequest(f"{path}[{i + 1}]", "values go up")
    shares = [share for _, share in points]
    if shares not in (sorted(shares), sorted(shares, reverse=True)):
        raise InvalidRequest(path, "shares rise with the value, or fall with it")
    if shares[0] == shares[-1]:
        raise InvalidRequest(path, "the share must change with the value")


def leaves_of(model: Model, place: str = "$.model") -> list[Leaf]:
    """Return all leaves in the order of the model, bonus last."""
    return [
        *_leaves(model.indicators, "", f"{place}.indicators"),
        *_leaves(model.bonus, "", f"{place}.bonus"),
    ]


def _leaves(nodes: list[Indicator], path: str, place: str) -> Iterator[Leaf]:
    for i, node in enumerate(nodes):
        here, placed = f"{path}{node.key}", f"{place}[{i}]"
        if node.children is None:
            yield Leaf(here, placed, node)
        else:
            yield from _leaves(node.children, f"{here}/", f"{placed}.children")


def share_of(points: list[Point], value: float) -> float:
    """Return the share of full marks that a value gets."""
    if value <= points[0][0]:
        return points[0][1]
    for (low, low_share), (high, high_share) in pairwise(points):
        if value <= high:
            return low_share + (high_share - low_share) * (value - low) / (high - low)
    return points[-1][1]


def value_for(points: list[Point], share: float) -> float | None:
    """Return the value nearest to the worst end that gets at least a share; None where no value does."""
    rising = points if points[-1][1] > points[0][1] else points[::-1]
    if share > rising[-1][1]:
        return None
    if share <= rising[0][1]:
        return rising[0][0]
    for (low, low_share), (high, high_share) in pairwise(rising):
        if share <= high_share:
            return low + (high - low) * (share - low_share) / (high_share - low_share)
    return rising[-1][0]


def full_points(model: Model, values: dict[str, float | None]) -> dict[str, float]:
    """Return how many points of the score each leaf has at full marks; leaves that are left out have none."""
    found: dict[str, float] = {}
    _spread(model.indicators, "", model.scale, values, found)
    for node in model.bonus:
        found[node.key] = node.weight if _counts(node, node.key, values) else 0.0
    return found


def _spread(
    nodes: list[Indicator],
    path: str,
    points: float,
    values: dict[str, float | None],
    found: dict[str, float],
) -> None:
    """Spread the points of a node over its children by weight."""
    weights = math.fsum(node.weight for node in nodes if _counts(node, f"{path}{node.key}", values))
    for node in nodes:
        here = f"{path}{node.key}"
        own = points * node.weight / weights if _counts(node, here, values) else 0.0
        if node.children is None:
            found[here] = own
        else:
            _spread(node.children, f"{here}/", own, values, found)


def _counts(node: Indicator, path: str, values: dict[str, float | None]) -> bool:
    if node.children is None:
        return values.get(path) is not None or node.if_missing == "zero"
    return any(_counts(child, f"{path}/{child.key}", values) for child in node.children)


def scored(model: Model, values: dict[str, float | None]) -> dict[str, Any]:
    """
    Return score, grade, and for each leaf what it gives and what raising it would give.

    ``values``: of the leaves by path; None where there is none.
    """
    full = full_points(model, values)
    leaves = leaves_of(model)
    shares = {leaf.path: _share(leaf, values[leaf.path]) for leaf in leaves}
    score = round(math.fsum(full[path] * share for path, share in shares.items()), _ROUND)
    reached = [g for g in model.grades if round(g.at_least, _ROUND) <= score]
    higher = model.grades[len(reached) :]
    lacking = higher[0].at_least - score if higher else None
    indicators = [
        _described(leaf, values[leaf.path], full[leaf.path], shares[leaf.path], lacking)
        for leaf in leaves
    ]
    order = sorted(
        (one for one in indicators if one["possible_gain"] > 0),
        key=lambda one: (-(one["marginal_gain"] or 0.0), -one["possible_gain"], one["path"]),
    )
    return {
        "score": score,
        "full_score": round(math.fsum(full.values()), _ROUND),
        "grade": reached[-1].grade,
        "next_grade": higher[0].grade if higher else None,
        "points_to_next_grade": None if lacking is None else round(lacking, _ROUND),
        "indicators": indicators,
        "raise_first": [one["path"] for one in order],
    }


def _share(leaf: Leaf, value: float | None) -> float:
    return 0.0 if value is None else share_of(leaf.points, value)


def _described(
    leaf: Leaf, value: float | None, full: float, share: float, lacking: float | None
) -> dict[str, Any]:
    points = leaf.points
    rising = points[-1][1] > points[0][1]
    best = max(points[0][1], points[-1][1])
    step = leaf.indicator.step or (points[-1][0] - points[0][0]) / 10
    marginal, needed = None, None
    if value is not None:
        raised = value + step if rising else value - step
        # Within the points the way may lead over a flat part; then it is worth nothing yet.
        marginal = full * (share_of(points, raised) - share)
        if lacking is not None and full > 0:
            wanted = share + lacking / full
            # What full marks just reach must not fail for a rounding error.
            needed = value_for(points, best if math.isclose(wanted, best) else wanted)
    return {
        "path": leaf.path,
        "title": leaf.indicator.title,
        "unit": leaf.indicator.unit,
        "value": value,
        "share": share,
        "points": full * share,
        "full_points": full,
        "possible_gain": full * (best - share),
        "step": step if rising else -step,
        "marginal_gain": marginal,
        "value_for_next_grade": needed,
    }
