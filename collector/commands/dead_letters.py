"""``scenetrail dead-letters``: refused events are looked at and sent again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from collector.commands.options import DEFAULT_DATA_DIR, AccessFile, AsJson, DataDir, WriterUrl
from collector.commands.outcome import refuse
from collector.commands.reach import moment, with_clickhouse
from collector.running import published
from sdk_spec import access

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

    from collector import dead_letters

Found = TypeVar("Found")

app = typer.Typer(
    help="Refused events: list, show, send again after repair. 被拒事件：查看、修复、重发。\n\n"
    "A refused event is kept for 90 days with the reason and its raw text. 保留 90 天。",
    no_args_is_help=True,
)

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


@app.command("list")
def list_letters(
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
    from collector import dead_letters

    wanted = dead_letters.Wanted(
        app_id, code, moment(since, 0), moment(until, 2**53), with_redriven, limit
    )
    found = _with_letters(
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


@app.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(help="Id from `dead-letters list`. 编号。")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    clickhouse_url: WriterUrl = "",
    as_json: AsJson = False,
) -> None:
    """Show one refused event with reason, raw text and envelope (查看一条被拒事件)."""
    from collector import dead_letters

    one = _with_letters(
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


@app.command("redrive")
def redrive(
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
    from collector import dead_letters

    if event_file is not None and len(letter_ids or []) != 1:
        refuse("--event-file repairs one event: give exactly one id / 请仅指定一个编号")
    if not letter_ids and not (app_id or code or since):
        refuse("give ids, or choose by --app-id, --code or --since / 请指定编号或筛选条件")
    url = collector_url or _running_collector_url(data_dir)
    edited = None if event_file is None else event_file.read_bytes()
    key_id = _signing_key_id(access.path_of(data_dir, access_file), write_key)
    wanted = dead_letters.Wanted(app_id, code, moment(since, 0), moment(until, 2**53), limit=limit)

    def send(client: Client) -> list[dead_letters.Redriven]:
        letters = (
            [dead_letters.get(client, one) for one in letter_ids]
            if letter_ids
            else dead_letters.find(client, wanted)
        )
        return [
            dead_letters.redrive(client, one, url, write_key, edited, key_id) for one in letters
        ]

    done = _with_letters(data_dir, clickhouse_url, send)
    if as_json:
        typer.echo(msgspec.json.encode(done))
    else:
        for one in done:
            typer.echo(f"{one.id}  {one.status}  {one.error or 'taken / 已接收'}")
        if not done:
            typer.echo("no dead letters / 无被拒事件", err=True)
    raise typer.Exit(int(any(one.error for one in done)))


def _running_collector_url(data_dir: Path) -> str:
    ready = published(data_dir)
    if ready is None:
        refuse("give --collector-url, or start `scenetrail up` / 请提供 --collector-url")
    return ready.collector_url


def _with_letters(data_dir: Path, clickhouse_url: str, work: Callable[[Client], Found]) -> Found:
    from collector.dead_letters import DeadLetterError

    try:
        return with_clickhouse(data_dir, clickhouse_url, work)
    except DeadLetterError as error:
        refuse(str(error))


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds")


def _signing_key_id(path: Path, write_key: str) -> str:
    """The id of a write key whose app takes signatures, as far as this machine knows; else empty."""
    known = access.Access(path)
    key, app = known.write_key(write_key), known.app_of_key(write_key)
    return key.key_id if key is not None and app is not None and app.signatures != "off" else ""
