"""
The ``scenetrail`` command, put together of the subjects in ``commands/`` and of those that other packages add.

Exit codes: 0 done, 1 failed or a problem found, 2 wrong use or a condition the operator must remove first.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import entry_points

import msgspec
import typer

from collector.commands import (
    dead_letters,
    doctor,
    history,
    identity,
    keys,
    privacy,
    spool,
    tables,
    up,
)

app = typer.Typer(
    name="scenetrail",
    help="Event tracking for mini-programs on ClickHouse. 小程序埋点、采集与分析。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.command()(tables.migrate)
app.command()(doctor.doctor)
app.command()(history.export)
app.command("import")(history.import_history)
app.command()(tables.backup)
app.command()(tables.restore)
app.add_typer(keys.app, name="keys")
app.add_typer(spool.app, name="spool")
app.add_typer(privacy.app, name="privacy")
app.add_typer(identity.app, name="identity")
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> None:
    """Entry point of the ``scenetrail`` command. Commands of other packages are found by their entry points."""
    # Its errors are raised as well, and told by the commands.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
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
