"""
Every report by one table: each common field changes its answer or is refused, and never passed over in silence.

A report without a line in ``REPORTS_ASKED`` fails here. The log is made so that every common field matters to every report.
"""

import msgspec
import pytest
from query_support import APP, PROJECT, bind, event, id_key, insert, ms
from test_query_sql import names_in
from test_recall_results import message, store_messages
from test_scenes_random import ProjectAsker

from collector.migrate import connect
from query_api.errors import QueryError
from query_api.reports import REPORTS, columns_of, params_of, table_of
from query_api.tables import ARROW, CSV, encode
from tests.conftest import stores_everywhere

OTHER_APP = "wx0002"
NOW = ms("2026-10-20T00:00:00+08:00")
ASKED = {"from": "2026-10-05", "to": "2026-10-07"}
BEFORE = {"from": "2026-10-02", "to": "2026-10-04"}
RANGE = {"app_ids": [APP], "time_range": ASKED}
SHOW, PAY, VIEW = {"event": "app_show"}, {"event": "order_pay"}, {"event": "page_view"}
SEGMENT = "seg_00000000000000aa"
BRANDED = {"field": "device.brand", "op": "in", "values": ["b1", "b2"]}
WINDOW = {"value": 1}
SEGMENT_COLUMNS = ["project", "segment_id", "name", "rule", "app_ids", "timezone"]
SEGMENT_COLUMNS += ["created_at", "created_by", "version", "is_deleted"]
TREE = {
    "name": "t",
    "version": 1,
    "children": [{"key": "paid", "when": {"did": PAY}}, {"key": "rest"}],
}
MODEL = {
    "name": "m",
    "version": 1,
    "scale": 100,
    "grades": [{"grade": "D", "at_least": 0}],
    "indicators": [
        {
            "key": "paid",
            "points": [[0, 0], [100, 1]],
            "step": 1,
            "measure": {
                "report": "events",
                "ask": {"interval": None, "measures": [{"aggregate": "users"}]},
                "value": "series[0].total.A",
            },
        }
    ],
}
PERSON = str(id_key("user_id", "u8"))
REPORTS_ASKED = {
    "attribution": {"target": PAY, "touches": [SHOW], "value": "properties.amount"},
    "distribution": {"interval": "day"},
    "events": {"measures": [{"aggregate": "users"}], "interval": "day"},
    "exchange": {},
    "funnel": {"steps": [SHOW, PAY], "window": WINDOW, "interval": "day"},
    "health": {"model": MODEL, "interval": "day"},
    "interval": {"start": SHOW, "end": PAY, "interval": "day"},
    "layers": {"tree": TREE},
    "lifecycle": {},
    "ltv": {"start": SHOW, "measures": [{**PAY, "field": "properties.amount"}], "periods": 3},
    "paths": {"start": SHOW},
    "profile": {"user": PERSON},
    "promoters": {"by": "sharer"},
    "recall": {},
    "retention": {"initial": SHOW, "returning": PAY, "periods": 2},
    "scenes": {"conversion": PAY},
    "segments": {"segments": [SEGMENT]},
    "sessions": {"page_view": VIEW},
    "share": {"by": ["page"], "sharer_limit": 0},
    "sql": {"sql": "SELECT count() AS n, uniqExact(user) AS users FROM events HAVING n > 0"},
    "stickiness": {"interval": "day"},
    "summary": {},
    "timeline": {"user": PERSON},
    "users": {},
}
DAY = ASKED["from"]
CELLS = {
    # A cell, and where the answer shows its number.
    "attribution": ({"touch": 1}, "rows[0].users"),
    "distribution": ({"time": DAY}, "series[0].points[0].users"),
    "events": ({"time": DAY}, "series[0].points[0].A"),
    "exchange": ({"partner_app_id": "wx_p"}, "rows[0].users_in"),
    "funnel": ({"step": 2}, "steps[1].users"),
    "interval": ({"time": DAY}, "series[0].points[0].users"),
    "layers": ({"layer": "paid"}, "dates[1].leaves[0].users"),
    "lifecycle": ({"time": DAY, "state": "active"}, "points[0].active"),
    "ltv": ({"cohort": DAY, "period": 1}, "cohorts[0].payers[1]"),
    "paths": ({}, "users"),
    "promoters": (
        {"promoter": str(id_key("user_id", "u0")), "metric": "buyers"},
        "promoters[0].buyers",
    ),
    "recall": ({"campaign": "back", "metric": "active"}, "rows[0].treated.active"),
    "retention": ({"cohort": DAY, "period": 0}, "cohorts[0].returned[0]"),
    "scenes": ({"metric": "converters"}, "total.converters"),
    "segments": ({"within": [SEGMENT]}, "segments[0].users"),
    "sessions": ({"time": DAY}, "series[0].points[0].users"),
    "share": ({"metric": "openers"}, "total.openers"),
    "stickiness": ({"time": DAY}, "series[0].points[0].users"),
    "summary": ({"time": DAY}, "points[0].users"),
    "users": ({}, "total"),
}
REFUSED = {
    # Common fields that a report refuses; every other one must change its answer.
    "filter": {"layers", "profile"},
    "breakdown": {
        "health", "layers", "paths", "profile", "promoters", "sql", "summary", "timeline", "users"
    },
    "compare": {"profile", "sql", "summary", "timeline", "users"},
    "identity": {"recall", "segments"},
}  # fmt: skip
ZONELESS = {"sql"}
"""The zone decides where days begin; a statement gives its own."""


def log():
    """Three days twice: what happens from the fifth on happened three days before, to half of the users."""
    rows = []
    for days, users in ((2, 3), (5, 6)):
        for number in range(users):
            user = f"u{number}"
            platform, scene = ("wechat", "1011") if number % 2 else ("alipay", "")
            for day in range(1 + number % 3):
                # Near midnight in Shanghai, so that the zone matters.
                base = ms(f"2026-10-{days + day:02}T00:10:00+08:00") + number * 60_000
                base += 23 * 3_600_000 * (number % 2)
                about = {
                    "platform": platform,
                    "scene": scene,
                    "device_brand": f"b{number}",
                    "app_id": OTHER_APP if number == 5 else APP,
                }
                entry = {"referrer_app_id": "wx_p", "share_id": "card"} | about
                pay = {"properties": {"amount": 1.5 + number}} | about
                rows += [
                    event(user, "app_show", base, page="a", **entry),
                    event(user, "page_view", base + 1_000, page=f"p{number}", **about),
                    event(user, "share", base + 2_000, page=platform, **about | shared(user, days)),
                    event(user, "order_pay", base + 3_000, **pay),
                    event(user, "user_set", base + 4_000, **about | {"properties": {"n": day}}),
                ]
    # A device of u8, bound an hour later: another person before that in `strict`. After the range, but not in each zone: u7.
    named = {"page": "a", "scene": "1011", "referrer_app_id": "wx_p", "share_id": "card"}
    named["platform"] = "alipay"
    for at, user in (
        ("02T08", "u3"),
        ("05T08", "anonymous_id:d8"),
        ("05T09", "u8"),
        ("08T08", "u7"),
    ):
        base = ms(f"2026-10-{at}:00:00+08:00")
        rows += [
            event(user, "app_show", base, **named),
            event(user, "order_pay", base + 1, properties={"amount": 9}, platform="alipay"),
            event(user, "share", base + 2, properties={"share_id": f"d-{at}"}),
            event(user, "user_set", base + 3, properties={"at": at}),
        ]
    rows += [
        event("u0", "share", ms("2026-09-01T00:00:00+08:00"), properties={"share_id": "card"}),
        event("u9", "app_show", ms("2026-10-05T12:00:00+08:00"), app_id=OTHER_APP, share_id="card"),
    ]
    return rows


def shared(user, days):
    return {"properties": {"share_id": f"{user}-{days}", "parent_share_id": "card"}}


@pytest.fixture(scope="module")
def url(request):
    shards = request.config.getoption("--shards")
    urls = request.getfixturevalue("cluster").database(shards) if shards > 1 else None
    urls = urls or request.getfixturevalue("databases").one()
    address = next(urls)
    client = stores_everywhere(connect(address, distributed_foreground_insert=1))
    insert(client, log())
    bind(
        client,
        id_key("anonymous_id", "d8"),
        id_key("user_id", "u8"),
        [(ms("2026-10-05T08:30:00+08:00"), id_key("user_id", "u8"))],
    )
    sent = [
        message(
            f"{day}-{user}", f"u{user}", campaign="back", sent_ms=ms(f"2026-10-{day}T00:00:00Z")
        )
        for day in ("02", "05")
        for user in range(4)
    ]
    store_messages(client, sent)
    rule = msgspec.json.encode({"did": {**PAY, "filter": BRANDED}}).decode()
    client.insert(
        "segments",
        [[PROJECT, SEGMENT, "twice", rule, [APP], "Asia/Shanghai", 0, "t1", 1, 0]],
        column_names=SEGMENT_COLUMNS,
    )
    client.close()
    yield address
    urls.close()


@pytest.fixture(scope="module")
def asker(url):
    asking = ProjectAsker(url)
    asking.answers = {}
    yield asking
    asking.close()


def ask(asker, report, **body):
    """Return the whole answer; each question is asked once."""
    name = report.partition("/")[0]
    whole = {**RANGE, **REPORTS_ASKED[name], "explain": True, **body}
    key = msgspec.json.encode([report, whole])
    if key not in asker.answers:
        asker.answers[key] = msgspec.json.encode(asker.whole(report, whole, NOW))
    return msgspec.json.decode(asker.answers[key])


def refused(asker, report, **body):
    """Return code and path of a refusal; None where the request is answered."""
    try:
        ask(asker, report, **body)
    except QueryError as error:
        return error.code, error.path
    return None


def outcome(asker, report, **body):
    """Return the result, or that somebody or something was not there."""
    if (error := refused(asker, report, **body)) is not None:
        assert error[0] == "not_found", error
        return error
    return ask(asker, report, **body)["result"]


def number_at(result, path):
    for part in path.replace("]", "").replace("[", ".").split("."):
        result = result[int(part)] if part.isdigit() else result[part]
    return result


def test_every_report_has_its_line():
    assert REPORTS_ASKED.keys() == REPORTS.keys()
    assert {name for name, report in REPORTS.items() if report.users} == CELLS.keys()


CHANGES = {
    "filter": {
        "relation": "or",
        "conditions": [
            {"field": "platform", "op": "eq", "values": ["alipay"], "not": True},
            {
                "relation": "and",
                "conditions": [
                    {"field": "device.brand", "op": "starts_with", "values": ["b9"]},
                    {"field": "properties.amount", "op": "between", "values": [1, 9]},
                ],
            },
        ],
    },
    "breakdown": ["platform", "device.brand", "scene"],
    "timezone": "America/New_York",
    "app_ids": [OTHER_APP],
    "identity": "strict",
    "as_of": "2026-09-15",
    "segment": SEGMENT,
    "compare": "previous_period",
}


@pytest.mark.parametrize("report", REPORTS_ASKED)
def test_no_common_field_is_passed_over(asker, report):
    plain = ask(asker, report)
    passed_over = []
    for field, value in CHANGES.items():
        if report in REFUSED.get(field, ()):
            refusal = ("invalid_request", f"$.{field}")
            assert refused(asker, report, **{field: value}) == refusal
        elif field == "timezone" and report in ZONELESS:
            continue
        elif outcome(asker, report, **broken_down(report, field, value)) == plain["result"]:
            passed_over.append(field)
    assert passed_over == []


@pytest.mark.parametrize("report", REPORTS_ASKED)
def test_the_rest_of_a_breakdown_is_other(asker, report):
    if report in REFUSED["breakdown"]:
        return
    body = broken_down(report, "breakdown", CHANGES["breakdown"])
    if "limit" in body:
        error = refused(asker, report, **body, breakdown_limit=1)
        assert error == ("invalid_request", "$.breakdown_limit")
    found = [line["other"] for line in lines(ask(asker, report, **body)["result"])]
    assert any(found)
    assert not all(found)


def broken_down(report, field, value):
    """Return a common field, a breakdown with the least number of rows."""
    if field != "breakdown":
        return {field: value}
    return {field: value, "limit" if report in ("scenes", "exchange") else "breakdown_limit": 1}


OTHERS = {
    # Of a cell of "other" its number, in the first line of that; lists of users find "other" in statements of their own.
    "attribution": ({"touch": 1}, "users"),
    "distribution": ({"time": DAY}, "points[0].users"),
    "events": ({"time": DAY}, "points[0].A"),
    "interval": ({"time": DAY}, "points[0].users"),
    "lifecycle": ({"time": DAY, "state": "active"}, "points[0].active"),
    "ltv": ({"cohort": DAY, "period": 1}, "payers[1]"),
    "recall": ({"campaign": "back", "metric": "active"}, "treated.active"),
    "retention": ({"cohort": DAY, "period": 0}, "returned[0]"),
    "sessions": ({"time": DAY}, "points[0].users"),
    "stickiness": ({"time": DAY}, "points[0].users"),
}


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("report", OTHERS)
def test_users_of_other_are_those_that_the_answer_has_there(asker, report, limit):
    body = {"breakdown": ["device.brand"], "breakdown_limit": limit, "compare": "previous_period"}
    if report == "ltv":
        body["cohort"] = "first_in_range"
    cell, path = OTHERS[report]
    whole = ask(asker, report, **body)["result"]
    shown = whole.pop("compare")
    in_other = [line for line in lines(whole) if line["other"]]
    assert in_other
    page = ask(asker, f"{report}/users", **body, cell={**cell, "other": True})
    assert page["result"]["total"] == number_at(in_other[0], path)
    # A comparison shows the same values by themselves.
    assert values_in(shown) <= values_in(whole)
    assert len(values_in(whole)) <= limit


def lines(node):
    """Give every line of a breakdown."""
    if isinstance(node, dict):
        if isinstance(node.get("other"), bool):
            yield node
        for value in node.values():
            yield from lines(value)
    elif isinstance(node, list):
        for value in node:
            yield from lines(value)


def values_in(result):
    """Return the values that stand by themselves, but for that of rows without a touch."""
    return {
        line["breakdown"]["device.brand"]
        for line in lines(result)
        if not line["other"] and not line.get("direct")
    }


@pytest.mark.parametrize("report", sorted(REPORTS_ASKED.keys() - REFUSED["compare"]))
def test_a_comparison_is_the_answer_about_the_other_range(asker, report):
    whole = ask(asker, report, compare="previous_period")
    alone = ask(asker, report, time_range=BEFORE)
    compared = whole["result"].pop("compare")
    assert compared.pop("time_range") == {
        end: alone["semantics"]["time_range"][end] for end in ("from", "to")
    }
    assert compared == alone["result"]
    assert whole["result"] == ask(asker, report)["result"]
    assert whole["result"] != alone["result"]
    assert whole["semantics"]["compare"] == "previous_period"


@pytest.mark.parametrize("report", CELLS)
def test_the_users_of_a_cell_are_as_many_as_it_says(asker, report):
    cell, path = CELLS[report]
    whole = ask(asker, report)
    listed = ask(asker, f"{report}/users", cell=cell)["result"]
    assert listed["total"] == number_at(whole["result"], path) > 0
    assert len({row["user"] for row in listed["users"]}) == listed["total"]
    detailed = ask(asker, f"{report}/users", cell=cell, details=True)["result"]
    keys = [row["user"] for row in listed["users"]]
    known = ask(asker, "users", users=keys, limit=len(keys))["result"]["users"]
    rows = {row["user"]: row for row in detailed["users"]}
    assert list(rows) == keys
    assert [rows[row["user"]] for row in known] == known
    beyond = ask(asker, f"{report}/users", cell=cell, after=keys[-1])["result"]
    assert beyond == {"total": listed["total"], "users": [], "next_after": None}
    pages = ask(asker, f"{report}/users", cell=cell, limit=1, after=keys[0])["result"]
    assert pages["total"] == listed["total"]
    assert [row["user"] for row in pages["users"]] == keys[1:2]
    assert all(row["ids"] for row in known)
    if report in REFUSED["compare"]:
        error = refused(asker, f"{report}/users", cell=cell, compared=True)
        assert error == ("invalid_request", "$.compared")
        return
    cell = {
        name: BEFORE["from"] if name in ("time", "cohort") else value
        for name, value in cell.items()
    }
    compare = {"compare": "previous_period"}
    listed = ask(asker, f"{report}/users", cell=cell, compared=True, **compare)["result"]
    compared = ask(asker, report, **compare)["result"]["compare"]
    assert listed["total"] == number_at(compared, path) > 0
    assert len({row["user"] for row in listed["users"]}) == listed["total"]


@pytest.mark.parametrize("report", [name for name, one in REPORTS.items() if one.columns])
def test_a_table_without_rows_has_the_columns_of_one_with_rows(asker, report):
    body = {} if report in REFUSED["compare"] else {"compare": "previous_period"}
    if report not in REFUSED["breakdown"]:
        body["breakdown"] = ["device.brand"]
    whole = ask(asker, report, **body)
    told = msgspec.json.encode({**RANGE, **REPORTS_ASKED[report], **body})
    columns = columns_of(report, told, whole["result"])
    assert columns == list(table_of(report, whole["result"])[0])
    never = {"from": "2020-01-01", "to": "2020-01-01"}
    empty = ask(asker, report, **body, time_range=never)
    assert table_of(report, empty["result"]) == []
    assert columns_of(report, told, empty["result"]) == columns
    header = ",".join(columns) + "\r\n"
    assert encode(CSV, [], empty, columns).decode() == header
    if report in CELLS:
        of_cell = {**RANGE, **REPORTS_ASKED[report], "cell": CELLS[report][0]}
        told = msgspec.json.encode(of_cell)
        assert columns_of(f"{report}/users", told, {}) == ["user"]
        detailed = ask(asker, f"{report}/users", cell=CELLS[report][0], details=True)["result"]
        told = msgspec.json.encode({**of_cell, "details": True})
        columns = columns_of(f"{report}/users", told, {})
        assert columns == list(table_of(f"{report}/users", detailed)[0])


@pytest.mark.parametrize("report", REPORTS_ASKED)
def test_tables_and_what_the_numbers_mean(asker, report):
    body = {} if report in REFUSED["compare"] else {"compare": "previous_period"}
    whole = ask(asker, report, **body)
    rows = table_of(report, whole["result"])
    assert rows
    assert len({tuple(row) for row in rows}) == 1
    assert not any(isinstance(value, list | dict) for row in rows for value in row.values())
    if body:
        plain = table_of(report, ask(asker, report)["result"])
        shown = [row for row in rows if not row["compared"]]
        assert [{"compared": False, **row} for row in plain] == shown
        assert {row["compared"] for row in rows} == {True, False}
    for form in (CSV, ARROW):
        assert encode(form, rows, whole)
    assert all(names_in(part["sql"]) for part in whole["explain"])
    assert set(whole["meta"]) >= {"query_id", "rows_read", "data_complete_until", "truncated"}
    assert whole["meta"]["rows_read"] > 0
    assert whole["meta"]["data_complete_until"] is not None
    silent = {"explain", "partial", "limit", "after", "user", "id", "cell"}
    meaning = set(whole["semantics"])
    asked = set(params_of(report, False).__struct_fields__) - silent
    assert asked - meaning == set()
