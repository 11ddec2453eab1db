"""CORS: what a browser is told, for pages that may send and for others."""

import json
import time

import pytest

from tests.contract.conftest import ALLOWED_ORIGIN, RunningCollector, send

PREFIX = "access-control-"


def cors_headers(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith(PREFIX)}


def test_preflight_of_a_page_that_may_send(running_collector: RunningCollector):
    asked = {
        "Origin": ALLOWED_ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-write-key,content-type,content-encoding",
    }

    answer = send(running_collector.port, "OPTIONS", "/v1/events", asked, b"")

    assert answer.status == 204
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(asked["Access-Control-Request-Headers"].split(",")) <= set(allowed)
    assert answer.headers["access-control-allow-origin"] == ALLOWED_ORIGIN
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


def test_page_that_may_send_reads_its_answers_refusals_too(running_collector: RunningCollector):
    app = running_collector.new_app()
    event = {"event_id": "e1", "event": "tap", "occurred_at": time.time_ns() // 1_000_000}
    good = {"app_id": app.app_id, "platform": "web", "anonymous_id": "a", "events": [event]}
    headers = {"Origin": ALLOWED_ORIGIN, "X-Write-Key": app.write_key}

    for body, status in ((json.dumps(good).encode(), 200), (b"{", 400)):
        answer = send(running_collector.port, "POST", "/v1/events", headers, body)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == ALLOWED_ORIGIN
        assert answer.headers["access-control-expose-headers"] == "Retry-After"
    unknown = send(running_collector.port, "POST", "/v1/events", {"Origin": ALLOWED_ORIGIN}, b"{}")
    assert (unknown.status, unknown.headers["access-control-allow-origin"]) == (401, ALLOWED_ORIGIN)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "http://shop.example", ALLOWED_ORIGIN + ".evil.example"],
)
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_other_pages_are_told_nothing(
    running_collector: RunningCollector, origin: str, method: str
):
    answer = send(running_collector.port, method, "/v1/events", {"Origin": origin}, b"{}")

    assert cors_headers(answer.headers) == {}
