"""Extensions that FHIR lets pass and nothing reads."""

from __future__ import annotations

import pytest
from plans import BASE, EXTENSIONS, plan, variable

from cds_service import fhir_json
from cds_service.authoring import extension_lint
from cds_service.engine import Source, compile_content

HL7 = "http://hl7.org/fhir/StructureDefinition"


def found(*actions, **members):
    """Path, message and hint of each finding in a plan."""
    resource = plan("p", *actions, **members)
    source = Source("p.json", fhir_json.pretty(resource), resource)
    return [
        (item.where.path, item.message, item.hint)
        for item in extension_lint.findings(compile_content([source]))
    ]


def named(url, **value):
    return {"url": url if "://" in url else f"{EXTENSIONS}/{url}", **value}


def test_a_misspelt_name_of_ours_is_told_with_what_may_be_meant():
    inner = {"id": "b", "title": "B", "extension": [named("shaddow", valueBoolean=True)]}

    assert found({"id": "a", "title": "A", "action": [inner]}) == [
        (
            "PlanDefinition.action[0].action[0].extension[0].url",
            f"nothing reads the extension '{EXTENSIONS}/shaddow'",
            "did you mean 'shadow'?",
        )
    ]


def test_a_name_of_ours_that_is_like_none_is_told_with_all():
    ((_, _, hint),) = found(extension=[named("colour", valueString="red")])

    assert hint.startswith("those of this project are: action-resource, card-budget")


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        (f"{HL7}/varaible", f"{HL7}/variable"),
        (f"{HL7}/translations", f"{HL7}/translation"),
        (f"{HL7}/cqf-applicabilityBehaviour", f"{HL7}/cqf-applicabilityBehavior"),
        ("https://hl7.org/fhir/StructureDefinition/variable", f"{HL7}/variable"),
        (EXTENSIONS.replace("example.org", "example.com") + "/shadow", f"{EXTENSIONS}/shadow"),
    ],
)
def test_an_address_that_is_nearly_one_that_is_read_is_told(misspelt, meant):
    ((path, _, hint),) = found(extension=[named(misspelt, valueString="x")])

    assert path == "PlanDefinition.extension[0].url"
    assert hint == f"did you mean '{meant}'?"


@pytest.mark.parametrize(
    "url",
    [
        f"{HL7}/cqf-library",
        f"{HL7}/artifact-isOwned",
        "http://hl7.org/fhir/uv/cpg/StructureDefinition/cpg-knowledgeCapability",
        "https://hospital.example.com/fhir/StructureDefinition/owner",
    ],
)
def test_the_extensions_of_others_are_their_own_affair(url):
    assert found(extension=[named(url, valueString="x")]) == []


def test_a_name_of_ours_where_nothing_reads_it_is_told_with_its_place():
    assert found(extension=[named("shadow", valueBoolean=True)]) == [
        (
            "PlanDefinition.extension[0].url",
            "nothing reads the extension 'shadow' on PlanDefinition",
            "it belongs on PlanDefinition.action",
        )
    ]


def test_a_value_under_another_member_than_is_read_is_told():
    reasons = [named("override-reasons", valueUri="#reasons")]

    assert found({"id": "a", "title": "A", "extension": reasons}) == [
        (
            "PlanDefinition.action[0].extension[0].url",
            "the extension 'override-reasons' has no valueCanonical",
            "its value stands in valueCanonical",
        )
    ]


def test_a_misspelt_part_is_told():
    parts = [{"url": "lang", "valueCode": "de"}, {"url": "notes", "valueString": "A draft."}]

    assert found(extension=[named("translation-review", extension=parts)]) == [
        (
            "PlanDefinition.extension[0].extension[1].url",
            "the extension 'translation-review' has no part 'notes'",
            "did you mean 'note'?",
        )
    ]


def test_extensions_at_their_places_give_no_finding():
    called = variable("old", "%years > 50", ["years"])
    card = {"id": "a", "title": "A", "extension": [named("shadow", valueBoolean=False)]}
    conflict = named("conflict", valueCoding={"system": f"{BASE}/CodeSystem/c", "code": "K1"})

    assert found({"id": "g", "action": [card]}, extension=[called, conflict]) == []
