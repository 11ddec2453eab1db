"""
Random logs: the funnel from ClickHouse equals the funnel by its definition (``reference/funnel.py``), to the user.

Times lie on a coarse grid, so that ties in ms and seq, and windows that end exactly on an event, are the rule.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from query_support import event as row
from query_support import id_key, insert, ms
from reference import funnel as reference

from query_api.clickhouse import Database
from query_api.periods import rfc3339
from query_api.reports import answer_query
from query_api.settings import Settings
from sdk_spec import limits

BASE_MS = ms("2026-10-24T22:00:00Z")  # midnight in Berlin, the day before clocks go back there
NOW_MS = ms("2027-06-01T00:00:00Z")
GRID_MS = 500
BIND_MS = BASE_MS + 6 * GRID_MS
_apps = itertools.count(1)

# What a step may ask for: how it stands in the request, and the same as a predicate.
STEPS: list[tuple[dict[str, Any], reference.Predicate]] = [
    ({"event": "a"}, lambda e: e.event == "a"),
    ({"event": "b"}, lambda e: e.event == "b"),
    ({"event": "c"}, lambda e: e.event == "c"),
    ({"any_of": [{"event": "a"}, {"event": "b"}]}, lambda e: e.event in ("a", "b")),
    (
        {
            "event": "a",
            "filter": {"field": "properties.sku", "op": "eq", "values": ["1"]},
        },
        lambda e: e.event == "a" and e.properties.get("sku") == "1",
    ),
    (
        {
            "any_of": [
                {
                    "event": "b",
                    "filter": {"field": "properties.sku", "op": "exists"},
                },
                {"event": "c"},
            ]
        },
        lambda e: e.event == "c" or (e.event == "b" and "sku" in e.properties),
    ),
]
EXCLUDED: list[tuple[dict[str, Any], reference.Predicate]] = [
    ({"event": "x"}, lambda e: e.event == "x"),
    ({"event": "b"}, lambda e: e.event == "b"),
    (
        {"event": "x", "filter": {"field": "properties.sku", "op": "eq", "values": ["1"]}},
        lambda e: e.event == "x" and e.properties.get("sku") == "1",
    ),
]

BOUND = 6
"""Devices d0 to d5 are bound to the users u0 to u5."""
PEOPLE = [*(f"user_id:u{n}" for n in range(30)), *(f"anonymous_id:d{n}" for n in range(10))]
PROPERTIES: list[dict[str, Any]] = [{}, {"sku": "1"}, {"sku": "1"}, {"sku": "2"}, {"sku": 1}]

FIRST = {"entry": "first"}
TAKEN_OUT = {"exclusion_effect": "user"}
DAYS = {"window_counts": "calendar_days"}
KINDS: dict[str, tuple[str, bool, bool, bool, dict[str, str]]] = {
    # order, whether events may be excluded, a property held, steps optional; declared axes
    "plain": ("ordered", False, False, False, {}),
    "excluded": ("ordered", True, False, False, {}),
    "held": ("ordered", True, True, False, {}),
    "strict": ("strict", True, False, False, {}),
    "strict and held": ("strict", True, True, False, {}),
    "any": ("any", False, False, False, {}),
    "any and held": ("any", False, True, False, {}),
    "optional": ("ordered", False, False, True, {}),
    "optional and excluded": ("ordered", True, False, True, {}),
    "optional, strict and held": ("strict", True, True, True, {}),
    "first entry": ("ordered", True, False, True, FIRST),
    "first entry, strict and held": ("strict", False, True, False, FIRST),
    "apart": ("ordered", False, False, True, {"ties": "apart"}),
    "ties in any order": ("ordered", False, False, True, {"ties": "any"}),
    "taken out": ("ordered", True, False, False, TAKEN_OUT),
    "taken out, ties in any order": ("ordered", True, False, False, {**TAKEN_OUT, "ties": "any"}),
    "calendar days": ("ordered", True, False, False, {**DAYS, **TAKEN_OUT, **FIRST}),
    "ties of a day": ("ordered", False, False, True, {**DAYS, "ties": "any_of_day"}),
}
ZONE = ZoneInfo("Europe/Berlin")


def day_of(at_ms: int) -> int:
    """Number of the local day of an instant."""
    return datetime.fromtimestamp(at_ms // 1000, ZONE).toordinal()


def alternatives(names: str) -> tuple[dict[str, Any], reference.Predicate]:
    """A step that any of these events is."""
    return {"any_of": [{"event": name} for name in names]}, lambda e: e.event in names


def question_of(random: Random, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request, and the same as arguments of ``reference.Funnel`` without the range."""
    order, may_exclude, held, may_skip, axes = KINDS[kind]
    # Half of the time the steps name different events, which other SQL may answer.
    pool = random.choice([STEPS, STEPS[:3]])
    if axes.get("ties", "order").startswith("any"):
        pool = STEPS[:3]
    steps = (
        random.sample(pool, 3)
        if pool is not STEPS
        else random.choices(pool, k=random.randint(2 + may_skip, 4))
    )
    between = range(2, len(steps)) if may_skip else []
    optional = [n for n in between if random.random() < 0.7]
    if order == "any" and pool is STEPS:
        steps = [alternatives("".join(random.sample("abcxy", 2))) for _ in range(4)]
    window_s = random.randint(1, 6)
    exclusions = []
    for _ in range(random.randint(0, 2) if may_exclude else 0):
        request, matches = random.choice(EXCLUDED)
        from_step = random.randint(1, len(steps) - 1)
        exclusions.append((request, matches, from_step, random.randint(from_step + 1, len(steps))))
    hold = ["sku"] if held else []
    window_days = random.randint(1, 2) if "window_counts" in axes else None
    request = {
        **axes,
        "timezone": "Europe/Berlin",
        "steps": [{**step, "optional": n in optional} for n, (step, _) in enumerate(steps, 1)],
        "window": {"value": window_s, "unit": "second"}
        if window_days is None
        else {"value": window_days, "unit": "day"},
        "order": order,
        "exclusions": [
            {**excluded, "from_step": from_step, "to_step": to_step}
            for excluded, _, from_step, to_step in exclusions
        ],
        "hold_constant": [f"properties.{name}" for name in hold],
    }
    arguments = {
        "steps": [matches for _, matches in steps],
        "window_ms": window_s * 1000,
        "order": order,
        "exclusions": [
            reference.Exclusion(matches, from_step, to_step)
            for _, matches, from_step, to_step in exclusions
        ],
        "hold_constant": hold,
        "optional": optional,
        "window_days": window_days,
        "day_of": day_of,
        **{name: value for name, value in axes.items() if name != "window_counts"},
    }
    return request, arguments


def rows_of(random: Random, days: int) -> list[dict[str, Any]]:
    """Rows of one app over so many days; some are stored twice, with another received_at and corrected time."""
    app_id = f"wx_random_{next(_apps)}"
    # Ids that share their first bytes, so that the cheap order keys cannot decide.
    prefix = random.choice(["", "", "0123456789abcdef", "é"])
    names = random.choice(["aaabbbccxy", "abcxy", "abc"])
    places = random.choice([6, 16])
    # Some of an app that never begins anew, beyond what the cheapest order key tells apart.
    seqs = random.choice([[0, 0, 1], [32_766, 32_767, 40_000, limits.MAX_SEQ]])
    rows = [
        row(
            person,
            random.choice(names),
            # Midnights of days of 24 and 25 hours lie in the middle.
            BASE_MS + random.randrange(days) * 25 * 3_600_000 + random.randrange(places) * GRID_MS,
            properties=random.choice(PROPERTIES),
            seq=random.choice(seqs),
            event_id=f"{prefix}{random.randrange(10**6)}.{number}",
            app_id=app_id,
        )
        for person in PEOPLE
        for number in range(random.randrange(9))
    ]
    for copied in random.sample(rows, min(8, len(rows))):
        copy = {**copied, "received_at": copied["received_at"] + 60_000}
        copy["precedence"] = 2**63 - copy["received_at"]
        copy["occurred_at"] += GRID_MS
        rows.append(copy)
    return rows


def person(stored: dict[str, Any], identity: str) -> str:
    """The person of an event: that of the device's user, with "strict" only from BIND_MS on."""
    device = stored.get("anonymous_id", "")[1:]
    is_bound = identity == "latest" or stored["occurred_at"] >= BIND_MS
    if device and int(device) < BOUND and is_bound:
        return str(id_key("user_id", f"u{device}"))
    return str(stored["actor"])


def as_log(rows: list[dict[str, Any]], identity: str) -> list[reference.Event]:
    """The rows as the reference takes them."""
    return [
        reference.Event(
            user=person(stored, identity),
            event=stored["event"],
            at_ms=stored["occurred_at"],
            seq=stored["seq"],
            event_id=stored["event_id"],
            app_id=stored["app_id"],
            received_ms=stored["received_at"],
            properties={
                **stored["properties_text"],
                **{name: int(value) for name, value in stored["properties_number"].items()},
            },
        )
        for stored in rows
    ]


def store(database: Client, rows: list[dict[str, Any]]) -> None:
    """Store the events and the bindings of the devices."""
    insert(database, rows)
    bindings = []
    for n in range(BOUND):
        user = id_key("user_id", f"u{n}")
        device = id_key("anonymous_id", f"d{n}", rows[0]["app_id"])
        bindings.append([device, user, [BIND_MS], [user], 1])
    database.insert(
        "identity_map",
        bindings,
        column_names=["id_key", "person", "strict_from", "strict_person", "version"],
    )


class Asker:
    """Asks without HTTP, over one connection for all examples."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._database = Database(Settings(clickhouse_reader_url=url))

    def __call__(self, report: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a report."""
        answer = answer_query(
            self._database, report, msgspec.json.encode(body), body["app_ids"], NOW_MS
        )
        return self._runner.run(answer)["result"]

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._database.close())
        self._runner.close()


@pytest.fixture
def asker(database_url: str) -> Iterator[Asker]:
    asking = Asker(database_url)
    yield asking
    asking.close()


def numbers(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The part of the answer's steps that the reference gives; averages may differ in the last bits."""
    names = reference.steps([], reference.Funnel([bool], 0, 0, 0))[0].keys()
    return [
        {
            name: pytest.approx(step[name], rel=1e-12)
            if isinstance(step[name], float)
            else step[name]
            for name in names
        }
        for step in steps
    ]


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    # No shrinking: it would ask the server for minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**64))
def test_funnel_of_a_random_log_is_the_funnel_by_definition(
    database: Client, asker: Asker, kind: str, seed: int
) -> None:
    random = Random(f"{kind} {seed}")  # noqa: S311 (a log, no secret)
    request, arguments = question_of(random, kind)
    days = 3 if arguments["window_days"] else 1
    rows = rows_of(random, days)
    identity = random.choice(["latest", "strict"])
    attribution = random.choice(["first", "last", 1, 2])
    from_ms = BASE_MS + random.randint(0, 3) * GRID_MS
    to_ms = from_ms + random.randint(1, 16) * GRID_MS + (days - 1) * 86_400_000
    plain = {
        **request,
        "app_ids": [rows[0]["app_id"]],
        "time_range": {"from": rfc3339(from_ms), "to": rfc3339(to_ms)},
        "identity": identity,
    }
    body = {
        **plain,
        "breakdown": ["properties.sku"],
        "breakdown_limit": 2,
        "breakdown_attribution": attribution,
    }
    note(repr(body))
    store(database, rows)
    log = as_log(rows, identity)
    funnel = reference.Funnel(from_ms=from_ms, to_ms=to_ms, **arguments)
    chains = reference.chains(log, funnel)
    count = len(request["steps"])

    def value(chain: reference.Chain) -> str:
        if isinstance(attribution, int):
            return (
                repr(chain[attribution].properties.get("sku")) if attribution in chain else "None"
            )
        return repr(
            list(chain.values())[{"first": 0, "last": -1}[attribution]].properties.get("sku")
        )

    with_next = {"dropped_next": 2} if random.random() < 0.5 else {}
    plain_steps = asker("funnel", {**plain, **with_next})["steps"]
    result = asker("funnel", body)

    expected = reference.steps(chains.values(), funnel)
    assert numbers(plain_steps) == expected
    assert numbers(result["steps"]) == expected
    sizes = Counter(value(chain) for chain in chains.values())
    shown = [repr(g["breakdown"]["properties.sku"]) for g in result["groups"] if not g["other"]]
    assert [sizes[key] for key in shown] == sorted(sizes.values(), reverse=True)[:2]
    groups = {}
    for group in result["groups"]:
        key = repr(group["breakdown"]["properties.sku"])
        inside = {
            user: chain
            for user, chain in chains.items()
            if (value(chain) not in shown if group["other"] else value(chain) == key)
        }
        assert numbers(group["steps"]) == reference.steps(inside.values(), funnel)
        cell = {"other": True} if group["other"] else {"breakdown": group["breakdown"]}
        groups[repr(cell)] = cell, inside
    groups["all"] = {}, chains
    step = random.randint(1, count)
    dropped = random.random() < 0.5
    cell, inside = groups[random.choice(sorted(groups))]
    listed = asker("funnel/users", {**body, "cell": {"step": step, "dropped": dropped, **cell}})
    before = reference.required_before(step, funnel)
    may_drop = step > 1 and step not in funnel.optional

    def is_listed(chain: reference.Chain) -> bool:
        if dropped:
            return may_drop and before in chain and max(chain) < step
        return step in chain

    assert {u["user"] for u in listed["users"]} == {u for u, c in inside.items() if is_listed(c)}
    assert listed["total"] == len(listed["users"])
    for answered in plain_steps if with_next else []:
        after = reference.dropped_next(log, chains, funnel, answered["step"])
        shown = answered["dropped_next"]
        assert {part["event"]: part["users"] for part in shown} == {
            part["event"]: after[part["event"]] for part in shown
        }
        assert [part["users"] for part in shown] == sorted(after.values(), reverse=True)[:2]
        assert answered["dropped_next_other"] == sum(after.values()) - sum(
            part["users"] for part in shown
        )
    if last_shown := plain_steps[-1].get("dropped_next"):
        cell = {"step": count, "dropped": True, "next_event": last_shown[-1]["event"]}
        page = asker("funnel/users", {**plain, "cell": cell})
        assert page["total"] == last_shown[-1]["users"]
        cell = {"step": count, "dropped": True, "next_other": True}
        page = asker("funnel/users", {**plain, **with_next, "cell": cell})
        assert page["total"] == plain_steps[-1]["dropped_next_other"]
