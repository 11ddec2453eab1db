"""Values of a question may be long together: ClickHouse's own limit of 128 KiB a form field is raised in its profile."""

from query_support import ask, event, insert


async def test_a_filter_of_ten_thousand_long_values_is_answered(database, database_url):
    wanted = "x" * 40
    row = event("u1", "pay", "2026-10-01T10:00:00+08:00", properties={"sku": wanted})
    insert(database, [row])
    values = [*(f"{number:040}" for number in range(9_999)), wanted]
    body = {
        "time_range": {"from": "2026-10-01", "to": "2026-10-02"},
        "measures": [{"aggregate": "count"}],
        "filter": {"field": "properties.sku", "op": "in", "values": values},
    }
    answer = await ask(database_url, "events", body)
    assert answer["result"]["series"][0]["total"]["A"] == 1
