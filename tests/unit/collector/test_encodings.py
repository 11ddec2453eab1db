"""Bodies come out as they went in, or with a named error; a small one never becomes a large one."""

import gzip
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.decode import BodyError
from collector.encodings import decompress
from sdk_spec import limits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": raw_deflate,
    "zstd": zstd.compress,
}


def name_of(kind: str) -> str:
    return kind.removeprefix("raw ")


@pytest.mark.parametrize("kind", ENCODERS)
@given(data=st.binary(max_size=5000))
@settings(deadline=None)
def test_round_trip(kind: str, data: bytes) -> None:
    assert decompress(ENCODERS[kind](data), name_of(kind)) == data


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_several_members_are_one_body(kind: str) -> None:
    assert decompress(ENCODERS[kind](b"one") + ENCODERS[kind](b"two"), kind) == b"onetwo"


@pytest.mark.parametrize("kind", ENCODERS)
@given(data=st.binary(min_size=1, max_size=500), cut=st.integers(1, 400))
@settings(deadline=None)
def test_truncated_body_is_refused(kind: str, data: bytes, cut: int) -> None:
    encoded = ENCODERS[kind](data)

    with pytest.raises(BodyError) as refused:
        decompress(encoded[: max(0, len(encoded) - cut)], name_of(kind))

    assert refused.value.code == "invalid_encoding"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_give_a_body_or_a_named_error(encoding: str, data: bytes) -> None:
    refusal = ""
    try:
        decompress(data, encoding)
    except BodyError as error:
        refusal = error.code

    assert refusal in ("", "invalid_encoding", "body_too_large")


@pytest.mark.parametrize("kind", ENCODERS)
def test_limit_of_decompressed_bytes(kind: str) -> None:
    most = bytes(limits.MAX_BODY_BYTES)
    assert len(decompress(ENCODERS[kind](most), name_of(kind))) == limits.MAX_BODY_BYTES

    with pytest.raises(BodyError) as refused:
        decompress(ENCODERS[kind](most + b"x"), name_of(kind))

    assert refused.value.code == "body_too_large"


@pytest.mark.parametrize("kind", ENCODERS)
def test_bomb_takes_no_more_memory_than_the_limit(kind: str) -> None:
    bomb = ENCODERS[kind](bytes(200 * 1024 * 1024))
    tracemalloc.start()
    with pytest.raises(BodyError):
        decompress(bomb, name_of(kind))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * limits.MAX_BODY_BYTES


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_endless_empty_members_are_refused(kind: str) -> None:
    with pytest.raises(BodyError) as refused:
        decompress(ENCODERS[kind](b"") * 2_000, kind)

    assert refused.value.code == "invalid_encoding"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x" * 1000, "gzip;q=1"])
def test_unknown_encoding_is_named_shortly(encoding: str) -> None:
    with pytest.raises(BodyError) as refused:
        decompress(b"x", encoding)

    assert refused.value.code == "unsupported_encoding"
    assert len(refused.value.message) < 120


@pytest.mark.parametrize("encoding", ["", "identity", " GZIP ", "x-gzip"])
def test_names_are_read_without_regard_to_case(encoding: str) -> None:
    plain = encoding.strip() in ("", "identity")
    assert decompress(b"x" if plain else gzip.compress(b"x"), encoding) == b"x"
