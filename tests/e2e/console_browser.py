"""A real demo in a data folder, a real Chromium on it, and a watch that nothing goes wrong in it. For the console's tests."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

from sdk_spec.ids import KINDS
from tests.waiting import until


def with_hours_left(*names: str) -> ZoneInfo:
    """The first of these zones whose day goes on for two hours: it must not end between two looks at it."""
    return next(zone for zone in map(ZoneInfo, names) if datetime.now(zone).hour < 22)


SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONE = with_hours_left("Asia/Shanghai", "Asia/Kolkata")
"""Whose days pages and tests speak of: late in Shanghai those of Kolkata, where it is the same day for some hours longer."""
EAST = with_hours_left("Asia/Tokyo", "Pacific/Auckland").key
WEST = with_hours_left("America/New_York", "America/Los_Angeles").key
"""Zones of others, whose days are other ones."""
REFUSED = {"event": "", "properties": {"why": "<b>no name</b>"}}
"""An event without a name, which the collector refuses."""

CHROMIUM = os.environ.get("SCENETRAIL_TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
ANY_PORTS = ["--collector-port", "0", "--query-port", "0", "--clickhouse-port", "0"]
SERVING = "Serving until Ctrl-C"
ANSWERED = """() => {
  const main = document.querySelector('main');
  const panels = [...document.querySelectorAll('.panel[data-report]')];
  return main && main.children.length && !document.querySelector('.loading')
    && panels.every((p) => ['done', 'error', 'incomplete', 'cancelled'].includes(p.dataset.state))
    && [...document.querySelectorAll('.chart')].every((c) => c.dataset.drawn);
}"""
WATCH_POLICY = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "'); DROP TABLE events; -- `${7*7}`",
    "🧨👩‍👩‍👧‍👦 表情",
    "\u202eمرحبا עולם",
    "长" * 10_000,
]
"""Property values that a page must show as text."""


class Demo:
    """``make run``'s command with a small demo, as an operator sees it: what it prints is all that is known of it."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.folder = folder
        self.printed: list[str] = []
        options = ["--data-dir", str(folder), "--scale", str(scale), "--keep-serving", *ANY_PORTS]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loadtest", "demo", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.printed.extend(self.process.stdout)

    def wait_serving(self) -> "Demo":
        """Return when it serves; fail with what it printed when it ended."""

        def serving() -> bool:
            assert self.process.poll() is None, "".join(self.printed)
            return any(SERVING in line for line in self.printed)

        until(serving, "the demo serves")
        text = "".join(self.printed)
        self.url = self._found(r"Console and queries\s+(http://\S+)", text)
        self.collector_url = self._found(r"Collector\s+(http://\S+)/v1/events", text)
        self.token = self._found(r"(rt_[0-9a-f]{32})", text)
        return self

    @staticmethod
    def _found(pattern: str, text: str) -> str:
        found = re.search(pattern, text)
        assert found, text
        return found[1]

    def end(self) -> None:
        """Ctrl-C, and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(180)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(120)
        self._reader.join(120)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(self, report: str, body: dict[str, Any], accept: str = "application/json") -> Any:
        """Ask the API as a program does: with the token."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/v1/query/{report}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Accept": accept},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if accept == "application/json" else content.decode()

    def get(self, address: str) -> Any:
        """Read from the API as a program does."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}{address}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.loads(answer.read())

    def post(self, address: str, body: dict[str, Any], *, method: str = "POST") -> Any:
        """Change something as a program does."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}{address}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.loads(answer.read())

    def name_of(self, user: str) -> str:
        """Return the id under which the console shows a user, of whom lists know the key only."""
        ever = {"from": "2015-01-01", "to": "2099-12-31"}
        [known] = self.ask("users", {"time_range": ever, "users": [user]})["result"]["users"]
        return strongest(known["ids"])

    def app(self) -> tuple[str, str]:
        """Return the WeChat app and its write key."""
        state = json.loads((self.folder / "demo.json").read_text())
        app_id = state["apps"]["wechat"]
        return app_id, state["write_keys"][app_id]

    def send(self, events: list[dict[str, Any]], **ids: str) -> dict[str, Any]:
        """Send events of the WeChat app, as a phone does."""
        app_id, write_key = self.app()
        batch = {
            "app_id": app_id,
            "platform": "wechat",
            "anonymous_id": "console-test",
            **ids,
            "events": [
                {"event_id": uuid.uuid4().hex, "occurred_at": time.time_ns() // 1_000_000, **event}
                for event in events
            ],
        }
        request = urllib.request.Request(  # noqa: S310
            f"{self.collector_url}/v1/events",
            json.dumps(batch).encode(),
            {"X-Write-Key": write_key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.loads(answer.read())


def strongest(ids: list[dict[str, str]]) -> str:
    """Return the id under which the console shows a user."""
    of_kind = {one["kind"]: one["id"] for one in reversed(ids)}
    return next(of_kind[kind] for kind in KINDS if kind in of_kind)


def launch(playwright: Playwright) -> Browser:
    """Start the Chromium of the system; ``make test`` installs it."""
    assert Path(CHROMIUM).exists(), f"no {CHROMIUM}: run tests/e2e/install_chromium.sh"
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@contextmanager
def console_at(url: str | None, token: str | None, scale: float) -> Iterator[tuple[Any, Browser]]:
    """What serves at an address, or where none is given a demo that is played for it; and a browser."""
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        played = None if url else Demo(Path(temporary) / "data", scale)
        try:
            if played:
                played.wait_serving()
            browser = launch(playwright)
            yield played or SimpleNamespace(url=url, token=token), browser
            browser.close()
        finally:
            if played:
                played.end()


def new_context(
    browser: Browser, *, phone: bool = False, dark: bool = False, language: str = "zh"
) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": 390, "height": 844} if phone else {"width": 1360, "height": 900},
        color_scheme="dark" if dark else "light",
        locale="zh-CN",
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(90_000)
    context.add_init_script(WATCH_POLICY)
    if ZONE != SHANGHAI:
        context.add_init_script(f"localStorage.setItem('scenetrail.timezone', '{ZONE.key}')")
    if language != "zh":
        context.add_init_script(f"localStorage.setItem('scenetrail.language', '{language}')")
    return context


@contextmanager
def watched(context: BrowserContext, base: str, *, expect_errors: bool = False) -> Iterator[Page]:
    """A page in which nothing may go wrong: no console error, no violation of the policy, no request to elsewhere."""
    page = context.new_page()
    wrong: list[str] = []
    outside: list[str] = []

    def request_made(request: Any) -> None:
        if not request.url.startswith((f"{base}/", "blob:", "data:")):
            outside.append(request.url)

    def console_said(message: Any) -> None:
        if message.type in ("error", "warning"):
            wrong.append(f"{message.type}: {message.text}")

    page.on("console", console_said)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", request_made)
    yield page
    violations = page.evaluate("window.__violations ?? []")
    page.close()
    assert violations == []
    assert outside == []
    if not expect_errors:
        assert wrong == [], wrong


def sign_in(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/")
    page.locator("input[name=token]").fill(demo.token)
    page.locator("button[type=submit]").click()
    page.locator(".shell").wait_for()


def settle(page: Page) -> None:
    """Wait until every part of the page has its answer. Asked from outside: the page's policy allows no eval."""
    until(lambda: page.evaluate(ANSWERED), f"answers of {page.url}")


@contextmanager
def held_back(page: Page, address: str) -> Iterator[None]:
    """Let requests to an address wait until the block has ended."""
    waiting: list[Route] = []
    is_over = False

    def hold(route: Route) -> None:
        if is_over:
            route.continue_()
        else:
            waiting.append(route)

    page.route(address, hold)
    yield
    is_over = True  # also for what is told of only now
    for route in waiting:
        route.continue_()


def choose_by_typing(page: Page, text: str) -> None:
    """In the list that is open: type, wait for what matches, press Enter."""
    page.keyboard.type(text)
    page.locator("[role=option]:visible").first.wait_for()
    page.keyboard.press("Enter")


def go_to(page: Page, demo: Demo, address: str) -> None:
    """Go to a view as its address names it, with the zone of the tests where that is not the usual one."""
    name, _, query = address.partition("?")
    zone = "" if ZONE == SHANGHAI or "tz=" in query else f"tz={ZONE.key}"
    asked = "&".join(part for part in (zone, query) if part)
    page.goto(f"{demo.url}/#/{name}{'?' if asked else ''}{asked}")


def open_page(page: Page, demo: Demo, address: str) -> None:
    """Go to a page of the console and wait until every part of it has its answer."""
    go_to(page, demo, address)
    name = address.partition("?")[0]
    page.locator(f".navigation a[aria-current=page][href^='#/{name}']").wait_for(state="attached")
    settle(page)


def seen_events(demo: Demo) -> str:
    """Return the names of today's events, as the API knows them."""
    today = datetime.now(ZONE).date().isoformat()
    body = {
        "time_range": {"from": today, "to": today},
        "timezone": ZONE.key,
        "measures": [{"aggregate": "count"}],
        "interval": None,
        "breakdown": ["event"],
        "breakdown_limit": 100,
    }
    return json.dumps(demo.ask("events", body)["result"])


def past_days(count: int = 30) -> dict[str, Any]:
    """The range that a page shows at first, as its request has it."""
    today = datetime.now(ZONE).date()
    return {
        "time_range": {
            "from": (today - timedelta(days=count)).isoformat(),
            "to": (today - timedelta(days=1)).isoformat(),
        },
        "timezone": ZONE.key,
    }


def whole(text: str) -> int:
    """The integer that a cell shows."""
    return int(text.split(maxsplit=1)[0].replace(",", ""))


def percent(text: str) -> float:
    """The rate that a cell shows."""
    return float(text.split(maxsplit=1)[0].rstrip("%")) / 100


def shows(cell: Locator, value: float) -> None:
    """Wait until a cell shows a number or a rate, rounded whichever way."""

    def is_shown() -> bool:
        text = cell.inner_text().partition(" ")[0].strip().replace(",", "")
        if not re.fullmatch(r"-?[\d.]+%?", text):
            return False
        shown, half = (
            float(text.rstrip("%")),
            0.5 * 10.0 ** -len(text.rstrip("%").partition(".")[2]),
        )
        return abs(shown - (value * 100 if text.endswith("%") else value)) <= half * 1.001

    until(is_shown, f"{cell} shows {value}")


def save_view(page: Page, name: str, board: str) -> None:
    """Keep the view that is open, on a board."""
    page.get_by_role("button", name="这个视图").click()
    page.get_by_role("button", name="保存视图").click()
    page.get_by_label("名称").fill(name)
    page.get_by_label("看板（可不填）").fill(board)
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.locator(".toast").last).to_contain_text("已保存")


def close_dialog(page: Page) -> None:
    """Close the dialog that is open."""
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def users_of(page: Page, number: Any) -> int:
    """Open the users behind a number and return how many the list says there are."""
    number.click()
    listed = page.locator(".users-dialog[data-total]")
    listed.wait_for()
    total = int(listed.get_attribute("data-total") or "-1")
    shown = page.locator(".users-list li").count()
    assert shown == min(total, 100)
    close_dialog(page)
    return total


def opens(page: Page, numbers: dict[str, int]) -> None:
    """Click numbers by their selector: each opens as many users as it counts, or as it is taken over."""
    found = {selector: users_of(page, page.locator(selector).first) for selector in numbers}
    assert found == numbers
