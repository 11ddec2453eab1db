"""CPU and memory of the product's processes, from /proc. Called by ``compare``. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_NAMES = {
    "collector.worker": "worker",
    "collector.writer_process": "writer",
    "collector.local_clickhouse": "clickhouse",
    "query_api": "query_api",
}


class Usage(Struct):
    """Of all processes of one name: CPU seconds since they began, resident bytes now."""

    cpu_s: float = 0.0
    resident_bytes: int = 0


def descendants(pid: int) -> list[int]:
    """Return the process ids below ``pid``, itself left out."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def usage_by_part(pid: int) -> dict[str, Usage]:
    """Sum CPU and memory of the processes below ``pid`` by the part of the product."""
    parts: dict[str, Usage] = {}
    for child in descendants(pid):
        name = _name(child)
        fields = _stat(child)
        if not fields:
            continue  # ended meanwhile
        usage = parts.setdefault(name, Usage())
        usage.cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        usage.resident_bytes += int(fields[21]) * _PAGE_BYTES
    return parts


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the command; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "other"
    return next((_NAMES[word] for word in words if word in _NAMES), "other")
