"""
Pictures of every page of the console: ``python -m tests.e2e.screenshots FOLDER [--scale 0.2]``.

Plays a demo into a temporary folder, or takes the one that serves at ``--url`` with ``--token``.
"""

import argparse
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.e2e.console_browser import console_at, new_context, open_page, sign_in

LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("-dark-en", {"dark": True, "language": "en"}),
    ("-phone", {"phone": True}),
]


def picture(page: Page, folder: Path, name: str) -> None:
    """Take the whole page."""
    path = folder / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    print(path)


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=0.2)
    parser.add_argument("--url")
    parser.add_argument("--token")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with console_at(options.url, options.token, options.scale) as (demo, browser):
        for suffix, look in LOOKS:
            context = new_context(browser, **look)
            page = context.new_page()
            page.goto(f"{demo.url}/")
            page.locator("input[name=token]").wait_for()
            picture(page, options.folder, f"sign-in{suffix}")
            sign_in(page, demo)
            links = [a.get_attribute("href") or "" for a in page.locator(".navigation a").all()]
            for link in links:
                name = link.removeprefix("#/").partition("?")[0]
                if options.only and name not in options.only:
                    continue
                open_page(page, demo, name)
                picture(page, options.folder, f"{name}{suffix}")
            context.close()


if __name__ == "__main__":
    main()
