"""``sdk_spec/schema`` is what the Structs say, and says what the Structs do."""

import json

import msgspec
import pytest
from jsonschema import Draft202012Validator

from sdk_spec import EVENT_ERRORS, REQUEST_ERRORS, EventBatch, build_schema


@pytest.mark.parametrize("name", sorted(build_schema.generate()))
def test_checked_in_file_is_what_the_structs_generate(name: str):
    assert (build_schema.FOLDER / name).read_bytes() == build_schema.generate()[name], (
        "run: python -m sdk_spec.build_schema"
    )


def test_no_other_file_stands_in_the_schema_folder():
    assert {path.name for path in build_schema.FOLDER.iterdir()} == set(build_schema.generate())


def test_generated_schemas_are_valid_json_schema():
    for name in ("event_batch.v1.json", "batch_response.v1.json"):
        Draft202012Validator.check_schema(json.loads((build_schema.FOLDER / name).read_text()))


def batch(**changes: object) -> dict[str, object]:
    event = {"event_id": "e1", "event": "tap", "occurred_at": 1_795_300_912_000}
    valid = {"app_id": "wx1", "platform": "wechat", "anonymous_id": "a", "events": [event]}
    return valid | changes


def is_valid(body: object) -> bool:
    schema = build_schema.json_schema(EventBatch, "event_batch.v1.json")
    return Draft202012Validator(schema).is_valid(body)


def test_schema_accepts_a_minimal_batch_and_unknown_keys():
    assert is_valid(batch())
    assert is_valid(batch(new_field={"of": "tomorrow"}))


def test_schema_asks_for_an_identity_in_the_batch_or_in_every_event():
    with_id = {"event_id": "e1", "event": "tap", "occurred_at": 1, "openid": "o"}
    without_id = {"event_id": "e2", "event": "tap", "occurred_at": 1}

    assert is_valid(batch(anonymous_id=None, events=[with_id]))
    assert not is_valid(batch(anonymous_id=None, events=[with_id, without_id]))
    assert not is_valid(batch(anonymous_id=""))


@pytest.mark.parametrize(
    "change",
    [
        {"platform": "symbian"},
        {"events": []},
        {"app_id": ""},
        {"app_id": "x" * 129},
        {"device": {"screen_width": -1}},
        {"events": [{"event_id": "e1", "event": "tap", "occurred_at": "now"}]},
        {"events": [{"event_id": "e1", "event": "tap", "occurred_at": 1, "properties": {"a": {}}}]},
        {
            "events": [
                {"event_id": "e1", "event": "tap", "occurred_at": 1, "properties": {"a": [1]}}
            ]
        },
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_schema_refuses_what_the_structs_refuse(change: dict[str, object]):
    assert not is_valid(batch(**change))


def test_schema_and_structs_agree_on_the_minimal_batch():
    assert msgspec.convert(batch(), EventBatch).events[0].event == "tap"


def openapi() -> dict:
    return json.loads(build_schema.generate()["collector.openapi.json"])


def resolve(document: dict, reference: str) -> object:
    node: object = document
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(node, dict)
        node = node[part]
    return node


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [r for value in node.values() for r in references(value)]
    if isinstance(node, list):
        return [r for value in node for r in references(value)]
    return []


def test_every_reference_of_the_openapi_document_resolves():
    document = openapi()

    assert references(document)
    assert all(isinstance(resolve(document, reference), dict) for reference in references(document))


def test_openapi_names_every_status_and_code_of_the_error_table():
    responses = openapi()["paths"]["/v1/events"]["post"]["responses"]
    codes = {
        (int(status), code)
        for status, response in responses.items()
        if status != "200"
        for code in response["content"]["application/json"]["schema"]["allOf"][1]["properties"][
            "error"
        ]["enum"]
    }

    of_queries = {"query_limit", "storage_unavailable"}
    assert codes == {
        (row.status, name) for name, row in REQUEST_ERRORS.items() if name not in of_queries
    }
    assert all("Retry-After" in responses[status]["headers"] for status in ("429", "503"))


def test_openapi_lists_every_event_error_code():
    code = openapi()["components"]["schemas"]["EventError"]["properties"]["code"]

    assert set(code["enum"]) == set(EVENT_ERRORS)
