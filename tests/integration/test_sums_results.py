"""Sums of amounts: exact, and the same however rows are spread over inserts, parts and threads."""

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from query_support import ask, event, insert

from collector.migrate import connect
from query_api.numbering import arrays
from query_api.sums import Parts, large_sql, parts_sql, sum_sql, sums_by

RANGE = {"time_range": {"from": "2026-10-01", "to": "2026-10-04"}}
PAY = {"event": "order_pay"}
AMOUNT = "properties.amount"
AMOUNTS = [0.1, 0.2, 715.1, 19.99, 0.07, 99.95, 1e-6, 123456.78, -0.3, 2.675] * 4
TOTAL = float(sum(Fraction(repr(amount)) for amount in AMOUNTS))

MEASURES = [
    {**PAY, "aggregate": "sum", "field": AMOUNT},
    {**PAY, "aggregate": "avg", "field": AMOUNT},
    {**PAY, "aggregate": "per_user", "field": AMOUNT},
    {**PAY, "aggregate": "sum", "field": AMOUNT, "cumulative": True},
]
SALES = {"conversion": PAY, "value": AMOUNT}
REPORTS = [
    ("events", {"measures": MEASURES, "formula": "A - D + A"}),
    ("summary", {}),
    ("ltv", {"start": PAY, "measures": [{**PAY, "field": AMOUNT}], "periods": 3}),
    ("distribution", {"measured": PAY, "of": "sum", "field": AMOUNT, "edges": [0.3]}),
    ("retention", {"initial": PAY, "returning": PAY, "measure": {**PAY, "field": AMOUNT}}),
    (
        "attribution",
        {"target": PAY, "value": AMOUNT, "touches": [{"event": "app_launch"}], "models": ["first"]},
    ),
    ("scenes", SALES),
    ("promoters", {}),
]
"""Reports that add up amounts, over the same payments."""


def payments(app_id: str) -> list[dict]:
    """Every amount paid once, by five users on four days; each user comes in by a scene before."""
    rows = [
        event(f"u{user}", "app_launch", "2026-10-01T00:00:00+08:00", scene=f"{user}", app_id=app_id)
        for user in range(5)
    ]
    for i, amount in enumerate(AMOUNTS):
        at = f"2026-10-0{i % 4 + 1}T{i % 24:02d}:{i:02d}:00+08:00"
        paid = {"amount": amount}
        rows.append(event(f"u{i % 5}", "order_pay", at, properties=paid, app_id=app_id))
    return rows


def insert_in_parts(database, rows, order: random.Random) -> None:
    """Insert rows in another order and in other parts."""
    rows = order.sample(rows, len(rows))
    while rows:
        count = order.randint(1, 12)
        insert(database, rows[:count])
        rows = rows[count:]


async def test_sums_are_exact_and_the_same_for_any_order_parts_and_threads(database, database_url):
    seen = []
    for seed, app_id in enumerate(("wx0001", "wx0002")):
        order = random.Random(seed)  # noqa: S311 (a test)
        insert_in_parts(database, payments(app_id), order)
        answers = [
            await ask(database_url, report, {**RANGE, "app_ids": [app_id], **body})
            for report, body in REPORTS
        ]
        seen.append([answer["result"] for answer in answers])
    assert seen[0] == seen[1]

    events, summary, ltv, distribution, retention, attribution, scenes, promoters = seen[0]
    [series] = events["series"]
    assert series["total"]["A"] == TOTAL
    assert series["total"]["B_numerator"] == series["total"]["C_numerator"] == TOTAL
    assert series["points"][-1]["D"] == TOTAL
    assert sum(Fraction(repr(p["A"])) for p in series["points"]) == Fraction(repr(TOTAL))
    assert sum(Fraction(repr(p["revenue"])) for p in summary["points"]) == Fraction(repr(TOTAL))
    assert ltv["total"]["revenue"][3] == TOTAL
    assert distribution["series"][0]["points"][0]["mean_numerator"] == TOTAL
    assert retention["total"]["measured"][0] == series["total"]["A"]
    assert attribution["total"]["models"]["first"]["value"] == TOTAL
    assert scenes["total"]["conversion_value"] == TOTAL
    assert promoters["direct"]["amount"] == TOTAL


@pytest.fixture(scope="module")
def server(databases):
    """A client for statements without tables."""
    for url in databases.one():
        client = connect(url)
        yield client
        client.close()


def sums_of(server, values: list[float]) -> tuple[float, float]:
    """The sum as reports make it: in the order given and in many small blocks and threads."""
    [[in_order, spread]] = server.query(
        f"""
        SELECT
            (SELECT {sum_sql("value")} FROM (SELECT arrayJoin({{values:Array(Float64)}}) AS value)),
            (
                SELECT {sum_sql("value", "used = 1")}
                FROM
                (
                    SELECT {{values:Array(Float64)}}[number % {{count:UInt64}} + 1] AS value, number < {{count:UInt64}} AS used
                    FROM numbers_mt(2 * {{count:UInt64}})
                    ORDER BY sipHash64(number)
                )
                SETTINGS max_block_size = 3, max_threads = 4
            )
        """,  # noqa: S608 (an expression of ours)
        parameters={"values": values, "count": len(values)},
    ).result_rows
    return in_order, spread


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([0.1] * 10, 1.0),
        ([0.1, 0.2], 0.3),
        ([715.2, -0.1], 715.1),
        ([1_999_999_999.999999] * 3, 5_999_999_999.999997),
        ([999_999_999.01] * 200, 199_999_999_802.0),
        ([-0.0], 0.0),
        ([2**53, 1, -(2**53)], 1.0),
        ([1e15, 0.5, -1e15], 0.5),
        ([1e300, 1e-300], 1e300),
        ([8_999_999_999_999.998, -8_999_999_999_999.998], 0.0),
    ],
)
def test_sums_in_sql(server, values, total):
    assert sums_of(server, [float(value) for value in values]) == (total, total)
    assert of_groups(server, [float(value) for value in values]) == total


def of_groups(server, values: list[float]) -> float:
    """The same sum of groups that SQL added up, at the second of three places."""
    groups = server.query_arrow(
        f"""
        SELECT toInt64(count()) AS number, {parts_sql("value")}, large
        FROM
        (
            SELECT value, {large_sql("value")} AS large
            FROM (SELECT arrayJoin({{values:Array(Float64)}}) AS value)
        )
        GROUP BY rand() % 3, large
        """,  # noqa: S608 (an expression of ours)
        parameters={"values": values},
    )
    sums = sums_by(Parts(*arrays(groups)), np.ones(len(groups), dtype=int), 3)
    assert (sums[0], sums[2]) == (0, 0)
    return float(sums[1])


MONEY = st.integers(-(10**12), 10**12).map(lambda millionths: millionths / 1e6)
ANY = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@settings(max_examples=40)
@given(st.data())
def test_any_order_of_rows_gives_the_same_sum(server, data):
    values = data.draw(st.lists(MONEY, min_size=1) | st.lists(ANY | MONEY, min_size=1))

    in_order, spread = sums_of(server, values)
    [shuffled, _] = sums_of(server, data.draw(st.permutations(values)))

    assert in_order == spread == shuffled == of_groups(server, values)
    if all(round(value, 6) == value and abs(value) < 2e9 for value in values):
        assert in_order == float(sum(Fraction(repr(value)) for value in values))
