"""Calendar: days of zones with changing clocks, periods, ranges."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_api.comparison import range_before
from query_api.errors import InvalidRequest
from query_api.params import TimeRange
from query_api.periods import (
    HOUR_MS,
    a_year_before,
    first_day,
    hour_shifts,
    later,
    local_day,
    periods_of,
    resolve_range,
    rfc3339,
    start_of_day_ms,
)


def hours_of(day: str, zone: str) -> float:
    start = date.fromisoformat(day)
    zone_info = ZoneInfo(zone)
    end = start_of_day_ms(start + timedelta(days=1), zone_info)
    return (end - start_of_day_ms(start, zone_info)) / HOUR_MS


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-10-01", "Asia/Shanghai", 24),
        ("2026-03-08", "America/New_York", 23),
        ("2026-11-01", "America/New_York", 25),
        ("2026-10-25", "Europe/London", 25),
        ("2026-04-24", "Africa/Cairo", 23),  # 00:00 does not exist
        ("2026-10-29", "Africa/Cairo", 25),  # 23:00 comes twice
        ("2026-10-04", "Australia/Lord_Howe", 23.5),
        ("2011-12-30", "Pacific/Apia", 0),  # a day that was left out
        ("2018-11-04", "America/Sao_Paulo", 23),
    ],
)
def test_length_of_days(day, zone, hours):
    assert hours_of(day, zone) == hours


@settings(deadline=None)
@given(
    st.dates(date(2001, 1, 1), date(2098, 1, 1)),
    st.sampled_from(
        ["Africa/Cairo", "America/Havana", "Asia/Beirut", "America/St_Johns", "Asia/Tehran", "UTC"]
    ),
)
def test_a_day_starts_at_its_first_instant(day, zone):
    zone_info = ZoneInfo(zone)
    start = start_of_day_ms(day, zone_info)
    assert local_day(start, zone_info) == day
    assert local_day(start - 1, zone_info) == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("interval", "day", "first", "after"),
    [
        ("day", "2026-10-01", "2026-10-01", "2026-10-02"),
        ("week", "2026-10-04", "2026-09-28", "2026-10-05"),
        ("week", "2026-10-05", "2026-10-05", "2026-10-12"),
        ("month", "2026-12-31", "2026-12-01", "2027-01-01"),
        ("quarter", "2026-12-31", "2026-10-01", "2027-01-01"),
        ("quarter", "2026-01-01", "2026-01-01", "2026-04-01"),
    ],
)
def test_periods_of_the_calendar(interval, day, first, after):
    start = first_day(date.fromisoformat(day), interval)
    assert start.isoformat() == first
    assert later(start, interval, 1).isoformat() == after
    assert later(later(start, interval, 5), interval, -5) == start


def test_a_range_of_days_includes_both():
    found = resolve_range(TimeRange(from_="2026-10-01", to="2026-10-31"), ZoneInfo("Asia/Shanghai"))
    assert rfc3339(found.from_ms) == "2026-09-30T16:00:00.000Z"
    assert rfc3339(found.to_ms) == "2026-10-31T16:00:00.000Z"


def test_a_range_of_instants_excludes_its_end():
    given_range = TimeRange(from_="2026-10-01T00:00:00.123456Z", to="2026-10-01T09:00:00+08:00")
    found = resolve_range(given_range, ZoneInfo("Asia/Shanghai"))
    assert rfc3339(found.from_ms) == "2026-10-01T00:00:00.123Z"
    assert rfc3339(found.to_ms) == "2026-10-01T01:00:00.000Z"


def test_periods_touch_the_range_and_extra_ones_follow():
    zone = ZoneInfo("UTC")
    whole = resolve_range(TimeRange(from_="2026-10-01", to="2026-10-05"), zone)
    found = periods_of(whole.from_ms, whole.to_ms, "week", zone, 2)
    assert found.labels == ("2026-09-28", "2026-10-05", "2026-10-12", "2026-10-19")
    assert len(found.starts_ms) == 5
    assert found.index_of(whole.from_ms) == 0
    assert found.index_of(found.starts_ms[1]) == 1
    assert found.index_of(found.starts_ms[0] - 1) == -1


@pytest.mark.parametrize(
    "zone", ["Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York", "Africa/Cairo"]
)
def test_hours_cover_the_range_without_gaps_and_with_names_of_their_own(zone):
    zone_info = ZoneInfo(zone)
    whole = resolve_range(TimeRange(from_="2026-09-30", to="2026-11-03"), zone_info)
    found = periods_of(whole.from_ms, whole.to_ms, "hour", zone_info)
    assert found.starts_ms[0] == whole.from_ms
    assert found.starts_ms[-1] == whole.to_ms
    assert len(set(found.labels)) == len(found.labels)
    assert all(
        0 < b - a <= HOUR_MS for a, b in zip(found.starts_ms, found.starts_ms[1:], strict=False)
    )
    for label, start in zip(found.labels, found.starts_ms, strict=False):
        assert datetime.fromisoformat(label) == datetime.fromtimestamp(start // 1000, UTC)


def test_hours_begin_half_an_hour_early_in_some_zones():
    def ms(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * 1000

    whole = (ms("2026-01-01T00:00:00Z"), ms("2027-01-01T00:00:00Z"))
    half = HOUR_MS // 2
    assert hour_shifts(*whole, ZoneInfo("America/New_York")) == [(whole[0], 0)]
    assert hour_shifts(*whole, ZoneInfo("Asia/Kolkata")) == [(whole[0], half)]
    assert hour_shifts(*whole, ZoneInfo("Australia/Lord_Howe")) == [
        (whole[0], 0),
        (ms("2026-04-04T15:00:00Z"), half),
        (ms("2026-10-03T15:30:00Z"), 0),
    ]


def test_too_many_periods_are_refused():
    with pytest.raises(InvalidRequest) as caught:
        periods_of(0, 20_000 * HOUR_MS, "hour", ZoneInfo("UTC"))
    assert caught.value.path == "$.interval"


def test_29_february_a_year_before_is_the_28th():
    assert a_year_before(date(2028, 2, 29)) == date(2027, 2, 28)
    assert a_year_before(date(2028, 3, 1)) == date(2027, 3, 1)


@pytest.mark.parametrize(
    ("zone", "from_", "to"),
    [
        ("Pacific/Apia", "2012-12-30", "2012-12-30"),  # there was no 30 December 2011
        ("Europe/Berlin", "2027-03-29T02:30:00+02:00", "2027-03-29T03:10:00+02:00"),
    ],
)
def test_a_range_that_the_clocks_skipped_a_year_before_is_refused(zone, from_, to):
    range_ = resolve_range(TimeRange(from_=from_, to=to), ZoneInfo(zone))

    with pytest.raises(InvalidRequest) as refused:
        range_before(range_, "previous_year", ZoneInfo(zone))

    assert refused.value.path == "$.compare"
