"""
Calendar: days in a time zone become UTC instants, time ranges become periods. Pure.

The only place that knows what a day is. ClickHouse never computes with zones: it gets the starts of the periods as
epoch milliseconds (``bucket_sql``), so that a day of 23 or 25 hours, a skipped midnight and a zone database newer than
the server's are all right. Weeks start on Monday.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from query_api.errors import InvalidRequest
from query_api.params import Interval, TimeRange

MAX_PERIODS = 10_000
"""Of one answer: 27 years of days, 13 months of hours."""
MIN_YEAR = 2000
MAX_YEAR = 2100
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")


class Range(Struct, frozen=True):
    """Epoch milliseconds, ``to_ms`` excluded. The days are set where the request gave days."""

    from_ms: int
    to_ms: int
    from_day: date | None = None
    to_day: date | None = None


class Periods(Struct, frozen=True):
    """
    Consecutive periods. ``starts_ms`` has one element more than ``labels``: the end of the last period.

    ``labels``: first day ``2026-10-01``, or for hours the local instant ``2026-10-01T13:00:00+08:00``.
    """

    interval: Interval
    labels: tuple[str, ...]
    starts_ms: tuple[int, ...]

    def index_of(self, at_ms: int) -> int:
        """Number of the period an instant lies in, from 0; -1 before the first."""
        return bisect_right(self.starts_ms, at_ms) - 1


def start_of_cell(periods: Periods | None, time: str | None) -> int:
    """
    Return the start (epoch ms) of the period that a cell names as ``time``; 0 for the whole range, without ``time``.

    Errors: ``invalid_request``.
    """
    if time is None:
        return 0
    if periods is None or time not in periods.labels:
        raise InvalidRequest("$.cell.time", "not the `time` of a point of this request")
    return periods.starts_ms[periods.labels.index(time)]


def start_of_day_ms(day: date, zone: ZoneInfo) -> int:
    """
    First instant of a local day.

    TRICKY: clocks may jump over midnight (Africa/Cairo, America/Havana), so this searches the first instant whose
    local date is ``day`` or later instead of converting 00:00.
    """
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    low = int(noon.timestamp()) - 2 * 86_400  # certainly before
    high = low + 4 * 86_400  # certainly not before
    naive = datetime(day.year, day.month, day.day, tzinfo=zone)
    guess = int(naive.timestamp())
    if local_day(guess * 1000, zone) >= day and local_day(guess * 1000 - 1, zone) < day:
        return guess * 1000
    while high - low > 1:
        middle = (low + high) // 2
        if local_day(middle * 1000, zone) >= day:
            high = middle
        else:
            low = middle
    return high * 1000


def local_day(at_ms: int, zone: ZoneInfo) -> date:
    """Local date of an instant."""
    return _local(at_ms, zone).date()


def _local(at_ms: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)


def resolve_range(time_range: TimeRange, zone: ZoneInfo, path: str = "$.time_range") -> Range:
    """
    Turn days or instants into epoch milliseconds.

    Errors: ``invalid_request`` for other texts, for years outside 2000 to 2100 and for an empty range.
    """
    from_day, from_ms = _resolve(time_range.from_, zone, f"{path}.from")
    to_day, to_ms = _resolve(time_range.to, zone, f"{path}.to")
    if to_day is not None:
        to_ms = start_of_day_ms(to_day + timedelta(days=1), zone)
    if to_ms <= from_ms:
        raise InvalidRequest(f"{path}.to", "must lie after `from` (days: not before it)")
    return Range(from_ms, to_ms, from_day, to_day)


def instant_ms(text: str, zone: ZoneInfo, path: str, *, is_end: bool = False) -> int:
    """
    Turn a day or an instant into epoch milliseconds; ``is_end``: a day means its end, excluded.

    Errors: ``invalid_request`` as ``resolve_range``.
    """
    day, at_ms = _resolve(text, zone, path)
    return start_of_day_ms(day + timedelta(days=1), zone) if day is not None and is_end else at_ms


def _resolve(text: str, zone: ZoneInfo, path: str) -> tuple[date | None, int]:
    message = (
        "neither a day such as 2026-10-01 nor an RFC 3339 instant such as 2026-10-01T00:00:00+08:00"
    )
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            _check_year(day.year, path)
            return day, start_of_day_ms(day, zone)
        if _INSTANT.fullmatch(text):
            instant = datetime.fromisoformat(text.upper())
            _check_year(instant.year, path)
            return None, (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except ValueError as error:
        raise InvalidRequest(path, f"no such date or time: {error}") from error
    raise InvalidRequest(path, message)


def _check_year(year: int, path: str) -> None:
    if not MIN_YEAR <= year < MAX_YEAR:
        raise InvalidRequest(path, f"the year must lie between {MIN_YEAR} and {MAX_YEAR - 1}")


def first_day(day: date, interval: Interval) -> date:
    """First day of the week (Monday), month or quarter that a day lies in."""
    if interval == "week":
        return day - timedelta(days=day.weekday())
    if interval == "month":
        return day.replace(day=1)
    if interval == "quarter":
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day


def later(day: date, interval: Interval, count: int) -> date:
    """First day of the period ``count`` periods after (negative: before) the one that begins on ``day``."""
    if interval in ("month", "quarter"):
        months = day.year * 12 + day.month - 1 + count * (3 if interval == "quarter" else 1)
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=count * (7 if interval == "week" else 1))


def a_year_before(day: date) -> date:
    """Return the same day a year earlier; 29 February becomes the 28th."""
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def a_year_before_ms(at_ms: int, zone: ZoneInfo) -> int:
    """Return the same local time a year earlier; 29 February becomes the 28th."""
    local = _local(at_ms, zone)
    before = a_year_before(local.date())
    earlier = local.replace(year=before.year, day=before.day)
    return (earlier.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def periods_of(
    from_ms: int,
    to_ms: int,
    interval: Interval,
    zone: ZoneInfo,
    extra: int = 0,
    path: str = "$.interval",
) -> Periods:
    """
    Return the whole periods that a range touches, and ``extra`` ones after them.

    The first and the last may reach beyond the range. Errors: ``invalid_request`` for more than MAX_PERIODS.
    """
    too_many = InvalidRequest(
        path, f"more than {MAX_PERIODS} periods: ask for a shorter range or longer periods"
    )
    labels: list[str] = []
    starts: list[int] = []
    if interval == "hour":
        if (to_ms - from_ms) // HOUR_MS > MAX_PERIODS:
            raise too_many
        at = from_ms - _past_hour_ms(from_ms, zone)
        while at < to_ms or extra > 0:
            extra -= at >= to_ms
            labels.append(_local(at, zone).isoformat())
            starts.append(at)
            at += HOUR_MS - _past_hour_ms(at, zone)
        return Periods(interval, tuple(labels), (*starts, at))
    day = first_day(local_day(from_ms, zone), interval)
    start = start_of_day_ms(day, zone)
    while start < to_ms or extra > 0:
        extra -= start >= to_ms
        labels.append(day.isoformat())
        starts.append(start)
        if len(labels) > MAX_PERIODS:
            raise too_many
        day = later(day, interval, 1)
        start = start_of_day_ms(day, zone)
    return Periods(interval, tuple(labels), (*starts, start))


def _past_hour_ms(at_ms: int, zone: ZoneInfo) -> int:
    local = _local(at_ms, zone)
    return (local.minute * 60 + local.second) * 1000 + local.microsecond // 1000


def hour_shifts(from_ms: int, to_ms: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """
    Return how long before those of UTC the zone's hours begin: (from when on, ms) of the range, nearly always one pair.

    0 in most zones, half an hour in India; Lord Howe Island changes it twice a year.
    """
    shifts = [(from_ms, _hour_shift_ms(from_ms, zone))]
    for day_ms in range(from_ms, to_ms, DAY_MS):
        before, low, high = shifts[-1][1], day_ms, day_ms + DAY_MS
        if _hour_shift_ms(high, zone) != before:
            while high - low > 1:
                middle = (low + high) // 2
                if _hour_shift_ms(middle, zone) == before:
                    low = middle
                else:
                    high = middle
            shifts.append((high, _hour_shift_ms(high, zone)))
    return shifts


def _hour_shift_ms(at_ms: int, zone: ZoneInfo) -> int:
    return (_past_hour_ms(at_ms, zone) - at_ms) % HOUR_MS


def rfc3339(at_ms: int, zone: ZoneInfo | None = None) -> str:
    """Write an instant with milliseconds: in UTC with ``Z``, or in a zone with its offset."""
    if zone is not None:
        return _local(at_ms, zone).isoformat(timespec="milliseconds")
    return (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
