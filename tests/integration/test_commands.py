"""Every command of ``scenetrail`` as a process, used wrongly: what is wrong is said in clear words, and nothing is done."""

import os
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer
from standalone_process import SCENETRAIL
from typer.core import TyperGroup

from collector import cli
from sdk_spec.access import AccessFile, App, save

WRONG: dict[str, tuple[list[str], str]] = {
    "up": (["--workers", "0"], "greater than or equal to 1"),
    "migrate": ([], "give --clickhouse-url, or start `scenetrail up`"),
    "doctor": (["--clickhouse-url", "nonsense"], "must look like http://user:password@host"),
    "backup": (["nowhere"], "give --clickhouse-url"),
    "restore": (["nowhere"], "give --clickhouse-url"),
    "export": (["x.parquet"], "--app-id"),
    "import": (["nowhere.csv"], "give --clickhouse-url"),
    "query": ([], "report"),
    "keys list": (["--secrets"], "--secrets"),
    "keys rotate": (["nothing"], "no key, token or app has the id 'nothing'"),
    "keys revoke": (["nothing"], "no key, token or app has the id 'nothing'"),
    "keys set": (["nothing", "--retention-days", "3"], "no app 'nothing'; apps: wx1"),
    "keys card-key": (["nothing"], "no app 'nothing'; apps: wx1"),
    "keys phone-key": (["--project", "nothing"], "--project is one of: brand"),
    "keys create app": (["--app-id", "wx1", "--project", "brand"], "wx1"),
    "keys create write-key": (["--app-id", "nothing"], "no app 'nothing'; apps: wx1"),
    "keys create read-token": (["--project", "nothing"], "projects: brand"),
    "keys create admin-token": (["--project", "nothing"], "projects: brand"),
    "spool adopt": (["nowhere"], "is no spool"),
    "identity check": ([], "give --clickhouse-url"),
    "identity rebuild": ([], "give --clickhouse-url"),
    "privacy erase": (["o1"], "give --clickhouse-url"),
    "privacy export": (["o1", "--project", "nothing"], "--project is one of: brand"),
    "privacy expire": ([], "give --clickhouse-url"),
    "privacy hash-openid": (["nothing", "o1"], "no app 'nothing'; apps: wx1"),
    "privacy hash-phone": (["13800138000"], "`scenetrail keys phone-key` makes it"),
    "dead-letters list": (["--since", "yesterday"], "'yesterday' is no moment such as 2026-11-22"),
    "dead-letters show": (["nothing"], "give --clickhouse-url"),
    "dead-letters redrive": (["--write-key", "wk_1"], "give ids, or choose by --app-id"),
}
"""Command → arguments and what must be said."""


def commands() -> Iterator[str]:
    """All commands, with those that other packages add."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)

    def walk(group: TyperGroup, path: str) -> Iterator[str]:
        for name, one in group.commands.items():
            if isinstance(one, TyperGroup):
                yield from walk(one, f"{path}{name} ")
            else:
                yield path + name

    yield from walk(group, "")
    yield from (one.name for one in entry_points(group="scenetrail.commands"))


@pytest.mark.parametrize("command", sorted({*commands()}))
def test_wrong_use_is_told_and_changes_nothing(command: str, tmp_path: Path) -> None:
    save(tmp_path / "access.json", AccessFile(apps=(App("wx1", "brand"),)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    arguments, told = WRONG[command]

    done = subprocess.run(
        [*SCENETRAIL, *command.split(), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "SCENETRAIL_DATA_DIR": str(tmp_path),
            "COLUMNS": "300",
            "NO_COLOR": "1",
        },
    )

    said = done.stdout + done.stderr
    assert done.returncode in (1, 2), said
    assert told in said
    assert "Traceback" not in said
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix != ".lock"}
    assert after == before
