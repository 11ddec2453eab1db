"""The files to start from in production name only metrics and settings that exist."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec

from collector import metrics
from collector.settings import Settings

DEPLOY = Path(__file__).parents[3] / "collector" / "deploy"


def known_metrics() -> set[str]:
    names = set()
    for value in vars(metrics).values():
        name = getattr(value, "_name", None)
        if isinstance(name, str):
            names |= {name, f"{name}_total", f"{name}_bucket"}
    return names


def test_alerts_and_dashboard_use_metrics_that_exist() -> None:
    text = (DEPLOY / "alerts.yaml").read_text() + (DEPLOY / "grafana.json").read_text()
    used = set(re.findall(r"scenetrail_[a-z_]+", text))

    assert used
    assert used <= known_metrics()


def test_variables_named_in_the_files_are_settings() -> None:
    known = {f"SCENETRAIL_{field.name.upper()}" for field in msgspec.structs.fields(Settings)}
    known |= {"SCENETRAIL_QUERY_HOST", "SCENETRAIL_QUERY_PORT"}
    for path in DEPLOY.iterdir():
        assert set(re.findall(r"SCENETRAIL_[A-Z_]+[A-Z]", path.read_text())) <= known, path.name


def test_dashboard_and_users_can_be_parsed() -> None:
    assert len(json.loads((DEPLOY / "grafana.json").read_text())["panels"]) == 8
    users = ElementTree.parse(DEPLOY / "clickhouse-users.xml").getroot()  # noqa: S314 (our own file)

    assert {user.tag for user in users.find("users") or ()} == {"writer", "reader"}


def test_every_file_is_listed_in_the_readme() -> None:
    readme = (DEPLOY / "README.md").read_text()

    assert [path.name for path in DEPLOY.iterdir() if f"`{path.name}`" not in readme] == [
        "README.md"
    ]
