"""Options that several commands take, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="SCENETRAIL_DATA_DIR",
        help="Folder of tables, spool, keys and logs. 数据目录。",
    ),
]
AccessFile = Annotated[
    str,
    typer.Option(
        envvar="SCENETRAIL_ACCESS_FILE",
        help="File of apps and keys; by default access.json in the data folder. 密钥文件。",
    ),
]
WriterUrl = Annotated[
    str,
    typer.Option(
        envvar="SCENETRAIL_CLICKHOUSE_URL",
        help="http://user:password@host:8123/database with the writer's rights. 写账号地址。",
    ),
]
ReaderUrl = Annotated[
    str,
    typer.Option(
        envvar="SCENETRAIL_CLICKHOUSE_READER_URL",
        help="The same with a read-only user, for queries. 只读账号地址。",
    ),
]
EditorUrl = Annotated[
    str,
    typer.Option(
        envvar="SCENETRAIL_CLICKHOUSE_EDITOR_URL",
        help="The same with a user that may also insert into the tables people change. 编辑账号地址。",
    ),
]
OfProject = Annotated[
    str, typer.Option(help="Needed where there are several projects. 项目（有多个时必填）。")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON. 以 JSON 输出。")]
DEFAULT_DATA_DIR = Path("data")
