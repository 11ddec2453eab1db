"""The supervisor against real child processes: killed, stubborn, unable to start, orphaned."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from collector.processes import Child, ChildNotReadyError, Supervisor
from tests.waiting import until_async

# Writes "<name> <word>" lines to the file JOURNAL; argv: name, "obey" or "ignore" (SIGTERM).
CHILD = """
import os, signal, sys, time
from collector.processes import die_with_supervisor
die_with_supervisor()
name, manner = sys.argv[1:3]
def note(word):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{name} {word}\\n")
def on_term(*_):
    note("term")
    if manner == "obey":
        time.sleep(0.2)
        note("end")
        sys.exit(0)
signal.signal(signal.SIGTERM, on_term)
note("start")
while True:
    time.sleep(0.02)
"""

# Supervises two of the above; a line with the pids of all three when they run.
PARENT = """
import asyncio, os, signal, sys
from collector.processes import Child, Supervisor, die_with_supervisor
die_with_supervisor()
async def main():
    stop = asyncio.Event()
    supervisor = Supervisor([
        Child(name=name, argv=[sys.executable, os.environ["CHILD"], name, "ignore"])
        for name in ("left", "right")
    ])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    await supervisor.run(stop)
asyncio.run(main())
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.touch()
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "parent.py").write_text(PARENT)
    return path


def lines(journal: Path) -> list[str]:
    return journal.read_text().splitlines()


def child(journal: Path, name: str, manner: str = "obey", **more: object) -> Child:
    argv = [sys.executable, str(journal.parent / "child.py"), name, manner]
    return Child(name=name, argv=argv, env={"JOURNAL": str(journal)}, **more)  # type: ignore[arg-type]


def words(process: psutil.Process) -> list[str]:
    """Command line of a process; none when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def is_gone(pid: int) -> bool:
    """Whether a process has ended (a zombie waits only for its new parent)."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_killed_child_starts_again_and_the_others_go_on(journal: Path) -> None:
    supervisor = Supervisor([child(journal, "a"), child(journal, "b")])
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until_async(lambda: sorted(lines(journal)) == ["a start", "b start"], "both start")
    before = supervisor.pids()

    os.kill(before["a"], signal.SIGKILL)
    await until_async(lambda: lines(journal).count("a start") == 2, "a starts again")

    after = supervisor.pids()
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    assert supervisor.restarts() == {"a": 1, "b": 0}
    stop.set()
    await running
    assert all(is_gone(pid) for pid in after.values())


async def test_children_stop_by_phases(journal: Path) -> None:
    supervisor = Supervisor(
        [
            child(journal, "last", stop_phase=2),
            child(journal, "first", stop_phase=0),
            child(journal, "too", stop_phase=0),
            child(journal, "middle", stop_phase=1),
        ]
    )
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until_async(lambda: len(lines(journal)) == 4, "four lines")

    stop.set()
    await running

    ended = lines(journal)[4:]
    assert sorted(ended[:4]) == ["first end", "first term", "too end", "too term"]
    assert ended[4:] == ["middle term", "middle end", "last term", "last end"]


async def test_child_that_ignores_sigterm_is_killed_with_its_own_children(journal: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(
        Child(
            name="parent",
            argv=[sys.executable, str(journal.parent / "parent.py")],
            env={"JOURNAL": str(journal), "CHILD": str(journal.parent / "child.py")},
            stop_deadline_s=0.3,
        )
    )
    await until_async(lambda: sorted(lines(journal)) == ["left start", "right start"], "both start")
    parent = supervisor.pids()["parent"]
    tree = [parent, *(p.pid for p in psutil.Process(parent).children(recursive=True))]
    assert len(tree) == 3

    await supervisor.stop()

    await until_async(lambda: all(is_gone(pid) for pid in tree), "all are gone")


async def test_hurry_ends_a_long_stop(journal: Path) -> None:
    supervisor = Supervisor(
        [child(journal, "slow", "ignore", stop_deadline_s=600, hurry_deadline_s=2)]
    )
    stop = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until_async(lambda: lines(journal) == ["slow start"], "it starts")
    pid = supervisor.pids()["slow"]
    stop.set()
    await until_async(lambda: lines(journal)[-1] == "slow term", "it is told to end")
    assert not running.done()

    supervisor.hurry()

    await asyncio.wait_for(running, 120)
    assert is_gone(pid)
    assert lines(journal) == ["slow start", "slow term", "slow term"]


async def test_child_told_to_stop_while_it_starts_is_not_left_behind(journal: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(child(journal, "young"))
    await asyncio.sleep(0)  # its process is being made

    await supervisor.stop()

    assert supervisor.pids() == {}
    assert [p for p in psutil.Process().children(recursive=True) if "young" in words(p)] == []


async def test_program_that_does_not_exist_is_reported_as_not_ready() -> None:
    async def never() -> bool:
        return False

    supervisor = Supervisor()
    supervisor.start(Child(name="ghost", argv=["/nonexistent/program"], is_ready=never))

    with pytest.raises(ChildNotReadyError, match="ghost died 5 times before it was ready"):
        await supervisor.wait_ready("ghost")
    await supervisor.stop()


async def test_child_that_dies_before_it_is_ready_is_reported_with_its_exit(tmp_path: Path) -> None:
    async def refused() -> bool:
        raise ConnectionRefusedError

    supervisor = Supervisor()
    log_path = tmp_path / "its.log"
    supervisor.start(
        Child(
            name="sick",
            argv=[sys.executable, "-c", "import sys; print('why'); sys.exit(7)"],
            is_ready=refused,
            log_path=log_path,
        )
    )

    with pytest.raises(ChildNotReadyError, match=r"last with exit 7; see .*its\.log"):
        await supervisor.wait_ready("sick")
    await supervisor.stop()
    assert log_path.read_text().splitlines()[:2] == ["why", "why"]


def test_output_of_children_does_not_reach_standard_output() -> None:
    code = (
        "import asyncio, sys\n"
        "from collector.processes import Child, Supervisor\n"
        "async def main():\n"
        "    supervisor = Supervisor()\n"
        "    stop = asyncio.Event()\n"
        "    supervisor.start(Child(name='loud', argv=['/bin/echo', 'loud words']))\n"
        "    while supervisor.restarts()['loud'] < 1:\n"
        "        await asyncio.sleep(0.01)\n"
        "    await supervisor.stop()\n"
        "import structlog\n"
        "structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))\n"
        "asyncio.run(main())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )

    assert done.stdout == ""
    assert "loud words" in done.stderr


async def test_ctrl_c_in_a_terminal_does_not_reach_children(journal: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(child(journal, "a"))
    await until_async(lambda: lines(journal) == ["a start"], "it starts")
    pid = supervisor.pids()["a"]

    assert os.getpgid(pid) != os.getpgid(os.getpid())
    assert os.getsid(pid) != os.getsid(os.getpid())
    await supervisor.stop()


async def test_killed_parent_leaves_no_child_and_no_grandchild(journal: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        GRANDPARENT,
        env={
            **os.environ,
            "JOURNAL": str(journal),
            "CHILD": str(journal.parent / "child.py"),
            "PARENT": str(journal.parent / "parent.py"),
        },
    )
    try:
        await until_async(
            lambda: sorted(lines(journal)) == ["left start", "right start"], "both start"
        )
        tree = [p.pid for p in psutil.Process(process.pid).children(recursive=True)]
        assert len(tree) == 3
    finally:
        process.kill()
        await process.wait()

    await until_async(lambda: all(is_gone(pid) for pid in tree), "all are gone")


GRANDPARENT = """
import asyncio, os, sys
from collector.processes import Child, Supervisor
asyncio.run(Supervisor([Child(name="p", argv=[sys.executable, os.environ["PARENT"]])]).run(asyncio.Event()))
"""


def test_child_whose_parent_is_already_gone_ends_at_once(journal: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(journal.parent / "child.py"), "late", "obey"],
        env={**os.environ, "JOURNAL": str(journal), "SCENETRAIL_PARENT_PID": "1"},
        timeout=300,
    )

    assert done.returncode == 1
    assert lines(journal) == []
