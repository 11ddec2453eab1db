"""
The share forest as its definition says: cards in dictionaries, every question asked of every card and session.

Sessions have a session_id here, or are cut at 30 minutes of silence by walking over a user's events.
"""

import pytest
from reference.people import Identity, Row, by_person, order

GAP_MS = 30 * 60 * 1000
FAVOURITES = {("wechat", "1010")}
RELAUNCHES = {
    ("wechat", scene) for scene in ("1001", "1023", "1038", "1089", "1090", "1103", "1104")
}
ENTRIES = ("app_launch", "app_show")


class Card:
    """A share event that made a card."""

    def __init__(self, row: Row, sharer: int) -> None:
        self.row, self.sharer = row, sharer
        self.parent: Card | None = None

    def above(self) -> list["Card"]:
        """The card and those above it."""
        cards, card = [], self
        while card is not None:
            cards.append(card)
            card = card.parent
        return cards


def sessions_of(events: list[Row]) -> dict[tuple[str, str], list[tuple[Row, tuple]]]:
    """Each event of one user with its session."""
    found = []
    silent: dict[str, tuple[int, int]] = {}  # app: (start of the session, last event)
    for row in events:
        session_id = row.get("session_id", "")
        if session_id:
            found.append((row, (row["app_id"], session_id)))
            continue
        start, last = silent.get(row["app_id"], (0, -(10**15)))
        if row["occurred_at"] - last > GAP_MS:
            start = row["occurred_at"]
        silent[row["app_id"]] = (start, row["occurred_at"])
        found.append((row, (row["app_id"], start)))
    return found


def cards_of(people: dict[int, list[Row]]) -> dict[tuple[str, str], Card]:
    """All cards, with their parents; cycles are cut."""
    shares = sorted(
        (
            (row, person)
            for person, events in people.items()
            for row in events
            if row["event"] == "share" and row["properties_text"].get("share_id")
        ),
        key=lambda pair: order(pair[0]),
    )
    cards: dict[tuple[str, str], Card] = {}
    for row, person in shares:
        cards.setdefault((row["app_id"], row["properties_text"]["share_id"]), Card(row, person))
    for (app_id, share_id), card in cards.items():
        parent = card.row["properties_text"].get("parent_share_id", "")
        if parent != share_id:
            card.parent = cards.get((app_id, parent))
    for card in cards.values():
        walked: list[Card] = []
        at: Card | None = card
        while at is not None and at not in walked:
            walked.append(at)
            at = at.parent
        if at is not None:  # a cycle, which begins at `at`
            cycle = walked[walked.index(at) :]
            min(cycle, key=lambda c: order(c.row)).parent = None
    return cards


def share(
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    identity_mode: str,
    conversion: str = "order_pay",
) -> dict:
    """Everything that the report counts, as lists and sets."""
    people = by_person(rows, identity, identity_mode)
    cards = cards_of(people)
    opens = []  # (user, card, opening event, session, group, new)
    own = unknown = 0
    unknown_ids = set()
    for person, events in people.items():
        # What lies after the range does not exist for openings.
        in_sessions = sessions_of(events)
        entries = [
            (row, session)
            for row, session in in_sessions
            if row["event"] in ENTRIES and row["occurred_at"] < to_ms
        ]
        carrying = [
            (row, session)
            for row, session in entries
            if row.get("share_id") and (row["platform"], row.get("scene", "")) not in FAVOURITES
        ]
        opened = {}
        seen = set()
        for row, session in carrying:
            key = (row["app_id"], row["share_id"])
            relaunch = (row["platform"], row.get("scene", "")) in RELAUNCHES
            if (key, session) not in opened and (key not in seen or not relaunch):
                opened[key, session] = row
            seen.add(key)
        for (key, session), row in opened.items():
            in_range = row["occurred_at"] >= from_ms
            if key not in cards:
                unknown += in_range
                if in_range:
                    unknown_ids.add(key)
            elif cards[key].sharer == person:
                own += in_range
            else:
                groups = [
                    r.get("group_id")
                    for r, s in carrying
                    if s == session and r["share_id"] == key[1] and r.get("group_id")
                ]
                new = row is entries[0][0]
                opens.append((person, cards[key], row, session, (groups or [""])[0], new))
    conversions = []  # (user, card, group, value)
    for person, events in people.items():
        for row, session in sessions_of(events):
            if row["event"] != conversion or not from_ms <= row["occurred_at"] < to_ms:
                continue
            before = sorted(
                (o for o in opens if o[0] == person and order(o[2]) <= order(row)),
                key=lambda o: order(o[2]),
            )
            carried = cards.get((row["app_id"], row.get("share_id", "")))
            before = [o for o in before if (o[1] is carried if carried else o[3] == session)]
            if before:
                amount = row["properties_number"].get("amount", 0)
                conversions.append((person, before[-1][1], before[-1][4], amount))
    delays = []
    reshares = 0
    resharers, opened_before = set(), set()
    shared = [c for c in cards.values() if from_ms <= c.row["occurred_at"] < to_ms]
    for card in shared:
        if card.parent:
            reshares += 1
            resharers.add(card.sharer)
            times = [
                o[2]
                for o in opens
                if o[0] == card.sharer and o[1] is card.parent and order(o[2]) <= order(card.row)
            ]
            if times:
                last = max(times, key=order)
                opened_before.add(card.sharer)
                delays.append(card.row["occurred_at"] - last["occurred_at"])
    return {
        "cards": cards,
        "shared": shared,
        "opens": [o for o in opens if o[2]["occurred_at"] >= from_ms],
        "conversions": conversions,
        "own": own,
        "unknown": unknown,
        "unknown_ids": len(unknown_ids),
        "reshares": reshares,
        "resharers": resharers,
        "opened_before": opened_before,
        "delays": sorted(delays),
        "active": {
            p
            for p, events in people.items()
            if any(e["event"] in ENTRIES and from_ms <= e["occurred_at"] < to_ms for e in events)
        },
    }


def metrics(found: dict, chosen, group: str | None = None) -> dict:
    """The numbers of one row: of the cards that ``chosen`` takes, and of one group's openings."""
    shared = [c for c in found["shared"] if chosen(c)] if group is None else []
    opens = [o for o in found["opens"] if chosen(o[1]) and group in (None, o[4])]
    conversions = [c for c in found["conversions"] if chosen(c[1]) and group in (None, c[2])]
    return {
        "shares": len(shared),
        "sharers": len({c.sharer for c in shared}),
        "opens": len(opens),
        "openers": len({o[0] for o in opens}),
        "new_users": len({o[0] for o in opens if o[5]}),
        "conversions": len(conversions),
        "converters": len({c[0] for c in conversions}),
        "revenue": sum(c[3] for c in conversions),
    }


def sharers(found: dict) -> dict[int, dict]:
    """Each sharer with the numbers of the own cards and the users below."""
    users = {c.sharer for c in found["shared"]} | {
        above.sharer for o in found["opens"] for above in o[1].above() if above.sharer != o[0]
    }
    users |= {c[1].sharer for c in found["conversions"]}
    return {
        user: {
            "shares": sum(c.sharer == user for c in found["shared"]),
            "direct_opens": sum(o[1].sharer == user for o in found["opens"]),
            "direct_openers": {o[0] for o in found["opens"] if o[1].sharer == user},
            "descendant_openers": {
                o[0]
                for o in found["opens"]
                if o[0] != user and any(above.sharer == user for above in o[1].above())
            },
        }
        for user in users
    }


def shape(cards: list[Card], root: Card | None = None) -> dict:
    """Trees of cards, every distance walked; ``root``: where the cards are cut off above it."""

    def way(card: Card) -> list[Card]:
        above = card.above()
        return above[: above.index(root) + 1] if root else above

    trees: dict[int, list[list[Card]]] = {}
    for card in cards:
        trees.setdefault(id(way(card)[-1]), []).append(way(card))
    means = []
    for ways in trees.values():
        steps = [
            len(one) + len(other) - 2 * sum(card in other for card in one)
            for i, one in enumerate(ways)
            for other in ways[:i]
        ]
        if steps:
            means.append(sum(steps) / len(steps))
    return {
        "trees": len(trees),
        "cards": len(cards),
        "largest": max((len(ways) for ways in trees.values()), default=0),
        "depth": max((len(way(card)) for card in cards), default=0),
        "breadth": max(
            (
                sum(len(w) == depth for w in ways)
                for ways in trees.values()
                for depth in range(1, 99)
            ),
            default=0,
        ),
        "structural_virality": pytest.approx(sum(means) / len(means)) if means else None,
    }
