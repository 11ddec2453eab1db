"""
How large merges make the parts of the open week.

Unbounded, each tenfold growth of a week rewrites all of its rows once more. So parts stop at an eighth of the largest week, at
LEAST_BYTES in a small one: rows are rewritten about twice, and a query finds some ten large parts more. Weeks that have ended
are merged to one part whatever the bound. Figures: sql/DESIGN-schema.md, "Columns and parts".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog

from collector.sql import load_sql

log = structlog.get_logger()

LEAST_BYTES = 256 * 2**20
"""Six million events of 43 bytes; what 0014_part_sizes.sql begins with."""
_PARTS_OF_A_WEEK = 8


def most_bytes(week_bytes: int, before: int) -> int:
    """Return how large a part may become: ``before``, or a power of two above it. It is never lowered."""
    wanted = max(LEAST_BYTES, week_bytes // _PARTS_OF_A_WEEK)
    return max(before, 1 << (wanted - 1).bit_length())


def adapt(nodes: Iterable[Any]) -> None:
    """Raise the bound on each of these servers whose weeks have outgrown it. Repeating it is safe. Errors: TRANSIENT."""
    for node in nodes:
        [[table, week_bytes, before]] = node.query(load_sql("part_sizes.weeks")).result_rows
        wanted = most_bytes(week_bytes, before)
        if wanted != before:
            node.command(
                f"ALTER TABLE {table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = {wanted:d}"
            )
            log.info("part_sizes", table=table, week_bytes=week_bytes, before=before, now=wanted)
