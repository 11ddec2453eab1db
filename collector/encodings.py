"""
Content-Encoding of request bodies, undone within a limit of bytes: a small body cannot become a large one. Pure.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable

from collector.decode import BodyError
from sdk_spec import limits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAX_ZSTD_WINDOW_LOG = 23
"""8 MiB: what a body may hold; larger windows only cost memory."""
_MAX_PARTS = 1_000
"""Members of gzip or frames of zstd: each one copies what is left of the body."""


def decompress(body: bytes, encoding: str) -> bytes:
    """
    Return the body as it was before ``Content-Encoding``.

    Errors: BodyError ``unsupported_encoding``, ``invalid_encoding`` (truncated, trailing or wrong bytes),
    ``body_too_large`` (more than MAX_BODY_BYTES come out).
    """
    decode = _DECODERS.get(encoding.strip().lower())
    if decode is None:
        raise BodyError(
            "unsupported_encoding",
            "$",
            f"Content-Encoding {encoding[:40]!r}; use gzip, deflate, zstd or none",
        )
    return decode(body)


def _identity(body: bytes) -> bytes:
    return body


def _gzip(body: bytes) -> bytes:
    return _inflate(body, 16 + zlib.MAX_WBITS)


def _deflate(body: bytes) -> bytes:
    """Zlib format as RFC 9110 says, or the raw one that some clients send."""
    is_zlib = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _inflate(body, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _inflate(body: bytes, window_bits: int) -> bytes:
    room = limits.MAX_BODY_BYTES
    parts: list[bytes] = []
    rest = body
    while rest or not parts:  # a gzip file may have several members
        decoder = zlib.decompressobj(window_bits)
        try:
            part = decoder.decompress(rest, room + 1)
        except zlib.error as error:
            raise BodyError("invalid_encoding", "$", f"not what it says: {error}") from error
        room -= len(part)
        if room < 0:
            raise _too_large()
        if not decoder.eof:
            raise BodyError("invalid_encoding", "$", "the compressed body ends too early")
        parts.append(part)
        rest = decoder.unused_data
        if window_bits <= zlib.MAX_WBITS and rest:
            raise BodyError("invalid_encoding", "$", "bytes follow the compressed body")
        if len(parts) > _MAX_PARTS:
            raise BodyError("invalid_encoding", "$", f"more than {_MAX_PARTS} gzip members")
    return b"".join(parts)


def _zstd(body: bytes) -> bytes:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _MAX_ZSTD_WINDOW_LOG}
    room = limits.MAX_BODY_BYTES
    parts: list[bytes] = []
    rest = body
    while rest or not parts:  # a zstd body may have several frames
        decoder = zstd.ZstdDecompressor(options=options)
        try:
            part = decoder.decompress(rest, room + 1)
        except zstd.ZstdError as error:
            raise BodyError("invalid_encoding", "$", f"not what it says: {error}") from error
        room -= len(part)
        if room < 0:
            raise _too_large()
        if not decoder.eof:
            raise BodyError("invalid_encoding", "$", "the compressed body ends too early")
        parts.append(part)
        rest = decoder.unused_data
        if len(parts) > _MAX_PARTS:
            raise BodyError("invalid_encoding", "$", f"more than {_MAX_PARTS} zstd frames")
    return b"".join(parts)


def _too_large() -> BodyError:
    return BodyError(
        "body_too_large", "$", f"more than {limits.MAX_BODY_BYTES} bytes when decompressed"
    )


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
