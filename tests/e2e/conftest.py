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
    until,
    watched,
)

SCALE = 0.02
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("console") / "data", SCALE)
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
