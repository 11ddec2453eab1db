"""
Turns the files of ``sdk_spec/vectors`` into requests and compares answers and rows with what they expect.

Pure: no socket, no ClickHouse; ``sdk_spec/vectors/README.md`` describes the format. ``test_vectors`` does the sending.
"""

import gzip
import json
import math
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from backports import zstd
from msgspec import UNSET, Struct, UnsetType

FOLDER = Path(__file__).parents[2] / "sdk_spec" / "vectors"
SCHEMA = json.loads((FOLDER / "vector.schema.json").read_text("utf-8"))


class Request(Struct, forbid_unknown_fields=True):
    """How to send; see the README of the vectors."""

    method: str = "POST"
    path: str = "/v1/events"
    headers: dict[str, Any] = {}
    body: Any = UNSET
    body_parts: list[dict[str, Any]] | UnsetType = UNSET
    encode: str = ""
    cut_bytes: int = 0
    append_hex: str = ""
    transfer: str = "length"


class Expected(Struct, forbid_unknown_fields=True):
    """What the answer must be; what is UNSET may be anything."""

    status: int
    error: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    accepted: int | UnsetType = UNSET
    duplicates: int | UnsetType = UNSET
    accepted_or_duplicate: int | UnsetType = UNSET
    rejected: int | UnsetType = UNSET
    errors: list[dict[str, Any]] | UnsetType = UNSET
    rows: list[dict[str, Any]] | UnsetType = UNSET
    row_count: int | UnsetType = UNSET


class Step(Struct, forbid_unknown_fields=True):
    """One request and its answer."""

    request: Request
    expected: Expected


class Case(Struct, forbid_unknown_fields=True):
    """One vector: either ``request`` and ``expected``, or ``steps`` and ``rows``."""

    name: str
    description: str
    request: Request | UnsetType = UNSET
    expected: Expected | UnsetType = UNSET
    steps: list[Step] = []
    rows: list[dict[str, Any]] | UnsetType = UNSET
    file: str = ""

    def all_steps(self) -> list[Step]:
        """Requests and answers in order."""
        if self.request is not UNSET and self.expected is not UNSET:
            return [Step(self.request, self.expected)]
        return self.steps

    def row_count(self) -> int:
        """How many rows the case's app has afterwards."""
        if self.expected is not UNSET and self.expected.row_count is not UNSET:
            return self.expected.row_count
        return len(self.all_rows())

    def all_rows(self) -> list[dict[str, Any]]:
        """Rows expected afterwards, with placeholders."""
        rows = self.rows if self.expected is UNSET else self.expected.rows
        return [] if rows is UNSET else rows

    @property
    def id(self) -> str:
        """Name across all files."""
        return f"{self.file}/{self.name}"


class Variables(Struct):
    """What placeholders stand for in one case; ``now_ms`` is read once per case."""

    app_id: str
    write_key: str
    revoked_write_key: str
    other_app_id: str
    other_write_key: str
    now_ms: int

    def get(self, name: str) -> str:
        """Value of ``{"$var": name}``."""
        if name == "app_id_in_capitals":
            return self.app_id.upper()
        return str(getattr(self, name))


def documents() -> dict[str, Any]:
    """File name without suffix → parsed file, in order."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(FOLDER.glob("[0-9]*.json"))
    }


def load() -> list[Case]:
    """All cases of all files, in order."""
    return [
        msgspec.convert({**case, "file": name}, Case)
        for name, document in documents().items()
        for case in document["cases"]
    ]


def fill(node: Any, variables: Variables, received_at: int | None = None, index: int = 0) -> Any:
    """Replace the placeholders of a JSON value; ``received_at`` is that of the row it is compared with."""
    if isinstance(node, list):
        return [fill(item, variables, received_at, index) for item in node]
    if not isinstance(node, dict):
        return node
    match node:
        case {"$var": name}:
            return variables.get(name)
        case {"$now_ms": offset}:
            return variables.now_ms + offset
        case {"$received_at_ms": offset}:
            assert received_at is not None, "$received_at_ms stands in rows only"
            return received_at + offset
        case {"$repeat": [text, times]}:
            return text * times
        case {"$index": prefix}:
            return f"{prefix}{index}"
        case {"$list": {"times": times, "item": item}}:
            return [fill(item, variables, received_at, i) for i in range(times)]
        case {"$object": {"times": times, "value": value}}:
            return {f"p{i}": fill(value, variables, received_at, i) for i in range(times)}
    return {key: fill(value, variables, received_at, index) for key, value in node.items()}


def fill_text(text: str, variables: Variables) -> str:
    """Replace ``{{app_id}}``, ``{{now_ms}}`` and ``{{now_ms-1000}}`` in the text of a body part."""

    def value(match: re.Match[str]) -> str:
        if match["name"] == "now_ms":
            return str(variables.now_ms + int(match["offset"] or 0))
        return variables.get(match["name"])

    return re.sub(r"\{\{(?P<name>\w+?)(?P<offset>[+-]\d+)?\}\}", value, text)


def _flip_crc(data: bytes) -> bytes:
    """Change the checksum in the last 8 bytes of a gzip body, keep its length."""
    return data[:-8] + bytes([data[-8] ^ 0xFF]) + data[-7:]


def _halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "gzip_two_members": lambda data: b"".join(map(gzip.compress, _halves(data))),
    "zstd_two_frames": lambda data: b"".join(map(zstd.compress, _halves(data))),
    "gzip_wrong_crc": lambda data: _flip_crc(gzip.compress(data)),
}


def body_bytes(request: Request, variables: Variables) -> bytes:
    """The bytes to send."""
    if request.body is not UNSET:
        data = json.dumps(fill(request.body, variables), ensure_ascii=False).encode()
    elif request.body_parts is not UNSET:
        data = b"".join(_part(part, variables) for part in request.body_parts)
    else:
        data = b""
    data = ENCODERS[request.encode](data) + bytes.fromhex(request.append_hex)
    return data[: len(data) - request.cut_bytes]


def _part(part: dict[str, Any], variables: Variables) -> bytes:
    is_hex = "hex" in part
    data = bytes.fromhex(part["hex"]) if is_hex else fill_text(part["text"], variables).encode()
    return data * part.get("times", 1)


def headers(request: Request, variables: Variables) -> dict[str, str]:
    """Headers to send: the usual two, and those of the vector; null takes one away."""
    usual: dict[str, Any] = {
        "Content-Type": "application/json",
        "X-Write-Key": {"$var": "write_key"},
    }
    merged = usual | request.headers
    return {name: fill(value, variables) for name, value in merged.items() if value is not None}


def check_answer(
    expected: Expected, status: int, answer_headers: dict[str, str], answer: dict[str, Any]
) -> None:
    """Compare an answer with what is expected. Errors: AssertionError."""
    assert status == expected.status, answer
    assert answer_headers["content-type"].startswith("application/json")
    if status == 405:
        assert "POST" in answer_headers["allow"]
    if status in (429, 503):
        assert int(answer_headers["retry-after"]) >= 0
    assert answer["request_id"]
    assert status == 200 or (answer["error"] and answer["message"])
    if status in (200, 422):
        sent = answer["accepted"] + answer["duplicates"] + answer["rejected"]
        assert answer["rejected"] == len(answer["errors"])
        assert (status == 422) == (sent == answer["rejected"])
    for name in ("error", "path", "accepted", "duplicates", "rejected"):
        wanted = getattr(expected, name)
        assert wanted is UNSET or answer.get(name) == wanted, (name, answer)
    if expected.accepted_or_duplicate is not UNSET:
        assert answer["accepted"] + answer["duplicates"] == expected.accepted_or_duplicate, answer
    if expected.errors is not UNSET:
        _check_event_errors(expected.errors, answer["errors"])


def _check_event_errors(wanted: list[dict[str, Any]], got: list[dict[str, Any]]) -> None:
    assert [error["index"] for error in got] == [error["index"] for error in wanted], got
    for want, have in zip(wanted, got, strict=True):
        assert {**have, **want} == have
        assert have["message"]


def check_rows(case: Case, variables: Variables, rows: list[dict[str, Any]]) -> None:
    """Compare all rows of the case's app with those expected. Errors: AssertionError."""
    assert len(rows) == case.row_count()
    by_id = {row["event_id"]: row for row in rows}
    for partial in case.all_rows():
        row = by_id.pop(fill(partial["event_id"], variables), None)
        assert row is not None, (partial["event_id"], sorted(by_id))
        wanted = fill(partial, variables, row["received_at"])
        got = {name: row[name] for name in wanted}
        assert {name: _comparable(value) for name, value in got.items()} == {
            name: _comparable(value) for name, value in wanted.items()
        }


def _comparable(value: Any) -> Any:
    """Integers and doubles of one value are equal, true is not 1."""
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return value
