"""Measure, first return, lost users, comparison, declared axes and presets of retention, against tables by hand."""

import pytest
from query_support import ask, event, id_key, insert

from query_api.errors import InvalidRequest


def at(day: str, time: str = "12:00:00") -> str:
    return f"2026-10-{day}T{time}+08:00"


RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}, "periods": 3}
OPEN, PAY = {"event": "open"}, {"event": "pay"}
BODY = {**RANGE, "initial": OPEN, "returning": OPEN}
PRESETS = ["sensors", "ark", "growingio", "mixpanel", "amplitude", "posthog"]
LOG = [
    event("u1", "open", at("01")),
    event("u1", "pay", at("01", "08:00:00"), properties={"price": 10}),  # before the initial event
    event("u1", "open", at("02")),
    event("u1", "open", at("03")),
    event("u1", "pay", at("03"), properties={"price": 2.5}),
    event("u2", "open", at("01")),
    event("u2", "pay", at("04"), properties={"price": 100}),  # pays without a returning event
    event("u2", "pay", at("04"), properties={"price": "7"}),  # no number
    event("u3", "open", at("01")),
    event("u3", "open", at("04")),
    event("u4", "open", at("02")),
    event("u4", "pay", at("09"), properties={"price": 999}),  # after the last period
    event("u5", "pay", at("01"), properties={"price": 50}),  # in no cohort
]


@pytest.fixture
def logged(database, database_url):
    insert(database, LOG)
    return database_url


async def result_of(url, now="2027-06-01T00:00:00+00:00", **body):
    return (await ask(url, "retention", {**BODY, **body}, now=now))["result"]


async def users_of(url, cell, now="2027-06-01T00:00:00+00:00", **body):
    page = (await ask(url, "retention/users", {**BODY, **body, "cell": cell}, now=now))["result"]
    assert page["total"] == len(page["users"])
    return {row["user"] for row in page["users"]}


def keys(*users):
    return {str(id_key("user_id", user)) for user in users}


async def test_measure_adds_up_the_events_of_all_users_of_the_cohort(logged):
    result = await result_of(logged, measure={**PAY, "field": "properties.price"})

    first, second = result["cohorts"]
    assert (first["size"], first["measured"]) == (3, [10, 0, 2.5, 100])
    assert first["measured_per_user"] == [10 / 3, 0, 2.5 / 3, 100 / 3]
    assert (second["size"], second["measured"]) == (2, [0, 2.5, 0, 0])
    assert result["total"]["measured"] == [10, 2.5, 2.5, 100]
    assert result["total"]["measured_per_user"] == [2, 0.5, 0.5, 20]
    priced = {"measure": {**PAY, "field": "properties.price"}}
    for cell, users in (
        ({"period": 3, "cohort": "2026-10-01"}, keys("u2")),
        ({"period": 1}, keys("u1")),
        ({"period": 0, "cohort": "2026-10-02"}, set()),
    ):
        assert await users_of(logged, {**cell, "measured": True}, **priced) == users

    result = await result_of(logged, measure={**PAY, "aggregate": "count"}, mode="on_or_after")
    assert result["cohorts"][0]["measured"] == [4, 3, 3, 2]
    cell = {"period": 0, "measured": True}
    counted = {"measure": {**PAY, "aggregate": "count"}, "mode": "on_or_after"}
    assert await users_of(logged, cell, **counted) == keys("u1", "u2")
    result = await result_of(
        logged, measure={**PAY, "aggregate": "count"}, mode="bracket", brackets=[[0, 0], [1, 3]]
    )
    assert result["cohorts"][0]["measured"] == [1, 3]


PRICE = {"field": "properties.price"}
MEASURES = [
    # A measure, its columns of the first cohort by mode "on" and "on_or_after", and of the total by "on".
    ({"aggregate": "count"}, [1, 0, 1, 2], [4, 3, 3, 2], [1, 1, 1, 2]),
    ({"aggregate": "users"}, [1, 0, 1, 1], [2, 2, 2, 1], [1, 1, 1, 1]),
    (
        {"aggregate": "avg", **PRICE},
        [10, None, 2.5, 100],
        [37.5, 51.25, 51.25, 100],
        [10, 2.5, 2.5, 100],
    ),
    (
        {"aggregate": "min", **PRICE},
        [10, None, 2.5, 100],
        [2.5, 2.5, 2.5, 100],
        [10, 2.5, 2.5, 100],
    ),
    ({"aggregate": "max", **PRICE}, [10, None, 2.5, 100], [100] * 4, [10, 2.5, 2.5, 100]),
    ({"aggregate": "per_user"}, [1, None, 1, 2], [2, 1.5, 1.5, 2], [1, 1, 1, 2]),
    (
        {"aggregate": "per_user", **PRICE},
        [10, None, 2.5, 100],
        [56.25, 51.25, 51.25, 100],
        [10, 2.5, 2.5, 100],
    ),
]


@pytest.mark.parametrize(("measure", "on", "on_or_after", "total"), MEASURES)
async def test_measures_mean_what_they_mean_in_the_events_report(
    logged, measure, on, on_or_after, total
):
    result = await result_of(logged, measure={**PAY, **measure})
    later = await result_of(logged, measure={**PAY, **measure}, mode="on_or_after")

    assert result["cohorts"][0]["measured"] == pytest.approx(on)
    assert later["cohorts"][0]["measured"] == pytest.approx(on_or_after)
    assert result["total"]["measured"] == pytest.approx(total)
    for line in (result["cohorts"][0], result["total"]):
        if measure["aggregate"] in ("avg", "per_user"):
            parts = zip(line["measured_numerator"], line["measured_denominator"], strict=True)
            assert line["measured"] == [a / b if b else None for a, b in parts]
        else:
            assert "measured_numerator" not in line
        assert ("measured_per_user" in line) == (measure["aggregate"] in ("count", "users"))


async def test_measure_only_over_mature_cells_in_the_total(logged):
    result = await result_of(
        logged, now="2026-10-04T00:00:00+08:00", measure={**PAY, "aggregate": "count"}
    )

    assert result["total"]["measured"] == [1, 1, 1, 0]
    assert result["total"]["measured_per_user"] == [1 / 5, 1 / 5, 1 / 3, None]


async def test_curve_of_first_return_and_lost_users(logged):
    result = await result_of(logged)

    first, second = result["cohorts"]
    assert (first["first_returned"], first["lost"], first["lost_periods"]) == ([0, 1, 0, 1], 1, 3)
    assert (second["first_returned"], second["lost"]) == ([0, 1, 0, 0], 1)
    total = result["total"]
    assert total["first_returned"] == [0, 2, 0, 1]
    assert (total["returned_by"], total["first_return_sizes"]) == ([0, 2, 2, 3], [5, 5, 5, 5])
    assert (total["lost"], total["lost_size"], total["lost_rate"]) == (2, 5, 0.4)
    cohort = {"cohort": "2026-10-01"}
    assert await users_of(logged, {**cohort, "lost": True}) == keys("u2")
    assert await users_of(logged, {**cohort, "first_return": 1}) == keys("u1")
    assert await users_of(logged, {**cohort, "first_return": 2}) == set()
    assert await users_of(logged, {**cohort, "first_return": 3}) == keys("u3")


async def test_lost_looks_only_at_periods_that_have_ended(logged):
    now = "2026-10-04T00:00:00+08:00"
    result = await result_of(logged, now=now)

    assert [(line["lost"], line["lost_periods"]) for line in result["cohorts"]] == [(2, 2), (1, 1)]
    assert (result["total"]["returned_by"], result["total"]["first_return_sizes"]) == (
        [0, 2, 1, 0],
        [5, 5, 3, 0],
    )
    lost = {"cohort": "2026-10-01", "lost": True}
    assert await users_of(logged, lost, now=now) == keys("u2", "u3")

    early = "2026-10-02T00:00:00+08:00"
    result = await result_of(logged, now=early)
    assert [line["lost"] for line in result["cohorts"]] == [None, None]
    assert result["total"]["lost_rate"] is None
    with pytest.raises(InvalidRequest) as refused:
        await users_of(logged, lost, now=early)
    assert refused.value.path == "$.cell.lost"


async def test_compare_gives_the_retention_of_the_range_before(database, database_url):
    insert(database, LOG)
    insert(database, [event("u1", "open", f"2026-09-{day}T12:00:00+08:00") for day in (29, 30)])

    result = await result_of(database_url, compare="previous_period")

    assert result["cohorts"][0]["size"] == 3
    compared = result["compare"]
    assert compared["time_range"]["from"] == "2026-09-29T00:00:00.000+08:00"
    assert [(line["cohort"], line["returned"]) for line in compared["cohorts"]] == [
        ("2026-09-29", [1, 1, 1, 1]),
        ("2026-09-30", [1, 1, 1, 1]),
    ]


async def test_elapsed_periods_are_24_hours_of_each_user(database, database_url):
    """24-hour windows with a breakdown (PostHog 42271): each user by the own start, whatever the row."""
    insert(
        database,
        [
            event("u1", "open", at("01", "20:30:00"), platform="wechat"),
            event(
                "u1", "open", at("02", "20:29:59.999")
            ),  # calendar: the next day; elapsed: still period 0
            event("u2", "open", at("01", "20:30:00"), platform="alipay"),
            event("u2", "open", at("02", "20:00:00")),  # from the hour on: a day later
            event("u3", "open", at("01", "00:00:00"), platform="alipay"),
            event("u3", "open", at("02", "00:00:00")),
        ],
    )
    body = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}, "periods": 1}

    for counts, returned in (("calendar", 3), ("elapsed", 1), ("elapsed_from_hour", 3)):
        for breakdown in ([], ["platform"]):
            result = await result_of(
                database_url, **body, period_counts=counts, breakdown=breakdown
            )
            assert sum(line["returned"][1] for line in result["cohorts"]) == returned
    # In India 20:30 in China is a full hour: it begins half an hour after that of UTC.
    india = {"period_counts": "elapsed_from_hour", "timezone": "Asia/Kolkata"}
    result = await result_of(database_url, **body, **india)
    assert [(line["size"], line["returned"][1]) for line in result["cohorts"]] == [(3, 0)]
    cell = {"cohort": "2026-10-01", "period": 1}
    assert await users_of(database_url, cell, **body, period_counts="elapsed") == keys("u3")
    # The last of the cohort begins just before midnight: its period 1 ends two days later.
    for now, mature in (("2026-10-03T23:59:59+08:00", False), ("2026-10-04T00:00:00+08:00", True)):
        result = await result_of(database_url, now, **body, period_counts="elapsed")
        assert result["cohorts"][0]["mature"] == [True, mature]


async def test_periods_may_be_days_counted_from_that_of_each_user(database, database_url):
    """Amplitude's weeks: of a start on the 1st, week 1 is the 8th to the 14th, whatever the hour and the clocks."""
    insert(
        database,
        [
            event("u1", "open", at("01", "20:30:00")),
            event("u1", "open", at("08", "00:10:00")),
            event("u2", "open", at("01", "20:30:00")),
            event("u2", "open", at("14", "23:59:59")),
            event("u3", "open", at("01", "20:30:00")),
            event("u3", "open", at("07", "23:59:59")),
            event("u4", "open", at("01", "20:30:00")),
            event("u4", "open", at("15", "00:00:00")),
            # In New York 1 November has 25 hours.
            event("v1", "open", "2026-10-30T12:00:00-04:00"),
            event("v1", "open", "2026-11-06T00:10:00-05:00"),
            event("v2", "open", "2026-10-30T12:00:00-04:00"),
            event("v2", "open", "2026-11-05T23:30:00-05:00"),
        ],
    )
    china = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}}
    york = {
        "time_range": {"from": "2026-10-30", "to": "2026-10-30"},
        "timezone": "America/New_York",
    }
    asked = {"unit": "week", "periods": 2, "period_counts": "elapsed_from_day"}

    for place, returned in ((china, [4, 2, 1]), (york, [2, 1, 0])):
        result = await result_of(database_url, **place, **asked)
        assert [line["returned"] for line in result["cohorts"]] == [returned]
        assert result == await result_of(
            database_url, **place, **{**asked, "period_counts": None}, preset="amplitude"
        )
    cell = {"cohort": "2026-09-28", "period": 1}
    assert await users_of(database_url, cell, **china, **asked) == keys("u1", "u2")
    # Who starts on the last day of the cohort's week, Sunday the 4th, has week 0 until the 10th.
    for now, mature in (("2026-10-10T23:59:59+08:00", False), ("2026-10-11T00:00:00+08:00", True)):
        result = await result_of(database_url, now, **china, **asked)
        assert result["cohorts"][0]["mature"] == [mature, False, False]
    days = {**asked, "unit": "day", "periods": 9}
    by_day = await result_of(database_url, **china, **days)
    assert by_day == await result_of(database_url, **china, **{**days, "period_counts": "calendar"})


async def test_period_zero_may_need_a_second_event(database, database_url):
    insert(
        database,
        [
            event("u1", "open", at("01")),
            event("u2", "open", at("01")),
            event("u2", "open", at("01", "13:00:00")),
        ],
    )

    result = await result_of(database_url)
    repeated = await result_of(database_url, period_zero="repeated")

    assert result["cohorts"][0]["returned"][0] == 2
    assert repeated["cohorts"][0]["returned"][0] == 1
    cell = {"cohort": "2026-10-01", "period": 0}
    assert await users_of(database_url, cell, period_zero="repeated") == keys("u2")


async def test_more_than_64_periods_are_counted_as_fewer_are(logged):
    body = {"time_range": {"from": "2026-09-20", "to": "2026-10-02"}}
    short = await result_of(logged, **body, periods=3)
    long = await result_of(logged, **body, periods=100)

    assert [line["returned"] for line in short["cohorts"]] == [
        line["returned"][:4] for line in long["cohorts"]
    ]
    assert sum(sum(line["returned"][4:]) for line in long["cohorts"]) == 0


async def test_presets_beside_one_another_show_why_a_number_differs(logged):
    answer = await ask(logged, "retention", {**BODY, "compare_semantics": PRESETS})

    assert answer["result"]["total"]["returned"] == [5, 2, 1, 1]
    compared = {part["preset"]: part for part in answer["result"]["compare_semantics"]}
    assert {name: part["total"]["returned"] for name, part in compared.items()} == {
        "sensors": [5, 2, 1, 1],
        "ark": [0, 2, 1, 1],  # nobody opens twice on one day
        "growingio": [5, 2, 1, 1],
        "mixpanel": [5, 3, 2, 1],
        "amplitude": [5, 2, 1, 1],
        "posthog": [5, 2, 1, 1],
    }
    assert compared["mixpanel"]["differs"] == [
        {"axis": "mode", "here": "on", "there": "on_or_after"},
        {"axis": "period_counts", "here": "calendar", "there": "elapsed"},
    ]
    assert compared["posthog"]["differs"] == []
    assert all(part["not_expressed"] and part["source"] for part in compared.values())
    for name in ("ark", "mixpanel"):
        line = compared[name]["cohorts"][0]
        cell = {"cohort": line["cohort"], "period": 1, "preset": name}
        users = await users_of(logged, cell, compare_semantics=PRESETS)
        assert users == keys(*{"ark": ["u1"], "mixpanel": ["u1", "u3"]}[name])
        assert len(users) == line["returned"][1]
    with pytest.raises(InvalidRequest) as refused:
        await users_of(logged, {"cohort": "2026-10-01", "preset": "ark"})
    assert refused.value.path == "$.cell.preset"


async def test_a_preset_sets_the_axes_and_explicit_fields_override(logged):
    answer = await ask(logged, "retention", {**BODY, "preset": "mixpanel", "mode": "on"})
    assert (answer["semantics"]["mode"], answer["semantics"]["period_counts"]) == ("on", "elapsed")
    assert answer["semantics"]["preset"]["source"] == "docs.mixpanel.com"

    body = {**BODY, "preset": "ark", "period_counts": "elapsed"}
    answer = await ask(logged, "retention", body)
    assert [w["code"] for w in answer["meta"]["warnings"]] == ["preset_axes_left_out"]
    assert answer["semantics"]["period_zero"] == "any"
    assert answer["semantics"]["preset"]["left_out"] == ["period_zero"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"measure": {**PAY}}, "$.measure.field"),
        ({"measure": {**PAY, "aggregate": "count", "field": "page"}}, "$.measure.field"),
        ({"measure": {**PAY, "field": "page"}}, "$.measure.field"),
        ({"measure": {**PAY, "field": "colour"}}, "$.measure.field"),
        ({"measure": {**PAY, "aggregate": "p50", "field": "properties.a"}}, "$.measure.aggregate"),
        ({"measure": {**PAY, "aggregate": "max"}}, "$.measure.field"),
        ({"measure": {**PAY, "aggregate": "users", "field": "properties.a"}}, "$.measure.field"),
        ({"period_zero": "repeated", "period_counts": "elapsed"}, "$.period_zero"),
        ({"period_counts": "utc"}, "$.period_counts"),
        ({"preset": "umami"}, "$.preset"),
        ({"compare": "yesterday"}, "$.compare"),
        ({"compare_semantics": ["umami"]}, "$.compare_semantics[0]"),
    ],
)
async def test_wrong_requests_name_the_field(database_url, body, path):
    with pytest.raises(InvalidRequest) as refused:
        await result_of(database_url, **body)

    assert refused.value.path == path
