"""
Plays lifecycle vectors in Python through a driver; the same rules as ``lifecycle_vectors/runner.mjs``.

A driver has one method for each step (``track(step)``, ``wait(step)``, …), ``requests``, ``is_taken(index)``,
``refused_ids``, ``told`` and ``stats()``; lifecycle_vectors/README.md says what they mean.
"""

import json
import re
from pathlib import Path
from typing import Any, Protocol

FOLDER = Path(__file__).parents[2] / "sdk_spec" / "lifecycle_vectors"
NAME = re.compile(r"<(\w+)>")
IDS = ("anonymous_id", "openid", "unionid", "user_id")


class Driver(Protocol):
    """What plays the steps; each step name of the vectors is a method besides these."""

    requests: list[dict[str, Any]]
    refused_ids: list[str]
    told: list[str]

    def is_taken(self, index: int) -> bool:
        """Whether that request was answered with a 200 of the collector."""

    def stats(self) -> dict[str, Any]:
        """The SDK's own counts."""


def load_vectors() -> dict[str, dict[str, Any]]:
    """All vectors by name, in order."""
    files = sorted(FOLDER.glob("[0-9]*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def repeated(one: dict[str, Any]) -> list[dict[str, Any]]:
    """A step or an expected event with ``times``, written out; ``"<i>"`` counts from ``from`` or 0."""
    rest = {key: value for key, value in one.items() if key not in ("times", "from")}
    if "times" not in one:
        return [rest]
    text, first = json.dumps(rest), one.get("from", 0)
    return [json.loads(text.replace('"<i>"', str(first + i))) for i in range(one["times"])]


def difference(expected: Any, actual: Any, names: dict[str, str], path: str) -> list[str]:
    """Return what differs; objects may have more fields than expected."""
    wrong = [f"{path}: expected {expected!r}, got {actual!r}"]
    if isinstance(expected, dict):
        actual = actual if isinstance(actual, dict) else {}
        return [
            fault
            for key, value in expected.items()
            for fault in difference(value, actual.get(key), names, f"{path}.{key}")
        ]
    name = NAME.fullmatch(expected) if isinstance(expected, str) else None
    if name is None:
        return [] if expected == actual else wrong
    if name[1] == "any":
        return [] if actual not in (None, "") else wrong
    if not isinstance(actual, str) or not actual:
        return wrong
    if name[1] in names:
        return [] if names[name[1]] == actual else wrong
    if actual in names.values():
        return [f"{path}: {expected} is the same as another name"]
    names[name[1]] = actual
    return []


def events_of(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each event of the requests once, in order, with the ids of its envelope where it has none of its own."""
    events: dict[str, dict[str, Any]] = {}
    for request in requests:
        ids = {name: request.get(name) for name in IDS}
        for event in request["events"]:
            events.setdefault(event["event_id"], {**ids, **event})
    return list(events.values())


def play(vector: dict[str, Any], driver: Driver) -> list[str]:
    """Play one vector and return what went wrong."""
    faults: list[str] = []
    for index, step in enumerate(vector["steps"]):
        if step["do"] == "expect_requests":
            if len(driver.requests) != step["count"]:
                faults.append(f"step {index}: {len(driver.requests)} requests, not {step['count']}")
            continue
        for one in repeated(step):
            getattr(driver, one["do"])(one)
    expected = vector["expected"]
    wanted = [event for one in expected["events"] for event in repeated(one)]
    taken = [body for index, body in enumerate(driver.requests) if driver.is_taken(index)]
    events = [e for e in events_of(taken) if e["event_id"] not in driver.refused_ids]
    if [event["event"] for event in events] != [event["event"] for event in wanted]:
        return [*faults, f"events: {[event['event'] for event in events]}"]
    names: dict[str, str] = {}
    for index, (want, got) in enumerate(zip(wanted, events, strict=True)):
        faults += difference(want, got, names, f"events[{index}]")
    batches = [[event["event_id"] for event in request["events"]] for request in driver.requests]
    actual = {
        "requests": len(batches),
        "batch_sizes": [len(batch) for batch in batches],
        "stats": driver.stats() if "stats" in expected else None,
        "refused": driver.told,
        "same_event_ids_in_every_request": len(batches) > 1
        and batches.count(batches[0]) == len(batches),
    }
    for key in expected.keys() - {"events"}:
        if expected[key] != actual[key]:
            faults.append(f"{key}: expected {expected[key]}, got {actual[key]}")
    return faults
