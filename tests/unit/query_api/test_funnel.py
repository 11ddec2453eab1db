"""The funnel's request checks, exclusion phases and shaping of rows, without a database."""

import json
from typing import Any

import pytest

from query_api.errors import InvalidRequest
from query_api.funnel import REPORT, steps_of, table
from query_api.funnel_params import FunnelCell, FunnelParams, FunnelQuery, resolve
from query_api.funnel_sql import BOUNDARY, FIRST_EXCLUSION_BIT, phases_of
from query_api.params import decode

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-02"}}
A, B, C = {"event": "a"}, {"event": "b"}, {"event": "c"}


def params(**body: Any) -> FunnelParams:
    query = decode(json.dumps({**RANGE, "steps": [A, B, C], **body}).encode(), FunnelQuery)
    return resolve(query, None)[0]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"steps": [A]}, "$.steps"),
        ({"steps": [A] * 21}, "$.steps"),
        ({"steps": [A, {}]}, "$.steps[1].event"),
        ({"steps": [A, {"event": ""}]}, "$.steps[1].event"),
        ({"steps": [A, {"any_of": []}]}, "$.steps[1].any_of"),
        ({"steps": [A, {"any_of": [A, {}]}]}, "$.steps[1].any_of[1].event"),
        ({"steps": [A, {"event": "a", "any_of": [A]}]}, "$.steps[1].any_of"),
        ({"steps": [A, {"event": "a", "name": "x"}]}, "$.steps[1].name"),
        ({"window": {"value": 0}}, "$.window.value"),
        ({"window": {"value": 367, "unit": "day"}}, "$.window"),
        ({"window": {"value": 1, "unit": "month"}}, "$.window.unit"),
        ({"window": 5}, "$.window"),
        ({"order": "unordered"}, "$.order"),
        ({"exclusions": [{**A, "from_step": 0, "to_step": 1}]}, "$.exclusions[0].from_step"),
        ({"exclusions": [{**A, "from_step": 2, "to_step": 2}]}, "$.exclusions[0].from_step"),
        ({"exclusions": [{**A, "from_step": 1, "to_step": 4}]}, "$.exclusions[0].to_step"),
        ({"exclusions": [{"from_step": 1, "to_step": 2}]}, "$.exclusions[0].event"),
        ({"order": "any", "exclusions": [{**A, "from_step": 1, "to_step": 2}]}, "$.exclusions[0]"),
        ({"hold_constant": ["page", "page"]}, "$.hold_constant"),
        ({"hold_constant": ["a", "b", "c", "d"]}, "$.hold_constant"),
        ({"breakdown_attribution": 4}, "$.breakdown_attribution"),
        ({"breakdown_attribution": 0}, "$.breakdown_attribution"),
        ({"breakdown_attribution": "middle"}, "$.breakdown_attribution"),
        ({"interval": "minute"}, "$.interval"),
        ({"windows": {}}, "$.windows"),
        ({"steps": [{**A, "optional": True}, B]}, "$.steps[0].optional"),
        ({"steps": [A, {**B, "optional": True}]}, "$.steps[1].optional"),
        ({"steps": [A, {**B, "optional": 1}, C]}, "$.steps[1].optional"),
        ({"steps": [A, {**B, "optional": True}, C], "order": "any"}, "$.steps[1].optional"),
        ({"steps": [A, *[{**B, "optional": True}] * 4, C]}, "$.steps[4].optional"),
        ({"dropped_next": 101}, "$.dropped_next"),
        ({"dropped_next": True}, "$.dropped_next"),
        ({"compare": "yesterday"}, "$.compare"),
        ({"preset": "umami"}, "$.preset"),
        ({"compare_semantics": "ark"}, "$.compare_semantics"),
        ({"compare_semantics": ["ark", "umami"]}, "$.compare_semantics[1]"),
        ({"entry": "last"}, "$.entry"),
        ({"entry": "first", "order": "any"}, "$.entry"),
        ({"ties": "never"}, "$.ties"),
        ({"ties": "apart", "order": "strict"}, "$.ties"),
        ({"ties": "any", "hold_constant": ["page"]}, "$.ties"),
        ({"ties": "any", "steps": [A, B, A]}, "$.ties"),
        ({"ties": "any", "exclusions": [{**A, "from_step": 1, "to_step": 2}]}, "$.ties"),
        ({"ties": "any_of_day"}, "$.ties"),
        ({"window_counts": "days"}, "$.window_counts"),
        ({"window_counts": "calendar_days", "order": "any"}, "$.window_counts"),
        (
            {"window_counts": "calendar_days", "window": {"value": 24, "unit": "hour"}},
            "$.window.unit",
        ),
        ({"exclusion_effect": "event"}, "$.exclusion_effect"),
        (
            {
                "exclusion_effect": "user",
                "order": "strict",
                "exclusions": [{**A, "from_step": 1, "to_step": 2}],
            },
            "$.exclusion_effect",
        ),
    ],
)
def test_wrong_request_names_the_field(body: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        params(**body)

    assert caught.value.path == path


def test_the_longest_window_is_a_leap_year() -> None:
    assert params(window={"value": 366, "unit": "day"}).window.ms() == 366 * 86_400_000
    assert params(window={"value": 366 * 86_400, "unit": "second"}).window.ms() == 366 * 86_400_000


def test_steps_overlap_when_they_name_one_event() -> None:
    assert not params().steps_overlap()
    assert params(steps=[A, B, {"any_of": [C, A]}]).steps_overlap()
    # Two alternatives of one step are no overlap.
    assert not params(steps=[{"any_of": [A, A]}, B]).steps_overlap()


def test_a_wide_exclusion_starts_a_phase_at_its_later_step() -> None:
    narrow, wide = 1 << FIRST_EXCLUSION_BIT, 1 << (FIRST_EXCLUSION_BIT + 1)

    phases = phases_of(
        params(
            exclusions=[
                {"event": "x", "from_step": 1, "to_step": 2},
                {"event": "y", "from_step": 1, "to_step": 3},
            ]
        )
    )

    assert [phase.cap for phase in phases] == [2, 3]
    assert phases[0].carry == [BOUNDARY, BOUNDARY | narrow, BOUNDARY, BOUNDARY]
    assert phases[0].own == [0, 0, 0]
    assert phases[1].carry == [BOUNDARY, BOUNDARY | narrow | wide, BOUNDARY | wide, BOUNDARY]
    assert phases[1].own == [0, wide, 0]


ROW = {
    "users": [4, 1],
    "median_ms": [1500.0],
    "average_ms": [1500.0],
    "median_from_first_ms": [1500.0],
    "average_from_first_ms": [1500.0],
    "histogram": {102: 1},
}


def test_steps_that_nobody_reached_are_zero_without_times() -> None:
    first, second, third = steps_of(params(window={"value": 1, "unit": "second"}), ROW)

    assert (first["users"], first["dropped"], first["rate_from_previous"]) == (4, 0, 1)
    assert (second["users"], second["dropped"], second["rate_from_first"]) == (1, 3, 0.25)
    # The last bin ends with the window, which includes its end.
    assert second["histogram"] == [{"from_ms": 1000, "to_ms": 1001, "users": 1}]
    assert (third["users"], third["dropped"], third["rate_from_previous"]) == (0, 1, 0)
    assert third["median_ms_from_previous"] is None
    assert third["histogram"] == []


def test_table_has_a_row_for_each_step_of_each_part() -> None:
    steps = steps_of(params(), ROW)
    group = {"breakdown": {"page": "p"}, "other": False, "steps": steps}
    point = {"time": "2026-10-01", "mature": True, "steps": steps, "groups": [group]}

    rows = table({"steps": steps, "groups": [group], "points": [point]})

    assert [(row["time"], row.get("page"), row["step"]) for row in rows] == [
        (time, page, step)
        for time, page in ((None, None), (None, "p"), ("2026-10-01", None), ("2026-10-01", "p"))
        for step in (1, 2, 3)
    ]
    group |= {"breakdown": {"event": "view"}}
    row = table({"steps": steps, "groups": [group]})[3]
    assert (row["breakdown.event"], row["event"]) == ("view", steps[0]["event"])


def test_the_cell_is_the_reports() -> None:
    assert REPORT.cell is FunnelCell
