"""
A client that behaves as the contract says, many at once: keeps a batch on 408, 429, 5xx or no answer, drops it otherwise.

What it sends is drawn from a seed, so a failure can be repeated.
"""

import contextlib
import http.client
import json
import queue
import random
import threading
import time
from collections import Counter
from typing import Any

from tests.faults.collector_process import APP_ID, WRITE_KEY

Batch = dict[str, Any]
NOBODY_ANSWERED = 0


def seeded(seed: int) -> random.Random:
    """Random numbers that a failing test can draw again."""
    return random.Random(seed)  # noqa: S311


def now_ms() -> int:
    """The clock of an honest client."""
    return time.time_ns() // 1_000_000


def make_event(event_id: str, rng: random.Random, **fields: Any) -> dict[str, Any]:
    """An ordinary event of the last minutes."""
    return {
        "event_id": event_id,
        "event": rng.choice(["page_view", "tap", "app_show", "order_pay"]),
        "occurred_at": now_ms() - rng.randrange(200_000),
        "seq": rng.randrange(1000),
        "session_id": f"s{rng.randrange(500)}",
        "page": f"pages/{rng.randrange(20)}",
        "properties": {"sku": f"A-{rng.randrange(50)}", "price": rng.randrange(1000) / 10},
        **fields,
    }


def make_batch(events: list[dict[str, Any]], rng: random.Random, **fields: Any) -> Batch:
    """An envelope as an SDK fills it."""
    return {
        "app_id": APP_ID,
        "platform": "wechat",
        "sent_at": now_ms(),
        "anonymous_id": f"a{rng.randrange(1000)}",
        "events": events,
        **fields,
    }


def make_batches(prefix: str, events: int, rng: random.Random, largest: int = 500) -> list[Batch]:
    """``events`` events with ids of their own in batches of random sizes."""
    batches = []
    made = 0
    while made < events:
        size = min(rng.randint(1, largest), events - made)
        ids = [f"{prefix}-{made + n}" for n in range(size)]
        batches.append(make_batch([make_event(i, rng) for i in ids], rng))
        made += size
    return batches


def send(
    port: int,
    body: bytes,
    connection: http.client.HTTPConnection | None = None,
    key: str = WRITE_KEY,
    timeout_s: float = 30,
    **headers: str,
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Send one body and return status, answer and headers; status 0: nobody answered."""
    own = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        own.request("POST", "/v1/events", body, {"X-Write-Key": key, **names})
        answer = own.getresponse()
        content = answer.read()
        return answer.status, json.loads(content), {k.lower(): v for k, v in answer.getheaders()}
    except (OSError, http.client.HTTPException):
        own.close()
        return NOBODY_ANSWERED, {}, {}
    finally:
        if connection is None:
            own.close()


def send_batch(port: int, batch: Batch, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send one batch once."""
    status, answer, _ = send(port, json.dumps(batch).encode(), **headers)
    return status, answer


class Load:
    """
    Threads that send batches until each is accepted; ``accepted`` are the ids that a 200 promised.

    ``again_ratio`` of the batches are sent a second time after their 200: with another ``sent_at``, now and then in
    another envelope, over a new connection and so perhaps to another worker.
    """

    def __init__(
        self,
        port: int,
        batches: list[Batch],
        *,
        threads: int = 4,
        seed: int = 1,
        again_ratio: float = 0.0,
        pause_s: float = 0.0,
    ) -> None:
        self._port = port
        self._todo: queue.Queue[tuple[Batch, bool]] = queue.Queue()
        for batch in batches:
            self._todo.put((batch, True))
        self._left = len(batches)
        self._again_ratio = again_ratio
        self._pause_s = pause_s
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self.accepted: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.sent_again = 0
        self.told_duplicates = 0
        self.without_retry_after = 0
        self.faults: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(seeded(seed * 1000 + n),), daemon=True)
            for n in range(threads)
        ]

    def start(self) -> "Load":
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    def add(self, batch: Batch) -> None:
        """Send one more."""
        with self._guard:
            self._left += 1
        self._todo.put((batch, True))

    @property
    def is_done(self) -> bool:
        """True when every batch was answered with its fate."""
        return self._left == 0

    def finish(self, limit_s: float = 300) -> None:
        """Wait until every batch is accepted; fail when one never is or was refused."""
        deadline = time.monotonic() + limit_s
        while not self.is_done and not self.faults and time.monotonic() < deadline:
            time.sleep(0.02)
        left = self._left
        self.stop()
        assert not self.faults, self.faults[:3]
        assert left == 0, f"{left} batches not accepted after {limit_s} s; {self.statuses}"

    def stop(self) -> None:
        """End the threads; what was not answered stays unsent."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(300)

    def _run(self, rng: random.Random) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stopping.is_set():
            try:
                batch, is_first = self._todo.get(timeout=0.05)
            except queue.Empty:
                continue
            if rng.random() < 0.2:
                connection.close()  # the next one may be another worker's
            if self._pause_s:
                time.sleep(rng.random() * 2 * self._pause_s)
            status, answer, headers = send(self._port, json.dumps(batch).encode(), connection)
            self._judge(batch, is_first, status, answer, headers, rng)
        connection.close()

    def _judge(
        self,
        batch: Batch,
        is_first: bool,
        status: int,
        answer: dict[str, Any],
        headers: dict[str, str],
        rng: random.Random,
    ) -> None:
        with self._guard:
            self.statuses[status] += 1
            if status in (429, 503) and "retry-after" not in headers:
                self.without_retry_after += 1
            if status == 200:
                if answer["rejected"] or answer["accepted"] + answer["duplicates"] != len(
                    batch["events"]
                ):
                    self.faults.append(f"wrong fates: {answer}")
                self.told_duplicates += answer["duplicates"]
                self.accepted.update(event["event_id"] for event in batch["events"])
                if is_first and rng.random() < self._again_ratio:
                    self.sent_again += 1
                    self._todo.put((sent_again(batch, rng), False))
                else:
                    self._left -= 1
                return
        if status in (NOBODY_ANSWERED, 408, 429) or status >= 500:
            # Sooner than Retry-After says: more requests meet the fault.
            time.sleep(0.02 + rng.random() * 0.1)
            self._todo.put(({**batch, "sent_at": now_ms()}, is_first))
            return
        with self._guard:
            self.faults.append(f"{status}: {answer}")


def sent_again(batch: Batch, rng: random.Random) -> Batch:
    """The same events in a later request, sometimes in an envelope with other ids."""
    again = {**batch, "sent_at": now_ms() + rng.randrange(1000)}
    if rng.random() < 0.3:
        again["anonymous_id"] = f"b{rng.randrange(1000)}"
    if rng.random() < 0.3:
        again["user_id"] = f"u{rng.randrange(1000)}"
    return again


@contextlib.contextmanager
def sending(load: Load):
    """Send in the background; stopped at the end, whatever happens."""
    load.start()
    try:
        yield load
    finally:
        load.stop()
