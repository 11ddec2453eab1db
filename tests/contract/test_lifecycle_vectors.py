"""The lifecycle vectors that apply to a server, played by the rules of the Python SDK with a clock of their own."""

import gzip
import json
from typing import Any

import pytest

from sdk_spec.delivery import Answer, Credentials, Delivery
from sdk_spec.events import Event
from sdk_spec.tracker import make_event
from tests.contract.lifecycle_runner import load_vectors, play

VECTORS = load_vectors()
MET = {"api", "server"}
"""A server has no pages, launches, cards; its queue is in memory; its caller asks for consent. README says so."""
LATENCY_S = 0.04


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at_s = 1000.0
        self.set_by_ms = 0

    def wall_ms(self) -> int:
        """Epoch ms."""
        return 1_795_300_912_353 + round(self.at_s * 1000) + self.set_by_ms

    def running_s(self) -> float:
        """Seconds since some moment."""
        return self.at_s


class ServerDriver:
    """Translates the steps of a vector to a server that reports one visitor."""

    def __init__(self, options: dict[str, int]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.refused_ids: list[str] = []
        self.told: list[str] = []
        self.clock = FakeClock()
        self.delivery = Delivery(
            Credentials("wx-vectors", "wk_vectors"),
            platform="server",
            batch_events=options.get("batch_size", 50),
            flush_interval_s=5,
            max_queued=options.get("max_queue_events", 500),
            on_rejected=self._hear_rejected,
            clock=self.clock,
        )
        self.visitor = {"anonymous_id": "visitor-1"}
        self.says: dict[str, Any] = {"status": 200}
        self.until_s = self.clock.at_s
        self.taken: list[bool] = []
        self.known: set[str] = set()

    def is_taken(self, index: int) -> bool:
        """Whether that request was answered with a 200 of the collector."""
        return self.taken[index]

    def stats(self) -> dict[str, Any]:
        """The SDK's own counts."""
        delivery = self.delivery
        return {
            "delivered": delivery.accepted + delivery.duplicates,
            "rejected": delivery.rejected,
            "queued": delivery.waiting,
            "dropped": dict(delivery.drops),
        }

    def start(self, _step: dict[str, Any]) -> None:
        """Nothing: it began when it was made."""

    def track(self, step: dict[str, Any]) -> None:
        """Record an event of the visitor, or of whom the step names."""
        given = {key: value for key, value in step.items() if key != "do"}
        occurred_at = given.pop("occurred_at", self.clock.wall_ms())
        ids = {} if {"user_id", "openid"} & given.keys() else self.visitor
        self.delivery.add(make_event(occurred_at, **{**ids, **given}))

    def identify(self, step: dict[str, Any]) -> None:
        """A server names the person in each event; the visitor it reports is known from now on."""
        self.visitor = {**self.visitor, "user_id": step["user_id"]}
        self.track({"do": "track", "event": "identify"})

    def set_user(self, step: dict[str, Any]) -> None:
        """Change the visitor's profile."""
        self.track({"do": "track", "event": "user_set", "properties": step["properties"]})

    def flush(self, _step: dict[str, Any]) -> None:
        """Send now."""
        self.delivery.flush()

    def set_clock(self, step: dict[str, Any]) -> None:
        """The machine's clock is set."""
        self.clock.set_by_ms += step["ms"]

    def close(self, _step: dict[str, Any]) -> None:
        """End in order."""
        self.delivery.flush()
        self._send_until(self.clock.at_s + LATENCY_S * 10)

    def wait(self, step: dict[str, Any]) -> None:
        """Let time pass."""
        self.until_s += step["ms"] / 1000
        self._send_until(self.until_s)

    def _send_until(self, end_s: float) -> None:
        while self.clock.at_s <= end_s:
            due_in_s = self.delivery.due_in_s()
            if due_in_s is None or self.clock.at_s + due_in_s > end_s:
                self.clock.at_s = end_s
                return
            self.clock.at_s += due_in_s
            self.delivery.send_next(self._post)

    def answer(self, step: dict[str, Any]) -> None:
        """What the collector says from now on."""
        self.says = step

    def _hear_rejected(self, event: Event, _code: str, _message: str) -> None:
        self.told.append(event.event_id)

    def _post(self, body: bytes, headers: dict[str, str]) -> Answer | None:
        text = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        request = json.loads(text)
        assert headers["X-Write-Key"] == "wk_vectors"
        self.requests.append(request)
        events, says = request["events"], self.says
        is_too_large = any(event["event"] in says.get("too_large", ()) for event in events)
        is_taken = says["status"] == 200 and "body" not in says and not is_too_large
        self.taken.append(is_taken or says.get("taken", False))
        self.clock.at_s += LATENCY_S
        if says["status"] == "none":
            if says.get("taken"):
                self._fates(events)
            return None
        if not is_taken:
            after = says.get("retry_after_s")
            return Answer(
                413 if is_too_large else says["status"],
                {} if after is None else {"retry-after": str(after)},
                says.get("body", "").encode(),
            )
        return Answer(200, {}, json.dumps(self._fates(events)).encode())

    def _fates(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        errors = [
            {
                "index": i,
                "event_id": e["event_id"],
                "code": "invalid_type",
                "path": "$",
                "message": "",
            }
            for i, e in enumerate(events)
            if e["event"] in self.says.get("refuse", ())
        ]
        self.refused_ids += [error["event_id"] for error in errors]
        ids = [e["event_id"] for e in events if e["event_id"] not in self.refused_ids]
        new = set(ids) - self.known
        self.known |= new
        return {
            "request_id": "r",
            "accepted": len(new),
            "duplicates": len(ids) - len(new),
            "rejected": len(errors),
            "errors": errors,
        }


APPLICABLE = {name: v for name, v in VECTORS.items() if set(v["needs"]) <= MET}


def test_the_vectors_that_apply_to_a_server_are_those_the_readme_says() -> None:
    assert len(APPLICABLE) >= 25
    assert {need for v in VECTORS.values() for need in v["needs"]} == MET | {
        "lifecycle",
        "share",
        "storage",
        "consent",
    }


@pytest.mark.parametrize("name", APPLICABLE)
def test_the_python_sdk_passes(name: str) -> None:
    vector = APPLICABLE[name]

    assert play(vector, ServerDriver(vector.get("options", {}))) == []
