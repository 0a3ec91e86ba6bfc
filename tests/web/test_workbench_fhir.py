"""The workbench pointed at a FHIR server: its patients are offered, their charts are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contract.clients import client_with
from fhir_stub import FhirStub, closed_port, status

from cds_service.web.workbench.fhir_patients import SHOWN

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "patients"
HERE = {"base_url": "http://127.0.0.1:8080"}


@pytest.fixture(scope="module")
def resources():
    bundles = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    return [entry["resource"] for bundle in bundles for entry in bundle["entry"]]


@pytest.fixture
def pointed_at(tmp_path):
    """A client of the workbench that is pointed at this base URL."""

    def at(base: str):
        settings = {"WORKBENCH": "yes", "WORKBENCH_FHIR": base, "OPEN_FHIR_SERVERS": "yes"}
        database = f"sqlite:///{tmp_path}/cds.sqlite3"
        made = client_with(DATABASE_URL=database, **settings)
        return made.app.test_client()

    return at


def asked(base: str, patient: str) -> dict[str, object]:
    return {
        "service": "low-back-pain-patient-view",
        "source": "server",
        "fhirServer": base,
        "patientId": patient,
    }


def test_the_patients_of_the_server_are_offered_by_name(pointed_at, resources):
    with FhirStub(resources) as stub:
        page = pointed_at(stub.base).get("/workbench", **HERE).text

    assert f'value="{stub.base}"' in page
    assert (
        '<option value="acute-back-pain" selected>Anna Example · acute-back-pain</option>' in page
    )
    assert page.index('value="server" checked') > 0


def test_of_many_patients_some_are_offered_and_that_is_no_failure(pointed_at):
    many = [{"resourceType": "Patient", "id": f"p{number}"} for number in range(SHOWN + 10)]
    with FhirStub(many) as stub:
        page = pointed_at(stub.base).get("/workbench", **HERE).text

    assert page.count('<option value="p') == SHOWN
    assert "could not be listed" not in page


def test_a_server_that_cannot_be_read_is_told_on_the_page(pointed_at):
    page = pointed_at(f"http://127.0.0.1:{closed_port()}/fhir").get("/workbench", **HERE)

    assert page.status_code == 200
    assert "Its patients could not be listed:" in page.text


def test_a_server_that_asks_for_a_token_is_told_on_the_page(pointed_at, resources):
    with FhirStub(resources, token="secret") as stub:
        page = pointed_at(stub.base).get("/workbench", **HERE).text

    assert "Its patients could not be listed:" in page


def test_the_chart_is_shown_as_the_service_reads_it(pointed_at, resources):
    with FhirStub(resources) as stub:
        bench = pointed_at(stub.base)
        built = bench.post("/workbench/request", json=asked(stub.base, "fever"), **HERE).json

    assert "fever-lbp" in built["chart"]
    assert built["resources"]["Observation/fever-temperature"]["resourceType"] == "Observation"
    assert "prefetch" not in json.loads(built["request"])


def test_an_example_patient_on_the_server_is_seen_on_the_day_of_its_example_chart(
    pointed_at, resources
):
    with FhirStub(resources) as stub:
        bench = pointed_at(stub.base)
        built = bench.post("/workbench/request", json=asked(stub.base, "fever"), **HERE).json

    assert built["asOf"] == "2024-06-01"


def test_another_patient_is_seen_today(pointed_at):
    with FhirStub([{"resourceType": "Patient", "id": "p"}]) as stub:
        bench = pointed_at(stub.base)
        built = bench.post("/workbench/request", json=asked(stub.base, "p"), **HERE).json

    assert built["asOf"] is None


@pytest.mark.parametrize("code", [403, 404, 503])
def test_a_chart_that_cannot_be_read_leaves_the_request_to_be_sent(pointed_at, resources, code):
    with FhirStub(resources) as stub:
        stub.faults["Patient"] = status(code)
        bench = pointed_at(stub.base)
        answer = bench.post("/workbench/request", json=asked(stub.base, "fever"), **HERE)

    assert answer.status_code == 200
    assert "The chart is on the FHIR server" in answer.json["chart"]
    assert json.loads(answer.json["request"])["fhirServer"] == stub.base
