"""``scenetrail up``: everything on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from collector.commands.options import (
    DEFAULT_DATA_DIR,
    DataDir,
    EditorUrl,
    ReaderUrl,
    WriterUrl,
)
from collector.commands.outcome import refuse


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    host: Annotated[
        str, typer.Option(help="Address of collector and query API. 监听地址。")
    ] = "127.0.0.1",
    collector_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            envvar="SCENETRAIL_COLLECTOR_PORT",
            help="0 picks a free port. 采集端口。",
        ),
    ] = 8710,
    query_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, envvar="SCENETRAIL_QUERY_PORT", help="0 picks a free port. 查询端口。"
        ),
    ] = 8720,
    clickhouse_port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 picks a free port. ClickHouse HTTP 端口。")
    ] = 8730,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            envvar="SCENETRAIL_WORKERS",
            help="Collector processes; by default half of the cores. 采集进程数。",
        ),
    ] = None,
    shards: Annotated[
        int,
        typer.Option(
            min=1,
            help="Local ClickHouse servers that share the events; never fewer than before. 分片数，只增不减。",
        ),
    ] = 1,
    clickhouse_url: WriterUrl = "",
    clickhouse_reader_url: ReaderUrl = "",
    clickhouse_editor_url: EditorUrl = "",
) -> None:
    """
    Start everything on this machine (在本机启动全部服务).

    A local ClickHouse (unless --clickhouse-url names a server), migrations, collector and query
    API. Prints READY and a JSON object with addresses, write key and read token when all can serve.
    Ctrl-C or SIGTERM drains and stops; a second one hurries.
    """
    from collector.standalone import Options, StartError, up

    options = Options(
        data_dir=data_dir,
        host=host,
        collector_port=collector_port,
        query_port=query_port,
        clickhouse_port=clickhouse_port,
        workers=workers or max(1, (os.cpu_count() or 1) // 2),
        shards=shards,
        clickhouse_url=clickhouse_url,
        clickhouse_reader_url=clickhouse_reader_url,
        clickhouse_editor_url=clickhouse_editor_url,
    )
    try:
        code = up(options)
    except StartError as error:
        refuse(str(error))
    raise typer.Exit(code)
