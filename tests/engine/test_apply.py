"""PlanDefinition/$apply: which actions fire, and what they produce."""

from __future__ import annotations

import pytest
from plans import (
    BASE,
    PATIENT,
    apply_first,
    condition,
    expression_extension,
    plan,
    variable,
)

from cds_service.engine import Verdict
from cds_service.fhirpath import Incomplete

ANY = {
    "url": "http://hl7.org/fhir/StructureDefinition/cqf-applicabilityBehavior",
    "valueCode": "any",
}


def verdicts(outcome):
    return {item.action.key: item.verdict for item in outcome.walk()}


def test_an_action_without_conditions_applies():
    outcome = apply_first(plan("p", {"id": "a", "title": "A"}))

    assert verdicts(outcome) == {"a": Verdict.FIRED}


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (["true"], Verdict.FIRED),
        (["true", "true"], Verdict.FIRED),
        (["true", "false"], Verdict.NOT_MET),
        (["{}"], Verdict.CANNOT_TELL),
        (["{}", "false"], Verdict.NOT_MET),
        (["'text'", "false"], Verdict.NOT_MET),
        (["name.given", "true"], Verdict.CANNOT_TELL),
        (["(1 | 2).single() = 1"], Verdict.ERROR),
    ],
)
def test_conditions_are_anded_and_a_known_no_decides(expressions, expected):
    action = {"id": "a", "title": "A", "condition": [condition(text) for text in expressions]}

    assert verdicts(apply_first(plan("p", action))) == {"a": expected}


def test_a_condition_over_data_that_could_not_be_had_cannot_tell():
    action = {"id": "a", "title": "A", "condition": [condition("%draftOrders.empty()")]}

    assert verdicts(apply_first(plan("p", action), draftOrders=Incomplete())) == {
        "a": Verdict.CANNOT_TELL
    }
    assert verdicts(apply_first(plan("p", action), draftOrders=[])) == {"a": Verdict.FIRED}


def test_start_and_stop_conditions_do_not_decide():
    action = {"id": "a", "title": "A", "condition": [{**condition("false"), "kind": "start"}]}

    assert verdicts(apply_first(plan("p", action))) == {"a": Verdict.FIRED}


def test_a_condition_in_cql_is_an_error_that_leaves_the_other_actions_alive():
    outcome = apply_first(
        plan(
            "p",
            {"id": "a", "title": "A", "condition": [condition("Define", "text/cql-identifier")]},
            {"id": "b", "title": "B"},
        )
    )

    assert verdicts(outcome) == {"a": Verdict.ERROR, "b": Verdict.FIRED}
    assert outcome.actions[0].conditions[0].error == (
        "expressions in text/cql-identifier are not supported yet"
    )


def test_a_parent_that_does_not_apply_takes_its_subtree_with_it():
    outcome = apply_first(
        plan("p", {"id": "a", "condition": [condition("false")], "action": [{"id": "b"}]})
    )

    assert verdicts(outcome) == {"a": Verdict.NOT_MET}


def test_applicability_behavior_any_stops_at_the_first_applicable_child():
    group = {
        "id": "group",
        "extension": [ANY],
        "action": [
            {"id": "no", "condition": [condition("false")]},
            {"id": "first"},
            {"id": "second"},
        ],
    }

    outcome = apply_first(plan("p", group))

    assert verdicts(outcome) == {
        "group": Verdict.FIRED,
        "no": Verdict.NOT_MET,
        "first": Verdict.FIRED,
        "second": Verdict.NOT_MET,
    }
    assert outcome.actions[0].children[2].note == "an earlier alternative applies"


def test_definitions_of_libraries_plans_and_actions_are_seen_by_expressions_inside():
    library = {
        "resourceType": "Library",
        "id": "lib",
        "url": f"{BASE}/Library/lib",
        "extension": [variable("adult", "birthDate <= today() - 18 years")],
    }
    action = {
        "id": "a",
        "extension": [variable("both", "%adult and %woman")],
        "condition": [condition("%both")],
    }
    outcome = apply_first(
        plan(
            "p",
            action,
            library=[library["url"]],
            extension=[variable("woman", "gender = 'female'")],
        ),
        library,
    )

    assert verdicts(outcome) == {"a": Verdict.FIRED}


def test_a_definition_with_parameters_is_called_like_a_function():
    outcome = apply_first(
        plan(
            "p",
            {"id": "a", "condition": [condition("atLeast(18)")]},
            {"id": "b", "condition": [condition("atLeast(60)")]},
            extension=[variable("atLeast", "birthDate <= today() - (%n * 1 'year')", ["n"])],
        )
    )

    assert verdicts(outcome)["a"] is Verdict.FIRED
    assert verdicts(outcome)["b"] is Verdict.NOT_MET


def test_for_each_repeats_the_action_with_its_item_bound():
    action = {
        "id": "a",
        "title": "Cancel {code}",
        "extension": [
            expression_extension("for-each", "%draftOrders", name="draft"),
            variable("code", "%draft.code.text"),
        ],
        "condition": [condition("%draft.status = 'draft'")],
    }
    drafts = [
        {"resourceType": "ServiceRequest", "id": "1", "status": "draft", "code": {"text": "MRI"}},
        {"resourceType": "ServiceRequest", "id": "2", "status": "active", "code": {"text": "CT"}},
    ]

    outcome = apply_first(plan("p", action), draftOrders=drafts)

    assert [(item.path, item.verdict) for item in outcome.actions] == [
        ("p/a[0]", Verdict.FIRED),
        ("p/a[1]", Verdict.NOT_MET),
    ]
    assert outcome.actions[0].values == {"code": ["MRI"]}


def test_for_each_over_nothing_is_not_met_and_says_so():
    action = {"id": "a", "extension": [expression_extension("for-each", "%draftOrders", name="d")]}

    outcome = apply_first(plan("p", action), draftOrders=[])

    assert outcome.actions[0].verdict is Verdict.NOT_MET
    assert "nothing to repeat for" in outcome.actions[0].note


ACTIVITY = {
    "resourceType": "ActivityDefinition",
    "id": "referral",
    "url": f"{BASE}/ActivityDefinition/referral",
    "version": "1.0.0",
    "status": "draft",
    "kind": "ServiceRequest",
    "priority": "stat",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "306104004"}]},
    "dynamicValue": [
        {
            "path": "reasonReference.reference",
            "expression": {"language": "text/fhirpath", "expression": "'Condition/' + 'c1'"},
        }
    ],
}


def test_an_activity_definition_becomes_a_draft_for_the_subject():
    action = {"id": "a", "definitionCanonical": ACTIVITY["url"]}

    resource = apply_first(plan("p", action), ACTIVITY).actions[0].resource

    assert resource["resourceType"] == "ServiceRequest"
    assert resource["status"] == "draft"
    assert resource["intent"] == "proposal"
    assert resource["subject"] == {"reference": "Patient/p1"}
    assert resource["priority"] == "stat"
    assert resource["code"] == ACTIVITY["code"]
    assert resource["reasonReference"] == [{"reference": "Condition/c1"}]
    assert resource["instantiatesCanonical"] == [f"{ACTIVITY['url']}|1.0.0"]


def test_the_action_s_dynamic_values_come_after_the_definition_s():
    value = {
        "path": "priority",
        "expression": {"language": "text/fhirpath", "expression": "'routine'"},
    }
    action = {"id": "a", "definitionCanonical": ACTIVITY["url"], "dynamicValue": [value]}

    assert apply_first(plan("p", action), ACTIVITY).actions[0].resource["priority"] == "routine"


def test_an_empty_dynamic_value_leaves_its_target_untouched():
    value = {"path": "priority", "expression": {"language": "text/fhirpath", "expression": "{}"}}
    action = {"id": "a", "definitionCanonical": ACTIVITY["url"], "dynamicValue": [value]}

    assert apply_first(plan("p", action), ACTIVITY).actions[0].resource["priority"] == "stat"


def test_an_update_starts_from_the_whole_draft_and_does_not_change_the_request():
    draft = {
        "resourceType": "ServiceRequest",
        "id": "mri",
        "status": "draft",
        "reasonCode": [{"text": "pain"}],
        "note": [{"text": "kept"}],
    }
    action = {
        "id": "a",
        "reason": [{"coding": [{"system": "http://snomed.info/sct", "code": "363346000"}]}],
        "extension": [expression_extension("action-resource", "%draftOrders")],
        "dynamicValue": [
            {
                "path": "reasonCode",
                "expression": {
                    "language": "text/fhirpath",
                    "expression": "%draftOrders.reasonCode.combine(%action.reason)",
                },
            }
        ],
    }

    resource = apply_first(plan("p", action), draftOrders=[draft]).actions[0].resource

    assert resource == {**draft, "reasonCode": [{"text": "pain"}, action["reason"][0]]}
    assert draft["reasonCode"] == [{"text": "pain"}]


def test_a_dynamic_value_that_fails_makes_the_action_an_error_and_spares_its_sibling():
    value = {
        "path": "priority",
        "expression": {"language": "text/fhirpath", "expression": "(1 | 2).single().toString()"},
    }
    outcome = apply_first(
        plan(
            "p",
            {"id": "a", "definitionCanonical": ACTIVITY["url"], "dynamicValue": [value]},
            {"id": "b"},
        ),
        ACTIVITY,
    )

    assert verdicts(outcome) == {"a": Verdict.ERROR, "b": Verdict.FIRED}


def test_nested_plans_are_applied_in_place():
    inner = plan("inner", {"id": "x", "title": "X"})
    outcome = apply_first(plan("outer", {"id": "a", "definitionCanonical": inner["url"]}), inner)

    nested = outcome.actions[0].children[0]
    assert (nested.path, nested.plan.id) == ("outer/a/inner/x", "inner")


def test_the_same_decision_gives_the_same_resource_ids():
    action = {"id": "a", "definitionCanonical": ACTIVITY["url"]}

    first, second = (
        apply_first(plan("p", action), ACTIVITY).actions[0].resource["id"] for _ in range(2)
    )

    assert first == second


def test_the_patient_is_the_focus_and_the_subject():
    action = {"id": "a", "condition": [condition("id = %subject.id and id = 'p1'")]}

    assert verdicts(apply_first(plan("p", action), subject=PATIENT)) == {"a": Verdict.FIRED}


@pytest.mark.parametrize("odd", ["odd", 5, [None], ["odd"], [[]]])
def test_a_draft_that_is_not_fhir_makes_the_change_an_error_and_no_crash(odd):
    draft = {"resourceType": "ServiceRequest", "id": "mri", "code": odd}
    value = {
        "path": "code.coding.code",
        "expression": {"language": "text/fhirpath", "expression": "'x'"},
    }
    action = {
        "id": "a",
        "extension": [expression_extension("action-resource", "%draftOrders")],
        "dynamicValue": [value],
    }

    assert verdicts(apply_first(plan("p", action), draftOrders=[draft])) == {"a": Verdict.ERROR}
