"""The proof itself must be right: it finds each kind of difference, and calls equal what is equal."""

from datetime import UTC, datetime, timedelta

import pytest
import xxhash
from clickhouse_connect.driver.client import Client

from loadtest.clickhouse import ClickHouse, ClickHouseError
from loadtest.generate import FlatWorkload
from loadtest.verify import Verdict, verify

APP = "wx0000000000000001"
RUN = "proof001"
BATCH = 5
WORKLOAD = FlatWorkload(seed=1, run=RUN, app_id=APP, batch=BATCH)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COLUMNS = [
    "project",
    "app_id",
    "event",
    "event_id",
    "event_key",
    "occurred_at",
    "client_occurred_at",
    "precedence",
]


def store(database: Client, *ids: str, later_s: int = 0, app_id: str = APP) -> None:
    """Insert events; ``later_s`` makes a changed copy of one that is there."""
    at = NOON + timedelta(seconds=later_s)
    rows = []
    for event_id in ids:
        key = xxhash.xxh3_64_intdigest(f"{app_id}\x1f{event_id}".encode())
        rows.append(["p", app_id, "page_view", event_id, key, at, at, 2**62])
    database.insert("events", rows, column_names=COLUMNS)


def ids_of(*numbers: int) -> list[str]:
    return [WORKLOAD.event_id(number, place) for number in numbers for place in range(BATCH)]


def check(url: str, fates: dict[int, int], unknown: tuple[int, ...] = ()) -> Verdict:
    return verify(
        ClickHouse(url),
        app_id=APP,
        run=RUN,
        batch=BATCH,
        fates=fates,
        unknown=unknown,
        limit_s=0.1,
    )


@pytest.fixture
def stored(database: Client) -> Client:
    """Bodies 0 to 2, whole."""
    store(database, *ids_of(0, 1, 2))
    return database


@pytest.mark.usefixtures("stored")
def test_all_accepted_events_stored_once_is_exact(database_url):
    verdict = check(database_url, dict.fromkeys(range(3), BATCH))

    assert verdict.is_exact
    assert (verdict.expected, verdict.stored, verdict.copies) == (15, 15, 0)


@pytest.mark.usefixtures("stored")
def test_lost_event_is_found_and_named(database_url):
    verdict = check(database_url, dict.fromkeys(range(4), BATCH))

    assert (verdict.lost, verdict.doubled, verdict.unexpected) == (5, 0, 0)
    assert not verdict.is_exact
    assert verdict.examples == [f"body {RUN}-00000003: accepted 5, stored 0, rows 0"]


def test_one_lost_event_of_a_body_is_found(database, database_url):
    store(database, *ids_of(0)[:-1])

    assert check(database_url, {0: BATCH}).lost == 1


def test_event_counted_twice_is_found(stored, database_url):
    store(stored, ids_of(1)[2], later_s=1)

    verdict = check(database_url, dict.fromkeys(range(3), BATCH))

    assert (verdict.lost, verdict.doubled) == (0, 1)
    assert verdict.examples == [f"body {RUN}-00000001: accepted 5, stored 5, rows 6"]


def test_equal_copies_that_reports_collapse_are_no_difference(stored, database_url):
    store(stored, *ids_of(1))

    verdict = check(database_url, dict.fromkeys(range(3), BATCH))

    assert verdict.is_exact
    assert verdict.copies == BATCH


@pytest.mark.usefixtures("stored")
def test_event_nobody_accepted_is_found(database_url):
    assert check(database_url, dict.fromkeys(range(2), BATCH)).unexpected == BATCH


@pytest.mark.usefixtures("stored")
def test_unanswered_body_may_be_stored_or_not(database_url):
    verdict = check(database_url, dict.fromkeys(range(2), BATCH), unknown=(2, 3))

    assert verdict.is_exact
    assert verdict.unanswered == 2 * BATCH


def test_other_runs_and_apps_do_not_count(stored, database_url):
    store(stored, *ids_of(9), app_id="another")
    store(stored, "proof002-00000000-000")

    assert check(database_url, dict.fromkeys(range(3), BATCH)).is_exact


def test_refused_statement_gives_clickhouse_own_words(database_url):
    with pytest.raises(ClickHouseError, match="no_such_table"):
        ClickHouse(database_url).rows("SELECT 1 FROM no_such_table")
