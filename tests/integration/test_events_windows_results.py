"""Cumulative measures and measures over trailing days, against rows counted by hand."""

import pytest
from query_support import ask, event, insert

from query_api.errors import InvalidRequest

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-03"}}
LOG = [
    event("u1", "pay", "2026-09-25T00:00:00+08:00", properties={"price": 100}),
    event("u2", "pay", "2026-09-30T23:59:59.999+08:00", properties={"price": 1}, platform="web"),
    event("u1", "pay", "2026-10-01T10:00:00+08:00", properties={"price": 10}),
    event("u1", "pay", "2026-10-01T11:00:00+08:00", properties={"price": 30}),
    event("u1", "pay", "2026-10-02T10:00:00+08:00"),
    event("u3", "pay", "2026-10-03T10:00:00+08:00", properties={"price": 5}),
]


@pytest.fixture
def logged(database, database_url):
    insert(database, LOG)
    return database_url


def pay(aggregate, **more):
    return {"event": "pay", "aggregate": aggregate, **more}


async def points_of(url, measures, **body):
    answer = await ask(url, "events", {**RANGE, "measures": measures, **body})
    [series] = answer["result"]["series"]
    return series


async def test_trailing_users_are_distinct_not_the_sum_of_the_days(logged):
    """Rolling users as a sum of days count u1 twice; a first day without the days before it is too low."""
    series = await points_of(
        logged,
        [
            pay("users"),
            pay("users", trailing_days=2),
            pay("users", trailing_days=7),
            pay("users", cumulative=True),
        ],
        formula="A / C",
    )

    assert [list(point.values())[1:] for point in series["points"]] == [
        [1, 2, 2, 1, 0.5],
        [1, 1, 2, 1, 0.5],  # u1 pays on both days
        [1, 2, 3, 2, 1 / 3],
    ]
    assert series["total"] == {"A": 2, "B": 2, "C": 2, "D": 2, "formula": 1}  # of the range


async def test_every_aggregate_over_trailing_days_and_from_the_beginning(logged):
    price = {"field": "properties.price"}
    aggregates = [
        pay("count"),
        pay("sum", **price),
        pay("avg", **price),
        pay("min", **price),
        pay("max", **price),
        pay("per_user"),
        pay("per_user", **price),
    ]
    trailing = await points_of(logged, [{**a, "trailing_days": 2} for a in aggregates])
    cumulative = await points_of(logged, [{**a, "cumulative": True} for a in aggregates])

    def values(series):
        return [[point[name] for name in "ABCDEFG"] for point in series["points"]]

    assert values(trailing) == [
        [3, 41, 41 / 3, 1, 30, 1.5, 20.5],
        [3, 40, 20, 10, 30, 3, 40],
        [2, 5, 5, 5, 5, 1, 2.5],
    ]
    assert values(cumulative) == [
        [2, 40, 20, 10, 30, 2, 40],
        [3, 40, 20, 10, 30, 3, 40],
        [4, 45, 15, 5, 30, 2, 22.5],
    ]


async def test_users_of_a_trailing_point_are_its_number(logged):
    body = {**RANGE, "measures": [pay("users", trailing_days=7), pay("users", cumulative=True)]}
    series = await points_of(logged, body["measures"])
    for point in series["points"]:
        for name in "AB":
            cell = {"measure": name, "time": point["time"]}
            page = await ask(logged, "events/users", {**body, "cell": cell})
            assert page["result"]["total"] == len(page["result"]["users"]) == point[name]


async def test_a_breakdown_value_seen_only_before_the_range_has_its_points(logged):
    # In one window the value has events, in the other none.
    measures = [pay("users", trailing_days=2), pay("per_user", cumulative=True)]
    body = {**RANGE, "measures": measures, "breakdown": ["platform"]}

    answer = await ask(logged, "events", body)
    folded = await ask(logged, "events", {**body, "breakdown_limit": 1})

    assert [
        (line["breakdown"]["platform"], [(point["A"], point["B"]) for point in line["points"]])
        for line in answer["result"]["series"]
    ] == [("wechat", [(1, 2), (1, 3), (2, 2)]), ("web", [(1, None), (0, None), (0, None)])]
    assert [(line["other"], line["points"][0]["A"]) for line in folded["result"]["series"]] == [
        (False, 1),
        (True, 1),
    ]


async def test_weeks_compared_and_where_clocks_change(database, database_url):
    insert(
        database,
        [
            event("u1", "pay", "2026-10-24T00:00:00+02:00"),
            event("u2", "pay", "2026-10-23T23:59:59.999+02:00"),
            event("u3", "pay", "2026-10-18T12:00:00+02:00"),
        ],
    )
    body = {
        "time_range": {"from": "2026-10-19", "to": "2026-10-25"},  # the 25th has 25 hours
        "timezone": "Europe/Berlin",
        "interval": "week",
        "measures": [pay("users", trailing_days=2), pay("count", cumulative=True)],
        "compare": "previous_period",
    }

    result = (await ask(database_url, "events", body))["result"]

    assert result["series"][0]["points"] == [{"time": "2026-10-19", "A": 1, "B": 2}]
    assert result["compare"]["series"][0]["points"] == [{"time": "2026-10-12", "A": 1, "B": 1}]


@pytest.mark.parametrize(
    ("measure", "interval", "path"),
    [
        (pay("users", trailing_days=0), "day", "$.measures[0].trailing_days"),
        (pay("users", trailing_days=367), "day", "$.measures[0].trailing_days"),
        (pay("users", trailing_days=7, cumulative=True), "day", "$.measures[0].trailing_days"),
        (pay("sessions", trailing_days=7), "day", "$.measures[0].trailing_days"),
        (
            pay("p50", field="properties.price", cumulative=True),
            "day",
            "$.measures[0].cumulative",
        ),
        (pay("users", trailing_days=7), "hour", "$.measures[0].trailing_days"),
        (pay("users", cumulative=True), None, "$.measures[0].cumulative"),
        (pay("users", field="properties.price"), "day", "$.measures[0].field"),
        (pay("per_user", field="page"), "day", "$.measures[0].field"),
    ],
)
async def test_wrong_requests_name_the_field(database_url, measure, interval, path):
    with pytest.raises(InvalidRequest) as refused:
        await ask(database_url, "events", {**RANGE, "measures": [measure], "interval": interval})

    assert refused.value.path == path
