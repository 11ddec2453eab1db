"""The folder that the processes of a collector share: made anew, found by its owner, not left behind for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector import metrics

HOLD = (
    "import sys, time, pathlib\n"
    "from collector import metrics\n"
    "print(metrics.make_folder(pathlib.Path(sys.argv[1])), flush=True)\n"
    "time.sleep(600)\n"
)


def hold(owner: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that made its folder and lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(owner)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_folders_of_the_dead_leave_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead, its = hold(tmp_path / "dead")
    living, kept = hold(tmp_path / "living")
    dead.kill()
    dead.communicate()

    mine = metrics.make_folder(tmp_path / "mine")

    assert not its.exists()
    assert kept.is_dir()
    assert mine == metrics.folder_for(tmp_path / "mine")
    assert mine.stat().st_mode & 0o777 == 0o700
    living.kill()
    living.communicate()


def test_gauges_of_processes_that_ended_are_forgotten(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, here = (
        tmp_path / f"gauge_livesum_{ended.pid}.db",
        tmp_path / f"gauge_livemax_{os.getpid()}.db",
    )
    counter = tmp_path / f"counter_{ended.pid}.db"
    for path in (gone, here, counter):
        path.touch()

    metrics.forget_dead_processes(tmp_path)

    assert not gone.exists()
    assert here.exists()
    assert counter.exists(), "what was counted stays counted"


def test_a_gauge_is_forgotten_whose_process_number_another_user_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would count for ever, and the metrics would be an error for as long as that process lives."""
    gone = tmp_path / "gauge_livesum_1.db"
    gone.touch()

    def not_allowed(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", not_allowed)
    metrics.forget_dead_processes(tmp_path)

    assert not gone.exists()


def test_a_file_that_is_just_being_made_is_passed_over(tmp_path: Path) -> None:
    (metrics.make_folder(tmp_path) / f"counter_{os.getpid()}.db").touch()

    assert metrics.exposition(tmp_path) == b""
