"""
The funnel's request: Structs and the checks that need no database. What each means: ``funnel.semantics``.

``FunnelQuery`` is what is asked, with axes that may be left to a preset; ``FunnelParams`` is the resolved funnel.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from query_api.errors import InvalidRequest
from query_api.params import (
    EventName,
    EventSelector,
    FieldName,
    Filter,
    Interval,
    Params,
    Query,
)
from query_api.presets import FunnelAxes, Preset

MAX_STEPS = 20
MAX_ALTERNATIVES = 20
MAX_EXCLUSIONS = 20
MAX_HELD = 3
MAX_WINDOW_DAYS = 366
MAX_OPTIONAL = 3
"""Each optional step doubles the ways a chain can go."""
MAX_NEXT = 100
_UNIT_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

Order = Literal["ordered", "strict", "any"]


class Step(Params, kw_only=True):
    """
    Events that count as a step: ``event`` with an optional ``filter``, or several such in ``any_of``.

    ``optional``: a chain may skip the step. Not the first and not the last one; up to 3 of a funnel.
    """

    event: EventName | None = None
    filter: Filter | None = None
    any_of: (
        Annotated[list[EventSelector], Meta(min_length=1, max_length=MAX_ALTERNATIVES)] | None
    ) = None
    optional: bool = False

    def selectors(self) -> list[EventSelector]:
        """Return the alternatives; one without ``any_of``."""
        return self.any_of or [EventSelector(event=self.event, filter=self.filter)]

    def path_of(self, step: int, alternative: int) -> str:
        """Path of an alternative in the request, for errors."""
        return f"$.steps[{step}]" + (f".any_of[{alternative}]" if self.any_of else "")

    def name(self) -> str:
        """Return the event's name; alternatives joined by " | "."""
        return " | ".join(dict.fromkeys(selector.event or "" for selector in self.selectors()))


class Exclusion(Params, kw_only=True):
    """Events that must not lie strictly between the chain's events of two steps (from 1)."""

    event: EventName
    filter: Filter | None = None
    from_step: Annotated[int, Meta(ge=1, le=MAX_STEPS)]
    to_step: Annotated[int, Meta(ge=1, le=MAX_STEPS)]

    def selector(self) -> EventSelector:
        """Return the excluded events."""
        return EventSelector(event=self.event, filter=self.filter)


class Window(Params, kw_only=True):
    """Longest time from the first to any other event of a chain, both ends included. A day is 24 hours."""

    value: Annotated[int, Meta(ge=1, le=MAX_WINDOW_DAYS * 86_400)] = 1
    unit: Literal["second", "minute", "hour", "day"] = "day"

    def ms(self) -> int:
        """Length in milliseconds."""
        return self.value * _UNIT_MS[self.unit]


Attribution = Literal["first", "last"] | Annotated[int, Meta(ge=1, le=MAX_STEPS)]
Entry = Literal["best", "first"]
Ties = Literal["order", "apart", "any", "any_of_day"]
ExclusionEffect = Literal["chain", "user"]
WindowCounts = Literal["elapsed", "calendar_days"]


class _Funnel(Query, kw_only=True):
    """What every funnel has, whatever its axes."""

    steps: Annotated[list[Step], Meta(min_length=2, max_length=MAX_STEPS)]
    exclusions: Annotated[list[Exclusion], Meta(max_length=MAX_EXCLUSIONS)] = msgspec.field(
        default_factory=list
    )
    hold_constant: Annotated[list[FieldName], Meta(max_length=MAX_HELD)] = msgspec.field(
        default_factory=list
    )
    interval: Interval | None = None
    dropped_next: Annotated[int, Meta(ge=0, le=MAX_NEXT)] = 0


class FunnelQuery(_Funnel, kw_only=True):
    """
    A funnel of 2 to 20 steps.

    ``interval``: adds a trend by entry date. ``dropped_next``: adds to each step the so many most frequent next events of
    those who dropped there. ``compare``: adds the funnel of another range.

    The axes of its meaning, each with the value used where neither the request nor a preset gives one: ``window`` (1 day);
    ``window_counts`` (``elapsed``: days of 24 hours; ``calendar_days``: the window ends with the value-th calendar day);
    ``order`` (``ordered``); ``entry`` (``best``: any step-1 event in the range may begin the chain; ``first``: only the
    user's first one); ``ties`` (``order``: events of one millisecond follow seq and event_id; ``apart``: they never follow
    one another; ``any``: they do in any order; ``any_of_day``: so do those of one calendar day); ``exclusion_effect``
    (``chain``: an excluded event breaks the chain; ``user``: it takes the user out); ``breakdown_attribution`` (``first``:
    the chain's event whose values a breakdown takes; ``last``; or a step, a number from 1).

    ``preset``: takes the axes that the request leaves out from a product's documented behaviour. ``compare_semantics``: adds
    the steps under each of these presets, with the axes that differ.
    """

    window: Window | None = None
    window_counts: WindowCounts | None = None
    order: Order | None = None
    entry: Entry | None = None
    ties: Ties | None = None
    exclusion_effect: ExclusionEffect | None = None
    breakdown_attribution: Attribution | None = None
    preset: Preset | None = None
    compare_semantics: Annotated[list[Preset], Meta(max_length=6)] = msgspec.field(
        default_factory=list
    )


class FunnelParams(_Funnel, kw_only=True):
    """A funnel whose axes are all decided. What they mean: ``FunnelQuery``."""

    window: Window = msgspec.field(default_factory=Window)
    window_counts: WindowCounts = "elapsed"
    order: Order = "ordered"
    entry: Entry = "best"
    ties: Ties = "order"
    exclusion_effect: ExclusionEffect = "chain"
    breakdown_attribution: Attribution = "first"

    def check(self) -> None:
        """Check what needs more than one field. Errors: ``invalid_request`` with the field's path."""
        self._check_steps()
        self._check_axes()
        if self.window.ms() > MAX_WINDOW_DAYS * _UNIT_MS["day"]:
            raise InvalidRequest("$.window", f"longer than {MAX_WINDOW_DAYS} days")
        for j, exclusion in enumerate(self.exclusions):
            path = f"$.exclusions[{j}]"
            if self.order == "any":
                raise InvalidRequest(
                    path, "steps in any order have nothing between them; use ordered or strict"
                )
            if exclusion.to_step > len(self.steps):
                raise InvalidRequest(f"{path}.to_step", f"there are {len(self.steps)} steps")
            if exclusion.from_step >= exclusion.to_step:
                raise InvalidRequest(f"{path}.from_step", "must be smaller than to_step")
        if len(set(self.hold_constant)) != len(self.hold_constant):
            raise InvalidRequest("$.hold_constant", "a field stands twice")
        if isinstance(self.breakdown_attribution, int) and self.breakdown_attribution > len(
            self.steps
        ):
            raise InvalidRequest("$.breakdown_attribution", f"there are {len(self.steps)} steps")

    def _check_steps(self) -> None:
        for i, step in enumerate(self.steps):
            path = f"$.steps[{i}]"
            if step.any_of is not None and (step.event is not None or step.filter is not None):
                raise InvalidRequest(f"{path}.any_of", "either any_of, or event and filter")
            for j, selector in enumerate(step.selectors()):
                if selector.event is None:
                    raise InvalidRequest(f"{step.path_of(i, j)}.event", "is required")
            if step.optional and i in (0, len(self.steps) - 1):
                raise InvalidRequest(
                    f"{path}.optional", "the first and the last step cannot be skipped"
                )
            if step.optional and self.order == "any":
                raise InvalidRequest(
                    f"{path}.optional",
                    "in any order every step may be missing; use ordered or strict",
                )
        optional = [i for i, step in enumerate(self.steps) if step.optional]
        if len(optional) > MAX_OPTIONAL:
            raise InvalidRequest(
                f"$.steps[{optional[MAX_OPTIONAL]}].optional",
                f"more than {MAX_OPTIONAL} optional steps",
            )

    def _check_axes(self) -> None:
        for name, why in self.unfit().items():
            raise InvalidRequest(f"$.{name}", why)
        if self.window_counts == "calendar_days" and self.window.unit != "day":
            raise InvalidRequest("$.window.unit", "calendar days are counted in days")

    def unfit(self) -> dict[str, str]:
        """Return the axes that cannot go with the rest of the request, and why."""
        plain = self.order == "ordered" and not self.hold_constant
        broken = bool(self.exclusions) and self.exclusion_effect == "chain"
        found: dict[str, str] = {}
        if self.entry == "first" and self.order == "any":
            found["entry"] = "steps in any order have no first step; use ordered or strict"
        if (
            self.exclusions
            and self.exclusion_effect == "user"
            and (not plain or self.optional_steps())
        ):
            found["exclusion_effect"] = (
                "user goes with order ordered, without hold_constant and optional steps"
            )
        for name, value, usual in (
            ("ties", self.ties, "order"),
            ("window_counts", self.window_counts, "elapsed"),
        ):
            if value != usual and (not plain or broken):
                found[name] = (
                    f"{value} goes with order ordered, without hold_constant, and with exclusions only where "
                    "exclusion_effect is user"
                )
        if self.ties in ("any", "any_of_day") and self.steps_overlap():
            found["ties"] = f"{self.ties} needs steps that name different events"
        if self.ties == "any_of_day" and self.window_counts != "calendar_days":
            found["ties"] = "any_of_day needs window_counts calendar_days"
        return found

    def optional_steps(self) -> list[int]:
        """Return the numbers of the optional steps."""
        return [i + 1 for i, step in enumerate(self.steps) if step.optional]

    def steps_overlap(self) -> bool:
        """Tell whether one event may match two steps: two steps name the same event."""
        seen: set[str | None] = set()
        for step in self.steps:
            names = {selector.event for selector in step.selectors()}
            if seen & names:
                return True
            seen |= names
        return False


def resolve(query: FunnelQuery, axes: FunnelAxes | None) -> tuple[FunnelParams, list[str]]:
    """
    Decide every axis: what the request gives, else what ``axes`` of a preset give, else the default.

    Returns the funnel and which of the preset's axes cannot go with the rest of the request and have their default
    instead. Errors: ``invalid_request`` where what the request itself gives cannot go together.
    """
    common = {name: getattr(query, name) for name in _Funnel.__struct_fields__}
    given = {name: getattr(query, name) for name in _AXES if getattr(query, name) is not None}
    of_preset: dict[str, Any] = {}
    if axes is not None:
        of_preset = {name: value for name, value in axes.values().items() if name not in given}
        if "window" in of_preset:
            of_preset["window"] = Window(**of_preset["window"])
    left_out: list[str] = []
    is_calendar = of_preset.get("window_counts") == "calendar_days"
    if is_calendar and "window" in given and given["window"].unit != "day":
        left_out.append("window_counts")
        del of_preset["window_counts"]
    params = FunnelParams(**common, **of_preset, **given)
    while unfit := [name for name in params.unfit() if name in of_preset]:
        left_out += unfit
        for name in unfit:
            del of_preset[name]
        params = FunnelParams(**common, **of_preset, **given)
    params.check()
    return params, left_out


_AXES = (
    "window",
    "window_counts",
    "order",
    "entry",
    "ties",
    "exclusion_effect",
    "breakdown_attribution",
)


class FunnelCell(Params, kw_only=True):
    """
    A number of the answer: the users of a step, or with ``dropped`` those who reached the step before it and not it.

    The step before an optional one's is the required one before it; nobody drops at an optional step. ``breakdown`` (field
    to value) or ``other`` names a group, ``time`` a point of the trend by its label. ``next_event``: of the dropped, those
    whose next event within the window has this name; null: who have none; ``next_other``: those counted in
    ``dropped_next_other``. Both need ``dropped`` and neither group. ``preset``: of the steps under one of
    ``compare_semantics``, which have neither groups nor points.
    """

    step: Annotated[int, Meta(ge=1, le=MAX_STEPS)]
    dropped: bool = False
    breakdown: dict[str, str | int | float | bool | list[str] | None] | None = None
    other: bool = False
    time: Annotated[str, Meta(max_length=40)] | None = None
    preset: Preset | None = None
    next_event: EventName | msgspec.UnsetType | None = msgspec.UNSET
    next_other: bool = False
