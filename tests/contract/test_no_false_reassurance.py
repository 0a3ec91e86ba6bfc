"""No card of the guidelines says that no red flag was found unless everything needed is known.

The patient has back pain and a negative red-flag screen, and an MRI is ordered; then what the
clinical rules read for warning signs is taken away in every way that a client or a FHIR server has.
Sources: clinical rules, R16; requirements PF-15, PF-16; risk A2.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import fhir_stub
import pytest
from contract.clients import client_with
from fhir_stub import FhirStub, outcome, searchset

pytestmark = [pytest.mark.requirement("A2", "PF-15", "PF-16")]

CLAIM = "no red flag found"
READ_FOR_WARNING_SIGNS = ("conditions", "obs", "meds", "medstat")
"""What SUSP and SCREEN of the rules read: findings, problems, steroids and immunosuppressants."""


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


def coding(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def resource(kind: str, **members: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": kind.lower(), "subject": {"reference": "Patient/p"}} | (
        members
    )


@pytest.fixture
def ordered(message):
    """An MRI ordered for four weeks of back pain with a negative screen; everything is known."""
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    screen = coding("https://lbp.example.org/fhir/CodeSystem/lbp-local", "LOC-redflag-screen")
    pain = resource(
        "Condition",
        clinicalStatus=coding(clinical, "active"),
        code=coding("http://snomed.info/sct", "279039007"),
        onsetDateTime=days_ago(28),
    )
    negative = resource(
        "Observation",
        status="final",
        code=screen,
        effectiveDateTime=days_ago(3),
        valueBoolean=False,
    )
    mri = resource(
        "ServiceRequest", status="draft", intent="order", code=coding("http://loinc.org", "24968-0")
    )
    body = message("order-sign")
    body["context"]["draftOrders"]["entry"] = [{"resource": mri}]
    body["prefetch"] |= {"conditions": searchset([pain]), "obs": searchset([negative])}
    return body


def said(client, address, body: dict[str, Any]) -> str:
    """The whole answer in small letters; a refusal claims nothing."""
    answer = client.post(address("order-sign"), body)
    assert answer.status in {200, 412}
    return answer.body.decode().lower()


def test_with_everything_known_the_card_says_what_it_found(client, address, ordered):
    assert CLAIM in said(client, address, ordered)


WAYS: dict[str, Any] = {
    "an OperationOutcome": lambda _: outcome("error"),
    "an OperationOutcome as entry": lambda _: (
        searchset([]) | {"entry": [{"resource": outcome("error"), "search": {"mode": "outcome"}}]}
    ),
    "another type": lambda _: {"resourceType": "Basic", "id": "b"},
    "a string": lambda _: "123",
    "fewer entries than the total": lambda value: (value or searchset([])) | {"total": 5000},
    "a page that cannot be had": lambda value: (
        (value or searchset([]))
        | {"link": [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]}
    ),
    "an error beside the data": lambda value: (
        (value or searchset([]))
        | {"entry": [*(value or searchset([]))["entry"], {"resource": outcome("error")}]}
    ),
}


@pytest.mark.parametrize("way", [*WAYS, "nothing"])
@pytest.mark.parametrize("key", READ_FOR_WARNING_SIGNS)
def test_one_key_that_is_not_known_is_enough(client, address, ordered, key, way):
    if way == "nothing":
        del ordered["prefetch"][key]
    else:
        ordered["prefetch"][key] = WAYS[way](ordered["prefetch"][key])

    assert CLAIM not in said(client, address, ordered)


@pytest.mark.requirement("A2")
def test_any_set_of_keys_that_holds_one_of_them_is_enough(client, address, ordered):
    claimed = []
    for size in (1, 2):
        for keys in itertools.combinations(ordered["prefetch"], size):
            sent = {key: value for key, value in ordered["prefetch"].items() if key not in keys}
            is_known = not set(keys) & {*READ_FOR_WARNING_SIGNS, "patient"}
            if CLAIM in said(client, address, {**ordered, "prefetch": sent}) and not is_known:
                claimed.append(keys)
    assert claimed == []


def test_a_call_that_was_stripped_of_all_data_is_refused(client, address, ordered):
    for name in ("prefetch", "fhirServer", "fhirAuthorization"):
        ordered.pop(name, None)

    assert client.post(address("order-sign"), ordered).status == 412


FAULTS: dict[str, Any] = {
    "silence": fhir_stub.hang,
    "403": fhir_stub.status(403),
    "500": fhir_stub.status(500),
    "HTML": fhir_stub.answer(b"<html></html>", "text/html"),
    "a circle": fhir_stub.next_page("Observation?patient=p"),
    "a reset": fhir_stub.reset,
}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A service that does not wait long for a server that hangs, and enough for the others."""
    path = tmp_path_factory.mktemp("hasty") / "cds.sqlite3"
    return client_with(DATABASE_URL=f"sqlite:///{path}", DEADLINE_S="2")


@pytest.mark.requirement("A1")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_leaves_nothing_to_claim(hasty, address, ordered, fault):
    del ordered["prefetch"]["obs"]
    with FhirStub() as stub:
        stub.faults["Observation"] = FAULTS[fault]
        ordered["fhirServer"] = stub.base
        ordered["fhirAuthorization"] = {"access_token": "t", "token_type": "Bearer"}

        assert CLAIM not in said(hasty, address, ordered)
        assert stub.seen
