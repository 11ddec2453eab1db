"""``scenetrail spool``: what a dead instance accepted is taken over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collector.commands.options import DEFAULT_DATA_DIR, DataDir
from collector.commands.outcome import fail, refuse

app = typer.Typer(
    help="What was accepted and is not stored yet: take over that of a dead instance. 接管已失效实例的缓冲。",
    no_args_is_help=True,
)


@app.command("adopt")
def adopt_spool(
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
    from collector.adopt import AdoptError, adopt
    from collector.spool_folder import SpoolInUseError

    try:
        adopted = adopt(dead_data_dir / "spool", data_dir / "spool")
    except AdoptError as error:
        refuse(str(error))
    except SpoolInUseError as error:
        refuse(f"{error}: that instance lives and stores its spool itself / 该实例仍在运行")
    except OSError as error:
        fail(f"broke off, repeat it / 中断，请重试: {error}")
    typer.echo(f"{adopted.segments} files, {adopted.size_bytes} bytes")
