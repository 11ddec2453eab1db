"""
The SQL of the collector, and its loader.

Numbered files are migrations, applied by ``collector.migrate``; the others are statements and conditions, named
``<module>.<name>.sql``.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def load_sql(name: str) -> str:
    """Read ``<name>.sql`` without its comments."""
    text = resources.files(__name__).joinpath(f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
