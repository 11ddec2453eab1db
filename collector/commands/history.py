"""``scenetrail import`` and ``export``: events from files and to files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from collector.commands.options import DEFAULT_DATA_DIR, AccessFile, AsJson, DataDir, WriterUrl
from collector.commands.outcome import fail, refuse
from collector.commands.reach import (
    clickhouse_url_of,
    moment,
    now_ms,
    with_clickhouse,
)
from sdk_spec import access

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def export(
    to: Annotated[
        Path, typer.Argument(help="Parquet file to write; replaced if it is there. 目标文件。")
    ],
    app_id: Annotated[str, typer.Option(help="The app whose events to write. 应用。")],
    since: Annotated[
        str, typer.Option(help="Happened at or after this moment, e.g. 2026-11-01. 起始时间。")
    ] = "",
    until: Annotated[str, typer.Option(help="Happened before this moment. 截止时间。")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    clickhouse_url: WriterUrl = "",
) -> None:
    """Write the events of an app to a Parquet file: all columns, each event once (导出为 Parquet 文件)."""
    from collector.export import ExportError, export_events

    from_ms, to_ms = moment(since, 0), moment(until, 2**42)

    def work(client: Client) -> int:
        return export_events(client, app_id, from_ms, to_ms, to)

    try:
        number = with_clickhouse(data_dir, clickhouse_url, work)
    except (ExportError, OSError) as error:
        fail(str(error))
    typer.echo(f"{number} events / 条事件: {to}")


def import_history(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="NDJSON, CSV or Parquet: paths, patterns, s3://bucket/…, https://…. 文件、通配符或地址。"
        ),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            help="A SELECT, or a .sql file with one, that ClickHouse runs here: file(…), s3(…), remoteSecure(…), any format. "
            "由 ClickHouse 执行的查询，其结果作为历史数据导入。"
        ),
    ] = None,
    app_id: Annotated[
        str, typer.Option(help="App of rows that name none. 行内没有 app_id 时使用的应用。")
    ] = "",
    file_format: Annotated[
        str,
        typer.Option("--format", help="ndjson, csv or parquet; by default the name says. 格式。"),
    ] = "",
    encoding: Annotated[
        str, typer.Option(help="Of CSV files, such as gb18030. CSV 的字符编码。")
    ] = "utf-8",
    timezone: Annotated[
        str,
        typer.Option(
            help="Of times in CSV and Parquet that name none, such as Asia/Shanghai; without it their rows are refused. "
            "无时区时间所属的时区。"
        ),
    ] = "",
    refused: Annotated[
        Path,
        typer.Option(help="Refused rows with reasons; mend and import it. 被拒行的输出文件。"),
    ] = Path("refused.ndjson"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the rows, store nothing. 只检查，不入库。")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
    as_json: AsJson = False,
) -> None:
    """
    Import history from files: each event once, however often it is repeated (导入历史数据，可重复执行).

    Rows have the names of the wire, flat in CSV and Parquet (collector/README.md, "Import"), and pass the rules of events that
    are sent. Exit code 1 when a row was refused, 2 when a file or a SELECT could not be read to its end.
    """
    from rich.console import Console

    from collector import history, history_console, history_files, history_select, logs, settings
    from collector.sinks import ClickHouseSink
    from sdk_spec import id_hashing

    if not files and not select:
        refuse("name files, or a --select / 请给出文件或 --select")
    if file_format not in ("", *history_files.FORMATS):
        refuse(f"--format is one of {', '.join(history_files.FORMATS)}")
    try:
        how = history_files.Reading(encoding, ZoneInfo(timezone) if timezone else None)
    except (KeyError, ValueError, OSError):  # no such zone, no name of one, a folder of zones
        refuse(f"--timezone {timezone!r} is no zone such as Asia/Shanghai / 没有这个时区")
    url = clickhouse_url_of(data_dir, clickhouse_url)
    console = Console(stderr=True)
    config = settings.from_env()
    logs.configure(config.log_level, "import")
    sink = ClickHouseSink(url, config.insert_timeout_s)
    with ExitStack() as opened:
        opened.callback(sink.close)
        try:
            sources: list[history.AnySource] = [
                *history_files.find(files or [], file_format, opened),
                *map(history_select.select_of, select or []),
            ]
            importer = history.Importer(
                access.load(access.path_of(data_dir, access_file)).apps,
                sink,
                hash_key=lambda: id_hashing.key_of(data_dir, make=True),
                now_ms=now_ms(),
                max_clock_skew_ms=config.max_clock_skew_ms,
                app_id=app_id,
                refused_to=opened.enter_context(history.refused_file(refused)),
                is_dry=dry_run,
                rows_at_once=config.block_rows,
            )
            advance = opened.enter_context(history_console.bar(console, sources))
            report = importer.run(sources, how, advance)
        except history_files.SourceError as error:
            refuse(str(error))
        except history.HistoryError as error:
            fail(
                f"broke off, repeat it: nothing counts twice / 中断，请重试，不会重复计数: {error}"
            )
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        history_console.show(Console(), report)
        if report.refused_rows:
            typer.echo(f"refused rows with reasons / 被拒行及原因: {refused}", err=True)
    raise typer.Exit(2 if report.unreadable else int(bool(report.refused_rows)))
