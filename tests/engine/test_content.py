"""Compiling guideline content: everything wrong is found at once, each at its place."""

from __future__ import annotations

import pytest
from plans import BASE, EXTENSIONS, compile_all, condition, plan, variable

from cds_service.errors import ContentErrors


def problems_of(*resources):
    with pytest.raises(ContentErrors) as caught:
        compile_all(*resources)
    return {problem.code: problem for problem in caught.value.problems}


def test_an_expression_that_does_not_compile_names_file_path_line_and_column():
    action = {"id": "a", "condition": [condition("birthDat.exists()")]}

    problem = next(iter(problems_of(plan("p", action)).values()))

    assert problem.where.file == "p.json"
    assert problem.where.path == ("PlanDefinition.action[0].condition[0].expression.expression")
    assert problem.where.line is not None
    assert "birthDate" in str(problem)


def test_a_mistake_in_a_shared_definition_is_reported_in_the_library_that_holds_it():
    library = {
        "resourceType": "Library",
        "id": "lib",
        "url": f"{BASE}/Library/lib",
        "extension": [variable("broken", "Patient.nam.exists()")],
    }
    action = {"id": "a", "condition": [condition("%broken")]}

    with pytest.raises(ContentErrors) as caught:
        compile_all(plan("p", action, library=[library["url"]]), library)

    assert {problem.where.file for problem in caught.value.problems} == {"lib.json"}


def test_a_definition_with_the_name_of_something_built_in_is_one_problem_among_all():
    action = {"id": "a", "condition": [condition("1 +")]}

    found = problems_of(plan("p", action, extension=[variable("ucum", "1")]))

    assert found["shadowed"].where.path == "PlanDefinition.extension[0].valueExpression.name"
    assert len(found) == 2


def test_an_unknown_name_is_refused_with_the_closest_known_one():
    action = {"id": "a", "condition": [condition("%profil = 'nl'")]}

    assert "profile" in str(next(iter(problems_of(plan("p", action)).values())))


@pytest.mark.requirement("PD-9")
def test_all_problems_come_at_once():
    found = problems_of(
        plan(
            "p",
            {"id": "a", "condition": [condition("1 +")]},
            {"id": "a", "definitionCanonical": f"{BASE}/PlanDefinition/none"},
            {"id": "c", "title": "x" * 140},
        )
    )

    assert {"duplicate-id", "unknown-canonical", "title-too-long"} < set(found)
    assert len(found) == 4


@pytest.mark.requirement("PD-9")
def test_a_title_is_too_long_in_any_language():
    title = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/translation",
                "extension": [
                    {"url": "lang", "valueCode": "de"},
                    {"url": "content", "valueString": "x" * 140},
                ],
            }
        ]
    }
    found = problems_of(plan("p", {"id": "a", "title": "short", "_title": title}))

    assert "'de'" in found["title-too-long"].message


def test_plans_that_refer_to_each_other_in_a_circle_are_refused():
    one = plan("one", {"id": "a", "definitionCanonical": f"{BASE}/PlanDefinition/two"})
    two = plan("two", {"id": "a", "definitionCanonical": f"{BASE}/PlanDefinition/one"})

    assert "one|1.0.0 → " in problems_of(one, two)["plan-cycle"].message


def test_a_definition_of_the_wrong_kind_is_named_for_what_it_is():
    library = {"resourceType": "Library", "id": "L", "url": f"{BASE}/Library/L"}
    action = {"id": "a", "definitionCanonical": library["url"]}
    problem = problems_of(plan("p", action), library)["unknown-canonical"]

    assert "is a Library, where a plan, activity or questionnaire is needed" in problem.message


def test_an_id_that_nothing_contained_has_is_named():
    problem = problems_of(plan("p", {"id": "a", "definitionCanonical": "#c"}))["unknown-canonical"]

    assert problem.message == "nothing with the id 'c' is contained in this file"


@pytest.mark.parametrize("language", ["Text/FHIRPath", "text/fhirpath; charset=utf-8"])
def test_a_media_type_is_read_without_its_case_and_parameters(language):
    assert not compile_all(
        plan("p", {"id": "a", "condition": [condition("true", language)]})
    ).unsupported


def test_a_url_that_holds_a_version_is_refused_where_it_stands():
    library = {"resourceType": "Library", "id": "L", "url": f"{BASE}/Library/L|1.0"}
    found = problems_of(plan("p", library=[library["url"]]), library)

    assert "a '|' begins a version" in found["unusable-url"].message
    assert found["unusable-url"].hint == f"write {BASE}/Library/L as url and 1.0 as version"
    assert library["url"] not in str(found["unknown-canonical"].hint)


def test_two_resources_with_one_url_are_refused():
    assert "duplicate-url" in problems_of(plan("p"), {**plan("q"), "url": plan("p")["url"]})


def test_a_value_set_that_is_not_loaded_stops_the_load():
    action = {"id": "a", "condition": [condition("code.memberOf('VS-NOT-THERE')")]}

    assert problems_of(plan("p", action))


def test_override_reasons_need_a_loaded_value_set():
    reasons = {"url": f"{EXTENSIONS}/override-reasons", "valueCanonical": "#none"}

    assert "unknown-value-set" in problems_of(plan("p", {"id": "a", "extension": [reasons]}))


def test_an_activity_of_a_kind_that_cannot_be_made_is_refused():
    activity = {
        "resourceType": "ActivityDefinition",
        "id": "x",
        "url": f"{BASE}/ActivityDefinition/x",
        "kind": "VisionPrescription",
    }

    assert "ServiceRequest" in problems_of(activity)["activity-kind"].message


@pytest.mark.requirement("PD-1", "PD-2")
def test_a_service_is_made_of_each_named_event():
    trigger = {"type": "named-event", "name": "patient-view"}
    content = compile_all(
        plan("my-service", {"id": "root", "trigger": [trigger]}, description="What it does.")
    )

    service = content.services["my-service"]
    assert (service.hook, service.title.default) == ("patient-view", "my-service")


def test_a_named_event_that_cannot_be_a_hook_makes_no_service():
    trigger = {"type": "named-event", "name": "ANC.B10.4. Diagnosis and treatment"}
    content = compile_all(plan("p", {"id": "root", "trigger": [trigger]}, description="What."))

    assert len(content.plans) == 1
    assert not content.services


@pytest.mark.requirement("PD-3")
def test_data_requirements_of_the_strategy_override_those_of_its_libraries():
    def requirement(need):
        return {
            "id": "conditions",
            "type": "Condition",
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern",
                    "valueString": "Condition?patient={{context.patientId}}",
                },
                {"url": f"{EXTENSIONS}/need", "valueCode": need},
            ],
        }

    library = {
        "resourceType": "Library",
        "id": "data",
        "url": f"{BASE}/Library/data",
        "dataRequirement": [requirement("must")],
    }
    root = {
        "id": "root",
        "trigger": [{"type": "named-event", "name": "order-sign"}],
        "input": [requirement("should")],
        "condition": [condition("%conditions.exists()")],
    }
    content = compile_all(plan("s", root, library=[library["url"]], description="D"), library)

    (found,) = content.services["s"].requirements
    assert (found.key, found.need, found.resource_type) == ("conditions", "should", "Condition")


def test_cql_is_noted_as_unsupported_and_does_not_stop_the_load():
    content = compile_all(plan("p", {"id": "a", "condition": [condition("X", "text/cql")]}))

    (problem,) = content.unsupported
    assert problem.code == "unsupported-language"
    assert problem.where.path == "PlanDefinition.action[0].condition[0].expression.language"


def test_an_alternative_in_fhirpath_is_used_in_place_of_cql():
    cql = condition("X", "text/cql-identifier")
    cql["expression"]["extension"] = [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/cqf-alternativeExpression",
            "valueExpression": {"language": "text/fhirpath", "expression": "true"},
        }
    ]

    assert compile_all(plan("p", {"id": "a", "condition": [cql]})).unsupported == ()


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ("priority", "high"),
        ("priority", "STAT"),
        ("groupingBehavior", "visual"),
        ("selectionBehavior", "one"),
        ("requiredBehavior", "should"),
        ("precheckBehavior", "true"),
        ("precheckBehavior", True),
        ("cardinalityBehavior", "many"),
    ],
)
def test_a_code_that_fhir_does_not_have_there_is_refused(member, code):
    with pytest.raises(ContentErrors) as caught:
        compile_all(plan("p", {"id": "g", "action": [{"id": "a", "title": "A", member: code}]}))

    (problem,) = caught.value.problems
    assert problem.code == "action-code"
    assert problem.where.path == f"PlanDefinition.action[0].action[0].{member}"
    assert f"{member} is '{code}', not one of " in problem.message


@pytest.mark.parametrize("value", [{"valueCode": "first"}, {"valueString": "any"}, {}])
def test_an_applicability_behavior_that_fhir_does_not_have_is_refused(value):
    url = "http://hl7.org/fhir/StructureDefinition/cqf-applicabilityBehavior"
    action = {"id": "g", "extension": [{"url": url, **value}], "action": [{"id": "a"}]}

    assert "action-code" in problems_of(plan("p", action))
