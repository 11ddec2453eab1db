"""What ``scenetrail doctor`` looks at and what it finds; ``doctor_*`` make findings, ``commands.doctor`` shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

LOW_DISK_BYTES = 10 * 1024**3
"""Less free disk is a warning."""
MIN_DISK_BYTES = 1024**3
"""Less is a problem."""
Level = Literal["ok", "warning", "problem"]


class Setup(Struct, frozen=True):
    """What is to be checked. Empty addresses: those of the running ``scenetrail up``."""

    data_dir: Path
    access_path: Path
    clickhouse_url: str = ""
    clickhouse_reader_url: str = ""
    clickhouse_editor_url: str = ""
    collector_url: str = ""


class Finding(Struct, frozen=True):
    """Outcome of one check; ``advice`` and ``advice_zh`` say what to do unless it is ok."""

    check: str
    level: Level
    found: str
    advice: str = ""
    advice_zh: str = ""


def of_amount(
    check: str, amount: float, *, low: float, least: float, found: str, advice: str, advice_zh: str
) -> Finding:
    """Judge how much there is of something: below ``low`` is a warning, below ``least`` a problem."""
    if amount >= low:
        return Finding(check, "ok", found)
    return Finding(check, "problem" if amount < least else "warning", found, advice, advice_zh)
