"""The driver against servers that refuse, fall silent and forget: it behaves as a client must."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from loadtest.connection import address_of
from loadtest.driver import Driver, Outcome, Plan
from loadtest.generate import FlatWorkload
from loadtest.report import percentiles

BATCH = 10


class Server:
    """Answers each request as ``choose(body number, times seen)`` says: a status, or 0 to hang up."""

    def __init__(self, choose: Callable[[int, int], int]) -> None:
        self._choose = choose
        self.seen: Counter[int] = Counter()
        self.sent_at: dict[int, list[int]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the driver closes the connection, which shows as an incomplete head."""
        try:
            while not reader.at_eof():
                with contextlib.suppress(asyncio.IncompleteReadError):
                    head = await reader.readuntil(b"\r\n\r\n")
                if reader.at_eof():
                    return
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = msgspec.json.decode(await reader.readexactly(length))
                number = int(body["events"][0]["event_id"].split("-")[1], 16)
                self.seen[number] += 1
                self.sent_at.setdefault(number, []).append(body["sent_at"])
                status = self._choose(number, self.seen[number])
                if status == 0:
                    return
                writer.write(answer(status, is_new=self.seen[number] == 1))
        finally:
            writer.close()


def answer(status: int, *, is_new: bool) -> bytes:
    fate = {
        "request_id": "r",
        "accepted": BATCH if is_new else 0,
        "duplicates": 0 if is_new else BATCH,
        "rejected": 0,
        "errors": [],
    }
    body = msgspec.json.encode(fate if status == 200 else {"error": "x"})
    head = f"HTTP/1.1 {status} X\r\nRetry-After: 0.01\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def drive(server: Server, plan: Plan) -> Outcome:
    workload = FlatWorkload(seed=1, run="unit", app_id="wx1", batch=BATCH)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    driver = Driver(address_of(f"http://127.0.0.1:{port}/v1/events", {}), workload.body, plan)
    try:
        return await driver.run()
    finally:
        listener.close()
        await listener.wait_closed()


def plan(**changes) -> Plan:
    return Plan(**({"batch": BATCH, "duration_s": 5.0, "connections": 3, "limit": 40} | changes))


async def as_client(status: int) -> tuple[Server, Outcome]:
    server = Server(lambda number, times: status if times == 1 and number % 4 == 0 else 200)
    return server, await drive(server, plan())


async def test_closed_loop_sends_each_body_once():
    server = Server(lambda _number, _times: 200)

    outcome = await drive(server, plan())

    assert server.seen == Counter(range(40))
    assert (outcome.accepted, outcome.requests) == (400, 40)
    assert outcome.fates == dict.fromkeys(range(40), BATCH)
    assert len(outcome.latencies_ms) == 40


@pytest.mark.parametrize("status", [0, 408, 429, 500, 503])
async def test_body_is_sent_again_until_answered(status):
    server, outcome = await as_client(status)

    assert all(server.seen[number] == (2 if number % 4 == 0 else 1) for number in range(40))
    assert sorted(outcome.fates) == list(range(40))
    assert outcome.statuses[status] == 10
    assert not outcome.unknown


async def test_body_sent_again_has_another_sent_at():
    server = Server(lambda _number, times: 503 if times < 3 else 200)

    await drive(server, plan(limit=2))

    assert all(len(set(times)) > 1 for times in server.sent_at.values())


async def test_body_refused_for_good_is_dropped():
    server, outcome = await as_client(400)

    assert set(server.seen.values()) == {1}
    assert sorted(outcome.dropped) == [number for number in range(40) if number % 4 == 0]
    assert len(outcome.fates) == 30


async def test_body_never_answered_is_named_unknown():
    # One of the first three: they are sent at once, however long the machine stands still afterwards.
    server = Server(lambda number, _times: 503 if number == 1 else 200)

    outcome = await drive(server, plan(duration_s=0.2, grace_s=0.1))

    # On a machine that stands still for a moment others are not answered in time either, and are named as well.
    assert 1 in outcome.unknown
    assert not set(outcome.unknown) & set(outcome.fates)


async def test_share_of_answered_bodies_is_sent_twice():
    server = Server(lambda _number, _times: 200)

    outcome = await drive(server, plan(retry_ratio=0.5))

    twice = sum(times == 2 for times in server.seen.values())
    assert 8 <= twice <= 32
    assert outcome.duplicates == twice * BATCH
    assert outcome.accepted == 400


async def test_open_loop_keeps_its_rate_whatever_the_server_does():
    server = Server(lambda _number, _times: 200)

    outcome = await drive(server, plan(rate=2_000.0, duration_s=0.25, limit=0))

    assert outcome.bodies == 50  # 2,000 events/s in batches of 10 for a quarter of a second


async def test_latency_counts_from_the_due_time():
    """One connection held up once: every body that fell due meanwhile has waited."""
    server = Server(lambda number, times: 503 if number == 0 and times < 20 else 200)

    outcome = await drive(server, plan(rate=2_000.0, duration_s=0.2, connections=1, limit=0))

    assert percentiles(outcome.latencies_ms)["max_ms"] >= 19 * 10
