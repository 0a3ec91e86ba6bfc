"""One suite for every FHIR server: what the service reads from it is worth what prefetch is worth.

Embedded is the server of the tests; medplum is the sandbox's (@medplum/fhir-router), skipped where
it is not installed; given is any other, such as HAPI (`make hapi`), whose base URL stands in
TEST_FHIR_BASE, with TEST_FHIR_TOKEN where it asks for one. The example patients are written to it.
(The names do not begin with CDS_: the service refuses settings that it does not know.)
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from contract.clients import client_with
from draft_orders import mri
from fhir_stub import FhirStub
from medplum import PATIENTS, REPOSITORY, medplum, seed

from cds_service import fhir_json
from cds_service.data import plan_library
from cds_service.data.deadline import Deadline
from cds_service.data.fhir_client import FhirReader, FhirServer
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.engine import Service

CHARTS = sorted(path.stem for path in PATIENTS.glob("*.json"))
HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign")
TOKEN = "secret"
PAGE = 2
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DECISION = UUID("00000000-0000-4000-8000-000000000002")
WAIT_S = 30


@dataclass(frozen=True, slots=True)
class Access:
    """A FHIR server that holds the example patients, and the token that it asks for, if any."""

    base: str
    token: str | None

    def shown(self, token: str | None) -> dict[str, Any]:
        """What a hook request says of the server, with this token."""
        about: dict[str, Any] = {"fhirServer": self.base}
        if token is not None:
            about["fhirAuthorization"] = {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": "patient/*.read",
                "subject": "cds",
            }
        return about


# --- the servers ---


@contextmanager
def embedded() -> Iterator[Access]:
    bundles = [json.loads((PATIENTS / f"{name}.json").read_text()) for name in CHARTS]
    resources = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]
    with FhirStub(resources, token=TOKEN, page_size=PAGE) as stub:
        yield Access(stub.base, TOKEN)


@contextmanager
def sandbox_server() -> Iterator[Access]:
    with medplum("--token", TOKEN, "--page-size", str(PAGE)) as base:
        filled(base, TOKEN)
        yield Access(base, TOKEN)


@contextmanager
def given() -> Iterator[Access]:
    base = os.environ.get("TEST_FHIR_BASE")
    if not base:
        pytest.skip("TEST_FHIR_BASE names no FHIR server")
    token = os.environ.get("TEST_FHIR_TOKEN")
    filled(base, token or "")
    yield Access(base.rstrip("/"), token)


def filled(base: str, token: str) -> None:
    run = seed(base, FHIR_TOKEN=token)
    assert run.returncode == 0, run.stderr


SERVERS = {"embedded": embedded, "medplum": sandbox_server, "given": given}


@pytest.fixture(scope="module", params=SERVERS)
def access(request) -> Iterator[Access]:
    with SERVERS[request.param]() as started:
        yield started


@pytest.fixture(scope="module")
def reader(access) -> Iterator[FhirReader]:
    with FhirReader(allow_open_servers=access.token is None) as opened:
        yield opened


# --- the calls ---


@cache
def library():
    return plan_library.load(REPOSITORY / "plan_definitions")


def chart(name: str) -> list[dict[str, Any]]:
    """The resources of an example patient, decoded as the service decodes what it is sent."""
    bundle = fhir_json.decode((PATIENTS / f"{name}.json").read_bytes())
    return list(fhir_json.resources(bundle))


def service_of(hook: str) -> Service:
    return next(each for each in library().services.values() if each.hook == hook)


def request_for(hook: str, name: str) -> dict[str, Any]:
    """A call about this patient, without prefetch; an MRI is on the pad where there is one."""
    known = chart(name) if name in CHARTS else []
    visits = [each["id"] for each in known if each["resourceType"] == "Encounter"]
    context: dict[str, Any] = {
        "userId": "PractitionerRole/gp",
        "patientId": name,
        "encounterId": visits[0] if visits else "no-such-visit",
    }
    if hook.startswith("order-"):
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": mri(name)}]}
    if hook == "order-select":
        context["selections"] = ["ServiceRequest/draft-mri"]
    return {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": context,
    }


def prefetched(hook: str, name: str) -> dict[str, Any]:
    """The same call with everything that the chart holds in prefetch, as a good EHR sends it."""
    message = request_for(hook, name)
    prefetch: dict[str, Any] = {}
    for requirement in service_of(hook).requirements:
        found = [each for each in chart(name) if each["resourceType"] == requirement.resource_type]
        if "?" in requirement.query:
            entries = [{"resource": each} for each in found]
            bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
            prefetch[requirement.key] = {**bundle, "entry": entries}
        elif found:
            prefetch[requirement.key] = found[0]
    return {**message, "prefetch": prefetch}


def answer(message: dict[str, Any], profile: str, reader: FhirReader | None = None):
    hooks = HookService(library(), reader=reader, deadline_s=WAIT_S)
    service = service_of(message["hook"])
    return hooks.call(service.id, message, now=NOW, decision_id=DECISION, profile=profile)


def profile_of(name: str) -> str:
    return "de" if name.endswith("-de") else "core"


# --- the suite ---


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", CHARTS)
def test_without_prefetch_the_cards_are_those_with_it(access, reader, name, hook):
    profile = profile_of(name)
    expected = answer(prefetched(hook, name), profile)
    message = request_for(hook, name) | access.shown(access.token)

    assert answer(message, profile, reader).response == expected.response


@pytest.mark.parametrize(
    ("name", "hook", "rule"),
    [
        ("cauda-equina", "patient-view", "lbpR01"),
        ("fever", "patient-view", "lbpR06"),
        ("off-work-de", "patient-view", "lbpR29"),
        ("history-of-cancer", "order-sign", "lbpR04"),
        ("acute-back-pain", "order-sign", "lbpR16"),
    ],
)
def test_what_is_read_leads_to_the_card_that_the_examples_promise(access, reader, name, hook, rule):
    message = request_for(hook, name) | access.shown(access.token)
    cards = answer(message, profile_of(name), reader).response["cards"]

    shown = {each for card in cards for each in card["extension"]["org.example.lbp"]["rules"]}
    assert rule in shown


def test_all_pages_of_a_search_are_read(access, reader):
    conditions = {
        each["id"] for each in chart("cauda-equina") if each["resourceType"] == "Condition"
    }
    query = f"Condition?patient=cauda-equina&_count={PAGE}"
    got = reader.fetch(FhirServer(access.base, access.token), query, Deadline(WAIT_S))

    assert got.failure is None
    assert len(got.documents) > 1
    assert {
        each["id"] for page in got.documents for each in fhir_json.resources(page)
    } == conditions


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    database = f"sqlite:///{tmp_path_factory.mktemp('fhir')}/cds.sqlite3"
    return client_with(DATABASE_URL=database, OPEN_FHIR_SERVERS="yes", DEADLINE_S=str(WAIT_S))


def refused(client, message: dict[str, Any]) -> str:
    """The sentence of the 412 that answers this call."""
    got = client.post(f"/cds-services/{service_of(message['hook']).id}", message)

    assert (got.status, got.code) == (412, "prefetch-unavailable")
    return got.text


def test_a_patient_that_the_server_does_not_know_is_told_as_such(access, client):
    message = request_for("patient-view", "nobody-of-this-name")

    assert "'patient': it is not in prefetch, and the FHIR server" in refused(
        client, message | access.shown(access.token)
    )


def asks_for_a_token(access: Access) -> None:
    """Skip, by name, for a server that is open."""
    if requests.get(f"{access.base}/Patient/fever", timeout=WAIT_S).status_code not in {401, 403}:
        pytest.skip("this FHIR server asks for no token")


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_that_the_server_asks_for_nothing_is_judged(access, client, token):
    asks_for_a_token(access)
    message = request_for("patient-view", "fever") | access.shown(token)

    assert "'patient'" in refused(client, message)
