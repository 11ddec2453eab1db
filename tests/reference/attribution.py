"""Attribution as its definition says: for every target its chain, for every model the shares of the chain."""

from collections.abc import Callable
from fractions import Fraction

from reference.people import Identity, Matches, Row, by_person, order

MODELS = ("first", "last", "linear", "position", "time_decay")


def shares(model: str, ages_ms: list[int], half_life_ms: int) -> list[float]:
    """What each touch of a chain gets of one conversion; ``ages_ms``: from the oldest touch to the newest."""
    n = len(ages_ms)
    if model == "first":
        return [1.0] + [0.0] * (n - 1)
    if model == "last":
        return [0.0] * (n - 1) + [1.0]
    if model == "linear":
        return [1 / n] * n
    if model == "position":
        if n == 1:
            return [1.0]
        if n == 2:
            return [0.5, 0.5]
        return [0.4] + [0.2 / (n - 2)] * (n - 2) + [0.4]
    weights = [Fraction(0.5 ** (age / half_life_ms)) for age in ages_ms]
    return [float(weight / sum(weights)) for weight in weights]


def attribution(
    rows: list[Row],
    identity: Identity,
    *,
    from_ms: int,
    to_ms: int,
    identity_mode: str,
    target: Matches,
    touches: list[Matches],
    lookback_ms: int,
    half_life_ms: int,
    value: Callable[[Row], float],
    key: Callable[[Row], object],
    same: Callable[[Row, Row], bool],
) -> dict:
    """(touch number, key), or (0, None) for direct, to users, targets and what each model gives: conversions, value, users."""
    found: dict = {}
    for person, events in by_person(rows, identity, identity_mode).items():
        for aim in events:
            if not target(aim) or not from_ms <= aim["occurred_at"] < to_ms:
                continue
            chain = []
            for event in events:
                number = next((i + 1 for i, touch in enumerate(touches) if touch(event)), 0)
                if (
                    number
                    and order(event) < order(aim)
                    and aim["occurred_at"] - event["occurred_at"] <= lookback_ms
                    and same(event, aim)
                ):
                    chain.append((number, event))
            places = [(number, key(event)) for number, event in chain] or [(0, None)]
            ages = [aim["occurred_at"] - event["occurred_at"] for _, event in chain] or [0]
            for i, place in enumerate(places):
                empty = {"users": set(), "targets": set(), **{m: [0.0, 0.0, set()] for m in MODELS}}
                row = found.setdefault(place, empty)
                row["users"].add(person)
                row["targets"].add(aim["event_id"])
                for model in MODELS:
                    share = shares(model, ages, half_life_ms)[i]
                    row[model][0] += share
                    row[model][1] += share * value(aim)
                    if share > 0:
                        row[model][2].add(person)
    return found
