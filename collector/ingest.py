"""
The path of a request, top to bottom: read this file first.

``ingest_batch`` runs the stages in order; each is a function of another module. It knows no HTTP and no ClickHouse.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from collector import metrics
from collector.decode import Batch, BodyError, decode_batch, too_old, without_raw_phones
from collector.enrich import clock_offset_ms, is_too_old
from collector.recent import RecentIds
from collector.scrub import scrubber
from collector.spool import Spool
from collector.spool_format import SpoolRecord
from sdk_spec.access import App
from sdk_spec.outcomes import BatchResponse, EventError

RECORD_VERSION = 1


class Ingest:
    """What the stages need: one per worker process."""

    def __init__(
        self,
        spool: Spool,
        recent: RecentIds,
        max_clock_skew_ms: int,
        hash_key: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self.spool = spool
        self.recent = recent
        self.max_clock_skew_ms = max_clock_skew_ms
        self.hash_key = hash_key


async def ingest_batch(
    ingest: Ingest, app: App, body: bytes, received_at: int, request_id: str
) -> BatchResponse:
    """
    Decide the fate of every event of one body and make the accepted ones durable.

    Args:
        ingest: the worker's spool and memory of recent ids.
        app: the app of the write key.
        body: JSON, decompressed.
        received_at: epoch ms of this server's clock.
        request_id: stands in the answer, the log and the dead letters.

    Returns:
        One fate per event. Accepted and refused ones are in the spool when this returns.

    Errors: BodyError; SpoolFullError and SpoolBrokenError (nothing was kept: the client sends again).
    """
    started_s = time.perf_counter()
    verdict = judge(ingest, app, body, received_at, request_id)
    if verdict.record is not None:
        await ingest.spool.append(verdict.record)
    # Only now: an id that is not durable must not make a retry look like a duplicate.
    ingest.recent.remember(app.app_id, verdict.ids)
    count(verdict.response, time.perf_counter() - started_s)
    return verdict.response


class Verdict(Struct, frozen=True):
    """
    What becomes of one body: the answer, what is to be made durable before it (None: nothing is new), and the ids to remember.

    ``ids[i]`` is None exactly where event i is refused. The decoded events are gone: those of all requests that wait for the
    disk would take room, and to free them later, out of the caches, costs 5 % of a request.
    """

    response: BatchResponse
    record: SpoolRecord | None
    ids: list[str | None]


def judge(ingest: Ingest, app: App, body: bytes, received_at: int, request_id: str) -> Verdict:
    """Decide the fate of every event of one body; arguments and errors are those of ``ingest_batch``."""
    batch, body = screen(app, body, received_at, ingest.max_clock_skew_ms, ingest.hash_key)
    ids = [None if event is None else event.event_id for event in batch.events]
    duplicates = ingest.recent.duplicates(app.app_id, ids)
    response = answer(batch, len(duplicates), request_id)
    if not response.accepted and not response.rejected:
        return Verdict(response, None, ids)
    record = SpoolRecord(
        version=RECORD_VERSION,
        received_at=received_at,
        request_id=request_id,
        project=app.project,
        app_id=app.app_id,
        max_clock_skew_ms=ingest.max_clock_skew_ms,
        refused=[rejection.index for rejection in batch.rejections],
        duplicates=duplicates,
        body=body,
    )
    return Verdict(response, record, ids)


def screen(
    app: App,
    body: bytes,
    received_at: int,
    max_clock_skew_ms: int,
    hash_key: Callable[[], bytes | None],
) -> tuple[Batch, bytes]:
    """
    Return the fate of every event of a body, and the body as it may be stored. Events of a file pass here as well.

    Errors: BodyError.
    """
    if app.deny or app.hash_openids or app.signed_cards != "off":
        # Before anything else, so that what is denied reaches neither the spool nor a log.
        needs_key = app.hash_openids or app.signed_cards != "off"
        body = scrubber(app, hash_key() if needs_key else None)(body)
    batch = decode_batch(body)
    if batch.envelope.app_id != app.app_id:
        raise BodyError("forbidden", "$.app_id", "the write key belongs to another app")
    if batch.rejections:
        body = without_raw_phones(body, batch.rejections)
    refuse_old_events(batch, received_at, max_clock_skew_ms)
    return batch, body


def refuse_old_events(batch: Batch, received_at: int, max_clock_skew_ms: int) -> None:
    """Turn events that lie before 2015 after clock correction into rejections, in place."""
    offset_ms = clock_offset_ms(batch.envelope.sent_at, received_at, max_clock_skew_ms)
    earliest = min((e.occurred_at for e in batch.events if e is not None), default=None)
    if earliest is None or not is_too_old(earliest, offset_ms):
        return
    for index, event in enumerate(batch.events):
        if event is not None and is_too_old(event.occurred_at, offset_ms):
            batch.events[index] = None
            batch.rejections.append(too_old(index, event))


def answer(batch: Batch, duplicates: int, request_id: str) -> BatchResponse:
    """The response body; the three counts add up to the events sent."""
    rejected = len(batch.rejections)
    return BatchResponse(
        request_id=request_id,
        accepted=len(batch.events) - rejected - duplicates,
        duplicates=duplicates,
        rejected=rejected,
        errors=[
            EventError(r.index, r.event_id, r.code, r.path, r.message)
            for r in sorted(batch.rejections, key=lambda r: r.index)
        ],
    )


def count(response: BatchResponse, seconds: float) -> None:
    """Tell the metrics."""
    metrics.ingest_seconds.observe(seconds)
    _accepted.inc(response.accepted)
    if response.duplicates:
        metrics.events_total.labels("duplicate").inc(response.duplicates)
    for refused in response.errors:
        metrics.events_total.labels("rejected").inc()
        metrics.events_rejected_total.labels(refused.code).inc()


_accepted = metrics.events_total.labels("accepted")
