"""Every case of the guidelines, over HTTP: what real content makes holds the contract as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service import fhir_json
from cds_service.authoring import case_request, cases
from cds_service.data import plan_library

PLANS = Path(__file__).parents[2] / "plan_definitions"
FILES = list(cases.case_files(PLANS))


@pytest.fixture(scope="module")
def library():
    return plan_library.load(PLANS)


@pytest.mark.requirement("CARD-3", "CARD-8", "CARD-11", "CARD-19", "CARD-22", "SUG-5", "ACT-8")
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PLANS)))
@pytest.mark.requirement(
    "GEN-3",
    "GEN-5",
    "CARD-4",
    "CARD-9",
    "CARD-17",
    "CARD-20",
    "CARD-26",
    "CARD-27",
    "CARD-7",
    "SUG-1",
    "SUG-9",
    "ACT-1",
    "ACT-2",
    "ACT-4",
    "ACT-6",
    "ACT-7",
    "ACT-9",
    "SYS-1",
    "SYS-2",
    "CARD-15",
    "LINK-1",
    "LINK-2",
    "LINK-3",
    "LINK-5",
    "LINK-7",
    "LINK-9",
    "GEN-7",
    "GEN-8",
    "GEN-9",
    "G2",
    "G4",
)
@pytest.mark.requirement("GEN-6", "RESP-8")
def test_an_answer_to_a_case_holds_the_contract(client, library, services, address, file):
    case = cases.read(file)
    hook = case.json.get("hook") or case.json["request"]["hook"]
    service = library.service(services[hook]["id"])
    profile = f"/{case.json['profile']}" if "profile" in case.json else ""
    body = fhir_json.encode(case_request.request_of(case.json, service))
    headers = {"Accept-Language": case.json.get("language", "en")}
    answer = client.post(profile + address(hook), body, headers=headers)
    assert answer.status == case.json["expect"].get("status", 200)
