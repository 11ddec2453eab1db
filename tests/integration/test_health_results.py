"""Health: every indicator is the number of its report, weeks can be computed again, what a wrong question gets."""

import pytest
from query_support import APP, event, insert
from test_scenes_random import ProjectAsker

from query_api.health.model import leaves_of, shipped
from query_api.reports import table_of

WEEKS = {"app_ids": [APP], "time_range": {"from": "2026-10-05", "to": "2026-10-18"}}
FIRST = {"app_ids": [APP], "time_range": {"from": "2026-10-05", "to": "2026-10-11"}}
LOG = []
for day in range(5, 19):
    for user in range(1, 6):
        # u1 comes daily, u5 every fifth day.
        if day % user == 0:
            at = f"2026-10-{day:02}T1{user}:00:"
            about = {"session_id": f"s{day}", "scene": "1011"}
            LOG += [event(f"u{user}", "app_launch", f"{at}00+08:00", **about)]
            LOG += [event(f"u{user}", "page_view", f"{at}0{n}+08:00", **about) for n in (1, 9)]
            if user < 3:
                LOG += [event(f"u{user}", "order_pay", f"{at}30+08:00", **about)]
LOG += [event("u3", "app_error", "2026-10-06T13:00:00+08:00", session_id="s6")]
OWN = {
    "name": "own",
    "version": 3,
    "scale": 100,
    "grades": [{"grade": "差", "at_least": 0}, {"grade": "好", "at_least": 60}],
    "indicators": [
        {
            "key": "paid",
            "weight": 3,
            "points": [[0, 0], [10, 1]],
            "step": 1,
            "measure": {
                "report": "events",
                "ask": {
                    "interval": None,
                    "measures": [{"event": "order_pay", "aggregate": "users"}],
                    "filter": {"field": "user_id", "op": "ne", "values": ["u2"]},
                },
                "value": "series[0].total.A",
            },
        },
        {"key": "info", "points": [[0, 0], [1, 1]]},
    ],
}


@pytest.fixture
def asker(database, database_url):
    insert(database, LOG)
    asking = ProjectAsker(database_url)
    yield asking
    asking.close()


def test_the_shipped_model_takes_the_numbers_of_the_reports(asker):
    whole = asker.whole("health", {**FIRST, "values": {"service/info": 0.9}})
    [point] = whole["result"]["points"]
    [model] = shipped().values()
    values = {one["path"]: one["value"] for one in point["indicators"]}
    assert list(values) == [leaf.path for leaf in leaves_of(model)]
    sessions = asker("sessions", {**FIRST, "interval": None})["series"][0]["total"]
    scenes = asker("scenes", FIRST)["total"]
    assert values["users/visits"] == sessions["sessions_per_user"]
    assert values["users/bounces"] == sessions["bounce_rate"] == scenes["bounce_rate"]
    assert values["users/stay"] == sessions["mean_duration_ms"]
    assert values["users/next_day"] == scenes["next_day_retention"]
    assert (values["payment/payers"], values["service/stability"]) == (2 / 5, 1 / 5)
    assert (values["service/info"], values["merchant/updates"]) == (0.9, None)
    assert sum(one["points"] for one in point["indicators"]) == pytest.approx(point["score"])
    assert [warning["code"] for warning in whole["meta"]["warnings"]] == ["missing_values"]
    assert whole["semantics"]["model"]["version"] == 1
    assert whole["meta"]["rows_read"] > 0
    rows = table_of("health", whole["result"])
    assert {row["path"] for row in rows} == set(values)
    assert sorted(row["rank"] for row in rows if row["rank"]) == list(
        range(1, len(point["raise_first"]) + 1)
    )


def test_weeks_are_computed_again_and_a_model_may_be_brought(asker):
    body = {**WEEKS, "model": OWN, "interval": "week"}
    body["values"] = {"info": {"2026-10-05": 0.5, "2026-10-12": 1}}
    weeks = asker("health", body)["points"]
    assert [point["time"] for point in weeks] == ["2026-10-05", "2026-10-12"]
    # Of the payers u1 and u2 the measure's own filter leaves u1: 75 of 100 points at ten payers.
    assert [point["score"] for point in weeks] == [7.5 + 12.5, 7.5 + 25]
    assert [point["grade"] for point in weeks] == ["差", "差"]
    assert weeks[0]["raise_first"] == ["paid", "info"]
    paid, info = weeks[0]["indicators"]
    assert (paid["marginal_gain"], paid["possible_gain"]) == (7.5, 67.5)
    assert paid["value_for_next_grade"] == pytest.approx(1 + 40 / 7.5)
    assert info["value_for_next_grade"] is None
    outside = {**body["values"]["info"], "2026-11-02": 1}
    assert asker("health", {**body, "values": {"info": outside}})["points"] == weeks
    [alone] = asker("health", {**FIRST, "model": OWN, "values": {"info": 0.5}})["points"]
    assert alone["score"] == weeks[0]["score"]
    nobody = {"field": "user_id", "op": "eq", "values": ["nobody"]}
    [empty] = asker("health", {**FIRST, "model": OWN, "filter": nobody})["points"]
    assert (empty["score"], empty["grade"]) == (0, "差")
    early = asker("health", body, 1_791_800_000_000)["points"]
    assert [point["mature"] for point in early] == [True, False]


def measured(**change):
    [paid, info] = OWN["indicators"]
    measure = {**paid["measure"], **change}
    return {"model": {**OWN, "indicators": [{**paid, "measure": measure}, info]}}


def of_weeks(values):
    return {"values": {"service/info": 1, "merchant/updates": values}, "interval": "week"}


MEASURE = "$.model.indicators[0].measure"
WEEK_VALUES = '$.values["merchant/updates"]'


def test_wrong_questions(asker):
    users = {"measures": [{"aggregate": "users"}]}
    for change, path in (
        ({"model": "sci"}, "$.model"),
        ({"model": {**OWN, "grades": OWN["grades"][1:]}}, "$.model.grades[0].at_least"),
        ({"breakdown": ["page"]}, "$.breakdown"),
        ({"values": {"merchant": 1}}, '$.values["merchant"]'),
        ({"values": {"payment/payers": 1}}, '$.values["payment/payers"]'),
        ({"values": {"service/info": 1, "merchant/replies": "x"}}, '$.values["merchant/replies"]'),
        (of_weeks({"2026-10-05": 1, "2026-10-12": None}), f'{WEEK_VALUES}["2026-10-12"]'),
        (of_weeks({"2026-10-05": 1, "2026-10-13": 1}), f'{WEEK_VALUES}["2026-10-13"]'),
        (of_weeks({"W41": 1}), f'{WEEK_VALUES}["W41"]'),
        (of_weeks({"2026-10-05T00:00:00+08:00": 1}), f'{WEEK_VALUES}["2026-10-05T00:00:00+08:00"]'),
        (of_weeks({"2026-10-05": 1}) | {"interval": None}, WEEK_VALUES),
        ({"values": {"k" * 401: 1}}, "$.values"),
        ({"interval": "hour"}, "$.interval"),
        (measured(report="nothing"), f"{MEASURE}.report"),
        (measured(report="health", ask={}), f"{MEASURE}.report"),
        (measured(report="sql", ask={}), f"{MEASURE}.report"),
        (measured(ask={"app_ids": ["wx_other"]}), f"{MEASURE}.ask.app_ids"),
        (measured(ask={**users, "segment": "seg_1"}), f"{MEASURE}.ask.segment"),
        (measured(ask={"measures": [{"aggregate": "sum"}]}), f"{MEASURE}.ask.measures[0].field"),
        (measured(ask={**users, "colour": 1}), f"{MEASURE}.ask.colour"),
        (measured(value="series[0].total.Z"), f"{MEASURE}.value"),
        (measured(value="series.total"), f"{MEASURE}.value"),
        (measured(value="series[0]"), f"{MEASURE}.value"),
        (measured(value="series[0][0]"), f"{MEASURE}.value"),
    ):
        assert asker.refused("health", {**WEEKS, **change}) == ("invalid_request", path), change
    [point] = asker("health", {**FIRST, **measured(value="series[7].total.A")})["points"]
    assert point["indicators"][0]["value"] is None
