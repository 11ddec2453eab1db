"""Retention against tables worked out by hand."""

import pytest
from query_support import ask, bind, event, id_key, insert


def at(day: str, time: str = "12:00:00", offset: str = "+08:00") -> str:
    return f"2026-10-{day}T{time}{offset}"


LOG = [
    event("u1", "open", at("01")),
    event("u1", "open", at("02")),
    event("u1", "open", at("04")),
    event("u2", "open", at("01", "23:59:59.999")),
    event("u2", "buy", at("02", "00:00:00")),
    event("u3", "open", at("02")),
    event("u3", "buy", at("02", "08:00:00")),  # before the initial event of the day
    event("u3", "buy", at("05")),
    event("u4", "open", at("03"), platform="alipay"),
    event("u5", "buy", at("03")),
    # u6 opened before the range: in no cohort of "first".
    event("u6", "open", at("01", "12:00:00").replace("2026-10-01", "2026-09-20")),
    event("u6", "open", at("02")),
    event("u6", "buy", at("03")),
]
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-03"}, "periods": 3}
OPEN, BUY = {"event": "open"}, {"event": "buy"}


@pytest.fixture
def logged(database, database_url):
    insert(database, LOG)
    insert(database, LOG[:5])  # sent twice
    return database_url


async def table(url, **body):
    answer = await ask(url, "retention", {**RANGE, "initial": OPEN, "returning": BUY, **body})
    return {row["cohort"]: (row["size"], row["returned"]) for row in answer["result"]["cohorts"]}


async def test_on(logged):
    assert await table(logged) == {
        "2026-10-01": (2, [0, 1, 0, 0]),
        "2026-10-02": (3, [1, 1, 0, 1]),
        "2026-10-03": (1, [0, 0, 0, 0]),
    }


async def test_on_or_after(logged):
    assert await table(logged, mode="on_or_after") == {
        "2026-10-01": (2, [1, 1, 0, 0]),
        "2026-10-02": (3, [2, 2, 1, 1]),
        "2026-10-03": (1, [0, 0, 0, 0]),
    }


async def test_brackets(logged):
    assert await table(logged, mode="bracket", brackets=[[0, 0], [1, 2], [1, 3]]) == {
        "2026-10-01": (2, [0, 1, 1]),
        "2026-10-02": (3, [1, 1, 2]),
        "2026-10-03": (1, [0, 0, 0]),
    }


async def test_first_means_first_ever_not_first_in_range(logged):
    assert await table(logged, cohort="first") == {
        "2026-10-01": (2, [0, 1, 0, 0]),
        "2026-10-02": (1, [1, 0, 0, 1]),
        "2026-10-03": (1, [0, 0, 0, 0]),
    }


async def test_same_event_counts_in_period_0(logged):
    assert await table(logged, returning=OPEN) == {
        "2026-10-01": (2, [2, 1, 0, 1]),
        "2026-10-02": (3, [3, 0, 1, 0]),
        "2026-10-03": (1, [1, 0, 0, 0]),
    }


async def test_weeks_start_on_monday_and_count_only_initial_events_in_the_range(logged):
    # 2026-10-01 is a Thursday, u3 returns on the Monday after.
    assert await table(logged, unit="week", periods=1) == {"2026-09-28": (5, [3, 1])}


async def test_months(logged):
    body = {"time_range": {"from": "2026-09-01", "to": "2026-10-31"}, "unit": "month", "periods": 1}
    assert await table(logged, **body) == {"2026-09-01": (1, [0, 1]), "2026-10-01": (5, [3, 0])}


async def test_mature_cells_and_the_total_over_them(logged):
    body = {**RANGE, "initial": OPEN, "returning": BUY}
    answer = await ask(logged, "retention", body, now="2026-10-04T00:00:00+08:00")
    result = answer["result"]
    assert [row["mature"] for row in result["cohorts"]] == [
        [True, True, True, False],
        [True, True, False, False],
        [True, False, False, False],
    ]
    assert {name: result["total"][name] for name in ("size", "returned", "sizes", "rates")} == {
        "size": 6,
        "returned": [1, 2, 0, 0],
        "sizes": [6, 5, 2, 0],
        "rates": [1 / 6, 2 / 5, 0.0, None],
    }
    assert result["cohorts"][1]["rates"] == [1 / 3, 1 / 3, 0.0, 1 / 3]

    answer = await ask(
        logged, "retention", {**body, "mode": "on_or_after"}, now="2026-10-04T00:00:00+08:00"
    )
    assert not any(cell for row in answer["result"]["cohorts"] for cell in row["mature"])


async def test_breakdown_takes_the_value_of_the_first_initial_event(database, database_url):
    insert(
        database,
        [
            event("u1", "open", at("01", "10:00:00"), seq=2, scene="late"),
            event("u1", "open", at("01", "10:00:00"), seq=1, scene="early"),
            event("u1", "open", at("02", "10:00:00"), scene="late"),
            event("u2", "open", at("01", "11:00:00"), scene="late"),
            event("u3", "open", at("01", "11:00:00")),
        ],
    )
    body = {**RANGE, "initial": OPEN, "returning": OPEN, "periods": 1, "breakdown": ["scene"]}
    answer = await ask(database_url, "retention", body)
    rows = {
        (r["breakdown"]["scene"], r["cohort"][-2:]): (r["size"], r["returned"])
        for r in answer["result"]["cohorts"]
    }
    assert {key: row for key, row in rows.items() if row[0]} == {
        ("early", "01"): (1, [1, 1]),
        ("late", "01"): (1, [1, 0]),
        ("late", "02"): (1, [1, 0]),
        (None, "01"): (1, [1, 0]),
    }
    assert answer["result"]["total"]["size"] == 4
    assert sum(total["size"] for total in answer["result"]["totals"]) == 4

    answer = await ask(database_url, "retention", body | {"breakdown_limit": 1})
    rows = [(r["breakdown"]["scene"], r["other"], r["size"]) for r in answer["result"]["cohorts"]]
    assert rows == [
        ("late", False, 1),
        ("late", False, 1),
        ("late", False, 0),
        (None, True, 2),
        (None, True, 0),
        (None, True, 0),
    ]
    cell = {"cohort": "2026-10-01", "other": True}
    page = await ask(database_url, "retention/users", body | {"breakdown_limit": 1, "cell": cell})
    assert page["result"]["total"] == 2


@pytest.mark.parametrize("mode", ["on", "on_or_after", "bracket"])
@pytest.mark.parametrize("cohort", ["every", "first"])
async def test_users_of_every_cell_are_as_many_as_it_says(logged, mode, cohort):
    body = {**RANGE, "initial": OPEN, "returning": BUY, "mode": mode, "cohort": cohort}
    body |= {"periods": 1} if mode != "bracket" else {"brackets": [[0, 0], [1, 3]]}
    answer = await ask(logged, "retention", body)
    for row in answer["result"]["cohorts"]:
        for period, returned in [(None, row["size"]), *enumerate(row["returned"])]:
            cell = {"cohort": row["cohort"], "period": period}
            page = await ask(logged, "retention/users", body | {"cell": cell})
            assert page["result"]["total"] == len(page["result"]["users"]) == returned
            if period is not None:
                page = await ask(logged, "retention/users", body | {"cell": {**cell, "lost": True}})
                assert page["result"]["total"] == row["size"] - returned


@pytest.mark.parametrize("mode", ["on", "on_or_after", "bracket"])
@pytest.mark.parametrize("cohort", ["every", "first"])
async def test_users_of_the_total_are_those_of_the_mature_cohorts(logged, mode, cohort):
    body = {**RANGE, "initial": OPEN, "returning": BUY, "mode": mode, "cohort": cohort}
    body |= {"periods": 1} if mode != "bracket" else {"brackets": [[0, 0], [0, 1]]}
    now = "2026-10-04T00:00:00+08:00"  # the last cohort's second column has not ended
    result = (await ask(logged, "retention", body, now=now))["result"]
    total = result["total"]

    async def users(**cell):
        page = await ask(logged, "retention/users", body | {"cell": cell}, now=now)
        assert page["result"]["total"] == len(page["result"]["users"])
        return [row["user"] for row in page["result"]["users"]]

    expected = [({}, total["size"])]
    for n, (returned, size) in enumerate(zip(total["returned"], total["sizes"], strict=True)):
        expected += [({"period": n}, returned), ({"period": n, "lost": True}, size - returned)]
    expected += [({"lost": True}, total["lost"]), ({"first_return": 1}, total["first_returned"][1])]
    for cell, number in expected:
        listed = await users(**cell)
        if cohort == "first":
            assert len(listed) == number, cell
        parts = [
            await users(**cell, cohort=row["cohort"])
            for row in result["cohorts"]
            if (not cell or row["mature"][cell.get("period", 1)])
        ]
        assert sum(map(len, parts)) == number, cell
        assert listed == sorted({user for part in parts for user in part}, key=int), cell


async def test_users_of_the_total_of_a_breakdown(logged):
    body = {**RANGE, "initial": OPEN, "returning": OPEN, "cohort": "first", "periods": 1}
    body["breakdown"] = ["platform"]
    result = (await ask(logged, "retention", body))["result"]
    for line in result["totals"]:
        for n, returned in enumerate(line["returned"]):
            cell = {"period": n, "breakdown": line["breakdown"]}
            page = await ask(logged, "retention/users", body | {"cell": cell})
            assert page["result"]["total"] == returned


async def test_late_binding_joins_history(database, database_url):
    insert(database, [event("anonymous_id:d1", "open", at("01")), event("u1", "buy", at("02"))])
    assert (await table(database_url))["2026-10-01"] == (1, [0, 0, 0, 0])

    bind(database, id_key("anonymous_id", "d1"), id_key("user_id", "u1"))
    assert (await table(database_url))["2026-10-01"] == (1, [0, 1, 0, 0])


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Shanghai", {"2026-10-01": (0, [0, 0]), "2026-10-02": (1, [1, 1])}),
        ("UTC", {"2026-10-01": (1, [0, 1]), "2026-10-02": (0, [0, 0])}),
        ("America/Los_Angeles", {"2026-10-01": (1, [1, 1]), "2026-10-02": (0, [0, 0])}),
    ],
)
async def test_days_are_those_of_the_zone(database, database_url, zone, expected):
    insert(
        database,
        [event("u1", "open", "2026-10-01T20:00:00Z"), event("u1", "buy", "2026-10-02T03:00:00Z")],
    )
    insert(database, [event("u1", "buy", "2026-10-02T17:00:00Z")])
    body = {
        "time_range": {"from": "2026-10-01", "to": "2026-10-02"},
        "timezone": zone,
        "periods": 1,
    }
    assert await table(database_url, **body) == expected
