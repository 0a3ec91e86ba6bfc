"""Plans that others wrote: they load as far as they go, or are refused with all the reasons."""

from __future__ import annotations

import base64

import pytest
from plans import apply_first, compile_all, condition, plan

from cds_service.engine import Verdict
from cds_service.errors import ContentErrors

ELSEWHERE = "http://fhir.example.net/guides/other"


def cql_library():
    cql = base64.b64encode(b'define "Is Applicable?": true').decode()
    return {
        "resourceType": "Library",
        "id": "Logic",
        "url": f"{ELSEWHERE}/Library/Logic",
        "version": "2022.1.0",
        "status": "active",
        "type": {"coding": [{"code": "logic-library"}]},
        "content": [{"contentType": "text/cql", "data": cql}],
        "dataRequirement": [{"type": "MedicationRequest", "mustSupport": ["medication"]}],
    }


def cpg_plan(**members):
    """In the shape of published CPG recommendations: CQL by identifier, texts by dynamicValue."""
    by_identifier = {"language": "text/cql-identifier", "expression": "Get Summary"}
    return plan(
        "recommendation",
        {
            "trigger": [{"type": "named-event", "name": "patient-view"}],
            "input": [{"type": "MedicationRequest"}],
            "title": "A title",
            "condition": [condition("Is Applicable?", "text/cql-identifier")],
            "dynamicValue": [{"path": "action.title", "expression": by_identifier}],
            "groupingBehavior": "visual-group",
            "selectionBehavior": "exactly-one",
            "action": [{"description": "Will review"}],
        },
        {"id": "plain", "title": "Judged by FHIRPath", "condition": [condition("id = 'p1'")]},
        library=[f"{ELSEWHERE}/Library/Logic|2022.1.0"],
        description="What it recommends.",
        meta={"profile": ["http://hl7.org/fhir/uv/cpg/StructureDefinition/cpg-recommendation"]},
        extension=[
            {
                "url": "http://hl7.org/fhir/uv/cpg/StructureDefinition/cpg-knowledgeCapability",
                "valueCode": "shareable",
            }
        ],
        **members,
    )


def test_a_plan_in_cql_loads_and_names_every_expression_it_cannot_evaluate():
    content = compile_all(cpg_plan(), cql_library())

    told = [(problem.code, problem.where.path) for problem in content.unsupported]
    assert (
        "unsupported-language",
        "PlanDefinition.action[0].condition[0].expression.language",
    ) in told
    assert (
        "unsupported-language",
        "PlanDefinition.action[0].dynamicValue[0].expression.language",
    ) in told
    assert "recommendation" in content.services


def test_its_actions_in_cql_are_errors_and_its_others_are_judged():
    outcome = apply_first(cpg_plan(), cql_library())

    assert [item.verdict for item in outcome.actions] == [Verdict.ERROR, Verdict.FIRED]
    assert "text/cql-identifier" in outcome.actions[0].conditions[0].error


def test_a_data_requirement_without_an_id_is_noted_and_not_fetched():
    content = compile_all(cpg_plan(), cql_library())

    assert content.services["recommendation"].requirements == ()
    assert "data-requirement" in {problem.code for problem in content.unsupported}


def test_a_data_requirement_without_a_query_asks_for_all_of_its_type():
    root = {
        "id": "root",
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "input": [{"id": "meds", "type": "MedicationRequest"}, {"id": "person", "type": "Patient"}],
    }
    content = compile_all(plan("s", root, description="D"))

    assert [item.query for item in content.services["s"].requirements] == [
        "MedicationRequest?patient={{context.patientId}}",
        "Patient/{{context.patientId}}",
    ]


def test_a_plan_whose_libraries_and_definitions_are_missing_is_refused_with_all_reasons():
    action = {"id": "order", "definitionCanonical": f"{ELSEWHERE}/ActivityDefinition/order"}
    foreign = cpg_plan()
    foreign["action"].append(action)

    with pytest.raises(ContentErrors) as caught:
        compile_all(foreign)

    messages = [problem.message for problem in caught.value.problems]
    assert len(messages) == 2
    assert any("Library/Logic" in message for message in messages)
    assert any("ActivityDefinition/order" in message for message in messages)
