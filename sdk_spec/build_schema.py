"""
Write ``schema/`` from the Structs: JSON Schema of the wire and the collector's OpenAPI document.

``python -m sdk_spec.build_schema`` replaces the files, which are checked in for readers in other
languages; a test compares them with what this module generates. Pure but for ``main``. Nothing here
defines a field: what a Struct cannot say (one identity at least, number of events) is added in
``_event_batch_rules``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from sdk_spec import limits, signing
from sdk_spec.errors import EVENT_ERRORS, REQUEST_ERRORS
from sdk_spec.events import EventBatch
from sdk_spec.outcomes import BatchResponse, ErrorResponse

Json: TypeAlias = dict[str, Any]

FOLDER = Path(__file__).parent / "schema"
PROTOCOL_VERSION = "1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

COLLECTOR_ERRORS = (
    "not_json",
    "invalid_envelope",
    "invalid_encoding",
    "invalid_request",
    "unauthorized",
    "signature_required",
    "signature_invalid",
    "signature_expired",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "length_required",
    "body_too_large",
    "too_many_events",
    "unsupported_encoding",
    "all_events_rejected",
    "too_many_requests",
    "internal",
    "spool_full",
    "spool_unavailable",
    "shutting_down",
    "overloaded",
)
"""The request errors that ``POST /v1/events`` can answer; the others belong to the query API."""

_IDENTITIES = ("anonymous_id", "openid", "user_id")


def _components(types: list[type], ref_template: str) -> Json:
    _, components = msgspec.json.schema_components(types, ref_template=ref_template)
    for name, schema in components.items():
        for field in schema.get("properties", {}).values():
            field.pop("default", None)  # Absent and null mean the same: a default is noise.
        if not schema.get("required", True):
            del schema["required"]
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].replace("``", "`").split())
        if name == "EventBatch":
            _event_batch_rules(schema)
        elif name == "EventError":
            schema["properties"]["code"]["enum"] = sorted(EVENT_ERRORS)
    return components


def _event_batch_rules(schema: Json) -> None:
    """Add what the collector checks across fields, so that a validator refuses the same."""
    schema["properties"]["events"] |= {"minItems": 1, "maxItems": limits.MAX_EVENTS_PER_BATCH}
    given: list[Json] = [
        {
            "required": [name],
            "properties": {name: {"type": "string", "minLength": 1}},
        }
        for name in _IDENTITIES
    ]
    schema["anyOf"] = [*given, {"properties": {"events": {"items": {"anyOf": given}}}}]


def json_schema(root: type, file_name: str) -> Json:
    """JSON Schema (draft 2020-12) of one Struct with everything it uses under ``$defs``."""
    components = _components([root], "#/$defs/{name}")
    top = components.pop(root.__name__)
    return {"$schema": _DIALECT, "$id": file_name, **top, "$defs": components}


def _header(description: str, kind: str = "string") -> Json:
    return {"description": description, "schema": {"type": kind}}


_RETRY_AFTER = _header("Seconds to wait before the same request is sent again.", "integer")


def _error_responses(codes: tuple[str, ...]) -> Json:
    """One response per status with the codes it may carry, in the one error shape."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(REQUEST_ERRORS[code].status, []).append(code)
    responses: Json = {}
    for status, names in sorted(by_status.items()):
        meanings = " ".join(f"`{name}`: {REQUEST_ERRORS[name].meaning}" for name in names)
        retry = "Keep the batch and send it again." if _may_retry(names) else "Drop the batch."
        shape = "BatchResponse" if "all_events_rejected" in names else "ErrorResponse"
        headers: Json = {}
        if status in (429, 503):
            headers["Retry-After"] = _RETRY_AFTER
        if status == 405:
            headers["Allow"] = _header("The methods of this address.")
        responses[str(status)] = {
            "description": f"{meanings} {retry}",
            **({"headers": headers} if headers else {}),
            "content": {
                "application/json": {
                    "schema": {
                        "allOf": [
                            {"$ref": f"#/components/schemas/{shape}"},
                            {"required": ["error"], "properties": {"error": {"enum": names}}},
                        ]
                    }
                }
            },
        }
    return responses


def _may_retry(codes: list[str]) -> bool:
    return all(REQUEST_ERRORS[code].may_retry for code in codes)


def _json_response(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def collector_openapi() -> Json:
    """OpenAPI 3.1 document of everything a collector answers."""
    accepted = _json_response(
        "Accepted events are durable: no crash of a process can lose them. Read `rejected`.",
        {"$ref": "#/components/schemas/BatchResponse"},
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scenetrail collector",
            "version": PROTOCOL_VERSION,
            "summary": "Receives events of mini-programs.",
            "description": "The wire protocol is described in sdk_spec/README.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/events": {
                "post": {
                    "operationId": "sendEvents",
                    "summary": "Send a batch of events of one app.",
                    "security": [{"write_key": []}, {"write_key_id": [], "signature": []}],
                    "parameters": [
                        {
                            "name": "Content-Encoding",
                            "in": "header",
                            "required": False,
                            "description": "Size limits hold before and after decompression.",
                            "schema": {
                                "type": "string",
                                "enum": ["identity", "gzip", "deflate", "zstd"],
                            },
                        }
                    ],
                    "requestBody": {
                        "required": True,
                        "description": f"At most {limits.MAX_BODY_BYTES} bytes of JSON in UTF-8.",
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/EventBatch"}
                            }
                        },
                    },
                    "responses": {"200": accepted, **_error_responses(COLLECTOR_ERRORS)},
                }
            },
            "/v1/group-entry": _group_entry(),
            "/v1/privacy/erase": _privacy(
                "erasePerson",
                "Remove everything of a person for good (PIPL, GDPR).",
                "application/json",
                "The receipt: ids, rows by table, rows found afterwards (0).",
            ),
            "/v1/privacy/export": _privacy(
                "exportPerson",
                "Hand out everything that is stored of a person.",
                "application/x-ndjson",
                "One object a line with its `table`; the receipt last.",
            ),
            "/healthz": {
                "get": {
                    "operationId": "isAlive",
                    "summary": "Is the process alive?",
                    "responses": {"200": _json_response("It is.", {"type": "object"})},
                }
            },
            "/readyz": {
                "get": {
                    "operationId": "canStore",
                    "summary": "Can events be stored durably now?",
                    "responses": {
                        "200": _json_response("They can.", {"type": "object"}),
                        "503": _json_response(
                            "They cannot; the body says why.", {"type": "object"}
                        ),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Counters and gauges in the Prometheus text format.",
                    "responses": {
                        "200": {
                            "description": "The metrics.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    },
                }
            },
        },
        "components": {
            "securitySchemes": {
                "write_key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Write-Key",
                    "description": "Belongs to one app: it says who sends.",
                },
                "admin_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From `scenetrail keys create admin-token`; of one project.",
                },
                "write_key_id": {
                    "type": "apiKey",
                    "in": "header",
                    "name": signing.KEY_ID_HEADER,
                    "description": "Of a signed request: the key's id instead of the key.",
                },
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": signing.SIGNATURE_HEADER,
                    "description": "`t=<epoch ms>,v1=<hex>`; README, Signed requests.",
                },
            },
            "schemas": _components(
                [EventBatch, BatchResponse, ErrorResponse], "#/components/schemas/{name}"
            ),
        },
    }


def _group_entry() -> Json:
    """The operation that opens WeChat's encryptedData."""
    asked = ("session_key", "iv", "encrypted_data")
    group_id, chat_type = {"type": "string"}, {"type": "integer"}
    codes = (
        "invalid_request",
        "not_json",
        "unauthorized",
        "signature_required",
        "signature_invalid",
        "signature_expired",
        "request_timeout",
        "length_required",
        "body_too_large",
        "too_many_requests",
        "shutting_down",
        "overloaded",
    )
    return {
        "post": {
            "operationId": "openGroupEntry",
            "summary": "Open the encryptedData of wx.getGroupEnterInfo or wx.getShareInfo; nothing is kept.",
            "security": [{"write_key": []}, {"write_key_id": [], "signature": []}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": list(asked),
                            "properties": {name: {"type": "string"} for name in asked},
                        }
                    }
                },
            },
            "responses": {
                "200": _json_response(
                    "The fields of an event that it fills; absent: not in a group.",
                    {
                        "type": "object",
                        "properties": {"group_id": group_id, "chat_type": chat_type},
                    },
                ),
                **_error_responses(codes),
            },
        }
    }


def _privacy(operation_id: str, summary: str, content_type: str, what: str) -> Json:
    """One of the two operations on a person."""
    asked = {
        "type": "object",
        "required": ["id"],
        "additionalProperties": False,
        "properties": {
            "id": {
                "type": "string",
                "description": "Any id of the person: `kind:value`, or `kind@app_id:value` for one app.",
            }
        },
    }
    codes = (
        "invalid_request",
        "unauthorized",
        "not_found",
        "body_too_large",
        "storage_unavailable",
    )
    return {
        "post": {
            "operationId": operation_id,
            "summary": summary,
            "security": [{"admin_token": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
            "responses": {
                "200": {
                    "description": what,
                    "content": {content_type: {"schema": {"type": "object"}}},
                },
                **_error_responses(codes),
            },
        }
    }


def generate() -> dict[str, bytes]:
    """File name in ``schema/`` to its content, byte for byte the same on every run."""
    documents = {
        "event_batch.v1.json": json_schema(EventBatch, "event_batch.v1.json"),
        "batch_response.v1.json": json_schema(BatchResponse, "batch_response.v1.json"),
        "collector.openapi.json": collector_openapi(),
    }
    return {
        name: msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        for name, document in documents.items()
    }


def main() -> None:
    """Replace the checked-in files."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in generate().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
