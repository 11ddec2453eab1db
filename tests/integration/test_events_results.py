"""The events report against rows counted by hand."""

import pytest
from query_support import ask, bind, event, id_key, insert

# Three Shanghai days; u1 and u2 pay, d1 is anonymous and becomes u1 later.
LOG = [
    event(
        "u1",
        "pay",
        "2026-10-01T00:00:00+08:00",
        session_id="s1",
        properties={"price": 10, "city": "北京"},
    ),
    event(
        "u1",
        "pay",
        "2026-10-01T23:59:59.999+08:00",
        session_id="s1",
        properties={"price": 20, "city": "北京"},
    ),
    event(
        "anonymous_id:d1",
        "pay",
        "2026-10-02T00:00:00+08:00",
        session_id="s2",
        properties={"price": 60},
    ),
    event("u2", "pay", "2026-10-02T12:00:00+08:00", properties={"price": 2, "city": "上海"}),
    event("u2", "view", "2026-10-02T12:30:00+08:00"),
    event("u2", "pay", "2026-10-02T13:00:01+08:00", properties={"city": "上海"}),
    event("u2", "view", "2026-10-03T08:00:00+08:00", platform="web"),
    event("u3", "view", "2026-10-03T09:00:00+08:00", scene="1001"),
    # Outside: one millisecond before and exactly at the end.
    event("u4", "pay", "2026-09-30T23:59:59.999+08:00"),
    event("u4", "pay", "2026-10-04T00:00:00+08:00"),
    # Another app.
    event("u1", "pay", "2026-10-01T10:00:00+08:00", app_id="wx0002"),
]
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-03"}}


@pytest.fixture
def logged(database, database_url):
    insert(database, LOG)
    insert(database, LOG[:4])  # sent twice
    bind(database, id_key("anonymous_id", "d1"), id_key("user_id", "u1"))
    return database_url


def measure(aggregate, event_name="pay", **more):
    return {"event": event_name, "aggregate": aggregate, **more}


async def totals(url, measures, **body):
    answer = await ask(url, "events", {**RANGE, "measures": measures, "interval": None, **body})
    return [series["total"] for series in answer["result"]["series"]]


async def test_every_aggregate_by_day(logged):
    price = {"field": "properties.price"}
    measures = [
        measure("count", **{"as": "n"}),
        measure("users"),
        measure("sessions"),
        measure("sum", **price),
        measure("avg", **price),
        measure("min", **price),
        measure("max", **price),
        measure("p50", **price),
        measure("p90", **price),
        measure("per_user", event_name=None),
    ]
    body = {**RANGE, "measures": measures, "formula": "D / n"}
    answer = await ask(logged, "events", body)

    [series] = answer["result"]["series"]
    names = [
        "time",
        "n",
        "B",
        "C",
        "D",
        "E",
        "E_numerator",
        "E_denominator",
        "F",
        "G",
        "H",
        "I",
        "J",
    ]
    names += ["J_numerator", "J_denominator", "formula"]
    assert list(series["points"][0]) == names
    assert [list(point.values()) for point in series["points"]] == [
        ["2026-10-01", 2, 1, 1, 30, 15, 30, 2, 10, 20, 15, 19, 2, 2, 1, 15],
        # u2's 12:30 view keeps its silence under 30 minutes until 13:00:01: s2, 12:00-12:30, 13:00:01.
        ["2026-10-02", 3, 2, 3, 62, 31, 62, 2, 2, 60, 31, pytest.approx(54.2), 2, 4, 2, 62 / 3],
        ["2026-10-03", 0, 0, 0, 0, None, 0, 0, None, None, None, None, 1, 2, 2, None],
    ]
    assert series["total"]["B"] == 2  # not 1 + 2
    assert series["total"]["C"] == 4
    assert series["breakdown"] == {}
    assert answer["meta"]["data_complete_until"] == "2026-10-03T16:00:01.000Z"
    assert answer["meta"]["truncated"] is False
    assert answer["meta"]["rows_read"] >= 9


async def test_strict_identity_keeps_the_time_before_the_binding_apart(database, database_url):
    insert(
        database,
        [event("anonymous_id:d1", "pay", f"2026-10-0{d}T10:00:00+08:00") for d in (1, 2, 3)],
    )
    insert(database, [event("u1", "pay", "2026-10-03T11:00:00+08:00")])
    u1 = id_key("user_id", "u1")
    at = 1790906400000  # 2026-10-02T10:00:00+08:00
    bind(database, id_key("anonymous_id", "d1"), u1, [(at, u1)])
    body = {**RANGE, "measures": [measure("users"), measure("count")]}

    for identity, users, total in (("latest", [1, 1, 1], 1), ("strict", [1, 1, 1], 2)):
        answer = await ask(database_url, "events", body | {"identity": identity})
        [series] = answer["result"]["series"]
        assert [p["A"] for p in series["points"]] == users
        assert series["total"] == {"A": total, "B": 4}


async def test_breakdown_shows_top_values_then_other_and_null(logged):
    body = {"breakdown": ["properties.city"]}
    counted = [measure("count"), measure("users")]
    answer = await ask(logged, "events", {**RANGE, "measures": counted, "interval": None, **body})
    rows = [
        (s["breakdown"], s["other"], s["total"]["A"], s["total"]["B"])
        for s in answer["result"]["series"]
    ]
    assert rows == [
        ({"properties.city": "上海"}, False, 2, 1),
        ({"properties.city": "北京"}, False, 2, 1),
        ({"properties.city": None}, False, 1, 1),
    ]

    body["breakdown_limit"] = 1
    answer = await ask(logged, "events", {**RANGE, "measures": counted, "interval": None, **body})
    rows = [
        (s["breakdown"], s["other"], s["total"]["A"], s["total"]["B"])
        for s in answer["result"]["series"]
    ]
    assert rows[1] == ({"properties.city": None}, True, 3, 1)
    assert len(rows) == 2

    cell = {"cell": {"other": True, "measure": "B"}}
    page = await ask(
        logged, "events/users", {**RANGE, "measures": counted, "interval": None, **body, **cell}
    )
    assert page["result"]["total"] == len(page["result"]["users"]) == 1


async def test_users_of_every_cell_are_as_many_as_it_says(logged):
    body = {
        **RANGE,
        "measures": [measure("users"), measure("users", "view")],
        "breakdown": ["platform"],
    }
    answer = await ask(logged, "events", body)
    checked = 0
    for series in answer["result"]["series"]:
        for name in "AB":
            for point in [*series["points"], {**series["total"], "time": None}]:
                cell = {"measure": name, "time": point["time"], "breakdown": series["breakdown"]}
                page = await ask(logged, "events/users", body | {"cell": cell})
                assert page["result"]["total"] == len(page["result"]["users"]) == point[name]
                checked += 1
    assert checked == 16


async def test_users_come_in_pages(database, database_url):
    insert(database, [event(f"u{i}", "pay", "2026-10-01T10:00:00+08:00") for i in range(10)])
    body = {**RANGE, "measures": [measure("users")], "cell": {}, "limit": 4}
    found, after = [], "0"
    for expected in (4, 4, 2):
        page = await ask(database_url, "events/users", body | {"after": after})
        assert page["result"]["total"] == 10
        assert len(page["result"]["users"]) == expected
        found += [int(user["user"]) for user in page["result"]["users"]]
        after = page["result"]["next_after"]

    assert found == sorted(id_key("user_id", f"u{i}") for i in range(10))
    assert after is None


async def test_compare_with_the_period_and_the_year_before(database, database_url):
    days = ["2026-03-03", "2026-03-04", "2026-03-04", "2026-03-06", "2025-03-05"]
    insert(database, [event("u1", "pay", f"{day}T12:00:00+08:00") for day in days])
    body = {
        "time_range": {"from": "2026-03-05", "to": "2026-03-06"},
        "measures": [measure("count")],
    }

    answer = await ask(database_url, "events", body | {"compare": "previous_period"})
    compared = answer["result"]["compare"]
    assert compared["time_range"] == {
        "from": "2026-03-03T00:00:00.000+08:00",
        "to": "2026-03-05T00:00:00.000+08:00",
    }
    assert [p["A"] for p in answer["result"]["series"][0]["points"]] == [0, 1]
    assert [p["A"] for p in compared["series"][0]["points"]] == [1, 2]

    answer = await ask(database_url, "events", body | {"compare": "previous_year"})
    assert list(answer["result"]["compare"]["series"][0]["points"]) == [
        {"time": "2025-03-05", "A": 1},
        {"time": "2025-03-06", "A": 0},
    ]


@pytest.mark.parametrize(
    ("interval", "labels"),
    [
        ("week", ["2026-09-28"]),
        ("month", ["2026-10-01"]),
        ("quarter", ["2026-10-01"]),
    ],
)
async def test_longer_periods_carry_their_first_day_and_warn(logged, interval, labels):
    answer = await ask(
        logged, "events", {**RANGE, "measures": [measure("count")], "interval": interval}
    )
    [series] = answer["result"]["series"]
    assert [p["time"] for p in series["points"]] == labels
    assert [p["A"] for p in series["points"]] == [5]
    assert [w["code"] for w in answer["meta"]["warnings"]] == ["partial_period"]


async def test_hours_of_a_day_with_25_hours(database, database_url):
    insert(
        database,
        [
            event("u1", "pay", "2026-11-01T01:30:00-04:00"),
            event("u1", "pay", "2026-11-01T01:30:00-05:00"),
            event("u1", "pay", "2026-11-01T23:59:59.999-05:00"),
            event("u1", "pay", "2026-11-02T00:00:00-05:00"),
        ],
    )
    body = {
        "time_range": {"from": "2026-11-01", "to": "2026-11-01"},
        "timezone": "America/New_York",
        "measures": [measure("count")],
        "interval": "hour",
    }
    answer = await ask(database_url, "events", body)
    points = answer["result"]["series"][0]["points"]
    assert len(points) == 25
    assert {p["time"]: p["A"] for p in points if p["A"]} == {
        "2026-11-01T01:00:00-04:00": 1,
        "2026-11-01T01:00:00-05:00": 1,
        "2026-11-01T23:00:00-05:00": 1,
    }


async def test_instants_exclude_their_end(logged):
    between = {"from": "2026-10-01T00:00:00+08:00", "to": "2026-10-01T15:59:59.999Z"}
    assert await totals(logged, [measure("count")], time_range=between) == [{"A": 1}]


async def test_no_events_give_zeros(database_url):
    answer = await ask(
        database_url, "events", {**RANGE, "measures": [measure("count"), measure("per_user")]}
    )
    [series] = answer["result"]["series"]
    zero = {"A": 0, "B": None, "B_numerator": 0, "B_denominator": 0}
    assert series["total"] == zero
    assert list(series["points"]) == [{"time": f"2026-10-0{d}", **zero} for d in (1, 2, 3)]
    assert answer["meta"]["data_complete_until"] is None


async def test_apps_are_counted_apart_and_together(logged):
    assert await totals(logged, [measure("count")]) == [{"A": 5}]
    assert await totals(
        logged, [measure("count"), measure("users")], app_ids=["wx0001", "wx0002"]
    ) == [{"A": 6, "B": 2}]
    by_app = await ask(
        logged,
        "events",
        {
            **RANGE,
            "app_ids": ["wx0001", "wx0002"],
            "measures": [measure("count")],
            "breakdown": ["app_id"],
        },
    )
    assert [(s["breakdown"]["app_id"], s["total"]["A"]) for s in by_app["result"]["series"]] == [
        ("wx0001", 5),
        ("wx0002", 1),
    ]
