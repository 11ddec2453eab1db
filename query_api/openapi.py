"""
The OpenAPI document, made from the same Structs that decode the requests, so that it cannot drift.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import msgspec

from query_api import query_ids
from query_api.costs import CostsPage, GoneCosts, NewCosts
from query_api.dead_letters import MAX_OFFSET, MAX_ROWS, Redrive
from query_api.identity import Unbind
from query_api.messages import GoneMessages, NewMessages
from query_api.project_tables import Page
from query_api.qr_codes import GoneQrCodes, NewQrCodes
from query_api.report import Report, Row
from query_api.reports import REPORTS
from query_api.results import RESULTS, UsersResult
from query_api.segment_export import EXPORT_PARAMETERS
from query_api.segments import NewSegment, NewSnapshot
from query_api.tables import ARROW, CSV
from sdk_spec.errors import REQUEST_ERRORS

_ERRORS = (
    "not_json",
    "unauthorized",
    "forbidden",
    "not_found",
    "body_too_large",
    "query_limit",
    "storage_unavailable",
)


@cache
def document() -> Row:
    """Return the OpenAPI 3.1 document of the whole query API."""
    bodies: dict[str, type] = {
        "/v1/identity/unbind": Unbind,
        "/v1/qr-codes": NewQrCodes,
        "/v1/costs": NewCosts,
        "/v1/messages": NewMessages,
        "/v1/segments": NewSegment,
        "/v1/segments/{id}/snapshots": NewSnapshot,
        "/v1/dead-letters/{request_id}/{event_index}/redrive": Redrive,
    }
    params: dict[str, type] = {}
    for report in REPORTS.values():
        params[report.name] = report.params
        if report.users is not None:
            params[f"{report.name}/users"] = report.users_params()
    results = {**RESULTS, "/users": UsersResult}
    schemas, components = msgspec.json.schema_components(
        [*params.values(), *bodies.values(), *results.values()],
        ref_template="#/components/schemas/{name}",
    )
    body_schemas = dict(zip(bodies, schemas[len(params) : -len(results)], strict=True))
    result_schemas = dict(zip(results, schemas[-len(results) :], strict=True))
    paths: Row = {}
    for (name, _), schema in zip(params.items(), schemas[: len(params)], strict=True):
        report = REPORTS[name.partition("/")[0]]
        paths[f"/v1/query/{name}"] = {"post": _operation(report, name, schema, result_schemas)}
    paths["/v1/events/schema"] = {
        "get": {
            "summary": "Event names and properties seen (元数据)",
            "parameters": [_APP_IDS],
            "responses": _responses(),
        }
    }
    paths.update(_identity_paths(body_schemas))
    paths.update(_segment_paths(body_schemas))
    paths.update(_import_paths(body_schemas))
    paths.update(_dead_letter_paths(body_schemas))
    for path, summary in (
        ("/healthz", "The process is alive"),
        ("/readyz", "ClickHouse answers and the tables are there"),
        ("/metrics", "Prometheus text"),
        ("/openapi.json", "This document"),
    ):
        paths[path] = {
            "get": {"summary": summary, "security": [], "responses": {"200": {"description": "OK"}}}
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "scenetrail query API", "version": version("scenetrail")},
        "security": [{"read_token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"read_token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**components, **_ANSWERS},
        },
    }


def _operation(report: Report, name: str, schema: Row, results: dict[str, Row]) -> Row:
    is_users = name.endswith("/users")
    result = results.get("/users" if is_users else name)
    return {
        "summary": f"Users of one cell: {report.summary}" if is_users else report.summary,
        "description": (report.params.__doc__ or "").strip(),
        "operationId": name.replace("/", "_"),
        "parameters": [
            {
                "name": query_ids.HEADER,
                "in": "header",
                "schema": {"type": "string", "pattern": query_ids.PATTERN},
                "description": "How `meta.query_id` shall begin",
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _responses(result or {"type": "object"}),
    }


def _identity_paths(schemas: dict[str, Row]) -> Row:
    return {
        "/v1/identity/{id}/explain": {
            "get": {
                "summary": "Why some ids are one person: bindings with their evidence (身份解释)",
                "parameters": [
                    _in_path("id", "`kind:value`, or a value that is looked for under every kind."),
                    _APP_IDS,
                ],
                "responses": _responses(),
            }
        },
        "/v1/identity/unbind": {
            "post": _changing(
                "Take two ids apart; needs a token for the whole project (解除绑定)",
                schemas["/v1/identity/unbind"],
            )
        },
    }


def _segment_paths(schemas: dict[str, Row]) -> Row:
    in_path = {"parameters": [_in_path("id", "As POST /v1/segments answered it: seg_….")]}
    return {
        "/v1/segments": {
            "get": {"summary": "All stored rules (用户分群)", "responses": _responses()},
            "post": _changing("Store a rule (新建分群)", schemas["/v1/segments"], "201"),
        },
        "/v1/segments/{id}": {
            **in_path,
            "get": {
                "summary": "A rule with its size and a sample now, and its snapshots",
                "responses": _responses(),
            },
            "delete": {"summary": "Delete a rule", "responses": _responses()},
        },
        "/v1/segments/{id}/export": {
            **in_path,
            "get": {
                "summary": "Ids of the members for a channel, without those who opted out (人群包导出)",
                "parameters": [
                    {"name": name, "in": "query", "schema": {"type": "string"}, "description": what}
                    for name, what in EXPORT_PARAMETERS.items()
                ],
                "responses": _responses(),
            },
        },
        "/v1/segments/{id}/snapshots": {
            **in_path,
            "post": _changing(
                "Store the users of a day (快照)", schemas["/v1/segments/{id}/snapshots"], "201"
            ),
        },
    }


def _dead_letter_paths(schemas: dict[str, Row]) -> Row:
    again = "/v1/dead-letters/{request_id}/{event_index}/redrive"
    texts = (
        ("code", "Only with this code, such as too_long."),
        ("field", "Only with this path, its indexes left out, such as $.events[].event."),
        ("since", "Arrived on or after: a day or an RFC 3339 instant; absent: 90 days."),
        ("until", "Arrived before: an instant, or the end of a day."),
        ("timezone", "Of days; by default Asia/Shanghai."),
    )
    chosen: list[Row] = [
        _APP_IDS,
        *(
            {"name": n, "in": "query", "schema": {"type": "string"}, "description": d}
            for n, d in texts
        ),
        {
            "name": "redriven",
            "in": "query",
            "schema": {"enum": ["false", "true", "only"], "default": "false"},
            "description": "true: also those that were sent again; only: these alone.",
        },
    ]
    numbers: list[Row] = [
        {
            "name": name,
            "in": "query",
            "schema": {"type": "integer", "minimum": least, "maximum": most, "default": default},
        }
        for name, least, most, default in (
            ("limit", 1, MAX_ROWS, 100),
            ("offset", 0, MAX_OFFSET, 0),
        )
    ]
    in_path = [
        _in_path("request_id", "Of the request in which it was refused."),
        _in_path("event_index", "Its place in the batch."),
    ]
    key: Row = {
        "name": "X-Write-Key",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "A write key of the event's app: the right to send.",
    }
    return {
        "/v1/dead-letters": {
            "get": {
                "summary": "Refused events, the newest first (被拒事件)",
                "parameters": [*chosen, *numbers],
                "responses": _responses(),
            }
        },
        "/v1/dead-letters/counts": {
            "get": {
                "summary": "Refused events by app, code and field",
                "parameters": chosen,
                "responses": _responses(),
            }
        },
        "/v1/dead-letters/{request_id}/{event_index}": {
            "parameters": in_path,
            "get": {"summary": "One with its text and envelope", "responses": _responses()},
        },
        again: {
            "parameters": in_path,
            "post": {
                **_changing("Send it again, as it was or repaired (重发)", schemas[again]),
                "parameters": [key],
            },
        },
    }


def _import_paths(schemas: dict[str, Row]) -> Row:
    described: tuple[tuple[str, type, type, str, str, str], ...] = (
        (
            "/v1/qr-codes",
            Page,
            GoneQrCodes,
            "The registry of printed codes (二维码登记)",
            "Store or replace codes",
            "Delete codes of an app",
        ),
        (
            "/v1/costs",
            CostsPage,
            GoneCosts,
            "Imported costs of channels (投放成本)",
            "Store or replace costs by app, day and key",
            "Delete the costs of some days of an app",
        ),
        (
            "/v1/messages",
            Page,
            GoneMessages,
            "Campaigns of imported send logs (召回消息)",
            "Store or replace rows of a send log by app and message_id",
            "Delete a campaign's rows in an app",
        ),
    )
    return {
        path: {
            "get": {
                "summary": listing,
                "parameters": _in_query(page),
                "responses": _responses(),
            },
            "post": _changing(storing, schemas[path]),
            "delete": {
                "summary": deleting,
                "parameters": _in_query(gone),
                "responses": _responses(),
            },
        }
        for path, page, gone, listing, storing, deleting in described
    }


def _in_query(type_: type) -> list[Row]:
    """Return the fields of a Struct as query parameters; a list is a parameter that may be repeated."""
    schema = msgspec.json.schema(type_)["$defs"][type_.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema["required"], "schema": of}
        for name, of in schema["properties"].items()
    ]


def _in_path(name: str, description: str) -> Row:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": description,
    }


def _changing(summary: str, schema: Row, status: str = "200") -> Row:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {status if code == "200" else code: of for code, of in _responses().items()},
    }


_APP_IDS: Row = {
    "name": "app_id",
    "in": "query",
    "schema": {"type": "array", "items": {"type": "string"}},
    "description": "One or several apps; absent: all that the token may read.",
}


def _responses(result: Row | None = None) -> Row:
    """All answers of an operation; ``result``: the schema of a report's result. Only reports must tell their cost."""
    answer: Row = {"$ref": "#/components/schemas/Answer"}
    if result is not None:
        answer = {
            "allOf": [
                answer,
                {"type": "object", "required": ["meta"], "properties": {"result": result}},
            ]
        }
    answers: Row = {
        "200": {
            "description": "The answer; CSV and Arrow hold the main list as flat rows.",
            "content": {
                "application/json": {"schema": answer},
                CSV: {"schema": {"type": "string"}},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    }
    for code in ("invalid_request", *_ERRORS):
        error = REQUEST_ERRORS[code]
        known = answers.get(str(error.status))
        description = f"`{code}`: {error.meaning}"
        answers[str(error.status)] = {
            "description": f"{known['description']} {description}" if known else description,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return answers


_ANSWERS: Row = {
    "Answer": {
        "type": "object",
        "required": ["result", "semantics"],
        "properties": {
            "result": {"type": "object"},
            "semantics": {
                "type": "object",
                "description": "The whole resolved definition, defaults included.",
            },
            "meta": {
                "type": "object",
                "properties": {
                    "query_id": {"type": "string"},
                    "elapsed_ms": {"type": "integer"},
                    "rows_read": {"type": "integer"},
                    "data_complete_until": {"type": ["string", "null"], "format": "date-time"},
                    "truncated": {"type": "boolean"},
                    "missing_shards": {
                        "type": "array",
                        "description": "Of a cluster, without whose events this is the answer; only with `partial`.",
                        "items": {"type": "integer"},
                    },
                    "warnings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "code": {"type": "string"},
                                "message": {"type": "string"},
                            },
                        },
                    },
                },
            },
            "explain": {
                "type": "array",
                "description": "Only with `explain`: each SQL query with its file and parameters, and the external "
                "tables that it reads.",
                "items": {"type": "object"},
            },
        },
    },
    "Error": {
        "type": "object",
        "required": ["error", "message", "request_id"],
        "properties": {
            "error": {"type": "string", "enum": sorted(REQUEST_ERRORS)},
            "message": {"type": "string"},
            "request_id": {"type": "string"},
            "path": {
                "type": "string",
                "description": "The field at fault, such as $.filter.conditions[0].op.",
            },
        },
    },
}
