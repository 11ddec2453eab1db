"""``scenetrail doctor``: what is wrong here, and what to do."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from collector.commands.options import (
    DEFAULT_DATA_DIR,
    AccessFile,
    AsJson,
    DataDir,
    EditorUrl,
    ReaderUrl,
    WriterUrl,
)
from collector.commands.reach import completed
from sdk_spec import access


def doctor(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
    clickhouse_reader_url: ReaderUrl = "",
    clickhouse_editor_url: EditorUrl = "",
    collector_url: Annotated[
        str,
        typer.Option(help="By default where the settings say that it listens. 采集地址。"),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """
    Check ClickHouse, its users, schema, clock, disk, spool, limits, collector and keys, and say what to do (环境自检).

    Without addresses it checks the `scenetrail up` that runs on the data folder. Exit code 1 when
    there is a problem.
    """
    from collector.doctor import examine
    from collector.findings import Setup

    findings = examine(
        Setup(
            data_dir=data_dir,
            access_path=access.path_of(data_dir, access_file),
            clickhouse_url=completed(clickhouse_url),
            clickhouse_reader_url=completed(clickhouse_reader_url),
            clickhouse_editor_url=completed(clickhouse_editor_url),
            collector_url=collector_url,
        )
    )
    if as_json:
        typer.echo(msgspec.json.encode(findings))
    else:
        for one in findings:
            colour = {"ok": "green", "warning": "yellow", "problem": "red"}[one.level]
            typer.echo(f"{typer.style(f'{one.level:8}', fg=colour)} {one.check:16} {one.found}")
            for advice in filter(None, (one.advice, one.advice_zh)):
                typer.echo(f"{'':25} → {advice}")
    raise typer.Exit(int(any(one.level == "problem" for one in findings)))
