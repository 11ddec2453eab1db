"""Interval as its definition says: one walk over each person's events."""

from typing import Any

from reference.people import Identity, Matches, Row, by_person


def held_values(row: Row, fields: list[str]) -> tuple[Any, ...] | None:
    """The values of the properties with their types; None where one is absent."""
    values = []
    for field in fields:
        for kind in ("text", "number"):
            if field in row[f"properties_{kind}"]:
                values.append((kind, row[f"properties_{kind}"][field]))
                break
        else:
            return None
    return tuple(values)


def pairs(
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    max_gap_ms: int,
    pairing: str,
    hold_constant: list[str],
    identity_mode: str,
    start: Matches,
    end: Matches,
) -> list[tuple[int, Row, int]]:
    """Person, start event, milliseconds to the end."""
    found = []
    for person, events in by_person(rows, identity, identity_mode).items():
        groups: dict[Any, list[Row]] = {}
        for event in events:
            if event["occurred_at"] >= from_ms:
                groups.setdefault(held_values(event, hold_constant), []).append(event)
        groups.pop(None, None)
        for group in groups.values():
            waiting: list[Row] = []
            for event in group:
                if end(event):
                    young = [
                        w for w in waiting if event["occurred_at"] - w["occurred_at"] <= max_gap_ms
                    ]
                    taken = {"last_start": young[-1:], "first_start": young[:1]}.get(pairing, young)
                    found += [
                        (person, w, event["occurred_at"] - w["occurred_at"])
                        for w in taken
                        if w["occurred_at"] < to_ms
                    ]
                    waiting = []
                if start(event):
                    waiting.append(event)
    return found
