"""Every vector over real HTTP against a running collector, then the stored rows in ClickHouse."""

import json
from typing import Any

import pytest
from msgspec import Struct

from tests.contract.conftest import RunningCollector, send
from tests.contract.vector_runner import (
    Case,
    Variables,
    body_bytes,
    check_answer,
    check_rows,
    headers,
    load,
)

CASES = load()


class Sent(Struct):
    """What came of one case."""

    variables: Variables
    answers: list[tuple[int, dict[str, str], dict[str, Any]]]


class Outcome(Struct):
    """What came of all cases; rows and dead letters by app_id."""

    sent: dict[str, Sent]
    rows: dict[str, list[dict[str, Any]]]
    dead_letters: set[tuple[str, str, int, str, str]]


@pytest.fixture(scope="module")
def outcome(running_collector: RunningCollector) -> Outcome:
    """All cases sent, one after the other, and all that was stored of them."""
    sent = {case.id: send_case(running_collector, case) for case in CASES}
    running_collector.wait_until_stored()
    rows: dict[str, list[dict[str, Any]]] = {one.variables.app_id: [] for one in sent.values()}
    for row in running_collector.stored_rows(list(rows)):
        rows[row["app_id"]].append(row)
    letters = running_collector.select(
        "SELECT app_id, request_id, event_index, code, path FROM dead_letters FINAL"
    )
    return Outcome(sent, rows, {tuple(letter.values()) for letter in letters})


def send_case(collector: RunningCollector, case: Case) -> Sent:
    """Send the requests of one case in order."""
    variables = collector.new_app()
    answers = []
    for step in case.all_steps():
        request = step.request
        answer = send(
            collector.port,
            request.method,
            request.path,
            headers(request, variables),
            body_bytes(request, variables),
            request.transfer,
        )
        answers.append((answer.status, answer.headers, json.loads(answer.body)))
    return Sent(variables, answers)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_vector(case: Case, outcome: Outcome):
    sent = outcome.sent[case.id]

    for step, (status, answer_headers, answer) in zip(case.all_steps(), sent.answers, strict=True):
        check_answer(step.expected, status, answer_headers, answer)
        for error in answer.get("errors", ()):
            key = (answer["request_id"], error["index"], error["code"], error["path"])
            assert (sent.variables.app_id, *key) in outcome.dead_letters
    check_rows(case, sent.variables, outcome.rows[sent.variables.app_id])
