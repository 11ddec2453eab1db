"""One person through the whole product: bound, explained, taken apart, exported, erased, and not back with old batches."""

import json
import subprocess
import time

import pytest

from collector.migrate import connect
from tests.integration.standalone_process import SCENETRAIL, Standalone, request
from tests.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    standalone = Standalone(tmp_path_factory.mktemp("people") / "data")
    try:
        yield standalone.wait_ready()
        assert standalone.stop() == 0
    finally:
        standalone.end()


class People:
    """Sends and asks as a shop would."""

    def __init__(self, running):
        self.ready = running.ready
        self.sent_at = time.time_ns() // 1_000_000
        self.app_id = self.ready["app_id"]
        self.token = f"Bearer {self.ready['read_token']}"

    def send(self, events, **ids):
        """Send a batch; return the answer."""
        batch = {"app_id": self.app_id, "platform": "wechat", "sent_at": self.sent_at, **ids}
        began = self.sent_at - 600_000
        batch["events"] = [
            {"event_id": event_id, "event": name, "occurred_at": began + offset, **more}
            for event_id, name, offset, more in events
        ]
        status, answer = request(
            f"{self.ready['collector_url']}/v1/events", batch, X_Write_Key=self.ready["write_key"]
        )
        assert status in (200, 422), answer
        return answer

    def explain(self, text):
        """Return the persons of an id; none where it is unknown."""
        status, answer = request(
            f"{self.ready['query_url']}/v1/identity/{text}/explain", Authorization=self.token
        )
        return answer["result"]["persons"] if status == 200 else []

    def query(self, report, body):
        """Return a report's result."""
        status, answer = request(
            f"{self.ready['query_url']}/v1/query/{report}", body, Authorization=self.token
        )
        assert status == 200, answer
        return answer["result"]

    def ids(self, text):
        """Return all ids of an id's person."""
        return sorted(f"{one['kind']}:{one['id']}" for p in self.explain(text) for one in p["ids"])

    def listed(self):
        """Return everybody by the ids in their events."""
        body = {"time_range": {"from": "2020-01-01", "to": "2099-12-31"}}
        users = self.query("users", body)["users"]
        return sorted("+".join(sorted(one["id"] for one in row["ids"])) for row in users)

    def command(self, *arguments, code=0):
        """Run ``scenetrail privacy``."""
        done = subprocess.run(
            [*SCENETRAIL, "privacy", *arguments, "--data-dir", self.ready["data_dir"]],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture(scope="module")
def people(running):
    return People(running)


FIRST = [("e1", "app_launch", 0, {"scene": 1047}), ("e2", "page_view", 10, {})]
LOGIN = [("e3", "identify", 20, {}), ("e4", "user_set", 30, {"properties": {"city": "北京"}})]
OTHER = [("e5", "page_view", 40, {})]


def test_one_person_from_binding_to_erasure(people, running):
    people.send(FIRST, anonymous_id="a1")
    people.send(LOGIN, anonymous_id="a1", openid="o1", user_id="u1")
    people.send(OTHER, anonymous_id="a1", user_id="u2")
    refused = people.send([("bad", "page_view", 0, {"occurred_at": "soon"})], openid="o1")
    assert refused["rejected"] == 1
    people.send([("e6", "page_view", 50, {})], openid="o9", user_id="u9")

    whole = ["anonymous_id:a1", "openid:o1", "user_id:u1"]
    until(lambda: people.ids("openid:o1") == whole, "one person of three ids")

    def conflicts():
        [person] = people.explain("u1")
        return [one["conflicting_kind"] for one in person["conflicts"]]

    until(lambda: conflicts() == ["user_id"], "the second user of the device is a conflict")
    until(lambda: len(people.listed()) == 3, "three persons")
    profile = people.query("profile", {"id": "anonymous_id:a1"})
    assert [(one["name"], one["value"]) for one in profile["attributes"]] == [("city", "北京")]

    # Taken apart over HTTP; the writer that runs follows.
    app = {"app_id": people.app_id}
    body = {
        "id": {"kind": "user_id", "id": "u9"},
        "other": {"kind": "openid", "id": "o9", **app},
        "reason": "a test",
    }
    status, answer = request(
        f"{people.ready['query_url']}/v1/identity/unbind", body, Authorization=people.token
    )
    assert status == 200, answer
    until(lambda: people.ids("user_id:u9") == ["user_id:u9"], "the writer follows an unbinding")

    lines = people.command("export", "openid:o1").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    events = {row["event_id"] for row in rows if row["table"] == "events"}
    assert events == {"e1", "e2", "e3", "e4"}
    assert [row["event_index"] for row in rows if row["table"] == "dead_letters"] == [0]
    assert rows[-1]["table"] == "receipt"

    receipt = json.loads(people.command("erase", "anonymous_id:a1", "--yes").stdout)
    assert receipt["rows"]["events"] == 4
    assert receipt["rows"]["dead_letters"] == 1
    assert receipt["ids_taken_out_of_events_of_others"] == 1
    assert not any(receipt["left"].values())
    assert people.listed() == ["o9+u9", "u2"]
    assert people.ids("u1") == people.ids("openid:o1") == people.ids("anonymous_id:a1") == []
    people.command("erase", "openid:o1", "--yes", code=2)

    # The same batches again, and one that a client had kept back.
    people.send(FIRST, anonymous_id="a1")
    people.send(LOGIN, anonymous_id="a1", openid="o1", user_id="u1")
    people.send([("kept", "page_view", 15, {})], anonymous_id="a1", openid="o1")
    people.send([("e7", "page_view", 60, {})], user_id="u2")
    until(lambda: "u2" in people.listed() and count(people, "e7"), "the batches are stored")
    assert people.listed() == ["o9+u9", "u2"]
    assert everything_of(people, ("u1", "o1")) == []
    assert json.loads(people.command("export", "u1:x", code=2).stdout or "[]") == []
    assert running.serves()


def count(people, event_id):
    client = connect(people.ready["clickhouse_url"])
    try:
        return client.query(
            "SELECT count() FROM events WHERE event_id = {id:String}", parameters={"id": event_id}
        ).result_rows[0][0]
    finally:
        client.close()


def everything_of(people, ids):
    """Rows of any table with text columns that hold one of the ids."""
    client = connect(people.ready["clickhouse_url"])
    try:
        found = []
        columns = client.query(
            "SELECT table, name FROM system.columns WHERE database = currentDatabase()"
            " AND type IN ('String', 'LowCardinality(String)')"
        ).result_rows
        for table, name in columns:
            rows = client.query(
                f"SELECT count() FROM {table} WHERE {name} IN {{ids:Array(String)}}",  # noqa: S608
                parameters={"ids": list(ids)},
            ).result_rows
            if rows[0][0]:
                found.append((table, name))
        return found
    finally:
        client.close()
