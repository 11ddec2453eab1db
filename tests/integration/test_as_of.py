"""What a report answered then, it answers now with ``as_of``: bindings, late events, copies and unbindings came since."""

import asyncio
import json
from datetime import UTC, datetime
from random import Random

import pytest
from clickhouse_connect.driver.external import ExternalData
from reference.identity import Seen

from collector.rows import build_block
from collector.spool_format import SpoolRecord
from query_api.clickhouse import Database
from query_api.errors import QueryError
from query_api.periods import rfc3339
from query_api.reports import answer_query
from query_api.settings import Settings

DAY_MS = 86_400_000
T = 1_793_500_800_000  # 2026-11-01T08:00+08:00
APPS = ["wx1", "ali2"]
PROJECT = "brand"
RANGE = {"app_ids": APPS, "time_range": {"from": "2026-10-25", "to": "2026-11-20"}}
STEPS = [{"event": "open"}, {"event": "order_pay"}]
QUESTIONS = {
    "events": {
        "measures": [{"aggregate": "users"}, {"aggregate": "count"}],
        "breakdown": ["user.city"],
    },
    "funnel": {"steps": STEPS, "window": {"value": 3, "unit": "day"}},
    "retention": {"initial": {"event": "open"}, "returning": {}, "unit": "day", "periods": 5},
    "lifecycle": {},
    "users": {"rule": {"did": {"event": "order_pay"}}, "limit": 1000},
    "layers": {
        "tree": {
            "name": "t",
            "version": 1,
            "children": [
                {"key": "payer", "title": "p", "when": {"did": {"event": "order_pay"}}},
                {"key": "rest", "title": "r"},
            ],
        }
    },
    "sessions": {},
    "ltv": {
        "start": {"event": "open"},
        "measures": [{"event": "order_pay", "field": "properties.amount"}],
    },
    "share": {"by": []},
    "sql": {"sql": "SELECT user, count() AS events FROM events GROUP BY user ORDER BY user"},
}


def record(seen: Seen, name: str, received_at: int) -> SpoolRecord:
    ids = {kind: getattr(seen, kind) for kind in ("user_id", "unionid", "openid", "anonymous_id")}
    event = {"event_id": seen.event_id, "event": name, "occurred_at": seen.occurred_at, **ids}
    event["properties"] = {"amount": 5} if name == "order_pay" else {"city": seen.event_id[-1]}
    body = {"app_id": seen.app_id, "platform": "wechat", "events": [{**event, "seq": seen.seq}]}
    return SpoolRecord(
        1, received_at, "r", PROJECT, seen.app_id, 300_000, [], [], json.dumps(body).encode()
    )


def drawn(random: Random) -> list[tuple[Seen, str, int]]:
    """Events in the order in which they are received: some days late, some days early for their neighbours."""
    found = []
    for number in range(150):
        occurred_at = T + random.randrange(10) * DAY_MS + random.randrange(3) * 1000
        seen = Seen(
            random.choice(APPS),
            occurred_at,
            random.randrange(3),
            f"e{number}",
            random.choice(["", "", "", "u1", "u2", "u3"]),
            random.choice(["", "", "", "n1", "n2"]),
            random.choice(["", "o1", "o2", "o3", "o4"]),
            random.choice(["a1", "a2", "a3", "a4", "a5", "a6"]),
        )
        name = random.choice(["open", "open", "order_pay", "user_set"])
        found.append((seen, name, occurred_at + random.choice([100, DAY_MS, 4 * DAY_MS])))
    return sorted(found, key=lambda one: one[2])


class Then:
    """Asks as a token of the project does."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._database = Database(Settings(clickhouse_reader_url=url))

    def whole(self, report, body, now_ms):
        """Return the whole answer."""
        raw = json.dumps({**RANGE, **body}).encode()
        return self._runner.run(answer_query(self._database, report, raw, APPS, now_ms, PROJECT))

    def ask(self, report, body, now_ms):
        """Return result, completeness and definition."""
        answer = self.whole(report, body, now_ms)
        return answer["result"], answer["meta"]["data_complete_until"], answer["semantics"]

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._database.close())
        self._runner.close()


@pytest.fixture
def then(database_url):
    asking = Then(database_url)
    yield asking
    asking.close()


def unbind(database, writer, random, at_ms):
    """Take a bound pair apart, as known from an instant on."""
    pairs = database.query(
        "SELECT id_key, other_key, max(occurred_at) FROM identity_bindings GROUP BY ALL ORDER BY ALL"
    ).result_rows
    left, right, last = random.choice(pairs)
    inserted_at = datetime.fromtimestamp(at_ms / 1000, UTC)
    rows = [
        [a, b, PROJECT, last, "no", "t", inserted_at] for a, b in ((left, right), (right, left))
    ]
    names = ["id_key", "other_key", "project", "unbound_at", "reason", "unbound_by", "inserted_at"]
    database.insert("identity_unbindings", rows, column_names=names)
    writer.binder._newest_unbinding_ms = 0
    writer.binder._next_look_s = 0
    writer.binder.follow()


@pytest.mark.parametrize("seed", [1, 2])
def test_an_answer_of_then_can_be_had_again(writer, database, then, seed):
    random = Random(seed)  # noqa: S311 (a test)
    log = drawn(random)
    instants = [log[40][2], log[100][2]]
    answers = {}
    start = 0
    for at_ms in instants:
        end = next(i for i, one in enumerate(log) if one[2] > at_ms)
        writer.store(build_block([record(*one) for one in log[start:end]]), [])
        start = end
        if at_ms == instants[1]:
            unbind(database, writer, random, at_ms)
        # Half of them at either instant: all of them cost a second each.
        for report in ["events", *sorted(QUESTIONS)[at_ms == instants[1] :: 2]]:
            identity = random.choice(["latest", "strict"])
            answers[at_ms, report, identity] = then.ask(
                report, {**QUESTIONS[report], "identity": identity}, at_ms
            )
    rest = [record(*one) for one in log[start:]]
    writer.store(build_block(rest), [])
    # Copies of what was there already: received later, corrected to another time.
    database.command(
        "INSERT INTO events SELECT * REPLACE (received_at + toIntervalDay(30) AS received_at, "
        "precedence - 30 * 86400000 AS precedence, occurred_at + toIntervalDay(1) AS occurred_at) FROM events"
    )
    unbind(database, writer, random, log[-1][2])

    for (at_ms, report, identity), (result, complete, _) in answers.items():
        body = {**QUESTIONS[report], "identity": identity}
        again, complete_again, semantics = then.ask(
            report, {**body, "as_of": rfc3339(at_ms)}, log[-1][2] + 10 * DAY_MS
        )
        assert again == result, (report, identity)
        assert complete_again == complete
        assert semantics["as_of"] is not None
        if report == "events":
            assert then.ask(report, body, at_ms)[0] != result
    for at_ms in instants:
        for identity in ("latest", "strict"):
            as_then = {**QUESTIONS["sql"], "identity": identity, "as_of": rfc3339(at_ms)}
            answer = then.whole("sql", {**as_then, "explain": True}, log[-1][2])
            found = [(int(row["user"]), row["events"]) for row in answer["result"]["rows"]]
            assert run_by_hand(database, answer["explain"], "sql_report.statement.sql") == found


def run_by_hand(database, explained, sql_file):
    """Rows of an explained statement, run with nothing but what stands beside it."""
    [statement] = [one for one in explained if one["sql_file"] == sql_file]
    data = ExternalData()
    for table in statement["tables"]:
        assert table["data"]
        data.add_file(
            file_name=table["name"],
            data=table["data"].encode(),
            fmt=table["format"],
            structure=table["structure"],
        )
    found = database.query(
        statement["sql"],
        parameters=statement["parameters"],
        external_data=data,
        settings={"session_timezone": "UTC"},
    )
    return found.result_rows


def test_wrong_instants_name_the_field(then):
    now_ms = T + DAY_MS
    for as_of in ("2026-11-02", "2027-01-01T00:00:00Z", "yesterday"):
        with pytest.raises(QueryError) as error:
            then.ask("events", {**QUESTIONS["events"], "as_of": as_of}, now_ms)
        assert (error.value.code, error.value.path) == ("invalid_request", "$.as_of")
    _, complete, semantics = then.ask(
        "events", {**QUESTIONS["events"], "as_of": "2026-11-01"}, now_ms
    )
    assert (complete, semantics["as_of"]) == (None, "2026-11-02T00:00:00.000+08:00")
