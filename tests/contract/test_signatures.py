"""Signed requests against the running collector, and the limits and rules that an app can have of its own."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from sdk_spec import signing
from tests.contract.conftest import (
    BOUNDED_APP,
    BOUNDED_BYTES,
    BOUNDED_KEY,
    OTHER_APP,
    OTHER_KEY,
    SIGNING,
    Answer,
    RunningCollector,
    send,
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def batch(app_id: str, event_id: str, **more: Any) -> bytes:
    event = {"event_id": event_id, "event": "order_pay", "occurred_at": now_ms(), **more}
    body = {"app_id": app_id, "platform": "server", "user_id": "u", "events": [event]}
    return json.dumps(body).encode()


def signed(rule: str, body: bytes, *, late_ms: int = 0, encoding: str = "") -> dict[str, str]:
    return signing.headers(f"wk_{rule}", f"key_{rule}", now_ms() - late_ms, encoding, body)


def post(collector: RunningCollector, headers: dict[str, str], body: bytes) -> Answer:
    return send(collector.port, "POST", "/v1/events", headers, body)


def fate(answer: Answer) -> tuple[int, str | int]:
    """Status, and the error or the number of accepted events."""
    body = json.loads(answer.body)
    return answer.status, body.get("error", body.get("accepted"))


def test_an_encoding_that_is_no_text_is_a_wrong_signature(running_collector: RunningCollector):
    rule = next(iter(SIGNING))
    body = batch(SIGNING[rule], "no-text")
    headers = signed(rule, body) | {"Content-Encoding": "gzip\xff"}

    assert fate(post(running_collector, headers, body)) == (401, "signature_invalid")


@pytest.mark.parametrize("rule", SIGNING)
def test_signed_request_is_accepted_plain_and_compressed(
    running_collector: RunningCollector, rule: str
):
    body = batch(SIGNING[rule], "plain")
    packed = gzip.compress(batch(SIGNING[rule], "packed"))
    encoded = {"Content-Encoding": "gzip", **signed(rule, packed, encoding="gzip")}

    assert fate(post(running_collector, signed(rule, body), body)) == (200, 1)
    assert fate(post(running_collector, encoded, packed)) == (200, 1)


def test_unsigned_request_is_refused_only_where_signatures_are_required(
    running_collector: RunningCollector,
):
    may, must = batch(SIGNING["optional"], "bare"), batch(SIGNING["required"], "bare")

    assert fate(post(running_collector, {"X-Write-Key": "wk_optional"}, may)) == (200, 1)
    answer = post(running_collector, {"X-Write-Key": "wk_required"}, must)
    assert fate(answer) == (401, "signature_required")


BODY = batch(SIGNING["required"], "never")
ENCODED = {"Content-Encoding": "gzip"}
# Made when the test runs: a signature made earlier may be too old by then.
WRONG: dict[str, tuple[Callable[[], dict[str, str]], str]] = {
    "other-body": (lambda: signed("required", BODY + b" "), "signature_invalid"),
    "other-key": (
        lambda: {**signed("optional", BODY), signing.KEY_ID_HEADER: "key_required"},
        "signature_invalid",
    ),
    "other-encoding": (lambda: {**signed("required", BODY), **ENCODED}, "signature_invalid"),
    "no-form": (
        lambda: {**signed("required", BODY), signing.SIGNATURE_HEADER: "v1=00"},
        "signature_invalid",
    ),
    "empty": (
        lambda: {**signed("required", BODY), signing.SIGNATURE_HEADER: ""},
        "signature_invalid",
    ),
    "unknown-key": (
        lambda: {**signed("required", BODY), signing.KEY_ID_HEADER: "key_nobody"},
        "unauthorized",
    ),
    "no-key-id": (
        lambda: {signing.SIGNATURE_HEADER: signed("required", BODY)[signing.SIGNATURE_HEADER]},
        "unauthorized",
    ),
    "revoked-key": (
        lambda: signing.headers("wo_required", "old_required", now_ms(), "", BODY),
        "unauthorized",
    ),
    "app-that-takes-none": (
        lambda: signing.headers(OTHER_KEY, "other", now_ms(), "", BODY),
        "unauthorized",
    ),
    "an-hour-old": (lambda: signed("required", BODY, late_ms=3_600_000), "signature_expired"),
    "an-hour-ahead": (lambda: signed("required", BODY, late_ms=-3_600_000), "signature_expired"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_signature_is_refused(running_collector: RunningCollector, name: str):
    headers, code = WRONG[name]

    assert fate(post(running_collector, headers(), BODY)) == (401, code)


def test_key_beside_a_wrong_signature_does_not_help(running_collector: RunningCollector):
    headers = {**signed("optional", BODY + b"x"), "X-Write-Key": "wk_optional"}

    assert fate(post(running_collector, headers, BODY)) == (401, "signature_invalid")


def test_signature_of_one_app_sends_for_no_other(running_collector: RunningCollector):
    body = batch(OTHER_APP, "foreign")

    assert fate(post(running_collector, signed("required", body), body)) == (403, "forbidden")


def test_copy_of_a_signed_request_changes_nothing(running_collector: RunningCollector):
    """Ten times within the window, by whoever has heard it: counted once."""
    body = batch(SIGNING["required"], "copied")
    headers = signed("required", body)

    answers = [json.loads(post(running_collector, headers, body).body) for _ in range(10)]
    running_collector.wait_until_stored()

    assert [(a["accepted"], a["duplicates"]) for a in answers] == [(1, 0)] + [(0, 1)] * 9
    rows = running_collector.stored_rows([SIGNING["required"]])
    assert [row["event_id"] for row in rows].count("copied") == 1


def test_body_beyond_the_limit_of_its_app_is_413(running_collector: RunningCollector):
    key = {"X-Write-Key": BOUNDED_KEY}
    large = batch(BOUNDED_APP, "large", properties={"x": "y" * BOUNDED_BYTES})
    packed = gzip.compress(large)
    assert len(packed) < BOUNDED_BYTES

    assert fate(post(running_collector, key, batch(BOUNDED_APP, "small"))) == (200, 1)
    assert fate(post(running_collector, key, large)) == (413, "body_too_large")
    encoded = key | {"Content-Encoding": "gzip"}
    assert fate(post(running_collector, encoded, packed)) == (413, "body_too_large")
