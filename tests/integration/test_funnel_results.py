"""The funnel against logs counted by hand: each test is a fact of the definition, or a known bug of another product."""

from typing import Any

import pytest
from query_support import APP, ask, bind, event, id_key, insert, ms

from sdk_spec import limits

DAY = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}}
AT = "2026-10-01T09:00:"  # Shanghai
A, B, C = {"event": "a"}, {"event": "b"}, {"event": "c"}


def at(second: float, user: str, name: str, **columns: Any) -> dict[str, Any]:
    """An event so many seconds after 09:00."""
    return event(user, name, ms(f"{AT}00+08:00") + round(second * 1000), **columns)


async def levels(database_url: str, **body: Any) -> list[int]:
    """Users of each step."""
    answer = await ask(database_url, "funnel", {**DAY, **body})
    return [step["users"] for step in answer["result"]["steps"]]


async def test_every_number_of_a_step(database, database_url):
    insert(
        database,
        [
            *(at(0, user, "a") for user in ("u1", "u2", "u3", "u4")),
            *(at(1.5, user, "b") for user in ("u1", "u2")),
            at(4, "u3", "b"),
            at(90, "u1", "c"),
            at(0, "u5", "b"),  # never began
        ],
    )

    answer = await ask(database_url, "funnel", {**DAY, "steps": [A, B, C]})

    first, second, third = answer["result"]["steps"]
    assert first == {
        "step": 1,
        "event": "a",
        "optional": False,
        "users": 4,
        "previous_users": 4,
        "first_users": 4,
        "rate_from_previous": 1,
        "rate_from_first": 1,
        "dropped": 0,
        "median_ms_from_previous": None,
        "average_ms_from_previous": None,
        "median_ms_from_first": None,
        "average_ms_from_first": None,
        "histogram": [],
    }
    assert (second["users"], second["dropped"], second["rate_from_previous"]) == (3, 1, 0.75)
    assert (second["median_ms_from_previous"], second["average_ms_from_previous"]) == (
        1500,
        7000 / 3,
    )
    assert second["histogram"] == [
        {"from_ms": 1000, "to_ms": 2000, "users": 2},
        {"from_ms": 2000, "to_ms": 5000, "users": 1},
    ]
    assert (third["users"], third["previous_users"], third["first_users"]) == (1, 3, 4)
    assert (third["rate_from_previous"], third["rate_from_first"]) == (1 / 3, 0.25)
    assert (third["median_ms_from_previous"], third["median_ms_from_first"]) == (88_500, 90_000)
    assert answer["semantics"]["window_ms"] == 86_400_000


async def test_nobody_gives_zeros_and_no_rates(database_url):
    answer = await ask(database_url, "funnel", {**DAY, "steps": [A, B], "interval": "day"})

    assert [s["users"] for s in answer["result"]["steps"]] == [0, 0]
    assert answer["result"]["steps"][1]["rate_from_previous"] is None
    assert answer["result"]["points"][0]["steps"][0]["users"] == 0


async def test_window_that_ends_exactly_on_an_event_holds_it(database, database_url):
    insert(database, [at(0, "u1", "a"), at(60, "u1", "b"), at(0, "u2", "a"), at(60.001, "u2", "b")])

    assert await levels(database_url, steps=[A, B], window={"value": 1, "unit": "minute"}) == [2, 1]


async def test_window_begins_with_the_first_step_not_the_one_before(database, database_url):
    insert(database, [at(0, "u1", "a"), at(40, "u1", "b"), at(80, "u1", "c")])

    assert await levels(database_url, steps=[A, B, C], window={"value": 60, "unit": "second"}) == [
        1,
        1,
        0,
    ]


async def test_a_window_of_a_year_finds_the_last_step(database, database_url):
    insert(
        database,
        [
            at(0, "u1", "a"),
            at(366 * 86_400, "u1", "b"),
            at(0, "u2", "a"),
            at(366 * 86_400 + 1, "u2", "b"),
        ],
    )

    assert await levels(database_url, steps=[A, B], window={"value": 366, "unit": "day"}) == [2, 1]


async def test_first_entry_that_leads_nowhere_does_not_hide_a_later_one(database, database_url):
    """Greedy earliest entry (Rybbit) or a window that never restarts would give level 2."""
    insert(
        database,
        [
            at(0, "u1", "a"),
            at(1, "u1", "b"),
            at(100, "u1", "a"),
            at(101, "u1", "b"),
            at(130, "u1", "c"),
        ],
    )

    assert await levels(database_url, steps=[A, B, C], window={"value": 40, "unit": "second"}) == [
        1,
        1,
        1,
    ]


async def test_times_are_of_the_earliest_of_the_deepest_chains(database, database_url):
    insert(
        database,
        [
            at(0, "u1", "a"),
            at(1, "u1", "a"),
            at(5, "u1", "b"),
            at(6, "u1", "b"),
            at(9, "u1", "c"),
            at(10, "u1", "c"),
        ],
    )

    answer = await ask(
        database_url,
        "funnel",
        {**DAY, "steps": [A, B, C], "window": {"value": 9, "unit": "second"}},
    )

    assert [s["median_ms_from_previous"] for s in answer["result"]["steps"]] == [None, 5000, 4000]


@pytest.mark.parametrize(("lower", "higher"), [(1, 2), (32_766, 32_767), (40_000, limits.MAX_SEQ)])
async def test_events_of_one_millisecond_are_ordered_by_seq(database, database_url, lower, higher):
    """Strict `>` on time gave funnels of 0 % (Rybbit 1133, 方舟 5.1); `>=` alone counts both directions."""
    insert(
        database,
        [
            at(0, "u1", "a", seq=lower),
            at(0, "u1", "b", seq=higher),
            at(0, "u2", "b", seq=lower),
            at(0, "u2", "a", seq=higher),
        ],
    )

    for order, expected in (("ordered", [2, 1]), ("strict", [2, 1]), ("any", [2, 2])):
        assert await levels(database_url, steps=[A, B], order=order) == expected


@pytest.mark.parametrize("prefix", ["", "the same sixteen bytes: ", "é" * 100])
async def test_events_of_one_millisecond_and_seq_are_ordered_by_event_id(
    database, database_url, prefix
):
    def pair(user: str, first: str, second: str) -> list[dict[str, Any]]:
        return [
            at(0, user, second, event_id=f"{prefix}{user}2"),
            at(0, user, first, event_id=f"{prefix}{user}10"),  # "10" is before "2"
        ]

    insert(database, [*pair("u1", "a", "b"), *pair("u2", "b", "a")])

    for order in ("ordered", "strict"):
        assert await levels(database_url, steps=[A, B], order=order) == [2, 1]
    listed = await ask(database_url, "funnel/users", {**DAY, "steps": [A, B], "cell": {"step": 2}})
    assert [user["user"] for user in listed["result"]["users"]] == [str(id_key("user_id", "u1"))]


async def test_short_ids_come_before_longer_ones_that_begin_with_them(database, database_url):
    insert(database, [at(0, "u1", "a", event_id="x"), at(0, "u1", "b", event_id="x0")])

    assert await levels(database_url, steps=[A, B]) == [1, 1]


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
async def test_repeated_steps_need_an_event_each(database, database_url, order):
    """One event that counts for two identical steps: ClickHouse 21835, PostHog 33480, Mixpanel forums."""
    insert(
        database,
        [
            at(0, "u1", "a"),
            *(at(s, "u2", "a") for s in (0, 1)),
            *(at(s, "u3", "a") for s in (0, 1, 2)),
        ],
    )

    assert await levels(database_url, steps=[A, A, A], order=order) == [3, 2, 1]


async def test_an_event_that_matches_several_steps_stands_for_one(database, database_url):
    wide, narrow = {"any_of": [A, B]}, A
    insert(
        database,
        [at(0, "u1", "a"), at(0, "u2", "a"), at(1, "u2", "b"), at(0, "u3", "b"), at(1, "u3", "a")],
    )

    assert await levels(database_url, steps=[wide, narrow]) == [3, 1]
    # In any order "a" must give way: it is the only one for the narrow step.
    assert await levels(database_url, steps=[wide, narrow], order="any") == [3, 2]


async def test_any_order_gives_way_along_several_steps(database, database_url):
    """The second a is of no use: b must take the third step, a the first, and only c can take the second."""
    steps = [{"any_of": [A, B]}, C, {"any_of": [B, C]}]
    insert(database, [at(n * n, "u1", name) for n, name in enumerate("abac")])

    answer = await ask(database_url, "funnel", {**DAY, "steps": steps, "order": "any"})

    assert [s["median_ms_from_first"] for s in answer["result"]["steps"]] == [None, 1000, 9000]


async def test_strict_is_broken_by_an_event_that_no_step_names(database, database_url):
    """Filters that drop foreign events before the strict check let this chain through (ClickHouse 40263)."""
    insert(
        database,
        [
            at(0, "u1", "a"),
            at(1, "u1", "foreign"),
            at(2, "u1", "b"),
            at(0, "u2", "a"),
            at(2, "u2", "b"),
        ],
    )

    assert await levels(database_url, steps=[A, B], order="strict") == [2, 1]
    assert await levels(database_url, steps=[A, B]) == [2, 2]


async def test_strict_begins_again_after_a_broken_attempt(database, database_url):
    """`a a b`: the second a begins the chain (ClickHouse 37177)."""
    insert(database, [at(0, "u1", "a"), at(1, "u1", "a"), at(2, "u1", "b")])

    assert await levels(database_url, steps=[A, B], order="strict") == [1, 1]


async def test_filter_of_the_request_restricts_the_log_also_for_strict(database, database_url):
    insert(
        database,
        [at(0, "u1", "a", page="p"), at(1, "u1", "foreign"), at(2, "u1", "b", page="p")],
    )
    on_page = {"field": "page", "op": "eq", "values": ["p"]}

    assert await levels(database_url, steps=[A, B], order="strict", filter=on_page) == [1, 1]


async def test_conversion_after_the_range_counts_entry_outside_does_not(database, database_url):
    """OpenPanel and others cut events at the end of the range."""
    end = ms("2026-10-02T00:00:00+08:00")
    start = ms("2026-10-01T00:00:00+08:00")
    insert(
        database,
        [
            event("u1", "a", end - 1),
            event("u1", "b", end - 1 + 86_400_000),
            event("u2", "a", end),
            event("u2", "b", end + 1),
            event("u3", "a", start - 1),
            event("u3", "b", start),
            event("u4", "a", start),
            event("u4", "b", start + 1),
        ],
    )

    for order in ("ordered", "strict"):
        assert await levels(database_url, steps=[A, B], order=order) == [2, 2]
    # Any order: u3 has b in the range, and so begins with it.
    assert await levels(database_url, steps=[A, B], order="any") == [3, 2]


async def test_exclusion_lowers_the_level_and_leaves_other_chains(database, database_url):
    insert(
        database,
        [
            *(at(0, "u1", "a"), at(1, "u1", "x"), at(2, "u1", "b")),
            *(at(0, "u2", "a"), at(1, "u2", "x"), at(2, "u2", "a"), at(3, "u2", "b")),
            *(
                at(0, "u3", "x"),
                at(1, "u3", "a"),
                at(2, "u3", "b"),
                at(3, "u3", "x"),
                at(4, "u3", "c"),
            ),
        ],
    )
    between = [{"event": "x", "from_step": 1, "to_step": 2}]

    answer = await ask(database_url, "funnel", {**DAY, "steps": [A, B, C], "exclusions": between})

    assert [s["users"] for s in answer["result"]["steps"]] == [3, 2, 1]
    assert answer["result"]["steps"][1]["median_ms_from_previous"] == 1000


async def test_exclusion_over_several_steps_bears_only_on_chains_that_hold_both(
    database, database_url
):
    insert(database, [at(0, "u1", "a"), at(1, "u1", "x"), at(2, "u1", "b"), at(3, "u1", "c")])

    wide = [{"event": "x", "from_step": 1, "to_step": 3}]

    assert await levels(database_url, steps=[A, B, C], exclusions=wide) == [1, 1, 0]


async def test_an_excluded_event_that_is_itself_a_step_breaks_the_chain(database, database_url):
    log = ["a", "b", "a", "d", "c"]
    insert(database, [at(n, "u1", name) for n, name in enumerate(log)])
    body = {"steps": [A, {"any_of": [B, {"event": "d"}]}, C]}
    wide = [{"event": "b", "from_step": 1, "to_step": 3}]

    free = await ask(database_url, "funnel", {**DAY, **body})
    excluded = await ask(database_url, "funnel", {**DAY, **body, "exclusions": wide})

    assert free["result"]["steps"][2]["median_ms_from_first"] == 4000
    assert excluded["result"]["steps"][2]["median_ms_from_first"] == 2000


async def test_times_of_a_held_chain_skip_what_another_value_broke(database, database_url):
    log = [("a", "1"), ("x", "2"), ("b", "1"), ("a", "1"), ("b", "1")]
    insert(
        database,
        [at(n * n, "u1", name, properties={"sku": sku}) for n, (name, sku) in enumerate(log)],
    )
    body = {
        "steps": [A, B],
        "hold_constant": ["properties.sku"],
        "exclusions": [{"event": "x", "from_step": 1, "to_step": 2}],
    }

    answer = await ask(database_url, "funnel", {**DAY, **body})

    assert answer["result"]["steps"][1]["median_ms_from_previous"] == 7000


async def test_events_of_a_chain_share_the_held_property(database, database_url):
    insert(
        database,
        [
            at(0, "u1", "a", properties={"sku": "1"}),
            at(1, "u1", "b", properties={"sku": "2"}),
            at(2, "u1", "b", properties={"sku": "1"}),
            at(0, "u2", "a", properties={"sku": "1"}),
            at(1, "u2", "b", properties={"sku": 1}),  # the number is another value
            at(0, "u3", "a"),  # absent equals nothing
            at(1, "u3", "b"),
        ],
    )
    body = {"steps": [A, B], "hold_constant": ["properties.sku"]}

    assert await levels(database_url, **body) == [2, 1]
    assert await levels(database_url, **body, order="any") == [2, 1]
    # Another value between is a foreign event.
    assert await levels(database_url, **body, order="strict") == [2, 0]


async def test_excluded_event_of_another_value_breaks_a_held_chain(database, database_url):
    insert(
        database,
        [
            at(n, "u1", name, properties={"sku": sku})
            for n, (name, sku) in enumerate([("a", "1"), ("x", "2"), ("b", "1")])
        ],
    )
    body = {"steps": [A, B], "hold_constant": ["properties.sku"]}

    assert await levels(database_url, **body) == [1, 1]
    assert await levels(
        database_url, **body, exclusions=[{"event": "x", "from_step": 1, "to_step": 2}]
    ) == [1, 0]


async def test_late_binding_joins_steps_before_and_after_login(database, database_url):
    insert(database, [at(0, "anonymous_id:d1", "a"), at(5, "u1", "b")])
    user = id_key("user_id", "u1")
    bind(database, id_key("anonymous_id", "d1"), user, [(ms(f"{AT}05+08:00"), user)])

    assert await levels(database_url, steps=[A, B]) == [1, 1]
    assert await levels(database_url, steps=[A, B], identity="strict") == [1, 0]


async def test_a_duplicate_with_another_corrected_time_changes_nothing(database, database_url):
    rows = [at(0, "u1", "a", event_id="e1"), at(1, "u1", "b", event_id="e2")]
    insert(database, rows)
    before = await ask(database_url, "funnel", {**DAY, "steps": [A, A, B]})
    copies = [
        {**row, "received_at": row["received_at"] + 9, "occurred_at": row["occurred_at"] + 400}
        for row in rows
    ]
    insert(database, [{**copy, "precedence": copy["precedence"] - 9} for copy in copies])

    after = await ask(database_url, "funnel", {**DAY, "steps": [A, A, B]})

    assert after["result"] == before["result"]


async def test_funnel_over_two_apps_of_one_person(database, database_url):
    insert(database, [at(0, "u1", "a"), at(1, "u1", "b", app_id="wx0002")])

    assert await levels(database_url, steps=[A, B], app_ids=[APP, "wx0002"]) == [1, 1]
    assert await levels(database_url, steps=[A, B]) == [1, 0]


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        ("first", {"1": [2, 1]}),
        ("last", {"1": [1, 0], "2": [1, 1]}),
        (2, {None: [1, 0], "2": [1, 1]}),
    ],
)
async def test_breakdown_takes_the_values_of_the_event_it_is_attributed_to(
    database, database_url, attribution, expected
):
    insert(
        database,
        [
            at(0, "u1", "a", properties={"sku": "1"}),
            at(1, "u1", "b", properties={"sku": "2"}),
            at(0, "u2", "a", properties={"sku": "1"}),
        ],
    )
    body = {
        **DAY,
        "steps": [A, B],
        "breakdown": ["properties.sku"],
        "breakdown_attribution": attribution,
    }

    answer = await ask(database_url, "funnel", body)

    groups = answer["result"]["groups"]
    assert {
        g["breakdown"]["properties.sku"]: [s["users"] for s in g["steps"]] for g in groups
    } == expected
    for group in groups:
        for dropped in (False, True):
            cell = {"step": 2, "dropped": dropped, "breakdown": group["breakdown"]}
            listed = await ask(database_url, "funnel/users", {**body, "cell": cell})
            assert listed["result"]["total"] == group["steps"][1]["dropped" if dropped else "users"]


async def test_groups_beyond_the_limit_are_other_and_nothing_is_lost(database, database_url):
    insert(database, [at(0, f"u{n}", "a", page=f"p{n % 4}") for n in range(10)])
    body = {**DAY, "steps": [A, B], "breakdown": ["page"], "breakdown_limit": 2}

    answer = await ask(database_url, "funnel", body)

    groups = answer["result"]["groups"]
    assert [(g["breakdown"]["page"], g["other"], g["steps"][0]["users"]) for g in groups] == [
        ("p0", False, 3),
        ("p1", False, 3),
        (None, True, 4),
    ]
    listed = await ask(database_url, "funnel/users", {**body, "cell": {"step": 1, "other": True}})
    assert listed["result"]["total"] == 4


@pytest.mark.parametrize(
    ("zone", "days", "instants"),
    [
        (
            "Asia/Shanghai",
            ["2026-10-01", "2026-10-02"],
            [
                "2026-10-01T00:00:00+08:00",
                "2026-10-01T23:59:59.999+08:00",
                "2026-10-02T00:00:00+08:00",
            ],
        ),
        # 25 hours, from +02:00 to +01:00
        (
            "Europe/Berlin",
            ["2026-10-25", "2026-10-26"],
            [
                "2026-10-25T00:00:00+02:00",
                "2026-10-25T23:59:59.999+01:00",
                "2026-10-26T00:00:00+01:00",
            ],
        ),
        # 23 hours
        (
            "America/New_York",
            ["2026-03-08", "2026-03-09"],
            [
                "2026-03-08T00:00:00-05:00",
                "2026-03-08T23:59:59.999-04:00",
                "2026-03-09T00:00:00-04:00",
            ],
        ),
        # No midnight: the day begins at 01:00.
        (
            "Africa/Cairo",
            ["2026-04-24", "2026-04-25"],
            [
                "2026-04-24T01:00:00+03:00",
                "2026-04-24T23:59:59.999+03:00",
                "2026-04-25T00:00:00+03:00",
            ],
        ),
    ],
)
async def test_trend_by_local_entry_day(database, database_url, zone, days, instants):
    """Day labels of UTC, or of an offset that a clock change made wrong (PostHog 79002, Umami 3810)."""
    insert(database, [event(f"u{n}", "a", instant) for n, instant in enumerate(instants)])
    insert(database, [event("u0", "b", ms(instants[2]) + 1000)])  # converts on the next day
    body = {
        "time_range": {"from": days[0], "to": days[1]},
        "timezone": zone,
        "steps": [A, B],
        "interval": "day",
        "window": {"value": 2, "unit": "day"},
    }

    answer = await ask(database_url, "funnel", body)

    points = answer["result"]["points"]
    assert [(p["time"], [s["users"] for s in p["steps"]]) for p in points] == [
        (days[0], [2, 1]),
        (days[1], [1, 0]),
    ]
    listed = await ask(
        database_url,
        "funnel/users",
        {**body, "cell": {"step": 2, "dropped": True, "time": days[0]}},
    )
    assert [u["user"] for u in listed["result"]["users"]] == [str(id_key("user_id", "u1"))]


async def test_a_point_is_mature_when_period_and_window_have_ended(database_url):
    body = {
        "time_range": {"from": "2026-10-01", "to": "2026-10-03"},
        "steps": [A, B],
        "interval": "day",
    }

    answer = await ask(database_url, "funnel", body, now="2026-10-04T00:00:00+08:00")

    assert [p["mature"] for p in answer["result"]["points"]] == [True, True, False]


async def test_a_log_moved_by_a_week_gives_the_same_funnel(database, database_url):
    week = 7 * 86_400_000
    rows = [at(n * 7.3, f"u{n % 5}", "abcx"[n // 5 % 4]) for n in range(60)]
    insert(database, rows)
    moved = [
        {
            k: v + week
            if k in ("occurred_at", "client_occurred_at", "received_at", "sent_at")
            else v
            for k, v in row.items()
        }
        | {"event_id": row["event_id"] + "moved", "event_key": row["event_key"] ^ 1}
        for row in rows
    ]
    insert(database, moved)
    body = {"steps": [A, B, C], "exclusions": [{"event": "x", "from_step": 2, "to_step": 3}]}

    here = await ask(database_url, "funnel", {**DAY, **body})
    there = await ask(
        database_url, "funnel", {**body, "time_range": {"from": "2026-10-08", "to": "2026-10-08"}}
    )

    assert here["result"] == there["result"]
    users = [step["users"] for step in here["result"]["steps"]]
    assert users == sorted(users, reverse=True)
    assert users[2] > 0


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
async def test_a_user_with_ten_thousand_events_is_counted_whole(database, database_url, order):
    rows = [at(n, "u1", "a" if n % 2 else "x", properties={"sku": str(n)}) for n in range(9_997)]
    rows += [
        at(20_000, "u1", "a", properties={"sku": "last"}),
        at(20_001, "u1", "b", properties={"sku": "last"}),
    ]
    insert(database, rows)

    assert await levels(database_url, steps=[A, B], order=order) == [1, 1]
    assert await levels(
        database_url, steps=[A, B], order=order, hold_constant=["properties.sku"]
    ) == [1, 1]
    assert await levels(database_url, steps=[A, A, B], order=order) == (
        [1, 0, 0] if order == "strict" else [1, 1, 1]
    )
    if order != "any":
        excluded = [{"event": "x", "from_step": 1, "to_step": 2}]
        held = {"hold_constant": ["properties.sku"], "exclusions": excluded}
        assert await levels(database_url, steps=[A, B], order=order, **held) == [1, 1]


async def test_twenty_steps(database, database_url):
    insert(
        database,
        [at(n, "u1", f"s{n}") for n in range(20)] + [at(n, "u2", f"s{n}") for n in range(10)],
    )
    steps = [{"event": f"s{n}"} for n in range(20)]

    for order in ("ordered", "strict", "any"):
        assert await levels(database_url, steps=steps, order=order) == [2] * 10 + [1] * 10
    excluded = [{"event": "x", "from_step": n, "to_step": 20} for n in range(1, 20)]
    assert await levels(database_url, steps=steps, exclusions=excluded) == [2] * 10 + [1] * 10


@pytest.mark.parametrize(
    "name", ["支付🎉", "'; DROP TABLE events; --", "\\", '"', "{p0:String}", "{{source}}", "\n"]
)
async def test_any_name_is_only_a_name(database, database_url, name):
    insert(database, [at(0, "u1", "a"), at(1, "u1", name), at(0, "u2", "a")])

    assert await levels(database_url, steps=[A, {"event": name}]) == [2, 1]
