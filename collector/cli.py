"""
The ``scenetrail`` command: ``up``, ``migrate``, ``keys``, ``doctor``.

Only reads arguments, calls the module that does the work and shows the outcome. Each command
imports what it needs when it runs, so that ``--help`` answers at once. Exit codes: 0 done,
1 failed or a problem found, 2 wrong use or a condition the operator must remove first.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from sdk_spec import access
from sdk_spec.access import ReadToken, WriteKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.keys import Issued

    Make = Callable[[access.AccessFile], tuple[access.AccessFile, Issued]]

app = typer.Typer(
    name="scenetrail",
    help="Event tracking for mini-programs on ClickHouse. 小程序埋点、采集与分析。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(
    help="Apps, write keys and read tokens: list, create, rotate, revoke. 应用与密钥管理。\n\n"
    "A write key lets a client send events of one app; a read token lets a program query a project. "
    "Several may be valid at once. Changes take effect within seconds, without a restart. A secret "
    "is shown once, when it is made; only its digest is kept. 密钥只在创建时显示一次。",
    no_args_is_help=True,
)
create_app = typer.Typer(
    help="Make an app, a write key or a read token. 新建。", no_args_is_help=True
)
app.add_typer(keys_app, name="keys")
keys_app.add_typer(create_app, name="create")

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
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON. 以 JSON 输出。")]
DEFAULT_DATA_DIR = Path("data")


@app.command()
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
        int, typer.Option(min=1, help="Local ClickHouse servers; this version: 1. 分片数。")
    ] = 1,
    clickhouse_url: WriterUrl = "",
    clickhouse_reader_url: ReaderUrl = "",
) -> None:
    """
    Start everything on this machine (在本机启动全部服务).

    A local ClickHouse (unless --clickhouse-url names a server), migrations, collector and query
    API. Prints READY and a JSON object with addresses, write key and read token when all can serve.
    Ctrl-C or SIGTERM drains and stops; a second one hurries.
    """
    from collector.standalone import Options, StartError, up  # noqa: PLC0415

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
    )
    try:
        code = up(options)
    except StartError as error:
        _refuse(str(error))
    raise typer.Exit(code)


@app.command()
def migrate(data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = "") -> None:
    """Bring ClickHouse's tables up to date; safe to repeat (升级表结构，可重复执行)."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.doctor import Setup, with_running_addresses, without_password  # noqa: PLC0415
    from collector.migrate import MigrationChangedError  # noqa: PLC0415
    from collector.migrate import migrate as apply  # noqa: PLC0415

    url = with_running_addresses(
        Setup(data_dir=data_dir, access_path=data_dir, clickhouse_url=_address(clickhouse_url))
    ).clickhouse_url
    if not url:
        _refuse(
            "give --clickhouse-url, or start `scenetrail up`, which migrates by itself\n"
            "请提供 --clickhouse-url，或使用 scenetrail up（会自动升级）"
        )
    try:
        applied = apply(url)
    except MigrationChangedError as error:
        _fail(f"{error} was applied with other content: this database belongs to another version")
    except ClickHouseError as error:
        _fail(f"{without_password(url)}: {error}")
    typer.echo("\n".join(f"applied {name}" for name in applied) or "up to date / 已是最新")


@app.command()
def doctor(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
    clickhouse_reader_url: ReaderUrl = "",
    as_json: AsJson = False,
) -> None:
    """
    Check ClickHouse, schema, clock, disk, limits and keys, and say what to do (环境自检).

    Without addresses it checks the `scenetrail up` that runs on the data folder. Exit code 1 when
    there is a problem.
    """
    from collector.doctor import Setup, access_path_of, examine  # noqa: PLC0415

    findings = examine(
        Setup(
            data_dir=data_dir,
            access_path=access_path_of(data_dir, access_file),
            clickhouse_url=_address(clickhouse_url),
            clickhouse_reader_url=_address(clickhouse_reader_url),
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


@keys_app.command("list")
def keys_list(
    data_dir: DataDir = DEFAULT_DATA_DIR, access_file: AccessFile = "", as_json: AsJson = False
) -> None:
    """Show apps, write keys and read tokens with their ids, never a secret (列出应用与密钥)."""
    file = access.load(_access_path(data_dir, access_file))
    if as_json:
        shown = msgspec.to_builtins(file)
        for one in (*shown["write_keys"], *shown["read_tokens"]):
            del one["sha256"]
        typer.echo(msgspec.json.encode(shown))
        return
    for one in file.apps:
        typer.echo(f"app         {one.app_id}  project {one.project}  {one.platform}  {one.name}")
    for key in file.write_keys:
        typer.echo(f"write key   {key.key_id}  app {key.app_id}  {_life(key)}")
    for token in file.read_tokens:
        apps = " ".join(token.app_ids) or "all apps"
        typer.echo(f"read token  {token.token_id}  project {token.project}, {apps}  {_life(token)}")
    if not file.apps:
        typer.echo("no apps yet: scenetrail keys create app --help / 尚无应用", err=True)


@create_app.command("app")
def create_app_command(
    app_id: Annotated[str, typer.Option(help="Such as wx0123456789abcdef. 应用编号。")],
    project: Annotated[str, typer.Option(help="Brand or group it belongs to. 所属项目（集团）。")],
    platform: Annotated[str, typer.Option(help="wechat, alipay, douyin, … 平台。")] = "",
    name: Annotated[str, typer.Option(help="Shown to people. 显示名称。")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add an app with its first write key (新建应用及其首个写入密钥)."""
    from collector import keys  # noqa: PLC0415

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_write_key(
            keys.add_app(file, app_id, project, platform, name), app_id, _now_ms()
        ),
        as_json=as_json,
    )


@create_app.command("write-key")
def create_write_key(
    app_id: Annotated[str, typer.Option(help="The app whose events it may send. 应用编号。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add a write key beside the app's others (新增写入密钥)."""
    from collector import keys  # noqa: PLC0415

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_write_key(file, app_id, _now_ms()),
        as_json=as_json,
    )


@create_app.command("read-token")
def create_read_token(
    project: Annotated[str, typer.Option(help="The project it may query. 项目。")],
    app_id: Annotated[
        list[str] | None, typer.Option(help="Only this app; can be repeated. 仅限指定应用。")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add a read token for a project or some of its apps (新增读取令牌)."""
    from collector import keys  # noqa: PLC0415

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_read_token(file, project, tuple(app_id or ()), _now_ms()),
        as_json=as_json,
    )


Identifier = Annotated[
    str, typer.Argument(help="Id of a key, token or app from `keys list`. 密钥、令牌或应用的编号。")
]


@keys_app.command()
def rotate(
    identifier: Identifier,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Leave the old one valid for now. 暂时保留旧密钥。")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """
    Issue a successor and revoke the old one (轮换密钥).

    For an app: one new write key instead of all its others. With --keep-old both work until
    `keys revoke` ends the old one, so that clients can be moved over.
    """
    from collector import keys  # noqa: PLC0415

    _issue(
        data_dir,
        access_file,
        lambda file: keys.rotate(file, identifier, _now_ms(), keep_old=keep_old),
        as_json=as_json,
    )


@keys_app.command()
def revoke(
    identifier: Identifier, data_dir: DataDir = DEFAULT_DATA_DIR, access_file: AccessFile = ""
) -> None:
    """End a key or token within seconds; for an app, all its write keys (吊销密钥)."""
    from collector import keys  # noqa: PLC0415

    try:
        keys.change_only(
            _access_path(data_dir, access_file),
            lambda file: keys.revoke(file, identifier, _now_ms()),
        )
    except keys.KeysError as error:
        _refuse(str(error))
    typer.echo(f"revoked {identifier} / 已吊销")


def _issue(data_dir: Path, access_file: str, make: Make, *, as_json: bool) -> None:
    """Apply a change and show the new secret, once."""
    from collector import keys  # noqa: PLC0415

    try:
        issued = keys.change(_access_path(data_dir, access_file), make)
    except keys.KeysError as error:
        _refuse(str(error))
    if as_json:
        typer.echo(msgspec.json.encode(issued))
        return
    typer.echo(f"{issued.kind}  {issued.secret}")
    typer.echo(f"id         {issued.id}")
    typer.echo("Keep it now: it is not shown again. 请立即保存，之后不再显示。", err=True)


def _access_path(data_dir: Path, access_file: str) -> Path:
    from collector.doctor import access_path_of  # noqa: PLC0415

    return access_path_of(data_dir, access_file)


def _address(url: str) -> str:
    """Complete a given ClickHouse address; an empty one stays empty."""
    from collector.standalone import StartError, with_database  # noqa: PLC0415

    try:
        return with_database(url) if url else ""
    except StartError as error:
        _refuse(str(error))


def _life(issued: WriteKey | ReadToken) -> str:
    made = datetime.fromtimestamp(issued.created_at / 1000, UTC).isoformat(timespec="seconds")
    if not issued.revoked_at:
        return f"made {made}"
    ended = datetime.fromtimestamp(issued.revoked_at / 1000, UTC).isoformat(timespec="seconds")
    return f"made {made}, revoked {ended}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _refuse(message: str) -> NoReturn:
    """Exit 2: wrong use, or something the operator must remove first."""
    typer.echo(f"scenetrail: {message}", err=True)
    raise typer.Exit(2)


def _fail(message: str) -> NoReturn:
    """Exit 1: tried and failed."""
    typer.echo(f"scenetrail: {message}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Entry point of the ``scenetrail`` command."""
    try:
        app()
    except (OSError, msgspec.DecodeError) as error:
        typer.echo(
            f"scenetrail: {error}; `scenetrail doctor` says more / 可用 doctor 自检", err=True
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
