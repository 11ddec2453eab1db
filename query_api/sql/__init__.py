"""The SQL of the query API, one statement or fragment a file, named ``<module>.<function>.sql``; and its loader."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from query_api.sums import sum_sql

_SUM = re.compile(r"\{\{exact_sum\((?P<value>[\w.* ]+)(, (?P<condition>[^{}]+))?\)\}\}")
_PLACEHOLDER = re.compile(r"^(?P<indent>[ ]*)\{\{(?P<line>\w+)\}\}$|\{\{(?P<inline>\w+)\}\}", re.M)


@cache
def _file(name: str) -> str:
    text = resources.files(__name__).joinpath(f"{name}.sql").read_text("utf-8").strip()
    return _SUM.sub(lambda found: sum_sql(found["value"], found["condition"] or "1"), text)


def load_sql(name: str, **fragments: str) -> str:
    """
    Read ``<name>.sql`` and put fragments of SQL in place of ``{{fragment}}``.

    ``{{exact_sum(value)}}`` and ``{{exact_sum(value, condition)}}`` become sums as sums.py makes them.
    Fragments come from other .sql files or from filters.py, never from a request. Values stay ``{name:Type}``.
    Errors: KeyError for a fragment that is missing or that the file has no place for (a fault of ours).
    """
    used = set()

    def put(found: re.Match[str]) -> str:
        fragment = found["line"] or found["inline"]
        used.add(fragment)
        text = fragments[fragment]
        indent = found["indent"]
        # Not splitlines: it would take U+2028 for the end of a line, and a statement of the sql report may hold that.
        return text if indent is None else "\n".join(indent + line for line in text.split("\n"))

    text = _PLACEHOLDER.sub(put, _file(name))
    if unused := fragments.keys() - used:
        raise KeyError(f"{name}.sql has no place for {sorted(unused)}")
    return text
