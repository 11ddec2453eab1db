"""The parts of ``collector.processes`` that need no supervised child."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.processes import Child, Supervisor, descendants, describe_exit, rotate_log


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exit 0"), (3, "exit 3"), (-9, "SIGKILL"), (-15, "SIGTERM"), (None, "no exit")],
)
def test_exit_is_named(code: int | None, text: str) -> None:
    assert describe_exit(code) == text


def test_exit_by_an_unnamed_signal_is_a_number() -> None:
    assert describe_exit(-200) == "signal 200"


def test_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    path.write_text("x" * 10)

    assert rotate_log(path, 10) is False
    assert path.read_text() == "x" * 10


def test_log_past_its_limit_is_moved_and_emptied(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    path.write_text("old")
    rotate_log(path, 1)
    path.write_text("new")

    assert rotate_log(path, 1) is True
    assert path.read_text() == ""
    assert (tmp_path / "child.log.1").read_text() == "new"


def test_writer_goes_on_at_the_start_of_an_emptied_log(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"before\n")

    rotate_log(path, 1)
    os.write(descriptor, b"after\n")
    os.close(descriptor)

    assert path.read_bytes() == b"after\n"


def test_missing_log_is_no_error(tmp_path: Path) -> None:
    assert rotate_log(tmp_path / "absent.log", 1) is False


def test_descendants_hold_children_and_grandchildren() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "input()\n"
        "child.communicate(b'')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    try:
        found = descendants(os.getpid())

        assert process.pid in found
        assert grandchild in found
        assert descendants(process.pid) == [grandchild]
        assert descendants(grandchild) == []
    finally:
        process.communicate(b"\n")


async def test_two_children_of_one_name_are_refused() -> None:
    supervisor = Supervisor()
    supervisor.start(Child(name="one", argv=["/bin/true"]))

    with pytest.raises(ValueError, match="two children named 'one'"):
        supervisor.start(Child(name="one", argv=["/bin/true"]))
    await supervisor.stop()
