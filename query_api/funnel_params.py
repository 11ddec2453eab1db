"""
The funnel's request: Structs and the checks that need no database. What each means: ``funnel.semantics``.
"""

from __future__ import annotations

from typing import Annotated, Literal

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

MAX_STEPS = 20
MAX_ALTERNATIVES = 20
MAX_EXCLUSIONS = 20
MAX_HELD = 3
MAX_WINDOW_DAYS = 366
_UNIT_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

Order = Literal["ordered", "strict", "any"]


class Step(Params, kw_only=True):
    """Events that count as a step: ``event`` with an optional ``filter``, or several such in ``any_of``."""

    event: EventName | None = None
    filter: Filter | None = None
    any_of: (
        Annotated[list[EventSelector], Meta(min_length=1, max_length=MAX_ALTERNATIVES)] | None
    ) = None

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


class FunnelParams(Query, kw_only=True):
    """
    A funnel of 2 to 20 steps.

    ``breakdown_attribution``: the event of the chain whose values a breakdown takes: its first, its last, or that of a
    step (a number from 1). ``interval``: adds a trend by entry date.
    """

    steps: Annotated[list[Step], Meta(min_length=2, max_length=MAX_STEPS)]
    window: Window = msgspec.field(default_factory=Window)
    order: Order = "ordered"
    exclusions: Annotated[list[Exclusion], Meta(max_length=MAX_EXCLUSIONS)] = msgspec.field(
        default_factory=list
    )
    hold_constant: Annotated[list[FieldName], Meta(max_length=MAX_HELD)] = msgspec.field(
        default_factory=list
    )
    breakdown_attribution: Literal["first", "last"] | Annotated[int, Meta(ge=1, le=MAX_STEPS)] = (
        "first"
    )
    interval: Interval | None = None

    def check(self) -> None:
        """Check what needs more than one field. Errors: ``invalid_request`` with the field's path."""
        for i, step in enumerate(self.steps):
            path = f"$.steps[{i}]"
            if step.any_of is not None and (step.event is not None or step.filter is not None):
                raise InvalidRequest(f"{path}.any_of", "either any_of, or event and filter")
            for j, selector in enumerate(step.selectors()):
                if selector.event is None:
                    raise InvalidRequest(f"{step.path_of(i, j)}.event", "is required")
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

    def steps_overlap(self) -> bool:
        """Tell whether one event may match two steps: two steps name the same event."""
        seen: set[str | None] = set()
        for step in self.steps:
            names = {selector.event for selector in step.selectors()}
            if seen & names:
                return True
            seen |= names
        return False


class FunnelCell(Params, kw_only=True):
    """
    A number of the answer: the users of a step, or with ``dropped`` those who reached the step before it and not it.

    ``breakdown`` (field to value) or ``other`` names a group, ``time`` a point of the trend by its label.
    """

    step: Annotated[int, Meta(ge=1, le=MAX_STEPS)]
    dropped: bool = False
    breakdown: dict[str, str | int | float | bool | list[str] | None] | None = None
    other: bool = False
    time: Annotated[str, Meta(max_length=40)] | None = None
