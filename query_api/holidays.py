"""
The Chinese holiday calendar (法定节假日): what kind of day a date is. Pure.

The days are those that the State Council announces for each year, as the library ``chinesecalendar`` lists them (2004 to the
last year announced). Called by summary.py.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

import chinese_calendar
from msgspec import Struct

DayType: TypeAlias = Literal["workday", "weekend", "holiday", "adjusted_workday"]
DAY_TYPES: tuple[DayType, ...] = ("workday", "weekend", "holiday", "adjusted_workday")
SATURDAY = 5
_NAMES = {kind.value: kind.chinese for kind in chinese_calendar.Holiday}


class Day(Struct, frozen=True):
    """
    What kind of day it is.

    ``weekend``: free without a holiday. ``adjusted_workday`` (调休上班): a Saturday or Sunday that is worked for a holiday.
    ``holiday``: the Chinese name of the holiday it belongs to; None for others.
    """

    day_type: DayType
    holiday: str | None


def day_of(day: date) -> Day | None:
    """Return what kind of day a date is; None for years that are not announced."""
    try:
        is_free, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return None
    is_weekend = day.weekday() >= SATURDAY
    holiday = _NAMES.get(name) if name else None
    if is_free:
        return Day("holiday" if holiday else "weekend", holiday)
    return Day("adjusted_workday" if is_weekend else "workday", holiday if is_weekend else None)
