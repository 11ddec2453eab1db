"""
Every report on a cluster: the logs that prove it on one server give the same numbers when their rows lie on three shards.

The tests are those of the reports' own modules, with fewer examples: what can differ here is where a row lies, and that is
another shard for every second row of every log. All of them, on two or three shards: ``pytest --shards 3 tests/integration``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import many_logs
import pytest
import test_attributes_random
import test_attribution_results
import test_distribution_results
import test_events_retention_random
import test_exchange_results
import test_funnel_random
import test_health_results
import test_interval_results
import test_layers_results
import test_lifecycle_results
import test_ltv_results
import test_paths_results
import test_profile_results
import test_promoters_results
import test_recall_results
import test_scenes_random
import test_segments
import test_sessions_results
import test_share_results
import test_stickiness_results
import test_summary_results
from clickhouse_connect.driver.client import Client
from hypothesis import given, settings
from query_support import APP, insert
from test_events_retention_random import world
from test_profile_results import people
from test_recall_results import sent
from test_scenes_random import ProjectAsker
from test_segments import client

from collector.migrate import connect
from tests.conftest import ClusterServers, stores_everywhere

LOGS = 2
"""Of an example."""
__all__ = ["client", "people", "sent", "world"]  # fixtures


def with_examples(test: Callable[..., None], number: int) -> Callable[..., None]:
    """Return a test of random logs that tries so many examples."""
    handle: Any = test.hypothesis  # type: ignore[attr-defined]
    again = given(**handle._given_kwargs)(handle.inner_test)
    # Not as a decorator: the test has settings already.
    known = test._hypothesis_internal_use_settings  # type: ignore[attr-defined]
    again._hypothesis_internal_use_settings = settings(known, max_examples=number)  # type: ignore[attr-defined]
    return again


@pytest.fixture(scope="module")
def three_shards(cluster: ClusterServers) -> Iterator[str]:
    """A database for all random logs: each has an app of its own."""
    yield from cluster.database(3)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, cluster: ClusterServers) -> Iterator[str]:
    """Addresses of the database on three shards; of an empty one on two for logs made by hand."""
    if request.function in BY_HAND:
        yield from cluster.database(2)
    else:
        yield request.getfixturevalue("three_shards")


@pytest.fixture
def database(database_url: str) -> Iterator[Client]:
    """A client of one of its nodes."""
    client = connect(database_url, distributed_foreground_insert=1)
    yield stores_everywhere(client)
    client.close()


@pytest.fixture(autouse=True)
def few_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of an example."""
    monkeypatch.setattr(many_logs, "LOGS", LOGS)


class AnyAsker(ProjectAsker):
    """Asks with the token of the project about the usual app, where a question names none."""

    def whole(self, report: str, body: dict[str, Any], now_ms: int = many_logs.NOW_MS) -> Any:
        """Return the whole answer."""
        return super().whole(report, {"app_ids": [APP], **body}, now_ms)


@pytest.fixture
def asker(database_url: str) -> Iterator[AnyAsker]:
    """Asks over one connection."""
    asking = AnyAsker(database_url)
    yield asking
    asking.close()


test_attributes = with_examples(
    test_attributes_random.test_an_attribute_is_a_property_that_all_events_of_the_person_have, 3
)
test_attribution = with_examples(
    test_attribution_results.test_random_logs_agree_with_the_definition, 1
)
test_distribution = with_examples(
    test_distribution_results.test_random_logs_agree_with_the_definition, 1
)
test_events = with_examples(test_events_retention_random.test_events_equal_their_definition, 4)
test_exchange = with_examples(test_exchange_results.test_exchange_equals_its_definition, 1)
test_funnel = pytest.mark.parametrize("kind", list(test_funnel_random.KINDS)[::4])(
    with_examples(test_funnel_random.test_funnel_of_a_random_log_is_the_funnel_by_definition, 1)
)
test_interval = with_examples(test_interval_results.test_random_logs_agree_with_the_definition, 1)
test_layers = with_examples(
    test_layers_results.test_every_person_is_in_exactly_one_leaf_and_it_is_the_right_one, 1
)
test_lifecycle = with_examples(test_lifecycle_results.test_random_logs_agree_with_the_definition, 1)
test_ltv = with_examples(test_ltv_results.test_random_logs_agree_with_the_definition, 1)
test_paths = with_examples(test_paths_results.test_random_logs_agree_with_the_definition, 1)
test_profile = with_examples(
    test_profile_results.test_random_changes_leave_what_the_slow_definition_says, 1
)
test_recall = with_examples(test_recall_results.test_recall_equals_its_definition, 1)
test_retention = with_examples(test_events_retention_random.test_retention_equals_its_definition, 4)
test_scenes = with_examples(test_scenes_random.test_every_row_equals_its_definition, 1)
test_sessions = with_examples(test_sessions_results.test_random_logs_agree_with_the_definition, 1)
test_stickiness = with_examples(
    test_stickiness_results.test_random_logs_agree_with_the_definition, 1
)
test_summary = with_examples(test_summary_results.test_random_logs_agree_with_the_definition, 1)


def test_counts_leave_the_shards_as_groups_and_users_as_rows(database, asker):
    """What DESIGN-cluster.md says of the bytes: measures that need no person are counted where the events lie."""
    insert_many(database)

    def asked(breakdown: str = "app_id", **measure: str) -> tuple[float, int]:
        before = received_bytes(database)
        measures = [{"event": "pay", "as": "it", **measure}]
        days = {"from": "2026-03-01", "to": "2026-03-03"}
        body = {
            "app_ids": ["many"],
            "measures": measures,
            "time_range": days,
            "breakdown": [breakdown],
        }
        series = asker.whole("events", body)["result"]["series"]
        return sum(one["total"]["it"] for one in series), received_bytes(database) - before

    (users, rows_bytes), (events, count_bytes) = asked(aggregate="users"), asked()
    price, sum_bytes = asked(aggregate="sum", field="properties.price")
    on_pages, _ = asked("page")

    assert (users, events, on_pages, price) == (5_000, 100_000, 100_000, 10_000)
    assert max(count_bytes, sum_bytes) < rows_bytes / 4


ADDED_UP = {
    "distribution": {"of": "sum", "field": "properties.price"},
    "events": {"measures": [{}, {"aggregate": "users"}]},
    "lifecycle": {},
    "ltv": {
        "start": {"event": "pay"},
        "measures": [{"event": "refund", "field": "properties.price"}],
    },
    "retention": {"initial": {}, "returning": {}, "periods": 1},
    "stickiness": {},
    "users": {"limit": 1},
}
"""Reports, and what is asked: nothing that depends on the order of a person's events."""


BY_A_PROPERTY: dict[str, dict[str, Any]] = {
    "distribution": {},
    "events": {},
    "lifecycle": {},
    "ltv": {},
    # By the first of all: of each period the first is known only where all are.
    "retention": {"cohort": "first"},
}
"""Those that add up by the value of an event as well, and what is asked then."""


@pytest.mark.parametrize(
    ("report", "breakdown"),
    [(report, []) for report in ADDED_UP]
    + [(report, ["properties.price"]) for report in BY_A_PROPERTY]
    + [(report, ["user.latest_source.scene"]) for report in (*BY_A_PROPERTY, "stickiness")],
)
def test_what_can_be_added_up_leaves_the_shards_for_each_actor(database, asker, report, breakdown):
    """Also with identity ``strict``, and where an attribute of the person chooses. No ids are bound: answers are one."""
    insert_many(database)

    def asked(**more: Any) -> tuple[Any, int]:
        before = received_bytes(database)
        days = {"from": "2026-03-01", "to": "2026-03-03"}
        body = {"app_ids": ["many"], "time_range": days, "breakdown": breakdown, **more}
        body |= BY_A_PROPERTY.get(report, {}) if breakdown else {}
        answer = asker.whole(report, body | ADDED_UP[report])
        return answer["result"], received_bytes(database) - before

    asked()  # the columns of tables are asked for once
    added_up, few = asked()
    of_strict, few_of_strict = asked(identity="strict")
    seen = {"field": "user.first_seen", "op": "exists"}
    any_event = {"field": "event", "op": "exists"}
    of_seen, few_of_seen = asked(filter={"conditions": [seen, any_event]})
    # Not chosen person by person: the attribute is needed where the event lies.
    either = {"relation": "or", "conditions": [seen, {**any_event, "not": True}]}
    of_either, few_of_either = asked(filter=either)
    of_strict_either, few_of_strict_either = asked(filter=either, identity="strict")

    assert added_up == of_strict == of_seen == of_either == of_strict_either
    # A report with a breakdown asks twice: which values are frequent, and with them; the order of events decides.
    events = bytes_of_events(database, _WITH_IDS if "properties.price" in breakdown else _EVENTS)
    events *= 1 + bool(breakdown)
    assert max(few, few_of_strict) < events / 2
    if not breakdown:
        assert max(few_of_seen, few_of_either, few_of_strict_either) < events / 2 + few


# A limit is the asked node's to apply: the shards send rows.
_EVENTS = (
    "SELECT uniqExact(actor, occurred_at) FROM"
    " (SELECT actor, occurred_at FROM events FINAL LIMIT 1000000)"
)
_WITH_IDS = (
    "SELECT uniqExact(actor, occurred_at, event_id) FROM"
    " (SELECT actor, occurred_at, event_id FROM events FINAL LIMIT 1000000)"
)


def bytes_of_events(client: Client, sql: str = _EVENTS) -> int:
    """What leaves the shards when persons are looked up for each event."""
    before = received_bytes(client)
    client.query(sql)
    return received_bytes(client) - before


def insert_many(database: Client) -> None:
    """Insert 100,000 events of 5,000 persons in 28 hours, of app ``many``: 20 of each in two sessions."""
    database.command(
        "INSERT INTO events"
        " (app_id, event, page, session_id, event_id, event_key, actor, occurred_at, client_occurred_at, properties_number)"
        " SELECT 'many', 'pay', repeat(toString(number % 30), 20), toString(intDiv(number, 50000)), toString(number),"
        " sipHash64(number), sipHash64('actor', number % 5000),"
        " toDateTime64('2026-03-01', 3, 'UTC') + number AS at, at, map('price', 0.1) FROM numbers(100000)"
    )


def received_bytes(client: Client) -> int:
    """What its server has received over the network."""
    sql = "SELECT value FROM system.events WHERE event = 'NetworkReceiveBytes'"
    return int(client.query(sql).result_rows[0][0])


def test_health(database, asker):
    insert(database, test_health_results.LOG)
    test_health_results.test_the_shipped_model_takes_the_numbers_of_the_reports(asker)


def test_sql(database, asker):
    insert(database, test_health_results.LOG)
    sql = "SELECT event, count() AS events, uniqExact(user) AS users FROM events GROUP BY event"
    week = {**test_health_results.FIRST, "sql": f"{sql} ORDER BY events DESC, event"}
    assert asker("sql", week)["rows"] == [
        {"event": name, "events": events, "users": users}
        for name, events, users in (
            ("page_view", 30, 5),
            ("app_launch", 15, 5),
            ("order_pay", 10, 2),
            ("app_error", 1, 1),
        )
    ]


test_promoters = test_promoters_results.test_random_logs_agree_with_the_definition
test_share_random = test_share_results.test_random_forests_agree_with_the_definition
test_share = test_share_results.test_by_hand
test_share_conversions = test_share_results.test_conversions_of_a_session_with_opens_between_are_due_to_the_last_before_each
test_recall_by_an_attribute = (
    test_recall_results.test_an_attribute_breaks_down_who_had_an_event_before_the_message
)
test_users = test_profile_results.test_lists_by_rule
test_timeline = test_profile_results.test_a_timeline_goes_page_by_page_in_the_order_of_events
test_snapshots = test_segments.test_a_snapshot_stays_and_follows_persons_that_merge
test_segment_comparison = (
    test_segments.test_segments_are_compared_with_one_another_and_with_everyone
)
BY_HAND = (
    test_health,
    test_sql,
    test_promoters,
    test_share_random,
    test_share,
    test_share_conversions,
    test_recall_by_an_attribute,
    test_users,
    test_timeline,
    test_snapshots,
    test_segment_comparison,
)
