"""The tables in ``sdk_spec/README.md`` say what the code says."""

import ast
import re
from pathlib import Path

from sdk_spec import EVENT_ERRORS, REQUEST_ERRORS, limits
from sdk_spec.events import RESERVED_EVENTS, Platform

FOLDER = Path(limits.__file__).parent
README = (FOLDER / "README.md").read_text("utf-8")


def table(marker: str) -> list[list[str]]:
    """Cells of the rows between ``<!-- marker -->`` and ``<!-- end -->``, without the two head rows."""
    text = README.partition(f"<!-- {marker} -->\n")[2].partition("<!-- end -->")[0]
    lines = text.strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def units_and_texts() -> dict[str, str]:
    """Each constant of limits.py with the docstring below it, on one line."""
    body = ast.parse((FOLDER / "limits.py").read_text("utf-8")).body
    found: dict[str, str] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            text = following.value.value if is_text else ""
            found[node.targets[0].id] = " ".join(text.split())
    return found


def unit(name: str) -> str:
    """The unit that a constant's name ends with."""
    units = {"BYTES": "bytes", "CHARS": "characters", "MS": "ms"}
    return units.get(name.rsplit("_", 1)[-1], "")


def test_request_errors():
    assert table("errors.py: REQUEST_ERRORS") == [
        [f"`{code}`", str(row.status), "yes" if row.may_retry else "no", row.meaning]
        for code, row in REQUEST_ERRORS.items()
    ]


def test_event_errors():
    assert table("errors.py: EVENT_ERRORS") == [
        [f"`{code}`", meaning] for code, meaning in EVENT_ERRORS.items()
    ]


def test_limits():
    assert table("limits.py") == [
        [f"`{name}`", f"{getattr(limits, name):,}", unit(name), text]
        for name, text in units_and_texts().items()
    ]


def test_reserved_events():
    assert [row[0] for row in table("events.py: RESERVED_EVENTS")] == [
        f"`{name}`" for name in RESERVED_EVENTS
    ]


def test_platforms():
    assert f"`{' '.join(Platform.__args__)}`" in README


def test_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)

    assert targets
    assert [target for target in targets if not (FOLDER / target).exists()] == []


def test_retry_rule_is_that_of_the_code_table():
    """The README's short rule (408, 429 and 5xx are kept) and the table cannot differ."""
    for code, row in REQUEST_ERRORS.items():
        assert row.may_retry == (row.status in (408, 429) or row.status >= 500), code
