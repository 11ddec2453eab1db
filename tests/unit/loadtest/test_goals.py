"""How far the collector is from its goals, by figures made up for it."""

from loadtest.goals import PROTOTYPE_EVENTS_PER_S, goals

SPEEDS = {
    "collector": {1: 6_000, 50: 100_000},
    "stored": {1: 5_000, 50: 60_000},
    "decode": {1: 10_000, 50: 400_000},
    "async": {1: 300, 50: 12_000},
}
CPU = {50: {"worker": 6.0, "writer": 12.0, "clickhouse": 11.0}}
LATENCY = {"p99_ms": 30.0, "visible_p99_ms": 2_500.0}


def measured(growth=(), cores=2):
    found = goals(SPEEDS, CPU, LATENCY, 100_000_000, 43.0, list(growth), cores)
    return {goal.name: goal for goal in found}


def test_a_ratio_is_reached_at_or_above_what_is_wanted_and_a_limit_at_or_below():
    found = measured()
    assert found["×50 stored ÷ (c)"].measured == 0.15
    assert not found["×50 accepted ÷ (c)"].is_reached
    assert found["×1 accepted ÷ (c)"].is_reached
    assert not found["×50 stored ÷ (c)"].is_reached
    assert found["应答 answers p99, half load, ms"].is_reached
    assert not found["可查询 visible p99, half load, ms"].is_reached
    assert found["可查询 visible p99, half load, ms"].row()["÷ wanted"] == "1.25"


def test_what_a_speed_would_take_is_told_in_cpu():
    row = measured()["×50 stored, events/s"].row()
    assert row["CPU µs an event"] == 29.0
    assert row["the goal leaves"] == round(2e6 / PROTOTYPE_EVENTS_PER_S, 1)
    assert measured(cores=4)["×50 stored ÷ (c)"].left_us == 20.0


def test_growth_compares_the_last_third_with_the_first():
    name = "增长 an event, last third ÷ first"
    assert measured()[name].is_reached is None
    thirds = [{"worker": 5.0, "writer": 10.0, "clickhouse": c} for c in (10.0, 12.0, 15.0)]
    assert measured(thirds)[name].measured == 1.2
    assert not measured(thirds)[name].is_reached
