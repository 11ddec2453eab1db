"""
What a command works on, found from its options: the access file, a project and its apps, ClickHouse.

What is not there ends the command with the words that help.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from collector.clickhouse_urls import (
    AddressError,
    addresses,
    with_database,
    without_password,
)
from collector.commands.outcome import fail, refuse
from collector.running import published
from sdk_spec import access

Found = TypeVar("Found")


def project_of(data_dir: Path, access_file: str, project: str) -> tuple[str, list[str]]:
    """Return the project meant and its apps."""
    apps = access.load(access.path_of(data_dir, access_file)).apps
    names = sorted({one.project for one in apps})
    if not project and len(names) == 1:
        [project] = names
    if project not in names:
        refuse(f"--project is one of: {', '.join(names) or 'none yet'} / 请用 --project 指定项目")
    return project, sorted(one.app_id for one in apps if one.project == project)


def check_app(data_dir: Path, access_file: str, app_id: str) -> None:
    """Refuse an app that is not there: what is derived from a mistyped name looks right and fits nothing."""
    apps = [one.app_id for one in access.load(access.path_of(data_dir, access_file)).apps]
    if app_id not in apps:
        refuse(f"no app {app_id!r}; apps: {', '.join(apps) or 'none yet'} / 没有该应用")


def with_clickhouse(
    data_dir: Path, clickhouse_url: str, work: Callable[..., Found], *, on_all_nodes: bool = False
) -> Found:
    """
    Do something with the tables of the given or the running server; errors are told and end the command.

    ``work`` takes a client, or with ``on_all_nodes`` one of each node of a cluster.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from collector.migrate import connect

    url = clickhouse_url_of(data_dir, clickhouse_url)
    try:
        with ExitStack() as open_clients:
            nodes = []
            for each in addresses(url) if on_all_nodes else [url]:
                nodes.append(connect(each))
                open_clients.callback(nodes[-1].close)
            return work(*nodes)
    except ClickHouseError as error:
        fail(f"{without_password(url)}: {error}")


def clickhouse_url_of(data_dir: Path, clickhouse_url: str) -> str:
    """The address that was given, or that of the running server: all nodes, by comma."""
    if clickhouse_url:
        return completed(clickhouse_url)
    ready = published(data_dir)
    if ready is None:
        refuse("give --clickhouse-url, or start `scenetrail up` / 请提供 --clickhouse-url")
    return ready.clickhouse_urls


def completed(clickhouse_url: str) -> str:
    """A given ClickHouse address with its database; an empty one stays empty."""
    try:
        return with_database(clickhouse_url) if clickhouse_url else ""
    except AddressError as error:
        refuse(str(error))


def moment(text: str, default: int) -> int:
    """Epoch ms of a moment on the command line; without a zone it is this machine's."""
    if not text:
        return default
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        refuse(f"{text!r} is no moment such as 2026-11-22 or 2026-11-22T08:00+08:00: {error}")


def now_ms() -> int:
    """Epoch ms of this machine's clock."""
    return time.time_ns() // 1_000_000
