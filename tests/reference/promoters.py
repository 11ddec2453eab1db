"""Who is due to which promoter, as the definition says: every touch of a user is replayed, every order looks back."""

from reference.people import Identity, Row, by_person, order

DAY_MS = 86_400_000


def sharers(people: dict[int, list[Row]]) -> dict[tuple[str, str], int]:
    """The user whose share event made each card first."""
    shares = [
        (row, person)
        for person, rows in people.items()
        for row in rows
        if row["event"] == "share" and row["properties_text"].get("share_id")
    ]
    found: dict[tuple[str, str], int] = {}
    for row, person in sorted(shares, key=lambda one: order(one[0])):
        found.setdefault((row["app_id"], row["properties_text"]["share_id"]), person)
    return found


def promoters(
    rows: list[Row],
    identity: Identity,
    mode: str,
    *,
    by: str,
    rule: str,
    days: int | None,
    from_ms: int,
    to_ms: int,
) -> list[tuple[str, int, str, float, str]]:
    """Return (what, user, promoter or "", amount, id of the touch) of all bindings, registrations and orders of the range."""
    people = by_person(rows, identity, mode)
    cards = sharers(people)
    found = []
    for person, events in people.items():
        bound = None  # (from, promoter, touch)
        for row in events:
            at = row["occurred_at"]
            if at >= to_ms:
                continue
            if bound and days is not None and at - bound[0] > days * DAY_MS:
                bound = None
            if by == "field":
                promoter = row["properties_text"].get("promoter_id", "")
                own = {row.get(kind) for kind in ("user_id", "unionid", "openid", "anonymous_id")}
                promoter = "" if promoter in own else promoter
            else:
                sharer = cards.get((row["app_id"], row.get("share_id", "")))
                entered = row["event"] in ("app_launch", "app_show")
                promoter = str(sharer) if entered and sharer not in (None, person) else ""
            if promoter and (bound is None or rule == "last"):
                bound = (at, promoter, row["event_id"])
                if at >= from_ms:
                    found.append(("bound", person, promoter, 0, row["event_id"]))
            what = {"register": "registered", "order_pay": "ordered"}.get(row["event"])
            if what and at >= from_ms:
                amount = row["properties_number"].get("amount", 0)
                _, promoter, touch = bound or (0, "", "")
                found.append((what, person, promoter, amount, touch))
    return found
