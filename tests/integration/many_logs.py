"""
Many small random logs in one database: each in an app of its own, stored with one insert, asked one after the other.

A log is a list of events, on purpose full of trouble: equal times and seq, copies with another
received_at and corrected time, a device that is bound late, days on which clocks change. ``Asker`` keeps its connection.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from query_support import APP, event, id_key, insert, ms

from query_api.clickhouse import Database
from query_api.errors import QueryError
from query_api.reports import answer_query
from query_api.settings import Settings

NOW_MS = ms("2027-06-01T00:00:00Z")
HOUR_MS = 3_600_000
_apps = itertools.count(1)

ZONES = {
    # zone: an instant near which something happens
    "Asia/Shanghai": ms("2026-10-31T16:00:00Z"),  # midnight, a month begins
    "Europe/Berlin": ms("2026-10-25T00:30:00Z"),  # clocks go back: a day of 25 hours
    "America/New_York": ms("2026-03-08T06:30:00Z"),  # clocks go forward: a day of 23 hours
    "Africa/Cairo": ms("2026-04-23T22:00:00Z"),  # midnight is skipped
    "Pacific/Auckland": ms("2026-09-26T13:30:00Z"),  # 12 hours east, clocks go forward
}

_EXPLORES = "SCENETRAIL_EXPLORE" in os.environ
RANDOM = settings(
    max_examples=20 if _EXPLORES else 2,
    deadline=None,
    derandomize=not _EXPLORES,
    phases=[Phase.generate],  # a seed cannot be shrunk
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
LOGS = 6
"""Logs of one example: RANDOM tries twice as many, the longer runs 20 times, with new seeds."""

USERS = ["user_id:u0", "user_id:u1", "anonymous_id:d0", "anonymous_id:d1"]


Maker = Callable[[Random], Any]


def choice(values: Iterable[Any]) -> Maker:
    """Make one of the values."""
    values = list(values)
    return lambda random: random.choice(values)


LARGE_SEQS = (40_000, 40_001)
"""Not told apart by the cheapest order key."""


def events(names: str, offsets_ms: list[int], size: int = 16) -> Maker:
    """Make events: user, name, offset to the log's instant, seq, page, session_id, sku, whether it comes twice."""
    parts = [
        USERS,
        names,
        offsets_ms,
        [0, 0, 1, *LARGE_SEQS],
        ["", "p1", "p2"],
        ["", "", "s1", "s2"],
        [None, "1", "2", 1, 2.5],
        [False, False, True],
    ]
    return lambda random: [
        tuple(random.choice(part) for part in parts) for _ in range(random.randint(size // 4, size))
    ]


def many(*makers: Maker) -> st.SearchStrategy[list[Any]]:
    """
    Draw LOGS tuples of what the makers make.

    From one drawn seed: drawing each event would leave most logs nearly empty, and shrinking would take minutes.
    """

    def made(seed: int) -> list[Any]:
        random = Random(seed)  # noqa: S311 (a test)
        return [tuple(maker(random) for maker in makers) for _ in range(LOGS)]

    return st.integers(0, 2**32 - 1).map(made)


class Log:
    """One stored log: ``rows`` as inserted, copies included, and ``identity`` as the reference takes it."""

    def __init__(self, drawn: list[Any], base_ms: int) -> None:
        self.app_id = f"wx_log_{next(_apps)}"
        self.rows: list[dict[str, Any]] = []
        for number, (user, name, offset, seq, page, session_id, sku, twice) in enumerate(drawn):
            row = event(
                user,
                name,
                base_ms + offset,
                seq=seq,
                page=page,
                session_id=session_id,
                properties={} if sku is None else {"sku": sku},
                # Numbered backwards, so that the order of ties is not that of arrival.
                event_id=f"e{99 - number}",
                app_id=self.app_id,
            )
            self.rows.append(row)
            if twice:
                copy = {**row, "received_at": row["received_at"] + 60_000}
                copy["precedence"] = 2**63 - copy["received_at"]
                copy["occurred_at"] += HOUR_MS
                self.rows.append(copy)
        # Device d0 turns out to be u0, from the log's instant on.
        self._device = id_key("anonymous_id", "d0", self.app_id)
        u0 = id_key("user_id", "u0")
        self.identity = {self._device: (u0, [(base_ms, u0)])}


def store(database: Any, logs: list[Log]) -> None:
    """Store all logs with one insert."""
    insert(database, [row for log in logs for row in log.rows])
    rows = [
        [key, person, [at for at, _ in strict], [who for _, who in strict], 1]
        for log in logs
        for key, (person, strict) in log.identity.items()
    ]
    database.insert(
        "identity_map",
        rows,
        column_names=["id_key", "person", "strict_from", "strict_person", "version"],
    )


class Asker:
    """Asks as the HTTP handler does, over one connection."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._database = Database(Settings(clickhouse_reader_url=url))

    def whole(self, report: str, body: dict[str, Any], now_ms: int = NOW_MS) -> dict[str, Any]:
        """Return the whole answer."""
        body = {"app_ids": [APP], **body}
        raw = msgspec.json.encode(body)
        answer = answer_query(self._database, report, raw, body["app_ids"], now_ms)
        return msgspec.json.decode(msgspec.json.encode(self._runner.run(answer)))

    def __call__(self, report: str, body: dict[str, Any], now_ms: int = NOW_MS) -> dict[str, Any]:
        """Return the result."""
        return self.whole(report, body, now_ms)["result"]

    def users(self, report: str, body: dict[str, Any], cell: dict[str, Any]) -> set[int]:
        """Return the users of a cell; their number is checked."""
        result = self(f"{report}/users", {**body, "cell": cell})
        users = {int(row["user"]) for row in result["users"]}
        assert result["total"] == len(users) == len(result["users"])
        return users

    def refused(self, report: str, body: dict[str, Any]) -> tuple[str, str | None]:
        """Return code and path of the error that a wrong request gets."""
        try:
            self(report, body)
        except QueryError as error:
            return error.code, error.path
        raise AssertionError("the request was answered")

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._database.close())
        self._runner.close()


def asker_of(url: str) -> Iterator[Asker]:
    """Body of a fixture."""
    asking = Asker(url)
    yield asking
    asking.close()
