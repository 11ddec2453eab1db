"""One demo and one browser for all tests of the console."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.console_browser import (
    HOSTILE,
    REFUSED,
    Demo,
    launch,
    new_context,
    seen_events,
    sign_in,
    watched,
)
from tests.waiting import until

SCALE = 0.02
CONSOLE = "test_console"
"""How the files of these tests begin."""
expect.set_options(timeout=90_000)
_started: list[Demo] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the demo after the last test of the console: what follows has the machine for itself."""
    is_last = nextitem is None or not nextitem.path.name.startswith(CONSOLE)
    if item.path.name.startswith(CONSOLE) and is_last:
        for demo in _started:
            demo.end()
        _started.clear()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("console") / "data", SCALE)
    _started.append(demo)
    try:
        demo.wait_serving()
        told = demo.send(
            [
                *(
                    {"event": f"hostile_{i}<b>", "properties": {"note": value, "<i>": i}}
                    for i, value in enumerate(HOSTILE)
                ),
                {"event": "<img src=x onerror=document.title='owned'>"},
                REFUSED,
            ]
        )
        assert json.dumps(told).count("accepted") >= 1
        until(lambda: "hostile_0<b>" in seen_events(demo), "the hostile events can be queried")
        yield demo
    finally:
        if demo in _started:
            demo.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, demo: Demo) -> Iterator[BrowserContext]:
    context = new_context(browser)
    with watched(context, demo.url) as page:
        sign_in(page, demo)
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext, demo: Demo) -> Iterator[Page]:
    with watched(signed_in, demo.url) as page:
        yield page
