"""The examples for Kubernetes and nginx fit the service: names, ports, paths, limits, user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from contract.clients import client_with

from cds_service import config

REPOSITORY = Path(__file__).parent.parent
MANIFEST = REPOSITORY / "examples" / "kubernetes" / "cds-service.yaml"
NGINX = REPOSITORY / "docker" / "nginx.conf"
SETTINGS = {item.variable: item.default for item in config.documentation()}


@pytest.fixture(scope="module")
def objects():
    return {item["kind"]: item for item in yaml.safe_load_all(MANIFEST.read_text())}


@pytest.fixture(scope="module")
def pod(objects):
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (only,) = pod["containers"]
    return only


def test_every_variable_is_a_setting_and_the_values_are_allowed(container, tmp_path):
    given = {item["name"]: item.get("value") for item in container["env"]}
    assert set(given) <= set(SETTINGS)
    given["CDS_DATABASE_URL"] = "postgresql+psycopg://cds:secret@postgres/cds"
    given["CDS_PSEUDONYM_KEY"] = "x" * 64
    settings = config.load(given)
    assert (settings.host, settings.leaves_out) == ("0.0.0.0", False)


PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def test_probes_ask_what_the_service_answers(container, client):
    paths = {container[probe]["httpGet"]["path"] for probe in PROBES}
    assert {client.get(path).status for path in paths} == {200}
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"


@pytest.mark.requirement("B3", "FB-24")
@pytest.mark.parametrize("probe", PROBES)
def test_a_database_that_is_away_takes_no_replica_out_of_traffic(
    container, probe, message, address
):
    away = client_with(DATABASE_URL="postgresql://cds@127.0.0.1:9/cds")

    assert away.get(container[probe]["httpGet"]["path"]).status == 200
    assert away.get("/ready").status == 503
    assert away.post(address(), message()).status == 200


def test_the_ports_agree(objects, container):
    (port,) = container["ports"]
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert str(port["containerPort"]) == values["CDS_PORT"]
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]


def test_the_selectors_find_the_pods(objects):
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_it_runs_without_privileges_as_the_user_of_the_image(pod, container):
    image_user = re.search(r"--uid (\d+)", (REPOSITORY / "Dockerfile").read_text())[1]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert str(pod["securityContext"]["runAsUser"]) == image_user
    assert f"\nUSER {image_user}\n" in (REPOSITORY / "Dockerfile").read_text()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_secrets_are_referred_to_and_not_written_down(container, pod):
    by_name = {item["name"]: item for item in container["env"]}
    for secret in ("CDS_DATABASE_URL", "CDS_PSEUDONYM_KEY"):
        assert "secretKeyRef" in by_name[secret]["valueFrom"]
    mounted = {item["name"] for item in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == mounted


def test_nginx_takes_bodies_as_large_as_the_service_does():
    megabytes = int(re.search(r"client_max_body_size\s+(\d+)m;", NGINX.read_text())[1])
    assert megabytes * 1_000_000 >= int(SETTINGS["CDS_MAX_BODY_BYTES"])
