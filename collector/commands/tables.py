"""The tables: ``scenetrail migrate``, ``backup`` and ``restore``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from collector.clickhouse_urls import addresses, without_password
from collector.commands.options import DEFAULT_DATA_DIR, DataDir, WriterUrl
from collector.commands.outcome import fail, refuse
from collector.commands.reach import clickhouse_url_of, with_clickhouse


def migrate(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    clickhouse_url: WriterUrl = "",
    cluster: Annotated[
        str,
        typer.Option(
            envvar="SCENETRAIL_CLICKHOUSE_CLUSTER",
            help="Spread the tables over this cluster of remote_servers. 集群名称。",
        ),
    ] = "",
) -> None:
    """
    Bring ClickHouse's tables up to date; safe to repeat (升级表结构，可重复执行).

    With --cluster the tables are spread over its nodes; without Keeper --clickhouse-url names every node, by comma. After a
    shard was added: again, then events of ten minutes later go to it as well. 新增分片后再执行一次。
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from collector.migrate import MigrationChangedError
    from collector.migrate import migrate as apply
    from collector.nodes import ClusterError

    url = clickhouse_url_of(data_dir, clickhouse_url)
    try:
        applied = apply(url, cluster)
    except ClusterError as error:
        refuse(str(error))
    except MigrationChangedError as error:
        fail(f"{error} was applied with other content: this database belongs to another version")
    except ClickHouseError as error:
        fail(f"{without_password(url)}: {error}")
    typer.echo("\n".join(f"applied {name}" for name in applied) or "up to date / 已是最新")


BackupPlace = Annotated[
    str,
    typer.Argument(
        help="Of ClickHouse's BACKUP, with {part}: \"File('/backups/monday/{part}')\", S3(…), Disk(…). 备份位置。"
    ),
]


def backup(
    to: BackupPlace, data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = ""
) -> None:
    """Back up all tables of all nodes while the collectors go on (在线备份)."""
    from collector import backup as backups

    _back_up(backups.backup, data_dir, clickhouse_url, to)


def restore(
    place: BackupPlace, data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = ""
) -> None:
    """Restore into an empty database; then run `scenetrail migrate` (恢复到空库，之后执行 migrate)."""
    from collector import backup as backups

    _back_up(backups.restore, data_dir, clickhouse_url, place)


def _back_up(work: Callable[..., None], data_dir: Path, clickhouse_url: str, place: str) -> None:
    from collector.backup import BackupError, Step

    names = [
        without_password(url) for url in addresses(clickhouse_url_of(data_dir, clickhouse_url))
    ]

    def told(step: Step) -> None:
        typer.echo(f"{step.status}  {step.part}  {step.size_bytes} bytes  {step.node}")

    try:
        with_clickhouse(
            data_dir,
            clickhouse_url,
            lambda *nodes: work(nodes, names, place, told),
            on_all_nodes=True,
        )
    except BackupError as error:
        fail(str(error))
