"""
The bytes of a segment: a header, then records, each with its length and its checksum. Pure; DESIGN-spool.md has the picture.
"""

from __future__ import annotations

import struct

import google_crc32c
import msgspec

FILE_MAGIC = b"SCNTRLS1"
"""First bytes of a segment; the last character is the version of the format."""
RECORD_MAGIC = 0x5C37E11D
"""
A new version of the format takes a new one, so that a damaged file header is no new version.

Its bytes are 1D E1 37 5C: a control character and no UTF-8, so no body that is JSON holds them, and nobody can plant a
record for a reader that looks for the next whole one.
"""
_RECORD_MAGIC_BYTES = RECORD_MAGIC.to_bytes(4, "little")
_RECORD = struct.Struct("<III")
"""Magic, bytes of the payload, crc32c of the payload."""
FRAME_BYTES = _RECORD.size
MAX_RECORD_BYTES = 32 * 1024 * 1024


class SpoolRecord(msgspec.Struct, frozen=True, array_like=True):
    """
    One accepted request as it lies in the spool (MessagePack array).

    ``body`` is the request's body after decompression, byte for byte; ``refused`` and ``duplicates`` are indexes into
    its events that were not accepted. ``max_clock_skew_ms`` is kept so that the writer corrects clocks as the worker did.
    """

    version: int
    received_at: int
    request_id: str
    project: str
    app_id: str
    max_clock_skew_ms: int
    refused: list[int]
    duplicates: list[int]
    body: bytes


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(SpoolRecord).decode
"""Errors: ValueError, RecursionError."""


def framed(payload: bytes) -> tuple[bytes, bytes]:
    """A record as it is written: what stands before its payload, and the payload."""
    return _RECORD.pack(RECORD_MAGIC, len(payload), google_crc32c.value(payload)), payload


def payload_bytes(frame: bytes) -> int:
    """How long the payload behind a frame is; 0 for bytes that are none."""
    if len(frame) < FRAME_BYTES:
        return 0
    magic, length, _ = _RECORD.unpack(frame)
    return length if magic == RECORD_MAGIC and length <= MAX_RECORD_BYTES else 0


def payload_at(data: bytes, at: int) -> bytes | None:
    """The payload of the record at ``at`` if it is whole and its checksum holds."""
    if at + FRAME_BYTES > len(data):
        return None
    magic, length, crc = _RECORD.unpack_from(data, at)
    if magic != RECORD_MAGIC or length > MAX_RECORD_BYTES:
        return None
    payload = data[at + FRAME_BYTES : at + FRAME_BYTES + length]
    if len(payload) < length or google_crc32c.value(payload) != crc:
        return None
    return payload


def may_go_on(data: bytes, at: int) -> bool:
    """True when what stands at ``at`` may be a record whose end was not read yet."""
    if at + FRAME_BYTES > len(data):
        return _RECORD_MAGIC_BYTES.startswith(data[at : at + len(_RECORD_MAGIC_BYTES)])
    magic, length, _ = _RECORD.unpack_from(data, at)
    is_cut = at + FRAME_BYTES + length > len(data)
    return bool(magic == RECORD_MAGIC and length <= MAX_RECORD_BYTES and is_cut)


def next_record(data: bytes, at: int, *, is_whole_file: bool) -> int:
    """Offset of the next whole record, or of one that may go on behind ``data``; else the end of ``data``."""
    while True:
        at = data.find(_RECORD_MAGIC_BYTES, at)
        if at < 0:
            break
        if payload_at(data, at) is not None or (not is_whole_file and may_go_on(data, at)):
            return at
        at += 1
    if not is_whole_file:
        for tail in range(len(_RECORD_MAGIC_BYTES) - 1, 0, -1):
            if data.endswith(_RECORD_MAGIC_BYTES[:tail]):
                return len(data) - tail
    return len(data)
