"""
Random logs: a breakdown or a filter by attributes of the person is one by a property that every event of the person has.

Attributes are put to what was added up for each person, properties are read event by event, and both must give one answer.
The value of each person comes from the slow definition; the reports' own tests prove the answers by properties.
"""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from many_logs import HOUR_MS, RANDOM, ZONES, Log, asker_of, choice, events, many, store
from reference.people import local_day, once, order, person
from reference.profile import is_number, profiles

A, B = {"event": "a"}, {"event": "b"}
SHOW = {"event": "app_show"}
SKU, PAGE = "user.sku", "user.latest_source.page"
IS_SKU = {"field": SKU, "op": "in", "values": ["1", 1]}
OF_SKU = {**A, "filter": IS_SKU}
USERS = {**A, "aggregate": "users"}
OF_VALUES = [
    {**B, "aggregate": name, "field": "properties.sku"}
    for name in ("sum", "avg", "min", "max", "p50", "per_user")
]
DAY = {"value": 1, "unit": "day"}
AXES = [
    *({"cohort": "first"}, {"cohort": "every"}, {"cohort": "every", "period_counts": "elapsed"}),
    {"cohort": "first", "measure": {**B, "field": "properties.sku"}},
]
FUNNELS = [
    {},
    {"breakdown_attribution": "last"},
    {"breakdown_attribution": 2},
    {"order": "any"},
    {"hold_constant": ["page"]},
    {"interval": "day"},
]
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("events", {"measures": [USERS, {**B, "aggregate": "users"}]}),
    ("events", {"measures": [{**USERS, "trailing_days": 2}, {**B, "aggregate": "per_user"}]}),
    ("events", {"measures": [{**OF_SKU, "aggregate": "users"}, B]}),
    ("events", {"measures": [USERS, {**B, "aggregate": "sessions"}, *OF_VALUES]}),
    *[("retention", {"initial": A, "returning": B, "periods": 2, **axes}) for axes in AXES],
    ("lifecycle", {"active": A}),
    ("lifecycle", {"active": OF_SKU}),
    ("stickiness", {"active": A}),
    ("distribution", {"measured": A}),
    ("distribution", {"measured": A, "of": "days", "measure": {**B, "aggregate": "count"}}),
    ("distribution", {"measured": OF_SKU, "of": "sum", "field": "properties.sku"}),
    *[("funnel", {"steps": [A, B], "window": DAY, **axes}) for axes in FUNNELS],
    ("funnel", {"steps": [OF_SKU, {"any_of": [A, B]}], "window": DAY}),
    ("interval", {"start": A, "end": B}),
    ("interval", {"start": A, "end": OF_SKU, "hold_constant": ["page"]}),
    ("ltv", {"start": SHOW, "measures": [{**B, "field": "properties.sku"}], "periods": 3}),
    ("sessions", {}),
    ("scenes", {"by": "scene", "conversion": A, "breakdown_limit": 20}),
    ("attribution", {"target": B, "touches": [A, SHOW]}),
]
EVERY = 12
"""Each log is asked every twelfth, the next log those beside them."""
CELLS: dict[str, dict[str, Any]] = {
    "distribution": {"bucket": 1},
    "events": {},
    "lifecycle": {"state": "active"},
    "retention": {"period": 0},
    "stickiness": {"units": 1},
}


@pytest.fixture
def asker(database_url):
    yield from asker_of(database_url)


def kind_of(value: object) -> str:
    return "number" if is_number(value) else "text"


def set_properties(log: Log) -> None:
    """Give each event the attributes of its person as properties, by the identity they are asked for with."""
    for mode in ("latest", "strict"):
        folded = profiles(log.rows, log.identity, mode)
        pages: dict[int, str] = {}
        whose = {}
        for row in sorted(once(log.rows), key=order):
            whose[row["event_id"]] = person(row, log.identity, mode)
            if row["event"] == "app_show":
                pages[whose[row["event_id"]]] = row["page"]
        for row in log.rows:
            user = whose[row["event_id"]]
            values = {
                "page": pages.get(user) or None,
                "sku": folded.get(user, {}).get("sku", [None])[0],
            }
            for name, value in values.items():
                if value is not None:
                    row[f"properties_{kind_of(value)}"][f"{name}_of_{mode}"] = value


@settings(RANDOM, max_examples=RANDOM.max_examples // 2)
@given(
    drawn=many(
        events(
            [
                "a",
                "a",
                "b",
                "b",
                "app_show",
                "user_set",
                "user_set_once",
                "user_increment",
                "user_unset",
            ],
            [h * HOUR_MS for h in (-49, -25, -24, -1, 0, 0, 1, 1, 2, 23, 24, 25, 47)],
            size=40,
        ),
        choice(list(ZONES)),
        choice(["latest", "latest", "strict"]),
        choice(
            [
                [SKU],
                [SKU],
                [PAGE],
                [PAGE, SKU],
                [SKU, "page"],
                ["properties.sku", PAGE],
                ["page", SKU, "seq"],
                ["page"],
            ]
        ),
        choice([None, None, IS_SKU, {"conditions": [IS_SKU, {"field": "page", "op": "exists"}]}]),
        choice([1, 2, 20]),
        choice([None, None, "previous_period"]),
        choice(range(EVERY)),
    )
)
def test_an_attribute_is_a_property_that_all_events_of_the_person_have(database, asker, drawn):
    logs = [Log(part[0], ZONES[part[1]]) for part in drawn]
    for log in logs:
        set_properties(log)
    store(database, logs)
    *_, first = drawn[0]
    for number, (log, part) in enumerate(zip(logs, drawn, strict=True)):
        _, zone, identity, breakdown, where, limit, compare, _ = part
        day = local_day(ZONES[zone], ZoneInfo(zone)).isoformat()
        for report, asked in ASKED[(first + number) % EVERY :: EVERY]:
            body = {
                "app_ids": [log.app_id],
                "time_range": {"from": day, "to": day},
                "timezone": zone,
                "identity": identity,
                "breakdown": breakdown,
                "breakdown_limit": limit,
                "filter": where,
                "compare": compare,
                **asked,
            }
            by_property = json.loads(of_properties(body, identity))
            of_persons = asker(report, body)

            assert of_properties(of_persons, identity) == json.dumps(asker(report, by_property))
            if report in CELLS:
                for other in (
                    (False, True) if '"other": true' in json.dumps(of_persons) else (False,)
                ):
                    cell = CELLS[report] | ({"other": True} if other else {})
                    found = asker.users(report, body, cell)
                    assert found == asker.users(report, by_property, cell)


def of_properties(part: Any, identity: str) -> str:
    """Text of a request or an answer, with properties in place of attributes."""
    text = json.dumps(part)
    for field, name in ((SKU, "sku"), (PAGE, "page")):
        text = text.replace(f'"{field}"', f'"properties.{name}_of_{identity}"')
    return text
