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


def both(
    entries: dict[tuple[str | None, ...], Numbers],
    out: dict[str, list[int]],
    name_of: Callable[[str], str],
) -> dict[str, set[int]]:
    """Name of a row to who came from one of its partners and was sent to the same. ``entries``, ``out``: by partner."""
    found: dict[str, set[int]] = defaultdict(set)
    for partner, sent in out.items():
        came = entries.get((partner,), Numbers())
        found[name_of(partner)] |= came.users & set(sent)
    return found


def exchange(
    entries: dict[tuple[str | None, ...], Numbers],
    out: dict[str, list[int]],
    in_both: dict[str, set[int]],
    from_any: Numbers,
) -> dict[str | None, dict[str, object]]:
    """
    Name of a row to its numbers, None to those of all; sets where users are counted.

    ``entries``, ``out``, ``in_both``: by name; ``from_any``: the total of the entries that have a partner.
    """
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
            "users_both": in_both.get(str(partner), set()),
        }
    total: dict[str, object] = {}
    for name in next(iter(found.values()), {}):
        values = [row[name] for row in found.values()]
        total[name] = (
            set().union(*values) if isinstance(values[0], set) else sum(values)  # type: ignore[arg-type]
        )
    if total:
        # A user who came from two partners returns on the day after the first of both, not after either.
        total["next_day_returned"] = from_any.next_day_returned
    found[None] = total
    return found
