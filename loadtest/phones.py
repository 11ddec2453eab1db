"""
Sends the demo's batches to the collector over a few connections, as many phones would.

Every batch goes through the collector's own endpoint, compressed; a few are sent twice, as after an
answer lost on the way. Called by ``demo``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from loadtest.connection import Address, Answer, Connection, address_of
from loadtest.generate import compress
from loadtest.life import Batch
from sdk_spec import BatchResponse

_CONNECTIONS = 6
_SENT_TWICE_EVERY = 97
_LONG_RETRY_S = 30.0
_RETRY_WAIT_S = 0.25
_RETRY_STATUS = frozenset({0, 401, 403, 408, 429, 500, 503})
"""401 and 403 too: a collector may need a second to learn of a new key."""

Progress = Callable[[int, int], None]
"""Day (from 0) and events of a batch that was just answered."""


class SendError(Exception):
    """The collector refused a batch for good, or did not answer for too long."""


class Tally(Struct):
    """Events by their fate."""

    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    requests: int = 0


class Phones:
    """Lanes that share one stream of batches; each has one connection for each app."""

    def __init__(self, collector_url: str, write_keys: dict[str, str]) -> None:
        """
        Prepare.

        Args:
            collector_url: as in the READY line.
            write_keys: by app_id.
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        self._addresses = {
            app_id: address_of(f"{collector_url}/v1/events", headers | {"X-Write-Key": key})
            for app_id, key in write_keys.items()
        }
        self._decoder = msgspec.json.Decoder(BatchResponse)
        self.tally = Tally()

    async def send(self, batches: Iterator[Batch], progress: Progress) -> Tally:
        """Send everything. Errors: SendError."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_CONNECTIONS):
                group.create_task(self._lane(batches, progress))
        return self.tally

    async def _lane(self, batches: Iterator[Batch], progress: Progress) -> None:
        lanes: dict[str, _Lane] = {}
        try:
            for number, batch in enumerate(batches):
                lane = lanes.get(batch.app_id)
                if lane is None:
                    lane = lanes[batch.app_id] = _Lane(self._addresses[batch.app_id])
                repeats = 2 if number % _SENT_TWICE_EVERY == 0 else 1
                for _ in range(repeats):
                    self._count(await self._deliver(lane, batch))
                self.tally.events += len(batch.events)
                progress(batch.day, len(batch.events))
        finally:
            for lane in lanes.values():
                lane.close()

    async def _deliver(self, lane: _Lane, batch: Batch) -> Answer:
        """Send until there is a final answer. Errors: SendError."""
        deadline = time.monotonic() + _LONG_RETRY_S
        while True:
            answer = await lane.post(compress(batch.encode(time.time_ns() // 1_000_000)))
            self.tally.requests += 1
            if answer.status not in _RETRY_STATUS:
                break
            if time.monotonic() > deadline:
                raise SendError(
                    f"the collector answers {answer.status or 'nothing'} for {_LONG_RETRY_S:.0f} s: "
                    f"{answer.body.decode(errors='replace')[:300]}"
                )
            await asyncio.sleep(answer.retry_after_s or _RETRY_WAIT_S)
        if answer.status not in (200, 422):
            text = answer.body.decode(errors="replace")[:300]
            raise SendError(f"the collector refused a batch with {answer.status}: {text}")
        return answer

    def _count(self, answer: Answer) -> None:
        fate = self._decoder.decode(answer.body)
        self.tally.accepted += fate.accepted
        self.tally.duplicates += fate.duplicates
        self.tally.rejected += fate.rejected


class _Lane:
    """One connection with an answer to await."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._answer: asyncio.Future[Answer] | None = None

    async def post(self, body: bytes) -> Answer:
        """Send one body; status 0 when there is no answer."""
        if self._connection is None or not self._connection.is_open:
            self._connection = Connection(self._address, self._answered)
            try:
                await self._connection.open()
            except OSError:
                return Answer(0, b"")
        self._answer = asyncio.get_running_loop().create_future()
        self._connection.post(body)
        return await self._answer

    def _answered(self, connection: Connection, answer: Answer) -> None:
        del connection
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def close(self) -> None:
        """Close."""
        if self._connection is not None:
            self._connection.close()
