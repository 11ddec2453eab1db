"""Persons go on changing after evidence went away: what knows less bindings than were stored once is newer all the same."""

from pathlib import Path

from clickhouse_connect.driver.client import Client
from writers import WriterOf, writer_with

from collector import privacy, retention
from collector.identity import id_key
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from collector.writer import Writer
from sdk_spec.access import App

PROJECT, APP = "brand", "wx1"
T, DAY_MS = 1_790_000_000_000, 86_400_000


def together(at: int, **ids: str) -> SpoolRecord:
    """One event with some ids."""
    texts = ",".join(f'"{kind}":"{value}"' for kind, value in ids.items())
    name = "-".join(ids.values())
    body = (
        f'{{"app_id":"{APP}","platform":"wechat",{texts},"events":'
        f'[{{"event_id":"{name}","event":"x","occurred_at":{at}}}]}}'
    )
    return SpoolRecord(1, at, f"r-{name}", PROJECT, APP, 300_000, [], [], body.encode())


def key(kind: str, value: str) -> int:
    return id_key(PROJECT, kind, APP, value)


def person(database: Client, kind: str, value: str) -> int:
    rows = database.query(
        "SELECT person FROM identity_map FINAL WHERE id_key = {key:UInt64}",
        {"key": key(kind, value)},
    ).result_rows
    return int(rows[0][0]) if rows else key(kind, value)


def erase(database: Client, folder: Path, asked: str) -> None:
    found = privacy.find(database, PROJECT, asked, [APP])
    privacy.erase(database, folder / "nothing", found, asked, wait_s=0)


def test_a_login_joins_after_old_events_expired(writer: Writer, database: Client) -> None:
    """A unionid with many expired devices and one binding of today."""
    old = [together(T + n, unionid="n1", anonymous_id=f"a{n}") for n in range(5)]
    writer.store(build_block(old), [])
    now = T + 60 * DAY_MS
    retention.expire([database], [App(APP, PROJECT, retention_days=30)], now)
    writer.binder.forget(APP, now - 30 * DAY_MS)

    writer.store(build_block([together(now, user_id="u1", unionid="n1")]), [])

    assert person(database, "unionid", "n1") == key("user_id", "u1")


def test_a_login_joins_after_a_neighbour_was_erased(
    writer: Writer, database: Client, tmp_path: Path
) -> None:
    """Two people used one device; the first is erased, then the second logs in."""
    first = [together(T + n, unionid="n1", anonymous_id=f"a{n}") for n in range(5)]
    second = [together(T + 9, unionid="n2", anonymous_id="a1")]
    writer.store(build_block([*first, *second, together(T + 10, unionid="n2", openid="o2")]), [])
    erase(database, tmp_path, "unionid:n1")

    late = 4_000_000_000_000
    writer.store(build_block([together(late, user_id="u2", unionid="n2")]), [])

    assert person(database, "openid", "o2") == key("user_id", "u2")


def test_a_login_joins_after_a_quarantined_id_was_erased_and_the_writer_began_again(
    writer: Writer, database: Client, tmp_path: Path
) -> None:
    crowd = [together(T + n, openid=f"bot{n}", anonymous_id="crowd") for n in range(30)]
    writer.store(build_block(crowd), [])
    writer.store(build_block([together(T, openid="o1", anonymous_id="a1")]), [])
    erase(database, tmp_path, "anonymous_id:crowd")

    restarted = writer_with(writer._reader, writer._sink)
    restarted.store(build_block([together(T + 1, user_id="u1", openid="o1")]), [])

    assert person(database, "anonymous_id", "a1") == key("user_id", "u1")


def test_a_writer_that_has_not_heard_of_a_quarantine_yet_joins_persons(
    writer_of: WriterOf, database: Client, database_url: str, tmp_path: Path
) -> None:
    one, other = (writer_of(database_url, tmp_path / name) for name in ("one", "other"))
    other.binder.follow()  # it looks no oftener than once a second
    crowd = [together(T + n, openid=f"bot{n}", anonymous_id="crowd") for n in range(30)]
    one.store(build_block([*crowd, together(T, openid="o1", anonymous_id="a1")]), [])

    other.store(build_block([together(T + 1, user_id="u1", openid="o1")]), [])
    other.store(build_block([together(T + 2, openid="bot1", anonymous_id="crowd")]), [])

    assert person(database, "anonymous_id", "a1") == key("user_id", "u1")
    assert person(database, "anonymous_id", "crowd") == key("anonymous_id", "crowd")
