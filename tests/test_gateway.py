"""The gateway of the sandbox with Docker, as a real nginx: what it refuses itself is no HTML."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nginx_process
import pytest
from fhir_stub import closed_port

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parent.parent / "docker" / "gateway.conf"
SERVICE, FHIR = "service", "FHIR server"
TYPES = {SERVICE: "application/json", FHIR: "application/fhir+json"}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The gateway's ports, while neither the service nor the FHIR server is up."""
    ports = {name: nginx_process.free_port() for name in TYPES}
    away = closed_port()
    replaced = {
        r"listen 80;": f"listen 127.0.0.1:{ports[SERVICE]};",
        r"listen 8081;": f"listen 127.0.0.1:{ports[FHIR]};",
        r"proxy_pass http://127\.0\.0\.1:8000;": f"proxy_pass http://127.0.0.1:{away};",
        r"set \$fhir http://fhir:8080;": f"set $fhir http://127.0.0.1:{away};",
    }
    servers = nginx_process.adapted(EXAMPLE, replaced)
    with nginx_process.running(tmp_path_factory.mktemp("gateway"), servers, ports[SERVICE]):
        yield ports


def asked(port: int, *, length: int = 0) -> tuple[int, http.client.HTTPMessage, Any]:
    """The answer to the head of a POST whose body would be that long."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(length))
    connection.endheaders()
    answer = connection.getresponse()
    said = answer.status, answer.headers, json.loads(answer.read())
    connection.close()
    return said


@pytest.mark.parametrize("name", TYPES)
def test_what_is_not_up_yet_is_answered_for_with_an_outcome(
    ports: dict[str, int], name: str
) -> None:
    status, told, outcome = asked(ports[name])

    assert (status, told["Content-Type"], told["Retry-After"]) == (503, TYPES[name], "5")
    assert outcome["resourceType"] == "OperationOutcome"
    assert name in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize("name", TYPES)
def test_a_body_that_is_too_large_is_refused_with_an_outcome(
    ports: dict[str, int], name: str
) -> None:
    status, told, outcome = asked(ports[name], length=7_000_000)

    assert (status, told["Content-Type"]) == (413, TYPES[name])
    assert outcome["resourceType"] == "OperationOutcome"
