"""The health score as its definition says: a recursion over the tree in exact fractions."""

from fractions import Fraction
from typing import Any

Node = dict[str, Any]
Values = dict[str, Fraction | None]


def share(points: list[tuple[Fraction, Fraction]], value: Fraction) -> Fraction:
    """Share of full marks: linear between the points, constant beyond."""
    if value <= points[0][0]:
        return points[0][1]
    if value >= points[-1][0]:
        return points[-1][1]
    index = max(i for i, point in enumerate(points) if point[0] <= value)
    (low, low_share), (high, high_share) = points[index], points[index + 1]
    return low_share + (value - low) / (high - low) * (high_share - low_share)


def mean(nodes: list[Node], prefix: str, values: Values) -> Fraction | None:
    """Mean of nodes by weight; None when all of them are left out."""
    counted = []
    for node in nodes:
        path = prefix + node["key"]
        children = node.get("children")
        result = mean(children, path + "/", values) if children else leaf(node, values[path])
        if result is not None:
            counted.append((node["weight"], result))
    if not counted:
        return None
    return sum((w * r for w, r in counted), Fraction(0)) / sum(w for w, _ in counted)


def leaf(node: Node, value: Fraction | None) -> Fraction | None:
    """Share of a leaf; None when it is left out."""
    if value is None:
        return None if node["if_missing"] == "leave_out" else Fraction(0)
    return share(node["points"], value)


def score(model: Node, values: Values) -> Fraction:
    """The whole score."""
    total = (mean(model["indicators"], "", values) or Fraction(0)) * model["scale"]
    for node in model["bonus"]:
        total += node["weight"] * (leaf(node, values[node["key"]]) or 0)
    return total


def grade(model: Node, total: Fraction) -> str:
    """The highest grade that is reached."""
    return [one["grade"] for one in model["grades"] if one["at_least"] <= total][-1]
