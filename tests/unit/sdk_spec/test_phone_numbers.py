"""Phone numbers become keyed hashes, the same for every way of writing one."""

import hashlib
import hmac

import pytest

from sdk_spec.phones import is_hash, normalised, phone_hash, phone_key

KEY = phone_key(b"secret of the data folder", "brand")


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        " 138 0013 8000\n",
        "138-0013-8000",
        "+86 138 0013 8000",
        "86-13800138000",
        "0086 (138) 0013.8000",
        "１３８００１３８０００",
    ],
)
def test_ways_of_writing_a_number_are_one(written: str) -> None:
    assert normalised(written) == "+8613800138000"


def test_number_of_another_place_needs_its_country_code() -> None:
    assert normalised("+852 9123 4567") == normalised("00852-91234567") == "+85291234567"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "91234567",
        "12800138000",
        "138001380001",
        "+86 12345678901",
        "my number",
        "ph_1",
    ],
)
def test_what_is_no_number_is_refused_without_being_named(text: str) -> None:
    with pytest.raises(ValueError, match="no phone number") as refused:
        phone_hash(KEY, text)

    assert not text or text not in str(refused.value)


def test_hash_is_what_other_languages_compute() -> None:
    digest = hmac.new(KEY.encode(), b"+8613800138000", hashlib.sha256).hexdigest()

    assert phone_hash(KEY, "138 0013 8000") == f"ph_{digest[:32]}"
    assert is_hash(phone_hash(KEY, "13800138000"))


def test_projects_have_keys_of_their_own() -> None:
    other = phone_key(b"secret of the data folder", "another brand")

    assert phone_hash(other, "13800138000") != phone_hash(KEY, "13800138000")
    assert phone_key(b"secret of another folder", "brand") != KEY


@pytest.mark.parametrize("key", ["", "secret", KEY[:-1], KEY.upper()])
def test_key_is_what_the_command_prints(key: str) -> None:
    with pytest.raises(ValueError, match="phone-key"):
        phone_hash(key, "13800138000")


@pytest.mark.parametrize("text", ["", "13800138000", "ph_", f"ph_{'0' * 31}g", f"ph_{'0' * 32}\n"])
def test_nothing_else_looks_like_a_hash(text: str) -> None:
    assert not is_hash(text)
