"""What a client may prefetch, what its FHIR server may do, and the request that combines them.

The two axes of the decision table of the requirements (4.3), for real sockets: the FHIR server is
that of `fhir_stub` in each of its moods.
"""

from __future__ import annotations

from typing import Any

import fhir_stub
from fhir_stub import FhirStub, closed_port, outcome, searchset

DEADLINE_S = "0.25"


def finding(number: int, patient: str = "p") -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Condition", "id": f"c{number}", "subject": subject}


def page(*resources: Any, following: str | None = None) -> dict[str, Any]:
    link = [{"relation": "next", "url": following}] if following else []
    return searchset(resources) | {"link": link}


def only_outcome(severity: str) -> dict[str, Any]:
    entry = {"resource": outcome(severity), "search": {"mode": "outcome"}}
    return page() | {"entry": [entry]}


ABSENT = object()

VALUES: dict[str, Any] = {
    "data": page(finding(1), finding(2)),
    "an empty Bundle": page(),
    "null": None,
    "absent": ABSENT,
    "an OperationOutcome": outcome("error"),
    "a warning outcome in a Bundle": only_outcome("warning"),
    "an error outcome in a Bundle": only_outcome("error"),
    "the wrong type": {"resourceType": "Patient", "id": "p"},
    "page 1 of 2": page(finding(1), following="Condition?patient=p&_page=1"),
    "another patient's data": page(finding(1, "someone-else")),
}

HTML = b"<!doctype html><html><body>Sign in</body></html>"

MOODS: dict[str, Any] = {
    "gives nothing found": fhir_stub.resource_answer(page()),
    "gives another patient's data": fhir_stub.resource_answer(page(finding(9, "someone-else"))),
    "leads in a circle": fhir_stub.resource_answer(
        page(finding(1), following="Condition?patient=p")
    ),
    "stays silent": fhir_stub.hang,
    "sends a byte now and then": fhir_stub.drip_body,
    "closes with a reset": fhir_stub.reset,
    "says something that is not HTTP": fhir_stub.garbage,
    "answers 401": fhir_stub.status(401),
    "answers 403": fhir_stub.status(403),
    "answers 404": fhir_stub.status(404),
    "answers 429": fhir_stub.status(429, **{"Retry-After": "30"}),
    "answers 500": fhir_stub.status(500),
    "answers 503": fhir_stub.status(503, **{"Retry-After": "30"}),
    "redirects": fhir_stub.status(302, Location="/elsewhere"),
    "answers HTML": fhir_stub.answer(HTML, "text/html"),
    "answers JSON that is not FHIR": fhir_stub.resource_answer({"services": []}),
    "answers an OperationOutcome": fhir_stub.resource_answer(outcome("error")),
    "answers too much": fhir_stub.gzip_bomb(6_000_000),
}

NEVER_DONE = {"stays silent", "sends a byte now and then"}
"""The moods in which a call waits for its deadline."""

SERVERS = ["gives the data", "has a second page that fails", "is not named", "is dead", *MOODS]


def set_mood(stub: FhirStub, server: str) -> None:
    stub.seen.clear()
    stub.faults.clear()
    if server == "has a second page that fails":
        stub.faults["Condition"] = second_page_fails
    elif server in MOODS:
        stub.faults["Condition"] = MOODS[server]


def second_page_fails(handler: Any) -> None:
    if "_page=1" in handler.path:
        handler.send_resource(outcome("error"), 500)
    else:
        handler.search("Condition", {"patient": ["p"]})


def request_of(value: str, server: str, token: str, stub: FhirStub, hook: str) -> dict[str, Any]:
    context = {"userId": "Practitioner/1", "patientId": "p"}
    if hook == "encounter-start":
        context["encounterId"] = "e"
    sent: dict[str, Any] = {"hook": hook, "hookInstance": "probe", "context": context}
    if VALUES[value] is not ABSENT:
        sent["prefetch"] = {"items": VALUES[value]}
    if server != "is not named":
        dead = f"http://127.0.0.1:{closed_port()}/fhir"
        sent["fhirServer"] = dead if server == "is dead" else stub.base
        if not token.startswith("no token"):
            expires_in = 0 if token == "an expired token" else 300
            sent["fhirAuthorization"] = {
                "access_token": "t0ken",
                "token_type": "Bearer",
                "expires_in": expires_in,
                "scope": "patient/Condition.rs",
                "subject": "cds-service",
            }
    return sent
