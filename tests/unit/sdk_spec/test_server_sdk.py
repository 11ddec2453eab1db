"""The thread of the Python SDK against a collector that misbehaves: nothing may end it, and the process ends in order."""

import asyncio
import gzip
import http.server
import inspect
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sdk_spec.events import Event
from sdk_spec.measure_tracker import measure
from sdk_spec.tracker import EventFields, Tracker
from tests.waiting import until

ROOT = Path(__file__).parents[3]
Reply = tuple[int, dict[str, str], bytes]


class StubCollector(http.server.ThreadingHTTPServer):
    """Answers with the replies it was given, then as a collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.replies: list[Reply] = []
        self.batches: list[list[str]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: StubCollector

    def do_POST(self) -> None:
        """Answer with the next reply."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        events = json.loads(text)["events"]
        self.server.batches.append([event["event_id"] for event in events])
        fates = {"request_id": "r", "accepted": len(events), "duplicates": 0, "rejected": 0}
        taken = json.dumps({**fates, "errors": []}).encode()
        status, headers, body = (
            self.server.replies.pop(0) if self.server.replies else (200, {}, taken)
        )
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Be quiet."""


@pytest.fixture
def collector() -> Iterator[StubCollector]:
    with StubCollector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tracker(collector: StubCollector, **settings: Any) -> Tracker:
    return Tracker(collector.url, "wk", "app", flush_interval_s=0.01, **settings)


MISBEHAVIOUR: dict[str, Reply] = {
    "an answer cut off": (200, {"Content-Length": "999"}, b"{"),
    "an error cut off": (500, {"Content-Length": "999"}, b"{"),
    "Retry-After that is no number": (503, {"Retry-After": "²"}, b""),
    "Retry-After as a date long ago": (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""),
    "a redirect": (302, {"Location": "http://127.0.0.1:9/other"}, b""),
    "a permanent redirect": (308, {"Location": "http://127.0.0.1:9/other"}, b""),
    "another service's JSON": (200, {}, b'{"ok": true}'),
    "a Wi-Fi login page": (200, {"Content-Type": "text/html"}, b"<html>Log in</html>"),
    "Retry-After as a date that no clock has": (
        503,
        {"Retry-After": "Mon, 01 Jan 0001 00:00:00 -0000"},
        b"",
    ),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_the_batch_is_kept_through(collector: StubCollector, name: str) -> None:
    collector.replies = [MISBEHAVIOUR[name]]
    client = tracker(collector)
    event_id = client.track("order_pay", user_id="u1")

    assert client.close(60)

    assert collector.batches == [[event_id], [event_id]]
    assert client.accepted == 1


def test_an_on_rejected_that_throws_does_not_end_the_thread(
    collector: StubCollector, caplog: pytest.LogCaptureFixture
) -> None:
    def throw(_event: Event, _code: str, _message: str) -> None:
        raise RuntimeError("theirs")

    collector.replies = [(403, {}, b"{}")]
    client = tracker(collector, on_rejected=throw)
    client.track("refused", user_id="u1")
    assert client.flush(60)
    client.track("later", user_id="u1")

    assert client.close(60)

    assert client.drops == {"refused": 1}
    assert "on_rejected failed" in caplog.text


def test_an_event_without_utf8_is_refused_where_it_is_made(collector: StubCollector) -> None:
    """Half an emoji: it would have stopped all the events that are sent with it."""
    client = tracker(collector)

    with pytest.raises(ValueError, match="surrogates"):
        client.track(
            "cut",
            user_id="u1",
            properties={"name": "😀".encode("utf-16")[2:4].decode("utf-16", "surrogatepass")},
        )
    with pytest.raises(ValueError, match="no field pgae"):
        client.track("x", user_id="u1", pgae="pages/home")  # type: ignore[call-arg]
    event_id = client.track("x", user_id="u1", properties={"nan": float("nan")})
    assert client.close(60)

    assert collector.batches == [[event_id]]


def test_fields_are_typed_as_the_wire_has_them() -> None:
    named = inspect.signature(Tracker.track).parameters.keys() - {"self", "fields"}

    assert named | EventFields.__annotations__.keys() == set(Event.__struct_fields__)


@pytest.mark.parametrize("key", ["", "wk\n", "wk 1", "密钥"])
def test_a_key_that_no_header_carries_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="keys are printable"):
        Tracker("http://127.0.0.1:9", key, "app")


def test_an_import_waits_for_room_and_loses_nothing(collector: StubCollector) -> None:
    collector.replies = [(503, {"Retry-After": "1"}, b"")]
    client = tracker(collector, max_queued=50, batch_events=20, when_full="wait")
    tracked = [client.track("x", user_id="u1", event_id=f"e{i}") for i in range(1_000)]

    assert client.close(60)

    assert sorted({i for batch in collector.batches for i in batch}) == sorted(tracked)
    assert (client.accepted, client.dropped) == (1_000, 0)


def test_who_waits_for_room_is_woken_by_the_end() -> None:
    client = Tracker(
        "http://127.0.0.1:9", "wk", "app", max_queued=1, when_full="wait", timeout_s=0.2
    )
    client.track("x", user_id="u1")
    told: list[str] = []

    def wait() -> None:
        with pytest.raises(ValueError, match="closed") as refused:
            client.track("x", user_id="u1")
        told.append(str(refused.value))

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not client.close(0.3)
    waiter.join(60)

    assert told == ["the tracker is closed"]


def test_on_rejected_may_track_though_the_queue_is_full(collector: StubCollector) -> None:
    collector.replies = [(403, {}, b"{}")]
    client = tracker(
        collector,
        max_queued=1,
        when_full="wait",
        on_rejected=lambda *_: client.track("refused", user_id="u1", event_id="told"),
    )
    client.track("x", user_id="u1", event_id="first")

    until(lambda: ["told"] in collector.batches, "what on_rejected tracked is sent")
    assert client.close(60)


def test_a_with_statement_ends_in_order(collector: StubCollector) -> None:
    with tracker(collector) as client:
        event_id = client.track("x", user_id="u1")

    assert collector.batches == [[event_id]]
    with pytest.raises(ValueError, match="closed"):
        client.track("x", user_id="u1")


def test_threads_track_at_once_and_each_event_is_sent_once(collector: StubCollector) -> None:
    client = tracker(collector, batch_events=50)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: client.track("x", user_id="u1"), range(2_000)))

    assert client.close(60)

    assert sorted(i for batch in collector.batches for i in batch) == sorted(ids)


async def test_in_a_loop_track_does_not_wait_and_flush_has_a_thread(
    collector: StubCollector,
) -> None:
    client = tracker(collector)
    ids = [client.track("x", user_id="u1") for _ in range(100)]

    assert await asyncio.to_thread(client.flush, 60)
    assert await asyncio.to_thread(client.close, 60)

    assert sorted(i for batch in collector.batches for i in batch) == sorted(ids)


def test_what_it_costs_is_measured_over_events_that_arrive() -> None:
    figures = measure(300)

    assert figures["accepted"] == 300
    assert min(figures.values()) > 0


def test_errors_that_name_no_event_of_the_batch_are_passed_over(collector: StubCollector) -> None:
    error = {"index": 7, "event_id": None, "code": "x", "path": "$", "message": ""}
    fates = {"request_id": "r", "accepted": 0, "duplicates": 0, "rejected": 1, "errors": [error]}
    collector.replies = [(422, {}, json.dumps(fates).encode())]
    client = tracker(collector)
    client.track("x", user_id="u1")

    assert client.close(60)

    assert client.rejected == 1


def test_events_that_were_not_sent_before_the_end_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    client = Tracker("http://127.0.0.1:9", "wk", "app", timeout_s=0.2)
    client.track("x", user_id="u1")

    assert not client.close(0.3)

    assert "1 events were not sent" in caplog.text
    with pytest.raises(ValueError, match="closed"):
        client.track("x", user_id="u1")


def run(script: str, url: str) -> None:
    """Run a program that uses the SDK, in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), url],
        check=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_program_that_just_ends_sends_what_waits(collector: StubCollector) -> None:
    run(
        """
        import sys
        from sdk_spec.tracker import Tracker
        client = Tracker(sys.argv[1], "wk", "app", flush_interval_s=3600)
        for i in range(3):
            client.track("x", user_id="u1", event_id=f"e{i}")
        """,
        collector.url,
    )

    assert collector.batches == [["e0", "e1", "e2"]]


def test_a_signal_that_ends_the_program_in_order_sends_what_waits(
    collector: StubCollector,
) -> None:
    """As the README says: a handler that exits; without one, nothing runs any more."""
    run(
        """
        import os, signal, sys
        from sdk_spec.tracker import Tracker
        client = Tracker(sys.argv[1], "wk", "app", flush_interval_s=3600)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        client.track("x", user_id="u1", event_id="waiting")
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
        """,
        collector.url,
    )

    assert collector.batches == [["waiting"]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_sends_what_waits_at_its_end(
    collector: StubCollector, tmp_path: Path, method: str
) -> None:
    """Such a child ends without `atexit`. Forked, it inherits the tracker; spawned, it makes one."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            from sdk_spec.tracker import Tracker
            client = Tracker(sys.argv[1], "wk", "app", flush_interval_s=3600)

            def work():
                client.track("x", user_id="u1", event_id="child")

            if __name__ == "__main__":
                child = multiprocessing.get_context(sys.argv[2]).Process(target=work)
                child.start()
                child.join()
                client.track("x", user_id="u1", event_id="parent")
            """
        )
    )
    subprocess.run(
        [sys.executable, str(program), collector.url, method],
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert collector.batches == [["child"], ["parent"]]


def test_after_a_fork_each_process_sends_its_own_events_once(collector: StubCollector) -> None:
    run(
        """
        import os, sys
        from sdk_spec.tracker import Tracker
        client = Tracker(sys.argv[1], "wk", "app", flush_interval_s=3600)
        client.track("x", user_id="u1", event_id="before")
        child = os.fork()
        client.track("x", user_id="u1", event_id="parent" if child else "child")
        if child:
            os.waitpid(child, 0)
        """,
        collector.url,
    )

    assert sorted(collector.batches) == [["before", "parent"], ["child"]]
