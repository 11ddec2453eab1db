"""A disk that fills up: a small tmpfs where we may mount one, else a limit on the size of files."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DISK_BYTES = 8 * 1024 * 1024


def may_mount() -> bool:
    return os.geteuid() == 0


@contextlib.contextmanager
def mounted(folder: Path, options: str = "rw") -> Iterator[None]:
    """A tmpfs of DISK_BYTES on ``folder``; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},{options}", "tmpfs", folder], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def lockable(folder: Path) -> Iterator[Path]:
    """A folder for ``set_read_only``: a mount of its own for root, whom permissions do not stop."""
    with mounted(folder) if may_mount() else contextlib.nullcontext(folder.mkdir()):
        yield folder


def set_read_only(folder: Path, *, read_only: bool) -> bool:
    """Take or give the right to write below ``folder``; False while a file in it is still open for writing."""
    if may_mount():
        options = f"remount,{'ro' if read_only else 'rw'}"
        return subprocess.run(["mount", "-o", options, folder], capture_output=True).returncode == 0
    for path in [folder, *folder.rglob("*")]:
        path.chmod(
            (0o500 if read_only else 0o700) if path.is_dir() else path.stat().st_mode & 0o777
        )
    return True


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what to give to Popen so that a process runs out of disk in ``folder``."""
    if may_mount():
        with mounted(folder):
            yield {}
        return
    folder.mkdir(parents=True, exist_ok=True)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))

    yield {"preexec_fn": limit}
