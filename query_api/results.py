"""
The shapes of the reports whose names are fixed, as Structs: what ``client.py`` returns and what OpenAPI shows.

A report answers plain objects and may add fields to these; a reader of an older version ignores what it does not know.
Counts are integers; rates are numbers, None where the denominator is 0.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

Value = str | int | float | bool | list[str] | None


class FunnelBucket(Struct, kw_only=True):
    """Users who took at least ``from_ms`` and less than ``to_ms`` from the step before."""

    from_ms: int
    to_ms: int | None
    users: int


class NextEvent(Struct, kw_only=True):
    """What users who dropped did next within the window; ``event`` None: nothing."""

    event: str | None
    users: int
    share: float


class FunnelStep(Struct, kw_only=True):
    """Who reached a step, and how long it took from the step before; ``dropped_next`` where it is asked for."""

    step: int
    event: str
    users: int
    rate_from_previous: float | None
    rate_from_first: float | None
    dropped: int
    median_ms_from_previous: float | None
    average_ms_from_previous: float | None
    histogram: list[FunnelBucket] = []
    optional: bool = False
    dropped_next: list[NextEvent] = []
    dropped_next_other: int = 0


class Difference(Struct, kw_only=True):
    """An axis of the meaning with its value in the answer (``here``) and under a preset (``there``)."""

    axis: str
    here: Any
    there: Any


class UnderPreset(Struct, kw_only=True):
    """An answer under the semantics of another product: ``steps`` of a funnel, ``total`` and ``cohorts`` of a retention."""

    preset: str
    axes: dict[str, Any]
    differs: list[Difference]
    left_out: list[str]
    not_expressed: list[str]
    source: str
    steps: list[FunnelStep] = []
    total: dict[str, Any] | None = None
    cohorts: list[dict[str, Any]] = []


class FunnelGroup(Struct, kw_only=True):
    """The steps of one combination of breakdown values; ``other``: of all that are not shown."""

    breakdown: dict[str, Value]
    other: bool
    steps: list[FunnelStep]


class FunnelPoint(Struct, kw_only=True):
    """The steps of those who entered in one period; ``mature``: their windows have ended by now."""

    time: str
    mature: bool
    steps: list[FunnelStep]


class FunnelResult(Struct, kw_only=True):
    """``points`` with ``interval``, ``groups`` with a breakdown; ``compare``: the same of another range, and ``time_range``."""

    steps: list[FunnelStep]
    points: list[FunnelPoint] = []
    groups: list[FunnelGroup] = []
    compare: dict[str, Any] | None = None
    compare_semantics: list[UnderPreset] = []


class Cohort(Struct, kw_only=True):
    """Users of one period: how many came back in each later one; ``mature``: that period has ended by now."""

    cohort: str
    size: int
    returned: list[int]
    rates: list[float | None]
    mature: list[bool]
    breakdown: dict[str, Value] | None = None
    other: bool = False
    first_returned: list[int] = []
    lost: int | None = None
    lost_periods: int = 0
    measured: list[float | None] | None = None
    measured_per_user: list[float | None] | None = None
    measured_numerator: list[float] | None = None
    measured_denominator: list[int] | None = None


class RetentionTotal(Struct, kw_only=True):
    """Mature cells only: ``returned[n]`` of ``sizes[n]`` users, ``returned_by[n]`` of ``first_return_sizes[n]``."""

    size: int
    sizes: list[int]
    returned: list[int]
    rates: list[float | None]
    first_returned: list[int] = []
    returned_by: list[int] = []
    first_return_sizes: list[int] = []
    first_return_rates: list[float | None] = []
    returned_by_rates: list[float | None] = []
    lost: int = 0
    lost_size: int = 0
    lost_rate: float | None = None
    measured: list[float | None] | None = None
    measured_per_user: list[float | None] | None = None
    measured_numerator: list[float] | None = None
    measured_denominator: list[int] | None = None


class RetentionResult(Struct, kw_only=True):
    """One row for each cohort, or for each cohort and breakdown value."""

    cohorts: list[Cohort]
    total: RetentionTotal
    compare: dict[str, Any] | None = None
    compare_semantics: list[UnderPreset] = []


class Series(Struct, kw_only=True):
    """One breakdown value: a point is ``time`` and one value for each measure; ``total`` is over the whole range."""

    breakdown: dict[str, Value]
    other: bool
    points: list[dict[str, Any]]
    total: dict[str, Any]


class EventsResult(Struct, kw_only=True):
    """One series for each breakdown value; ``compare``: the same of another range, and ``time_range``."""

    series: list[Series]
    compare: dict[str, Any] | None = None


class SceneRow(Struct, kw_only=True):
    """An entry scene or a group of them; ``other``: of all rows beyond the limit; stay in ms."""

    launches: int
    entries: int
    users: int
    new_users: int
    sessions: int
    bounce_rate: float | None
    median_stay_ms: float | None
    next_day_retention: float | None
    platform: str | None = None
    scene: str | None = None
    scene_name: str | None = None
    scene_group: str | None = None
    other: bool = False


class ScenesResult(Struct, kw_only=True):
    """One row for each scene or group, and the whole; ``compare``: the same of another range, and ``time_range``."""

    rows: list[SceneRow]
    total: SceneRow | None = None
    compare: dict[str, Any] | None = None


class LifecyclePoint(Struct, kw_only=True):
    """Users of one period by what they were in the period before."""

    time: str
    new: int
    returning: int
    resurrected: int
    dormant: int


class LifecycleResult(Struct, kw_only=True):
    """One point for each period; ``compare``: the same of another range, and ``time_range``."""

    points: list[LifecyclePoint]
    compare: dict[str, Any] | None = None


class CellUser(Struct, kw_only=True):
    """A user of a cell: the key that ``profile`` and ``timeline`` take; the rest with ``details`` only."""

    user: str
    first_seen: str | None = None
    last_seen: str | None = None
    events: int | None = None
    platforms: list[str] = []
    ids: list[dict[str, str]] = []


class UsersResult(Struct, kw_only=True):
    """A page of a cell's users; ``total`` is the cell's number, ``next_after`` asks for the next page."""

    total: int
    users: list[CellUser]
    next_after: str | None = None


RESULTS: dict[str, type[Struct]] = {
    "events": EventsResult,
    "funnel": FunnelResult,
    "lifecycle": LifecycleResult,
    "retention": RetentionResult,
    "scenes": ScenesResult,
}
"""By report."""
