"""Recall as its definitions say: for each campaign a walk over its persons and their events."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reference.people import Identity, Matches, Row, by_person


@dataclass
class Arm:
    """One arm of a campaign; persons as sets."""

    sent: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)
    delivery_unknown: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)
    active: set[int] = field(default_factory=set)
    converted: set[int] = field(default_factory=set)
    both_arms: set[int] = field(default_factory=set)
    window_ended: set[int] = field(default_factory=set)
    messages: int = 0
    conversions: int = 0
    conversion_value: float = 0


def recall(
    messages: list[dict[str, Any]],
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    window_ms: int,
    now_ms: int,
    opened: Matches,
    active: Matches,
    converted: Matches,
    value: Callable[[Row], float],
    broken_down: Callable[[Row], str] | None = None,
) -> dict[Any, dict[str, Arm]]:
    """
    Campaign to its arms. ``messages``: the newest version of each row.

    ``broken_down``: a text of an event, '' absent: campaign and the last one known when the message went out, to the arms.
    """
    events = by_person(rows, identity, "latest")
    found: dict[Any, dict[str, Arm]] = defaultdict(lambda: {"treated": Arm(), "hold_out": Arm()})
    sent_to: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        if from_ms <= message["sent_ms"] < to_ms:
            actor = message["actor"]
            person = identity[actor][0] if actor in identity else actor
            sent_to[message["campaign"], person].append(message)
    for (campaign, person), given in sent_to.items():
        given.sort(key=lambda one: (one["sent_ms"], one["app_id"], one["message_id"]))
        at_ms, arm_name = given[0]["sent_ms"], given[0]["arm"]
        row_key: Any = campaign
        if broken_down is not None:
            known = [
                broken_down(row) for row in events.get(person, []) if row["occurred_at"] <= at_ms
            ]
            row_key = (campaign, next((text for text in reversed(known) if text), None))
        arm = found[row_key][arm_name]
        treated = [one for one in given if one["arm"] == "treated"]
        arm.sent.add(person)
        arm.messages += len(treated)
        if len({one["arm"] for one in given}) > 1:
            arm.both_arms.add(person)
        if arm_name == "treated":
            if any(one["delivered"] for one in treated):
                arm.delivered.add(person)
            if all(one["delivered"] is None for one in treated):
                arm.delivery_unknown.add(person)
        if at_ms + window_ms < now_ms:
            arm.window_ended.add(person)
        for row in events.get(person, []):
            if at_ms <= row["occurred_at"] <= at_ms + window_ms:
                for matches, persons in ((opened, arm.opened), (active, arm.active)):
                    if matches(row):
                        persons.add(person)
                if converted(row):
                    arm.converted.add(person)
                    arm.conversions += 1
                    arm.conversion_value += value(row)
    return found
