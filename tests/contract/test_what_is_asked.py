"""What the service asks a FHIR server for: its own templates, plainly, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import pytest
from contract.clients import client_with
from fhir_stub import FhirStub

PLAIN_TOKENS = {"context.patientId", "context.encounterId", "context.userId"}
PARAMETERS = {"patient", "status", "_count"}


@pytest.fixture
def templates(services):
    """Every prefetch template of discovery."""
    return {item for service in services.values() for item in service["prefetch"].values()}


@pytest.mark.requirement("FP-9", "VER-10", "PFT-9")
def test_templates_hold_plain_tokens_only(templates):
    tokens = {token for item in templates for token in re.findall(r"\{\{(.*?)\}\}", item)}
    assert tokens <= PLAIN_TOKENS
    assert not any("today" in item or "%" in item for item in templates)


@pytest.mark.requirement("PFT-15")
def test_long_lists_are_bounded_with_count(templates):
    long = [item for item in templates if item.startswith(("Observation", "Condition"))]
    assert long
    for item in long:
        (count,) = parse_qs(item.partition("?")[2])["_count"]
        assert 0 < int(count) <= 200


@pytest.mark.requirement("PFT-18", "PFT-24", "PFT-25")
def test_parameters_are_those_that_every_server_knows(templates):
    for item in templates:
        query = item.partition("?")[2]
        assert set(parse_qs(query)) <= PARAMETERS, item
        assert not re.search(r"[|,%]", query), "nothing that re-encoding could change"


@pytest.mark.requirement("DISC-12")
def test_no_version_of_a_hook_is_claimed_that_could_be_wrong(services):
    assert not any("hookVersion" in service for service in services.values())


@pytest.mark.requirement("D6", "OUT-1")
@pytest.mark.parametrize("hook", ["patient-view", "order-sign", "encounter-start"])
def test_only_what_the_templates_name_is_read(tmp_path, message, address, services, hook):
    client = client_with(DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3", OPEN_FHIR_SERVERS="yes")
    body = message(hook, prefetch={})
    filled = {
        template.replace("{{context.patientId}}", "p")
        .replace("{{context.encounterId}}", body["context"].get("encounterId", ""))
        .replace("{{context.userId}}", body["context"]["userId"])
        for template in services[hook]["prefetch"].values()
    }
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    with FhirStub([patient]) as stub:
        body["fhirServer"] = stub.base
        assert client.post(address(hook), body).status == 200
    assert {seen.method for seen in stub.seen} == {"GET"}
    assert stub.seen
    assert set(stub.paths()) <= filled


@pytest.mark.requirement("D6", "OUT-2", "HK-2")
@pytest.mark.parametrize("user", ["AuditEvent/1", "Binary/1", "Observation/1", "metadata"])
def test_what_is_no_user_is_not_read_as_one(tmp_path, message, address, user):
    client = client_with(DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3", OPEN_FHIR_SERVERS="yes")
    body = message(prefetch={})
    body["context"]["userId"] = user
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    with FhirStub([patient]) as stub:
        body["fhirServer"] = stub.base
        assert client.post(address(), body).status == 200
    assert stub.seen
    assert user not in stub.paths()
