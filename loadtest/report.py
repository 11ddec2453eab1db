"""
What people read: tables with bars, and JSON with the machine and the versions. Chinese and English.

Pure but for ``machine``. Called by every command.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

_FUNNEL_TEXT_CELLS = 72
"""What the other columns of a funnel take."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STEPS = " ▁▂▃▄▅▆▇█"
_PIPED_COLUMNS = 140
_VERSIONED = ("aiohttp", "chdb-core", "clickhouse-connect", "msgspec", "pyarrow", "uvloop")

STEP_LABELS = {
    "app_show": "进入小程序 Enter",
    "product_view": "浏览商品 View product",
    "add_to_cart": "加入购物车 Add to cart",
    "order_submit": "提交订单 Submit order",
    "order_pay": "支付订单 Pay",
}


def widen(console: Console) -> None:
    """Give tables room where nobody looks through a terminal; a file has no width."""
    if not console.is_terminal:
        console.width = max(console.width, _PIPED_COLUMNS)


def bar(share: float, cells: int) -> str:
    """Draw a share of 0 to 1 to an eighth of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def percent(share: float | None) -> str:
    """Write a share of 0 to 1; a dash where there is none."""
    return "–" if share is None else f"{share * 100:.1f}%"


def duration(milliseconds: float | None) -> str:
    """Write a time as people say it."""
    if milliseconds is None:
        return "–"
    seconds = milliseconds / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def funnel_table(result: Mapping[str, Any], title: str, width: int) -> Table:
    """Lay out a funnel's ``result`` in so many columns of the terminal."""
    cells = min(max(width - _FUNNEL_TEXT_CELLS, 6), 30)
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("步骤 Step", no_wrap=True)
    table.add_column("", no_wrap=True, style="cyan")
    table.add_column("用户\nUsers", justify="right")
    table.add_column("较上步\nStep", justify="right")
    table.add_column("总转化\nTotal", justify="right")
    table.add_column("中位用时\nMedian", justify="right", no_wrap=True)
    first = max(1, result["steps"][0]["users"])
    for step in result["steps"]:
        is_first = step["step"] == 1
        table.add_row(
            f"{step['step']} {STEP_LABELS.get(step['event'], step['event'])}",
            bar(step["users"] / first, cells),
            f"{step['users']:,}",
            "" if is_first else percent(step["rate_from_previous"]),
            percent(step["rate_from_first"]),
            "" if is_first else duration(step["median_ms_from_previous"]),
        )
    return table


def retention_table(result: Mapping[str, Any], title: str, last: int) -> Table:
    """Lay out a retention's ``result``: its last cohorts, the total over all, and the total's curve."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("首访 First", no_wrap=True)
    table.add_column("人数\nUsers", justify="right")
    total = result["total"]
    for number in range(1, len(total["rates"])):
        table.add_column(f"+{number}", justify="right", no_wrap=True)
    highest = max([rate for rate in total["rates"][1:] if rate] or [1.0]) * 1.6
    for cohort in result["cohorts"][-last:]:
        cells = [
            _retention_cell(rate, is_mature, highest)
            for rate, is_mature in zip(cohort["rates"][1:], cohort["mature"][1:], strict=True)
        ]
        table.add_row(cohort["cohort"], f"{cohort['size']:,}", *cells)
    table.add_section()
    size = sum(cohort["size"] for cohort in result["cohorts"])
    rates = [_retention_cell(rate, rate is not None, highest) for rate in total["rates"][1:]]
    table.add_row("全部 All", f"{size:,}", *rates, style="bold")
    return table


def _retention_cell(rate: float | None, is_mature: bool, highest: float) -> Text:
    if rate is None or not is_mature:
        return Text("–", style="dim")
    step = _STEPS[min(8, round(rate / highest * 8))]
    shade = 0x30 + round(min(1.0, rate / highest) * 0x90)
    return Text.assemble(
        (f"{rate * 100:.0f}% ", ""), (step, f"#20{shade:02x}{min(255, shade + 0x30):02x}")
    )


def percentiles(latencies_ms: Sequence[float]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the maximum, in ms; zeros for nothing."""
    if not latencies_ms:
        return {"p50_ms": 0.0, "p99_ms": 0.0, "p99_9_ms": 0.0, "max_ms": 0.0}
    values = np.asarray(latencies_ms)
    p50, p99, p99_9 = np.percentile(values, (50, 99, 99.9))
    return {
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "p99_9_ms": round(float(p99_9), 3),
        "max_ms": round(float(values.max()), 3),
    }


def fact_table(title: str, facts: Mapping[str, object]) -> Table:
    """Lay out names and values, one a line."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for name, value in facts.items():
        table.add_row(name, value if isinstance(value, str) else number(value))
    return table


def row_table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """Lay out rows of the same names."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in rows[0]:
        is_text = isinstance(rows[0][name], str)
        table.add_column(name, justify="left" if is_text else "right", no_wrap=is_text)
    for row in rows:
        table.add_row(
            *(value if isinstance(value, str) else number(value) for value in row.values())
        )
    return table


def number(value: object) -> str:
    """Write a number with as many digits as matter."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else str(value)


def machine() -> dict[str, Any]:
    """Describe the machine and the versions that a figure depends on."""
    cpu = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else ""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpu": cpu or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_average": list(os.getloadavg()),
        "versions": {name: metadata.version(name) for name in _VERSIONED},
    }
