"""Published synthetic patients through every service: as prefetch, and read from a FHIR server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import pytest
from draft_orders import mri
from fhir_stub import FhirStub
from schemas import checker
from shared_data import REPOSITORY, folder

from cds_service import fhir_json
from cds_service.data import plan_library
from cds_service.data.fhir_client import FhirReader
from cds_service.hooks.cards import EXTENSION, rules_shown
from cds_service.hooks.service import PROFILES, HookService

PATIENTS = sorted(folder("patients").glob("*.json"))
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DECISION = UUID("00000000-0000-4000-8000-000000000002")


@cache
def library():
    return plan_library.load(REPOSITORY / "plan_definitions")


def chart(path):
    """The resources of a bundle, with the references a FHIR server would hold."""
    bundle = json.loads(path.read_text())
    names = {
        entry["fullUrl"]: f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle["entry"]
        if "fullUrl" in entry
    }
    text = json.dumps([entry["resource"] for entry in bundle["entry"]])
    for urn, reference in names.items():
        text = text.replace(f'"{urn}"', f'"{reference}"')
    return json.loads(text)


def request_for(service, resources):
    patient = next(item for item in resources if item["resourceType"] == "Patient")
    context = {"userId": "Practitioner/gp", "patientId": patient["id"], "encounterId": "visit"}
    if service.hook.startswith("order"):
        draft = mri(patient["id"])
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": draft}]}
        context["selections"] = ["ServiceRequest/draft-mri"]
    return {
        "hook": service.hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
    }


def with_prefetch(request, service, resources):
    prefetch = {}
    for requirement in service.requirements:
        found = [item for item in resources if item["resourceType"] == requirement.resource_type]
        if "?" in requirement.query:
            entries = [{"resource": item} for item in found]
            prefetch[requirement.key] = {
                "resourceType": "Bundle",
                "type": "searchset",
                "total": len(found),
                "entry": entries,
            }
        elif requirement.key == "patient":
            prefetch["patient"] = found[0]
    return {**request, "prefetch": prefetch}


def answer(service, request, *, reader=None, profile="core"):
    hooks = HookService(library(), reader=reader, deadline_s=30)
    return hooks.call(service.id, request, now=NOW, decision_id=DECISION, profile=profile)


@pytest.mark.parametrize("path", PATIENTS, ids=lambda path: path.stem)
def test_every_service_answers_the_same_from_prefetch_and_from_a_fhir_server(path):
    resources = chart(path)
    with FhirStub(resources, token="secret", page_size=60) as stub, FhirReader() as reader:
        access = {
            "fhirServer": stub.base,
            "fhirAuthorization": {
                "access_token": "secret",
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": "user/*.read",
                "subject": "cds",
            },
        }
        for service in library().services.values():
            request = request_for(service, resources)
            by_prefetch = answer(service, with_prefetch(request, service, resources))
            by_server = answer(service, request | access, reader=reader)

            assert by_server.response == by_prefetch.response
            body = json.loads(fhir_json.encode(by_prefetch.response))
            checker.response(body)
            checker.answers(with_prefetch(request, service, resources), body)


@pytest.mark.parametrize("path", PATIENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", PROFILES)
def test_no_action_fails_on_a_real_chart(path, profile):
    resources = chart(path)
    for service in library().services.values():
        request = with_prefetch(request_for(service, resources), service, resources)
        found = answer(service, request, profile=profile)

        failed = [
            (item.path, item.note or [c.error for c in item.conditions if c.error])
            for item in found.outcome.walk()
            if item.verdict == "error"
        ]
        assert failed == []


def test_a_real_chart_without_back_pain_gets_no_card():
    path = next(path for path in PATIENTS if "noConditions" in path.stem)
    resources = chart(path)
    for service in library().services.values():
        request = with_prefetch(request_for(service, resources), service, resources)

        assert answer(service, request).response == {"cards": []}


def test_every_shown_rule_names_its_plan_and_the_decision():
    for path in PATIENTS:
        resources = chart(path)
        for service in library().services.values():
            request = with_prefetch(request_for(service, resources), service, resources)
            cards = answer(service, request).response["cards"]
            for card in cards:
                ours = card["extension"][EXTENSION]
                assert ours["decision"] == str(DECISION)
                assert len(ours["plans"]) >= 1
            assert set(rules_shown(cards)) <= {
                plan.topic.code for plan in library().content.plans.values() if plan.topic
            }
