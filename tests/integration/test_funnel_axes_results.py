"""Optional steps, what the dropped did next, comparison, declared axes and presets of the funnel, against logs by hand."""

from typing import Any

import pytest
from query_support import ask, event, id_key, insert, ms

from query_api.errors import InvalidRequest

DAY = {"time_range": {"from": "2026-10-01", "to": "2026-10-01"}}
AT = "2026-10-01T09:00:"  # Shanghai
A, B, C = {"event": "a"}, {"event": "b"}, {"event": "c"}
MAYBE_B = {"event": "b", "optional": True}
PRESETS = ["sensors", "ark", "growingio", "mixpanel", "amplitude", "posthog"]


def at(second: float, user: str, name: str, **columns: Any) -> dict[str, Any]:
    """An event so many seconds after 09:00."""
    return event(user, name, ms(f"{AT}00+08:00") + round(second * 1000), **columns)


async def steps_of(database_url: str, **body: Any) -> list[dict[str, Any]]:
    """Steps of a funnel."""
    return (await ask(database_url, "funnel", {**DAY, **body}))["result"]["steps"]


async def levels(database_url: str, **body: Any) -> list[int]:
    """Users of each step."""
    return [step["users"] for step in await steps_of(database_url, **body)]


async def listed(database_url: str, cell: dict[str, Any], **body: Any) -> set[str]:
    """Users of a cell; their number is checked."""
    page = (await ask(database_url, "funnel/users", {**DAY, **body, "cell": cell}))["result"]
    assert page["total"] == len(page["users"])
    return {row["user"] for row in page["users"]}


def keys(*users: str) -> set[str]:
    return {str(id_key("user_id", user)) for user in users}


# --- Optional steps ------------------------------------------------------------


async def test_a_chain_may_skip_an_optional_step(database, database_url):
    insert(
        database,
        [
            *(at(n, "u1", name) for n, name in enumerate("abc")),
            *(at(n, "u2", name) for n, name in enumerate("ac")),
            *(at(n, "u3", name) for n, name in enumerate("ab")),
            *(at(n, "u4", name) for n, name in enumerate("acb")),  # b after c is not between
            at(0, "u5", "a"),
        ],
    )
    body = {"steps": [A, MAYBE_B, C]}

    first, maybe, last = await steps_of(database_url, **body)

    assert (first["users"], maybe["users"], last["users"]) == (5, 2, 3)
    assert (maybe["optional"], maybe["dropped"], maybe["rate_from_previous"]) == (True, 0, 0.4)
    # The step after an optional one is measured against the required one before.
    assert (last["previous_users"], last["dropped"], last["rate_from_previous"]) == (5, 2, 0.6)
    assert last["median_ms_from_previous"] == 1000  # from b where the chain holds it, else from a
    assert await listed(database_url, {"step": 2}, **body) == keys("u1", "u3")
    assert await listed(database_url, {"step": 3, "dropped": True}, **body) == keys("u3", "u5")
    assert await listed(database_url, {"step": 2, "dropped": True}, **body) == set()


async def test_an_optional_step_never_costs_a_later_one(database, database_url):
    # Taking the only b after the first c would leave no c: going further comes first.
    insert(database, [at(n, "u1", name) for n, name in enumerate("acb")])

    assert await levels(database_url, steps=[A, MAYBE_B, C]) == [1, 0, 1]


async def test_an_exclusion_bears_on_chains_that_hold_both_steps(database, database_url):
    insert(database, [at(n, "u1", name) for n, name in enumerate("axbc")])
    between = [{"event": "x", "from_step": 1, "to_step": 2}]

    assert await levels(database_url, steps=[A, MAYBE_B, C], exclusions=between) == [1, 0, 1]
    assert await levels(database_url, steps=[A, B, C], exclusions=between) == [1, 0, 0]


# --- Dropped: what next --------------------------------------------------------


async def test_what_the_dropped_did_next_within_the_window(database, database_url):
    insert(
        database,
        [
            *(at(n, "u1", name) for n, name in enumerate("axb")),  # converts
            *(at(n, "u2", name) for n, name in enumerate("ax")),
            *(at(n, "u3", name) for n, name in enumerate("ax")),
            *(at(n, "u4", name) for n, name in enumerate("aayx")),  # after the first a comes an a
            at(0, "u5", "a"),
            at(61, "u5", "x"),  # too late
            at(0, "u6", "a"),
            at(60, "u6", "z"),  # the last moment
        ],
    )
    body = {"steps": [A, B], "window": {"value": 60, "unit": "second"}}

    _, last = await steps_of(database_url, **body, dropped_next=2)

    assert last["dropped"] == 5
    assert last["dropped_next"] == [
        {"event": "x", "users": 2, "share": 0.4},
        {"event": None, "users": 1, "share": 0.2},
    ]
    assert last["dropped_next_other"] == 2
    for name, users in (("x", keys("u2", "u3")), (None, keys("u5")), ("a", keys("u4"))):
        cell = {"step": 2, "dropped": True, "next_event": name}
        assert await listed(database_url, cell, **body) == users
    # Of the five, x and nothing are shown: those of z and a are others.
    cell = {"step": 2, "dropped": True, "next_other": True}
    assert await listed(database_url, cell, **body, dropped_next=2) == keys("u4", "u6")


async def test_what_the_dropped_did_next_passes_the_filter_of_the_request(database, database_url):
    insert(database, [at(n, "u1", name) for n, name in enumerate("axy")])
    only = {"field": "event", "op": "ne", "values": ["x"]}

    _, last = await steps_of(database_url, steps=[A, B], dropped_next=1, filter=only)

    assert last["dropped_next"] == [{"event": "y", "users": 1, "share": 1.0}]


# --- Comparison ----------------------------------------------------------------


async def test_compare_gives_the_funnel_of_the_range_before(database, database_url):
    insert(database, [at(0, "u1", "a"), at(1, "u1", "b")])
    insert(database, [at(-86_400, user, "a") for user in ("u1", "u2")])
    insert(database, [at(0, "u2", "b"), event("u3", "a", "2025-10-01T12:00:00+08:00")])
    body = {**DAY, "steps": [A, B], "interval": "day", "window": {"value": 2, "unit": "day"}}

    for compare, day, expected in (
        ("previous_period", "2026-09-30", [2, 2]),
        ("previous_year", "2025-10-01", [1, 0]),
    ):
        result = (await ask(database_url, "funnel", {**body, "compare": compare}))["result"]
        assert [step["users"] for step in result["steps"]] == [1, 1]
        compared = result["compare"]
        assert [step["users"] for step in compared["steps"]] == expected
        assert compared["time_range"]["from"] == f"{day}T00:00:00.000+08:00"
        assert [point["time"] for point in compared["points"]] == [day]


# --- Axes ----------------------------------------------------------------------


async def test_entry_first_hides_later_attempts(database, database_url):
    insert(database, [at(0, "u1", "a"), at(100, "u1", "a"), at(101, "u1", "b")])
    body = {"steps": [A, B], "window": {"value": 10, "unit": "second"}}

    assert await levels(database_url, **body) == [1, 1]
    assert await levels(database_url, **body, entry="first") == [1, 0]


async def test_ties_of_one_millisecond(database, database_url):
    """0 % of fast pages (Rybbit 1133), same ms never converts (方舟 5.1), any order (PostHog): each as declared."""
    insert(database, [at(0, "u1", "a", seq=1), at(0, "u1", "b", seq=2)])
    insert(database, [at(0, "u2", "a", seq=2), at(0, "u2", "b", seq=1)])
    insert(database, [at(0, "u3", "a"), at(0.001, "u3", "b")])

    assert await levels(database_url, steps=[A, B]) == [3, 2]
    assert await levels(database_url, steps=[A, B], ties="apart") == [3, 1]
    assert await levels(database_url, steps=[A, B], ties="any") == [3, 3]


async def test_calendar_days_end_the_window_at_midnight_also_where_clocks_change(
    database, database_url
):
    insert(
        database,
        [
            event("u1", "a", "2026-10-25T00:30:00+02:00"),
            event("u1", "b", "2026-10-25T23:59:59.999+01:00"),  # 24.5 hours later, the same day
            event("u2", "a", "2026-10-25T23:00:00+01:00"),
            event("u2", "b", "2026-10-26T00:00:00+01:00"),  # an hour later, the next day
        ],
    )
    body = {
        "time_range": {"from": "2026-10-25", "to": "2026-10-25"},
        "timezone": "Europe/Berlin",
        "steps": [A, B],
    }

    assert await levels(database_url, **body) == [2, 1]
    assert await listed(database_url, {"step": 2}, **body) == keys("u2")
    calendar = {**body, "window_counts": "calendar_days"}
    assert await levels(database_url, **calendar) == [2, 1]
    assert await listed(database_url, {"step": 2}, **calendar) == keys("u1")
    two = {**calendar, "window": {"value": 2, "unit": "day"}, "interval": "day"}
    assert await levels(database_url, **two) == [2, 2]
    for now, mature in (("2026-10-26T22:59:59Z", False), ("2026-10-26T23:00:00Z", True)):
        result = (await ask(database_url, "funnel", two, now=now))["result"]
        assert [point["mature"] for point in result["points"]] == [mature]


async def test_order_of_days_lets_b_before_a_on_one_day_count(database, database_url):
    insert(database, [at(0, "u1", "b"), at(5, "u1", "a"), at(0, "u2", "b"), at(86_400, "u2", "a")])
    body = {"steps": [A, B], "window_counts": "calendar_days", "ties": "any_of_day"}

    first, last = await steps_of(
        database_url, **body, time_range={"from": "2026-10-01", "to": "2026-10-02"}
    )

    assert (first["users"], last["users"], last["median_ms_from_previous"]) == (2, 1, 0)


async def test_an_exclusion_may_take_the_user_out(database, database_url):
    insert(
        database,
        [
            *(at(n, "u1", name) for n, name in enumerate("axb")),
            *(at(n, "u2", name) for n, name in enumerate("ax")),
            *(at(n, "u3", name) for n, name in enumerate("abx")),
            *(at(n, "u4", name) for n, name in enumerate("axab")),
            at(0, "u5", "a"),
            at(61, "u5", "x"),  # the window is over
        ],
    )
    body = {
        "steps": [A, B],
        "window": {"value": 60, "unit": "second"},
        "exclusions": [{"event": "x", "from_step": 1, "to_step": 2}],
    }

    assert await levels(database_url, **body) == [5, 2]
    assert await levels(database_url, **body, exclusion_effect="user") == [2, 1]


# --- Presets -------------------------------------------------------------------


async def test_a_preset_sets_the_axes_and_explicit_fields_override(database_url):
    for extra, window, ties in (
        ({}, {"value": 14, "unit": "day"}, "any"),
        ({"window": {"value": 3, "unit": "hour"}}, {"value": 3, "unit": "hour"}, "any"),
        ({"ties": "order"}, {"value": 14, "unit": "day"}, "order"),
    ):
        answer = await ask(
            database_url, "funnel", {**DAY, "steps": [A, B], "preset": "posthog", **extra}
        )
        semantics = answer["semantics"]
        assert (semantics["window"], semantics["ties"]) == (window, ties)
        assert semantics["exclusion_effect"] == "user"
        assert semantics["preset"]["name"] == "posthog"
        assert semantics["preset"]["not_expressed"]
        assert "PostHog" in semantics["preset"]["source"]


async def test_an_axis_that_cannot_go_with_the_request_is_told(database, database_url):
    insert(database, [at(0, "u1", "a"), at(1, "u1", "a")])

    answer = await ask(database_url, "funnel", {**DAY, "steps": [A, A], "preset": "posthog"})

    assert [w["code"] for w in answer["meta"]["warnings"]] == ["preset_axes_left_out"]
    assert answer["semantics"]["preset"]["left_out"] == ["ties"]
    assert answer["semantics"]["ties"] == "order"
    assert [step["users"] for step in answer["result"]["steps"]] == [1, 1]


async def test_users_of_a_step_under_each_preset_are_its_number(database, database_url):
    insert(database, [at(n * 7.3, f"u{n % 5}", "abcx"[n // 5 % 4]) for n in range(60)])
    exclusions = [{"event": "x", "from_step": 2, "to_step": 3}]

    for preset in PRESETS:
        body = {"steps": [A, B, C], "preset": preset, "exclusions": exclusions}
        step = (await steps_of(database_url, **body))[-1]
        assert len(await listed(database_url, {"step": 3}, **body)) == step["users"]


async def test_presets_beside_one_another_show_why_a_number_differs(database, database_url):
    insert(
        database,
        [
            at(0, "u1", "a"),
            at(0, "u1", "b", seq=1),  # the same millisecond
            at(0, "u2", "b"),
            at(60, "u2", "a"),  # the wrong order on one day
            at(0, "u3", "a"),
            at(86_400 * 3, "u3", "b"),  # after three days
            at(0, "u4", "a"),
            at(60, "u4", "a"),
            at(86_400 * 7 + 30, "u4", "b"),  # only the second a is within 7 days
            at(0, "u5", "a"),
            at(86_400 * 10, "u5", "b"),  # within 14 days
        ],
    )

    answer = await ask(
        database_url, "funnel", {**DAY, "steps": [A, B], "compare_semantics": PRESETS}
    )

    assert [step["users"] for step in answer["result"]["steps"]] == [5, 1]
    compared = {part["preset"]: part for part in answer["result"]["compare_semantics"]}
    assert {name: part["steps"][1]["users"] for name, part in compared.items()} == {
        "sensors": 3,  # u1, u3, u4
        "ark": 2,  # not u1
        "growingio": 2,  # u1, u2
        "mixpanel": 2,  # u1, u3: the first a of u4 is too early
        "amplitude": 1,  # the window is the default's
        "posthog": 4,  # all but u2
    }
    for name, part in compared.items():
        cell = {"step": 2, "preset": name}
        body = {**DAY, "steps": [A, B], "compare_semantics": PRESETS, "cell": cell}
        page = (await ask(database_url, "funnel/users", body))["result"]
        assert page["total"] == len(page["users"]) == part["steps"][1]["users"]
    for cell in ({"step": 2, "preset": "ark"}, {"step": 2, "preset": "ark", "breakdown": {}}):
        with pytest.raises(InvalidRequest) as refused:
            await ask(database_url, "funnel/users", {**DAY, "steps": [A, B], "cell": cell})
        assert refused.value.path == "$.cell.preset"
    assert compared["sensors"]["differs"] == [
        {
            "axis": "window",
            "here": {"value": 1, "unit": "day"},
            "there": {"value": 7, "unit": "day"},
        }
    ]
    assert [axis["axis"] for axis in compared["ark"]["differs"]] == ["window", "ties"]
    assert compared["amplitude"]["differs"] == []
    assert all(part["not_expressed"] and part["source"] for part in compared.values())
