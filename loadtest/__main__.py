"""`python -m loadtest <command>`: reads options, calls the module that does the work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    help="Demo, load, proofs and comparisons for scenetrail. 演示、压测、核对与对比。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


@app.callback()
def _commands() -> None:
    """Keep `demo` a command of its own name."""


Port = Annotated[int | None, typer.Option(min=0, max=65535, help="0 picks a free one. 端口。")]


@app.command()
def demo(
    data_dir: Annotated[Path, typer.Option(help="Data folder. 数据目录。")] = Path("data"),
    keep_serving: Annotated[
        bool, typer.Option("--keep-serving", help="Serve until Ctrl-C. 持续运行。")
    ] = False,
    scale: Annotated[
        float, typer.Option(min=0.001, max=20, help="Of a new demo; 1 is about 8,000 users. 规模。")
    ] = 1.0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Collector processes. 采集进程数。")
    ] = None,
    collector_port: Port = None,
    query_port: Port = None,
    clickhouse_port: Port = None,
) -> None:
    """Serve a data folder; fill a new one with thirty days of life; show reports (演示)."""
    from loadtest import demo as demo_module  # noqa: PLC0415
    from loadtest.phones import SendError  # noqa: PLC0415
    from loadtest.product import Ports, ProductError, sigterm_as_interrupt  # noqa: PLC0415
    from loadtest.query import QueryError  # noqa: PLC0415

    options = demo_module.Options(
        data_dir=data_dir,
        keep_serving=keep_serving,
        scale=scale,
        ports=Ports(collector_port, query_port, clickhouse_port),
        workers=workers,
    )
    try:
        with sigterm_as_interrupt():
            demo_module.run(options, console)
    except KeyboardInterrupt:
        console.print("已停止 Stopped.")
    except (ProductError, demo_module.DemoError, SendError, QueryError, OSError) as error:
        fail(str(error))


def fail(message: str) -> None:
    """Say on standard error why nothing more can be done, and exit 1."""
    print(f"loadtest: {message}", file=sys.stderr)
    raise typer.Exit(1)


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
