"""
What the `queries` command asks: every report of the query API once, and what stands beside it.

Called by ``queries``. Requests are those of the contract and of the query API's README; the events are those of
``queries.insert_events.sql``.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

STEPS = ["product_view", "add_to_cart", "order_pay"]
ALL_EVENTS = [
    *("app_show", "page_view", "product_view", "add_to_cart", "order_submit", "order_pay", "share")
]


class Question(Struct, frozen=True):
    """
    A report to time.

    ``events``: those it reads, for the floor. ``by_hand``: the SQL file that a person would write in ClickHouse;
    ``duckdb``: the one for DuckDB; empty where there is none.
    """

    name: str
    report: str
    request: dict[str, Any]
    events: list[str]
    by_hand: str = ""
    duckdb: str = ""


_FUNNEL: dict[str, Any] = {
    "steps": [{"event": name} for name in STEPS],
    "window": {"value": 1, "unit": "day"},
}
_RETENTION: dict[str, Any] = {
    "initial": {"event": "app_show"},
    "returning": {"event": "app_show"},
    "unit": "day",
    "periods": 7,
    "mode": "on",
}


def _measured(aggregate: str, event: str, **more: str) -> dict[str, Any]:
    return {"measures": [{"event": event, "aggregate": aggregate, **more}], "interval": "day"}


_BY_PLATFORM = {"breakdown": ["platform"]}


def questions() -> list[Question]:
    """List what is timed, the main reports first."""
    pay, view = {"event": "order_pay"}, {"event": "product_view"}
    price = "properties.price"
    return [
        Question(
            *("漏斗 funnel, 3 steps", "funnel", _FUNNEL, STEPS),
            by_hand="queries.window_funnel",
            duckdb="duckdb.funnel",
        ),
        Question(
            *("漏斗 funnel by scene group", "funnel"),
            *(_FUNNEL | {"breakdown": ["scene_group"]}, STEPS),
        ),
        Question(
            *("留存 retention, first", "retention", _RETENTION | {"cohort": "first"}, ["app_show"]),
            by_hand="queries.one_pass_retention",
            duckdb="duckdb.retention_first",
        ),
        Question(
            *("留存 retention, every", "retention", _RETENTION | {"cohort": "every"}, ["app_show"]),
            by_hand="queries.one_pass_retention",
            duckdb="duckdb.retention_every",
        ),
        Question(
            *("事件 events, count by day", "events"),
            *(_measured("count", "product_view"), ["product_view"]),
            duckdb="duckdb.count_by_day",
        ),
        Question(
            *("事件 events, users by day", "events"),
            *(_measured("users", "product_view"), ["product_view"]),
            duckdb="duckdb.users_by_day",
        ),
        Question(
            *("事件 events, sum of price by city", "events"),
            _measured("sum", "order_pay", field=price) | {"breakdown": ["properties.city"]},
            ["order_pay"],
            duckdb="duckdb.sum_by_city",
        ),
        Question("场景 scenes", "scenes", {"by": "scene"}, ALL_EVENTS),
        Question("访问 sessions", "sessions", {}, ALL_EVENTS, duckdb="duckdb.sessions"),
        Question("路径 paths", "paths", {"start": {"event": "app_show"}}, ALL_EVENTS),
        Question("生命周期 lifecycle", "lifecycle", {}, ALL_EVENTS),
        Question("粘性 stickiness", "stickiness", {}, ALL_EVENTS),
        Question("分布 distribution", "distribution", {"measured": view}, ["product_view"]),
        Question("间隔 interval", "interval", {"start": view, "end": pay}, [STEPS[0], STEPS[2]]),
        Question(
            *("价值 ltv", "ltv"),
            {
                "start": {"event": "app_show"},
                "measures": [{**pay, "field": price}],
            },
            ["app_show", "order_pay"],
        ),
        Question(
            *("归因 attribution", "attribution"),
            {"target": pay, "value": price, "touches": [{"event": "add_to_cart"}, view]},
            STEPS,
        ),
        Question("访问 sessions by platform", "sessions", _BY_PLATFORM, ALL_EVENTS),
        Question("生命周期 lifecycle by platform", "lifecycle", _BY_PLATFORM, ALL_EVENTS),
        Question("粘性 stickiness by platform", "stickiness", _BY_PLATFORM, ALL_EVENTS),
        Question("日报 summary", "summary", {}, ALL_EVENTS),
        Question("分享 share", "share", {"revenue": price}, ["share", "app_show", "order_pay"]),
        Question("用户 users", "users", {}, ALL_EVENTS),
    ]
