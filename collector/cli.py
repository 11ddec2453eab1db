"""
The ``scenetrail`` command: ``up``, ``migrate``, ``keys``, ``doctor``, ``dead-letters``, ``privacy``, ``import`` and more.

Only reads arguments, calls the module that does the work and shows the outcome. Each command
imports what it needs when it runs, so that ``--help`` answers at once. Exit codes: 0 done,
1 failed or a problem found, 2 wrong use or a condition the operator must remove first.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import msgspec
import typer

from sdk_spec import access
from sdk_spec.access import AdminToken, ReadToken, WriteKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

    from collector.keys import Issued

    Make = Callable[[access.AccessFile], tuple[access.AccessFile, Issued]]

Found = TypeVar("Found")

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
dead_letters_app = typer.Typer(
    help="Refused events: list, show, send again after repair. 被拒事件：查看、修复、重发。\n\n"
    "A refused event is kept for 90 days with the reason and its raw text. 保留 90 天。",
    no_args_is_help=True,
)
privacy_app = typer.Typer(
    help="Erase a person, or hand out all that is stored of one. 个人信息删除与导出。",
    no_args_is_help=True,
)
spool_app = typer.Typer(
    help="What was accepted and is not stored yet: take over that of a dead instance. 接管已失效实例的缓冲。",
    no_args_is_help=True,
)
app.add_typer(keys_app, name="keys")
app.add_typer(spool_app, name="spool")
app.add_typer(privacy_app, name="privacy")
app.add_typer(dead_letters_app, name="dead-letters")
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
        clickhouse_editor_url=clickhouse_editor_url,
    )
    try:
        code = up(options)
    except StartError as error:
        _refuse(str(error))
    raise typer.Exit(code)


@app.command()
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
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.doctor import Setup, with_running_addresses, without_password  # noqa: PLC0415
    from collector.migrate import MigrationChangedError  # noqa: PLC0415
    from collector.migrate import migrate as apply  # noqa: PLC0415
    from collector.nodes import ClusterError  # noqa: PLC0415

    url = with_running_addresses(
        Setup(data_dir=data_dir, access_path=data_dir, clickhouse_url=_address(clickhouse_url))
    ).clickhouse_url
    if not url:
        _refuse(
            "give --clickhouse-url, or start `scenetrail up`, which migrates by itself\n"
            "请提供 --clickhouse-url，或使用 scenetrail up（会自动升级）"
        )
    try:
        applied = apply(url, cluster)
    except ClusterError as error:
        _refuse(str(error))
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
    from collector.doctor import Setup, access_path_of, examine  # noqa: PLC0415

    findings = examine(
        Setup(
            data_dir=data_dir,
            access_path=access_path_of(data_dir, access_file),
            clickhouse_url=_address(clickhouse_url),
            clickhouse_reader_url=_address(clickhouse_reader_url),
            clickhouse_editor_url=_address(clickhouse_editor_url),
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


@keys_app.command("list")
def keys_list(
    data_dir: DataDir = DEFAULT_DATA_DIR, access_file: AccessFile = "", as_json: AsJson = False
) -> None:
    """Show apps, write keys and read tokens with their ids, never a secret (列出应用与密钥)."""
    file = access.load(_access_path(data_dir, access_file))
    if as_json:
        shown = msgspec.to_builtins(file)
        for one in (*shown["write_keys"], *shown["read_tokens"], *shown["admin_tokens"]):
            del one["sha256"]
        typer.echo(msgspec.json.encode(shown))
        return
    for one in file.apps:
        limits = "".join(f"  {name} {value}" for name, value in _own_rules(one).items())
        typer.echo(
            f"app         {one.app_id}  project {one.project}  {one.platform}  {one.name}{limits}"
        )
    for key in file.write_keys:
        typer.echo(f"write key   {key.key_id}  app {key.app_id}  {_life(key)}")
    for token in file.read_tokens:
        apps = " ".join(token.app_ids) or "all apps"
        typer.echo(f"read token  {token.token_id}  project {token.project}, {apps}  {_life(token)}")
    for admin in file.admin_tokens:
        typer.echo(f"admin token {admin.token_id}  project {admin.project}  {_life(admin)}")
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


@create_app.command("admin-token")
def create_admin_token(
    project: Annotated[str, typer.Option(help="The project whose persons it may erase. 项目。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add a token for POST /v1/privacy/erase and /v1/privacy/export (新增隐私管理令牌)."""
    from collector import keys  # noqa: PLC0415

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_admin_token(file, project, _now_ms()),
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


@keys_app.command("set")
def set_app(
    app_id: Annotated[str, typer.Argument(help="The app to change. 应用编号。")],
    signatures: Annotated[
        str | None,
        typer.Option(
            help="off, optional or required: signed requests of servers (sdk_spec/README.md). 请求签名。"
        ),
    ] = None,
    max_events_per_s: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of one collector worker; 0: the collector's limit. 每秒事件上限。"
        ),
    ] = None,
    max_body_bytes: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of one request, also decompressed; 0: 8 MiB as for all. 单请求字节上限。"
        ),
    ] = None,
    deny: Annotated[
        list[str] | None,
        typer.Option(
            help="Properties that are never stored: phone, id_card, bank_card, email, name:<pattern>; can be repeated; "
            "none takes all rules away. 禁止落盘的属性。"
        ),
    ] = None,
    hash_openids: Annotated[
        bool | None,
        typer.Option(
            "--hash-openids/--plain-openids",
            help="Keep only keyed hashes of openids. 仅存储 openid 的密钥哈希。",
        ),
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(min=0, help="Days that events are kept; 0: for ever. 数据保留天数。"),
    ] = None,
    signed_cards: Annotated[
        str | None,
        typer.Option(
            help="off, optional or required: share_ids signed by the brand's server. 分享卡片签名。"
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Change an app's limits, signatures, and what is kept of its users (设置应用的限额、签名与隐私)."""
    from collector import keys  # noqa: PLC0415

    try:
        keys.change_only(
            _access_path(data_dir, access_file),
            lambda file: keys.set_app(
                file,
                app_id,
                signatures=signatures,
                max_events_per_s=max_events_per_s,
                max_body_bytes=max_body_bytes,
                deny=None if deny is None else tuple(rule for rule in deny if rule != "none"),
                hash_openids=hash_openids,
                retention_days=retention_days,
                signed_cards=signed_cards,
            ),
        )
    except keys.KeysError as error:
        _refuse(str(error))
    typer.echo(f"changed {app_id} / 已修改")


@keys_app.command("card-key")
def card_key(
    app_id: Annotated[str, typer.Argument(help="The app whose cards are signed. 应用编号。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print the key with which the brand's own server signs share_ids (输出分享卡片签名密钥)."""
    from sdk_spec import cards, id_hashing  # noqa: PLC0415

    _check_app(data_dir, access_file, app_id)
    key = id_hashing.key_of(data_dir, make=True)
    typer.echo(cards.card_key(key or b"", app_id).decode())


@keys_app.command("phone-key")
def phone_key(
    project: OfProject = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print the key with which the business's own servers hash phone numbers (输出手机号哈希密钥)."""
    from sdk_spec import id_hashing, phones  # noqa: PLC0415

    name, _ = _project_of(data_dir, access_file, project)
    typer.echo(phones.phone_key(id_hashing.key_of(data_dir, make=True) or b"", name))


LetterApp = Annotated[str, typer.Option(help="Only of this app. 仅此应用。")]
LetterCode = Annotated[str, typer.Option(help="Only with this code, such as too_long. 仅此原因。")]
LetterSince = Annotated[
    str, typer.Option(help="From this moment on: 2026-11-22, 2026-11-22T08:00+08:00. 起始时间。")
]
LetterUntil = Annotated[str, typer.Option(help="Before this moment. 截止时间（不含）。")]
LetterLimit = Annotated[int, typer.Option(min=1, max=100_000, help="At most. 最多条数。")]
LetterIds = Annotated[
    list[str] | None, typer.Argument(help="Ids from `dead-letters list`. 列表中的编号。")
]


@dead_letters_app.command("list")
def dead_letters_list(
    app_id: LetterApp = "",
    code: LetterCode = "",
    since: LetterSince = "",
    until: LetterUntil = "",
    limit: LetterLimit = 100,
    with_redriven: Annotated[
        bool, typer.Option("--all", help="Also those that were sent again. 含已重发。")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    clickhouse_url: WriterUrl = "",
    as_json: AsJson = False,
) -> None:
    """Show refused events, the newest first, without their contents (列出被拒事件)."""
    from collector import dead_letters  # noqa: PLC0415

    wanted = dead_letters.Wanted(
        app_id, code, _moment(since, 0), _moment(until, 2**53), with_redriven, limit
    )
    found = _with_clickhouse(
        data_dir, clickhouse_url, lambda client: dead_letters.find(client, wanted)
    )
    if as_json:
        typer.echo(
            msgspec.json.encode([{"id": one.id, **msgspec.to_builtins(one)} for one in found])
        )
        return
    for one in found:
        again = "  sent again" if one.redriven_at else ""
        typer.echo(
            f"{one.id}  {_time(one.received_at)}  {one.app_id}  {one.code}  {one.path}{again}"
        )
    if not found:
        typer.echo("no dead letters / 无被拒事件", err=True)


@dead_letters_app.command("show")
def dead_letters_show(
    letter_id: Annotated[str, typer.Argument(help="Id from `dead-letters list`. 编号。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    clickhouse_url: WriterUrl = "",
    as_json: AsJson = False,
) -> None:
    """Show one refused event with reason, raw text and envelope (查看一条被拒事件)."""
    from collector import dead_letters  # noqa: PLC0415

    one = _with_clickhouse(
        data_dir, clickhouse_url, lambda client: dead_letters.get(client, letter_id)
    )
    if as_json:
        typer.echo(msgspec.json.encode({"id": one.id, **msgspec.to_builtins(one)}))
        return
    typer.echo(f"id           {one.id}")
    typer.echo(f"received     {_time(one.received_at)}")
    typer.echo(f"app          {one.app_id}  project {one.project}")
    typer.echo(f"reason       {one.code}  {one.path}")
    typer.echo(f"             {one.message}")
    typer.echo(f"sent again   {_time(one.redriven_at) if one.redriven_at else 'no'}")
    typer.echo(f"envelope     {one.envelope or '(the event below is the whole body)'}")
    typer.echo(f"event        {one.raw}")


@dead_letters_app.command("redrive")
def dead_letters_redrive(
    write_key: Annotated[
        str,
        typer.Option(
            envvar="SCENETRAIL_WRITE_KEY",
            help="A write key of the events' app; better as a variable than as an argument. 写入密钥。",
        ),
    ],
    letter_ids: LetterIds = None,
    event_file: Annotated[
        Path | None,
        typer.Option(help="The repaired event as JSON; with one id. 修复后的事件文件。"),
    ] = None,
    app_id: LetterApp = "",
    code: LetterCode = "",
    since: LetterSince = "",
    until: LetterUntil = "",
    limit: LetterLimit = 100,
    collector_url: Annotated[
        str, typer.Option(help="By default that of the running `scenetrail up`. 采集地址。")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
    as_json: AsJson = False,
) -> None:
    """
    Send refused events again through the collector (重发被拒事件).

    Those of the given ids, or all that the options choose and that were not sent again yet. What the
    collector takes is marked; an event that it knows already counts once. Exit code 1 when one was
    refused again.
    """
    from collector import dead_letters  # noqa: PLC0415
    from collector.doctor import running_collector_url  # noqa: PLC0415

    if event_file is not None and len(letter_ids or []) != 1:
        _refuse("--event-file repairs one event: give exactly one id / 请仅指定一个编号")
    if not letter_ids and not (app_id or code or since):
        _refuse("give ids, or choose by --app-id, --code or --since / 请指定编号或筛选条件")
    url = collector_url or running_collector_url(data_dir)
    if not url:
        _refuse("give --collector-url, or start `scenetrail up` / 请提供 --collector-url")
    edited = None if event_file is None else event_file.read_bytes()
    key_id = _signing_key_id(_access_path(data_dir, access_file), write_key)
    wanted = dead_letters.Wanted(
        app_id, code, _moment(since, 0), _moment(until, 2**53), limit=limit
    )

    def send(client: Client) -> list[dead_letters.Redriven]:
        letters = (
            [dead_letters.get(client, one) for one in letter_ids]
            if letter_ids
            else dead_letters.find(client, wanted)
        )
        return [
            dead_letters.redrive(client, one, url, write_key, edited, key_id) for one in letters
        ]

    done = _with_clickhouse(data_dir, clickhouse_url, send)
    if as_json:
        typer.echo(msgspec.json.encode(done))
    else:
        for one in done:
            typer.echo(f"{one.id}  {one.status}  {one.error or 'taken / 已接收'}")
        if not done:
            typer.echo("no dead letters / 无被拒事件", err=True)
    raise typer.Exit(int(any(one.error for one in done)))


PersonId = Annotated[
    str,
    typer.Argument(
        help="Any id of the person: kind:value, or kind@app_id:value for one app. 任一标识，如 openid:o123。"
    ),
]


@privacy_app.command("erase")
def privacy_erase(
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
    from collector import privacy  # noqa: PLC0415

    name, app_ids = _project_of(data_dir, access_file, project)
    stored_as = privacy.stored_as(access.load(_access_path(data_dir, access_file)).apps, data_dir)

    def work(*nodes: Client) -> privacy.Receipt:
        client = nodes[0]
        person = privacy.find(client, name, asked, app_ids, stored_as)
        if not yes:
            ids = "\n".join(f"  {kind} {value}  {app}" for kind, app, value in person.ids)
            typer.echo(f"all data of this person goes / 将删除该用户的全部数据:\n{ids}", err=True)
            typer.confirm("erase / 确认删除", abort=True, err=True)
        return privacy.erase(client, data_dir / "spool", person, asked, nodes=nodes)

    typer.echo(msgspec.json.encode(_private(data_dir, clickhouse_url, work, on_all_nodes=True)))


@privacy_app.command("export")
def privacy_export(
    asked: PersonId,
    project: OfProject = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
) -> None:
    """Print everything of a person, one JSON object a line, the receipt last (导出某个用户的全部数据)."""
    from collector import privacy  # noqa: PLC0415

    name, app_ids = _project_of(data_dir, access_file, project)
    stored_as = privacy.stored_as(access.load(_access_path(data_dir, access_file)).apps, data_dir)

    def work(client: Client) -> None:
        person = privacy.find(client, name, asked, app_ids, stored_as)
        for row in privacy.export(client, person, asked):
            typer.echo(msgspec.json.encode(row))

    _private(data_dir, clickhouse_url, work)


@privacy_app.command("expire")
def privacy_expire(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    clickhouse_url: WriterUrl = "",
) -> None:
    """Remove what is older than `keys set APP --retention-days` allows; the collector does so hourly (清理过期数据)."""
    from collector import retention  # noqa: PLC0415

    apps = access.load(_access_path(data_dir, access_file)).apps

    def work(*nodes: Client) -> dict[str, dict[str, int]]:
        return retention.expire(nodes, apps, _now_ms())

    typer.echo(msgspec.json.encode(_private(data_dir, clickhouse_url, work, on_all_nodes=True)))


@privacy_app.command("hash-openid")
def privacy_hash_openid(
    app_id: Annotated[str, typer.Argument(help="The app. 应用编号。")],
    openid: Annotated[str, typer.Argument(help="As the platform gives it. 平台返回的 openid。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print what is stored of an openid where an app keeps hashes only (计算 openid 的存储哈希)."""
    from sdk_spec import id_hashing  # noqa: PLC0415

    _check_app(data_dir, access_file, app_id)
    key = id_hashing.key_of(data_dir)
    if key is None:
        _refuse(f"no {id_hashing.FILE} in {data_dir}: no app hashes openids here yet / 尚无密钥")
    typer.echo(id_hashing.hashed(key, app_id, openid))


@privacy_app.command("hash-phone")
def privacy_hash_phone(
    phone: Annotated[
        str,
        typer.Argument(help="The number; - reads it from standard input. 手机号，- 表示标准输入。"),
    ],
    project: OfProject = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print the phone_hash of a number, such as for `privacy erase phone_hash:…` (计算手机号的密钥哈希)."""
    from sdk_spec import id_hashing, phones  # noqa: PLC0415

    name, _ = _project_of(data_dir, access_file, project)
    key = id_hashing.key_of(data_dir)
    if key is None:
        _refuse(
            f"no {id_hashing.FILE} in {data_dir}: `scenetrail keys phone-key` makes it / 尚无密钥"
        )
    try:
        number = sys.stdin.readline() if phone == "-" else phone
        typer.echo(phones.phone_hash(phones.phone_key(key, name), number))
    except ValueError as error:
        _refuse(str(error))


@app.command()
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
    from collector.export import ExportError, export_events  # noqa: PLC0415

    from_ms, to_ms = _moment(since, 0), _moment(until, 2**42)

    def work(client: Client) -> int:
        return export_events(client, app_id, from_ms, to_ms, to)

    try:
        number = _with_clickhouse(data_dir, clickhouse_url, work)
    except (ExportError, OSError) as error:
        _fail(str(error))
    typer.echo(f"{number} events / 条事件: {to}")


@app.command("import")
def import_history(
    files: Annotated[
        list[str],
        typer.Argument(
            help="NDJSON, CSV or Parquet: paths, patterns, s3://bucket/…, https://…. 文件、通配符或地址。"
        ),
    ],
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
    are sent. Exit code 1 when a row was refused.
    """
    from rich.console import Console  # noqa: PLC0415

    from collector import history, history_console, history_files, settings  # noqa: PLC0415
    from collector.sinks import ClickHouseSink  # noqa: PLC0415
    from sdk_spec import id_hashing  # noqa: PLC0415

    if file_format not in ("", *history_files.FORMATS):
        _refuse(f"--format is one of {', '.join(history_files.FORMATS)}")
    url = _clickhouse_url(data_dir, clickhouse_url)
    console = Console(stderr=True)
    config = settings.from_env()
    sink = ClickHouseSink(url, config.insert_timeout_s)
    with ExitStack() as opened:
        opened.callback(sink.close)
        try:
            sources = history_files.find(files, file_format, opened)
            importer = history.Importer(
                access.load(_access_path(data_dir, access_file)).apps,
                sink,
                hash_key=lambda: id_hashing.key_of(data_dir, make=True),
                now_ms=_now_ms(),
                max_clock_skew_ms=config.max_clock_skew_ms,
                app_id=app_id,
                refused_to=opened.enter_context(history.refused_file(refused)),
                is_dry=dry_run,
                rows_at_once=config.block_rows,
            )
            advance = opened.enter_context(history_console.bar(console, sources))
            report = importer.run(sources, encoding, advance)
        except history_files.SourceError as error:
            _refuse(str(error))
        except history.HistoryError as error:
            _fail(
                f"broke off, repeat it: nothing counts twice / 中断，请重试，不会重复计数: {error}"
            )
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        history_console.show(Console(), report)
        if report.refused_rows:
            typer.echo(f"refused rows with reasons / 被拒行及原因: {refused}", err=True)
    raise typer.Exit(int(bool(report.refused_rows)))


BackupPlace = Annotated[
    str,
    typer.Argument(
        help="Of ClickHouse's BACKUP, with {part}: \"File('/backups/monday/{part}')\", S3(…), Disk(…). 备份位置。"
    ),
]


@app.command()
def backup(
    to: BackupPlace, data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = ""
) -> None:
    """Back up all tables of all nodes while the collectors go on (在线备份)."""
    from collector import backup as backups  # noqa: PLC0415

    _back_up(backups.backup, data_dir, clickhouse_url, to)


@app.command()
def restore(
    place: BackupPlace, data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = ""
) -> None:
    """Restore into an empty database; then run `scenetrail migrate` (恢复到空库，之后执行 migrate)."""
    from collector import backup as backups  # noqa: PLC0415

    _back_up(backups.restore, data_dir, clickhouse_url, place)


def _back_up(work: Callable[..., None], data_dir: Path, clickhouse_url: str, place: str) -> None:
    from collector.backup import BackupError, Step  # noqa: PLC0415
    from collector.doctor import without_password  # noqa: PLC0415
    from collector.migrate import addresses  # noqa: PLC0415

    names = [without_password(url) for url in addresses(_clickhouse_url(data_dir, clickhouse_url))]

    def told(step: Step) -> None:
        typer.echo(f"{step.status}  {step.part}  {step.size_bytes} bytes  {step.node}")

    try:
        _with_clickhouse(
            data_dir,
            clickhouse_url,
            lambda *nodes: work(nodes, names, place, told),
            on_all_nodes=True,
        )
    except BackupError as error:
        _fail(str(error))


@spool_app.command("adopt")
def spool_adopt(
    dead_data_dir: Annotated[
        Path,
        typer.Argument(
            help="Data folder of the instance that will not come back. 已失效实例的数据目录。"
        ),
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """
    Take over what another instance accepted and did not store (接管另一实例未入库的事件).

    The collector on --data-dir stores it, each event once; it may be running. Safe to repeat after it broke off.
    """
    from collector.adopt import AdoptError, adopt  # noqa: PLC0415
    from collector.spool import SpoolInUseError  # noqa: PLC0415

    try:
        adopted = adopt(dead_data_dir / "spool", data_dir / "spool")
    except AdoptError as error:
        _refuse(str(error))
    except SpoolInUseError as error:
        _refuse(f"{error}: that instance lives and stores its spool itself / 该实例仍在运行")
    except OSError as error:
        _fail(f"broke off, repeat it / 中断，请重试: {error}")
    typer.echo(f"{adopted.segments} files, {adopted.size_bytes} bytes")


def _private(
    data_dir: Path, clickhouse_url: str, work: Callable[..., Found], *, on_all_nodes: bool = False
) -> Found:
    from collector.privacy import PrivacyError  # noqa: PLC0415

    try:
        return _with_clickhouse(data_dir, clickhouse_url, work, on_all_nodes=on_all_nodes)
    except PrivacyError as error:
        _refuse(str(error))


def _project_of(data_dir: Path, access_file: str, project: str) -> tuple[str, list[str]]:
    """Return the project meant and its apps."""
    apps = access.load(_access_path(data_dir, access_file)).apps
    names = sorted({one.project for one in apps})
    if not project and len(names) == 1:
        [project] = names
    if project not in names:
        _refuse(f"--project is one of: {', '.join(names) or 'none yet'} / 请用 --project 指定项目")
    return project, sorted(one.app_id for one in apps if one.project == project)


def _check_app(data_dir: Path, access_file: str, app_id: str) -> None:
    """Refuse an app that is not there: what is derived from a mistyped name looks right and fits nothing."""
    apps = [one.app_id for one in access.load(_access_path(data_dir, access_file)).apps]
    if app_id not in apps:
        _refuse(f"no app {app_id!r}; apps: {', '.join(apps) or 'none yet'} / 没有该应用")


def _with_clickhouse(
    data_dir: Path, clickhouse_url: str, work: Callable[..., Found], *, on_all_nodes: bool = False
) -> Found:
    """
    Do something with the tables of the given or the running server; errors are told and end the command.

    ``work`` takes a client, or with ``on_all_nodes`` one of each node of a cluster.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    from collector.dead_letters import DeadLetterError  # noqa: PLC0415
    from collector.doctor import without_password  # noqa: PLC0415
    from collector.migrate import addresses, connect  # noqa: PLC0415

    url = _clickhouse_url(data_dir, clickhouse_url)
    try:
        urls = addresses(url) if on_all_nodes else [url]
        with ExitStack() as open_clients:
            nodes = []
            for each in urls:
                nodes.append(connect(each))
                open_clients.callback(nodes[-1].close)
            return work(*nodes)
    except DeadLetterError as error:
        _refuse(str(error))
    except ClickHouseError as error:
        _fail(f"{without_password(url)}: {error}")


def _clickhouse_url(data_dir: Path, clickhouse_url: str) -> str:
    """The address that was given, or that of the running server."""
    from collector.doctor import Setup, with_running_addresses  # noqa: PLC0415

    url = with_running_addresses(
        Setup(data_dir=data_dir, access_path=data_dir, clickhouse_url=_address(clickhouse_url))
    ).clickhouse_url
    if not url:
        _refuse("give --clickhouse-url, or start `scenetrail up` / 请提供 --clickhouse-url")
    return url


def _moment(text: str, default: int) -> int:
    """Epoch ms of a moment on the command line; without a zone it is this machine's."""
    if not text:
        return default
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        _refuse(f"{text!r} is no moment such as 2026-11-22 or 2026-11-22T08:00+08:00: {error}")


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds")


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


def _life(issued: WriteKey | ReadToken | AdminToken) -> str:
    made = datetime.fromtimestamp(issued.created_at / 1000, UTC).isoformat(timespec="seconds")
    if not issued.revoked_at:
        return f"made {made}"
    ended = datetime.fromtimestamp(issued.revoked_at / 1000, UTC).isoformat(timespec="seconds")
    return f"made {made}, revoked {ended}"


def _signing_key_id(path: Path, write_key: str) -> str:
    """The id of a write key whose app takes signatures, as far as this machine knows; else empty."""
    known = access.Access(path)
    key, app = known.write_key(write_key), known.app_of_key(write_key)
    return key.key_id if key is not None and app is not None and app.signatures != "off" else ""


def _own_rules(app: access.App) -> dict[str, object]:
    """What was set for an app other than for all."""
    rules = {
        "signatures": app.signatures if app.signatures != "off" else "",
        "max_events_per_s": app.max_events_per_s,
        "max_body_bytes": app.max_body_bytes,
        "deny": " ".join(app.deny),
        "hash_openids": app.hash_openids,
        "retention_days": app.retention_days,
        "signed_cards": app.signed_cards if app.signed_cards != "off" else "",
    }
    return {name: value for name, value in rules.items() if value}


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
    """Entry point of the ``scenetrail`` command. Commands of other packages are found by their entry points."""
    for command in entry_points(group="scenetrail.commands"):
        app.command(command.name)(command.load())
    try:
        app()
    except (OSError, msgspec.DecodeError) as error:
        typer.echo(
            f"scenetrail: {error}; `scenetrail doctor` says more / 可用 doctor 自检", err=True
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
