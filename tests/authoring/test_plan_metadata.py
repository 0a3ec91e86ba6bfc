"""What every shipped PlanDefinition says of itself: identity, dates, scope, evidence, people."""

from __future__ import annotations

import re
from datetime import date

import pytest
from rule_plans import rule_of, rule_plans, strategies
from shared_data import ROOT

RULES = ROOT.parent / "clinical" / "rules.md"
CONTEXT_TYPES = "http://terminology.hl7.org/CodeSystem/usage-context-type"
CPG = "http://hl7.org/fhir/StructureDefinition"
COUNTRY_OF = {"nl": "NL", "de": "DE", "no": "NO"}

every_plan = pytest.mark.parametrize(
    "plan", [*rule_plans(), *strategies()], ids=lambda plan: plan["id"]
)
every_rule = pytest.mark.parametrize("plan", rule_plans(), ids=rule_of)


def contexts(plan, kind):
    return [item for item in plan["useContext"] if item["code"]["code"] == kind]


def countries(plan):
    return {coding["code"] for item in plan["jurisdiction"] for coding in item["coding"]}


def extension_text(plan, name):
    found = [item for item in plan["extension"] if item["url"] == f"{CPG}/{name}"]
    (extension,) = found
    return extension["valueCodeableConcept"]["text"]


@every_plan
def test_a_plan_has_an_identity_and_people_behind_it(plan):
    assert plan["url"] == f"https://lbp.example.org/fhir/PlanDefinition/{plan['id']}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", plan["version"])
    assert plan["publisher"]
    assert plan["author"]
    assert plan["reviewer"]


@every_plan
def test_a_plan_is_a_draft_that_nobody_has_approved(plan):
    assert plan["status"] == "draft"
    assert "approvalDate" not in plan
    (reason,) = plan["_approvalDate"]["extension"]
    assert reason["valueCode"] == "not-performed"


@every_plan
def test_a_plan_is_to_be_reviewed_within_a_year_of_its_last_review(plan):
    reviewed = date.fromisoformat(plan["lastReviewDate"])
    period = plan["effectivePeriod"]

    assert date.fromisoformat(plan["date"]) <= date.fromisoformat(period["start"])
    assert (date.fromisoformat(period["end"]) - reviewed).days <= 366


@every_plan
def test_a_plan_says_for_whom_and_where_it_is(plan):
    (focus,) = contexts(plan, "focus")

    assert focus["valueCodeableConcept"]["coding"][0]["code"] == "279039007"
    assert contexts(plan, "user")
    assert contexts(plan, "venue")
    assert {item["code"]["system"] for item in plan["useContext"]} == {CONTEXT_TYPES}


@every_rule
def test_rules_for_adults_say_so(plan):
    any_age = {"R01", "R02", "R06", "R11", "X02", "X03", "X04"}

    ages = [item["valueRange"]["low"]["value"] for item in contexts(plan, "age")]

    assert ages == ([] if rule_of(plan) in any_age else [18])


@every_rule
def test_a_rule_cites_documents_with_their_headings(plan):
    for artifact in plan["relatedArtifact"]:
        assert artifact["type"] == "citation"
        is_external = artifact["label"].startswith("EXT")
        assert is_external or re.search(r"; headings? \S", artifact["citation"])


@every_rule
def test_a_rule_says_that_its_sources_grade_nothing(plan):
    assert extension_text(plan, "cqf-strengthOfRecommendation").startswith("Not graded")
    assert extension_text(plan, "cqf-qualityOfEvidence").startswith("Not graded")


@pytest.mark.skipif(not RULES.exists(), reason="the rules are not here: ../shared/clinical")
@every_rule
def test_the_wording_of_a_rule_is_as_strong_as_the_rules_say(plan):
    words = {"S": "strongly", "W": "weakly", "I": "information"}
    row = re.search(
        rf"^\| {rule_of(plan)} \|(?:[^|]*\|){{2}} ([^|]*) \|", RULES.read_text(), re.MULTILINE
    )

    text = extension_text(plan, "cqf-strengthOfRecommendation")

    assert all(words[letter] in text for letter in re.findall(r"\b[SWI]\b", row[1] if row else ""))


@pytest.mark.skipif(not RULES.exists(), reason="the rules are not here: ../shared/clinical")
@every_rule
def test_the_jurisdiction_is_that_of_the_profiles_in_which_the_rule_speaks(plan):
    rule = rule_of(plan)
    cells = re.search(
        rf"\| {rule} \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|",
        RULES.read_text().split("### C.2")[1],
    )
    by_profile = dict(zip(("core", "nl", "de", "no"), cells.groups(), strict=True)) if cells else {}
    speaks = [profile for profile, cell in by_profile.items() if cell.strip() != "-"]
    if rule == "R14":  # a brake everywhere, a card for Dutch physiotherapists only
        speaks = ["nl"]
    wanted = {COUNTRY_OF[speaks[0]]} if len(speaks) == 1 else {"001"}

    assert countries(plan) == wanted
