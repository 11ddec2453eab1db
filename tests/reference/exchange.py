"""Exchange as its definitions say: who came is the scenes reference by referring app, who was sent is counted one by one."""

from collections import defaultdict
from collections.abc import Callable

from reference.people import Identity, Matches, Row, by_person
from reference.scenes import TOTAL, Numbers


def exits(
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    identity_mode: str,
    goes_out: Matches,
    partner_of: Callable[[Row], str],
) -> dict[str, list[int]]:
    """Partner to the person of each exit."""
    found: dict[str, list[int]] = defaultdict(list)
    for person, events in by_person(rows, identity, identity_mode).items():
        for row in events:
            if from_ms <= row["occurred_at"] < to_ms and goes_out(row) and partner_of(row):
                found[partner_of(row)].append(person)
    return found


def exchange(
    entries: dict[tuple[str | None, ...], Numbers], out: dict[str, list[int]]
) -> dict[str | None, dict[str, object]]:
    """Partner to its numbers, None to those of all; sets where users are counted. ``entries``: by referring app."""
    came = {key[0]: numbers for key, numbers in entries.items() if key not in (TOTAL, (None,))}
    found: dict[str | None, dict[str, object]] = {}
    for partner in came.keys() | out.keys():
        one, sent = came.get(partner, Numbers()), out.get(str(partner), [])
        found[partner] = {
            "launches": one.launches,
            "entries": one.entries,
            "users_in": one.users,
            "new_users": one.new_users,
            "next_day_eligible": one.next_day_eligible,
            "next_day_returned": one.next_day_returned,
            "conversions": one.conversions,
            "converters": one.converters,
            "conversion_value": one.conversion_value,
            "exits": len(sent),
            "users_out": set(sent),
            "users_both": one.users & set(sent),
        }
    total: dict[str, object] = {}
    for name in next(iter(found.values()), {}):
        values = [row[name] for row in found.values()]
        total[name] = (
            set().union(*values) if isinstance(values[0], set) else sum(values)  # type: ignore[arg-type]
        )
    found[None] = total
    return found
