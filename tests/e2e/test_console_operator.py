"""An operator who knows other tools and has read nothing: from the sign-in to four answers, by clicks alone."""

from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.console_browser import (
    Demo,
    close_dialog,
    new_context,
    past_days,
    settle,
    shows,
    sign_in,
    users_of,
    watched,
    whole,
)
from tests.waiting import until

MOST_CLICKS = 10
FIRST_SOURCE = "user.first_source.scene_group"
ENTERED = {"event": "app_show"}


class Hand:
    """Clicks, and counts them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, on: Locator) -> None:
        """Click, and wait for answers that are on their way."""
        on.click()
        self.clicks += 1
        settle(self.page)

    def menu(self, title: str) -> None:
        """Choose a page from the menu."""
        self.click(self.page.get_by_role("navigation").get_by_role("link", name=title, exact=True))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)


def region(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def biggest(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return max(rows, key=lambda row: row[name])


def test_four_questions_are_answered_by_a_few_clicks(browser: Browser, demo: Demo) -> None:
    context = new_context(browser)
    with watched(context, demo.url) as page:
        hand = Hand(page)
        sign_in(page, demo)
        settle(page)

        # Where do new users come from? The first page says it.
        groups = demo.ask("scenes", {**past_days(), "by": "group"})["result"]["rows"]
        most = biggest(groups, "new_users")
        sources = region(page, "新用户从哪里来")
        first = sources.locator("tbody tr").first
        expect(first.locator("td").first).to_have_text(f"{most['new_users']:,}")
        hand.click(first.locator("th a"))
        expect(page.locator("table tbody code").first).to_be_visible()  # its scene codes

        # Where does the order funnel leak, and for whom?
        hand.menu("漏斗分析")
        steps = ["product_view", "add_to_cart", "order_submit", "order_pay"]
        body = {**past_days(), "steps": [{"event": name} for name in steps]}
        told = demo.ask("funnel", body)["result"]["steps"]
        leaks = page.locator(".leak")
        expect(leaks.first).to_be_visible()
        at = page.locator(".funnel li", has=page.locator(".leak")).first.locator("[data-step]")
        expect(at).to_have_attribute("data-step", str(biggest(told[1:], "dropped")["step"]))
        for_whom = page.get_by_role("group", name="对谁流失？")
        hand.click(for_whom.get_by_role("button", name="首次来源"))
        body = {**body, "breakdown": [FIRST_SOURCE], "breakdown_limit": 8}
        told_groups = demo.ask("funnel", body)["result"]["groups"]
        table = region(page, "各组转化（表格）").locator("tbody tr")
        expect(table).to_have_count(len(told_groups))
        for row, group in zip(table.all(), told_groups, strict=True):
            expect(row.locator("td").first).to_have_text(f"{group['steps'][0]['users']:,}")

        # Who comes back?
        hand.menu("留存分析")
        hand.click(
            page.get_by_role("group", name="谁会回来？").get_by_role("button", name="首次来源")
        )
        body = {
            **past_days(),
            "initial": ENTERED,
            "returning": ENTERED,
            "cohort": "first",
            "breakdown": [FIRST_SOURCE],
            "breakdown_limit": 8,
        }
        totals = demo.ask("retention", body)["result"]["totals"]
        back = region(page, "各组留存（表格）").locator("tbody tr")
        expect(back).to_have_count(len(totals))
        shows(back.first.locator("td").nth(2), totals[0]["rates"][1])
        assert (
            users_of(page, back.first.locator("td").nth(2).locator("button"))
            == (totals[0]["returned"][1])
        )
        hand.clicks += 2  # open the list, close it

        # Who brings others?
        hand.menu("分享裂变")
        sharers = demo.ask("share", past_days())["result"]["sharers"]
        best = biggest(sharers, "descendant_openers")["descendant_openers"]
        ranked = region(page, "谁带来了别人：分享者排行（表格）").locator("tbody tr")
        expect(ranked.first.locator("td").nth(2)).to_have_text(f"{best:,}")
        assert whole(page.locator("[data-figure=new_users]").inner_text()) > 0
        who = ranked.first.locator("th a")
        user = who.get_attribute("data-user") or ""
        hand.click(who)
        expect(region(page, "用户画像")).to_be_visible()
        assert page.url.endswith(f"user={user}")

        assert hand.clicks <= MOST_CLICKS
    context.close()


def test_the_answers_are_reached_by_keyboard_alone(browser: Browser, demo: Demo) -> None:
    context = new_context(browser)
    with watched(context, demo.url) as page:

        def is_on(what: str) -> bool:
            return bool(page.evaluate("(what) => document.activeElement.matches(what)", what))

        def tab_to(what: str, most: int, key: str = "Tab") -> None:
            """Press Tab until it is there."""
            for _ in range(most):
                page.keyboard.press(key)
                if is_on(what):
                    return
            raise AssertionError(f"{what} is not among the next {most}")

        def enter() -> None:
            page.keyboard.press("Enter")
            settle(page)

        page.goto(f"{demo.url}/")
        page.locator("input[name=token]").wait_for()
        page.keyboard.insert_text(demo.token)
        page.keyboard.press("Enter")
        page.locator(".shell").wait_for()
        settle(page)
        tab_to(".navigation a[href^='#/funnel']", 40, "Shift+Tab")
        page.keyboard.press("Enter")
        # Of the funnel's page, which comes after the key: until then the page before it has its answers.
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        settle(page)
        tab_to(".for-whom button", 100)
        enter()
        # The page was made anew: one is where one was.
        until(lambda: is_on(".for-whom button[aria-pressed=true]"), "the button has the focus")
        tab_to("[data-table=group] .sort", 10)
        enter()
        expect(page.locator("[data-table=group] th[aria-sort]")).to_have_attribute(
            "aria-sort", "ascending"
        )
        tab_to("[data-table=group] tbody .users-link", 10)
        page.keyboard.press("Enter")
        page.locator(".users-dialog[data-total]").wait_for()
        close_dialog(page)
        assert is_on("[data-table=group] tbody .users-link")
    context.close()
