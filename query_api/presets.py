"""
What other products mean by a funnel and by retention, as values of our axes. Pure data; read by funnel and retention.

Each product's entry says where its behaviour is documented (``source``), which axes that fixes, and what of it has no axis
here or is not documented (``not_expressed``): that is answered with every result, so that nobody takes a number for the
product's own where it cannot be. What a product does not document keeps our default.

- **sensors** (神策): OpenAPI v1 and v2 (github.com/api-evangelist/sensors-data), manual.sensorsdata.cn; ties: the SDK moves
  events of one millisecond apart (github.com/sensorsdata/sa-sdk-miniprogram, 1.22.7).
- **ark** (易观方舟): github.com/analysys/uba-docs; events of one millisecond do not convert since 5.1; one event initial and
  returning: period 0 needs two of it; the total row is retained over the size of mature cohorts.
- **growingio**: github.com/growingio/growingio-docs, data-analytics; funnels by natural days and in the order of days.
- **mixpanel**: docs.mixpanel.com (github.com/mixpanel/docs); window of 7 days, first entry, 2 seconds of grace; retention on or
  after, rolling 24 hours for each user.
- **amplitude**: amplitude.com/docs, funnel analysis FAQ and retention analysis time: windows of 24 hours; retention in
  24-hour periods from the start event's hour; a week is 7 and a month 30 days, from the start event's day.
- **posthog**: github.com/PostHog/posthog, hogql_queries/insights and funnel-udf/src/steps.rs: 14 days, ties in any order, an
  exclusion removes the person.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

Preset: TypeAlias = Literal["sensors", "ark", "growingio", "mixpanel", "amplitude", "posthog"]


class FunnelAxes(Struct, frozen=True, kw_only=True):
    """The funnel axes that a product's documentation fixes; None: it does not."""

    source: str
    not_expressed: tuple[str, ...] = ()
    window: dict[str, Any] | None = None
    window_counts: str | None = None
    order: str | None = None
    entry: str | None = None
    ties: str | None = None
    exclusion_effect: str | None = None
    breakdown_attribution: str | None = None

    def values(self) -> dict[str, Any]:
        """Return the axes it fixes."""
        return _fixed(self)


class RetentionAxes(Struct, frozen=True, kw_only=True):
    """
    The retention axes that a product's documentation fixes; None: it does not.

    ``longer``: the axes of weeks and months that are others than those of days.
    """

    source: str
    not_expressed: tuple[str, ...] = ()
    mode: str | None = None
    cohort: str | None = None
    period_counts: str | None = None
    period_zero: str | None = None
    longer: dict[str, str] = {}

    def values(self, unit: str) -> dict[str, Any]:
        """Return the axes it fixes for periods of this unit."""
        return _fixed(self) | (self.longer if unit != "day" else {})


_NO_AXES = ("source", "not_expressed", "longer")


def _fixed(axes: FunnelAxes | RetentionAxes) -> dict[str, Any]:
    names = [n for n in axes.__struct_fields__ if n not in _NO_AXES]
    return {name: getattr(axes, name) for name in names if getattr(axes, name) is not None}


_SENSORS = "api-evangelist/sensors-data (OpenAPI v1, v2); manual.sensorsdata.cn"
_ARK = "analysys/uba-docs"
_GROWINGIO = "growingio/growingio-docs, data-analytics"
_MIXPANEL = "docs.mixpanel.com"
_AMPLITUDE = "amplitude.com/docs"
_POSTHOG = "PostHog/posthog, posthog/hogql_queries/insights"

FUNNEL: dict[Preset, FunnelAxes] = {
    "sensors": FunnelAxes(
        source=f"{_SENSORS}; sa-sdk-miniprogram 1.22.7",
        window={"value": 7, "unit": "day"},
        window_counts="elapsed",
        order="ordered",
        ties="order",
        breakdown_attribution="first",
        not_expressed=(
            "max_convert_time is documented as seconds (v1) and as minutes (v2); 10080 is taken for the minutes of 7 days",
            "which of several attempts counts is not documented; here the best",
            "extend_over_end_date off (conversions after the range do not count) has no axis; here they count",
            "it has no exclusions; those of the request are applied as asked",
        ),
    ),
    "ark": FunnelAxes(
        source=_ARK,
        window={"value": 7, "unit": "day"},
        window_counts="elapsed",
        order="ordered",
        entry="best",
        ties="apart",
        not_expressed=(
            "of several attempts it takes the events nearest to the goal; here times and breakdown are of the earliest of the "
            "deepest chains; the users of steps are the same",
            "it has no exclusions; those of the request are applied as asked",
        ),
    ),
    "growingio": FunnelAxes(
        source=_GROWINGIO,
        window={"value": 1, "unit": "day"},
        window_counts="calendar_days",
        order="ordered",
        ties="any_of_day",
        not_expressed=(
            "which of several attempts counts is not documented; here the best",
            "it has no exclusions; those of the request are applied as asked",
        ),
    ),
    "mixpanel": FunnelAxes(
        source=_MIXPANEL,
        window={"value": 7, "unit": "day"},
        window_counts="elapsed",
        order="ordered",
        entry="first",
        breakdown_attribution="first",
        not_expressed=(
            "its grace of 2 seconds (a step may come up to 2 s before the one it follows) has no axis; here it does not count",
            "windows counted in sessions have no axis",
            "what an exclusion does to the user is not documented in what was read; here it breaks the chain",
        ),
    ),
    "amplitude": FunnelAxes(
        source=f"{_AMPLITUDE}, funnel analysis FAQ",
        window_counts="elapsed",
        order="ordered",
        entry="best",
        breakdown_attribution="first",
        not_expressed=(
            "its default window is not documented in what was read; give `window`",
            "how it orders simultaneous events is not documented; here by seq and event_id",
            "what an exclusion does to the user is not documented in what was read; here it breaks the chain",
        ),
    ),
    "posthog": FunnelAxes(
        source=f"{_POSTHOG}; funnel-udf/src/steps.rs",
        window={"value": 14, "unit": "day"},
        window_counts="elapsed",
        order="ordered",
        entry="best",
        ties="any",
        exclusion_effect="user",
        breakdown_attribution="first",
        not_expressed=(
            "all_events attribution (a user in the group of each value) has no axis",
            "it orders by timestamp alone; where events of one time may not change places here, seq and event_id decide",
        ),
    ),
}

RETENTION: dict[Preset, RetentionAxes] = {
    "sensors": RetentionAxes(
        source=_SENSORS,
        mode="on",
        period_counts="calendar",
        not_expressed=(
            "CONTINUOUS_RETENTION and CONTINUOUS_WASTE (returned in every period) have no axis",
            "its zone is an offset, without clock changes; here the days of the timezone",
            "retention_rate_type WEIGHT has no axis; here users are distinct in each cohort",
        ),
    ),
    "ark": RetentionAxes(
        source=_ARK,
        mode="on",
        period_counts="calendar",
        period_zero="repeated",
        not_expressed=("retention of N days in a row (连续) has no axis",),
    ),
    "growingio": RetentionAxes(
        source=_GROWINGIO,
        mode="on",
        period_counts="calendar",
        not_expressed=(
            "its total is an average weighted by cohort size, of immature cohorts too; here of mature cells only",
        ),
    ),
    "mixpanel": RetentionAxes(
        source=_MIXPANEL,
        mode="on_or_after",
        period_counts="elapsed",
        not_expressed=(
            "retention_type birth is cohort `first`, compounded is `every`; which is the default is not documented in what was "
            "read: give `cohort`",
            "streak and on or before have no axis",
        ),
    ),
    "amplitude": RetentionAxes(
        source=f"{_AMPLITUDE}, retention analysis time",
        mode="on",
        cohort="every",
        period_counts="elapsed_from_hour",
        longer={"period_counts": "elapsed_from_day"},
        not_expressed=(
            "several starts of one user in one cohort's period open one bucket here, from the first of them",
        ),
    ),
    "posthog": RetentionAxes(
        source=f"{_POSTHOG}, retention",
        mode="on",
        period_counts="calendar",
        period_zero="any",
        not_expressed=(
            "retention_recurring is cohort `every`, retention_first_time is `first`; it has no single default: give `cohort`",
            "24_hour_windows is period_counts `elapsed`; minimumOccurrences has no axis",
            "cumulative counts returns after the last period asked for as well; mode `on_or_after` here stops there",
        ),
    ),
}


def differing(axes: dict[str, Any], others: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the axes whose values differ: ``axis``, ``here`` (of the answer) and ``there`` (of the other)."""
    return [
        {"axis": name, "here": axes[name], "there": others[name]}
        for name in axes
        if axes[name] != others[name]
    ]
