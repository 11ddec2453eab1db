"""
Every metric of the collector, with its unit in the name. Exposed by ``GET /metrics`` for all processes together.

Processes share files under ``PROMETHEUS_MULTIPROC_DIR`` (set by the parent before they start), so any worker answers for all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from collector.file_lock import one_at_a_time

_LOCK = "lock"

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # At each count the library asks the kernel whether this is a fork. No process of ours forks after this import.
    _pid = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: _pid)  # type: ignore[no-untyped-call]

requests_total = Counter(
    "scenetrail_requests_total", "Requests by endpoint and answer.", ["endpoint", "status"]
)
request_errors_total = Counter(
    "scenetrail_request_errors_total", "Requests refused whole, by error code.", ["code"]
)
events_total = Counter(
    "scenetrail_events_total", "Events received by fate: accepted, duplicate, rejected.", ["fate"]
)
events_rejected_total = Counter(
    "scenetrail_events_rejected_total", "Refused events by error code.", ["code"]
)
request_body_bytes_total = Counter(
    "scenetrail_request_body_bytes_total", "Body bytes as received, before decompression."
)
ingest_seconds = Histogram(
    "scenetrail_ingest_seconds",
    "Seconds from the whole body to the durable answer.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
spool_bytes = Gauge(
    "scenetrail_spool_bytes", "Bytes of spool of each worker.", multiprocess_mode="livesum"
)
spool_syncs_total = Counter("scenetrail_spool_syncs_total", "fdatasync calls; each is one group.")
spool_unstored_bytes = Gauge(
    "scenetrail_spool_unstored_bytes",
    "Bytes in the spool that ClickHouse has not confirmed.",
    multiprocess_mode="livemax",
)
spool_corrupt_bytes_total = Counter(
    "scenetrail_spool_corrupt_bytes_total", "Bytes of spool that were no whole record."
)
oldest_unstored_seconds = Gauge(
    "scenetrail_oldest_unstored_seconds",
    "Age of the oldest event in the spool that ClickHouse has not confirmed.",
    multiprocess_mode="livemax",
)
inserts_total = Counter(
    "scenetrail_inserts_total", "Inserts into ClickHouse by result.", ["result"]
)
insert_seconds = Histogram(
    "scenetrail_insert_seconds",
    "Seconds of one insert.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
events_stored_total = Counter("scenetrail_events_stored_total", "Events confirmed by ClickHouse.")
events_duplicate_total = Counter(
    "scenetrail_events_duplicate_total", "Events the writer found stored already."
)
stored_lag_seconds = Histogram(
    "scenetrail_stored_lag_seconds",
    "Seconds from received_at to stored, of the oldest event of each block.",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
unknown_keys_total = Counter(
    "scenetrail_unknown_keys_total", "Keys in batches and events that this version does not know."
)
clock_total = Counter(
    "scenetrail_clock_total", "Events by verdict on the client's clock.", ["verdict"]
)
identity_bindings_total = Counter(
    "scenetrail_identity_bindings_total", "Bindings of two ids that were new."
)
identity_conflicts_total = Counter(
    "scenetrail_identity_conflicts_total", "Bindings that would have merged two persons."
)
identity_quarantined_total = Counter(
    "scenetrail_identity_quarantined_total",
    "Ids that bind nothing, by reason: crowd (one id with many others), placeholder (uses of null, 0 and the like).",
    ["reason"],
)
properties_denied_total = Counter(
    "scenetrail_properties_denied_total",
    "Properties and values taken out before the disk, by rule of the app's deny-list.",
    ["rule"],
)
cards_forged_total = Counter(
    "scenetrail_cards_forged_total",
    "Events with a share_id whose signature is wrong, or missing where the app requires one.",
)
events_erased_total = Counter(
    "scenetrail_events_erased_total",
    "Events not stored, since their person was erased after they happened.",
)
dedup_filter_ratio = Gauge(
    "scenetrail_dedup_filter_ratio",
    "Share of the writer's filter in use; above 0.5 lookups cost more.",
    multiprocess_mode="livemax",
)


def folder_for(owner: Path) -> Path:
    """
    Return the path of the folder in which the processes of one data folder share their metrics.

    In memory where the system has a place for that: a page that a full disk cannot hold kills the process that writes
    it, and metrics need not outlive a restart.
    """
    memory = Path("/dev/shm")  # noqa: S108 (the folder is made with mode 0700 and must not exist)
    if not os.access(memory, os.W_OK):
        return owner / "metrics"
    name = hashlib.sha256(str(owner.resolve()).encode()).hexdigest()[:16]
    return memory / f"scenetrail-{os.getuid()}-{name}"


def make_folder(owner: Path) -> Path:
    """
    Make ``folder_for`` anew, empty, and keep it locked while this process lives.

    Folders of collectors that were killed are deleted: their locks are free. Errors: FileExistsError when another user
    has a folder of that name.
    """
    folder = folder_for(owner)
    # A folder that is made at this moment has a lock that nobody holds yet: it must not look deserted to another start.
    with one_at_a_time(folder.parent / f"scenetrail-{os.getuid()}.lock", os.O_NOFOLLOW):
        for other in folder.parent.glob(f"scenetrail-{os.getuid()}-*"):
            if _is_deserted(other / _LOCK):
                shutil.rmtree(other, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # stays open until the process ends
    return folder


def _is_deserted(lock: Path) -> bool:
    """True when a lock exists and nobody holds it."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # not made yet, or gone meanwhile
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def forget_dead_processes(folder: Path) -> None:
    """Delete the gauges of processes that ended, which would count for ever."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # gone, and its number perhaps another user's
            path.unlink(missing_ok=True)


class _WholeFiles(MultiProcessCollector):
    """All files but those that a process is just making: the library makes them empty, and cannot read them so."""

    def collect(self) -> Iterable[Metric]:
        files = [path for path in Path(self._path).glob("*.db") if _has_bytes(path)]
        return self.merge(map(str, files))  # type: ignore[no-untyped-call, no-any-return]


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def exposition(owner: Path) -> bytes:
    """Text for Prometheus over all processes of the collector on the data folder ``owner``."""
    folder = folder_for(owner)
    forget_dead_processes(folder)
    registry = CollectorRegistry()
    _WholeFiles(registry, str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(registry)
