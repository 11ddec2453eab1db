"""``scenetrail up --shards N``: a shard killed in the middle of load, all of it started again with one shard more."""

import os
import signal
import threading
import time
from pathlib import Path

from standalone_process import Standalone, request

from collector.clickhouse_urls import addresses
from collector.migrate import connect
from tests.waiting import until

EVENTS_OF_A_BATCH = 50
DAY = {"time_range": {"from": "2020-01-01", "to": "2037-12-31"}}
QUESTION = DAY | {
    "measures": [
        {"event": "view", "aggregate": "count", "as": "events"},
        {"event": "view", "aggregate": "users", "as": "users"},
    ]
}


def send(ready: dict, number: int) -> int:
    """Send one batch until it is taken; return how many of its events were new."""
    now = time.time_ns() // 1_000_000
    body = {
        "app_id": ready["app_id"],
        "platform": "wechat",
        "sent_at": now,
        "events": [
            {
                "event_id": f"{number}-{index}",
                "event": "view",
                "occurred_at": now - index,
                "openid": f"o{number}",
                "user_id": f"u{number % 20}",
            }
            for index in range(EVENTS_OF_A_BATCH)
        ],
    }
    status, answer = until(
        lambda: answer if (answer := post(ready, body))[0] == 200 else None, "the batch is taken"
    )
    assert (status, answer["rejected"]) == (200, 0)
    return int(answer["accepted"])


def post(ready: dict, body: dict) -> tuple[int, dict]:
    return request(f"{ready['collector_url']}/v1/events", body, X_Write_Key=ready["write_key"])


def total(ready: dict, **more: object) -> tuple[int, dict]:
    """Status and answer of the question about all events."""
    return request(
        f"{ready['query_url']}/v1/query/events",
        QUESTION | more,
        Authorization=f"Bearer {ready['read_token']}",
    )


def counted(ready: dict, events: int) -> dict:
    """Return the totals once they are all there."""

    def seen() -> dict | None:
        status, answer = total(ready)
        if status != 200:
            return None
        found = answer["result"]["series"][0]["total"]
        assert found["events"] <= events
        return found if found["events"] == events else None

    found: dict = until(seen, f"{events} events are counted")
    return found


def rows_by_shard(ready: dict, condition: str = "1") -> list[int]:
    found = []
    for url in addresses(ready["clickhouse_urls"]):
        client = connect(url)
        rows = client.query(f"SELECT count() FROM events_local FINAL WHERE {condition}").result_rows  # noqa: S608
        found.append(rows[0][0])
        client.close()
    return found


def test_a_shard_killed_under_load_loses_and_doubles_nothing_and_a_third_one_leaves_what_was(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    standalone = Standalone(data, "--shards", "2").wait_ready()
    try:
        ready = standalone.ready
        accepted: list[int] = []

        def load(first: int) -> None:
            for number in range(first, 60, 3):
                accepted.append(send(ready, number))
                if number % 4 == 0:  # a client that did not hear the answer
                    send(ready, number)

        senders = [threading.Thread(target=load, args=(first,)) for first in range(3)]
        for sender in senders:
            sender.start()
        for name, reached in (("clickhouse-2", 10), ("clickhouse", 25), ("clickhouse-2", 40)):
            until(lambda reached=reached: len(accepted) >= reached, f"{reached} batches")
            pid = until(
                lambda name=name: standalone.pid_of(f"collector.local_clickhouse {data}/{name}"),
                f"{name} runs",
            )
            os.kill(pid, signal.SIGKILL)
        for sender in senders:
            sender.join()
        assert sum(accepted) == 60 * EVENTS_OF_A_BATCH
        before = counted(ready, 3_000)
        assert before["users"] == 20
        on_shards = rows_by_shard(ready)
        assert sum(on_shards) == 3_000
        assert min(on_shards) > 1_000
        assert standalone.stop() == 0
    finally:
        standalone.end()

    refused = Standalone(data, "--shards", "1")
    assert refused.finish() == 2
    grown = Standalone(data, "--shards", "3").wait_ready()
    try:
        ready = grown.ready
        assert counted(ready, 3_000) == before
        assert rows_by_shard(ready) == [*on_shards, 0]
        for number in range(0, 60, 5):
            assert send(ready, number) in (0, EVENTS_OF_A_BATCH)  # the worker may have forgotten it
        later = time.time_ns() // 1_000_000 + 3_600_000
        body = {
            "app_id": ready["app_id"],
            "platform": "wechat",
            "sent_at": later,  # a client whose clock goes an hour ahead
            "events": [
                {"event_id": f"later-{i}", "event": "view", "occurred_at": later, "user_id": "u1"}
                for i in range(300)
            ],
        }
        assert post(ready, body)[0] == 200
        after = counted(ready, 3_300)
        assert after["users"] == 20
        assert min(rows_by_shard(ready, "event_id LIKE 'later%'")) > 50
        assert grown.stop() == 0
    finally:
        grown.end()
