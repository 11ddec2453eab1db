"""The console in a real browser over a real demo: its numbers are the API's, its flows work, nothing leaves the machine."""

import html
import json
import re
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.e2e.console_browser import (
    ANSWERED,
    HOSTILE,
    REFUSED,
    ZONE,
    Demo,
    choose_by_typing,
    close_dialog,
    go_to,
    held_back,
    new_context,
    open_page,
    opens,
    past_days,
    percent,
    save_view,
    settle,
    shows,
    sign_in,
    strongest,
    users_of,
    watched,
    whole,
)
from tests.integration.query_support import ENDLESS
from tests.waiting import until

PAGES = [
    *("overview", "boards", "events", "funnel", "retention", "paths", "sessions", "scenes"),
    *("share", "lifecycle", "people", "live", "quality", "settings"),
]


# --- Signing in -----------------------------------------------------------------


def test_a_wrong_token_is_refused_and_the_right_one_gives_a_closed_cookie(
    browser: Browser, demo: Demo
) -> None:
    context = new_context(browser)
    with watched(context, demo.url, expect_errors=True) as page:
        page.goto(f"{demo.url}/")
        page.locator("input[name=token]").fill("rt_" + "0" * 32)
        page.locator("button[type=submit]").click()
        expect(page.get_by_role("alert")).to_contain_text("令牌无效")
        assert context.cookies() == []

        sign_in(page, demo)

        [cookie] = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert demo.token not in cookie["value"]
        assert demo.token not in json.dumps(page.evaluate("({...localStorage, ...sessionStorage})"))
        page.get_by_role("button", name="退出登录").click()
        expect(page.locator("input[name=token]")).to_be_visible()
        assert context.cookies() == []
    context.close()


def test_the_cookie_asks_only_from_the_console_itself(
    signed_in: BrowserContext, demo: Demo
) -> None:
    [cookie] = signed_in.cookies()

    def status(**headers: str) -> int:
        request = urllib.request.Request(  # noqa: S310
            f"{demo.url}/v1/query/events",
            json.dumps({**past_days(), "measures": [{"aggregate": "count"}]}).encode(),
            {"Cookie": f"{cookie['name']}={cookie['value']}", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status(**{"Sec-Fetch-Site": "same-origin"}) == 200
    assert status(Origin=demo.url) == 200
    assert status(**{"Sec-Fetch-Site": "cross-site"}) == 403
    assert status(Origin="http://elsewhere.test") == 403
    assert status() == 403


def test_the_page_is_never_kept_and_its_files_are_kept_for_good(
    signed_in: BrowserContext, demo: Demo
) -> None:
    [cookie] = signed_in.cookies()

    def got(path: str, **headers: str) -> tuple[int, str, str]:
        request = urllib.request.Request(f"{demo.url}{path}", headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.headers["Cache-Control"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, "", ""

    def told(text: str) -> dict[str, Any]:
        found = re.search(r'name="scenetrail-session" content="([^"]*)"', text)
        assert found
        return dict(json.loads(html.unescape(found[1])))

    status, kept, page = got("/")
    assert (status, kept, told(page)) == (200, "no-store", {"signed_in": False})
    _, kept, page = got("/", Cookie=f"{cookie['name']}={cookie['value']}")
    session = told(page)
    assert (kept, session["signed_in"], len(session["apps"])) == ("no-store", True, 3)
    assert {"funnel", "retention"} <= set(session["reports"])
    named = re.search(r'src="(/static/[0-9a-f]{16}/app\.js)"', page)
    assert named
    assert "immutable" in got(named[1])[1]
    assert got("/static/app.js")[:2] == (200, "no-cache")
    assert got(f"/static/{'0' * 16}/app.js")[:2] == (200, "no-cache")
    assert got("/static/index.html")[0] == 404


# --- Numbers are the API's --------------------------------------------------------


def test_overview_shows_the_numbers_of_the_api_and_their_users(page: Page, demo: Demo) -> None:
    open_page(page, demo, "overview")
    measures = [
        {"event": "app_show", "aggregate": "users", "as": "users"},
        {"event": "page_view", "aggregate": "count", "as": "page_views"},
        {"event": "share", "aggregate": "count", "as": "shares"},
        {"event": "order_pay", "aggregate": "users", "as": "buyers"},
        {"event": "order_pay", "aggregate": "count", "as": "orders"},
    ]
    answer = demo.ask("events", {**past_days(), "measures": measures, "interval": None})
    total = answer["result"]["series"][0]["total"]

    shown = {
        measure["as"]: whole(page.locator(f"[data-kpi={measure['as']}] .kpi-value").inner_text())
        for measure in measures
    }

    assert shown == total
    assert users_of(page, page.locator("[data-kpi=buyers] .users-link")) == total["buyers"]
    sessions = demo.ask("sessions", past_days())["result"]["series"][0]["total"]
    figure = page.locator("[data-figure=sessions]")
    assert whole(figure.inner_text()) == sessions["sessions"]
    everyone = ("sessions", "median_duration_ms", "mean_depth")
    opens(page, {f"[data-figure={name}] button": sessions["users"] for name in everyone})
    until_text = page.locator(".complete-until").first.get_attribute("datetime") or ""
    assert until_text[:16] == answer["meta"]["data_complete_until"][:16]


def test_funnel_is_built_by_hand_and_shows_the_numbers_of_the_api(page: Page, demo: Demo) -> None:
    open_page(page, demo, "funnel?steps=~" + json.dumps([{"event": "page_view"}, {"event": ""}]))
    expect(page.locator(".panel")).to_contain_text("至少选择两个步骤")
    page.get_by_role("button", name=re.compile("^步骤 2 的事件")).click()
    choose_by_typing(page, "zfdd")  # initials of 支付订单
    settle(page)
    page.get_by_role("button", name=re.compile("^分组字段")).click()
    choose_by_typing(page, "platform")
    expect(page.locator("table")).to_be_visible()
    settle(page)
    body = {
        **past_days(),
        "steps": [{"event": "page_view"}, {"event": "order_pay"}],
        "breakdown": ["platform"],
        "breakdown_limit": 8,
    }
    result = demo.ask("funnel", body)["result"]

    for step in result["steps"]:
        figures = page.locator(f"[data-step='{step['step']}'] .funnel-figures b").inner_text()
        assert whole(figures) == step["users"]
    conversion = page.locator("[data-figure=conversion]").inner_text()
    assert percent(conversion) == pytest.approx(result["steps"][1]["rate_from_first"], abs=6e-4)
    rows = page.locator("table tbody tr").all()
    assert [whole(row.locator("td").first.inner_text()) for row in rows] == [
        group["steps"][0]["users"] for group in result["groups"]
    ]
    reached = result["steps"][1]["users"]
    opens(
        page,
        {
            "[data-figure=conversion] button": reached,
            "[data-figure=time] button": reached,
            ".funnel-between b .users-link": reached,
            ".funnel-between .users-link >> nth=1": result["steps"][1]["dropped"],
            ".funnel-between .users-link >> nth=3": reached,
        },
    )
    page.reload()  # The address holds it all.
    settle(page)
    assert page.locator("[data-figure=conversion]").inner_text() == conversion
    page.go_back()
    settle(page)
    expect(page.locator("table")).to_have_count(0)


def test_retention_shows_every_cell_of_the_api(page: Page, demo: Demo) -> None:
    open_page(page, demo, "retention")
    body = {
        **past_days(),
        "initial": {"event": "app_show"},
        "returning": {"event": "app_show"},
        "cohort": "first",
    }
    result = demo.ask("retention", body)["result"]
    today = datetime.now(ZONE).date()

    shown = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-cell]')].map((c) => [c.dataset.cell, c.innerText]))"
    )
    classes = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-cell] .heat')]"
        ".map((c) => [c.parentElement.dataset.cell, c.classList.contains('immature')]))"
    )

    assert len(shown) == len(result["cohorts"]) * 8
    for row in result["cohorts"]:
        for n, rate in enumerate(row["rates"]):
            name = f"{row['cohort']}/{n}"
            begun = datetime.fromisoformat(row["cohort"]).date() + timedelta(days=n) <= today
            if row["size"] == 0 or not begun:
                assert shown[name] == "–"
            else:
                assert percent(shown[name]) == pytest.approx(rate, abs=6e-4)
                assert classes[name] is not row["mature"][n]
    totals = [page.locator(f"[data-total='{n}']").inner_text() for n in range(8)]
    assert [percent(text) for text in totals] == pytest.approx(result["total"]["rates"], abs=6e-4)
    row = next(row for row in result["cohorts"] if row["returned"][1])
    cell = page.locator(f"[data-cell='{row['cohort']}/1'] button")
    assert users_of(page, cell) == row["returned"][1]
    total = result["total"]
    assert users_of(page, page.locator("[data-total='1'] button")) == total["returned"][1]
    assert users_of(page, page.locator("[data-figure=lost] button")) == total["lost"]
    assert users_of(page, page.locator("[data-figure=size] button")) == total["size"]


def test_events_are_explored_and_taken_away_as_csv_png_and_request(page: Page, demo: Demo) -> None:
    open_page(page, demo, "events")
    page.get_by_role("button", name=re.compile("^指标 A 的事件")).click()
    choose_by_typing(page, "order_pay")
    page.get_by_label("指标 A 的算法").select_option("sum")
    page.get_by_role("button", name=re.compile("^数值字段")).click()
    choose_by_typing(page, "amount")
    settle(page)
    measure = {"event": "order_pay", "aggregate": "sum", "field": "properties.amount", "as": "A"}
    body = {**past_days(), "measures": [measure], "interval": "day"}
    expected = demo.ask("events", body)["result"]["series"][0]["total"]["A"]

    cell = page.locator("table tbody td").first
    assert float(cell.inner_text().replace(",", "")) == pytest.approx(expected, abs=0.006)
    page.get_by_role("button", name="更多操作").click()
    with page.expect_download() as csv:
        page.get_by_role("button", name="下载 CSV").click()
    assert Path(csv.value.path()).read_bytes().decode() == demo.ask("events", body, "text/csv")
    page.get_by_role("button", name="更多操作").click()
    with page.expect_download() as png:
        page.get_by_role("button", name="下载图片 PNG").click()
    picture = Path(png.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    # The whole part as it is seen, its numbers and freshness too, at twice the size.
    shown = page.locator(".panel").bounding_box()
    assert shown is not None
    assert [int.from_bytes(picture[at : at + 4]) for at in (16, 20)] == pytest.approx(
        [2 * shown["width"], 2 * shown["height"]], abs=4
    )
    page.get_by_role("button", name="更多操作").click()
    page.get_by_role("button", name="复制为 API 请求").click()
    expect(page.locator(".toast")).to_contain_text("已复制")
    command = page.evaluate("navigator.clipboard.readText()")
    assert json.loads(command.partition(" -d '")[2].removesuffix("'")) == body


def test_a_filter_is_built_from_the_values_that_were_seen(page: Page, demo: Demo) -> None:
    measure = {"event": "add_to_cart", "aggregate": "count"}
    open_page(page, demo, f"events?measures=~{json.dumps([measure])}")
    page.get_by_text("全局筛选").click()
    filters = page.get_by_role("group", name="全局筛选")
    filters.get_by_role("button", name="添加条件").click()
    filters.get_by_role("button", name=re.compile("^字段")).click()
    choose_by_typing(page, "platform")
    filters.get_by_role("button", name=re.compile("^值")).click()
    page.get_by_role("option", name=re.compile("支付宝")).click()
    settle(page)
    filters.get_by_role("button", name="添加条件", exact=True).click()
    filters.get_by_role("button", name=re.compile("^字段")).last.click()
    choose_by_typing(page, "quantity")
    filters.get_by_role("button", name=re.compile("^值")).last.click()
    choose_by_typing(page, "2")  # a number, as those that were seen
    settle(page)
    conditions = [
        {"field": "platform", "op": "eq", "values": ["alipay"]},
        {"field": "properties.quantity", "op": "eq", "values": [2]},
    ]
    body = {
        **past_days(),
        "measures": [{**measure, "as": "A"}],
        "filter": {"relation": "and", "conditions": conditions},
    }

    expected = demo.ask("events", body)["result"]["series"][0]["total"]["A"]
    assert expected
    expect(page.locator("table tbody td").first).to_have_text(f"{expected:,}")


def test_the_csv_of_a_long_list_is_read_in_slices_and_says_who_everybody_is(
    page: Page, demo: Demo
) -> None:
    asked: list[dict[str, Any]] = []

    def in_small_slices(route: Route) -> None:
        question = dict(route.request.post_data_json)
        if route.request.headers["accept"] != "text/csv":
            route.continue_()
            return
        asked.append(question)
        assert question["limit"] == 10_000
        route.continue_(post_data=json.dumps({**question, "limit": 40}))

    def taken(download: Any) -> str:
        return Path(download.value.path()).read_bytes().decode()

    steps = [{"event": "product_view"}, {"event": "order_pay"}]
    body = {**past_days(), "steps": steps, "cell": {"step": 1}, "details": True}
    open_page(page, demo, f"funnel?steps=~{json.dumps(steps)}")
    page.route("**/v1/query/funnel/users", in_small_slices)
    page.locator("[data-figure=entered] button").click()
    page.locator(".users-dialog[data-total]").wait_for()
    with page.expect_download() as csv:
        page.get_by_role("button", name="下载 CSV").click()
    everyone = demo.ask("funnel/users", {**body, "limit": 10_000}, "text/csv")
    assert taken(csv) == everyone
    assert len(asked) == -(-(len(everyone.splitlines()) - 1) // 40) > 1
    close_dialog(page)

    # The list of people shows a hundred; its CSV has all of them.
    page.route("**/v1/query/users", in_small_slices)
    open_page(page, demo, "people")
    asked.clear()
    page.get_by_role("button", name="更多操作").click()
    with page.expect_download() as csv:
        page.get_by_role("button", name="下载 CSV").click()
    assert taken(csv) == demo.ask("users", {**past_days(), "limit": 10_000}, "text/csv")
    assert len(asked) > 1


def test_enter_while_the_list_is_still_being_read_chooses_when_it_is_there(
    page: Page, demo: Demo
) -> None:
    with held_back(page, "**/v1/events/schema"):
        open_page(page, demo, "events")
        page.get_by_role("button", name=re.compile("^指标 A 的事件")).click()
        page.keyboard.type("zfdd")
        page.keyboard.press("Enter")
        expect(page.get_by_text("正在读取…")).to_be_visible()

    expect(page.get_by_role("button", name=re.compile("^指标 A 的事件.*order_pay"))).to_be_visible()


def test_scenes_by_group_by_another_scheme_and_down_to_the_code(page: Page, demo: Demo) -> None:
    open_page(page, demo, "scenes")
    groups = demo.ask("scenes", {**past_days(), "by": "group"})["result"]
    assert (
        whole(page.locator("[data-figure=new_users]").inner_text()) == groups["total"]["new_users"]
    )
    first = max(groups["rows"], key=lambda row: row["users"])
    shown = page.locator("table tbody tr").first
    assert shown.locator("th").inner_text() == first["scene_group"]
    row = {"scene_group": first["scene_group"]}
    columns = ((0, "launches"), (5, "bounces"), (6, "sessions"), (7, "next_day_returned"))
    for number, metric in columns:
        body = {**past_days(), "by": "group", "cell": {"metric": metric, **row}}
        behind = demo.ask("scenes/users", body)["result"]["total"]
        link = shown.locator("td").nth(number).locator(".users-link")
        assert users_of(page, link) == behind, metric
    assert behind == first["next_day_returned"]

    shown.locator("th button").click()
    expect(page.get_by_role("button", name="返回分组")).to_be_visible()
    settle(page)

    in_group = {"field": "scene_group", "op": "eq", "values": [first["scene_group"]]}
    codes = demo.ask("scenes", {**past_days(), "filter": in_group})["result"]["rows"]
    texts = page.locator("table tbody code").all_inner_texts()
    assert sorted(texts) == sorted(row["scene"] for row in codes)
    page.get_by_text("公域 / 私域").click()
    settle(page)
    expect(page.locator("table")).to_contain_text("私域")


def test_paths_sessions_lifecycle_and_sharing_show_the_numbers_of_the_api(
    page: Page, demo: Demo
) -> None:
    open_page(page, demo, "sessions")
    total = demo.ask("sessions", past_days())["result"]["series"][0]["total"]
    assert whole(page.locator("[data-kpi=sessions] .kpi-value").inner_text()) == total["sessions"]
    kpis = ("users", "median_duration_ms")
    opens(page, {f"[data-kpi={name}] .users-link": total["users"] for name in kpis})
    exits = page.get_by_role("region", name="退出页").locator("tbody tr").first
    left = demo.ask("sessions", past_days())["result"]["exit_pages"][0]
    links = [users_of(page, link) for link in exits.locator(".users-link").all()]
    assert links == [left["users"], left["users"], left["viewers"], left["users"]]

    open_page(page, demo, "lifecycle")
    points = demo.ask("lifecycle", {**past_days(), "active": {"event": "app_show"}})["result"][
        "points"
    ]
    rows = page.locator("table tbody tr").all()
    assert [whole(row.locator("td").first.inner_text()) for row in rows] == [
        point["active"] for point in reversed(points)
    ]
    at = next(n for n, point in enumerate(reversed(points)) if point["growth_index"] is not None)
    growth = rows[at].locator("td").last.locator("button")
    assert users_of(page, growth) == points[-1 - at]["growth_index_numerator"]

    open_page(page, demo, "paths")
    shown = whole(page.locator("[data-figure=sessions]").inner_text())
    first_row = page.locator("table tbody tr").first
    assert whole(first_row.locator("td").nth(1).inner_text()) == shown
    everyone = page.locator("[data-figure=users] .users-link")
    assert users_of(page, everyone) == whole(everyone.inner_text())
    stops = page.get_by_role("region", name="各步").locator("tbody tr").first.locator(".users-link")
    assert users_of(page, stops.nth(2)) == users_of(page, stops.nth(3))

    with held_back(page, "**/v1/query/users"):
        open_page(page, demo, "share")
        expect(page.locator("th .person.pending").first).to_have_text("")  # no key, until the name
    result = demo.ask("share", past_days())["result"]
    for name in ("shares", "opens", "openers", "new_users"):
        figure = page.locator(f"[data-figure={name}]").inner_text()
        assert whole(figure) == result["total"][name]
    opens(page, {"[data-figure=k] button": result["total"]["new_users"]})
    behind = {
        metric: demo.ask("share/users", {**past_days(), "cell": {"metric": metric}})["result"]
        for metric in ("resharers", "opened_before")
    }
    for number, listed in enumerate(behind.values()):
        link = page.locator("[data-figure=reshares] .users-link").nth(number)
        assert users_of(page, link) == listed["total"]
    best = page.get_by_role("region", name="分享者排行").locator("tbody tr").first
    sharer = best.locator("th a").get_attribute("data-user")
    expect(best.locator("th a")).to_have_text(demo.name_of(sharer or ""))
    cell = {"metric": "converters", "sharer": sharer}
    paid = demo.ask("share/users", {**past_days(), "cell": cell})["result"]["total"]
    assert users_of(page, best.locator("button").last) == paid
    cell = {"metric": "openers", "sharer": sharer}
    rows = demo.ask("share/users", {**past_days(), "cell": cell, "details": True})["result"][
        "users"
    ]
    best.locator("button").first.click()
    expect(page.locator(".users-list li").first).to_have_text(strongest(rows[0]["ids"]))
    close_dialog(page)
    href = best.locator("td a").first.get_attribute("href")
    assert (href or "").endswith(f"user={sharer}")
    page.locator("table").last.locator("tbody button").first.click()
    expect(page.get_by_role("region", name="分享裂变")).to_contain_text("的传播")


def test_a_person_is_found_with_the_source_of_each_fact(page: Page, demo: Demo) -> None:
    open_page(page, demo, "people?did=order_pay")
    listed = demo.ask("users", {**past_days(), "did": [{"event": "order_pay"}], "limit": 1})[
        "result"
    ]
    expect(page.locator("[data-figure=total]")).to_have_text(f"{listed['total']:,}")
    page.locator("table tbody a").first.click()
    page.get_by_role("region", name="行为序列").first.wait_for()
    settle(page)
    user = page.url.rpartition("user=")[2]
    profile = demo.ask("profile", {"user": user})["result"]
    timeline = demo.ask("timeline", {"user": user})["result"]

    for attribute in profile["attributes"]:
        expect(page.get_by_role("region", name="属性")).to_contain_text(attribute["name"])
    expect(page.locator("main")).to_contain_text(f"共 {timeline['total']:,} 个事件")
    assert page.locator(".feed tbody tr").count() == min(200, timeline["total"])
    page.get_by_text("为什么这些编号是同一个人").click()
    expect(page.get_by_role("region", name="绑定")).to_be_visible()
    any_id = profile["ids"][-1]["id"]
    page.get_by_role("searchbox").fill(any_id)
    page.keyboard.press("Enter")
    settle(page)
    expect(page.get_by_role("region", name="用户画像")).to_contain_text(any_id)


def test_habits_show_the_numbers_of_the_api(page: Page, demo: Demo) -> None:
    pay = {"event": "order_pay"}
    open_page(page, demo, "interval")
    total = demo.ask("interval", {**past_days(), "start": pay, "end": pay})["result"]["series"][0][
        "total"
    ]
    assert whole(page.locator("[data-figure=pairs]").inner_text()) == total["pairs"]
    names = ("users", "p50_ms", "avg_ms")
    opens(page, {f"[data-figure={name}] button": total["users"] for name in names})

    open_page(page, demo, "distribution")
    [point] = demo.ask("distribution", {**past_days(), "measured": pay})["result"]["series"][0][
        "points"
    ]
    rows = page.locator("table tbody tr").all()
    assert [whole(row.locator("td").first.inner_text()) for row in rows] == [
        bucket["users"] for bucket in point["buckets"]
    ]
    opens(page, {f"[data-figure={name}] button": point["users"] for name in ("mean", "median")})

    open_page(page, demo, "stickiness")
    [point] = demo.ask("stickiness", {**past_days(), "active": {"event": "app_show"}})["result"][
        "series"
    ][0]["points"]
    assert whole(page.locator("[data-figure=users]").inner_text()) == point["users"]


# --- Arrivals ---------------------------------------------------------------------


def test_live_shows_an_event_and_a_refusal_soon_after_they_were_sent(
    page: Page, demo: Demo
) -> None:
    open_page(page, demo, "live")
    name = f"tracked_{time.time_ns()}"

    demo.send([{"event": name, "properties": {"city": "杭州"}}, REFUSED])

    row = page.locator("tr[data-fate=accepted]", has_text=name)
    expect(row).to_contain_text("city=杭州")
    expect(page.locator("tr[data-fate=refused]").first).to_be_visible()
    page.locator("[data-action=pause]").click()
    expect(page.locator(".pulse")).to_have_text("已暂停")


def test_what_arrives_is_taken_away_as_csv_png_and_request(page: Page, demo: Demo) -> None:
    open_page(page, demo, "quality?days=~30")
    arrivals = page.get_by_role("region", name="到达情况", exact=True)
    arrivals.get_by_role("button", name="更多操作").click()
    with page.expect_download() as csv:
        page.get_by_role("button", name="下载 CSV").click()
    head, *rows = Path(csv.value.path()).read_text("utf-8-sig").splitlines()
    assert head.split(",")[:2] == ["应用", "事件"]
    shown = arrivals.locator("tbody th").all_inner_texts()
    assert [row.partition(",")[0] for row in rows] == shown
    arrivals.get_by_role("button", name="更多操作").click()
    with page.expect_download() as png:
        page.get_by_role("button", name="下载图片 PNG").click()
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")
    arrivals.get_by_role("button", name="更多操作").click()
    page.get_by_role("button", name="复制为 API 请求").click()
    expect(page.locator(".toast")).to_contain_text("已复制")
    address = page.evaluate("navigator.clipboard.readText()").split("'")[1]
    answer = demo.get(address.removeprefix(demo.url))["result"]
    assert len(answer["arrived"]) == len(rows)

    open_page(page, demo, "live")
    page.locator("tr[data-fate]").first.wait_for()
    page.get_by_role("button", name="更多操作").click()
    with page.expect_download() as csv:
        page.get_by_role("button", name="下载 CSV").click()
    assert Path(csv.value.path()).read_text("utf-8-sig").startswith("到达,结果,事件")

    # A range that goes on says so.
    for days, is_open in (("7d", 0), ("today", 1)):
        open_page(page, demo, f"events?range={days}")
        expect(page.locator("[data-open]")).to_have_count(is_open)


def test_quality_counts_what_was_refused(page: Page, demo: Demo) -> None:
    open_page(page, demo, "quality")
    with page.expect_response(lambda r: "/console/quality" in r.url) as waited:
        page.reload()
    whole_answer = waited.value.json()
    answer = whole_answer["result"]
    page.get_by_role("region", name="到达情况").first.wait_for()

    table = page.get_by_role("region", name="被拒绝的事件").first
    counts = [
        whole(row.locator("td").nth(2).inner_text()) for row in table.locator("tbody tr").all()
    ]

    assert counts == [row["events"] for row in answer["refused"]]
    assert sum(counts) >= 1
    example = table.locator("button.clip").first
    example.click()
    expect(page.locator("dialog .raw")).to_be_visible()
    close_dialog(page)
    row = answer["refused"][0]

    def counted() -> int:
        refused = demo.get("/console/quality?days=7")["result"]["refused"]
        names = ("app_id", "code", "field")
        return int(
            next(r["events"] for r in refused if all(r[name] == row[name] for name in names))
        )

    def listed() -> int:
        table.locator("tbody tr").first.locator("td .users-link").first.click()
        letters = page.locator("dialog tbody tr")
        letters.first.wait_for()
        found = letters.count()
        close_dialog(page)
        return found

    # What other tests sent may still be on its way; a table shows its first 200 rows.
    until(lambda: listed() == min(counted(), 200), "the refused events behind their number")
    since = datetime.fromisoformat(whole_answer["semantics"]["received_since"]).timestamp() * 1000
    arrived = {"field": "received_at", "op": "gte", "values": [round(since)]}
    body = {
        "app_ids": [answer["arrived"][0]["app_id"]],
        "time_range": {
            "from": "2015-01-01",
            "to": str(datetime.now(ZONE).date() + timedelta(days=1)),
        },
        "interval": None,
        "measures": [{"aggregate": "users"}],
        "filter": {
            "relation": "and",
            "conditions": [arrived, {"field": "user_id", "op": "exists"}],
        },
    }
    ids = page.get_by_role("region", name="身份", exact=True).locator("tbody tr").first
    until(
        lambda: (
            users_of(page, ids.locator(".users-link").first)
            == demo.ask("events", body)["result"]["series"][0]["total"]["A"]
        ),
        "the users who are signed in",
    )


@pytest.mark.parametrize("address", ["live", "quality", "events", "overview?range=today"])
def test_hostile_names_and_values_are_shown_as_text(page: Page, demo: Demo, address: str) -> None:
    if address == "events":
        address = "events?range=today&breakdown=~" + json.dumps(["event", "properties.note"])
        address += "&measures=~" + json.dumps([{"event": "", "aggregate": "count"}])
    open_page(page, demo, address)
    if address.startswith(("events", "live")):
        expect(page.locator("main")).to_contain_text("hostile_0<b>")
        expect(page.locator("main")).to_contain_text(HOSTILE[0])
    if address.startswith("events"):
        page.get_by_role("button", name=re.compile("^指标 A 的事件")).click()
        page.keyboard.type("<img")
        expect(page.get_by_role("option").first).to_contain_text("<img src=x")
        page.keyboard.press("Escape")
        for value in HOSTILE:
            assert value in page.locator("table").first.inner_text()
        # The day's last hour has not begun: no line has a zero there.
        ends = page.evaluate(
            "document.querySelector('.chart').chart.then((made) => "
            "made.getOption().series.map((line) => line.data.at(-1)))"
        )
        assert set(ends) == {None}

    assert page.title().endswith("scenetrail")
    assert page.locator("main img, main script, main b b, main i").count() == 0
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0


# --- Keeping, and what can go wrong -------------------------------------------------


def test_a_board_shows_its_charts_and_is_taken_out_and_in_again(
    page: Page, demo: Demo, tmp_path: Path
) -> None:
    open_page(page, demo, "retention?unit=week&cohort=every")
    save_view(page, "周留存 <b>", "例会")

    open_page(page, demo, "boards")
    board = page.get_by_role("region", name="例会")
    body = {
        **past_days(),
        "initial": {"event": "app_show"},
        "returning": {"event": "app_show"},
        "unit": "week",
        "periods": 4,
        "cohort": "every",
    }
    total = demo.ask("retention", body)["result"]["total"]
    # The chart itself with its numbers, which open their users.
    expect(board.locator("[data-figure=size]")).to_contain_text(f"{total['size']:,}")
    shows(board.locator("[data-total='1']"), total["rates"][1])
    expect(board.locator(".chart")).to_have_attribute("data-drawn", "true")
    page.get_by_label("时间范围").select_option("7d")
    expect(page).to_have_url(re.compile("range=7d"))
    week = demo.ask("retention", {**body, **past_days(7)})["result"]["total"]
    expect(board.locator("[data-figure=size]")).to_contain_text(f"{week['size']:,}")
    page.get_by_label("时间范围").select_option("")
    expect(page).not_to_have_url(re.compile("range="))

    # It leaves as a file, is removed, and comes back from the file.
    with page.expect_download() as taken:
        page.get_by_role("button", name="导出此看板").click()
    file = tmp_path / "board.json"
    taken.value.save_as(file)
    board.get_by_role("button", name="“周留存 <b>”的操作").click()
    page.get_by_role("button", name="删除 周留存 <b>").click()
    page.locator("dialog").get_by_role("button", name="删除", exact=True).click()
    expect(page.get_by_text("还没有看板")).to_be_visible()
    page.get_by_label("导入文件").set_input_files(file)
    board.get_by_role("link", name="周留存 <b>").click()
    expect(page.get_by_role("region", name="留存", exact=True)).to_be_visible()
    assert "unit=week" in page.url
    assert "cohort=every" in page.url

    open_page(page, demo, "boards")
    board.get_by_role("button", name="“周留存 <b>”的操作").click()
    page.get_by_role("button", name="删除 周留存 <b>").click()
    page.locator("dialog").get_by_role("button", name="删除", exact=True).click()
    page.get_by_role("button", name="添加常用图表").click()
    usual = page.get_by_role("region", name="常用", exact=True).get_by_role("article")
    expect(usual).to_have_count(5)
    settle(page)
    expect(usual.locator(".notice.error")).to_have_count(0)
    for left in range(4, -1, -1):
        usual.first.get_by_role("button", name=re.compile("的操作$")).click()
        page.get_by_role("button", name=re.compile("^删除 ")).click()
        page.locator("dialog").get_by_role("button", name="删除", exact=True).click()
        expect(usual).to_have_count(left)


def test_loading_can_be_cancelled_and_failures_say_what_to_do(
    signed_in: BrowserContext, demo: Demo
) -> None:
    with watched(signed_in, demo.url, expect_errors=True) as page:
        open_page(page, demo, "lifecycle?range=2001-01-01..2001-01-02")
        expect(page.locator("main")).to_contain_text("这段时间没有符合条件的数据")
        page.route("**/v1/query/funnel", lambda _route: None)  # never answered
        go_to(page, demo, "funnel?window_value=~3")
        page.get_by_role("button", name="取消").click()
        expect(page.locator(".panel")).to_contain_text("已取消")
        page.unroute("**/v1/query/funnel")
        page.get_by_role("button", name="重新查询").click()
        expect(page.locator("[data-figure=conversion]")).to_be_visible()
        go_to(page, demo, f"sql?sql={quote(ENDLESS)}")
        expect(page.locator(".loading")).to_contain_text(re.compile(r"这一步已读 [1-9][\d,]* 行"))
        page.get_by_role("button", name="取消").click()
        expect(page.locator(".panel")).to_contain_text("已取消")
        open_page(page, demo, "events?apps=~" + json.dumps(["wxnotmine"]))
        expect(page.get_by_role("alert")).to_contain_text("没有权限")
        page.route("**/v1/query/retention", lambda route: route.abort())
        open_page(page, demo, "retention?periods=~14")
        expect(page.get_by_role("alert")).to_contain_text("连不上服务器")
        for broken in ("events?breakdown=~" + json.dumps(["no such field"]), "funnel?steps=~5"):
            go_to(page, demo, broken)
            page.get_by_role("link", name="清除这个页面的条件").click()
            expect(page.get_by_role("alert")).to_have_count(0)
            settle(page)

        # A token that is revoked while a list is open.
        ended = {"error": "unauthorized", "message": "revoked", "request_id": "r-2"}
        page.route("**/users", lambda route: route.fulfill(status=401, json=ended))
        page.locator(".funnel-figures .users-link").first.click()
        expect(page.get_by_role("alert")).to_contain_text("登录已失效")
        expect(page.locator("dialog")).to_have_count(0)
        assert page.evaluate("sessionStorage.length") == 0
        page.unroute("**/users")
        page.locator("input[name=token]").fill(demo.token)
        page.get_by_role("button", name="登录", exact=True).click()
        expect(page.locator("[data-figure=conversion]")).to_be_visible()


COUNT_QUESTIONS = """
window.__asked = 0;
const ask = window.fetch;
window.fetch = (...given) => { window.__asked += 1; return ask(...given); };
"""


def test_no_page_is_held_for_ready_before_its_first_answer(page: Page, demo: Demo) -> None:
    page.add_init_script(COUNT_QUESTIONS)
    open_page(page, demo, "overview")
    links = page.locator(".navigation a").all()
    names = [(link.get_attribute("href") or "").removeprefix("#/").split("?")[0] for link in links]
    page.route(re.compile("/(v1|console)/"), lambda _route: None)  # never answered
    held_for_ready = []

    def asked_and_ready() -> list[Any] | None:
        both: list[Any] = page.evaluate(f"[window.__asked, ({ANSWERED})()]")
        return both if any(both) else None

    for name in names[1:]:
        page.evaluate("window.__asked = 0")
        go_to(page, demo, f"{name}?range=3d")
        page.locator(f".navigation a[aria-current=page][href^='#/{name}']").wait_for(
            state="attached"
        )
        if all(until(asked_and_ready, f"{name} asks or is ready")):
            held_for_ready.append(name)
    assert held_for_ready == []


def test_what_was_known_on_an_earlier_day_is_asked_for_and_says_so(page: Page, demo: Demo) -> None:
    open_page(page, demo, "events")
    number = page.locator("table tbody td").first
    before = number.inner_text()
    day = (datetime.now(ZONE).date() - timedelta(days=3)).isoformat()
    page.get_by_role("button", name=re.compile("^时间范围")).click()
    page.get_by_label("数据口径").fill(day)
    page.get_by_role("button", name="按这天的口径").click()

    notice = page.locator(".known")
    expect(notice).to_contain_text(f"截至 {day} 结束时所知")
    expect(page).to_have_url(re.compile(f"as_of={day}"))
    # The demo's events have arrived since.
    expect(page.get_by_text("到那一天结束时，这段时间的事件还没有到达")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="漏斗分析").click()
    expect(notice).to_contain_text(day)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("事件分析")
    notice.get_by_role("button", name="用现在的数据").click()
    expect(notice).to_have_count(0)
    expect(number).to_have_text(before)


def test_a_part_of_a_cluster_is_shown_when_asked_for_and_marked(
    signed_in: BrowserContext, demo: Demo
) -> None:
    refused = {"error": "storage_unavailable", "message": "shard 2 is away", "request_id": "r-1"}

    def answer(route: Route) -> None:
        if not (route.request.post_data_json or {}).get("partial"):
            route.fulfill(status=503, json=refused)
            return
        response = route.fetch(timeout=90_000)
        whole_answer = response.json()
        whole_answer["meta"]["missing_shards"] = [2]
        route.fulfill(response=response, json=whole_answer)

    with watched(signed_in, demo.url, expect_errors=True) as page:
        page.route("**/v1/query/**", answer)
        go_to(page, demo, "funnel")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("数据库暂时没有响应")
        expect(alert).to_contain_text("shard 2 is away")
        page.get_by_role("button", name="只看能读到的部分").click()
        missing = page.locator(".panel .missing")
        expect(missing).to_contain_text("分片 2 没有响应")
        page.locator(".funnel-figures .users-link").first.click()
        expect(page.locator(".users-dialog .missing")).to_contain_text("结果不完整")
        close_dialog(page)
        missing.get_by_role("button", name="要完整结果").click()
        expect(alert).to_contain_text("数据库暂时没有响应")


def test_the_first_numbers_take_three_requests_in_a_row_and_come_back_at_once(
    page: Page, demo: Demo
) -> None:
    asked: list[str] = []
    questions: list[str] = []

    def question(what: str, url: str) -> None:
        if "/v1/query/" in url:
            questions.append(f"{what} {url.rpartition('/')[2]}")

    page.on("request", lambda request: asked.append(request.url.removeprefix(demo.url)))
    page.on("request", lambda request: question("asked", request.url))
    page.on("response", lambda response: question("answered", response.url))
    open_page(page, demo, "overview")
    # The numbers seen first have the server for themselves.
    assert questions[:2] == ["asked events", "answered events"]
    assert len(questions) == 12
    named = page.evaluate(
        "[...document.head.querySelectorAll('[href], [src]')].map((e) => e.getAttribute('href') ?? e.getAttribute('src'))"
    )
    # The page, what it names, and the questions: nothing that had to be found out on the way. A busy machine may have
    # been asked how far it is.
    own = [url for url in asked if url.startswith("/") and "/progress/" not in url]
    later = [url for url in own if url not in named]
    assert {url.partition("?")[0] for url in later} <= {
        "/",
        *(f"/v1/query/{name}" for name in ("events", "lifecycle", "scenes", "sessions")),
    }, later
    shown = page.locator("[data-kpi=users] .kpi-value").inner_text()

    open_page(page, demo, "funnel")
    page.route("**/v1/query/**", lambda _route: None)  # never answered
    page.get_by_role("navigation").get_by_role("link", name="概览").click()
    expect(page.locator("[data-kpi=users] .kpi-value")).to_have_text(shown)


# --- Every page, both languages, phone, dark, accessible ------------------------------


@pytest.mark.parametrize(
    ("language", "phone", "dark"),
    [("zh", False, False), ("en", True, True)],
    ids=["zh", "en-phone"],
)
def test_every_page_is_accessible_fits_and_speaks_one_language(
    browser: Browser, demo: Demo, language: str, phone: bool, dark: bool
) -> None:
    context = new_context(browser, phone=phone, dark=dark, language=language)
    faults: dict[str, Any] = {}
    with watched(context, demo.url) as page:
        page.goto(f"{demo.url}/")
        page.locator("input[name=token]").wait_for()
        faults["sign-in"] = axe_faults(page)
        sign_in(page, demo)
        pages = [link.get_attribute("href") or "" for link in page.locator(".navigation a").all()]
        names = [href.removeprefix("#/").partition("?")[0] for href in pages]
        assert set(PAGES) <= set(names)
        for name in names:
            open_page(page, demo, f"{name}?range=7d")
            faults[name] = axe_faults(page)
            expect(page.locator("main .notice.error")).to_have_count(0)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            if language == "zh" and name != "sql":
                assert english_in_definitions(page) == [], name
                assert set(page.evaluate(DEAD_NUMBERS)) <= NOBODYS, name
            if language == "en":
                own = page.evaluate(
                    "[...document.querySelectorAll('h1, h2, h3, label, summary, thead th, .button:not([lang]), .label')]"
                    ".filter((e) => !e.closest('.feed')).map((e) => e.textContent).join(' ')"
                )
                assert not re.search(r"[\u4e00-\u9fff]", own), (name, own)
                if name == "scenes":
                    groups = page.locator("table tbody th").all_inner_texts()
                    assert len(groups) > 5
                    assert not re.search(r"[\u4e00-\u9fff]", " ".join(groups)), groups
        open_page(page, demo, "funnel?range=7d")
        page.locator(".step .combo").first.click()
        page.get_by_role("option").first.wait_for()
        faults["list"] = axe_faults(page)
        page.keyboard.press("Escape")
        page.locator(".funnel-figures .users-link").first.click()
        page.locator(".users-dialog[data-total]").wait_for()
        faults["dialog"] = axe_faults(page)
    context.close()
    assert {name: found for name, found in faults.items() if found} == {}


NOBODYS = {
    # Days of a calendar, points, differences of two numbers, times, and what no report counts.
    *("天数", "score", "next", "得分", "变化", "差额", "延迟中位数", "p90", "p99", "重复"),
    "total",  # of the list below it
}
"""Numbers behind which nobody stands, by their column or figure."""
DEAD_NUMBERS = """() => {
  const shown = document.querySelectorAll('main td.number, main [data-figure], main .kpi-value, main .funnel-between span');
  return [...shown].flatMap((element) => {
    const rest = element.cloneNode(true);
    rest.querySelectorAll('button, a, input, .kpi-change').forEach((one) => one.remove());
    if (!/[0-9]/.test(rest.textContent)) return [];
    if (!element.matches('td')) return [element.dataset.figure ?? element.innerText];
    return [element.closest('table').tHead.rows[0].cells[element.cellIndex].innerText.trim()];
  });
}"""
"""Names of the numbers that open nothing."""


def english_in_definitions(page: Page) -> list[str]:
    """Open every definition of the page; return what of it is still a sentence of the API."""
    for summary in page.get_by_text("口径定义", exact=True).all():
        summary.click()
    expect(page.locator("details.definition[open] > div:empty")).to_have_count(0)
    texts = page.locator("details.definition[open] dd").all_inner_texts()
    return [text for text in texts if re.search(r"[a-z']{2,}(?: [a-z']+){3}", text)]


AXE_FAULTS = """() => axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations
  .filter(({ impact }) => ['moderate', 'serious', 'critical'].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)} (${nodes.length})`))"""


def axe_faults(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):  # half a megabyte: once for a document
        page.evaluate(AXE_SCRIPT)
    faults: list[str] = page.evaluate(AXE_FAULTS)
    return faults
