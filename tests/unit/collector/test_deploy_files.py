"""The files to start from in production name only metrics, settings, tables and files that exist."""

import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import yaml

from collector import metrics
from collector.cluster import COPIES, LOCAL
from collector.local_clickhouse import EDITABLE
from collector.settings import Settings
from collector.settings import from_env as collector_settings
from query_api.settings import TABLE
from query_api.settings import from_env as query_settings

DEPLOY = Path(__file__).parents[3] / "collector" / "deploy"
UNITS = ("scenetrail-collector.service", "scenetrail-query.service")


def known_metrics() -> set[str]:
    names = set()
    for value in vars(metrics).values():
        name = getattr(value, "_name", None)
        if isinstance(name, str):
            names |= {name, f"{name}_total", f"{name}_bucket"}
    return names


def parsed(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def variables(name: str) -> dict[str, str]:
    """The variables of an example of an environment file."""
    lines = (DEPLOY / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_alerts_and_dashboard_use_metrics_that_exist() -> None:
    text = (DEPLOY / "alerts.yaml").read_text() + (DEPLOY / "grafana.json").read_text()
    used = set(re.findall(r"scenetrail_[a-z_]+", text))

    assert used
    assert used <= known_metrics()


def test_alerts_have_the_form_of_prometheus_rules() -> None:
    (group,) = parsed("alerts.yaml")["groups"]

    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["alert"].startswith("Scenetrail")
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_variables_named_in_the_files_are_settings() -> None:
    known = {f"SCENETRAIL_{field.name.upper()}" for field in msgspec.structs.fields(Settings)}
    known |= {setting.variable for setting in TABLE.values()}
    for path in DEPLOY.iterdir():
        assert set(re.findall(r"SCENETRAIL_[A-Z_]+[A-Z]", path.read_text())) <= known, path.name


def test_examples_of_environment_files_are_taken_by_the_programs() -> None:
    collector = collector_settings(variables("collector.env.example"))
    query = query_settings(variables("query.env.example"))

    assert "//writer:" in collector.clickhouse_url
    assert "//reader:" in query.clickhouse_reader_url
    assert "//editor:" in query.clickhouse_editor_url
    assert query.collector_url


def test_dashboard_can_be_parsed() -> None:
    assert len(json.loads((DEPLOY / "grafana.json").read_text())["panels"]) == 8


def test_users_are_the_four_and_the_editor_may_insert_what_people_change() -> None:
    root = ElementTree.parse(DEPLOY / "clickhouse-users.xml").getroot()  # noqa: S314 (our own file)
    grants = {
        user.tag: [query.text for query in user.iter("query")] for user in root.find("users") or ()
    }
    profiles = {profile.tag for profile in root.find("profiles") or ()}

    assert set(grants) == {"writer", "backup", "reader", "editor"}
    assert [name for name, each in grants.items() if any("FILE" in one for one in each)] == [
        "backup"
    ]
    assert grants["reader"] == ["GRANT SELECT ON scenetrail.*"]
    tables = [f"{table}{suffix}" for table in EDITABLE for suffix in ("", COPIES, LOCAL)]
    assert grants["editor"] == [
        "GRANT SELECT ON scenetrail.*",
        *(f"GRANT INSERT ON scenetrail.{table}" for table in tables),
    ]
    assert {profile.text for profile in root.iter("profile")} <= profiles
    assert root.findtext("profiles/default/http_max_field_value_size") == "16777216"


def test_compose_file_holds_together() -> None:
    """By the rules of the Compose Specification that it uses."""
    compose = parsed("compose.yaml")
    services = compose["services"]

    assert set(compose) == {"services", "volumes"}
    for name, service in services.items():
        assert set(service) <= {
            "command",
            "depends_on",
            "env_file",
            "environment",
            "healthcheck",
            "image",
            "ports",
            "restart",
            "stop_grace_period",
            "ulimits",
            "volumes",
        }, name
        for other, how in service.get("depends_on", {}).items():
            assert other in services
            assert how["condition"] in ("service_healthy", "service_completed_successfully")
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            is_file = source.startswith("./")
            assert (DEPLOY / source).is_file() if is_file else source in compose["volumes"]
        if "env_file" in service:
            assert (DEPLOY / f"{service['env_file']}.example").is_file()
        assert all(isinstance(value, str) for value in service.get("environment", {}).values())
    addresses = {**variables("collector.env.example"), **variables("query.env.example")}
    named = {
        host for url in addresses.values() for host in re.findall(r"://(?:[^@/]*@)?([a-z]+):", url)
    }
    assert named <= set(services)


@pytest.mark.parametrize("name", UNITS)
def test_units_are_taken_by_systemd(name: str, tmp_path: Path) -> None:
    """By systemd itself where it is installed."""
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    text = (DEPLOY / name).read_text()
    unit.read_string(text)
    module = re.fullmatch(r"\S+/python -m (collector|query_api)", unit["Service"]["ExecStart"])

    assert unit.sections() == ["Unit", "Service", "Install"]
    assert module is not None
    example = Path(unit["Service"]["EnvironmentFile"]).name + ".example"
    assert (DEPLOY / example).is_file()
    if shutil.which("systemd-analyze"):
        here = tmp_path / name
        # systemd asks for a program that exists; this one may lie in a folder with a space.
        python = tmp_path / "python"
        python.symlink_to(sys.executable)
        here.write_text(text.replace("/opt/scenetrail/.venv/bin/python", str(python)))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True
        )
        about_it = [line for line in done.stderr.splitlines() if name in line]
        assert about_it == [], done.stderr


def test_a_balancer_tells_whose_request_it_is() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text()

    assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in nginx
    assert nginx.count("{") == nginx.count("}")


def test_every_file_is_listed_in_the_readme() -> None:
    readme = (DEPLOY / "README.md").read_text()

    assert [path.name for path in DEPLOY.iterdir() if f"`{path.name}`" not in readme] == [
        "README.md"
    ]
