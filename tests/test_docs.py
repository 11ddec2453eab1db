"""The documentation says what the code does: settings, links, reports, folders."""

import re
from pathlib import Path

import msgspec
import pytest

from collector import settings as collector_settings
from query_api import settings as query_settings
from query_api.reports import REPORTS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "node_modules", "data"} & set(path.relative_to(ROOT).parts)
)


def settings_lines() -> list[str]:
    """The README's table of settings, as the code has them."""
    lines = []
    for field in msgspec.structs.fields(collector_settings.Settings):
        meta = next(m for m in field.type.__metadata__ if isinstance(m, msgspec.Meta))
        default = field.default if field.default != "" else "(empty)"
        default = f"{default:g}" if isinstance(default, float) else default
        name = collector_settings.PREFIX + field.name.upper()
        lines.append(f"| `{name}` | collector | `{default}` | {meta.description} |")
    for setting in query_settings.TABLE.values():
        meaning = f"{setting.meaning} ({setting.unit})"
        lines.append(
            f"| `{setting.variable}` | query_api | `{setting.default or '(empty)'}` | {meaning} |"
        )
    return lines


def test_readme_lists_every_setting_with_unit_and_default() -> None:
    readme = (ROOT / "README.md").read_text().splitlines()
    written = [line for line in readme if line.startswith("| `SCENETRAIL_")]

    assert written == settings_lines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_resolve(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]

    assert not missing


def test_readme_of_the_query_api_names_every_report() -> None:
    text = (ROOT / "query_api" / "README.md").read_text()

    assert [name for name in REPORTS if f"`{name}`" not in text] == []


def test_top_level_holds_what_it_is_said_to_hold() -> None:
    readme = (ROOT / "README.md").read_text()

    for folder in ("collector", "sdk_spec", "query_api", "loadtest", "tests"):
        assert f"`{folder}/`" in readme
