"""A person's attributes as the rules say: one event after the other, in the order of events."""

from reference.people import Identity, Row, by_person

USER_EVENTS = ("user_set", "user_set_once", "user_increment", "user_unset")


def properties(row: Row) -> Row:
    """The properties of an event, whatever map they stand in."""
    found = {}
    for kind in ("text", "number", "flag", "list"):
        found.update(row.get(f"properties_{kind}", {}))
    return found


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def profiles(rows: list[Row], identity: Identity, mode: str) -> dict[int, dict[str, object]]:
    """Person to attribute to (value, event_id of the last change)."""
    found: dict[int, dict[str, object]] = {}
    for person, events in by_person(rows, identity, mode).items():
        attributes = found.setdefault(person, {})
        for row in events:
            for name, value in properties(row).items():
                mark = row["event_id"]
                match row["event"]:
                    case "user_set":
                        attributes[name] = (value, mark)
                    case "user_set_once" if name not in attributes:
                        attributes[name] = (value, mark)
                    case "user_unset":
                        attributes.pop(name, None)
                    case "user_increment" if is_number(value):
                        old = attributes.get(name, (0, ""))[0]
                        if is_number(old) and abs(old + value) < float("inf"):
                            attributes[name] = (old + value, mark)
    return found
