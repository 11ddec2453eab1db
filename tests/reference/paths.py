"""Paths as their definition says: sessions are cut and walked one by one."""

from collections.abc import Callable
from typing import Any

from reference.people import Identity, Matches, Row, by_person

Way = list[tuple[Any, ...]]


def ways(
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    gap_ms: int,
    anchor: Matches,
    forward: bool,
    takes_part: Matches,
    node: Callable[[Row], tuple[Any, ...]],
    collapse_repeats: bool,
    identity_mode: str,
) -> list[tuple[int, Way]]:
    """Person and nodes from the start on, or from the end back, of each session that has it."""
    found = []
    for person, events in by_person(rows, identity, identity_mode).items():
        sessions: list[list[Row]] = []
        for event in events:
            if not from_ms <= event["occurred_at"] < to_ms:
                continue
            if not (takes_part(event) or anchor(event)):
                continue
            if not sessions or event["occurred_at"] - sessions[-1][-1]["occurred_at"] > gap_ms:
                sessions.append([])
            sessions[-1].append(event)
        for session in sessions:
            walked = session if forward else session[::-1]
            while walked and not anchor(walked[0]):
                walked = walked[1:]
            nodes = [node(event) for event in walked]
            if collapse_repeats:
                nodes = [n for i, n in enumerate(nodes) if i == 0 or nodes[i - 1] != n]
            if nodes:
                found.append((person, nodes))
    return found


def shown(found: list[tuple[int, Way]], depth: int, top: int) -> dict[int, set[tuple[Any, ...]]]:
    """The nodes of each level with the most sessions; ties by event, then by value as the answer sorts them."""
    levels = {}
    for level in range(depth):
        there = [way[level] for _, way in found if level < len(way)]
        ranked = sorted(set(there), key=lambda n: (-there.count(n), *(str(part) for part in n)))
        levels[level] = set(ranked[:top])
    return levels
