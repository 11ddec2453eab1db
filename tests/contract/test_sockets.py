"""
What no vector can say: bytes on a socket that are slow, cut, endless, pipelined or no HTTP at all.

Each must end in an answer or a closed connection, never in a 500, a hang or the loss of a neighbour.
"""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sdk_spec.limits import MAX_BODY_BYTES, MAX_EVENTS_PER_BATCH
from tests.contract.conftest import RunningCollector, send
from tests.contract.vector_runner import Variables

ANSWER_LIMIT_S = 90.0
"""A hang is anything beyond; the collector's own limits are 3 and 5 seconds here."""


@pytest.fixture
def app(running_collector: RunningCollector) -> Variables:
    return running_collector.new_app()


@pytest.fixture(scope="module")
def neighbours(running_collector: RunningCollector) -> Iterator[dict[str, str]]:
    """Apps of ordinary clients, each with the test it was served after; the event of each is stored at the end."""
    served: dict[str, str] = {}
    yield served
    running_collector.wait_until_stored()
    stored = [row["app_id"] for row in running_collector.stored_rows([*served])]
    assert sorted(stored) == sorted(served), served


@pytest.fixture(autouse=True)
def neighbour_is_served(
    running_collector: RunningCollector,
    neighbours: dict[str, str],
    request: pytest.FixtureRequest,
) -> Iterator[None]:
    """After every test an ordinary client sends and is answered."""
    yield
    neighbour = running_collector.new_app()
    body = batch(neighbour)
    answer = send(running_collector.port, "POST", "/v1/events", key_of(neighbour), body)
    assert (answer.status, json.loads(answer.body)["accepted"]) == (200, 1)
    neighbours[neighbour.app_id] = request.node.name


def key_of(app: Variables) -> dict[str, str]:
    return {"X-Write-Key": app.write_key}


def batch(app: Variables, event_id: str = "e1", **more: Any) -> bytes:
    event = {"event_id": event_id, "event": "tap", "occurred_at": app.now_ms}
    body = {"app_id": app.app_id, "platform": "wechat", "anonymous_id": "a", "events": [event]}
    return json.dumps(body | more).encode()


def head(app: Variables, *lines: str) -> bytes:
    """Start line and headers of a request to ``/v1/events``."""
    usual = ["POST /v1/events HTTP/1.1", "Host: collector", f"X-Write-Key: {app.write_key}"]
    return "\r\n".join([*usual, *lines, "", ""]).encode("latin-1")


def plain(app: Variables, event_id: str = "e1") -> bytes:
    body = batch(app, event_id)
    return head(app, f"Content-Length: {len(body)}") + body


@contextlib.contextmanager
def connected(collector: RunningCollector) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", collector.port), timeout=ANSWER_LIMIT_S) as client:
        yield client


def read_to_end(client: socket.socket) -> bytes:
    """All that comes until the server closes. Errors: TimeoutError when it does not."""
    received = b""
    try:
        while part := client.recv(65536):
            received += part
    except ConnectionResetError:
        pass  # closed with bytes of ours unread
    return received


def next_answer(received: bytes) -> tuple[tuple[int, dict[str, Any]], bytes] | None:
    """Status and JSON body of the first answer and what follows it; None while it is not complete."""
    head_part, blank, rest = received.partition(b"\r\n\r\n")
    if not blank:
        return None
    lines = head_part.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(fields["content-length"])
    if len(rest) < length:
        return None
    return (int(lines[0].split()[1]), json.loads(rest[:length])), rest[length:]


def read_answers(client: socket.socket, count: int) -> list[tuple[int, dict[str, Any]]]:
    """
    Return this many answers.

    Errors: TimeoutError when they do not come; AssertionError when the server closes before.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    received = b""
    while len(found) < count:
        complete = next_answer(received)
        if complete is None:
            part = client.recv(65536)
            assert part, f"closed after {len(found)} answers"
            received += part
        else:
            answer, received = complete
            found.append(answer)
    assert received == b""
    return found


def talk(
    collector: RunningCollector, *parts: bytes, count: int = 1
) -> list[tuple[int, dict[str, Any]]]:
    """Send, keep the connection open, and return the answers."""
    with connected(collector) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                client.sendall(part)
        return read_answers(client, count)


def status_and_error(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    status, body = answer
    assert body["request_id"]
    assert body["message"]
    return status, body["error"]


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_one_byte_at_a_time_is_408_although_bytes_keep_coming(
    running_collector: RunningCollector, app: Variables
):
    body = batch(app)
    deadline = time.monotonic() + ANSWER_LIMIT_S
    with connected(running_collector) as client:
        client.sendall(head(app, f"Content-Length: {len(body) + 1_000_000}"))
        client.settimeout(0.05)
        received = b""
        while not received:
            assert time.monotonic() < deadline
            client.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                received = client.recv(65536)
        complete = next_answer(received)

    assert complete is not None
    answer, _ = complete
    assert status_and_error(answer) == (408, "request_timeout")


def test_slow_but_complete_body_is_accepted(running_collector: RunningCollector, app: Variables):
    request = plain(app)
    with connected(running_collector) as client:
        for start in range(0, len(request), 64):
            client.sendall(request[start : start + 64])
            time.sleep(0.005)  # what is slow is the client, that is the point
        ((status, body),) = read_answers(client, 1)

    assert (status, body["accepted"]) == (200, 1)


@pytest.mark.parametrize("transfer", ["length", "chunked"])
def test_body_cut_by_the_end_of_the_connection_stores_nothing(
    running_collector: RunningCollector, app: Variables, transfer: str
):
    body = batch(app)
    with connected(running_collector) as client:
        if transfer == "length":
            client.sendall(head(app, f"Content-Length: {len(body) + 10}") + body)
        else:
            client.sendall(head(app, "Transfer-Encoding: chunked") + chunk(body))
        client.shutdown(socket.SHUT_WR)
        received = read_to_end(client)

    assert received == b"" or received.split()[1] in (b"400", b"408")
    running_collector.wait_until_stored()
    assert running_collector.stored_rows([app.app_id]) == []


def test_client_that_leaves_before_the_answer_loses_no_neighbour(
    running_collector: RunningCollector, app: Variables
):
    for number in range(50):
        with connected(running_collector) as client:
            client.sendall(plain(app, f"left-{number}"))
    kept = send(running_collector.port, "POST", "/v1/events", key_of(app), batch(app, "stayed"))
    running_collector.wait_until_stored()

    assert kept.status == 200
    ids = [row["event_id"] for row in running_collector.stored_rows([app.app_id])]
    assert "stayed" in ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_neither_length_nor_chunks_is_411(
    running_collector: RunningCollector, app: Variables, version: str
):
    request = head(app, "Connection: close").replace(b"HTTP/1.1", f"HTTP/{version}".encode())

    (answer,) = talk(running_collector, request)

    assert status_and_error(answer) == (411, "length_required")


def test_announced_length_beyond_the_limit_is_413_before_any_byte(
    running_collector: RunningCollector, app: Variables
):
    (answer,) = talk(running_collector, head(app, f"Content-Length: {MAX_BODY_BYTES + 1}"))

    assert status_and_error(answer) == (413, "body_too_large")


def test_endless_chunks_are_413(running_collector: RunningCollector, app: Variables):
    some = chunk(b" " * 65_536)
    parts = [some] * (2 * MAX_BODY_BYTES // 65_536)

    (answer,) = talk(running_collector, head(app, "Transfer-Encoding: chunked"), *parts)

    assert status_and_error(answer) == (413, "body_too_large")


def test_expect_100_continue_is_served(running_collector: RunningCollector, app: Variables):
    body = batch(app)
    with connected(running_collector) as client:
        client.sendall(head(app, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        first = client.recv(65536)
        assert first.startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        ((status, answer),) = read_answers(client, 1)

    assert (status, answer["accepted"]) == (200, 1)


def test_pipelined_requests_are_answered_in_order(
    running_collector: RunningCollector, app: Variables
):
    bad = b'{"app_id": 5}'
    wrong = head(app, f"Content-Length: {len(bad)}") + bad
    requests = plain(app, "e1") + wrong + plain(app, "e2") + plain(app, "e3")

    received = talk(running_collector, requests, count=4)

    assert [status for status, _ in received] == [200, 400, 200, 200]
    running_collector.wait_until_stored()
    ids = {row["event_id"] for row in running_collector.stored_rows([app.app_id])}
    assert ids == {"e1", "e2", "e3"}


def test_answers_have_the_same_head_whichever_way_they_leave(
    running_collector: RunningCollector, app: Variables
):
    """Answers on a connection that stays leave in one write of ours, others by aiohttp's way."""

    def fields(request: bytes) -> dict[str, str]:
        with connected(running_collector) as client:
            client.sendall(request)
            received = b""
            while next_answer(received) is None:
                received += client.recv(65536)
        start, *lines = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        found = dict(line.split(": ", 1) for line in lines)
        assert found.pop("Date").endswith(" GMT")
        assert int(found.pop("Content-Length")) == len(received.partition(b"\r\n\r\n")[2])
        return {"": start, **found}

    stays = fields(plain(app, "e1"))
    ends = fields(plain(app, "e2").replace(b"Host:", b"Connection: close\r\nHost:"))
    old = fields(plain(app, "e3").replace(b"HTTP/1.1", b"HTTP/1.0"))

    usual = {"Content-Type": "application/json", "Server": "scenetrail"}
    assert stays == {"": "HTTP/1.1 200 OK", **usual}
    assert ends == {"": "HTTP/1.1 200 OK", **usual, "Connection": "close"}
    assert old == {"": "HTTP/1.0 200 OK", **usual}


def test_body_of_a_refused_request_is_never_taken_for_a_request(
    running_collector: RunningCollector, app: Variables
):
    smuggled = plain(app, "smuggled")
    unknown = Variables(app.app_id, "wk_unknown", "", "", "", app.now_ms)
    refused = head(unknown, f"Content-Length: {len(smuggled)}") + smuggled
    with connected(running_collector) as client:
        client.sendall(refused)
        received = read_to_end(client)

    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 401 ")
    running_collector.wait_until_stored()
    assert running_collector.stored_rows([app.app_id]) == []


def test_refusal_does_not_wait_for_the_body(running_collector: RunningCollector, app: Variables):
    unknown = Variables(app.app_id, "wk_unknown", "", "", "", app.now_ms)

    (answer,) = talk(running_collector, head(unknown, "Content-Length: 1000"))

    assert status_and_error(answer) == (401, "unauthorized")


MALFORMED = {
    "no-http": b"hello\r\n\r\n",
    "tls": bytes.fromhex("16030100a5010000a10303") + b"\x00" * 160 + b"\r\n\r\n",
    "http-2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nul-in-path": b"GET /\x00 HTTP/1.1\r\nHost: c\r\n\r\n",
    "no-version": b"POST /v1/events\r\n\r\n",
    "long-path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: c\r\n\r\n",
    "huge-header": b"GET /healthz HTTP/1.1\r\nHost: c\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "many-headers": b"GET /healthz HTTP/1.1\r\nHost: c\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
    "header-without-colon": b"GET /healthz HTTP/1.1\r\nHost: c\r\nnonsense\r\n\r\n",
    "nul-in-header": b"GET /healthz HTTP/1.1\r\nHost: c\r\nX: a\x00b\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_is_refused(running_collector: RunningCollector, name: str):
    with connected(running_collector) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(MALFORMED[name])
        received = read_to_end(client)

    if received:  # the parser had enough of it before the connection broke
        complete = next_answer(received)
        assert complete is not None
        (answer, rest) = complete
        status, code = status_and_error(answer)
        assert (400 <= status < 500, rest) == (True, b"")
        assert code in ("invalid_request", "unauthorized", "length_required", "not_found")


LENGTHS = {
    "negative": ["Content-Length: -1"],
    "text": ["Content-Length: ten"],
    "hex": ["Content-Length: 0x10"],
    "plus": ["Content-Length: +10"],
    "twice": ["Content-Length: 10", "Content-Length: 20"],
    "with-chunks": ["Content-Length: 10", "Transfer-Encoding: chunked"],
    "beyond-64-bits": ["Content-Length: 99999999999999999999999"],
    "unknown-transfer": ["Transfer-Encoding: nonsense"],
    "chunked-twice": ["Transfer-Encoding: chunked, chunked"],
}


@pytest.mark.parametrize("name", LENGTHS)
def test_ambiguous_length_is_refused(
    running_collector: RunningCollector, app: Variables, name: str
):
    request = head(app, *LENGTHS[name]) + batch(app)
    with connected(running_collector) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        received = read_to_end(client)

    assert received == b"" or 400 <= int(received.split()[1]) < 500
    assert received.count(b"HTTP/1.1 ") <= 1
    running_collector.wait_until_stored()
    assert running_collector.stored_rows([app.app_id]) == []


CHUNKS = {
    "size-no-hex": b"zz\r\nabc\r\n0\r\n\r\n",
    "size-negative": b"-1\r\nabc\r\n0\r\n\r\n",
    "size-beyond-64-bits": b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "size-too-small": b"1\r\nabcdef\r\n0\r\n\r\n",
    "endless-extension": b"3;" + b"x" * 200_000 + b"\r\nabc\r\n0\r\n\r\n",
    "endless-trailer": b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_broken_chunks_are_refused(running_collector: RunningCollector, app: Variables, name: str):
    request = head(app, "Transfer-Encoding: chunked") + CHUNKS[name]
    with connected(running_collector) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        received = read_to_end(client)

    assert received == b"" or 400 <= int(received.split()[1]) < 500


def test_clients_that_fall_silent_are_told_408_or_closed(
    running_collector: RunningCollector, app: Variables
):
    """In the middle of chunks, before the body, in the headers, before anything: all at once, as each takes its time."""
    with contextlib.ExitStack() as stack:
        chunked, bodiless, slow, idle = (
            stack.enter_context(connected(running_collector)) for _ in range(4)
        )
        chunked.sendall(head(app, "Transfer-Encoding: chunked") + chunk(batch(app)[:20]))
        bodiless.sendall(head(app, "Content-Length: 100"))
        slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: c")

        for client in (chunked, bodiless):
            (answer,) = read_answers(client, 1)
            assert status_and_error(answer) == (408, "request_timeout")
        assert read_to_end(idle) == b""
        received = read_to_end(slow)
        assert received == b"" or 400 <= int(received.split()[1]) < 500


def test_200_stalled_clients_cost_a_neighbour_nothing(
    running_collector: RunningCollector, app: Variables
):
    with contextlib.ExitStack() as stack:
        stalled = []
        for _ in range(200):
            client = stack.enter_context(connected(running_collector))
            client.sendall(head(app, "Content-Length: 1000") + b"{")
            stalled.append(client)
        answer = send(running_collector.port, "POST", "/v1/events", key_of(app), batch(app))
        assert answer.status == 200
        for client in stalled:
            (late,) = read_answers(client, 1)
            assert status_and_error(late) == (408, "request_timeout")


def test_5000_refused_events_are_all_named(running_collector: RunningCollector, app: Variables):
    body = batch(app, events=[{"event_id": f"e{i}"} for i in range(MAX_EVENTS_PER_BATCH)])

    answer = send(running_collector.port, "POST", "/v1/events", key_of(app), body)

    errors = json.loads(answer.body)["errors"]
    assert answer.status == 422
    assert [error["event_id"] for error in errors] == [f"e{i}" for i in range(len(errors))]
    assert len(errors) == MAX_EVENTS_PER_BATCH


def test_ids_and_values_do_not_reach_the_log(running_collector: RunningCollector, app: Variables):
    secret = "openid-that-is-nobodys-business"  # noqa: S105
    good = batch(app, openid=secret)
    bad = batch(app, openid=secret, events=[{"event_id": secret, "event": secret, "page": 7}])
    for body in (good, bad, good[:-5]):
        send(running_collector.port, "POST", "/v1/events", key_of(app), body)
    running_collector.wait_until_stored()

    log = running_collector.log_path.read_text()
    assert log
    assert secret not in log
    assert app.write_key not in log


def test_bytes_that_are_no_http_get_the_one_error_shape(running_collector: RunningCollector):
    (answer,) = talk(running_collector, b"GET /healthz HTTP/1.1\r\nHost: c\r\nno colon\r\n\r\n")

    assert status_and_error(answer) == (400, "invalid_request")


def test_line_that_is_too_long_is_told_as_such(running_collector: RunningCollector):
    one_too_many = b"a" * 8_190  # together with the name; nothing after it stays unread
    (answer,) = talk(running_collector, b"GET /healthz HTTP/1.1\r\nX: " + one_too_many)

    assert status_and_error(answer) == (400, "invalid_request")
    assert "8190 bytes" in answer[1]["message"]


def test_bytes_that_are_no_http_do_not_reach_the_log(
    running_collector: RunningCollector, app: Variables
):
    secret = b"phone-number-of-somebody"
    bad_header = head(app, "Content-Length: 2").replace(b"Host: collector", b"Host: \x00" + secret)
    bad_chunk = head(app, "Transfer-Encoding: chunked") + b"1\r\n" + secret + b"\r\n0\r\n\r\n"
    for request in (bad_header, bad_chunk, secret + b"\r\n\r\n"):
        with connected(running_collector) as client:
            client.sendall(request)
            assert read_to_end(client).split()[1] == b"400"

    log = running_collector.log_path.read_text()
    assert secret.decode() not in log
    assert "Traceback" not in log
