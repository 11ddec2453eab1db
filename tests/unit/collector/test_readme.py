"""The collector's README says what the code says."""

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import Meta
from prometheus_client.metrics import MetricWrapperBase

from collector import metrics
from collector.settings import PREFIX, Settings, from_env

COLLECTOR = Path(__file__).parents[3] / "collector"
README = (COLLECTOR / "README.md").read_text("utf-8")
TESTS = Path(__file__).parents[2]


def table(heading: str) -> dict[str, list[str]]:
    """Rows of the table below a heading, by their first cell."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("` |"): [cell.strip("` |") for cell in row[1:]] for row in rows}


def test_settings_are_those_of_the_code() -> None:
    expected = {}
    for field in msgspec.structs.fields(Settings):
        meta = next(m for m in field.type.__metadata__ if isinstance(m, Meta))
        default = "(empty)" if field.default == "" else str(field.default)
        expected[PREFIX + field.name.upper()] = [default, meta.description]

    assert table("Settings") == expected


def test_metrics_are_those_of_the_code() -> None:
    expected = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            described = next(iter(metric.describe()))
            name = described.name + ("_total" if described.type == "counter" else "")
            expected[name] = [
                described.type,
                ", ".join(metric._labelnames),
                described.documentation,
            ]

    assert table("Metrics") == expected


def test_named_tests_exist() -> None:
    """Of README and DESIGN-spool."""
    sources = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    for text in (README, (COLLECTOR / "DESIGN-spool.md").read_text("utf-8")):
        for name in re.findall(r"`(test_\w+)`", text):
            assert f"def {name}(" in sources, name


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (COLLECTOR / target).exists(), target


def test_all_settings_come_from_the_environment() -> None:
    given = {"SCENETRAIL_WORKERS": "3", "SCENETRAIL_BODY_TIMEOUT_S": "1.5", "OTHER": "x"}

    read = from_env(given)

    assert (read.workers, read.body_timeout_s) == (3, 1.5)
    assert from_env({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "0"), ("WORKERS", "many"), ("SPOOL_MAX_BYTES", "1"), ("BODY_TIMEOUT_S", "-1")],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=PREFIX + name):
        from_env({PREFIX + name: value})
