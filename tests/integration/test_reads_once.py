"""
Every report reads each event of the table ``events`` once, as ClickHouse plans its statements.

A report may name the table several times: the table is sorted by name, so events of one name are read here and all others
there. So statements are planned over events of each name alone, and of each name at most one place reads anything. So it is
with a breakdown, but for those below. What is not counted: names of numbers (order_keys.names), a pass over a column or two
that merges no copies and knows no person.
"""

import msgspec
import pytest
from clickhouse_connect.driver.external import ExternalData
from query_support import APP, PROJECT
from test_every_report import REFUSED, REPORTS_ASKED, SEGMENT, SEGMENT_COLUMNS
from test_recall_results import message, store_messages
from test_scenes_random import ProjectAsker

from collector.migrate import connect

NOW_MS = 1_792_425_600_000  # 2026-10-20T00:00+08:00
RANGE = {"app_ids": [APP], "time_range": {"from": "2026-10-05", "to": "2026-10-07"}}
NAMES = ["page_view", "product_view", "app_launch", "app_show", "share", "order_pay"]
LOG = """
INSERT INTO events (project, app_id, platform, event, event_id, event_key, actor, occurred_at, client_occurred_at, sent_at,
    received_at, precedence, seq, session_id, user_id, scene, page, share_id, referrer_app_id,
    properties_text, properties_number)
WITH
    cityHash64(number) AS random,
    concat('u', toString(intDiv(number, 20))) AS of_user,
    intDiv(number % 20, 7) AS day,
    fromUnixTimestamp64Milli(toInt64(1791129600000 + day * 86400000 + random % 20000000), 'UTC') AS at,
    {names:Array(String)}[1 + random % length({names:Array(String)})] AS name,
    name IN ('app_launch', 'app_show') AS is_entry
SELECT
    {project:String}, {app:String}, 'wechat', name, concat('e', toString(number)), random,
    xxh3(concat({project:String}, '\\x1f', 'user_id', '\\x1f', '\\x1f', of_user)), at, at, at,
    at, 1, number % 20, concat('s', of_user, toString(day)), of_user, toString(1001 + random % 9),
    concat('p', toString(random % 50)), if(is_entry, concat('c', toString(number % 500)), ''), if(is_entry, 'wx_p', ''),
    if(name = 'share', map('share_id', concat('c', toString(number))), map()), map('amount', toFloat64(random % 100))
FROM numbers(5000)
"""
BODIES = {**REPORTS_ASKED, "health": {**REPORTS_ASKED["health"], "interval": None}}
"""One question each: a score by day asks for each day."""
BY_SCENE = {"breakdown": ["scene"]}
BODIES |= {
    f"{report} by scene": {**body, **BY_SCENE}
    for report, body in BODIES.items()
    if report not in REFUSED["breakdown"]
}
BODIES["retention with a measure"] = {
    **BODIES["retention by scene"],
    "measure": {"event": "page_view", "aggregate": "users"},
}
READ_AGAIN = {
    # Report: events of which names are read how often; why.
    # Each of the two dates is a question, and so is each part of a rule.
    "layers": {**dict.fromkeys(NAMES, 2), "order_pay": 4},
    # One person: found by the index of actors.
    "profile": {"app_launch": 3, "app_show": 3},
    # Each part of a rule is a question.
    "segments": {**dict.fromkeys(NAMES, 2), "order_pay": 3},
    "segments by scene": {**dict.fromkeys(NAMES, 2), "order_pay": 3},
    # Users with a visit between two conversions of a session are read again, in parts.
    "share": {"app_launch": 2, "app_show": 2, "order_pay": 2},
    # The most frequent values of cards are asked for before.
    "share by scene": {"app_launch": 2, "app_show": 2, "order_pay": 2, "share": 2},
    # First who is in the list, then what is known of those of one page.
    "users": dict.fromkeys(NAMES, 2),
}
"""Reports with several questions, and how often events of a name may be read for all of them; of others once."""


@pytest.fixture(scope="module")
def log_url(databases):
    urls = databases.one()
    url = next(urls)
    client = connect(url)
    client.command(LOG, parameters={"app": APP, "project": PROJECT, "names": NAMES})
    rule = msgspec.json.encode({"did": {"event": "order_pay"}}).decode()
    client.insert(
        "segments",
        [[PROJECT, SEGMENT, "paid", rule, [APP], "Asia/Shanghai", 0, "t1", 1, 0]],
        column_names=SEGMENT_COLUMNS,
    )
    store_messages(client, [message("m1", "u1", campaign="back", sent_ms=NOW_MS - 14 * 86_400_000)])
    client.close()
    yield url
    urls.close()


@pytest.fixture(scope="module")
def alone(databases, log_url):
    """For each name a database with the events of this name alone."""
    source = log_url.rpartition("/")[2]
    opened = []
    clients = {}
    for name in NAMES:
        opened.append(databases.one())
        clients[name] = connect(next(opened[-1]))
        clients[name].command(
            f"INSERT INTO events SELECT * FROM {source}.events WHERE event = {{name:String}}",  # noqa: S608 (a name of ours)
            parameters={"name": name},
        )
        clients[name].command(f"INSERT INTO messages SELECT * FROM {source}.messages")  # noqa: S608
    yield clients
    for client in clients.values():
        client.close()
    for urls in opened:
        urls.close()


def places(client, statement):
    """How many places of a statement read events that are there, to merge their copies."""
    data = ExternalData()
    for table in statement.get("tables", []):
        data.add_file(
            file_name=table["name"],
            data=table["data"].encode(),
            fmt=table["format"],
            structure=table["structure"],
        )
    [[plan]] = client.query(
        f"EXPLAIN json = 1, indexes = 1 {statement['sql']}",
        parameters=statement["parameters"],
        external_data=data if statement.get("tables") else None,
    ).result_rows

    def read(node):
        indexes = node.get("Indexes", [{}])
        # What FINAL merges is read by whole ranges of the sort key; the last index says what is left to read.
        is_read = indexes[-1].get("Type") == "PrimaryKeyExpand" and indexes[-1]["Selected Granules"]
        here = bool(is_read and node["Description"].endswith(".events"))
        return here + sum(read(part) for part in node.get("Plans", []))

    return read(msgspec.json.decode(plan)[0]["Plan"])


@pytest.mark.parametrize("report", sorted(BODIES))
def test_each_event_is_read_once(log_url, alone, report):
    asker = ProjectAsker(log_url)
    body = {**RANGE, **BODIES[report], "explain": True}
    whole = asker.whole(report.partition(" ")[0], body, NOW_MS)
    asker.close()

    found = {
        name: sum(places(client, statement) for statement in whole["explain"])
        for name, client in alone.items()
    }
    allowed = READ_AGAIN.get(report, {})
    assert {name: n for name, n in found.items() if n > allowed.get(name, 1)} == {}
    assert sum(found.values()) > 0
    # What is no longer read again is no exception any longer.
    assert {name: found[name] for name in allowed} == allowed
