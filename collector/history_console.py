"""
``scenetrail import`` in a terminal: a bar while it runs, a table at the end. Called by ``commands``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from collector.history import AnySource, Report
from collector.history_select import Select

_STEPS = 1_000


@contextmanager
def bar(
    console: Console, sources: Sequence[AnySource]
) -> Iterator[Callable[[AnySource, float, Report], None]]:
    """A bar over the bytes of all files, one without an end where a size is not known; nothing where nobody looks."""
    is_known = not any(isinstance(source, Select) for source in sources)
    total = sum(source.size_bytes for source in sources) or 1
    before = dict(
        zip(
            (id(source) for source in sources),
            (sum(one.size_bytes for one in sources[:index]) for index in range(len(sources))),
            strict=True,
        )
    )
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=40),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} 行 rows, {task.fields[rate]:,}/s"),
        TextColumn("[red]{task.fields[refused]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=_STEPS if is_known else None, rows=0, rate=0, refused="")

        def advance(source: AnySource, done: float, report: Report) -> None:
            at = before[id(source)] + done * source.size_bytes
            refused = report.refused_rows
            progress.update(
                task,
                completed=round(_STEPS * at / total),
                description=source.base_name,
                rows=report.rows,
                rate=round(report.rows / max(report.seconds, 0.001)),
                refused=f"拒绝 refused {refused:,}" if refused else "",
            )

        yield advance


def show(console: Console, report: Report) -> None:
    """The numbers, the refused rows by reason, and files that could not be read."""
    table = Table(title="导入 import", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for words, number in (
        ("行 rows", report.rows),
        ("新入库 stored", report.stored),
        ("已有 known before", report.known),
        ("用户已删除 of erased persons", report.erased),
        ("被拒 refused", report.refused_rows),
    ):
        table.add_row(words, f"{number:,}")
    table.add_row("行/秒 rows/s", f"{report.rows / max(report.seconds, 0.001):,.0f}")
    console.print(table)
    if report.refused:
        reasons = Table(title="被拒原因 why", title_justify="left")
        reasons.add_column("code")
        reasons.add_column("path")
        reasons.add_column("rows", justify="right")
        for code, paths in report.refused.items():
            for path, number in paths.items():
                reasons.add_row(code, path, f"{number:,}")
        console.print(reasons)
    for why in report.unreadable.values():
        console.print(f"[red]无法读取 not read to its end: {escape(why)}", highlight=False)
    if report.unknown_columns:
        names = ", ".join(report.unknown_columns)
        console.print(f"未知列已忽略 columns passed over: {names}", highlight=False)
