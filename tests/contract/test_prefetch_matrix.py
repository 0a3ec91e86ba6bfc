"""Every combination of what is prefetched, of the FHIR server, of the token and of the need.

Real sockets: the FHIR server of `fhir_stub` in each of its moods. What must come of it is in
`prefetch_table`, written from the decision table of the requirements (4.3) and not from the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fhir_stub
import pytest
from contract import prefetch_table, probe_guideline
from contract.clients import client_with
from fhir_stub import FhirStub, closed_port, outcome, searchset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.clients import Client

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

SERVERS = ["gives the data", "has a second page that fails", "is not named", "is dead", *MOODS]


@pytest.fixture(scope="module")
def closed(tmp_path_factory) -> Client:
    """A service that reads no FHIR server without a token."""
    return probing(tmp_path_factory, "no")


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Client:
    """A service that reads open FHIR servers."""
    return probing(tmp_path_factory, "yes")


def probing(tmp_path_factory, are_open_servers_read: str) -> Client:
    folder = tmp_path_factory.mktemp("probe")
    return client_with(
        PLANS=str(probe_guideline.write(folder)),
        DATABASE_URL=f"sqlite:///{folder / 'cds.sqlite3'}",
        DEADLINE_S=DEADLINE_S,
        OPEN_FHIR_SERVERS=are_open_servers_read,
    )


@pytest.fixture(scope="module")
def stub() -> Iterator[FhirStub]:
    with FhirStub([finding(1), finding(2)], page_size=1) as running:
        yield running


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


@pytest.mark.requirement(
    *("PF-3", "PF-4", "PF-5", "PF-6", "PF-7", "PF-8", "PF-9", "PF-10", "PF-11", "PF-12", "PF-13"),
    *("PF-15", "PF-17", "PF-18", "RESP-5", "REQ-21", "AUTHZ-12", "AUTHZ-16", "AUTHZ-17", "AMB-1"),
    *("VER-2", "VER-3", "VER-4", "A1", "A2", "A3", "E9"),
)
@pytest.mark.parametrize("token", prefetch_table.MAY_ASK)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("is_required", [True, False], ids=["required", "optional"])
def test_a_call_knows_what_the_decision_table_says(
    closed, opened, stub, is_required, value, server, token
):
    set_mood(stub, server)
    client = opened if token == "no token, open servers allowed" else closed
    hook = "patient-view" if is_required else "encounter-start"
    name = "probe-required" if is_required else "probe-optional"
    message = request_of(value, server, token, stub, hook)

    answer = client.post(f"/cds-services/{name}", message)

    known = prefetch_table.knowledge(value, server, token)
    assert answer.status == prefetch_table.status(known, is_required=is_required)
    if answer.status == 200:
        assert [card["summary"] for card in answer.json["cards"]] == [known]
    else:
        assert "'items'" in answer.text
    if not prefetch_table.is_asked(value, server, token):
        assert stub.seen == []
    assert len(stub.seen) <= 2, "a failed read is asked once more at most"
