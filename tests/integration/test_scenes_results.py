"""The scenes report against a log worked out by hand."""

import pytest
from query_support import ask, bind, event, id_key, insert

from query_api.errors import QueryError


def at(day: str, time: str) -> str:
    return f"2026-10-{day}T{time}+08:00"


def visit(
    user: str,
    day: str,
    time: str,
    scene: str,
    *,
    pages: int,
    seconds: int,
    session: str = "",
    **columns,
):
    """A cold start: app_launch and app_show in one millisecond, page views, a last event."""
    columns |= {"session_id": session, "scene": scene}
    rows = [event(user, "app_launch", at(day, time), seq=1, **columns)]
    rows.append(event(user, "app_show", at(day, time), seq=2, **columns))
    start = rows[0]["occurred_at"]
    rows += [
        event(user, "page_view", start + 1 + n, seq=3 + n, session_id=session) for n in range(pages)
    ]
    rows.append(event(user, "app_hide", start + seconds * 1000, session_id=session))
    return rows


LOG = [
    # u1 came first in September: not new. Two visits on the 1st through 1011 (scan), back on the 2nd through 1001.
    *visit("u1", "01", "09:00:00", "1011", pages=1, seconds=10, session="s1"),
    *visit("u1", "01", "20:00:00", "1011", pages=3, seconds=100, session="s2"),
    *visit("u1", "02", "08:00:00", "1001", pages=2, seconds=60, session="s3"),
    event("u1", "app_launch", "2026-09-01T00:00:00+08:00", scene="1001", session_id="s0"),
    # u2 is new on the 1st through 1011, without session ids: one silent session each time; does not come back.
    *visit("u2", "01", "23:59:00", "1011", pages=0, seconds=40),
    # u3 is new on the 2nd through a code nobody knows; warm start only (no launch); comes back on the 3rd.
    event("u3", "app_show", at("02", "10:00:00"), scene="77777", session_id="s5"),
    event("u3", "app_show", at("03", "10:00:00"), session_id="s6"),
    # The same code on another platform is another scene.
    *visit("u4", "02", "11:00:00", "1011", pages=2, seconds=20, session="s7", platform="alipay"),
    # Not an entry: a session without one is nowhere.
    event("u5", "order_paid", at("02", "11:00:00"), session_id="s8"),
]
RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
NAMES = (
    "launches",
    "entries",
    "users",
    "new_users",
    "sessions",
    "bounces",
    "median_stay_ms",
    "next_day_eligible",
    "next_day_returned",
)


@pytest.fixture
def logged(database, database_url):
    insert(database, LOG)
    insert(database, LOG[:6])  # sent twice
    return database_url


def numbers(row):
    return tuple(row[name] for name in NAMES)


async def test_every_metric_of_every_scene(logged):
    answer = await ask(logged, "scenes", RANGE)
    rows = {(row["platform"], row["scene"]): numbers(row) for row in answer["result"]["rows"]}
    assert rows == {
        ("wechat", "1011"): (3, 3, 2, 1, 3, 2, 40_000, 2, 1),
        ("wechat", "1001"): (1, 1, 1, 0, 1, 0, 60_000, 1, 0),
        ("wechat", "77777"): (0, 1, 1, 1, 1, 1, 0, 1, 1),
        ("alipay", "1011"): (1, 1, 1, 1, 1, 0, 20_000, 1, 0),
    }
    assert numbers(answer["result"]["total"]) == (5, 6, 4, 3, 6, 3, 30_000, 4, 2)
    first = answer["result"]["rows"][0]
    assert first["bounce_rate"] == 2 / 3
    assert first["next_day_retention"] == 1 / 2
    assert first["scene_name"] == "扫描二维码"
    unknown = next(row for row in answer["result"]["rows"] if row["scene"] == "77777")
    assert (unknown["scene_name"], unknown["scene_group"]) == ("77777", "unknown")
    assert (answer["semantics"]["scheme"], answer["semantics"]["scheme_version"]) == (
        "standard",
        "2026-11",
    )


async def test_sum_of_launches_over_scenes_is_all_launches(logged):
    answer = await ask(logged, "scenes", RANGE)
    counted = await ask(
        logged, "events", {**RANGE, "measures": [{"event": "app_launch"}], "interval": None}
    )
    assert (
        sum(row["launches"] for row in answer["result"]["rows"])
        == counted["result"]["series"][0]["total"]["A"]
    )


async def test_next_day_counts_only_where_that_day_has_ended(logged):
    answer = await ask(logged, "scenes", RANGE, now="2026-10-03T23:59:59+08:00")
    rows = {(row["platform"], row["scene"]): row for row in answer["result"]["rows"]}
    assert rows["wechat", "1011"]["next_day_eligible"] == 2
    assert rows["wechat", "1001"]["next_day_eligible"] == 0
    assert rows["wechat", "1001"]["next_day_retention"] is None


async def test_by_group_of_a_scheme(logged):
    answer = await ask(logged, "scenes", {**RANGE, "by": "group", "scheme": "five"})
    rows = {row["scene_group"]: numbers(row)[:5] for row in answer["result"]["rows"]}
    assert rows["现场扫码"] == (4, 4, 3, 2, 4)
    assert rows["unknown"] == (0, 1, 1, 1, 1)
    assert sum(row[0] for row in rows.values()) == 5
    assert answer["semantics"]["scheme"] == "five"


async def test_filter_and_breakdown_look_at_entries(logged):
    scan = {"field": "scene", "op": "eq", "values": ["1011"]}
    answer = await ask(logged, "scenes", {**RANGE, "filter": scan, "breakdown": ["user_id"]})
    rows = {
        (row["platform"], row["breakdown"]["user_id"]): numbers(row)
        for row in answer["result"]["rows"]
    }
    assert rows == {
        ("wechat", "u1"): (2, 2, 1, 0, 2, 1, 55_000, 1, 1),
        ("wechat", "u2"): (1, 1, 1, 1, 1, 1, 40_000, 1, 0),
        ("alipay", "u4"): (1, 1, 1, 1, 1, 0, 20_000, 1, 0),
    }


async def test_users_of_every_cell_are_as_many_as_it_says(logged):
    for by in ("scene", "group"):
        body = {**RANGE, "by": by}
        answer = await ask(logged, "scenes", body)
        for row in [*answer["result"]["rows"], answer["result"]["total"]]:
            for metric in ("users", "new_users", "next_day_eligible", "next_day_returned"):
                names = ("platform", "scene") if by == "scene" else ("scene_group",)
                cell = {"metric": metric, **{name: row[name] for name in names if name in row}}
                page = await ask(logged, "scenes/users", body | {"cell": cell})
                assert page["result"]["total"] == len(page["result"]["users"]) == row[metric]


async def test_a_user_bound_later_is_not_new_again(logged, database):
    insert(
        database,
        [
            event(
                "anonymous_id:d9",
                "app_launch",
                "2026-08-01T00:00:00Z",
                scene="1001",
                session_id="old",
            )
        ],
    )
    bind(database, id_key("anonymous_id", "d9"), id_key("user_id", "u2"))
    answer = await ask(logged, "scenes", RANGE)
    assert answer["result"]["total"]["new_users"] == 2


async def test_rows_beyond_the_limit_are_one_row(logged):
    answer = await ask(logged, "scenes", {**RANGE, "limit": 1})
    rows = answer["result"]["rows"]
    assert [(row["scene"], row["other"]) for row in rows] == [("1011", False), (None, True)]
    assert answer["meta"]["truncated"] is True
    assert answer["result"]["total"]["users"] == 4
    page = await ask(logged, "scenes/users", {**RANGE, "cell": {"other": True, "limit": 1}})
    assert page["result"]["total"] == rows[1]["users"]
    with pytest.raises(QueryError) as caught:
        await ask(logged, "scenes/users", {**RANGE, "cell": {"other": True}})
    assert caught.value.path == "$.cell.other"
