"""What every card of every rule must show: who says it, on what, what is open, who disagrees.

Source: safety requirements F.1 and F.5, rules 0.2 and A.9.
"""

from __future__ import annotations

import re

import pytest
from rule_plans import cards, conflicts, lines, rule_of, rule_plans, strategies
from shared_data import ROOT

RULES = ROOT.parent / "clinical" / "rules.md"
CARDS = [
    pytest.param(plan, card, id=f"{rule_of(plan)}-{card['id']}")
    for plan in rule_plans()
    for card in cards(plan)
]
KINDS = {
    "NTvG 2022;166:D7038, Lagerugpijn, NL": "learning article for clinicians",
    "Physiotherapy patient information, NL": "patient information",
    "Patient guide on non-specific back pain, DE, 30 Jan 2019": (
        "patient information, not a guideline"
    ),
    "Health-insurer patient text, DE (English translation), undated": (
        "patient information, not a guideline"
    ),
    "Norwegian PM&R guide, 15 Sep 2021": "specialist guide for clinicians",
}
"""The five source documents as a card cites them, with country and date → what kind they are."""

FILLED = {"w": "104", "d": "2024-05-20", "n": "12"}


def documents(card):
    return card["documentation"][0]["display"].split("; ")


@pytest.mark.parametrize(("plan", "card"), CARDS)
@pytest.mark.requirement("L1", "CARD-10")
def test_a_card_says_who_says_it_and_what_kind_of_document_that_is(plan, card):
    source = lines(card)["source"]

    for document in documents(card):
        kind = KINDS.get(document, "external, to be confirmed")
        assert document.removesuffix(" (external, to be confirmed)") in source
        assert kind in source[source.index(document.removesuffix(" (external, to be confirmed)")) :]


@pytest.mark.parametrize(("plan", "card"), CARDS)
@pytest.mark.requirement("L1", "CARD-10", "CARD-13")
def test_a_card_cites_documents_that_its_plan_lists(plan, card):
    listed = [artifact["citation"] for artifact in plan["relatedArtifact"]]

    for document in documents(card):
        assert any(citation.startswith(document) for citation in listed), document


@pytest.mark.parametrize(("plan", "card"), CARDS)
def test_no_card_calls_patient_information_a_guideline(plan, card):
    texts = [card["title"], card.get("description", ""), *lines(card).values()]

    assert not [text for text in texts if re.search(r"guideline (says|recommends|advises)", text)]


@pytest.mark.parametrize(("plan", "card"), CARDS)
def test_a_card_says_why(plan, card):
    assert card["description"].endswith(".")


@pytest.mark.parametrize(("plan", "card"), CARDS)
@pytest.mark.requirement("L1")
def test_a_card_ends_its_facts_with_rule_version_and_profile(plan, card):
    assert lines(card)["basis"].startswith("Basis ({rule}, profile {profile}): ")


@pytest.mark.parametrize("plan", rule_plans(), ids=rule_of)
def test_the_version_on_the_card_is_the_version_of_the_plan(plan):
    variables = {
        item["valueExpression"]["name"]: item["valueExpression"]["expression"]
        for item in plan["extension"]
        if "valueExpression" in item
    }

    assert variables["rule"] == f"'{rule_of(plan)} v{plan['version']}'"


@pytest.mark.parametrize(("plan", "card"), CARDS)
@pytest.mark.requirement("L1")
def test_a_card_says_what_was_looked_for_and_could_not_be_had(plan, card):
    assert re.search(r"Looked for, but \{missing\w+\}", lines(card)["not-available"])


@pytest.mark.parametrize(("plan", "card"), CARDS)
def test_a_card_says_what_its_source_leaves_open(plan, card):
    assert lines(card)["not-covered"].startswith("Not covered: ")


@pytest.mark.parametrize(
    ("plan", "card"),
    [item for item in CARDS if conflicts(item.values[0])],
)
def test_a_card_on_a_disputed_question_says_who_differs(plan, card):
    assert list(lines(card).items())[-1][1].startswith("Other sources differ: ")


@pytest.mark.skipif(not RULES.exists(), reason="the rules are not here: ../shared/clinical")
def test_the_plans_name_the_conflicts_that_the_rules_name():
    carried = {"R54": "R53", "R69": "R33"}
    named: dict[str, set[str]] = {}
    for row in re.finditer(r"^\| (R\d\d) \|.*\| ([^|]*) \|$", RULES.read_text(), re.MULTILINE):
        found = set(re.findall(r"K\d+", row[2]))
        if found:
            named.setdefault(carried.get(row[1], row[1]), set()).update(found)

    assert {rule_of(plan): conflicts(plan) for plan in rule_plans() if conflicts(plan)} == named


@pytest.mark.parametrize(("plan", "card"), CARDS)
def test_a_summary_has_fewer_than_140_characters_with_its_counts_and_dates(plan, card):
    filled = re.sub(r"\{(w|d|n)\}", lambda found: FILLED[found[1]], card["title"])

    assert len(re.sub(r"\{\w+\}", "x" * 30, filled)) < 140


@pytest.mark.parametrize("strategy", strategies(), ids=lambda plan: plan["id"])
def test_every_card_ends_with_what_the_service_is_and_that_all_is_optional(strategy):
    closing = next(item for item in strategy["action"] if item["id"] == "closing")["description"]

    assert "Suggestions are optional; an order can stay as it is." in closing
    assert "Decision support for clinicians" in closing
    assert "may be incomplete" in closing
    assert "does not replace history, examination and clinical judgement" in closing


@pytest.mark.parametrize("strategy", strategies(), ids=lambda plan: plan["id"])
@pytest.mark.requirement("L4")
def test_every_card_of_expired_content_says_so(strategy):
    expired = next(item for item in strategy["action"] if item["id"] == "expired")["description"]

    assert "valid until {validUntil}" in expired
