"""The spool's format on disk, written a second time from DESIGN-spool.md: what the tests compare the code with."""

import fcntl
import os
import struct
from pathlib import Path

import google_crc32c
import msgspec

from collector.spool_format import SpoolRecord

FILE_HEADER = b"SCNTRLS1"
RECORD_MAGIC = bytes.fromhex("1de1375c")
HEADER_BYTES = 12


def record(number: int, body: bytes = b"", worker: int = 0) -> SpoolRecord:
    """A record that can be told from any other."""
    return SpoolRecord(
        version=1,
        received_at=1_760_000_000_000 + number,
        request_id=f"request-{worker}-{number}",
        project="brand",
        app_id="wx1",
        max_clock_skew_ms=300_000,
        refused=[1, 4],
        duplicates=[2],
        body=body or b"body %d" % number,
    )


def encode(record: SpoolRecord) -> bytes:
    """One record as it lies on disk."""
    payload = msgspec.msgpack.encode(
        [
            record.version,
            record.received_at,
            record.request_id,
            record.project,
            record.app_id,
            record.max_clock_skew_ms,
            record.refused,
            record.duplicates,
            record.body,
        ]
    )
    return RECORD_MAGIC + struct.pack("<II", len(payload), google_crc32c.value(payload)) + payload


def write_segment(folder: Path, data: bytes, name: str = "0000000000000001-00") -> Path:
    """A segment file of a worker, sealed: nobody holds its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.spool"
    path.write_bytes(data)
    return path


class Lock:
    """Holds a segment's lock as the worker does that appends to it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
