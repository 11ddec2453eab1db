"""Console sessions: what a cookie is worth, and what it is not."""

from query_api.console import sessions
from sdk_spec.access import ReadToken, digest

NOW_S = 1_800_000_000
TOKEN = ReadToken("token_1", "p", digest("rt_secret"))


def test_a_session_stands_for_its_token_until_it_expires() -> None:
    session = sessions.issue(TOKEN, NOW_S)

    assert sessions.token_id_of(session) == "token_1"
    assert sessions.is_valid(session, TOKEN, NOW_S)
    assert sessions.is_valid(session, TOKEN, NOW_S + sessions.SESSION_S - 1)
    assert not sessions.is_valid(session, TOKEN, NOW_S + sessions.SESSION_S)
    assert "rt_secret" not in session
    assert TOKEN.sha256 not in session


def test_a_session_is_of_no_other_token_and_cannot_be_prolonged() -> None:
    session = sessions.issue(TOKEN, NOW_S)
    token_id, expires_s, mac = session.split(".")
    renewed = ReadToken("token_1", "p", digest("rt_other"))

    assert not sessions.is_valid(session, renewed, NOW_S)
    assert not sessions.is_valid(f"{token_id}.{int(expires_s) + 1}.{mac}", TOKEN, NOW_S)
    assert not sessions.is_valid(f"token_2.{expires_s}.{mac}", TOKEN, NOW_S)


def test_anything_else_is_no_session() -> None:
    for text in ("", ".", "a.b.c", "token_1.1." + "g" * 64, "x" * 10_000, "t\u0661.1." + "0" * 64):
        assert sessions.token_id_of(text) is None
        assert not sessions.is_valid(text, TOKEN, NOW_S)
