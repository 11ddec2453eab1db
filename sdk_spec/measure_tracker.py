"""
Prints what the server SDK costs and carries: ``python -m sdk_spec.measure_tracker``.

A collector of this file's own, in another process on this machine, takes every batch at once: the figures are the SDK's.
"""

from __future__ import annotations

import gzip
import http.server
import json
import multiprocessing
import time
from multiprocessing.connection import Connection

from sdk_spec.tracker import Tracker

_EVENTS = 100_000


class _Taker(http.server.BaseHTTPRequestHandler):
    """Takes every event of a request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer as a collector does."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        fates = {"accepted": text.count(b'"event_id"'), "duplicates": 0, "rejected": 0}
        answer = json.dumps({"request_id": "r", **fates, "errors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        """Be quiet."""


def _serve(pipe: Connection) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    pipe.send(server.server_address[1])
    server.serve_forever()


def measure(events: int = _EVENTS) -> dict[str, float]:
    """
    Track ``events`` orders and wait until all are taken.

    Returns: ``track_us`` (CPU microseconds of the calling thread for one ``track``), ``cpu_us`` (of the whole process for one
    event, sending included), ``per_s`` (events tracked, sent and answered in a second by the clock) and ``accepted``.
    """
    mine, theirs = multiprocessing.Pipe()
    collector = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs,), daemon=True
    )
    collector.start()
    client = Tracker(f"http://127.0.0.1:{mine.recv()}", "wk", "app", when_full="wait")
    process_s, clock_s, thread_s = time.process_time(), time.perf_counter(), time.thread_time()
    for number in range(events):
        client.track(
            "order_pay",
            user_id=f"u{number % 1000}",
            event_id=f"order-{number}",
            properties={"sku": "A-1", "金额": 19.9, "vip": True, "tags": ["new"]},
        )
    thread_s = time.thread_time() - thread_s
    client.flush(600)
    process_s, clock_s = time.process_time() - process_s, time.perf_counter() - clock_s
    client.close()
    collector.terminate()
    collector.join()
    return {
        "track_us": thread_s / events * 1e6,
        "cpu_us": process_s / events * 1e6,
        "per_s": events / clock_s,
        "accepted": client.accepted,
    }


if __name__ == "__main__":
    figures = measure()
    print(f"one track:                 {figures['track_us']:.1f} µs of CPU in the calling thread")
    print(f"one event with its share of sending: {figures['cpu_us']:.1f} µs of CPU")
    print(
        f"tracked, sent and answered: {figures['per_s']:,.0f} events/s, {figures['accepted']:,.0f} accepted"
    )
