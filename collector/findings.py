"""What a check of ``scenetrail doctor`` finds; ``doctor`` and ``doctor_parts`` make them, ``commands.doctor`` shows them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "warning", "problem"]


class Finding(Struct, frozen=True):
    """Outcome of one check; ``advice`` and ``advice_zh`` say what to do unless it is ok."""

    check: str
    level: Level
    found: str
    advice: str = ""
    advice_zh: str = ""
