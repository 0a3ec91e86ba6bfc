"""Canaries in everything that a client may send, and where they turn up afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import requests
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
    (problems := chart()["prefetch"]["conditions"])["entry"].append(
        {"resource": chart()["prefetch"]["patient"]}
    )
    whole = {"name": "data", "resource": problems}
    yield "/fhir/PlanDefinition/lbpR16/$apply", applied | {"parameter": [subject, whole]}


def send(server, bearer=CANARIES["JWT"]):
    """Send everything; the errors, which may repeat what the client itself put into the address."""
    with FhirStub() as stub:
        for kind in ("Patient", "Condition", "Observation"):
            stub.faults[kind] = lambda handler: handler.send_error(500, "".join(CANARIES.values()))
        for path, body in exchanges(f"{stub.origin}/{CANARIES['identifier']}"):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = requests.post(
                server.url + path,
                params={} if "$" in path else {"x": CANARIES["query"]},
                data=data,
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"},
                timeout=15,
            )
            if answer.status_code >= 400 and CANARIES["name"] not in path:
                yield answer


def found_in(text):
    return [what for what, canary in CANARIES.items() if canary in text]


def files(folder):
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and path.suffix not in {".py", ".pyc", ".toml"}:
            yield path.name, path.read_bytes().decode("utf-8", "replace")
