"""encryptedData of WeChat: a known vector, every way it can be wrong, and no secret in any message."""

import base64

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from collector.encrypted_data import (
    EncryptedDataError,
    WrongSessionKeyError,
    as_event_fields,
    decrypt,
    group_entry,
)

KEY = "AAECAwQFBgcICQoLDA0ODw=="
IV = "EBESExQVFhcYGRobHB0eHw=="
DATA = (
    "/4xmYDotlXZMx0MKx6GdNhbS13zXsvdlAVO20tWxZ+vrXR8BQnVq/CeE+eeNFWF2WXLaQ5LTFM7n9WjUu0/6TK71ekojf2t8kXXsqzHW6l8miEb"
    "+NvlzIq8bkhrEOjBL0i3Ae60bqUiojHvHB5K9J23GSmKCM163VR55RUhP/8o="
)
APP, NOW = "wxdeadbeefdeadbeef", 1_700_000_060.0


def encrypted(text: bytes) -> str:
    padder = padding.PKCS7(128).padder()
    padded = padder.update(text) + padder.finalize()
    cipher = Cipher(algorithms.AES128(base64.b64decode(KEY)), modes.CBC(base64.b64decode(IV)))
    encryptor = cipher.encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def test_the_known_vector_gives_the_group() -> None:
    entry = group_entry(KEY, IV, DATA, APP, NOW)

    assert as_event_fields(entry) == {"group_id": "tGDPG5QDPSLzr4o6dPL-TESTxxxx", "chat_type": 3}
    assert decrypt(KEY, IV, DATA, APP, NOW).startswith(b'{"opengid"')


def test_the_older_spelling_and_new_fields_are_read() -> None:
    text = b'{"openGId":"g","new":[1],"watermark":{"appid":"a","timestamp":1700000000,"x":1}}'
    assert group_entry(KEY, IV, encrypted(text), "a", NOW).group_id == "g"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"app_id": "wx0000000000000000"}, EncryptedDataError),
        ({"now_s": NOW + 2 * 86_400}, EncryptedDataError),
        ({"now_s": NOW - 3_600}, EncryptedDataError),
        ({"session_key": "AAECAwQFBgcICQoLDA0ODg=="}, WrongSessionKeyError),
        ({"session_key": "AAEC"}, EncryptedDataError),
        ({"session_key": "not base64"}, EncryptedDataError),
        ({"iv": ""}, EncryptedDataError),
        ({"encrypted_data": DATA[:-24]}, EncryptedDataError),
        ({"encrypted_data": ""}, EncryptedDataError),
        ({"encrypted_data": "A" * 10_000}, EncryptedDataError),
        ({"encrypted_data": encrypted(b"{}")}, WrongSessionKeyError),
        ({"encrypted_data": encrypted(b"\xff")}, WrongSessionKeyError),
    ],
)
def test_what_is_wrong_is_refused_without_telling_secrets(change, error) -> None:
    given = {"session_key": KEY, "iv": IV, "encrypted_data": DATA, "app_id": APP, "now_s": NOW}

    with pytest.raises(EncryptedDataError) as refused:
        decrypt(**{**given, **change})

    assert type(refused.value) is error
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "tGDPG" not in str(refused.value)
