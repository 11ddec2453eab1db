"""Answers as servers write them."""

import pytest

from loadtest.connection import Answer, address_of, parse_answer

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (Answer(200, b"ok"), True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", None),
        (b"HTTP/1.1 200 OK\r\nContent-Len", None),
        (
            b"HTTP/1.1 503 No\r\nRetry-After: 3\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            (Answer(503, b"", 3.0), False),
        ),
        (CHUNKED, (Answer(200, b"abcde"), True)),
        (CHUNKED[:-8], None),
    ],
    ids=["whole", "body missing", "head missing", "retry and close", "chunks", "chunk missing"],
)
def test_answer(received, expected):
    assert parse_answer(received) == expected


def test_address_keeps_path_and_query():
    address = address_of("http://127.0.0.1:8123/?query=x", {"X-Write-Key": "k"})

    assert (address.host, address.port) == ("127.0.0.1", 8123)
    assert address.head.startswith(b"POST /?query=x HTTP/1.1\r\nHost: 127.0.0.1:8123\r\n")
    assert b"X-Write-Key: k\r\nContent-Length: " in address.head


def test_other_schemes_are_refused():
    with pytest.raises(ValueError, match="need an address"):
        address_of("https://example.org/", {})
