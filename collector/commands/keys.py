"""``scenetrail keys``: apps, their rules, keys and tokens in the access file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from collector.commands.options import DEFAULT_DATA_DIR, AccessFile, AsJson, DataDir, OfProject
from collector.commands.outcome import refuse
from collector.commands.reach import check_app, now_ms, project_of
from sdk_spec import access
from sdk_spec.access import AdminToken, ReadToken, WriteKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.keys import Issued

    Make = Callable[[access.AccessFile], tuple[access.AccessFile, Issued]]

app = typer.Typer(
    help="Apps, write keys and read tokens: list, create, rotate, revoke. 应用与密钥管理。\n\n"
    "A write key lets a client send events of one app; a read token lets a program query a project. "
    "Several may be valid at once. Changes take effect within seconds, without a restart. A secret "
    "is shown once, when it is made; only its digest is kept. 密钥只在创建时显示一次。",
    no_args_is_help=True,
)
create = typer.Typer(help="Make an app, a write key or a read token. 新建。", no_args_is_help=True)
app.add_typer(create, name="create")


@app.command("list")
def list_all(
    data_dir: DataDir = DEFAULT_DATA_DIR, access_file: AccessFile = "", as_json: AsJson = False
) -> None:
    """Show apps, write keys and read tokens with their ids, never a secret (列出应用与密钥)."""
    file = access.load(access.path_of(data_dir, access_file))
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


@create.command("app")
def create_app(
    app_id: Annotated[str, typer.Option(help="Such as wx0123456789abcdef. 应用编号。")],
    project: Annotated[str, typer.Option(help="Brand or group it belongs to. 所属项目（集团）。")],
    platform: Annotated[str, typer.Option(help="wechat, alipay, douyin, … 平台。")] = "",
    name: Annotated[str, typer.Option(help="Shown to people. 显示名称。")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add an app with its first write key (新建应用及其首个写入密钥)."""
    from collector import keys

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_write_key(
            keys.add_app(file, app_id, project, platform, name), app_id, now_ms()
        ),
        as_json=as_json,
    )


@create.command("write-key")
def create_write_key(
    app_id: Annotated[str, typer.Option(help="The app whose events it may send. 应用编号。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add a write key beside the app's others (新增写入密钥)."""
    from collector import keys

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_write_key(file, app_id, now_ms()),
        as_json=as_json,
    )


@create.command("read-token")
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
    from collector import keys

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_read_token(file, project, tuple(app_id or ()), now_ms()),
        as_json=as_json,
    )


@create.command("admin-token")
def create_admin_token(
    project: Annotated[str, typer.Option(help="The project whose persons it may erase. 项目。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
    as_json: AsJson = False,
) -> None:
    """Add a token for POST /v1/privacy/erase and /v1/privacy/export (新增隐私管理令牌)."""
    from collector import keys

    _issue(
        data_dir,
        access_file,
        lambda file: keys.add_admin_token(file, project, now_ms()),
        as_json=as_json,
    )


Identifier = Annotated[
    str, typer.Argument(help="Id of a key, token or app from `keys list`. 密钥、令牌或应用的编号。")
]


@app.command()
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
    from collector import keys

    _issue(
        data_dir,
        access_file,
        lambda file: keys.rotate(file, identifier, now_ms(), keep_old=keep_old),
        as_json=as_json,
    )


@app.command()
def revoke(
    identifier: Identifier, data_dir: DataDir = DEFAULT_DATA_DIR, access_file: AccessFile = ""
) -> None:
    """End a key or token within seconds; for an app, all its write keys (吊销密钥)."""
    from collector import keys

    try:
        keys.change_only(
            access.path_of(data_dir, access_file),
            lambda file: keys.revoke(file, identifier, now_ms()),
        )
    except keys.KeysError as error:
        refuse(str(error))
    typer.echo(f"revoked {identifier} / 已吊销")


@app.command("set")
def set_app(
    app_id: Annotated[str, typer.Argument(help="The app to change. 应用编号。")],
    name: Annotated[
        str | None,
        typer.Option(help="Shown to people: “中文 / English”, or one for both. 显示名称。"),
    ] = None,
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
    """Change an app's name, limits, signatures, and what is kept of its users (设置应用的名称、限额、签名与隐私)."""
    from collector import keys

    try:
        keys.change_only(
            access.path_of(data_dir, access_file),
            lambda file: keys.set_app(
                file,
                app_id,
                name=name,
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
        refuse(str(error))
    typer.echo(f"changed {app_id} / 已修改")


@app.command("card-key")
def card_key(
    app_id: Annotated[str, typer.Argument(help="The app whose cards are signed. 应用编号。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print the key with which the brand's own server signs share_ids (输出分享卡片签名密钥)."""
    from sdk_spec import cards, id_hashing

    check_app(data_dir, access_file, app_id)
    key = id_hashing.key_of(data_dir, make=True)
    typer.echo(cards.card_key(key or b"", app_id).decode())


@app.command("phone-key")
def phone_key(
    project: OfProject = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    access_file: AccessFile = "",
) -> None:
    """Print the key with which the business's own servers hash phone numbers (输出手机号哈希密钥)."""
    from sdk_spec import id_hashing, phones

    name, _ = project_of(data_dir, access_file, project)
    typer.echo(phones.phone_key(id_hashing.key_of(data_dir, make=True) or b"", name))


def _issue(data_dir: Path, access_file: str, make: Make, *, as_json: bool) -> None:
    """Apply a change and show the new secret, once."""
    from collector import keys

    try:
        issued = keys.change(access.path_of(data_dir, access_file), make)
    except keys.KeysError as error:
        refuse(str(error))
    if as_json:
        typer.echo(msgspec.json.encode(issued))
        return
    typer.echo(f"{issued.kind}  {issued.secret}")
    typer.echo(f"id         {issued.id}")
    typer.echo("Keep it now: it is not shown again. 请立即保存，之后不再显示。", err=True)


def _life(issued: WriteKey | ReadToken | AdminToken) -> str:
    made = datetime.fromtimestamp(issued.created_at / 1000, UTC).isoformat(timespec="seconds")
    if not issued.revoked_at:
        return f"made {made}"
    ended = datetime.fromtimestamp(issued.revoked_at / 1000, UTC).isoformat(timespec="seconds")
    return f"made {made}, revoked {ended}"


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
