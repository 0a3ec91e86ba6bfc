"""What a call brings along is in no log, count, error or file afterwards, whatever goes wrong.

The service runs as `serve` starts it, with its most talkative log. What stays on purpose: the
hookInstance, which the client makes, and a clinician's own comment on a card, in its own table.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from client_keys import Token, claims, key
from contract.clients import serving
from fhir_stub import FhirStub

CANARIES = {
    "patient id": "kanarie-patient",
    "name": "Kanarie-Naam",
    "birth date": "1913-12-11",
    "identifier": "kanarie-mrn-4711",
    "address": "Kanarielaan 12",
    "condition text": "kanarie-aandoening",
    "note": "kanarie-notitie",
    "order text": "Kanarie: MRI",
    "user id": "kanarie-user",
    "encounter id": "kanarie-encounter",
    "access token": "kanarie-access-token",
    "JWT": "kanarie.jwt.kanarie",
    "query": "kanarie-query",
    "accepted suggestion of another": "kanarie-reason-display",
}
COMMENT = "kanarie-commentaar"
VIEW = "/cds-services/low-back-pain-patient-view"
STARTER = """
import sys
from {module} import {owner}

def broken(*arguments, **options):
    raise RuntimeError({canaries!r})

{owner}.{name} = broken

from cds_service.cli import main
sys.argv[0] = "cds-service"
main()
"""
BROKEN = {
    "evaluation": ("cds_service.hooks", "service", "apply"),
    "renderer": ("cds_service.hooks", "cards", "from_outcome"),
    "prefetch": ("cds_service.data", "prefetch", "resolve"),
    "schema": ("cds_service.hooks", "schemas", "load_request"),
    "after the request": ("cds_service", "web", "_protect"),
    "encoder": ("cds_service.web", "cds_hooks", "_json"),
    "writer": ("cds_service.store", "Store", "_write_decisions"),
    "feedback": ("cds_service.store", "feedback_log", "add"),
    "admission": ("cds_service.web.admission", "Admission", "_enter"),
}


def chart(**members):
    patient = {
        "resourceType": "Patient",
        "id": CANARIES["patient id"],
        "birthDate": CANARIES["birth date"],
        "name": [{"family": CANARIES["name"]}],
        "identifier": [{"value": CANARIES["identifier"]}],
        "address": [{"line": [CANARIES["address"]]}],
    }
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": f"Patient/{CANARIES['patient id']}"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "M54.5"}],
            "text": CANARIES["condition text"],
        },
        "note": [{"text": CANARIES["note"]}],
    }
    found = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": condition}]}
    message = {
        "hook": "patient-view",
        "hookInstance": "23f1a303-991f-4118-86c5-11d99a39222e",
        "context": {
            "userId": f"Practitioner/{CANARIES['user id']}",
            "patientId": CANARIES["patient id"],
            "encounterId": CANARIES["encounter id"],
        },
        "prefetch": {"patient": patient, "conditions": found},
        "extension": {"text": CANARIES["order text"]},
    }
    return message | members


def feedback():
    entry = {
        "card": "23f1a303-991f-4118-86c5-11d99a39222e",
        "outcome": "overridden",
        "outcomeTimestamp": "2024-06-01T12:00:00Z",
        "overrideReason": {"userComment": COMMENT},
    }
    return {"feedback": [entry]}


def exchanges(fhir_server):
    """Everything that is sent: path and body."""
    token = {"access_token": CANARIES["access token"], "token_type": "Bearer", "expires_in": 300}
    reads = {"fhirServer": fhir_server, "fhirAuthorization": token}
    yield VIEW, chart()
    yield VIEW, chart(prefetch={}, **reads)
    yield VIEW, chart(prefetch={})
    yield VIEW, chart(hook=CANARIES["order text"])
    yield VIEW, chart(context={"userId": {}, "patientId": [CANARIES["patient id"]]})
    yield VIEW, chart(prefetch={"patient": chart()["prefetch"]["patient"] | {"id": "another"}})
    yield VIEW, json.dumps(chart()).encode()[:-2]
    yield VIEW, json.dumps(chart()).encode("utf-16")
    yield f"/{CANARIES['name']}/cds-services", chart()
    yield f"{VIEW}/feedback", feedback()
    yield f"{VIEW}/feedback", {"feedback": [{"card": [CANARIES["identifier"]]}]}
    subject = {"name": "subject", "valueString": f"Patient/{CANARIES['patient id']}"}
    data = {"name": "data", "resource": chart()["prefetch"]["conditions"]}
    applied = {"resourceType": "Parameters", "parameter": [subject, data]}
    yield "/fhir/PlanDefinition/lbpR16/$apply", applied


def send(server, bearer):
    """Send everything; the errors, which may repeat what the client itself put into the address."""
    with FhirStub() as stub:
        for kind in ("Patient", "Condition", "Observation"):
            stub.faults[kind] = lambda handler: handler.send_error(500, "".join(CANARIES.values()))
        for path, body in exchanges(f"{stub.origin}/{CANARIES['identifier']}"):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = requests.post(
                f"{server.url}{path}?x={CANARIES['query']}",
                data=data,
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"},
                timeout=15,
            )
            if answer.status_code >= 400 and CANARIES["name"] not in path:
                yield answer.text


def found_in(text):
    return [what for what, canary in CANARIES.items() if canary in text]


def files(folder):
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.suffix not in {".py", ".pyc", ".toml"}:
            yield path.name, path.read_bytes().decode("utf-8", "replace")


def leaks(folder, bearer=CANARIES["JWT"], **options):
    """Where a canary or the comment was found after everything was sent."""
    for server in serving(
        folder, LOG_LEVEL="debug", DATABASE_URL="sqlite:///cds.sqlite3", **options
    ):
        errors = list(send(server, bearer))
        told = {
            name: requests.get(f"{server.url}/{name}", timeout=15).text
            for name in ("metrics", "ready")
        }
    told |= {"errors": "\n".join(errors), "output": "\n".join(server.said)}
    seen = [(name, what) for name, text in told.items() for what in found_in(text)]
    seen += [(name, what) for name, text in files(folder) for what in found_in(text)]
    commented = {name for name, text in [*told.items(), *files(folder)] if COMMENT in text}
    assert errors
    return seen, {name.partition(".sqlite3")[0] for name in commented}


def test_there_are_twelve_canaries_at_least():
    assert len(set(CANARIES.values())) >= 12


@pytest.mark.slow
@pytest.mark.requirement("H1", "H2", "B7", "D8", "PHI-3", "PHI-5", "AUTHZ-11", "SEC-27")
def test_nothing_of_a_call_stays_but_the_comment_of_a_clinician_in_the_store(tmp_path):
    assert leaks(tmp_path) == ([], {"cds"})


@pytest.mark.slow
@pytest.mark.requirement("H1", "D8", "AUTHZ-11", "SEC-27")
def test_where_requests_are_kept_the_store_alone_has_them_and_without_tokens(tmp_path):
    seen, _ = leaks(tmp_path, KEEP_REQUESTS="yes", RETENTION_DAYS="30")
    assert {name.partition(".sqlite3")[0] for name, _ in seen} == {"cds"}
    assert {what for _, what in seen}.isdisjoint({"access token", "JWT", "query"})


@pytest.mark.slow
@pytest.mark.requirement("H1", "SEC-27", "SEC-28")
def test_nothing_of_a_refused_call_stays(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key("private-life").jwk()]}))
    (tmp_path / "tenants.toml").write_text(
        '[tenants.a]\nissuers = ["https://ehr.example.org"]\n'
        'audience = "https://cds.example.org"\njwks_file = "keys.json"\n'
    )
    forged = Token(key("a-stranger"), claims(CANARIES["query"], "https://ehr.example.org"))
    seen, commented = leaks(tmp_path, forged.text(), TENANTS="tenants.toml")
    assert (seen, commented) == ([], set())


@pytest.mark.slow
@pytest.mark.requirement("H1", "H2", "RESP-9", "PHI-3", "PHI-5")
@pytest.mark.parametrize("place", BROKEN)
def test_an_error_on_our_side_tells_nothing_either(tmp_path, place):
    module, owner, name = BROKEN[place]
    canaries = " ".join(CANARIES.values())
    (tmp_path / "broken.py").write_text(
        STARTER.format(module=module, owner=owner, name=name, canaries=canaries)
    )
    seen, commented = leaks(tmp_path, module="broken")
    assert seen == []
    assert commented <= {"cds"}
    assert "RuntimeError" in (tmp_path / "stderr").read_text() or place in {"admission", "feedback"}
