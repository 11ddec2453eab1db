"""
Child processes: started, tied to their parent's life, restarted when they die, stopped in order.

Used by ``standalone`` (everything on one machine) and by ``__main__`` (workers and writer). Knows nothing of what the
children do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent_pid: int | None, signal_number: int = signal.SIGTERM) -> None:
    """
    Ask the kernel to signal this process when its parent dies; exit at once if it already has.

    Args:
        parent_pid: the expected parent; None means "whoever it is now".
        signal_number: sent to this process on the parent's death.

    Linux only; elsewhere nothing is promised. The setting survives ``execve``.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if parent_pid is not None and os.getppid() != parent_pid:
        sys.exit(1)
