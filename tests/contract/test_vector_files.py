"""The vectors themselves: well formed, complete, and in agreement with the Structs and the code tables."""

import re
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from sdk_spec import EVENT_ERRORS, REQUEST_ERRORS, EventBatch
from tests.contract.vector_runner import (
    FOLDER,
    SCHEMA,
    UNSET,
    Case,
    Step,
    Variables,
    body_bytes,
    documents,
    load,
)

CASES = load()
VARIABLES = Variables("app", "wk", "revoked", "other", "other_wk", 1_795_300_912_000)
NO_VECTOR_CAN_CAUSE = {
    "invalid_request",
    "signature_required",
    "signature_invalid",
    "signature_expired",
    "request_timeout",
    "length_required",
    "too_many_requests",
    "internal",
    "spool_full",
    "spool_unavailable",
    "shutting_down",
    "overloaded",
    "query_limit",
    "storage_unavailable",
}
"""These need a signing app, a socket, a full disk or another server: test_signatures, test_sockets, tests/faults."""


def steps() -> list[tuple[Case, Step]]:
    return [(case, step) for case in CASES for step in case.all_steps()]


@pytest.mark.parametrize("name", sorted(documents()))
def test_file_is_well_formed(name: str):
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in Draft202012Validator(SCHEMA).iter_errors(documents()[name])
    ]

    assert errors == []


def test_names_are_unique_within_a_file():
    ids = [case.id for case in CASES]

    assert len(set(ids)) == len(ids)


def test_readme_lists_every_file():
    listed = re.findall(r"\]\((\d\d-[a-z-]+)\.json\)", (FOLDER / "README.md").read_text("utf-8"))

    assert listed == sorted(documents())


def test_files_are_numbered_without_gaps():
    assert [int(name[:2]) for name in documents()] == list(range(1, len(documents()) + 1))


def test_every_request_error_is_caused_by_a_vector():
    caused = {step.expected.error for _, step in steps()} - {UNSET}

    assert caused == set(REQUEST_ERRORS) - NO_VECTOR_CAN_CAUSE


def test_status_of_every_vector_is_that_of_the_code_table():
    for case, step in steps():
        if step.expected.error is not UNSET:
            assert step.expected.status == REQUEST_ERRORS[step.expected.error].status, case.id


def test_every_event_error_is_caused_by_a_vector():
    caused = {
        error["code"]
        for _, step in steps()
        if step.expected.errors is not UNSET
        for error in step.expected.errors
    }

    assert caused == set(EVENT_ERRORS)


def test_every_column_of_events_is_compared_by_a_vector():
    path = Path(__file__).parents[2] / "collector/sql/0001_events.sql"
    table = path.read_text("utf-8").partition("ENGINE =")[0]
    columns = set(re.findall(r"^    ([a-z_]+) [A-Z]", table, re.M))
    # How rows are found, not what they say: tests of rows and identity are about these.
    columns -= {"project", "event_key", "actor", "precedence", "received_at"}
    compared = {column for case in CASES for row in case.all_rows() for column in row}

    assert columns == compared


def is_plain(step: Step) -> bool:
    """True for a body that a JSON parser takes at once: no encoding, no half of a surrogate pair."""
    body = body_bytes(step.request, VARIABLES)
    is_encoded = step.request.encode or "Content-Encoding" in step.request.headers
    return not is_encoded and b'"\\ud83d"' not in body


def test_structs_decode_every_plain_batch_without_refused_events():
    decoded = 0
    for case, step in steps():
        if step.expected.status == 200 and step.expected.rejected == 0 and is_plain(step):
            batch = msgspec.json.decode(body_bytes(step.request, VARIABLES), type=EventBatch)
            decoded += 1
            assert batch.events, case.id

    assert decoded > 100


def test_bodies_are_built_the_same_way_every_time():
    case = next(case for case in CASES if case.name == "all-fields")
    (step,) = case.all_steps()

    assert body_bytes(step.request, VARIABLES) == body_bytes(step.request, VARIABLES)
    assert b"1795300910000" in body_bytes(step.request, VARIABLES)
