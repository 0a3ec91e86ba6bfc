"""The sandbox of docker-compose.yml, as far as it can be proved without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fhir_stub import closed_port

from cds_service import config

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
COMPOSE = REPOSITORY / "docker-compose.yml"
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
PATIENTS = REPOSITORY / "examples" / "patients"
SEED = REPOSITORY / "sandbox" / "seed.py"

PINNED = re.compile(r"[a-z0-9/]+:v?\d+\.\d+(\.\d+)?[a-z0-9.-]*")
INTERPOLATED = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")


def services() -> dict[str, dict[str, Any]]:
    """The services with every `${NAME:-default}` as it is when nothing is set."""
    text = INTERPOLATED.sub(r"\1", COMPOSE.read_text())
    assert "${" not in text
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


def copied() -> list[str]:
    """What the Dockerfile copies out of the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [path for line in lines for path in line.split()]


def mounted() -> list[str]:
    return [
        volume.split(":")[0]
        for service in services().values()
        for volume in service.get("volumes", ())
        if volume.startswith(".")
    ]


def test_the_file_is_valid_compose():
    check = [sys.executable, "-m", "check_jsonschema"]
    subprocess.run(
        [*check, "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        check=True,
        capture_output=True,
    )


def test_the_service_accepts_the_settings_that_it_is_given():
    settings = config.load(services()["cds"]["environment"])

    assert settings.database_url == "postgresql+psycopg://cds:sandbox@db:5432/cds"


def test_database_user_password_and_name_are_those_that_the_database_is_made_with():
    made = services()["db"]["environment"]

    url = services()["cds"]["environment"]["CDS_DATABASE_URL"]
    expected = f"{made['POSTGRES_USER']}:{made['POSTGRES_PASSWORD']}@db:5432/{made['POSTGRES_DB']}"
    assert url.endswith(expected)


def test_the_database_is_well_when_it_answers_where_the_service_asks():
    """Over TCP: the image makes the database with a server that has no more than a socket."""
    command = services()["db"]["healthcheck"]["test"]

    assert command[command.index("pg_isready") + 1 :][:2] == ["--host", "127.0.0.1"]


def test_the_service_is_reached_through_the_loopback_of_the_gateway_only():
    service = services()["cds"]

    assert service["network_mode"] == "service:gateway"
    assert "ports" not in service
    assert config.load(service["environment"]).host == "127.0.0.1"


def test_the_gateway_hands_on_to_the_port_that_the_service_listens_on():
    port = services()["cds"]["environment"]["CDS_PORT"]

    assert (
        f"proxy_pass http://127.0.0.1:{port};"
        in (REPOSITORY / "docker" / "gateway.conf").read_text()
    )


def test_the_gateway_lets_through_what_the_service_accepts_and_no_larger_body():
    largest = re.search(
        r"client_max_body_size (\d+);", (REPOSITORY / "docker" / "gateway.conf").read_text()
    )

    assert largest is not None
    assert int(largest[1]) == config.load(services()["cds"]["environment"]).max_body_bytes


def test_everything_is_published_on_the_hosts_loopback_only():
    published = [port for service in services().values() for port in service.get("ports", ())]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_fhir_server_says_the_address_under_which_browser_and_service_find_it():
    port = re.search(
        r"http://127\.0\.0\.1:(\d+)/fhir",
        services()["fhir"]["environment"]["hapi.fhir.server_address"],
    )

    assert port is not None
    assert f"127.0.0.1:{port[1]}:{port[1]}" in services()["gateway"]["ports"]
    assert f"listen {port[1]};" in (REPOSITORY / "docker" / "gateway.conf").read_text()


def test_hapi_without_docker_is_the_release_that_docker_runs():
    pom = (REPOSITORY / "sandbox" / "hapi" / "pom.xml").read_text()
    release = re.search(r"<hapi\.version>([^<]+)</hapi\.version>", pom)

    assert release is not None
    assert services()["fhir"]["image"].startswith(f"hapiproject/hapi:v{release[1]}-")


def test_the_example_that_fetches_from_a_fhir_server_names_the_sandbox():
    request = json.loads(
        (PATIENTS.parent / "requests/patient-view-missing-prefetch.json").read_text()
    )

    address = services()["fhir"]["environment"]["hapi.fhir.server_address"]
    assert request["fhirServer"] == address


def test_the_workbench_is_on_and_pointed_at_that_server():
    settings = config.load(services()["cds"]["environment"])

    assert settings.workbench
    assert settings.workbench_fhir == services()["fhir"]["environment"]["hapi.fhir.server_address"]


def test_the_loader_is_pointed_at_the_fhir_server_and_the_examples():
    seed_service = services()["seed"]
    script, base, folder = seed_service["command"][1:]
    mounts = dict(volume.split(":")[1::-1] for volume in seed_service["volumes"])

    assert base == "http://fhir:8080/fhir"
    assert (REPOSITORY / mounts[script]).samefile(SEED)
    assert (REPOSITORY / mounts[folder]).samefile(PATIENTS)


def test_every_image_is_pinned_by_version():
    images = [service["image"] for service in services().values() if "image" in service]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert len(images) >= 6
    for image in images:
        assert PINNED.fullmatch(image), image


@pytest.mark.parametrize("path", [*copied(), *mounted()])
def test_what_is_copied_or_mounted_exists(path):
    assert (REPOSITORY / path).exists()


def test_what_the_dockerfile_copies_is_not_ignored():
    listed = (REPOSITORY / ".dockerignore").read_text().split("\n")

    assert "*" in listed
    assert {line[1:] for line in listed if line.startswith("!")} == set(copied())


def test_the_image_runs_as_a_user_without_rights_and_has_no_installer():
    last = DOCKERFILE.split("FROM ")[-1]

    assert re.search(r"^USER (?!root)\w+$", last, re.MULTILINE)
    assert DOCKERFILE.count("pip uninstall") == 2
    assert "--require-hashes" in DOCKERFILE


@pytest.mark.slow
def test_the_health_check_of_the_image_tells_up_from_down(server):
    command = json.loads(re.search(r"HEALTHCHECK[^[]*(\[.*\])", DOCKERFILE)[1])
    assert command.pop(0) == "python"

    def check(port: str) -> int:
        environment = {**os.environ, "CDS_PORT": port}
        run = [sys.executable, *command]
        return subprocess.run(run, env=environment, capture_output=True, check=False).returncode

    assert check(server.place.rpartition(":")[2]) == 0
    assert check(str(closed_port())) == 1


# --- the seed loader ---


class Sandbox(BaseHTTPRequestHandler):
    """A FHIR server that knows transactions of PUTs, and says no to the first `late` look-ups.

    It refuses the transaction that holds `refuses`, or that entry alone, as servers do both.
    """

    resources: dict[str, Any]
    late: int
    refuses: str | None
    entry_alone: bool

    def do_GET(self) -> None:
        type(self).late -= 1
        self.answer(200 if self.path == "/fhir/metadata" and self.late < 0 else 503)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        bundle = json.loads(body)
        assert (self.path, bundle["type"]) == ("/fhir", "transaction")
        said = [{"response": {"status": "200 OK"}} for _ in bundle["entry"]]
        for position, entry in enumerate(bundle["entry"]):
            assert entry["request"]["method"] == "PUT"
            if entry["request"]["url"] == self.refuses:
                if not self.entry_alone:
                    self.answer(422)
                    return
                said[position] = {"response": {"status": "422"}}
                continue
            self.resources[entry["request"]["url"]] = entry["resource"]
        self.answer(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": said})

    def answer(self, status: int, resource: object = None) -> None:
        body = json.dumps(resource or {"resourceType": "OperationOutcome"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at `resources`."""


@contextmanager
def sandbox(
    *, late: int = 0, refuses: str | None = None, entry_alone: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    state = {"resources": {}, "late": late, "refuses": refuses, "entry_alone": entry_alone}
    handler = type("State", (Sandbox,), state)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/fhir", handler.resources
        server.shutdown()
        thread.join()


def seed(base: str, folder: Path = PATIENTS) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SEED), base, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def example_resources() -> list[dict[str, Any]]:
    return [
        entry["resource"]
        for path in PATIENTS.glob("*.json")
        for entry in json.loads(path.read_text())["entry"]
    ]


def test_the_seed_puts_every_example_resource_under_its_own_id():
    with sandbox() as (base, resources):
        run = seed(base)

    assert run.returncode == 0, run.stderr
    assert resources == {
        f"{each['resourceType']}/{each['id']}": each for each in example_resources()
    }


def test_no_two_charts_hold_different_resources_under_one_id():
    by_id: dict[str, Any] = {}
    for each in example_resources():
        address = f"{each['resourceType']}/{each['id']}"
        assert by_id.setdefault(address, each) == each


def test_the_seed_changes_nothing_when_it_runs_again():
    with sandbox() as (base, resources):
        seed(base)
        before = dict(resources)
        run = seed(base)

    assert run.returncode == 0
    assert resources == before


def test_the_seed_waits_for_a_server_that_comes_up_late():
    with sandbox(late=1) as (base, resources):
        run = seed(base)

    assert run.returncode == 0
    assert resources
    assert run.stderr.count("waiting up to 300 s for") == 1


def test_the_seed_says_what_was_refused():
    with sandbox(refuses="Patient/cauda-equina") as (base, _):
        run = seed(base)

    assert run.returncode == 1
    assert "cauda-equina.json: the FHIR server answered 422" in run.stderr


def test_the_seed_says_which_resource_was_refused_in_a_transaction_that_was_not():
    with sandbox(refuses="Patient/cauda-equina", entry_alone=True) as (base, _):
        run = seed(base)

    assert run.returncode == 1
    assert "cauda-equina.json: the FHIR server refused Patient/cauda-equina got 422" in run.stderr


def test_the_seed_says_when_there_is_nothing_to_load(tmp_path):
    run = seed("http://127.0.0.1:9/fhir", tmp_path)

    assert run.returncode == 1
    assert "there is no Bundle" in run.stderr


def test_ids_are_such_as_hapi_accepts_from_clients():
    for each in example_resources():
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", each["id"])
        assert not each["id"].isdigit()
