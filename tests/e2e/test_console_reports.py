"""The console's pages for segments, layers, value, attribution, summaries, SQL and repairs: as an operator uses them."""

import csv
import io
import json
import re
import time
import urllib.error
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.console_browser import (
    ZONE,
    Demo,
    choose_by_typing,
    close_dialog,
    open_page,
    opens,
    past_days,
    percent,
    seen_events,
    settle,
    shows,
    users_of,
    watched,
    whole,
)
from tests.waiting import until

PAY = {"event": "order_pay"}
AMOUNT = "properties.amount"
TWICE = {"did": {**PAY, "times": {"at_least": 2}}}
ENTERED = {"did": {"event": "app_show"}}


def figure(page: Page, name: str) -> int:
    """A large number of the page."""
    return whole(page.locator(f"[data-figure={name}]").inner_text())


def store_segment(demo: Demo, name: str, rule: dict[str, Any]) -> str:
    """Store a segment as a program does."""
    answer = demo.post("/v1/segments", {"name": name, "rule": rule})
    return str(answer["result"]["segment"]["segment_id"])


@pytest.fixture(scope="module")
def buyers(demo: Demo) -> str:
    return store_segment(demo, "买过的人 <b>", {"did": PAY})


# --- Segments -----------------------------------------------------------------------


def test_a_segment_is_built_sized_kept_and_its_day_is_stored(page: Page, demo: Demo) -> None:
    open_page(page, demo, "segments")
    page.get_by_text("新建分群", exact=True).first.click()
    expect(page.locator(".panel")).to_contain_text("先写一个条件")
    page.get_by_role("button", name=re.compile("^条件 1 的事件")).click()
    choose_by_typing(page, "zhifudingdan")  # pinyin of 支付订单
    page.get_by_label("条件 1 的算法").select_option("times")
    expect(page.get_by_label("条件 1 的最小值")).to_have_value("2")
    size = page.locator("[data-figure=size]")
    expect(size).to_be_visible()
    settle(page)
    history = {"from": "2015-01-01", "to": datetime.now(ZONE).date().isoformat()}
    expected = demo.ask("users", {"time_range": history, "rule": TWICE})["result"]["total"]

    expect(size).to_have_text(f"{expected:,}")
    assert users_of(page, size.locator("button")) == expected
    name = f"复购 {uuid.uuid4().hex[:6]}"
    page.get_by_role("button", name="保存分群").click()
    page.get_by_label("名称").fill(name)
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.locator(".subject")).to_have_text(name)
    expect(size).to_have_text(f"{expected:,}")
    assert users_of(page, size.locator("button")) == expected
    page.get_by_role("button", name="保存快照").click()
    stored = page.get_by_role("region", name="快照").locator("tbody tr")
    expect(stored).to_have_count(1)
    snapshot = stored.locator(".users-link")
    assert users_of(page, snapshot) == whole(snapshot.inner_text())

    page.get_by_role("button", name="删除分群").click()
    page.locator("dialog").get_by_role("button", name="删除", exact=True).click()
    expect(page.locator(".toast").last).to_contain_text("已删除")
    expect(page.locator(".subject")).to_have_count(0)
    settle(page)
    expect(page.get_by_role("region", name="分群列表").first).not_to_contain_text(name)


def test_segments_are_compared_and_restrict_other_pages(
    page: Page, demo: Demo, buyers: str
) -> None:
    everyone = store_segment(demo, "来过的人", ENTERED)
    chosen = json.dumps([buyers, everyone])
    open_page(page, demo, f"segments?view=compare&list=~{chosen}")
    page.get_by_role("button", name=re.compile("^分组字段 1")).click()
    choose_by_typing(page, "platform")
    expect(page.get_by_role("region", name="画像")).to_be_visible()
    settle(page)
    body = {**past_days(), "segments": [buyers, everyone], "breakdown": ["platform"]}
    result = demo.ask("segments", body)["result"]

    assert figure(page, "everyone") == result["everyone"]
    sizes = page.get_by_role("region", name="分群大小")
    expect(sizes).to_contain_text("买过的人 <b>")
    assert [whole(row.inner_text()) for row in sizes.locator("tbody td:nth-child(2)").all()] == [
        one["users"] for one in result["segments"]
    ]
    overlap = page.get_by_role("region", name="重叠").locator("tbody .users-link").first
    assert users_of(page, overlap) == result["overlaps"][0]["users"]
    rows = page.get_by_role("region", name="画像").locator("tbody tr")
    expect(rows).to_have_count(len(result["rows"]))
    cell = rows.first.locator(".users-link").nth(1)
    assert users_of(page, cell) == result["rows"][0]["segments"][0]["users"]

    open_page(page, demo, "events")
    page.get_by_role("button", name=re.compile("^用户分群")).click()
    choose_by_typing(page, "买过的人")
    settle(page)
    question = {**past_days(), "measures": [{"event": "page_view", "as": "A"}], "segment": buyers}
    total = demo.ask("events", question)["result"]["series"][0]["total"]["A"]
    expect(page.locator("table tbody td").first).to_have_text(f"{total:,}")
    assert f"segment={buyers}" in page.url


# --- Layers, value, attribution, summary, health ------------------------------------


def test_layers_hold_everyone_once_and_show_the_flow(page: Page, demo: Demo) -> None:
    open_page(page, demo, "layers")
    result = demo.ask("layers", {**past_days(), "tree": "group.v1"})["result"]
    first, last = result["dates"]

    assert (figure(page, "first"), figure(page, "last")) == (first["total"], last["total"])
    rows = page.get_by_role("region", name="每层名单").locator("tbody tr").all()
    shown = [[whole(one) for one in row.locator(".users-link").all_inner_texts()] for row in rows]
    assert shown == [
        [a["users"], b["users"]] for a, b in zip(first["leaves"], last["leaves"], strict=True)
    ]
    assert sum(after for _, after in shown) == last["total"]
    assert users_of(page, rows[0].locator(".users-link").last) == last["leaves"][0]["users"]
    page.locator("summary", has_text="流转明细").click()
    flow = page.get_by_role("region", name="流转明细").locator("tbody tr")
    expected = sorted((f["users"] for f in result["flow"] if f["to"] is not None), reverse=True)
    expect(flow).to_have_count(len(expected))
    assert users_of(page, flow.first.locator(".users-link")) == expected[0]
    page.get_by_label("分层方案").select_option("own")
    settle(page)
    expect(page.get_by_role("region", name="每层名单").locator("tbody tr")).to_have_count(3)


def test_lifetime_value_shows_every_cell_of_the_api(page: Page, demo: Demo) -> None:
    open_page(page, demo, "ltv")
    body = {
        **past_days(),
        "start": {"event": "app_show"},
        "measures": [{**PAY, "field": AMOUNT}],
        "periods": 14,
    }
    result = demo.ask("ltv", body)["result"]

    shown = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-cell]')].map((c) => [c.dataset.cell, c.innerText]))"
    )
    for line in result["cohorts"]:
        for n, value in enumerate(line["ltv"]):
            text = shown[f"{line['cohort']}/{n}"].replace(",", "")
            if value is None:
                assert text == "–"
            else:
                assert float(text) == pytest.approx(value, abs=0.0051)
    line = next(line for line in result["cohorts"] if line["payers"][0])
    cell = page.locator(f"[data-cell='{line['cohort']}/0'] button")
    assert users_of(page, cell) == line["payers"][0]
    total = result["total"]
    assert users_of(page, page.locator("[data-total='0'] button")) == total["payers"][0]
    assert users_of(page, page.locator("[data-figure=size] button")) == total["size"]
    page.get_by_label("收入 1 的比例").fill("50")
    page.keyboard.press("Enter")
    half = page.locator("[data-total='0']")
    shows(half, result["total"]["ltv"][0] / 2)


def test_promoters_are_listed_with_the_orders_due_to_them(page: Page, demo: Demo) -> None:
    open_page(page, demo, "promoters")
    result = demo.ask("promoters", {**past_days(), "by": "sharer"})["result"]
    best = result["promoters"][0]
    assert best["buyers"]

    promoters = page.locator("[data-figure=promoters] button")
    expect(promoters).to_have_text(f"{result['promoters_total']:,}")
    assert users_of(page, promoters) == result["promoters_total"]
    unbound = page.locator("[data-figure=direct] button")
    assert users_of(page, unbound) == result["direct"]["buyers"]
    name = page.locator(f"a[data-user='{best['promoter']}']")
    row = page.get_by_role("region", name="各分销员").locator("tr", has=name)
    expect(row.locator("th")).to_have_text(demo.name_of(best["promoter"]))
    assert users_of(page, row.locator("td").first.locator("button")) == best["bound_users"]
    row.locator("td").nth(1).locator("button").click()  # nobody registered in the demo
    trail = page.get_by_role("region", name="订单依据").locator("tbody tr")
    expect(trail).to_have_count(min(50, best["orders"]))
    page.get_by_text("最后一次").click()
    expect(page).to_have_url(re.compile("rule=last"))
    last = {**past_days(), "by": "sharer", "binding": {"rule": "last"}}
    told = demo.ask("promoters", last)["result"]["direct"]["orders"]
    expect(page.locator("[data-figure=direct]")).to_have_text(f"{told:,}")


def test_attribution_adds_up_under_every_model(page: Page, demo: Demo) -> None:
    open_page(page, demo, "attribution")
    page.get_by_label("时间衰减").check()
    settle(page)
    body = {
        **past_days(),
        "target": PAY,
        "value": AMOUNT,
        "touches": [{"event": "app_show"}],
        "models": ["last", "first", "linear", "time_decay"],
        "breakdown": ["scene_group"],
    }
    result = demo.ask("attribution", body)["result"]

    assert figure(page, "targets") == result["total"]["targets"]
    rows = page.get_by_role("region", name="触点贡献").locator("tbody tr")
    expect(rows).to_have_count(len(result["rows"]))
    cells = [row.locator("td").all_inner_texts() for row in rows.all()]
    assert [whole(texts[0]) for texts in cells] == [row["users"] for row in result["rows"]]
    for n, model in enumerate(body["models"], start=2):
        conversions = [float(texts[n].split()[0].replace(",", "")) for texts in cells]
        assert conversions == pytest.approx(
            [row["models"][model]["conversions"] for row in result["rows"]], abs=0.051
        )
    first = result["rows"][0]
    links = rows.first.locator(".users-link")
    assert users_of(page, links.first) == first["users"]
    assert users_of(page, links.nth(2)) == first["models"]["last"]["credited_users"]
    opens(page, {"[data-figure=value] button": result["total"]["users"]})


def test_summary_of_a_day_and_a_week_beside_the_one_before(page: Page, demo: Demo) -> None:
    open_page(page, demo, "summary")
    points = demo.ask("summary", past_days())["result"]["points"]
    last = points[-1]

    for name in ("users", "new_users", "sessions", "shares", "orders", "payers"):
        shown = page.locator(f"[data-kpi={name}] .kpi-value").inner_text()
        assert whole(shown) == last[name]
    before = page.locator("[data-kpi=users] .delta").first
    expect(before).to_contain_text(f"前一天 {last['previous_period']['users']:,}")
    for kpi, metric in (("average_stay_ms", "sessions"), ("payers", "payers")):
        cell = {"time": last["time"], "metric": metric}
        behind = demo.ask("summary/users", {**past_days(), "cell": cell})["result"]["total"]
        opens(page, {f"[data-kpi={kpi}] .kpi-value .users-link": behind})
    assert behind == last["payers"]
    opens(page, {"[data-kpi=users] .delta .users-link": last["previous_period"]["users"]})
    rows = page.get_by_role("region", name="各期明细").locator("tbody tr")
    expect(rows).to_have_count(len(points))
    # A weekend is told by its name; what the calendar alone knows has a badge.
    special = sum(point["day_type"] in ("holiday", "adjusted_workday") for point in points)
    expect(rows.locator(".badge")).to_have_count(special)

    page.get_by_text("周报", exact=True).click()
    settle(page)
    weeks = demo.ask("summary", {**past_days(), "interval": "week"})["result"]["points"]
    expect(rows).to_have_count(len(weeks))
    texts = [row.locator("td").first.inner_text() for row in rows.all()]
    assert [whole(text) for text in texts] == [week["users"] for week in reversed(weeks)]


def test_health_scenes_with_conversions_and_exchange_show_the_numbers_of_the_api(
    page: Page, demo: Demo
) -> None:
    open_page(page, demo, "health?range=7d")
    [point] = demo.ask("health", past_days(7))["result"]["points"]
    score = page.locator("[data-figure=score]").inner_text().split(" ")[0]
    assert float(score) == pytest.approx(point["score"], abs=0.0051)
    expect(page.locator("[data-figure=grade]")).to_have_text(point["grade"])
    stay = next(i for i, one in enumerate(point["indicators"]) if one["path"] == "users/stay")
    visits = demo.ask("sessions", past_days(7))["result"]["series"][0]["total"]["users"]
    indicators = page.get_by_role("region", name="各项指标").locator("tbody tr")
    assert users_of(page, indicators.nth(stay).locator(".users-link")) == visits

    open_page(page, demo, "scenes?rows=page")
    body = {**past_days(), "by": "page", "conversion": PAY, "value": AMOUNT}
    scenes = demo.ask("scenes", body)["result"]
    assert figure(page, "converters") == scenes["total"]["converters"]
    first = max(scenes["rows"], key=lambda row: row["users"])
    shown = page.locator("table tbody tr", has_text=first["page"]).first
    converted = shown.locator("td .users-link").last
    assert users_of(page, converted) == first["converters"]

    open_page(page, demo, "exchange")
    total = demo.ask("exchange", past_days())["result"]["total"]
    assert figure(page, "users_in") == total["users_in"]
    assert users_of(page, page.locator("[data-figure=users_in] button")) == total["users_in"]
    partner = page.get_by_role("region", name="各伙伴").locator("tbody tr").first
    [row, *_] = demo.ask("exchange", {**past_days(), "value": AMOUNT})["result"]["rows"]
    value = partner.locator("td").nth(5).locator(".users-link")
    assert users_of(page, value) == row["converters"]


# --- Funnel and retention, their further questions ------------------------------------


def test_a_funnel_with_a_step_to_skip_says_where_the_lost_went(page: Page, demo: Demo) -> None:
    steps = [{"event": "product_view"}, {"event": "add_to_cart"}, PAY]
    open_page(page, demo, f"funnel?next=~true&steps=~{json.dumps(steps)}")
    page.get_by_label("可跳过").check()
    expect(page.locator("[data-step='2'] .badge")).to_have_text("可跳过")
    page.get_by_label("神策").check()
    table = page.get_by_role("region", name="口径对比")
    expect(table).to_be_visible()
    settle(page)
    steps[1]["optional"] = True  # type: ignore[assignment]
    body = {**past_days(), "steps": steps, "dropped_next": 5, "compare_semantics": ["sensors"]}
    result = demo.ask("funnel", body)["result"]

    for step in result["steps"]:
        figures = page.locator(f"[data-step='{step['step']}'] .funnel-figures b").inner_text()
        assert whole(figures) == step["users"]
    [theirs] = result["compare_semantics"]
    cells = table.locator("tbody tr").last.locator("td").all_inner_texts()
    assert [whole(text) for text in cells[:3]] == [step["users"] for step in theirs["steps"]]
    gone = page.locator(".next .users-link").first
    assert users_of(page, gone) == result["steps"][2]["dropped_next"][0]["users"]


def test_retention_names_the_lost_and_takes_brackets(page: Page, demo: Demo) -> None:
    open_page(page, demo, "retention?range=14d")
    entered = {"initial": {"event": "app_show"}, "returning": {"event": "app_show"}}
    body = {**past_days(14), **entered, "cohort": "first"}
    result = demo.ask("retention", body)["result"]
    assert percent(page.locator("[data-figure=lost]").inner_text()) == pytest.approx(
        result["total"]["lost_rate"], abs=6e-4
    )
    row = next(row for row in result["cohorts"] if row["lost"])
    lost = page.locator(".cohorts tbody tr", has_text=row["cohort"]).locator(".users-link").last
    assert users_of(page, lost) == row["lost"]

    page.get_by_label("算法").first.select_option("bracket")
    page.get_by_label("区间（期）").fill("1-3, 4-7")
    page.keyboard.press("Enter")
    expect(page.locator(".cohorts thead")).to_contain_text("第 4–7 天")
    settle(page)
    brackets = {"mode": "bracket", "brackets": [[1, 3], [4, 7]]}
    rates = demo.ask("retention", {**body, **brackets})["result"]["total"]["rates"]
    texts = [page.locator(f"[data-total='{n}']").inner_text() for n in range(2)]
    assert [percent(text) for text in texts] == pytest.approx(rates, abs=6e-4)


def test_breakdown_and_comparison_of_sessions_and_habits(page: Page, demo: Demo) -> None:
    more = {"breakdown": ["platform"], "compare": "previous_period"}
    query = "range=7d&compare=previous_period&breakdown=~" + json.dumps(["platform"])
    open_page(page, demo, f"sessions?{query}")
    result = demo.ask("sessions", {**past_days(7), **more})["result"]
    series = result["series"]
    cells = page.get_by_role("region", name="各组会话").locator("tbody tr")
    expect(cells).to_have_count(len(series))
    assert [whole(row.locator("td").first.inner_text()) for row in cells.all()] == [
        line["total"]["sessions"] for line in series
    ]
    now, before = cells.first.locator("td").nth(1).locator(".users-link").all()
    assert users_of(page, now) == series[0]["total"]["users"]
    [then] = [
        line for line in result["compare"]["series"] if line["breakdown"] == series[0]["breakdown"]
    ]
    assert users_of(page, before) == then["total"]["users"]

    open_page(page, demo, f"stickiness?{query}")
    active = {"active": {"event": "app_show"}}
    series = demo.ask("stickiness", {**past_days(7), **more, **active})["result"]["series"]
    first = page.get_by_role("region", name="活跃天数").locator("tbody .users-link").first
    assert users_of(page, first) == series[0]["points"][0]["users"]

    open_page(page, demo, f"lifecycle?{query}")
    result = demo.ask("lifecycle", {**past_days(7), **more, **active})["result"]
    assert figure(page, "new") == sum(point["new"] for point in result["points"])
    first = (
        page.get_by_role("region", name="各组（表格）", exact=True)
        .locator("tbody .users-link")
        .first
    )
    assert users_of(page, first) == result["series"][0]["points"][-1]["active"]


# --- SQL ------------------------------------------------------------------------------


def test_sql_is_written_run_and_taken_away_and_says_what_is_wrong(page: Page, demo: Demo) -> None:
    open_page(page, demo, "sql")
    statement = "SELECT platform, count() AS n, uniqExact(user) AS users FROM events GROUP BY platform ORDER BY n DESC"
    editor = page.get_by_label("SQL 语句")
    editor.fill(statement)
    editor.press("Control+Enter")
    expect(page.get_by_role("region", name="结果").last.locator("thead")).to_contain_text(
        "platform"
    )
    settle(page)
    rows = demo.ask("sql", {**past_days(), "sql": statement})["result"]["rows"]

    shown = page.get_by_role("region", name="结果").last.locator("tbody tr").all()
    assert [[whole(text) for text in row.locator("td").all_inner_texts()] for row in shown] == [
        [row["n"], row["users"]] for row in rows
    ]
    page.get_by_role("button", name="更多操作").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="下载 CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text("utf-8-sig"))))
    assert [line["platform"] for line in lines] == [row["platform"] for row in rows]
    page.get_by_text("可查的视图与字段").click()
    expect(page.get_by_role("region", name="sessions")).to_contain_text("entry_page")


def test_sql_that_is_not_allowed_is_refused_in_words(signed_in: BrowserContext, demo: Demo) -> None:
    with watched(signed_in, demo.url, expect_errors=True) as page:
        open_page(page, demo, "sql?sql=SELECT%20name%20FROM%20system.users")
        expect(page.get_by_role("alert")).to_contain_text("条件有误")
        expect(page.get_by_role("alert")).to_contain_text("$.sql")


# --- Repairs --------------------------------------------------------------------------


def test_two_ids_are_taken_apart_and_the_reason_stays(page: Page, demo: Demo) -> None:
    device, login = (f"{kind}-{uuid.uuid4().hex[:10]}" for kind in ("device", "login"))
    demo.send(
        [{"event": "page_view", "page": "pages/home/index"}], anonymous_id=device, user_id=login
    )
    address = f"/v1/identity/user_id:{login}/explain"

    def bound() -> bool:
        try:
            return bool(demo.get(address)["result"]["persons"][0]["bindings"])
        except urllib.error.HTTPError as error:  # 404 until the event was stored
            error.close()
            return False

    until(bound, "the two ids are bound")
    open_page(page, demo, f"people?id=user_id:{login}")
    page.get_by_text("为什么这些编号是同一个人").click()
    page.get_by_role("button", name=f"拆开 {login} 与 {device}").click()
    page.get_by_label("原因").fill("共用的手机 <b>")
    page.locator("dialog").get_by_role("button", name="拆开", exact=True).click()

    expect(page.get_by_role("region", name="拆开记录")).to_contain_text("共用的手机 <b>")
    until(lambda: not bound(), "the two ids are two persons")


def test_a_refused_event_is_mended_and_sent_again(page: Page, demo: Demo) -> None:
    name = f"mended_{uuid.uuid4().hex[:10]}"
    told = demo.send([{"event": "", "properties": {"mark": name}}, {"event": "page_view"}])
    assert told["rejected"] == 1
    letters = f"/v1/dead-letters?limit=1000&since={datetime.now(ZONE).date().isoformat()}"

    def found() -> Any:
        kept = demo.get(letters)["result"]["dead_letters"]
        return next((one for one in kept if one["request_id"] == told["request_id"]), None)

    letter = until(found, "the refused event is kept")
    open_page(page, demo, "quality?days=~1")
    page.get_by_role("button", name=f"修复 {letter['id']}").click()
    event = page.get_by_label(re.compile("^事件（改好后重投"))
    expect(event).to_have_value(re.compile(name))
    key = page.get_by_label(re.compile("的写入密钥"))
    key.fill(demo.app()[1])
    page.get_by_role("button", name="重新发送").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("仍被拒绝")
    given = {"event_id": uuid.uuid4().hex, "occurred_at": time.time_ns() // 1_000_000}
    event.fill(json.dumps({**given, "event": name}))
    page.get_by_role("button", name="重新发送").click()

    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".toast").last).to_contain_text("已重投")
    until(lambda: name in seen_events(demo), "the mended event can be queried")
    page.get_by_label("包括已重投的").check()
    again = page.get_by_role("region", name="待修复的事件").locator("tr", has_text="已重投")
    expect(again.first).to_be_visible()


# --- What people bring ------------------------------------------------------------------


def test_codes_costs_and_messages_are_brought_and_reach_their_reports(
    page: Page, demo: Demo
) -> None:
    app_id, _ = demo.app()
    code = f"A-{uuid.uuid4().hex[:8]}"
    yesterday = (datetime.now(ZONE).date() - timedelta(days=1)).isoformat()
    open_page(page, demo, "settings?tab=codes")
    page.get_by_role("button", name="添加", exact=True).click()
    page.get_by_label("code_id").fill(code)
    page.get_by_label("门店").fill("人民广场店")
    page.locator("dialog select").select_option(app_id)
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.get_by_role("region", name="二维码").last).to_contain_text(code)

    open_page(page, demo, "settings?tab=costs")
    page.get_by_role("button", name="导入 CSV").click()
    text = f'day,app_id,qr_code,amount,clicks\n{yesterday},{app_id},"{code}",320.5,41\n'
    page.get_by_label("CSV 文件").set_input_files(
        {"name": "costs.csv", "mimeType": "text/csv", "buffer": text.encode("utf-8-sig")}
    )
    page.get_by_role("button", name="导入", exact=True).click()
    expect(page.get_by_role("region", name="投放成本").last).to_contain_text("320.50 CNY")
    open_page(page, demo, "scenes?rows=qr_code")
    expect(page.locator("table tbody tr", has_text=code).first).to_contain_text("320.50 CNY")

    open_page(page, demo, "settings?tab=messages")
    page.get_by_role("button", name="导入 CSV").click()
    head = "message_id,app_id,campaign,kind,id,arm,sent_at"
    lines = [
        f"{code}-{n},{app_id},{code},user_id,nobody-{n},{arm},{yesterday}T10:00:00+08:00"
        for n, arm in enumerate(("treated", "treated", "hold_out"))
    ]
    page.get_by_label("CSV 文件").set_input_files(
        {"name": "m.csv", "mimeType": "text/csv", "buffer": "\n".join([head, *lines]).encode()}
    )
    page.get_by_role("button", name="导入", exact=True).click()
    log = page.get_by_role("region", name="召回消息").last
    expect(log).to_contain_text(code)
    sent = log.locator("tbody tr", has_text=code).locator(".users-link")
    assert [users_of(page, arm) for arm in sent.all()] == [2, 1]
    open_page(page, demo, "recall?range=7d")
    arms = page.get_by_role("region", name=code).locator("tbody tr")
    expect(arms).to_have_count(2)
    assert [whole(arm.locator("td").first.inner_text()) for arm in arms.all()] == [2, 1]
    close = page.locator("[data-uplift=converted]").first
    expect(close).to_contain_text("看不出差别")
    page.get_by_role("region", name=code).locator(".users-link").first.click()
    page.locator(".users-dialog[data-total]").wait_for()
    close_dialog(page)
