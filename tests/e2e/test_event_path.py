"""The path of an event with everything running: sent twice, killed in between, asked for through the query API."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.standalone_process import Standalone, request

from tests.faults.client import now_ms, seeded, sent_again
from tests.waiting import until

USERS = 60


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Standalone]:
    one = Standalone(tmp_path / "data", "--workers", "2")
    try:
        yield one.wait_ready()
        assert one.stop() == 0
    finally:
        one.end()


def batch_of(running: Standalone, user: int, today_ms: int) -> dict[str, Any]:
    """User n views, and every second one orders, and every third one under a user_id given later."""
    events = [
        {"event_id": f"v{user}", "event": "page_view", "occurred_at": today_ms - 60_000 + user},
        {"event_id": f"o{user}", "event": "order_pay", "occurred_at": today_ms - 30_000 + user},
    ]
    batch = {
        "app_id": running.ready["app_id"],
        "platform": "wechat",
        "sent_at": now_ms(),
        "anonymous_id": f"a{user}",
        "events": events[: 1 + (user % 2 == 0)],
    }
    return {**batch, "user_id": f"u{user // 3}"} if user % 3 == 0 else batch


def ask(running: Standalone, report: str, **more: Any) -> dict[str, Any]:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    after = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    status, answer = request(
        f"{running.ready['query_url']}/v1/query/{report}",
        {
            "app_ids": [running.ready["app_id"]],
            "time_range": {"from": day, "to": after},
            "timezone": "UTC",
            **more,
        },
        Authorization=f"Bearer {running.ready['read_token']}",
    )
    assert status == 200, answer
    result: dict[str, Any] = answer["result"]
    return result


def counts(running: Standalone) -> dict[str, int]:
    result = ask(
        running,
        "events",
        measures=[
            {"event": "page_view", "aggregate": "count", "as": "views"},
            {"event": "page_view", "aggregate": "users", "as": "viewers"},
            {"event": "order_pay", "aggregate": "count", "as": "orders"},
        ],
        interval="day",
    )
    (series,) = result["series"]
    return {name: int(series["total"][name] or 0) for name in ("views", "viewers", "orders")}


def test_event_is_counted_once_in_every_report(running: Standalone) -> None:
    rng = seeded(1)
    now = now_ms()
    batches = [batch_of(running, user, now) for user in range(USERS)]
    for number, batch in enumerate([*batches, *(sent_again(b, rng) for b in batches)]):
        if number == USERS:  # between the first and the second sending: a worker and ClickHouse
            for words in ("collector.worker", "collector.local_clickhouse"):
                pid = next(p for p, line in running.processes().items() if words in line)
                os.kill(pid, signal.SIGKILL)
        body = {**batch, "user_id": batch.get("user_id", "")}
        until(lambda body=body: send(running, body), "the batch is accepted")

    expected = {"views": USERS, "viewers": USERS, "orders": USERS // 2}
    until(running.serves, "all parts serve again")
    until(lambda: counts(running) == expected, "all are stored")
    funnel = ask(
        running,
        "funnel",
        steps=[{"event": "page_view"}, {"event": "order_pay"}],
        window={"value": 1, "unit": "hour"},
        order="ordered",
    )
    assert [step["users"] for step in funnel["steps"]] == [USERS, USERS // 2]


def send(running: Standalone, batch: dict[str, Any]) -> bool:
    """Send as the contract says: keep the batch on 408, 429, 5xx or no answer."""
    status, answer = request(
        f"{running.ready['collector_url']}/v1/events",
        json.loads(json.dumps(batch)),
        X_Write_Key=running.ready["write_key"],
    )
    assert status in (0, 200, 408, 429) or status >= 500, answer
    return status == 200
