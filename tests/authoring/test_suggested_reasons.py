"""A proposed order gives as its reason what the record holds, and nothing more than that."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from shared_data import REPOSITORY

from cds_service.authoring import cases
from cds_service.data import plan_library
from cds_service.hooks.cards import rules_of
from cds_service.hooks.service import HookService

PLANS = REPOSITORY / "plan_definitions"
ACCIDENT = "a-fracture-after-an-accident-is-referred-as-what-is-recorded"
SENT_BACK = "sciatica-of-56-days-in-back-pain-of-three-years-is-sent-back-by-its-own-weeks"
OF_THE_DIAGNOSIS = {
    "referral/R32": (
        "sciatica-of-56-days-in-back-pain-of-three-years-is-told-by-its-own-weeks",
        "lumbar-radiculopathy",
    ),
    "referral/R41": (
        "known-ankylosing-spondylitis-with-back-pain-where-no-country-is-chosen",
        "spondylitis",
    ),
    "therapy/R42": ("vertebral-collapse-91-days-ago-calls-for-exercise", "fracture"),
    "referral/R75": ("lumbar-stenosis-with-a-pain-score-of-7", "stenosis"),
}


@pytest.fixture(scope="module")
def service():
    return HookService(plan_library.load(PLANS))


def suggested(service, folder, case):
    """What the first suggestion of the card of this folder's rule would create."""
    path = PLANS / folder / "cases" / f"{case}.json"
    answer = cases.answer_to(cases.read(path), service, ZoneInfo("UTC"))
    rule = f"lbp{path.parts[-3]}"
    (card,) = [card for card in answer.response["cards"] if rule in rules_of(card)]
    return card["suggestions"][0]["actions"][0]["resource"]


def test_the_referral_of_a_fracture_names_the_fracture_on_record(service):
    order = suggested(service, "referral/R10", ACCIDENT)

    assert order["reasonReference"] == [{"reference": "Condition/fracture"}]
    assert "reasonCode" not in order


@pytest.mark.parametrize("folder", OF_THE_DIAGNOSIS)
def test_an_order_for_a_spinal_diagnosis_names_it_and_not_the_back_pain(service, folder):
    case, diagnosis = OF_THE_DIAGNOSIS[folder]

    order = suggested(service, folder, case)

    assert order["reasonReference"] == [{"reference": f"Condition/{diagnosis}"}]


def test_a_visit_for_a_radicular_syndrome_names_it_and_not_the_back_pain(service):
    task = suggested(service, "referral/R31", SENT_BACK)

    assert task["reasonReference"] == {"reference": "Condition/lumbar-radiculopathy"}
