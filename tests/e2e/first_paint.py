"""
Where the time of a page's first paint goes: ``python -m tests.e2e.first_paint [--url URL --token TOKEN] [--page overview]``.

Prints, for a browser that has seen nothing yet and for one that has its files, the medians of when the shell, the numbers
and the first chart stood, of the largest contentful paint and of what the page's thread worked; and the requests of the
last visit. Plays a demo where no address is given.
"""

import argparse
import statistics
from typing import Any

from playwright.sync_api import BrowserContext

from tests.e2e.console_browser import ANSWERED, console_at, new_context, sign_in
from tests.waiting import until

WATCH = """
window.__seen = {};
new PerformanceObserver((list) => { for (const e of list.getEntries()) window.__seen.largest_paint = e.startTime; })
  .observe({ type: "largest-contentful-paint", buffered: true });
new MutationObserver(() => {
  const now = performance.now();
  const numbers = [...document.querySelectorAll(".kpi-value, .summary .value")];
  if (document.querySelector(".shell")) window.__seen.shell ??= now;
  if (numbers.some((e) => /\\d/.test(e.textContent))) window.__seen.numbers ??= now;
  if (document.querySelector(".chart[data-drawn]")) window.__seen.first_chart ??= now;
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
REQUESTS = """() => {
  const named = new Set([...document.head.querySelectorAll("[href], [src]")].map((e) => e.href ?? e.src));
  return performance.getEntriesByType("resource").map((r) => [
    r.name.includes("/v1/") ? "question" : named.has(r.name) ? "named" : "found out",
    r.name.replace(location.origin, ""), r.startTime, r.responseEnd, r.transferSize]);
}"""


def visit(context: BrowserContext, address: str) -> tuple[dict[str, float], list[Any]]:
    """Return what happened when (ms), and the requests: kind, path, from, to (ms), bytes."""
    page = context.new_page()
    worker = context.new_cdp_session(page)
    worker.send("Performance.enable")
    page.goto(address)
    until(lambda: page.evaluate(ANSWERED), f"answers of {address}")
    seen: dict[str, float] = page.evaluate("window.__seen")
    metrics = {m["name"]: m["value"] for m in worker.send("Performance.getMetrics")["metrics"]}
    seen |= {
        "scripts": metrics["ScriptDuration"] * 1000,
        "all_tasks": metrics["TaskDuration"] * 1000,
    }
    requests = page.evaluate(REQUESTS)
    page.close()
    return seen, requests


def report(title: str, visits: list[tuple[dict[str, float], list[Any]]]) -> None:
    """Print the medians, and the requests of the last visit."""
    names = visits[0][0]
    middle = {name: statistics.median(seen.get(name, 0) for seen, _ in visits) for name in names}
    print(f"{title}: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in middle.items()))
    requests = visits[-1][1]
    for kind in ("named", "found out"):
        files = [one for one in requests if one[0] == kind]
        if files:
            print(
                f"  files {kind}: {len(files)}, {sum(one[4] for one in files):,} bytes, "
                f"{min(one[2] for one in files):.0f} to {max(one[3] for one in files):.0f} ms"
            )
    for kind, path, begun, ended, size in requests:
        if kind == "question":
            print(f"  {path}: {begun:.0f} to {ended:.0f} ms, {size:,} bytes")


def main() -> None:
    """Visit the page some times each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--token")
    parser.add_argument("--page", default="overview")
    parser.add_argument("--visits", type=int, default=5)
    options = parser.parse_args()
    with console_at(options.url, options.token, 1.0) as (demo, browser):
        kept: dict[str, list[Any]] = {"first visit": [], "files kept": []}
        for _ in range(options.visits):
            context = new_context(browser)
            sign_in(context.new_page(), demo)
            cookies = context.cookies()
            context.close()
            context = new_context(browser)
            context.add_cookies(cookies)  # type: ignore[arg-type]
            context.add_init_script(WATCH)
            for visits in kept.values():
                visits.append(visit(context, f"{demo.url}/#/{options.page}"))
            context.close()
        for title, visits in kept.items():
            report(title, visits)


if __name__ == "__main__":
    main()
