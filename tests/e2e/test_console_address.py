"""The address of a view holds all of it: somebody else, with another language, theme and zone of their own, sees the same."""

import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.console_browser import (
    EAST,
    SHANGHAI,
    WEST,
    Demo,
    choose_by_typing,
    go_to,
    new_context,
    open_page,
    past_days,
    save_view,
    settle,
    shows,
    sign_in,
    watched,
)
from tests.waiting import until

SEEN = """() => Promise.all([...document.querySelectorAll('main .chart')].map((box) => box.chart)).then((charts) => {
  const digits = (text) => text.replace(/\\D+/g, ' ').trim();
  const numbers = (row) => [...row.querySelectorAll('.number')].map((cell) => digits(cell.innerText));
  const body = (table) => (table.dataset.table === 'arrived' ? [] : [...table.querySelectorAll('tbody tr')].map(numbers));
  const given = (field) => (field.type === 'file' ? '' : /radio|checkbox/.test(field.type) ? field.checked : field.value);
  const all = (what) => [...document.querySelectorAll(what)];
  return {
    tables: all('main [data-table]').map((place) => [place.dataset.table, body(place)]),
    sorted: all('main th[aria-sort]').map((head) => `${head.cellIndex} ${head.ariaSort}`),
    folds: all('main [data-fold]').map((fold) => [fold.dataset.fold, fold.open]),
    figures: all('main [data-figure], main .kpi-value').map((figure) => digits(figure.innerText)),
    pressed: all('main [aria-pressed]').map((button) => button.ariaPressed),
    fields: all('main input, main select, main textarea').map(given),
    hidden: charts.map((made) => {
      const option = made.getOption();
      const [legend] = option.legend ?? [];
      const names = [...new Set(option.series.map((line) => line.name))];
      return names.map((name) => legend?.selected?.[name] ?? true);
    }),
  };
})"""
"""
What of a page is the same in every language: numbers in their order, what is folded, chosen, entered and switched off. The
lags of what arrived are estimates, each time others.
"""
SWITCH_OFF = """() => Promise.all([...document.querySelectorAll('main .chart')].map((box) => box.chart)).then((charts) => {
  for (const made of charts) {
    const { legend, series } = made.getOption();
    if (legend?.length) made.dispatchAction({ type: 'legendToggleSelect', name: series.at(-1).name });
  }
})"""
"""Switch off the last series of every legend, as a click on it does."""

CHOSEN_TEXT = """() => {
  const { value, selectionStart, selectionEnd } = document.activeElement;
  return value.slice(selectionStart, selectionEnd);
}"""


def encoded(**state: Any) -> str:
    """The query of an address."""
    return "&".join(
        f"{key}={quote(value if isinstance(value, str) else '~' + json.dumps(value))}"
        for key, value in state.items()
    )


OWN_MODEL = {
    "name": "mine",
    "version": 1,
    "grades": [{"grade": "低", "at_least": 0}, {"grade": "高", "at_least": 5}],
    "indicators": [
        {
            "key": "bounces",
            "points": [[0.1, 1], [0.9, 0]],
            "measure": {"report": "sessions", "value": "series[0].total.bounce_rate"},
        },
        {"key": "service", "points": [[0, 0], [1, 1]]},
    ],
}
PAY = {"event": "order_pay"}
BY_PLATFORM = {"breakdown": ["platform"]}
VIEWS: list[tuple[str, dict[str, Any]]] = [
    ("overview", {"kpi": "orders", "compare": "previous_year"}),
    ("summary", {"interval": "week"}),
    ("health", {"model": OWN_MODEL, "values": {"service": 0.5}}),
    (
        "events",
        {
            "measures": [
                {"event": "page_view", "aggregate": "count"},
                {**PAY, "aggregate": "users"},
            ],
            "formula": "B / A",
            "chart": "area",
            **BY_PLATFORM,
        },
    ),
    ("funnel", {**BY_PLATFORM, "window_value": 3, "trend": "day", "semantics": ["sensors"]}),
    ("retention", {**BY_PLATFORM, "unit": "week", "cells": "first", "mode": "on_or_after"}),
    ("paths", {"depth": 4, "repeats": True}),
    ("sessions", {**BY_PLATFORM, "measure": "bounce_rate"}),
    ("distribution", {**BY_PLATFORM, "of": "days"}),
    ("scenes", {"scheme": "five", "metric": "new_users", "by": "platform"}),
    ("attribution", {"models": ["last", "linear"]}),
    ("ltv", {**BY_PLATFORM, "unit": "week", "cohort": "first_in_range"}),
    ("share", {**BY_PLATFORM, "k": "new_per_sharer"}),
    ("promoters", {"rule": "last", "days": "30"}),
    ("lifecycle", {**BY_PLATFORM, "interval": "week"}),
    ("layers", {}),
    ("stickiness", {"unit": "week"}),
    ("people", {"did": "order_pay"}),
    ("sql", {"limit": 100}),
    ("quality", {"days": 30}),
    ("segments", {"view": "new", "rule": {"relation": "and", "rules": [{"did": PAY}]}}),
    ("live", {"text": "page_view", "fate": "accepted"}),
    ("settings", {}),
    ("settings", {"tab": "costs"}),
]


@pytest.fixture(scope="module")
def elsewhere(browser: Browser, demo: Demo) -> Any:
    """The browser of somebody else: English, dark, and days of another zone where no view says its own."""
    context = new_context(browser, dark=True, language="en")
    context.add_init_script(f"localStorage.setItem('scenetrail.timezone', '{EAST}')")
    with watched(context, demo.url) as page:
        sign_in(page, demo)
    yield context
    context.close()


def arrange(page: Page) -> None:
    """Sort every table by another column, unfold everything, switch a series off."""
    page.evaluate(
        "document.querySelectorAll('main [data-fold]:not([open]) > summary').forEach((head) => head.click())"
    )
    for name in page.evaluate(
        "[...document.querySelectorAll('main [data-table]:has(.sort)')].map((place) => place.dataset.table)"
    ):
        place = page.locator(f"main [data-table='{name}']")
        numbers = place.locator("th.number .sort")  # texts are in the order of their language
        (numbers if numbers.count() else place.locator(".sort")).last.click()
    page.evaluate(SWITCH_OFF)
    settle(page)


@pytest.mark.parametrize(
    ("name", "state"), VIEWS, ids=[state.get("tab", name) for name, state in VIEWS]
)
def test_a_view_is_the_same_for_whoever_opens_its_address(
    page: Page, elsewhere: BrowserContext, demo: Demo, name: str, state: dict[str, Any]
) -> None:
    open_page(page, demo, f"{name}?{encoded(tz=WEST, range='14d', **state)}")
    at_first = page.evaluate(SEEN)
    names = [table for table, _ in at_first["tables"]]
    assert len(set(names)) == len(names), names
    arrange(page)
    expect(page.locator("main .notice.error")).to_have_count(0)
    arranged = page.evaluate(SEEN)

    with watched(elsewhere, demo.url) as other:
        other.goto(page.url)
        settle(other)
        until(lambda: other.evaluate(SEEN) == arranged, "the same view")
    assert arranged["folds"] == [[fold, True] for fold, _ in arranged["folds"]]


def page_views(demo: Demo, zone: str, day: date) -> int:
    """Page views of a day in a zone, as the API counts them."""
    body = {
        "time_range": {"from": day.isoformat(), "to": day.isoformat()},
        "timezone": zone,
        "measures": [{"event": "page_view", "as": "A"}],
        "interval": None,
    }
    return int(demo.ask("events", body)["result"]["series"][0]["total"]["A"])


def day_that_differs(demo: Demo) -> tuple[date, dict[str, int]]:
    """A day of which no two zones have the same number of page views, and those."""
    today = datetime.now(SHANGHAI).date()
    for ago in range(2, 28):
        day = today - timedelta(days=ago)
        shown = {zone: page_views(demo, zone, day) for zone in (EAST, WEST, SHANGHAI.key)}
        if len(set(shown.values())) == len(shown):
            return day, shown
    raise AssertionError("no day of the demo differs between the zones")


def test_days_are_counted_in_the_zone_of_the_view_and_not_of_who_looks(
    elsewhere: BrowserContext, demo: Demo
) -> None:
    east, west = (quote(zone, safe="") for zone in (EAST, WEST))
    day, shown = day_that_differs(demo)
    view = f"range={day}..{day}"
    with watched(elsewhere, demo.url) as page:
        total = page.locator("[data-kpi=page_views] .kpi-value")
        # Opened without a view: one's own zone, which the address says from then on.
        page.goto(f"{demo.url}/")
        expect(page).to_have_url(f"{demo.url}/#/overview?tz={east}")
        page.goto(f"{demo.url}/#/overview?tz={east}&{view}")
        expect(total).to_have_text(f"{shown[EAST]:,}")
        # A view of somebody else: theirs, and on every page that one goes on to.
        page.goto(f"{demo.url}/#/overview?{view}")
        expect(total).to_have_text(f"{shown[SHANGHAI.key]:,}")
        page.goto(f"{demo.url}/#/overview?tz={west}&{view}")
        expect(total).to_have_text(f"{shown[WEST]:,}")
        expect(page.get_by_role("button", name=WEST)).to_be_visible()
        page.get_by_role("navigation").get_by_role("link", name="Events").click()
        expect(page.locator("table tbody td").first).to_have_text(f"{shown[WEST]:,}")
        # A zone that does not exist is none.
        page.goto(f"{demo.url}/#/overview?tz=Mars%2FOlympus&{view}")
        expect(total).to_have_text(f"{shown[SHANGHAI.key]:,}")
        # Yesterday is that of the zone.
        for zone in (EAST, WEST):
            day = datetime.now(ZoneInfo(zone)).date() - timedelta(days=1)
            page.goto(f"{demo.url}/#/overview?tz={quote(zone, safe='')}&range=yesterday")
            expect(total).to_have_text(f"{page_views(demo, zone, day):,}")

        page.goto(f"{demo.url}/#/settings")
        page.get_by_role("button", name=re.compile("^Time zone")).click()
        choose_by_typing(page, WEST)
        expect(page).to_have_url(re.compile(f"tz={west}$"))
        assert page.evaluate("localStorage.getItem('scenetrail.timezone')") == WEST


def order_of(page: Page, table: str) -> list[str]:
    """The first column of a table, from above."""
    return page.locator(f"[data-table='{table}'] tbody th").all_inner_texts()


def test_an_order_is_gone_back_to_and_comes_along_to_a_board(
    page: Page, demo: Demo, tmp_path: Path
) -> None:
    measures = [{"event": "", "aggregate": "count"}]
    question = encoded(tz=EAST, range="14d", breakdown=["event"], measures=measures)
    open_page(page, demo, f"events?{question}")
    by_name = page.locator("[data-table=name] th").first.locator(".sort")
    by_count = page.locator("[data-table=name] th").nth(1).locator(".sort")
    first = order_of(page, "name")
    by_name.click()
    named = order_of(page, "name")
    by_count.click()
    by_count.click()
    fewest = order_of(page, "name")
    assert len({tuple(first), tuple(named), tuple(fewest)}) == 3

    page.go_back()
    page.go_back()
    until(lambda: order_of(page, "name") == named, "the order by name")
    page.go_forward()
    page.go_forward()
    until(lambda: order_of(page, "name") == fewest, "fewest first")
    expect(page).to_have_url(re.compile("sort="))

    save_view(page, "最少的事件", "排序")
    open_page(page, demo, "boards?board=排序")
    until(lambda: order_of(page, "name") == fewest, "fewest first on the board")
    by_name.click()
    until(lambda: order_of(page, "name") == named, "the order by name on the board")
    page.reload()
    settle(page)
    until(lambda: order_of(page, "name") == named, "what the board's address says")

    with page.expect_download() as taken:
        page.get_by_role("button", name="导出此看板").click()
    file = tmp_path / "board.json"
    taken.value.save_as(file)
    [view] = json.loads(file.read_text())["views"]
    assert f"tz={quote(EAST, safe='')}" in view["state"]
    assert "sort=" in view["state"]
    board = page.get_by_role("region", name="排序", exact=True)
    board.get_by_role("button", name="“最少的事件”的操作").click()
    page.get_by_role("button", name="删除 最少的事件").click()
    page.locator("dialog").get_by_role("button", name="删除", exact=True).click()
    expect(board).to_have_count(0)
    page.get_by_label("导入文件").set_input_files(file)
    expect(page.locator(".toast").last).to_contain_text("已导入")
    open_page(page, demo, "boards?board=排序")  # not arranged otherwise
    page.get_by_role("link", name="最少的事件").click()
    until(lambda: order_of(page, "name") == fewest, "fewest first, from the file")
    expect(page).to_have_url(re.compile(f"tz={quote(EAST, safe='')}"))
    stored = demo.get("/console/views")["views"]
    assert [one["state"] for one in stored if one["board"] == "排序"] == [view["state"]]
    kept = {"views": [one for one in stored if one["board"] != "排序"]}
    demo.post("/console/views", kept, method="PUT")


def test_a_list_of_users_is_opened_by_its_address_and_closed_with_it(
    page: Page, elsewhere: BrowserContext, demo: Demo
) -> None:
    open_page(page, demo, "funnel?range=14d")
    view = page.url
    number = page.locator("[data-figure=entered] button")
    entered = number.inner_text()
    number.click()
    listed = page.locator(".users-dialog[data-total]")
    expect(listed.locator(".users-total b")).to_have_text(entered)
    names = listed.locator("li").all_inner_texts()

    with watched(elsewhere, demo.url) as other:
        other.goto(page.url)
        same = other.locator(".users-dialog[data-total]")
        expect(same.locator(".users-total b")).to_have_text(entered)
        assert same.locator("li").all_inner_texts() == names
        other.keyboard.press("Escape")
        expect(same).to_have_count(0)
        expect(other).not_to_have_url(re.compile("who="))
        # A link may name reports, and nothing else.
        who = {"report": "../segments?x=", "body": {}, "cell": {}, "title": "x"}
        open_page(other, demo, f"funnel?{encoded(range='14d', who=who)}")
        expect(other.locator("dialog")).to_have_count(0)
    # Back closes it and forward opens it, closed by hand it is gone back from: the view behind it stays as it is.
    page.evaluate("document.querySelector('main').firstChild.isTheSame = true")
    page.go_back()
    expect(listed).to_have_count(0)
    expect(page).to_have_url(view)
    page.go_forward()
    expect(listed.locator(".users-total b")).to_have_text(entered)
    page.keyboard.press("Escape")
    expect(listed).to_have_count(0)
    expect(page).to_have_url(view)
    assert page.evaluate("document.querySelector('main').firstChild.isTheSame")
    # What is clicked at once is not gone back from.
    number.click()
    listed.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("navigation").get_by_role("link", name="留存").click()
    expect(listed).to_have_count(0)
    expect(page).to_have_url(re.compile("/retention"))
    page.go_back()
    settle(page)
    expect(page).to_have_url(view)
    # Somebody of the list is another page; back leads to the list again.
    number.click()
    listed.locator("li a").first.click()
    expect(page).to_have_url(re.compile("/people"))
    expect(listed).to_have_count(0)
    page.go_back()
    expect(listed.locator(".users-total b")).to_have_text(entered)


def test_a_health_model_of_ones_own_is_written_mended_and_kept(
    signed_in: BrowserContext, elsewhere: BrowserContext, demo: Demo
) -> None:
    with watched(signed_in, demo.url, expect_errors=True) as page:
        open_page(page, demo, "health?range=7d")
        page.get_by_label("评分模型").select_option("own")
        text = page.locator("textarea")
        model = json.loads(text.input_value())
        assert model["indicators"][2]["key"] == "users"
        model["name"] = "shop"
        model["indicators"][2]["children"][3]["points"] = [[0.5, 1], [0.2, 0]]

        def apply(written: str) -> None:
            text.fill(written)
            page.get_by_role("button", name="检查并应用").click()

        apply("{")
        expect(page.get_by_role("alert")).to_contain_text("不是 JSON")
        apply(json.dumps(model, indent=2))
        # It says which field, selects it, and what is shown stays.
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("$.indicators[2].children[3].points[1]")
        expect(alert).to_contain_text("values go up")
        chosen = page.evaluate(CHOSEN_TEXT)
        assert json.loads(chosen) == [0.2, 0]
        model["indicators"][2]["children"][3]["points"] = [[0.2, 1], [0.5, 0]]
        apply(json.dumps(model, indent=2))
        expect(page.locator(".toast").last).to_contain_text("已应用")
        settle(page)
        [point] = demo.ask("health", {**past_days(7), "model": model})["result"]["points"]
        [shipped] = demo.ask("health", past_days(7))["result"]["points"]
        assert point["score"] != shipped["score"]
        shows(page.locator("[data-figure=score]"), point["score"])
        address = page.url
        page.get_by_role("button", name="保存为视图").click()
        page.get_by_label("名称").fill("门店健康分")
        page.get_by_role("button", name="保存", exact=True).click()
        expect(page.locator(".toast").last).to_contain_text("已保存")

        with watched(elsewhere, demo.url) as other:
            other.goto(address)
            shows(other.locator("[data-figure=score]"), point["score"])
            go_to(other, demo, "health?range=7d")
            shows(other.locator("[data-figure=score]"), shipped["score"])
            other.get_by_label("Model").select_option(label="saved: 门店健康分")
            shows(other.locator("[data-figure=score]"), point["score"])
        stored = demo.get("/console/views")["views"]
        kept = {"views": [one for one in stored if one["name"] != "门店健康分"]}
        demo.post("/console/views", kept, method="PUT")
