"""Try it on a FHIR server, in a real browser: its patients, their charts, and what it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from contract.clients import Server, serving
from fhir_stub import FhirStub

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "patients"


@pytest.fixture(scope="module")
def workbench(tmp_path_factory) -> Iterator[Server]:
    """In place of the workbench of the other tests: one that is pointed at a FHIR server."""
    bundles = [json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))]
    with FhirStub([entry["resource"] for bundle in bundles for entry in bundle["entry"]]) as stub:
        yield from serving(
            tmp_path_factory.mktemp("workbench-fhir"),
            WORKBENCH="yes",
            WORKBENCH_FHIR=stub.base,
            OPEN_FHIR_SERVERS="yes",
            DEADLINE_S="30",
            WORKERS="1",
        )


@pytest.fixture
def page(open_page):
    return open_page()


def sign(page):
    page.click("#send")
    page.wait_for_selector("#cards .card")
    page.wait_for_selector(".whys")


def test_it_starts_with_a_patient_of_the_server_and_signing_shows_the_card(page):
    with page.expect_request("**/cds-services/low-back-pain-order-sign") as call:
        sign(page)

    assert "prefetch" not in json.loads(call.value.post_data)
    assert "Lumbar imaging not recommended" in page.text_content(".card h3")


def test_another_patient_of_the_list_is_another_chart_and_request(page):
    page.select_option("#fhir-patients", "cauda-equina")
    page.wait_for_selector(".entry:has-text('retention')")

    request = page.eval_on_selector("#text-request code", "code => code.dataset.text")
    assert json.loads(request)["context"]["patientId"] == "cauda-equina"


def test_a_thing_that_was_read_opens_as_the_resource_it_is(page):
    page.click(".entry")

    resource = json.loads(page.text_content("#resource code"))
    assert resource["id"] == "acute-back-pain-lbp"


def test_a_patient_that_the_server_lacks_is_told_and_no_other_answer_is_left(page):
    sign(page)
    page.fill("input[name=patientId]", "nobody")
    page.click("#send")
    page.wait_for_selector("#cards .problem:has-text('does not have it (404)')")

    assert page.locator("#panel-why .why").count() == 0
    assert page.input_value("#fhir-patients") == ""


def test_the_page_has_no_serious_accessibility_issue(page):
    found = Axe().run(page).response["violations"]

    assert [issue["id"] for issue in found if issue["impact"] in {"serious", "critical"}] == []
