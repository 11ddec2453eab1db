"""Wrong requests are 400 with the path of the field; strings that look like code are only data."""

import msgspec
import pytest
from query_support import APP, ask, event, insert

from query_api.clickhouse import Database
from query_api.errors import QueryError
from query_api.reports import answer_query
from query_api.settings import Settings

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-03"}}
PAY = {"event": "pay"}
EVENTS = {**RANGE, "measures": [PAY]}
RETENTION = {**RANGE, "initial": PAY, "returning": PAY}


def condition(**parts):
    return {**EVENTS, "filter": parts}


def nested(depth: int) -> dict:
    node: dict = {"field": "scene", "op": "exists"}
    for _ in range(depth):
        node = {"relation": "and", "conditions": [node]}
    return node


WRONG = [
    # body and common fields
    ("events", [], "$"),
    ("events", {"measures": [PAY]}, "$.time_range"),
    ("events", {**EVENTS, "filtr": None}, "$.filtr"),
    ("events", {**EVENTS, "app_ids": []}, "$.app_ids"),
    ("events", {**EVENTS, "app_ids": "wx0001"}, "$.app_ids"),
    ("events", {**EVENTS, "app_ids": [1]}, "$.app_ids[0]"),
    ("events", {**EVENTS, "time_range": {"from": "2026-10-01"}}, "$.time_range.to"),
    (
        "events",
        {**EVENTS, "time_range": {"from": "2026-10-01", "to": "2026-10-03", "unit": 1}},
        "$.time_range.unit",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "2026-02-30", "to": "2026-03-03"}},
        "$.time_range.from",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "20261001", "to": "2026-10-03"}},
        "$.time_range.from",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": 1790784000000, "to": "2026-10-03"}},
        "$.time_range.from",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "2026-10-01", "to": "2026-10-01T00:00:00"}},
        "$.time_range.to",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "2026-10-02", "to": "2026-10-01"}},
        "$.time_range.to",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "0001-01-01", "to": "2026-10-01"}},
        "$.time_range.from",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "2026-10-01", "to": "9999-12-31"}},
        "$.time_range.to",
    ),
    (
        "events",
        {**EVENTS, "time_range": {"from": "2026-10-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"}},
        "$.time_range.to",
    ),
    ("events", {**EVENTS, "timezone": "UTC+8"}, "$.timezone"),
    ("events", {**EVENTS, "timezone": "../etc/passwd"}, "$.timezone"),
    ("events", {**EVENTS, "timezone": ""}, "$.timezone"),
    ("events", {**EVENTS, "identity": "loose"}, "$.identity"),
    ("events", {**EVENTS, "scheme": "mine"}, "$.scheme"),
    ("events", {**EVENTS, "segment": "seg_1"}, "$.segment"),
    ("events", {**EVENTS, "explain": "yes"}, "$.explain"),
    ("events", {**EVENTS, "breakdown": ["scene", "page", "event", "platform"]}, "$.breakdown"),
    ("events", {**EVENTS, "breakdown": ["scene", "scene"]}, "$.breakdown"),
    ("events", {**EVENTS, "breakdown": ["scene", "colour"]}, "$.breakdown[1]"),
    ("events", {**EVENTS, "breakdown_limit": 0}, "$.breakdown_limit"),
    # filters
    ("events", condition(), "$.filter.field"),
    ("events", condition(field="scene"), "$.filter.op"),
    ("events", condition(field="scene", op="is", values=["1"]), "$.filter.op"),
    ("events", condition(field="colour", op="eq", values=["1"]), "$.filter.field"),
    ("events", condition(field="properties.", op="eq", values=["1"]), "$.filter.field"),
    ("events", condition(field="scene", op="eq"), "$.filter.values"),
    ("events", condition(field="scene", op="eq", values=[]), "$.filter.values"),
    ("events", condition(field="scene", op="eq", values="1"), "$.filter.values"),
    ("events", condition(field="scene", op="eq", values=[None]), "$.filter.values[0]"),
    ("events", condition(field="scene", op="eq", values=["1", 2]), "$.filter.values[1]"),
    ("events", condition(field="seq", op="eq", values=["1"]), "$.filter.values[0]"),
    ("events", condition(field="seq", op="contains", values=["1"]), "$.filter.values[0]"),
    ("events", condition(field="scene", op="eq", values=[True]), "$.filter.values[0]"),
    ("events", condition(field="scene", op="exists", values=["1"]), "$.filter.values"),
    ("events", condition(field="properties.a", op="between", values=[1]), "$.filter.values"),
    ("events", condition(field="properties.a", op="gt", values=[1, 2]), "$.filter.values"),
    ("events", condition(field="properties.a", op="between", values=[1, "2"]), "$.filter.values"),
    ("events", condition(field="properties.a", op="gt", values=[True]), "$.filter.values"),
    ("events", condition(field="properties.a", op="matches", values=["("]), "$.filter.values[0]"),
    (
        "events",
        condition(field="properties.a", op="matches", values=["(?=a)"]),
        "$.filter.values[0]",
    ),
    (
        "events",
        condition(field="properties.a", op="contains", values=["a", 1]),
        "$.filter.values[1]",
    ),
    ("events", condition(relation="and"), "$.filter.conditions"),
    ("events", condition(relation="and", conditions=[]), "$.filter.conditions"),
    ("events", condition(relation="nor", conditions=[]), "$.filter.relation"),
    ("events", condition(relation="and", field="scene", conditions=[]), "$.filter"),
    (
        "events",
        condition(conditions=[{"field": "scene", "op": "exists"}, {"op": "eq"}]),
        "$.filter.conditions[1].field",
    ),
    (
        "events",
        condition(conditions=[{"field": "scene", "op": "exists", "of": 1}]),
        "$.filter.conditions[0].of",
    ),
    ("events", {**EVENTS, "filter": nested(11)}, "$.filter" + ".conditions[0]" * 10),
    ("events", {**EVENTS, "filter": nested(30_000)}, "$"),
    # events
    ("events", RANGE, "$.measures"),
    ("events", {**RANGE, "measures": []}, "$.measures"),
    ("events", {**RANGE, "measures": [{"event": ""}]}, "$.measures[0].event"),
    ("events", {**RANGE, "measures": [{"aggregate": "median"}]}, "$.measures[0].aggregate"),
    ("events", {**RANGE, "measures": [{"aggregate": "sum"}]}, "$.measures[0].field"),
    (
        "events",
        {**RANGE, "measures": [{"aggregate": "sum", "field": "scene"}]},
        "$.measures[0].field",
    ),
    (
        "events",
        {**RANGE, "measures": [{"aggregate": "count", "field": "seq"}]},
        "$.measures[0].field",
    ),
    (
        "events",
        {**RANGE, "measures": [PAY, {"filter": {"op": "eq"}}]},
        "$.measures[1].filter.field",
    ),
    ("events", {**RANGE, "measures": [{"as": "time"}]}, "$.measures[0].as"),
    ("events", {**RANGE, "measures": [{"as": "a b"}]}, "$.measures[0].as"),
    ("events", {**RANGE, "measures": [{"as": "x"}, {"as": "x"}]}, "$.measures[1].as"),
    ("events", {**RANGE, "measures": [{"as": "compared"}]}, "$.measures[0].as"),
    ("scenes", {**RANGE, "breakdown": ["user.first_source.x"]}, "$.breakdown[0]"),
    ("events", {**RANGE, "measures": [{"as": "page"}], "breakdown": ["page"]}, "$.measures[0].as"),
    ("events", {**EVENTS, "interval": "minute"}, "$.interval"),
    (
        "events",
        {**EVENTS, "interval": "hour", "time_range": {"from": "2020-01-01", "to": "2026-10-01"}},
        "$.interval",
    ),
    ("events", {**EVENTS, "formula": "A / C"}, "$.formula"),
    ("events", {**EVENTS, "formula": "A /"}, "$.formula"),
    ("events", {**EVENTS, "formula": "A ** 2"}, "$.formula"),
    ("events", {**EVENTS, "formula": "__import__('os')"}, "$.formula"),
    ("events", {**EVENTS, "formula": "(" * 200 + "A" + ")" * 200}, "$.formula"),
    ("events", {**EVENTS, "compare": "yesterday"}, "$.compare"),
    ("events/users", EVENTS, "$.cell"),
    ("events/users", {**EVENTS, "cell": {"measure": "Z"}}, "$.cell.measure"),
    ("events/users", {**EVENTS, "cell": {"time": "2026-09-30"}}, "$.cell.time"),
    ("events/users", {**EVENTS, "cell": {"breakdown": {"scene": "1"}}}, "$.cell.breakdown"),
    ("events/users", {**EVENTS, "cell": {"other": True}}, "$.cell.other"),
    ("events/users", {**EVENTS, "cell": {}, "after": "-1"}, "$.after"),
    ("events/users", {**EVENTS, "cell": {}, "after": "9" * 20}, "$.after"),
    ("events/users", {**EVENTS, "cell": {}, "limit": 0}, "$.limit"),
    # retention
    ("retention", {**RANGE, "initial": PAY}, "$.returning"),
    ("retention", {**RETENTION, "unit": "hour"}, "$.unit"),
    ("retention", {**RETENTION, "periods": -1}, "$.periods"),
    ("retention", {**RETENTION, "periods": 367}, "$.periods"),
    ("retention", {**RETENTION, "mode": "bracket"}, "$.brackets"),
    ("retention", {**RETENTION, "mode": "bracket", "brackets": [[1]]}, "$.brackets[0]"),
    ("retention", {**RETENTION, "mode": "bracket", "brackets": [[1, 2], [3, 2]]}, "$.brackets[1]"),
    ("retention", {**RETENTION, "brackets": [[1, 2]]}, "$.brackets"),
    (
        "retention",
        {**RETENTION, "initial": {"filter": {"field": "x", "op": "exists"}}},
        "$.initial.filter.field",
    ),
    ("retention/users", {**RETENTION, "cell": {"cohort": "2026-09-30"}}, "$.cell.cohort"),
    ("retention/users", {**RETENTION, "cell": {}, "measure": {"field": "x"}}, "$.measure.field"),
    ("scenes/users", {**RANGE, "cell": {}, "conversion": PAY, "value": "x"}, "$.value"),
    (
        "retention/users",
        {**RETENTION, "cell": {"cohort": "2026-10-01", "period": 8}},
        "$.cell.period",
    ),
    (
        "retention/users",
        {**RETENTION, "cell": {"cohort": "2026-10-01", "lost": True}},
        "$.cell.lost",
    ),
    # scenes
    ("scenes", {**RANGE, "by": "pages"}, "$.by"),
    ("scenes", {**RANGE, "by": "group", "breakdown": ["scene_group"]}, "$.breakdown"),
    ("scenes/users", {**RANGE, "cell": {"metric": "median_stay_ms"}}, "$.cell.metric"),
    ("scenes/users", {**RANGE, "cell": {"scene": "1001"}}, "$.cell.platform"),
    (
        "scenes/users",
        {**RANGE, "by": "group", "cell": {"scene": "1", "platform": "qq"}},
        "$.cell.scene",
    ),
]


@pytest.fixture(scope="module")
def nowhere() -> str:
    """An address nobody listens at: a wrong request never gets as far as the database."""
    return "http://reader:x@127.0.0.1:9/scenetrail"


@pytest.mark.parametrize(
    ("report", "body", "path"),
    WRONG,
    ids=[f"{i} {r} {p[:60]}" for i, (r, _, p) in enumerate(WRONG)],
)
async def test_wrong_requests_name_the_field(nowhere, report, body, path):

    # msgspec writes deep nesting only within Python's recursion limit.
    raw = encoded(body)
    with pytest.raises(QueryError) as caught:
        await answer_query(Database(Settings(clickhouse_reader_url=nowhere)), report, raw, [APP], 0)

    assert (caught.value.code, caught.value.path) == ("invalid_request", path)
    assert "SELECT" not in caught.value.message


def encoded(body) -> bytes:
    if isinstance(body, dict) and body.get("filter") and "conditions" in body["filter"]:
        depth, node = 0, body["filter"]
        while node.get("conditions"):
            depth, node = depth + 1, node["conditions"][0]
        if depth > 100:
            opened = b'{"relation":"and","conditions":[' * depth
            filter_ = opened + msgspec.json.encode(node) + b"]}" * depth
            return msgspec.json.encode({**body, "filter": 0}).replace(
                b'"filter":0', b'"filter":' + filter_
            )
    return msgspec.json.encode(body)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b'{"timezone":NaN}', b'{"time_range":"\\ud800"}']
)
async def test_what_is_not_json_is_named_so(nowhere, raw):

    with pytest.raises(QueryError) as caught:
        await answer_query(
            Database(Settings(clickhouse_reader_url=nowhere)), "events", raw, [APP], 0
        )
    assert caught.value.code == "not_json"


STRANGE = [
    "'; DROP TABLE events; --",
    "\\'); SELECT 1 --",
    '" OR 1=1 --',
    "{p0:String}",
    "{{source}}",
    "%(a)s %s $1 :1 ?",
    "`backtick` \\ \\\\ \\n",
    "line\nbreak\ttab\r\0nul",
    "漢字 emoji 👩‍👩‍👧 \u202e rtl",
    "<script>alert(1)</script>",
    "user.first_source.nothing",
    "a" * 5000,
    " ",
]


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
async def test_strange_strings_are_only_data(database, database_url, text):
    """As event name, property name, property value, own field, pattern and breakdown value."""
    name = text[:100]
    insert(
        database,
        [
            event(
                "u1",
                name,
                "2026-10-01T10:00:00+08:00",
                scene=text,
                properties={name: text, "list": [text]},
            ),
            event(
                "u2", "other", "2026-10-01T10:00:00+08:00", scene="1", properties={name: "other"}
            ),
        ],
    )
    filters = [
        {"field": f"properties.{name}", "op": "eq", "values": [text]},
        {"field": f"properties.{name}", "op": "in", "values": [text, text + "x"]},
        {"field": f"properties.{name}", "op": "contains", "values": [text]},
        {"field": f"properties.{name}", "op": "starts_with", "values": [text]},
        {"field": "properties.list", "op": "eq", "values": [text]},
        {"field": "scene", "op": "eq", "values": [text]},
        {"field": "event", "op": "in", "values": [name]},
        {"field": "scene", "op": "between", "values": [text, text]},
    ]
    measures = [{"filter": node, "as": f"f{i}"} for i, node in enumerate(filters)]
    measures += [{"event": name, "as": "named"}, {"as": "every"}]
    body = {**RANGE, "measures": measures, "interval": None, "breakdown": [f"properties.{name}"]}
    answer = await ask(database_url, "events", body)

    found = {s["breakdown"][f"properties.{name}"]: s["total"] for s in answer["result"]["series"]}
    assert found == {
        text: dict.fromkeys([*(f"f{i}" for i in range(len(filters))), "named", "every"], 1),
        "other": {
            **dict.fromkeys([*(f"f{i}" for i in range(len(filters))), "named"], 0),
            "every": 1,
        },
    }
    cell = {"breakdown": {f"properties.{name}": text}, "measure": "named"}
    page = await ask(database_url, "events/users", body | {"cell": cell})
    assert page["result"]["total"] == 1
    retention = {
        **RETENTION,
        "initial": {"event": name},
        "returning": {"event": name},
        "breakdown": ["scene"],
    }
    answer = await ask(database_url, "retention", retention)
    assert answer["result"]["cohorts"][0]["breakdown"] == {"scene": text}
    assert answer["result"]["cohorts"][0]["returned"][0] == 1
    answer = await ask(database_url, "scenes", {**RANGE, "breakdown": [f"properties.{name}"]})
    assert answer["result"]["rows"] == []


async def test_what_goes_on_after_the_end_makes_no_new_connection(database_url):
    """The rest of a question that failed may still ask when everything is closed."""
    database = Database(Settings(clickhouse_reader_url=database_url))
    await database.ping()
    await database.close()

    with pytest.raises(QueryError) as caught:
        await database.ping()

    assert caught.value.code == "storage_unavailable"
