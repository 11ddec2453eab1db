"""What people read in the terminal."""

import io

import pytest
from rich.console import Console

from loadtest.report import bar, duration, funnel_table, number, percentiles, retention_table

FUNNEL = {
    "steps": [
        {
            "step": 1,
            "event": "app_show",
            "users": 8_544,
            "rate_from_previous": 1.0,
            "rate_from_first": 1.0,
            "median_ms_from_previous": None,
        },
        {
            "step": 2,
            "event": "my_event",
            "users": 4_272,
            "rate_from_previous": 0.5,
            "rate_from_first": 0.5,
            "median_ms_from_previous": 90_000,
        },
    ]
}
RETENTION = {
    "cohorts": [
        {"cohort": "2026-11-01", "size": 3, "rates": [1.0, 0.5, 0.1], "mature": [True] * 3},
        {
            "cohort": "2026-11-02",
            "size": 5,
            "rates": [1.0, 0.2, 0.0],
            "mature": [True, True, False],
        },
    ],
    "total": {"rates": [1.0, 0.25, None]},
}


def printed(table, width=80) -> str:
    text = io.StringIO()
    Console(width=width, file=text).print(table)
    return text.getvalue()


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0.0, "    "), (1.0, "████"), (0.5, "██  "), (0.28, "█▏  "), (7.0, "████")],
)
def test_bar(share, drawn):
    assert bar(share, 4) == drawn


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "–"), (1_500, "1.5 s"), (90_000, "1.5 min"), (90_000_000, "1.0 d")],
)
def test_duration(ms, text):
    assert duration(ms) == text


def test_funnel_fits_a_narrow_terminal_and_names_its_steps():
    text = printed(funnel_table(FUNNEL, "漏斗", 80))

    assert "1 进入小程序 Enter" in text
    assert "2 my_event" in text
    assert "50.0%" in text
    assert "…" not in text


def test_retention_shows_mature_cells_only():
    lines = printed(retention_table(RETENTION, "留存", last=14)).splitlines()

    first, second, total = (line for line in lines if "2026-11" in line or "All" in line)
    assert "50%" in first
    assert "20%" in second
    assert "0%" not in second.replace("20%", "")
    assert "25%" in total
    assert "8" in total


def test_retention_shows_the_last_cohorts():
    text = printed(retention_table(RETENTION, "留存", last=1))

    assert "2026-11-01" not in text
    assert "2026-11-02" in text


def test_percentiles():
    values = percentiles([float(value) for value in range(1, 1001)])

    assert values["p50_ms"] == 500.5
    assert values["max_ms"] == 1000.0
    assert percentiles([])["p99_ms"] == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (0.12345, "0.123"), (45678.9, "45,679"), (None, "–")],
)
def test_number(value, text):
    assert number(value) == text
