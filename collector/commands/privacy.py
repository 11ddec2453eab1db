"""``scenetrail privacy``: a person is erased or exported, old events expire, hashes of ids are told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from collector.commands.options import (
    DEFAULT_DATA_DIR,
    AccessFile,
    DataDir,
    OfProject,
    WriterUrl,
)
from collector.commands.outcome import refuse
from collector.commands.reach import (
    check_app,
    now_ms,
    project_of,
    with_clickhouse,
)
from sdk_spec import access

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from collector import privacy

Found = TypeVar("Found")

app = typer.Typer(
    help="Erase a person, or hand out all that is stored of one. 个人信息删除与导出。",
    no_args_is_help=True,
)

PersonId = Annotated[
    str,
    typer.Argument(
        help="Any id of the person: kind:value, or kind@app_id:value for one app. 任一标识，如 openid:o123。"
    ),
]


@app.command("erase")
def erase(
    asked: PersonId,
    project: OfProject = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. 不再确认。")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
) -> None:
    """
    Remove everything of a person for good and print a receipt in JSON (彻底删除某个用户的数据).

    Takes all ids that make the person, from all tables and refused events. It stays gone when old batches are sent again.
    """
    from collector import privacy

    name, app_ids = project_of(data_dir, access_file, project)
    stored_as = privacy.stored_as(access.load(access.path_of(data_dir, access_file)).apps, data_dir)

    def work(*nodes: Client) -> privacy.Receipt:
        client = nodes[0]
        person = privacy.find(client, name, asked, app_ids, stored_as)
        if not yes:
            ids = "\n".join(f"  {kind} {value}  {app}" for kind, app, value in person.ids)
            typer.echo(f"all data of this person goes / 将删除该用户的全部数据:\n{ids}", err=True)
            typer.confirm("erase / 确认删除", abort=True, err=True)
        return privacy.erase(client, data_dir / "spool", person, asked, nodes=nodes)

    typer.echo(msgspec.json.encode(_private(data_dir, clickhouse_url, work, on_all_nodes=True)))


@app.command("export")
def export(
    asked: PersonId,
    project: OfProject = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
) -> None:
    """Print everything of a person, one JSON object a line, the receipt last (导出某个用户的全部数据)."""
    from collector import privacy

    name, app_ids = project_of(data_dir, access_file, project)
    stored_as = privacy.stored_as(access.load(access.path_of(data_dir, access_file)).apps, data_dir)

    def work(client: Client) -> None:
        person = privacy.find(client, name, asked, app_ids, stored_as)
        for row in privacy.export(client, person, asked):
            typer.echo(msgspec.json.encode(row))

    _private(data_dir, clickhouse_url, work)


@app.command("expire")
def expire(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
) -> None:
    """Remove what is older than `keys set APP --retention-days` allows; the collector does so hourly (清理过期数据)."""
    from collector import retention

    apps = access.load(access.path_of(data_dir, access_file)).apps

    def work(*nodes: Client) -> dict[str, dict[str, int]]:
        return retention.expire(nodes, apps, now_ms())

    typer.echo(msgspec.json.encode(_private(data_dir, clickhouse_url, work, on_all_nodes=True)))


@app.command("hash-openid")
def hash_openid(
    app_id: Annotated[str, typer.Argument(help="The app. 应用编号。")],
    openid: Annotated[str, typer.Argument(help="As the platform gives it. 平台返回的 openid。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print what is stored of an openid where an app keeps hashes only (计算 openid 的存储哈希)."""
    from sdk_spec import id_hashing

    check_app(data_dir, access_file, app_id)
    key = id_hashing.key_of(data_dir)
    if key is None:
        refuse(f"no {id_hashing.FILE} in {data_dir}: no app hashes openids here yet / 尚无密钥")
    typer.echo(id_hashing.hashed(key, app_id, openid))


@app.command("hash-phone")
def hash_phone(
    phone: Annotated[
        str,
        typer.Argument(help="The number; - reads it from standard input. 手机号，- 表示标准输入。"),
    ],
    project: OfProject = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print the phone_hash of a number, such as for `privacy erase phone_hash:…` (计算手机号的密钥哈希)."""
    from sdk_spec import id_hashing, phones

    name, _ = project_of(data_dir, access_file, project)
    key = id_hashing.key_of(data_dir)
    if key is None:
        refuse(
            f"no {id_hashing.FILE} in {data_dir}: `scenetrail keys phone-key` makes it / 尚无密钥"
        )
    try:
        number = sys.stdin.readline() if phone == "-" else phone
        typer.echo(phones.phone_hash(phones.phone_key(key, name), number))
    except ValueError as error:
        refuse(str(error))


def _private(
    data_dir: Path, clickhouse_url: str, work: Callable[..., Found], *, on_all_nodes: bool = False
) -> Found:
    from collector.privacy import PrivacyError

    try:
        return with_clickhouse(data_dir, clickhouse_url, work, on_all_nodes=on_all_nodes)
    except PrivacyError as error:
        refuse(str(error))
