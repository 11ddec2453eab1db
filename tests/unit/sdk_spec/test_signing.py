"""The signature of a request: one reading only, and the README's example."""

import hashlib
import hmac
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sdk_spec import signing
from sdk_spec.access import digest

KEY = "wk_00112233445566778899aabbccddeeff"
README = Path(signing.__file__).with_name("README.md").read_text("utf-8")


def test_the_readmes_example_is_right():
    value = signing.headers(KEY, "key_1", 1_795_300_912_353, "", b"{}")[signing.SIGNATURE_HEADER]

    assert value.partition(",")[2] in README


def test_signature_is_what_the_readme_says_in_plain_steps():
    secret = hashlib.sha256(KEY.encode()).hexdigest()
    said = b"v1\n5\ngzip\n" + b"body"

    value = signing.headers(KEY, "key_1", 5, "gzip", b"body")

    mac = hmac.new(secret.encode(), said, "sha256").hexdigest()
    assert value == {"X-Write-Key-Id": "key_1", "X-Signature": f"t=5,v1={mac}"}


@given(
    at_ms=st.integers(0, 10**14),
    encoding=st.sampled_from(["", "gzip", "zstd"]),
    body=st.binary(max_size=50),
    other=st.tuples(st.sampled_from(["", "gzip", "zstd"]), st.binary(max_size=50)),
)
def test_only_the_body_that_was_signed_passes(
    at_ms: int, encoding: str, body: bytes, other: tuple[str, bytes]
):
    value = signing.headers(KEY, "k", at_ms, encoding, body)[signing.SIGNATURE_HEADER]
    signature = signing.parse(value)

    assert signature is not None
    assert signature.at_ms == at_ms
    assert signature.is_of(digest(KEY), encoding, body)
    assert signature.is_of(digest(KEY), *other) == (other == (encoding, body))
    assert not signature.is_of(digest(KEY + "x"), encoding, body)


def test_other_forms_are_none():
    good = signing.headers(KEY, "k", 5, "", b"")[signing.SIGNATURE_HEADER]
    for wrong in ("", "t=5", good[:-1], good + "0", good.upper(), good.replace("t=5", "t=-5")):
        assert signing.parse(wrong) is None
    assert signing.parse(f" {good} ") == signing.parse(good)
    assert signing.parse(good.replace("t=5", "t=٥")) is None
