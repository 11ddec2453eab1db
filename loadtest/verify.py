"""
The proof: ClickHouse holds exactly the accepted events of a run, none lost, none twice.

Reads as every report reads (``FINAL``), so copies that collapse are fine and copies that do not are
found.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from msgspec import Struct

from loadtest.clickhouse import ClickHouse, load_sql

_POLL_S = 0.25
_NAMED = 5
"""How many differing bodies are named in a verdict."""


class Verdict(Struct, frozen=True):
    """
    How the stored events differ from the accepted ones, in events.

    ``lost``: accepted and absent. ``doubled``: rows beyond the first of one event_id.
    ``unexpected``: there though never accepted nor unanswered. ``unanswered``: of bodies without a
    final answer; they may be there, at most once. ``copies``: rows on disk that FINAL hides.
    ``stored_after_s``: from the call until all was there.
    """

    expected: int
    stored: int
    lost: int
    doubled: int
    unexpected: int
    unanswered: int
    copies: int
    stored_after_s: float
    examples: list[str]

    @property
    def is_exact(self) -> bool:
        """Nothing lost, nothing twice, nothing that should not be there."""
        return not (self.lost or self.doubled or self.unexpected)


def wait_until_stored(
    clickhouse: ClickHouse, *, app_id: str, run: str, events: int, limit_s: float
) -> float:
    """
    Wait until that many different events of the run are there; return the seconds it took.

    Gives up when nothing new came for ``limit_s``; the verdict then tells what is missing.
    """
    sql = load_sql("verify.count_rows")
    started = last_news = time.monotonic()
    seen = -1
    while True:
        count = int(clickhouse.rows(sql, app_id=app_id, run=run)[0]["events"])
        now = time.monotonic()
        if count >= events:
            return now - started
        if count != seen:
            seen, last_news = count, now
        if now - last_news > limit_s:
            return now - started
        time.sleep(_POLL_S)


def verify(
    clickhouse: ClickHouse,
    *,
    app_id: str,
    run: str,
    batch: int,
    fates: Mapping[int, int],
    unknown: Iterable[int] = (),
    limit_s: float = 60.0,
) -> Verdict:
    """
    Compare what is stored with what was accepted.

    Args:
        clickhouse: the database with the table ``events``.
        app_id: of the run.
        run: the run's name, the first part of its event_ids.
        batch: events in each body.
        fates: by body number, how many of its events were accepted or known as duplicates.
        unknown: bodies without a final answer.
        limit_s: how long to wait for more when something is missing.
    """
    expected = sum(fates.values())
    waited = wait_until_stored(clickhouse, app_id=app_id, run=run, events=expected, limit_s=limit_s)
    rows = clickhouse.rows(
        load_sql("verify.count_by_body"), app_id=app_id, run=run, prefix_chars=len(run) + 1
    )
    stored = {int(row["body"]): (int(row["events"]), int(row["ids"])) for row in rows}
    maybe = set(unknown)
    lost = doubled = unexpected = 0
    examples: list[str] = []
    for number in sorted(stored.keys() | fates.keys()):
        events, ids = stored.get(number, (0, 0))
        wanted = fates.get(number, 0)
        missing = max(0, wanted - ids)
        extra = 0 if number in maybe else max(0, ids - wanted)
        lost += missing
        doubled += events - ids
        unexpected += extra
        if (missing or extra or events != ids) and len(examples) < _NAMED:
            examples.append(
                f"body {run}-{number:08x}: accepted {wanted}, stored {ids}, rows {events}"
            )
    raw = clickhouse.rows(load_sql("verify.count_rows"), app_id=app_id, run=run)[0]
    return Verdict(
        expected=expected,
        stored=sum(ids for _, ids in stored.values()),
        lost=lost,
        doubled=doubled,
        unexpected=unexpected,
        unanswered=len(maybe) * batch,
        copies=int(raw["stored"]) - sum(events for events, _ in stored.values()),
        stored_after_s=waited,
        examples=examples,
    )
