"""
Random logs: events and retention from ClickHouse equal their definitions in ``reference/``.

Events lie around the days on which clocks change, in ties and at midnights, sent twice, from people bound later.
"""

import asyncio
import itertools
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from query_support import bind, event, id_key, insert, ms
from reference import events as reference_events
from reference.people import Identity, Row
from reference.retention import retention

from query_api.clickhouse import Database
from query_api.periods import DAY_MS, HOUR_MS
from query_api.reports import answer_query
from query_api.settings import Settings

# East and west of UTC, half hours, and clocks that change in these days: London 25 October, Cairo at midnight of the
# 30th, New York 1 November; Lord Howe by half an hour on 4 October.
ZONES = [
    "Asia/Shanghai",
    "UTC",
    "Europe/London",
    "Africa/Cairo",
    "America/New_York",
    "America/St_Johns",
    "Pacific/Auckland",
    "Asia/Kathmandu",
]
FIRST_DAY = date(2026, 10, 22)
START_MS = ms("2026-10-22T00:00:00Z")
USERS = ["u1", "u2", "openid:o1", "anonymous_id:d1", "anonymous_id:d2"]
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
_apps = itertools.count(1)

TIMES = st.builds(
    lambda day, hours, off: START_MS + day * DAY_MS + round(hours * HOUR_MS) + off,
    st.integers(0, 12),
    st.sampled_from([0, 0.25, 0.5, 3.5, 4, 5, 12, 14, 15.9, 16, 18.25, 21, 22, 23]),
    st.sampled_from([-1, 0, 0, 0, 1, 1_800_000, 1_800_001]),
)
EVENTS = st.fixed_dictionaries(
    {
        "user": st.sampled_from(USERS),
        "event": st.sampled_from(["open", "buy", "open", "view"]),
        "at": TIMES,
        "seq": st.integers(0, 1),
        "session_id": st.sampled_from(["", "", "s1", "s2"]),
        "platform": st.sampled_from(["wechat", "alipay"]),
        "properties": st.sampled_from(
            [{}, {"price": 1}, {"price": 2.5}, {"price": -7}, {"price": "2"}]
        ),
    }
)
LOGS = st.lists(EVENTS, max_size=40)
# For each device: no binding, or a person from a time on, or two persons one after another.
BINDINGS = st.dictionaries(
    st.sampled_from(["anonymous_id:d1", "anonymous_id:d2", "openid:o1"]),
    st.lists(st.tuples(TIMES, st.sampled_from(["u1", "u2"])), min_size=1, max_size=2),
    max_size=3,
)
RANGES = st.tuples(st.integers(0, 8), st.integers(0, 6)).map(
    lambda pair: (
        FIRST_DAY + timedelta(days=pair[0]),
        FIRST_DAY + timedelta(days=pair[0] + pair[1]),
    )
)
SELECTORS = {
    "open": ({"event": "open"}, lambda e: e["event"] == "open"),
    "any": ({}, lambda _: True),
    "on wechat": (
        {"event": "buy", "filter": {"field": "platform", "op": "eq", "values": ["wechat"]}},
        lambda e: e["event"] == "buy" and e["platform"] == "wechat",
    ),
    "not cheap": (
        {"filter": {"field": "properties.price", "op": "gt", "values": [1], "not": True}},
        lambda e: not e["properties_number"].get("price", 0) > 1,
    ),
}


class World:
    """One database; each example has an app of its own in it."""

    def __init__(self, client: Any, url: str) -> None:
        self.client = client
        self.loop = asyncio.new_event_loop()
        self.database = Database(Settings(clickhouse_reader_url=url))

    def store(self, log: list[dict], bindings: dict) -> tuple[str, list[Row], Identity]:
        """Write a log, every third event twice; return the app, the rows and the persons."""
        app_id = f"app{next(_apps)}"
        rows = [event(**given, app_id=app_id) for given in log]
        insert(self.client, rows)
        again = [
            {**row, "received_at": row["received_at"] + 5, "page": "again"} for row in rows[::3]
        ]
        for row in again:
            row["precedence"] -= 5
        insert(self.client, again)
        identity: Identity = {}
        for device, steps in bindings.items():
            kind, _, id_ = device.partition(":")
            ordered = sorted(steps, key=lambda step: step[0])
            strict = [(at, id_key("user_id", user)) for at, user in ordered]
            key = id_key(kind, id_, app_id)
            identity[key] = (strict[0][1], strict)
            bind(self.client, key, strict[0][1], strict)
        return app_id, rows, identity

    def ask(self, report: str, app_id: str, body: dict) -> dict:
        """Answer a question about one app."""
        raw = msgspec.json.encode({"app_ids": [app_id], **body})
        now_ms = ms("2027-06-01T00:00:00Z")
        answer = self.loop.run_until_complete(
            answer_query(self.database, report, raw, [app_id], now_ms)
        )
        return msgspec.json.decode(msgspec.json.encode(answer["result"]))


@pytest.fixture
def world(database, database_url):
    world = World(database, database_url)
    yield world
    world.loop.run_until_complete(world.database.close())
    world.loop.close()


@given(
    log=LOGS,
    bindings=BINDINGS,
    range_=RANGES,
    zone=st.sampled_from(ZONES),
    interval=st.sampled_from(["hour", "day", "day", "week", "month", "quarter"]),
    identity_mode=st.sampled_from(["latest", "strict"]),
    selected=st.sampled_from(sorted(SELECTORS)),
    days=st.sampled_from([None, 1, 2, 3, 7, 30]),
)
@EXAMPLES
def test_events_equal_their_definition(
    world, log, bindings, range_, zone, interval, identity_mode, selected, days
):
    app_id, rows, identity = world.store(log, bindings)
    selector, matches = SELECTORS[selected]
    expected_points, expected_total = reference_events.series(
        rows,
        identity,
        first_day=range_[0],
        last_day=range_[1],
        zone=zone,
        interval=interval,
        identity_mode=identity_mode,
        matches=matches,
    )
    needs_field = {"sum", "avg", "min", "max", "p50", "p90", "p99", "price_per_user"}
    body = {
        "time_range": {"from": str(range_[0]), "to": str(range_[1])},
        "timezone": zone,
        "interval": interval,
        "identity": identity_mode,
        "measures": [
            {**selector, "aggregate": name.replace("price_", ""), "as": name}
            | ({"field": "properties.price"} if name in needs_field else {})
            for name in expected_total
        ],
    }
    if interval != "hour":
        window = {"cumulative": True} if days is None else {"trailing_days": days}
        windowed = [
            {**measure, "as": f"window_{measure['as']}", **window}
            for measure in body["measures"]
            if measure["aggregate"] not in ("sessions", "p50", "p90", "p99")
        ]
        body["measures"] += windowed
        for time, values in reference_events.windowed(
            rows,
            identity,
            first_day=range_[0],
            last_day=range_[1],
            zone=zone,
            interval=interval,
            identity_mode=identity_mode,
            matches=matches,
            days=days,
        ).items():
            expected_points[time] |= {m["as"]: values[m["as"][7:]] for m in windowed}
    note(f"{body}")
    [series] = world.ask("events", app_id, body)["series"]

    assert [point["time"] for point in series["points"]] == list(expected_points)
    for point, expected in zip(series["points"], expected_points.values(), strict=True):
        assert {name: point[name] for name in expected} == pytest.approx(expected)
    assert {name: series["total"][name] for name in expected_total} == pytest.approx(expected_total)


@given(
    log=LOGS,
    bindings=BINDINGS,
    range_=RANGES,
    zone=st.sampled_from(ZONES),
    unit=st.sampled_from(["day", "day", "week", "month"]),
    periods=st.integers(0, 4),
    mode=st.sampled_from(["on", "on_or_after", "bracket"]),
    brackets=st.lists(st.sampled_from([[0, 0], [1, 1], [1, 3], [2, 4]]), min_size=1, max_size=3),
    cohort=st.sampled_from(["every", "first"]),
    identity_mode=st.sampled_from(["latest", "strict"]),
    initial=st.sampled_from(sorted(SELECTORS)),
    returning=st.sampled_from(sorted(SELECTORS)),
    breakdown=st.sampled_from([[], ["platform"]]),
    axes=st.sampled_from(
        [
            {},
            {},
            {"period_zero": "repeated"},
            {"period_counts": "elapsed"},
            {"period_counts": "elapsed_from_hour"},
            {"period_counts": "elapsed_from_day"},
        ]
    ),
)
@EXAMPLES
def test_retention_equals_its_definition(
    world,
    log,
    bindings,
    range_,
    zone,
    unit,
    periods,
    mode,
    brackets,
    cohort,
    identity_mode,
    initial,
    returning,
    breakdown,
    axes,
):
    app_id, rows, identity = world.store(log, bindings)
    brackets = brackets if mode == "bracket" else None
    expected = retention(
        rows,
        identity,
        first_day=range_[0],
        last_day=range_[1],
        zone=zone,
        unit=unit,
        periods=periods,
        mode=mode,
        brackets=brackets,
        cohort=cohort,
        identity_mode=identity_mode,
        initial=SELECTORS[initial][1],
        returning=SELECTORS[returning][1],
        **axes,
    )
    body = {
        "time_range": {"from": str(range_[0]), "to": str(range_[1])},
        "timezone": zone,
        "unit": unit,
        "periods": periods,
        "mode": mode,
        "brackets": brackets,
        "cohort": cohort,
        "identity": identity_mode,
        "initial": SELECTORS[initial][0],
        "returning": SELECTORS[returning][0],
        "breakdown": breakdown,
        "measure": {**SELECTORS[returning][0], "field": "properties.price"},
        **axes,
    }
    note(f"{body}")
    result = world.ask("retention", app_id, body)

    found: dict[str, list] = {}
    for line in result["cohorts"]:  # the rows of a breakdown add up to the cohort
        numbers = [line["size"], line["lost"], *line["returned"], *line["first_returned"]]
        numbers += line["measured"]
        before = found.get(line["cohort"], [0] * len(numbers))
        found[line["cohort"]] = [
            None if b is None else a + b for a, b in zip(before, numbers, strict=True)
        ]
    last = len(next(iter(expected.values())).first_returned) - 1
    lost = {day: c.size - len(c.returned_later) if last else None for day, c in expected.items()}
    if breakdown and not result["cohorts"]:
        assert all(cohort.size == 0 for cohort in expected.values())
    else:
        assert found == {
            day: [c.size, lost[day], *c.returned, *c.first_returned, *c.measured]
            for day, c in expected.items()
        }
    cohort_day, largest = max(expected.items(), key=lambda item: item[1].size)
    cells = [({}, largest.size), ({"period": len(largest.returned) - 1}, largest.returned[-1])]
    if last:
        cells.append(({"lost": True}, lost[cohort_day]))
        cells.append(({"first_return": last}, largest.first_returned[last]))
    for cell, number in (cells[len(rows) % len(cells)], cells[-1]):
        page = world.ask("retention/users", app_id, body | {"cell": {"cohort": cohort_day, **cell}})
        assert page["total"] == len(page["users"]) == number
