"""The rules that have no card of their own stand as lines in the cards of others.

Source: rules C.1 and B.1, ruling 5; the parents of R68 and R80 are Readings of this project.
"""

from __future__ import annotations

import pytest
from rule_plans import LINES, cards, lines, rule_of, rule_plans

PLANS = {rule_of(plan): plan for plan in rule_plans()}

CANNOT_APPLY = {
    ("R38", "R29"): {"work-unknown"},
    ("R38", "R30"): {"not-recorded"},
    ("R70", "R33"): {"norway", "card"},
}
"""Cards whose own condition rules the line out: R38 needs sick leave on record, R70 is German."""


@pytest.mark.parametrize(
    ("rule", "parent"),
    [(rule, parent) for rule, (parents, _) in LINES.items() for parent in parents],
)
def test_a_line_rule_stands_in_every_card_of_its_parent_where_it_can_apply(rule, parent):
    wording = LINES[rule][1]

    without = {
        card["id"]
        for card in cards(PLANS[parent])
        if not any(text.startswith(wording) for text in lines(card).values())
    }

    assert without == CANNOT_APPLY.get((rule, parent), set())


@pytest.mark.parametrize("rule", sorted(LINES))
def test_a_line_rule_stands_in_no_other_card(rule):
    parents, wording = LINES[rule]

    carriers = {
        name
        for name, plan in PLANS.items()
        for card in cards(plan)
        if any(text.startswith(wording) for text in lines(card).values())
    }

    assert carriers == set(parents)


@pytest.mark.parametrize("rule", sorted(LINES))
def test_a_line_rule_has_no_plan_of_its_own(rule):
    assert rule not in PLANS


@pytest.mark.parametrize("braked", ["R16", "R21"])
def test_r14_brakes_the_advice_against_imaging_and_tests(braked):
    expressions = str(PLANS[braked]["extension"]) + str(PLANS[braked]["action"])

    assert "isSuspicious().isTrue().not()" in expressions


def test_r14_has_a_card_for_physiotherapists_only():
    conditions = [
        condition["expression"]["description"]
        for card in cards(PLANS["R14"])
        for condition in card["condition"]
    ]

    assert "the user is a physiotherapist" in conditions
