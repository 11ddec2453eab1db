"""Filters against rows in ClickHouse: exactly which events pass."""

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from query_support import event, insert

from query_api.bindings import Bindings
from query_api.breakdowns import float_text
from query_api.clickhouse import Database
from query_api.filters import filter_sql
from query_api.params import Filter
from query_api.settings import Settings
from query_api.source import events

ROWS = [
    event(
        "u1", "a", "2026-10-01T00:00:00Z", event_id="text", properties={"x": "10", "city": "北京"}
    ),
    event("u1", "a", "2026-10-01T00:00:01Z", event_id="number", properties={"x": 10}),
    event("u1", "a", "2026-10-01T00:00:02Z", event_id="flag", properties={"x": True}),
    event("u1", "a", "2026-10-01T00:00:03Z", event_id="list", properties={"x": ["10", "blue"]}),
    event("u1", "b", "2026-10-01T00:00:04Z", event_id="absent", scene="1001", utm_source="mail"),
    event("u1", "b", "2026-10-01T00:00:05Z", event_id="empty", properties={"x": ""}, scene="9999"),
    event("u1", "b", "2026-10-01T00:00:06Z", event_id="large", properties={"x": 2**60 + 1}),
    event(
        *("u1", "b", "2026-10-01T00:00:07Z"),
        event_id="half",
        properties={"x": 0.1, "zero": -0.0},
        duration_ms=0,
    ),
]
ALL = {row["event_id"] for row in ROWS}
X = "properties.x"

CASES = [
    ("eq text, also in a list", (X, "eq", ["10"]), {"text", "list"}),
    ("eq number", (X, "eq", [10]), {"number"}),
    ("eq decimal", (X, "eq", [0.1]), {"half"}),
    ("eq number, 0 and -0 are one", ("properties.zero", "eq", [0]), {"half"}),
    ("eq flag", (X, "eq", [True]), {"flag"}),
    ("eq flag false", (X, "eq", [False]), set()),
    ("eq large integer", (X, "eq", [2**60 + 1]), {"large"}),
    ("eq neighbour of large integer", (X, "eq", [2**60]), set()),
    ("a large integer is no text", (X, "eq", [str(2**60 + 1)]), set()),
    ("eq empty text", (X, "eq", [""]), {"empty"}),
    ("in with three types", (X, "in", ["blue", 10, True]), {"list", "number", "flag"}),
    ("in with empty", (X, "in", ["", "10"]), {"empty", "text", "list"}),
    ("ne passes where absent", (X, "ne", ["10"]), ALL - {"text", "list"}),
    ("not_in passes where absent", (X, "not_in", [10, True]), ALL - {"number", "flag"}),
    ("gt number", (X, "gt", [1]), {"number", "large"}),
    ("gte number", (X, "gte", [10]), {"number", "large"}),
    ("lt number leaves out absent", (X, "lt", [10]), {"half"}),
    ("lte number", (X, "lte", [10]), {"half", "number"}),
    ("between numbers", (X, "between", [0.1, 10]), {"half", "number"}),
    ("between texts", (X, "between", ["1", "2"]), {"text", "list"}),
    ("lt text leaves out absent", (X, "lt", ["1"]), {"empty"}),
    ("contains in text and list", (X, "contains", ["lu", "1"]), {"text", "list"}),
    ("not_contains passes where absent", (X, "not_contains", ["lu", "1"]), ALL - {"text", "list"}),
    ("contains nothing", (X, "contains", [""]), {"text", "list", "empty"}),
    ("starts_with", (X, "starts_with", ["bl"]), {"list"}),
    ("matches", (X, "matches", ["^1.$"]), {"text", "list"}),
    ("exists", (X, "exists", None), ALL - {"absent"}),
    ("not_exists", (X, "not_exists", None), {"absent"}),
    ("Chinese", ("properties.city", "eq", ["北京"]), {"text"}),
    ("own field", ("event", "eq", ["b"]), {"absent", "empty", "large", "half"}),
    ("own field absent", ("utm.source", "ne", ["mail"]), ALL - {"absent"}),
    ("own field empty text is absent", ("utm.source", "eq", [""]), set()),
    ("own number, zero is there", ("duration_ms", "lte", [5]), {"half"}),
    ("own number exists", ("duration_ms", "exists", None), {"half"}),
    ("own number absent", ("duration_ms", "ne", [7]), ALL),
    ("time", ("occurred_at", "gte", [1790812806000]), {"large", "half"}),
    ("scene", ("scene", "in", ["1001"]), {"absent"}),
    ("scene group unknown", ("scene_group", "eq", ["unknown"]), {"empty"}),
    ("scene group known", ("scene_group", "exists", None), {"absent", "empty"}),
]


async def passing(database_url: str, node: dict) -> set[str]:
    bindings = Bindings()
    where = filter_sql(msgspec.convert(node, Filter), "$.filter", bindings)
    sql = events(bindings, ["wx0001"], 0, 2**42, "latest", where)
    database = Database(Settings(clickhouse_reader_url=database_url))
    try:
        fetched = await database.fetch("test", sql, bindings.values, "")
    finally:
        await database.close()
    return {row["event_id"] for row in fetched.rows}


async def test_each_operator_passes_exactly_its_events(database, database_url):
    insert(database, ROWS)
    wrong = {}
    for name, (field, op, values), expected in CASES:
        node = {"field": field, "op": op} | ({} if values is None else {"values": values})
        for negated in (False, True):
            passed = await passing(database_url, node | {"not": negated})
            if passed != (ALL - expected if negated else expected):
                wrong[name, negated] = passed

    assert wrong == {}


@settings(
    max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=500, max_size=500))
def test_numbers_are_written_as_clickhouse_writes_them(database, numbers):
    numbers += [
        0.0,
        -0.0,
        1e20,
        1e21,
        1e-6,
        1e-7,
        0.1,
        123e-10,
        2.0**63,
        5e-324,
        1.7976931348623157e308,
        -1.5e22,
    ]
    written = database.query(
        "SELECT arrayMap(x -> toString(x + 0), {numbers:Array(Float64)})",
        parameters={"numbers": numbers},
    ).result_rows[0][0]

    assert [float_text(number) for number in numbers] == written
