"""``python -m collector``: what it refuses before it touches a folder or a port."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def started(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_the_settings(tmp_path: Path) -> None:
    found = started(tmp_path, "--help")
    assert (found.returncode, found.stderr) == (0, "")
    assert "SCENETRAIL_COLLECTOR_PORT" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        (["migrate"], {}, "scenetrail --help"),
        ([], {"SCENETRAIL_WORKERS": "many"}, "SCENETRAIL_WORKERS"),
    ],
)
def test_what_it_does_not_know_starts_nothing(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], told: str
) -> None:
    found = started(tmp_path, *arguments, **settings)
    assert (found.returncode, found.stdout) == (2, "")
    assert told in found.stderr
    assert not list(tmp_path.iterdir())
