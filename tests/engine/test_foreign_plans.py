"""Plans that others wrote: they load as far as they go, or are refused with all the reasons."""

from __future__ import annotations

import base64

import pytest
from plans import (
    DECISION,
    apply_first,
    compile_all,
    condition,
    expression_extension,
    plan,
    variable,
)

from cds_service.engine import Verdict, request_group
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

    assert [item.key for item in content.services["recommendation"].requirements] == ["patient"]
    assert "data-requirement" in {problem.code for problem in content.unsupported}


@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        ("gender = 'male'", True),
        ("%male", True),
        ("%subject.exists()", True),
        ("%patient.exists()", True),
        ("%resource.gender = 'male'", True),
        ("%problems.exists() or $this.active", True),
        ("%problems.exists(code.text = 'pain')", False),
        ("%problems.where(recordedDate < today()).count() > 1", False),
        ("%many", False),
        ("true", False),
    ],
)
def test_a_plan_that_reads_its_patient_asks_for_it_declared_or_not(text, is_asked):
    root = {
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "input": [{"id": "problems", "type": "Condition"}],
        "extension": [
            variable("male", "gender = 'male'"),
            variable("many", "%problems.count() > 1"),
        ],
        "action": [{"title": "B", "condition": [condition(text)]}],
    }
    content = compile_all(plan("s", root, description="D"))

    assert ("patient" in content.services["s"].prefetch) is is_asked


def test_a_plan_that_reads_its_patient_by_a_name_of_its_own_asks_once():
    root = {
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "input": [{"id": "person", "type": "Patient"}],
        "condition": [condition("%person.gender = 'male'")],
    }
    content = compile_all(plan("s", root, description="D"))

    assert list(content.services["s"].prefetch) == ["person"]


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


OTHERS = (
    "text/cql",
    "text/cql-identifier",
    "text/cql-expression",
    "text/cql.identifier",
    "text/cql.expression",
    "application/x-fhir-query",
    "application/elm+json",
)


def written(language: str, text: str = "true") -> dict[str, str]:
    return {"language": language, "expression": text}


def activity(**members):
    return {
        "resourceType": "ActivityDefinition",
        "id": "order",
        "url": f"{ELSEWHERE}/ActivityDefinition/order",
        "status": "active",
        "kind": "ServiceRequest",
        **members,
    }


ALIVE = {"id": "alive", "title": "Alive", "condition": [condition("id = 'p1'")]}


@pytest.mark.parametrize("text", ["true", "false", "{}", "'p1'"])
@pytest.mark.parametrize("language", OTHERS)
def test_a_condition_in_another_language_is_an_error_whatever_it_would_be_in_ours(language, text):
    foreign = plan("f", {"id": "a", "title": "A", "condition": [condition(text, language)]}, ALIVE)
    outcome = apply_first(foreign)

    assert [item.verdict for item in outcome.actions] == [Verdict.ERROR, Verdict.FIRED]
    assert outcome.actions[0].conditions[0].error == (
        f"expressions in {language} are not supported yet"
    )


@pytest.mark.parametrize("language", OTHERS)
def test_a_condition_in_another_language_deep_in_a_plan_spares_its_parents_and_siblings(language):
    inner = {"id": "a", "title": "A", "condition": [condition("true", language)]}
    foreign = plan("f", {"id": "group", "action": [{"id": "g", "action": [inner, ALIVE]}]})
    outcome = apply_first(foreign)

    verdicts = {item.path.rpartition("/")[2]: item.verdict for item in outcome.walk()}
    assert verdicts == {
        "group": Verdict.FIRED,
        "g": Verdict.FIRED,
        "a": Verdict.ERROR,
        "alive": Verdict.FIRED,
    }


@pytest.mark.parametrize("kind", ["start", "stop"])
@pytest.mark.parametrize("language", OTHERS)
def test_a_start_or_stop_condition_is_carried_in_any_language(kind, language):
    told = {"kind": kind, "expression": written(language)}
    foreign = plan("f", {"id": "a", "title": "A", "condition": [told]})
    content, outcome = compile_all(foreign), apply_first(foreign)
    group = request_group.bundle(outcome, DECISION)["entry"][0]["resource"]

    assert content.unsupported == ()
    assert group["action"][0]["condition"] == [told]


@pytest.mark.parametrize("path", ["description", "action.description", "note"])
@pytest.mark.parametrize("language", OTHERS)
def test_a_dynamic_value_in_another_language_is_an_error_of_its_action(language, path):
    value = {"path": path, "expression": written(language)}
    foreign = plan("f", {"id": "a", "title": "A", "dynamicValue": [value]}, ALIVE)
    outcome = apply_first(foreign)

    assert [item.verdict for item in outcome.actions] == [Verdict.ERROR, Verdict.FIRED]
    assert f"expressions in {language} are not supported yet" in outcome.actions[0].note


@pytest.mark.parametrize("language", OTHERS)
def test_a_dynamic_value_of_an_activity_in_another_language_is_an_error_of_its_actions(language):
    order = activity(dynamicValue=[{"path": "code.text", "expression": written(language)}])
    foreign = plan("f", {"id": "a", "title": "A", "definitionCanonical": order["url"]}, ALIVE)
    outcome = apply_first(foreign, order)
    content = compile_all(foreign, order)

    assert [item.verdict for item in outcome.actions] == [Verdict.ERROR, Verdict.FIRED]
    assert [problem.where.path for problem in content.unsupported] == [
        "ActivityDefinition.dynamicValue[0].expression.language"
    ]


@pytest.mark.parametrize("extension", ["for-each", "action-resource"])
def test_what_repeats_or_gives_a_resource_is_fhirpath_or_stops_the_load(extension):
    own = expression_extension(extension, "true", name="n")
    own["valueExpression"]["language"] = "text/cql"

    with pytest.raises(ContentErrors, match="only FHIRPath can stand here, not text/cql"):
        compile_all(plan("f", {"id": "a", "title": "A", "extension": [own]}))


def test_a_transform_is_refused_per_action_and_named():
    order = activity(transform=f"{ELSEWHERE}/StructureMap/order")
    own = {"id": "own", "title": "Own", "transform": f"{ELSEWHERE}/StructureMap/action"}
    theirs = {"id": "theirs", "title": "Theirs", "definitionCanonical": order["url"]}
    foreign = plan("f", own, theirs, ALIVE)
    outcome, content = apply_first(foreign, order), compile_all(foreign, order)

    assert [item.verdict for item in outcome.actions] == [
        Verdict.ERROR,
        Verdict.ERROR,
        Verdict.FIRED,
    ]
    assert {problem.code for problem in content.unsupported} == {"unsupported-transform"}
    assert len(content.unsupported) == 2
    assert "a transform by a StructureMap is not supported yet" in outcome.actions[1].note


def in_cql(name, *extensions):
    definition = variable(name, "true")
    definition["valueExpression"] |= {"language": "text/cql", "extension": list(extensions)}
    return definition


@pytest.mark.parametrize("text", ["%Old", "%Old or true", "%old", "%Old.exists()", "%Old.not()"])
def test_a_definition_in_another_language_is_an_error_of_the_actions_that_read_it(text):
    library = {
        "resourceType": "Library",
        "id": "names",
        "url": f"{ELSEWHERE}/Library/names",
        "extension": [in_cql("Old"), variable("old", "%Old")],
    }
    reads = {"id": "reads", "title": "Reads", "condition": [condition(text)]}
    foreign = plan("f", reads, ALIVE, library=[library["url"]])
    content, outcome = compile_all(foreign, library), apply_first(foreign, library)

    assert [item.verdict for item in outcome.actions] == [Verdict.ERROR, Verdict.FIRED]
    assert "in definition 'Old': " in outcome.actions[0].conditions[0].error
    assert "(not supported yet)" in outcome.actions[0].conditions[0].error
    assert [problem.where.path for problem in content.unsupported] == [
        "Library.extension[0].valueExpression.language"
    ]


def test_the_fhirpath_beside_a_definition_in_cql_is_used():
    url = "http://hl7.org/fhir/StructureDefinition/cqf-alternativeExpression"
    beside = {"url": url, "valueExpression": written("text/fhirpath", "birthDate < @1980")}
    reads = {"id": "a", "title": "A", "condition": [condition("%Old")]}
    foreign = plan("f", reads, extension=[in_cql("Old", beside)])

    assert compile_all(foreign).unsupported == ()
    assert apply_first(foreign).actions[0].verdict is Verdict.FIRED
