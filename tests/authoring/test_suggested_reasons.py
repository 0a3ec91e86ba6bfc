"""A proposed order gives as its reason what the record holds, and nothing more than that."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from shared_data import REPOSITORY

from cds_service.authoring import cases
from cds_service.data import plan_library
from cds_service.hooks.service import HookService

PLANS = REPOSITORY / "plan_definitions"
ACCIDENT = "referral/R10/cases/a-fracture-after-an-accident-is-referred-as-what-is-recorded.json"


def test_the_referral_of_a_fracture_names_the_fracture_on_record():
    service = HookService(plan_library.load(PLANS))

    answer = cases.answer_to(cases.read(PLANS / ACCIDENT), service, ZoneInfo("UTC"))

    (card,) = answer.response["cards"]
    (action,) = card["suggestions"][0]["actions"]
    assert action["resource"]["reasonReference"] == [{"reference": "Condition/fracture"}]
    assert "reasonCode" not in action["resource"]
