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
from collector.cluster import COPIES, KEEPS_COPIES, LOCAL
from collector.local_clickhouse import EDITABLE
from collector.settings import Settings
from collector.settings import from_env as collector_settings
from query_api.settings import TABLE
from query_api.settings import from_env as query_settings
from sdk_spec import id_hashing

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
    assert grants["reader"] == [
        "GRANT SELECT ON scenetrail.*",
        "GRANT SELECT(query_id, is_initial_query, read_rows, total_rows_approx) ON system.processes",
    ]
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


KINDS = {
    "Secret": "v1",
    "ConfigMap": "v1",
    "Service": "v1",
    "StatefulSet": "apps/v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "Ingress": "networking.k8s.io/v1",
}
MADE_BY_HAND = {("ConfigMap", "clickhouse-users"), ("Secret", "scenetrail-access")}
"""By the commands at the head of the file."""


def manifests() -> dict[tuple[str, str], Any]:
    """The objects of the Kubernetes file by kind and name."""
    text = (DEPLOY / "kubernetes.yaml").read_text()
    found = list(yaml.safe_load_all(text))
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(by_name) == len(found)
    return by_name


def pods(objects: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """Templates of pods, by the name of what makes them."""
    return {
        name: one["spec"]["template"]
        for (_, name), one in objects.items()
        if "template" in one.get("spec", {})
    }


def test_kubernetes_objects_are_of_kinds_and_versions_that_exist_in_one_namespace() -> None:
    for (kind, name), one in manifests().items():
        assert one["apiVersion"] == KINDS[kind], name
        assert one["metadata"]["namespace"] == "scenetrail", name
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)


def test_kubernetes_selectors_find_their_pods_and_ports() -> None:
    objects = manifests()
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    for (kind, name), one in objects.items():
        if kind in ("StatefulSet", "Deployment"):
            assert one["spec"]["selector"]["matchLabels"] == labels[name]
        if kind == "PodDisruptionBudget":
            assert one["spec"]["selector"]["matchLabels"] == labels[name]
        if kind == "StatefulSet":
            assert ("Service", one["spec"]["serviceName"]) in objects
        if kind == "Service":
            [pod] = [
                pods(objects)[pod] for pod, of in labels.items() if of == one["spec"]["selector"]
            ]
            ports = {
                port["name"]: port["containerPort"]
                for each in pod["spec"]["containers"]
                for port in each["ports"]
            }
            assert {port["targetPort"]: port["port"] for port in one["spec"]["ports"]} == ports
        if kind == "Ingress":
            for path in (path for rule in one["spec"]["rules"] for path in rule["http"]["paths"]):
                service = path["backend"]["service"]
                behind = objects["Service", service["name"]]["spec"]["ports"]
                assert service["port"]["name"] in [port["name"] for port in behind]
                assert (path["path"], path["pathType"]) == ("/v1/events", "Exact")


def test_kubernetes_pods_name_volumes_and_settings_that_are_there() -> None:
    objects = manifests()
    known = set(objects) | MADE_BY_HAND
    for name, pod in pods(objects).items():
        owner = next(
            one
            for (_, of), one in objects.items()
            if of == name and "spec" in one and "template" in one["spec"]
        )
        claimed = {
            claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", ())
        }
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in known
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in known
        mounted = set()
        for container in pod["spec"]["containers"]:
            assert {"requests", "limits"} <= set(container["resources"]), name
            mounted |= {mount["name"] for mount in container.get("volumeMounts", ())}
            for source in container.get("envFrom", ()):
                assert ("Secret", source["secretRef"]["name"]) in objects
            given = {one["name"]: one["value"] for one in container.get("env", ())}
            for source in container.get("envFrom", ()):
                given |= objects["Secret", source["secretRef"]["name"]]["stringData"]
            assert all(isinstance(value, str) for value in given.values())
            if "collector" in container.get("command", ()):
                settings = collector_settings(given)
                assert settings.workers == 2
                # One key for all collectors, beside the spool of each.
                assert {
                    "name": "access",
                    "mountPath": f"{settings.data_dir}/{id_hashing.FILE}",
                    "subPath": id_hashing.FILE,
                    "readOnly": True,
                } in container["volumeMounts"]
            if "query_api" in container.get("command", ()):
                assert query_settings(given).collector_url == "http://collector:8710"
            if container["image"] == "scenetrail":
                assert pod["spec"]["securityContext"]["runAsUser"] == 10_001
                assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
                assert pod["spec"]["securityContext"]["seccompProfile"] == {
                    "type": "RuntimeDefault"
                }
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert mounted == set(volumes) | claimed
    assert "--uid 10001 " in (DEPLOY / "Dockerfile").read_text()
    kept_out = (DEPLOY.parents[1] / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv", "data"} <= set(kept_out)


def test_kubernetes_pods_have_time_to_drain_and_are_asked_where_they_answer() -> None:
    objects = manifests()
    for name, seconds in (("scenetrail-collector", 60), ("scenetrail-query", 25)):
        spec = pods(objects)[name]["spec"]
        [container] = spec["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
        assert container["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"
        assert spec["terminationGracePeriodSeconds"] >= seconds
        assert (
            objects[("StatefulSet" if name.endswith("collector") else "Deployment", name)]["spec"][
                "replicas"
            ]
            > 1
        )
    claim = objects["StatefulSet", "scenetrail-collector"]["spec"]["volumeClaimTemplates"][0]
    room = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024**3
    default = collector_settings({})
    assert room > default.spool_max_bytes + default.spool_reserve_bytes


def test_kubernetes_cluster_has_a_pod_for_each_shard_and_an_address_for_each_pod() -> None:
    objects = manifests()
    text = objects["ConfigMap", "clickhouse-config"]["data"]["cluster.xml"]
    config = ElementTree.fromstring(text)  # noqa: S314 (our own file)
    replicas = objects["StatefulSet", "clickhouse"]["spec"]["replicas"]
    hosts = [f"clickhouse-{number}.clickhouse" for number in range(replicas)]
    name = objects["Secret", "scenetrail-collector"]["stringData"]["SCENETRAIL_CLICKHOUSE_CLUSTER"]
    shards = config.findall(f"remote_servers/{name}/shard")
    [copies] = config.findall(f"remote_servers/{name}{KEEPS_COPIES}/shard")

    assert [shard.findtext("replica/host") for shard in shards] == hosts
    assert [replica.findtext("host") for replica in copies.findall("replica")] == hosts
    assert copies.findtext("internal_replication") == "false"
    for key in ("scenetrail-collector", "scenetrail-query"):
        for variable, value in objects["Secret", key]["stringData"].items():
            if variable.endswith("_URL"):
                assert re.findall(r"@([^:/]+):8123/scenetrail", value) == hosts


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
        here.write_text(text.replace("/opt/scenetrail/.venv/bin/python", f'"{python}"'))
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
