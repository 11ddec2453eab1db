"""Whether a person satisfies a rule, and in which leaf of a tree it is: read off the person's events, one rule at a time."""

from datetime import datetime
from zoneinfo import ZoneInfo

from reference.people import Row
from reference.profile import profiles

DAY_MS = 86_400_000


def satisfies(rule: dict, events: list[Row], at_ms: int, zone: str) -> bool:
    """``events``: the person's, in order, all before the instant ``at_ms``."""
    if "did" in rule:
        found = did(rule["did"], events, at_ms, zone)
    elif "did_not" in rule:
        found = not did(rule["did_not"], events, at_ms, zone)
    elif "property" in rule:
        found = has(rule["property"], events)
    else:
        parts = [satisfies(part, events, at_ms, zone) for part in rule["rules"]]
        found = any(parts) if rule.get("relation") == "or" else all(parts)
    return found != rule.get("not", False)


def did(one: dict, events: list[Row], at_ms: int, zone: str) -> bool:
    matching = [e for e in events if one.get("event") in (None, e["event"])]
    if "within" in one:
        start = at_ms - one["within"]["last"] * DAY_MS
        matching = [e for e in matching if e["occurred_at"] >= start]
    if not matching:
        return False
    days = {
        datetime.fromtimestamp(e["occurred_at"] / 1000, ZoneInfo(zone)).date() for e in matching
    }
    return between(len(matching), one.get("times")) and between(len(days), one.get("days"))


def between(number: int, bounds: dict | None) -> bool:
    bounds = bounds or {}
    return bounds.get("at_least", number) <= number <= bounds.get("at_most", number)


def has(condition: dict, events: list[Row]) -> bool:
    """``user.<name>`` ``eq`` one value."""
    people = profiles(events, {}, "latest")
    [attributes] = people.values() if len(people) == 1 else [{}]
    name = condition["field"].removeprefix("user.")
    return name in attributes and attributes[name][0] == condition["values"][0]


def leaf(children: list[dict], events: list[Row], at_ms: int, zone: str, path: str = "") -> str:
    """Keys of the leaf a person is in."""
    for node in children:
        if "when" not in node or satisfies(node["when"], events, at_ms, zone):
            here = f"{path}{node['key']}"
            below = node.get("children")
            return leaf(below, events, at_ms, zone, f"{here}/") if below else here
    raise AssertionError("a tree's last child takes the rest")
