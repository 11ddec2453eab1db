"""``scenetrail identity``: all persons are worked out anew and compared with what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from collector.commands.options import DEFAULT_DATA_DIR, AsJson, DataDir, WriterUrl
from collector.commands.outcome import fail, refuse
from collector.commands.reach import clickhouse_url_of, with_clickhouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from collector.all_persons import Tally, Wrong

_NAMED = 100
"""Wrong ids that are named; the others are counted."""

app = typer.Typer(
    help="Who is one person: check what is stored, or work it out anew. 用户归并：检查与重算。",
    no_args_is_help=True,
)


@app.command("check")
def check(
    data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = "", as_json: AsJson = False
) -> None:
    """
    Compare all persons and conflicts with what follows from the bindings; changes nothing (检查全部用户归并).

    Names the first hundred ids that differ. Exit code 1 when there are any.
    """
    tally = _go_through(data_dir, clickhouse_url, as_json, mend=False)
    raise typer.Exit(int(bool(tally.ids or tally.conflicts)))


@app.command("rebuild")
def rebuild(
    data_dir: DataDir = DEFAULT_DATA_DIR, clickhouse_url: WriterUrl = "", as_json: AsJson = False
) -> None:
    """
    The same, and what differs is stored as it should be, on all nodes (重算并修正用户归并，可重复执行).

    The collectors may run meanwhile. Conflicts that hold no more leave the list.
    """
    _go_through(data_dir, clickhouse_url, as_json, mend=True)


def _go_through(data_dir: Path, clickhouse_url: str, as_json: bool, *, mend: bool) -> Tally:
    from collector import settings
    from collector.all_persons import AllPersons, UnsettledError
    from collector.privacy import PrivacyError
    from collector.sinks import ClickHouseSink

    url = clickhouse_url_of(data_dir, clickhouse_url)
    named = 0

    def told(tally: Tally, wrong: list[Wrong]) -> None:
        nonlocal named
        for one in wrong[: _NAMED - named]:
            typer.echo(msgspec.json.encode(one) if as_json else _line(one))
            named += 1
        typer.echo(
            f"{tally.seen:,} of about {tally.of_about:,} ids / 已处理; {_differing(tally)}",
            err=True,
        )

    def work(*nodes: Client) -> Tally:
        sink = ClickHouseSink(url, settings.from_env().insert_timeout_s)
        try:
            everyone = AllPersons(sink, nodes)
            return everyone.rebuild(told) if mend else everyone.check(told)
        finally:
            sink.close()

    try:
        tally = with_clickhouse(data_dir, clickhouse_url, work, on_all_nodes=True)
    except PrivacyError as error:
        refuse(str(error))
    except UnsettledError as error:
        fail(str(error))
    typer.echo(
        msgspec.json.encode(tally) if as_json else f"{tally.seen:,} ids; {_differing(tally)}"
    )
    return tally


def _differing(tally: Tally) -> str:
    return (
        f"wrong / 有误: {tally.ids:,} ids of {tally.persons:,} persons, {tally.conflicts:,} conflicts; "
        f"listed and no longer so / 已失效的冲突: {tally.settled:,}"
    )


def _line(wrong: Wrong) -> str:
    stored = " ".join(str(person) for person in wrong.persons)
    name = f"{wrong.kind}:{wrong.id}" if wrong.id else "?"
    return f"{name}  {wrong.app_id or wrong.project}  key {wrong.key}  person {wrong.person}  stored {stored}"
