"""The guideline in words: what a reader finds in it, and what is read from expressions alone."""

from __future__ import annotations

import json
import re

import pytest
from plans import BASE, compile_all, condition, plan, variable
from rule_plans import PLANS, conflicts, rule_of, rule_plans

from cds_service.authoring.guideline import document
from cds_service.authoring.guideline_profiles import Profile
from cds_service.data import plan_library
from cds_service.fhirpath.parser import parse


@pytest.fixture(scope="module")
def text():
    return document(plan_library.load(PLANS))


@pytest.mark.parametrize("shown", rule_plans(), ids=rule_of)
def test_every_rule_has_its_section_with_sources_cards_and_cases(text, shown):
    start = text.index(f"### {rule_of(shown)} ")
    section = text[start : text.index("\n#", start + 4)]

    for artifact in shown["relatedArtifact"]:
        assert artifact["citation"] in section
    assert "- Strength: Not graded" in section
    assert "**Card [" in section
    assert re.search(r"^Cases \(\d+\):$", section, re.MULTILINE)


def test_every_link_leads_somewhere(text):
    places = set(re.findall(r'<a id="([^"]+)"></a>', text))
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }

    assert set(re.findall(r"\]\(#([^)]+)\)", text)) - places - headings == set()


def test_no_place_is_named_twice(text):
    places = re.findall(r'<a id="([^"]+)"></a>', text)

    assert len(places) == len(set(places))


def test_the_conflicts_stand_in_one_table_with_the_rules_they_touch(text):
    rows = dict(re.findall(r'^\| <a id="conflict-(K\d+)"></a>.*\| (.*) \|$', text, re.MULTILINE))

    assert list(rows) == [f"K{number}" for number in range(1, 16)]
    for shown in rule_plans():
        for number in conflicts(shown):
            assert f"[{rule_of(shown)}](" in rows[number]


@pytest.mark.parametrize(
    ("rule", "cells"),
    [
        ("R01", ["critical", "critical", "critical", "critical"]),
        ("R14", ["–", "warning", "–", "–"]),
        ("R16", ["warning / info", "warning", "warning", "warning / info"]),
        ("R17", ["–", "–", "info", "–"]),
        ("R30", ["–", "–", "–", "warning / info"]),
        ("R53", ["warning", "warning", "warning", "warning"]),
        ("R57", ["info", "warning / info", "info", "info"]),
        ("R66", ["info", "warning", "info", "info"]),
    ],
)
def test_the_matrix_shows_each_profile_as_the_rules_ask(text, rule, cells):
    row = re.search(rf"^\| \[{rule}\]\(#rule-{rule}\) \|[^|]*\|(.*)\|[^|]*\|$", text, re.MULTILINE)

    assert [cell.strip() for cell in row[1].split("|")] == cells


def test_the_same_files_give_the_same_text(text):
    assert document(plan_library.load(PLANS)) == text


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ("%profile = 'de'", True),
        ("'nl' = %profile", False),
        ("(%profile = 'core' or %profile = 'no') and %lbp.exists()", False),
        ("%profile = 'de' and %lbp.exists()", None),
        ("(%profile = 'nl').not()", True),
        ("(%profile = 'de' and ge(42).isTrue()).not()", None),
        ("%isGermany", True),
        ("%lbp.exists()", None),
        ("%profile = %other", None),
        ("%profile != 'de'", None),
    ],
)
def test_what_the_profile_alone_decides(expression, truth):
    germany = Profile("de", {"isGermany": "%profile = 'de'"})

    assert germany.truth(parse(expression)) is truth


@pytest.mark.parametrize(
    ("expression", "indicators"),
    [
        ("'stat'", ["critical"]),
        ("iif(%profile = 'de', 'urgent', 'routine')", ["warning"]),
        ("iif(%profile = 'nl', 'urgent', 'routine')", ["info"]),
        ("iif(%bad, 'stat', {})", ["critical", "info"]),
        ("iif(%bad, 'urgent')", ["warning", "info"]),
    ],
)
def test_the_indicators_a_card_can_have_in_a_profile(expression, indicators):
    action = {
        "id": "a",
        "title": "A",
        "priority": "routine",
        "extension": [variable("bad", "%patient.exists()")],
        "dynamicValue": [
            {
                "path": "action.priority",
                "expression": {"language": "text/fhirpath", "expression": expression},
            }
        ],
    }
    compiled = compile_all(plan("p", action)).plans[f"{BASE}/PlanDefinition/p"].actions[0]

    assert Profile("de", {}).indicators(compiled) == indicators


def test_a_card_behind_one_that_always_wins_is_not_shown_for_that_profile(tmp_path):
    variants = {
        "id": "variants",
        "groupingBehavior": "logical-group",
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/cqf-applicabilityBehavior",
                "valueCode": "any",
            }
        ],
        "action": [
            {
                "id": "germany",
                "title": "Germany",
                "priority": "urgent",
                "condition": [condition("%profile = 'de'")],
            },
            {"id": "others", "title": "Others", "priority": "routine"},
        ],
    }
    rule = plan("lbpR01", variants, description="A rule.")
    strategy = plan(
        "strategy",
        {
            "id": "hook",
            "groupingBehavior": "logical-group",
            "trigger": [{"type": "named-event", "name": "patient-view"}],
            "action": [{"id": "R01", "definitionCanonical": rule["url"]}],
        },
        description="A hook.",
    )
    folder = tmp_path / "topic" / "R01"
    folder.mkdir(parents=True)
    (folder / "PlanDefinition.json").write_text(json.dumps(rule))
    (tmp_path / "Strategy.json").write_text(json.dumps(strategy))

    text = document(plan_library.load(tmp_path))

    assert "| [R01](#rule-R01) | lbpR01 | info | info | warning | info | patient-view |" in text
