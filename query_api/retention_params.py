"""
The retention's request: Structs and the checks that need no database. What each means: retention.py.

``RetentionQuery`` is what is asked, with axes that may be left to a preset; ``RetentionParams`` is the resolved retention.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api.errors import InvalidRequest
from query_api.params import EventSelector, FieldName, Params, Query
from query_api.presets import Preset, RetentionAxes

MAX_RETENTION_PERIODS = 366
MAX_BRACKETS = 50

Bracket = Annotated[
    list[Annotated[int, Meta(ge=0, le=MAX_RETENTION_PERIODS)]], Meta(min_length=2, max_length=2)
]
Unit = Literal["day", "week", "month"]
Mode = Literal["on", "on_or_after", "bracket"]
Cohort = Literal["every", "first"]
PeriodCounts = Literal["calendar", "elapsed", "elapsed_from_hour", "elapsed_from_day"]
PeriodZero = Literal["any", "repeated"]


class RetentionMeasure(EventSelector, kw_only=True):
    """
    A number beside each cell, of the events selected, as in the events report.

    ``sum`` of ``field`` (0 where an event lacks it), ``count`` of events, ``users`` with one; ``avg``, ``min``, ``max`` of the
    ``field`` over the events that have it; ``per_user``: events, or with ``field`` its sum, for each user with one.
    """

    aggregate: Literal["sum", "count", "users", "avg", "min", "max", "per_user"] = "sum"
    field: FieldName | None = None


class _Retention(Query, kw_only=True):
    """What every retention has, whatever its axes."""

    initial: EventSelector
    returning: EventSelector
    unit: Unit = "day"
    periods: Annotated[int, Meta(ge=0, le=MAX_RETENTION_PERIODS)] = 7
    brackets: Annotated[list[Bracket], Meta(min_length=1, max_length=MAX_BRACKETS)] | None = None
    measure: RetentionMeasure | None = None


class RetentionQuery(_Retention, kw_only=True):
    """
    Retention of the users with an ``initial`` event: columns 0 to ``periods``, or one for each of ``brackets``.

    ``measure``: a number for each cell, over the events of all users of the cohort in the column's periods, and for each of
    those users. ``compare``: adds the retention of another range.

    The axes of its meaning, each with the value used where neither the request nor a preset gives one: ``mode`` (``on``);
    ``cohort`` (``every``); ``period_counts`` (``calendar``; ``elapsed``: 24 hours, 7 or 30 days, counted for each user from
    the cohort's first initial event; ``elapsed_from_hour``: from the beginning of its hour; ``elapsed_from_day``: 1, 7 or 30
    calendar days from its day on); ``period_zero`` (``any``: one event may be the initial and the returning one;
    ``repeated``: period 0 needs two).

    ``preset``: takes the axes that the request leaves out from a product's documented behaviour. ``compare_semantics``: adds
    the totals under each of these presets, with the axes that differ.
    """

    mode: Mode | None = None
    cohort: Cohort | None = None
    period_counts: PeriodCounts | None = None
    period_zero: PeriodZero | None = None
    preset: Preset | None = None
    compare_semantics: Annotated[list[Preset], Meta(max_length=6)] = msgspec.field(
        default_factory=list
    )


class RetentionParams(_Retention, kw_only=True):
    """A retention whose axes are all decided. What they mean: ``RetentionQuery``."""

    mode: Mode = "on"
    cohort: Cohort = "every"
    period_counts: PeriodCounts = "calendar"
    period_zero: PeriodZero = "any"

    def columns(self) -> list[tuple[int, int]]:
        """Return for each column the first and last period after the cohort's in which a return counts."""
        if self.mode == "bracket":
            return [(first, last) for first, last in self.brackets or ()]
        last = self.periods
        return [(n, last if self.mode == "on_or_after" else n) for n in range(last + 1)]

    def last_period(self) -> int:
        """Return the last period after the cohort's that any column asks about."""
        return max(last for _, last in self.columns())

    def check(self) -> None:
        """Check what needs more than one field. Errors: ``invalid_request`` with the field's path."""
        if self.mode == "bracket":
            if self.brackets is None:
                raise InvalidRequest(
                    "$.brackets", "mode bracket needs brackets such as [[1, 1], [2, 7]]"
                )
            for i, (first, last) in enumerate(self.brackets):
                if last < first:
                    raise InvalidRequest(f"$.brackets[{i}]", "ends before it begins")
        elif self.brackets is not None:
            raise InvalidRequest("$.brackets", "only with mode bracket")
        for name, why in self.unfit().items():
            raise InvalidRequest(f"$.{name}", why)
        if self.measure is not None:
            aggregate = self.measure.aggregate
            if aggregate in ("sum", "avg", "min", "max") and self.measure.field is None:
                raise InvalidRequest("$.measure.field", f"{aggregate} needs a field")
            if aggregate in ("count", "users") and self.measure.field is not None:
                raise InvalidRequest("$.measure.field", f"{aggregate} takes no field")

    def unfit(self) -> dict[str, str]:
        """Return the axes that cannot go with the rest of the request, and why."""
        if self.period_zero == "repeated" and self.period_counts != "calendar":
            return {"period_zero": "repeated goes with period_counts calendar"}
        return {}


_AXES = ("mode", "cohort", "period_counts", "period_zero")


def resolve(query: RetentionQuery, axes: RetentionAxes | None) -> tuple[RetentionParams, list[str]]:
    """
    Decide every axis: what the request gives, else what ``axes`` of a preset give, else the default.

    Returns the retention and which of the preset's axes cannot go with the rest of the request and have their default
    instead. Errors: ``invalid_request`` where what the request itself gives cannot go together.
    """
    common = {name: getattr(query, name) for name in _Retention.__struct_fields__}
    given = {name: getattr(query, name) for name in _AXES if getattr(query, name) is not None}
    of_preset: dict[str, Any] = {} if axes is None else axes.values(query.unit)
    of_preset = {name: value for name, value in of_preset.items() if name not in given}
    params = RetentionParams(**{**common, **of_preset, **given})
    left_out = [name for name in params.unfit() if name in of_preset]
    for name in left_out:
        del of_preset[name]
    params = RetentionParams(**{**common, **of_preset, **given})
    params.check()
    return params, left_out


class RetentionCell(Params, kw_only=True):
    """
    One number of the table.

    ``cohort``: its first day; absent: the total over all cohorts (where ``period``, ``lost`` or ``first_return`` is given,
    over the mature ones), each user once. ``period``: the column from 0 (of a bracket: its number from 0); absent: the
    whole cohort.
    ``lost``: those of the cohort who are not in the column; without ``period`` those who have not returned in any mature
    period after the cohort's. ``first_return``: those who returned so many periods after the cohort's for the first time.
    ``measured``: those whose events the column's measure counts, whether they returned or not.
    ``breakdown`` or ``other`` as in the row; neither: all rows. ``preset``: of the retention under one of
    ``compare_semantics``, which has no breakdown.
    """

    cohort: Annotated[str, Meta(max_length=40)] | None = None
    period: Annotated[int, Meta(ge=0, le=MAX_RETENTION_PERIODS)] | None = None
    lost: bool = False
    first_return: Annotated[int, Meta(ge=1, le=MAX_RETENTION_PERIODS)] | None = None
    measured: bool = False
    breakdown: dict[str, Any] | None = None
    other: bool = False
    preset: Preset | None = None
