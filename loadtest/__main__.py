"""`python -m loadtest <command>`: reads options, calls the module that does the work."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console

app = typer.Typer(
    help="Demo, load, proofs and comparisons for scenetrail. 演示、压测、核对与对比。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()


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


@app.command()
def send(
    url: Annotated[str, typer.Option(help="Collector, such as http://127.0.0.1:8710. 采集地址。")],
    key: Annotated[str, typer.Option(help="Write key. 写入密钥。")],
    app_id: Annotated[str, typer.Option(help="App of the key. 应用编号。")],
    rate: Annotated[
        float, typer.Option(min=0, help="Events a second, open loop. 每秒事件数（开环）。")
    ] = 0.0,
    maximum: Annotated[
        bool, typer.Option("--max", help="As fast as it goes, closed loop. 最大速度（闭环）。")
    ] = False,
    duration_s: Annotated[float, typer.Option(min=0.1, help="Seconds. 时长（秒）。")] = 10.0,
    batch: Annotated[int, typer.Option(min=1, max=999, help="Events a request. 批大小。")] = 50,
    limit_events: Annotated[
        int, typer.Option(min=0, help="Stop after about so many events; 0: no limit. 事件上限。")
    ] = 0,
    connections: Annotated[int, typer.Option(min=1, max=4096, help="连接数。")] = 16,
    seed: Annotated[int, typer.Option(help="Of the content. 随机种子。")] = 1,
    run: Annotated[str, typer.Option(help="Name in the event_ids; new by default. 运行名。")] = "",
    use_gzip: Annotated[bool, typer.Option("--gzip", help="Compress bodies. 压缩。")] = False,
    retry_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Share of bodies sent twice. 重发比例。")
    ] = 0.0,
    verify_url: Annotated[
        str, typer.Option(help="ClickHouse to prove it in; empty: no proof. 核对地址。")
    ] = "",
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
) -> None:
    """Send a seeded workload at a rate or at the maximum, then prove what was stored (压测与核对)."""
    from loadtest import send as send_module  # noqa: PLC0415
    from loadtest.clickhouse import ClickHouseError  # noqa: PLC0415
    from loadtest.driver import Plan  # noqa: PLC0415
    from loadtest.generate import FlatWorkload  # noqa: PLC0415

    if bool(rate) == maximum:
        fail("give either --rate R or --max 请指定 --rate 或 --max 之一")
    plan = Plan(
        batch=batch,
        duration_s=duration_s,
        connections=connections,
        rate=rate,
        limit=-(-limit_events // batch),
        retry_ratio=retry_ratio,
        seed=seed,
    )
    try:
        workload = FlatWorkload(
            seed=seed,
            run=run or send_module.run_name(time.time_ns() // 1_000_000),
            app_id=app_id,
            batch=batch,
        )
        target = send_module.Target(
            f"{url.rstrip('/')}/v1/events", app_id, {"X-Write-Key": key}, use_gzip=use_gzip
        )
        report = send_module.send(target, workload, plan, verify_url, console)
    except (OSError, ValueError, ClickHouseError) as error:
        fail(str(error))
    write_json(report, json_path)
    verdict = report["verdict"]
    if verdict and (verdict["lost"] or verdict["doubled"] or verdict["unexpected"]):
        fail("the stored events are not the accepted ones (核对不符)")


@app.command()
def queries(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of its own for the synthetic log. 专用数据目录。")
    ] = Path("bench-queries"),
    events: Annotated[int, typer.Option(min=1_000, help="事件数。")] = 20_000_000,
    users: Annotated[int, typer.Option(min=10, help="用户数。")] = 1_000_000,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge all parts first. 先合并所有数据块。")
    ] = False,
    growth: Annotated[
        bool,
        typer.Option(
            help="Also at 5 and 10 million (or a quarter and a half). 同时测 500 万与 1000 万。"
        ),
    ] = True,
    collector_port: Port = 0,
    query_port: Port = 0,
    clickhouse_port: Port = 0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
) -> None:
    """Time every report beside the bare SQL for the same rows (查询性能)."""
    from loadtest import queries as queries_module  # noqa: PLC0415
    from loadtest.clickhouse import ClickHouseError  # noqa: PLC0415
    from loadtest.product import Ports, ProductError, sigterm_as_interrupt  # noqa: PLC0415

    try:
        with sigterm_as_interrupt():
            report = queries_module.run(
                data_dir=data_dir,
                events=events,
                users=users,
                ports=Ports(collector_port, query_port, clickhouse_port),
                merge=merge,
                growth=growth,
                console=console,
            )
    except (ProductError, ClickHouseError, OSError) as error:
        fail(str(error))
    write_json(report, json_path)


@app.command()
def network(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of its own for the synthetic log. 专用数据目录。")
    ] = Path("bench-network"),
    events: Annotated[int, typer.Option(min=1_000, help="事件数。")] = 1_000_000,
    users: Annotated[int, typer.Option(min=10, help="用户数。")] = 50_000,
    shards: Annotated[int, typer.Option(min=2, help="本机分片数。")] = 2,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
) -> None:
    """Bytes that each report moves from the shards to the node that is asked (分片间流量)."""
    from loadtest import network as network_module  # noqa: PLC0415
    from loadtest.clickhouse import ClickHouseError  # noqa: PLC0415
    from loadtest.product import Ports, ProductError, sigterm_as_interrupt  # noqa: PLC0415
    from loadtest.query import QueryError  # noqa: PLC0415

    try:
        with sigterm_as_interrupt():
            report = network_module.run(
                data_dir=data_dir,
                events=events,
                users=users,
                shards=shards,
                ports=Ports(0, 0, 0),
                console=console,
            )
    except (ProductError, ClickHouseError, QueryError, OSError) as error:
        fail(str(error))
    write_json(report, json_path)


@app.command()
def sizing() -> None:
    """What a million to a hundred billion events a day need, from what was measured (容量规划)."""
    from loadtest import sizing as sizing_module  # noqa: PLC0415

    typer.echo(sizing_module.tables())


@app.command()
def identity(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of its own for the synthetic log. 专用数据目录。")
    ] = Path("bench-identity"),
    persons: Annotated[int, typer.Option(min=10, help="用户数，每人三个标识。")] = 1_000_000,
    events: Annotated[int, typer.Option(min=100, help="事件数。")] = 20_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Of all ways in turn. 轮数。")] = 5,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
) -> None:
    """CPU of a funnel with each way to find persons, beside none (身份解析成本)."""
    from loadtest import identity_cost  # noqa: PLC0415
    from loadtest.clickhouse import ClickHouseError  # noqa: PLC0415
    from loadtest.product import ProductError, sigterm_as_interrupt  # noqa: PLC0415
    from loadtest.query import QueryError  # noqa: PLC0415

    try:
        with sigterm_as_interrupt():
            report = identity_cost.run(
                data_dir=data_dir, persons=persons, events=events, rounds=rounds, console=console
            )
    except (ProductError, ClickHouseError, QueryError, OSError, ValueError) as error:
        fail(str(error))
    write_json(report, json_path)


@app.command()
def compare(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of its own for the runs. 专用数据目录。")
    ] = Path("bench-compare"),
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Events a request; repeatable. 批大小。")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="轮数。")] = 2,
    duration_s: Annotated[float, typer.Option(min=0.5, help="Of each measurement. 秒。")] = 3.0,
    connections: Annotated[int, typer.Option(min=1, help="连接数。")] = 64,
    workers: Annotated[int, typer.Option(min=1, max=64, help="采集进程数。")] = 1,
    use_gzip: Annotated[bool, typer.Option("--gzip", help="Compress bodies. 压缩。")] = False,
    growth: Annotated[
        int,
        typer.Option(min=0, help="Then store so many events in a row, in thirds. 长跑的事件数。"),
    ] = 0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write JSON here.")] = None,
) -> None:
    """Measure the collector beside what one would use instead, in one run (对比)."""
    from loadtest import compare as compare_module  # noqa: PLC0415
    from loadtest.clickhouse import ClickHouseError  # noqa: PLC0415
    from loadtest.product import ProductError, sigterm_as_interrupt  # noqa: PLC0415

    options = compare_module.Options(
        data_dir=data_dir,
        batches=tuple(sorted(batch or (1, 10, 50, 200))),
        rounds=rounds,
        duration_s=duration_s,
        connections=connections,
        use_gzip=use_gzip,
        workers=workers,
        growth=growth,
    )
    try:
        with sigterm_as_interrupt():
            report = compare_module.run(options, console)
    except (ProductError, ClickHouseError, OSError, RuntimeError) as error:
        fail(str(error))
    write_json(report, json_path)


def write_json(report: dict[str, Any], path: Path | None) -> None:
    """Write a report to a file, or print it."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    if path:
        path.write_bytes(text + b"\n")
    else:
        console.print_json(text.decode())


def fail(message: str) -> NoReturn:
    """Say on standard error why nothing more can be done, and exit 1."""
    print(f"loadtest: {message}", file=sys.stderr)
    raise typer.Exit(1)


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
