"""Health models: random trees against the reference in fractions, what raising a leaf brings, what is refused."""

from fractions import Fraction
from random import Random

import msgspec
import pytest
from reference import health as reference

from query_api.errors import InvalidRequest
from query_api.health.model import Model, check, full_points, leaves_of, scored, shipped
from query_api.reports import REPORTS, params_of


def drawn_leaf(random, key):
    values = sorted(random.sample(range(-10, 40), random.randint(2, 4)))
    shares = sorted(random.choices(range(9), k=len(values)))
    shares[0], shares[-1] = min(shares[0], 5), max(shares[-1], 6)
    if random.random() < 0.5:
        shares.reverse()
    return {
        "key": key,
        "weight": Fraction(random.randint(1, 8), 2),
        "points": [(Fraction(v), Fraction(s, 8)) for v, s in zip(values, shares, strict=True)],
        "if_missing": random.choice(["zero", "leave_out"]),
        "step": Fraction(random.randint(1, 8), 2),
    }


def drawn_node(random, key, level):
    if level == 3 or random.random() < 0.5:
        return drawn_leaf(random, key)
    children = [drawn_node(random, f"c{i}", level + 1) for i in range(random.randint(1, 3))]
    return {"key": key, "weight": Fraction(random.randint(1, 8), 2), "children": children}


def drawn_model(random):
    grades = sorted(random.sample(range(1, 13), 3))
    return {
        "name": "drawn",
        "version": 1,
        "scale": Fraction(10),
        "grades": [
            {"grade": name, "at_least": Fraction(at)}
            for name, at in zip("DCBA", [0, *grades], strict=True)
        ],
        "indicators": [drawn_node(random, f"n{i}", 1) for i in range(random.randint(1, 3))],
        "bonus": [drawn_leaf(random, f"b{i}") for i in range(random.randint(0, 2))],
    }


def plain(part):
    """Fractions as JSON numbers."""
    if isinstance(part, dict):
        return {name: plain(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [plain(value) for value in part]
    return float(part) if isinstance(part, Fraction) else part


def model_of(drawn):
    model = msgspec.convert(plain(drawn), Model)
    check(model, "$.model")
    return model


@pytest.mark.parametrize("seed", range(60))
def test_score_and_gains_equal_the_definition(seed):
    random = Random(seed)  # noqa: S311 (a test)
    drawn = drawn_model(random)
    model = model_of(drawn)
    leaves = leaves_of(model)
    exact = {
        leaf.path: None if random.random() < 0.2 else Fraction(random.randint(-24, 90), 2)
        for leaf in leaves
    }
    values = {path: None if value is None else float(value) for path, value in exact.items()}
    found = scored(model, values)
    total = reference.score(drawn, exact)

    assert found["score"] == pytest.approx(float(total))
    assert found["grade"] == reference.grade(drawn, total)
    assert sum(one["points"] for one in found["indicators"]) == pytest.approx(found["score"])
    for one, leaf in zip(found["indicators"], leaves, strict=True):
        value = exact[one["path"]]
        if value is None:
            assert one["marginal_gain"] is None
            continue
        points = leaf.indicator.points
        rising = points[-1][1] > points[0][1]
        raised = value + (1 if rising else -1) * Fraction(leaf.indicator.step)
        best = Fraction(points[-1][0] if rising else points[0][0])
        for name, instead in (("marginal_gain", raised), ("possible_gain", best)):
            gain = reference.score(drawn, {**exact, one["path"]: instead}) - total
            assert one[name] == pytest.approx(float(gain), abs=1e-9), (name, one["path"])
        if one["value_for_next_grade"] is not None:
            needed = {**values, one["path"]: one["value_for_next_grade"]}
            assert scored(model, needed)["grade"] == found["next_grade"]
        elif found["next_grade"] is not None:
            assert one["possible_gain"] < found["points_to_next_grade"] + 1e-9
    gains = {one["path"]: one["marginal_gain"] or 0 for one in found["indicators"]}
    ordered = [gains[path] for path in found["raise_first"]]
    assert ordered == sorted(ordered, reverse=True)
    assert set(found["raise_first"]) == {
        one["path"] for one in found["indicators"] if one["possible_gain"] > 0
    }


def test_a_grade_that_full_marks_just_reach_has_a_value_for_it():
    for weight, grade in ((0.3, 0.1 + 0.2), (0.7, 0.7), (1.1, 1.1)):
        leaf = {"key": "a", "weight": weight, "points": [[0, 0], [3, 1]]}
        given = {
            "name": "m",
            "version": 1,
            "grades": [{"grade": "C", "at_least": 0}, {"grade": "B", "at_least": grade}],
            "indicators": [{"key": "n", "points": [[0, 0], [1, 1]]}],
            "bonus": [leaf],
        }
        model = msgspec.convert(given, Model)
        found = scored(model, {"n": 0.0, "a": 0.6})
        assert found["indicators"][1]["value_for_next_grade"] == pytest.approx(3)
        assert scored(model, {"n": 0.0, "a": 3.0})["grade"] == "B"


def test_full_marks_are_the_scale_and_the_bonus():
    for model in shipped().values():
        leaves = leaves_of(model)
        best = {leaf.path: max(leaf.points, key=lambda point: point[1])[0] for leaf in leaves}
        found = scored(model, best)
        bonus = sum(leaf.weight for leaf in model.bonus)
        assert found["score"] == found["full_score"] == model.scale + bonus
        assert (found["grade"], found["next_grade"], found["raise_first"]) == ("S", None, [])
        nothing = scored(model, dict.fromkeys(best))
        assert (nothing["score"], nothing["grade"]) == (0, model.grades[0].grade)


def test_a_whole_branch_may_be_left_out():
    [model] = shipped().values()
    values = {leaf.path: 1.0 for leaf in leaves_of(model)}
    values |= {"merchant/updates": None, "merchant/replies": None}
    full = full_points(model, values)
    assert sum(full.values()) == pytest.approx(model.scale + 1)
    assert full["merchant/updates"] == 0


def test_measures_of_shipped_models_are_questions_that_exist():
    for model in shipped().values():
        for leaf in leaves_of(model):
            if leaf.indicator.measure is not None:
                assert leaf.indicator.measure.report in REPORTS
                days = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}}
                params = params_of(leaf.indicator.measure.report, False)
                msgspec.convert({**leaf.indicator.measure.ask, **days}, params)


LEAF = {"key": "a", "points": [[0, 0], [1, 1]]}
GRADES = [{"grade": "C", "at_least": 0}, {"grade": "B", "at_least": 5}]
WRONG = [
    ({"grades": []}, "$.grades"),
    ({"grades": GRADES[1:]}, "$.model.grades[0].at_least"),
    ({"grades": [*GRADES, GRADES[1]]}, "$.model.grades[2].at_least"),
    ({"grades": [GRADES[0], {**GRADES[1], "grade": "C"}]}, "$.model.grades"),
    ({"indicators": []}, "$.indicators"),
    ({"indicators": [LEAF, LEAF]}, "$.model.indicators[1].key"),
    ({"indicators": [{"key": "a"}]}, "$.model.indicators[0].points"),
    ({"indicators": [{**LEAF, "points": [[0, 0]]}]}, "$.indicators[0].points"),
    ({"indicators": [{**LEAF, "points": [[0, 0], [0, 1]]}]}, "$.model.indicators[0].points[1]"),
    (
        {"indicators": [{**LEAF, "points": [[0, 0], [1, 1], [2, 0.5]]}]},
        "$.model.indicators[0].points",
    ),
    ({"indicators": [{**LEAF, "points": [[0, 1], [1, 1]]}]}, "$.model.indicators[0].points"),
    ({"indicators": [{**LEAF, "points": [[0, 0], [1, 2]]}]}, "$.indicators[0].points[1][1]"),
    ({"indicators": [{**LEAF, "weight": 0}]}, "$.indicators[0].weight"),
    ({"indicators": [{**LEAF, "children": [LEAF]}]}, "$.model.indicators[0].points"),
    ({"indicators": [{**LEAF, "colour": 1}]}, "$.indicators[0]"),
    ({"bonus": [LEAF]}, "$.model.bonus[0].key"),
    ({"bonus": [{"key": "b", "children": [LEAF]}]}, "$.model.bonus[0].children"),
    (
        {"indicators": [{**LEAF, "measure": {"report": "events", "value": "a b"}}]},
        "$.indicators[0].measure.value",
    ),
]


@pytest.mark.parametrize(("change", "path"), WRONG, ids=lambda part: str(part)[:60])
def test_wrong_models_are_refused_with_their_path(change, path):
    given = {"name": "m", "version": 1, "grades": GRADES, "indicators": [LEAF], **change}
    with pytest.raises((InvalidRequest, msgspec.ValidationError)) as refused:
        check(msgspec.convert(given, Model), "$.model")
    at = getattr(refused.value, "path", None)
    assert path == at or f"`{path}`" in str(refused.value)
