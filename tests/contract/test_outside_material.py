"""
JSONTestSuite and the Big List of Naughty Strings against the running collector: a longer run.

Nothing of them is copied here. Clone github.com/nst/JSONTestSuite and
github.com/minimaxir/big-list-of-naughty-strings anywhere and run

    SCENETRAIL_JSON_TEST_SUITE=<clone> SCENETRAIL_NAUGHTY_STRINGS=<clone> make soak

Without both variables this file is not collected. What a run teaches becomes a vector of our own.
Whatever is sent, the answer has the contract's form, and afterwards ClickHouse holds exactly the
accepted events, with exactly the texts that were sent, and every refused one as a dead letter.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, field

from sdk_spec import EVENT_ERRORS, REQUEST_ERRORS, limits
from tests.contract.conftest import RunningCollector, send
from tests.contract.vector_runner import Variables

PARSING_FILES = sorted(
    Path(os.environ["SCENETRAIL_JSON_TEST_SUITE"]).glob("test_parsing/*.json")
) + sorted(Path(os.environ["SCENETRAIL_JSON_TEST_SUITE"]).glob("test_transform/*.json"))
NAUGHTY_STRINGS: list[str] = json.loads(
    (Path(os.environ["SCENETRAIL_NAUGHTY_STRINGS"]) / "blns.json").read_text("utf-8")
)
TEXT_FIELDS = {
    "page": limits.MAX_PAGE_CHARS,
    "page_query": limits.MAX_QUERY_CHARS,
    "referrer_page": limits.MAX_PAGE_CHARS,
    "scene": limits.MAX_SHORT_CHARS,
    "share_ticket": limits.MAX_SHARE_TICKET_CHARS,
}
ID_FIELDS = ("anonymous_id", "openid", "unionid", "user_id", "session_id")
UTM_FIELDS = ("source", "medium", "campaign", "term", "content")


class Run(Struct):
    """Sends, and remembers what ClickHouse must hold in the end."""

    collector: RunningCollector
    app: Variables
    accepted: int = 0
    rejected: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    expected: dict[str, dict[str, Any]] = {}

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Send a body and check the form of the answer."""
        answer = send(
            self.collector.port,
            "POST",
            "/v1/events",
            {"X-Write-Key": self.app.write_key} | (headers or {}),
            body,
        )
        parsed = json.loads(answer.body)
        assert parsed["request_id"]
        assert answer.status in (200, 400, 401, 403, 413, 415, 422), (body[:200], parsed)
        if answer.status in (200, 422):
            self.accepted += parsed["accepted"]
            self.rejected += parsed["rejected"]
            assert parsed["duplicates"] == 0
            for error in parsed["errors"]:
                assert error["code"] in EVENT_ERRORS
                assert error["path"].startswith("$.events[")
        else:
            assert REQUEST_ERRORS[parsed["error"]].status == answer.status
        self.statuses[f"{answer.status} {parsed.get('error', '')}".strip()] += 1
        return answer.status, parsed

    def verify(self) -> None:
        """Compare with ClickHouse."""
        self.collector.wait_until_stored()
        rows = {row["event_id"]: row for row in self.collector.stored_rows([self.app.app_id])}
        letters = self.collector.select(
            "SELECT count() AS n FROM dead_letters FINAL WHERE app_id = {app_id:String}",
            app_id=self.app.app_id,
        )
        assert len(rows) == self.accepted
        assert letters[0]["n"] == self.rejected
        for event_id, columns in self.expected.items():
            got = {name: rows[event_id][name] for name in columns}
            assert got == columns


@pytest.fixture
def run(running_collector: RunningCollector) -> Iterator[Run]:
    run = Run(running_collector, running_collector.new_app())
    yield run
    print(f"\naccepted {run.accepted}, refused {run.rejected}, answers {dict(run.statuses)}")


def around(run: Run, number: str, inner: bytes, *, in_envelope: bytes = b"") -> bytes:
    """A batch of three events with ``inner`` as members of the second one."""
    event = f'"event":"tap","occurred_at":{run.app.now_ms}'
    start = f'{{"app_id":"{run.app.app_id}","platform":"wechat","anonymous_id":"a",'.encode()
    events = (
        f'"events":[{{"event_id":"{number}-1",{event}}},{{"event_id":"{number}-2",{event}'.encode()
    )
    return (
        start + in_envelope + events + inner + f'}},{{"event_id":"{number}-3",{event}}}]}}'.encode()
    )


def test_files_were_found():
    assert len(PARSING_FILES) > 300
    assert len(NAUGHTY_STRINGS) > 500


def test_json_files_as_bodies(run: Run):
    for path in PARSING_FILES:
        status, answer = run.post(path.read_bytes())
        assert status == 400, path.name
        if path.name.startswith("y_"):
            assert answer["error"] == "invalid_envelope", path.name

    run.verify()


def test_json_files_as_unknown_keys(run: Run):
    """What is valid JSON is ignored; what is not refuses the body."""
    for number, path in enumerate(PARSING_FILES):
        content = path.read_bytes()
        for place, body in (
            ("e", around(run, f"{number}e", b',"unknown":' + content)),
            ("b", around(run, f"{number}b", b"", in_envelope=b'"unknown":' + content + b",")),
        ):
            status, answer = run.post(body)
            if path.name.startswith("y_"):
                assert (status, answer["accepted"]) == (200, 3), (path.name, place, answer)

    run.verify()


def test_json_files_as_properties(run: Run):
    """What is valid JSON costs its own event at most."""
    for number, path in enumerate(PARSING_FILES):
        content = path.read_bytes()
        for place, inner in (
            ("v", b',"properties":{"p":' + content + b"}"),
            ("p", b',"properties":' + content),
            ("s", b',"scene":' + content),
            ("q", b',"seq":' + content),
            ("u", b',"utm":' + content),
        ):
            status, answer = run.post(around(run, f"{number}{place}", inner))
            if path.name.startswith("y_"):
                assert status == 200, (path.name, place, answer)
                assert answer["accepted"] >= 2, (path.name, place, answer)

    run.verify()


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "utf-8"])
def test_naughty_strings_are_stored_as_they_are(run: Run, ensure_ascii: bool):
    """As values of properties, texts and utm: nothing is refused but what is too long."""
    for number, text in enumerate(NAUGHTY_STRINGS):
        event: dict[str, Any] = {
            "event_id": f"n{number}",
            "event": "tap",
            "occurred_at": run.app.now_ms,
            "properties": {"p": text, "list": [text, text]},
            "utm": dict.fromkeys(UTM_FIELDS, text[: limits.MAX_SHORT_CHARS]),
        }
        columns: dict[str, Any] = {
            "properties_text": {"p": text},
            "properties_list": {"list": [text, text]},
        }
        columns |= {f"utm_{name}": value for name, value in event["utm"].items()}
        for name, most in TEXT_FIELDS.items():
            event[name] = columns[name] = text[:most]
        short = text[: limits.MAX_SHORT_CHARS]
        columns |= {"app_version": short, "device_brand": short, "sdk_name": short}
        body = {
            "app_id": run.app.app_id,
            "platform": "wechat",
            "anonymous_id": "a",
            "app_version": short,
            "device": {"brand": short},
            "sdk": {"name": short},
            "events": [event],
        }
        status, answer = run.post(json.dumps(body, ensure_ascii=ensure_ascii).encode())
        assert status == 200, (text, answer)
        run.expected[event["event_id"]] = columns

    run.verify()


def test_naughty_strings_as_names_and_ids(run: Run):
    """Each is stored as it is, or refused as unprintable or too long; neighbours stay."""
    for number, text in enumerate(NAUGHTY_STRINGS):
        base = {"event": "tap", "occurred_at": run.app.now_ms}
        ids: dict[str, Any] = dict.fromkeys(ID_FIELDS, text)
        events = [
            base | {"event_id": f"first-{number}"},
            base | {"event_id": f"{number}:{text}"},
            base | {"event_id": f"name-{number}", "event": text},
            base | {"event_id": f"ids-{number}", **ids},
            base | {"event_id": f"property-{number}", "properties": {text: text}},
            base | {"event_id": f"last-{number}"},
        ]
        body = {"app_id": run.app.app_id, "platform": "wechat", "anonymous_id": "a"}
        status, answer = run.post(json.dumps(body | {"events": events}).encode())
        assert status == 200, (text, answer)
        refused = {error["index"]: error for error in answer["errors"]}
        assert refused.keys() <= {1, 2, 3, 4}, (text, answer)
        assert {error["code"] for error in answer["errors"]} <= {"not_printable", "too_long"}
        columns = [{}, {}, {"event": text}, ids, {"properties_text": {text: text}}, {}]
        for index, event in enumerate(events):
            if index not in refused and not (index == 3 and not text):
                run.expected[str(event["event_id"])] = columns[index]

    run.verify()


def test_naughty_strings_as_envelope(run: Run):
    for number, text in enumerate(NAUGHTY_STRINGS):
        event = {"event_id": f"e{number}", "event": "tap", "occurred_at": run.app.now_ms}
        body = {"app_id": run.app.app_id, "platform": "wechat", "user_id": "u", "events": [event]}
        for name in ("app_id", "platform", "sent_at", "sdk", "device", "events"):
            status, answer = run.post(json.dumps(body | {name: text}).encode())
            assert status in (400, 403), (name, text, answer)
        status, answer = run.post(json.dumps(body | {"anonymous_id": text}).encode())
        assert status in (200, 400), (text, answer)
        if status == 200:
            run.expected[f"e{number}"] = {"anonymous_id": text}

    run.verify()


def test_naughty_strings_as_bodies_keys_encodings_and_paths(run: Run):
    body = around(run, "never", b"")
    for text in NAUGHTY_STRINGS:
        status, _ = run.post(text.encode())
        assert status == 400, text
        header = text.encode("utf-8").decode("latin-1")
        if header.strip() and header.isprintable():
            status, _ = run.post(body, {"X-Write-Key": header})
            assert status == 401, text
            status, _ = run.post(body, {"Content-Encoding": header})
            assert status == 415, text

    run.verify()
