"""What `$apply` answers: valid R4 resources, a RequestGroup first, and everything it refers to."""

from __future__ import annotations

import pytest
from fhir.resources.R4B import get_fhir_model_class
from plans import (
    BASE,
    DECISION,
    apply_first,
    compile_all,
    condition,
    expression_extension,
    plan,
    situation,
    variable,
)

from cds_service import fhir_json
from cds_service.engine import apply, request_group


def answer(*resources, practitioner=None, **variables):
    outcome = apply_first(*resources, **variables)
    bundle = request_group.bundle(outcome, DECISION, practitioner=practitioner)
    get_fhir_model_class("Bundle").model_validate_json(fhir_json.encode(bundle))
    return [entry["resource"] for entry in bundle["entry"]]


def activity(kind, **members):
    return {
        "resourceType": "ActivityDefinition",
        "id": kind,
        "url": f"{BASE}/ActivityDefinition/{kind}",
        "status": "draft",
        "kind": kind,
        **members,
    }


def computed(path, expression):
    return {
        "path": path,
        "expression": {"language": "text/fhirpath", "expression": expression},
    }


CODE = {"coding": [{"system": "http://snomed.info/sct", "code": "308447003"}]}


def test_the_request_group_comes_first_and_names_plan_subject_status_and_intent():
    (group,) = answer(plan("p", {"id": "a", "title": "A"}))

    assert group["instantiatesCanonical"] == [f"{BASE}/PlanDefinition/p|1.0.0"]
    assert group["subject"] == {"reference": "Patient/p1"}
    assert (group["status"], group["intent"]) == ("draft", "proposal")


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("Appointment", {"code": CODE}),
        ("CommunicationRequest", {"priority": "urgent"}),
        ("DeviceRequest", {"code": CODE}),
        ("MedicationRequest", {"productCodeableConcept": CODE, "dosage": [{"text": "one a day"}]}),
        ("NutritionOrder", {"dynamicValue": [computed("dateTime", "today()")]}),
        ("ServiceRequest", {"code": CODE, "doNotPerform": True, "priority": "stat"}),
        ("SupplyRequest", {"code": CODE, "quantity": {"value": 1}}),
        ("Task", {"code": CODE, "intent": "plan"}),
    ],
)
def test_every_kind_of_activity_becomes_a_valid_request(kind, members):
    definition = activity(kind, **members)
    group, resource = answer(
        plan("p", {"id": "a", "definitionCanonical": definition["url"]}), definition
    )

    assert resource["resourceType"] == kind
    assert "Patient/p1" in str(resource)
    assert group["action"][0]["resource"] == {"reference": f"{kind}/{resource['id']}"}


@pytest.mark.parametrize(
    ("kind", "members", "name", "value"),
    [
        (
            "Appointment",
            {"timingPeriod": {"start": "2024-06-02"}},
            "requestedPeriod",
            [{"start": "2024-06-02"}],
        ),
        (
            "CommunicationRequest",
            {"code": {"text": "Stay active"}},
            "payload",
            [{"contentString": "Stay active"}],
        ),
        (
            "ServiceRequest",
            {"code": CODE, "location": {"reference": "Location/1"}},
            "locationReference",
            [{"reference": "Location/1"}],
        ),
        (
            "Task",
            {"location": {"reference": "Location/1"}},
            "location",
            {"reference": "Location/1"},
        ),
    ],
)
def test_what_a_definition_says_stands_where_its_request_says_it(kind, members, name, value):
    definition = activity(kind, **members)
    _, resource = answer(
        plan("p", {"id": "a", "definitionCanonical": definition["url"]}), definition
    )

    assert resource[name] == value


def test_actions_that_did_not_apply_are_left_out_and_so_are_relations_to_them():
    def related(target):
        return [{"actionId": target, "relationship": "before-start"}]

    (group,) = answer(
        plan(
            "p",
            {"id": "a", "title": "A", "relatedAction": related("b") + related("c")},
            {"id": "b", "title": "B", "condition": [condition("false")]},
            {"id": "group", "title": "G", "action": [{"id": "c", "title": "C"}]},
        )
    )

    assert [action["id"] for action in group["action"]] == ["a", "group"]
    assert group["action"][0]["relatedAction"] == related("c")


def test_what_describes_an_action_is_copied():
    members = {
        "prefix": "1",
        "textEquivalent": "text",
        "priority": "asap",
        "code": [CODE],
        "timingDateTime": "2024-06-02",
        "selectionBehavior": "any",
        "requiredBehavior": "could",
        "precheckBehavior": "no",
        "cardinalityBehavior": "single",
        "documentation": [{"type": "citation", "display": "The guideline"}],
        "condition": [condition("true")],
    }
    (group,) = answer(plan("p", {"id": "a", "title": "A", **members}))

    assert group["action"][0] == {"id": "a", "title": "A", **members}


@pytest.mark.parametrize("member", ["extension", "participant", "relatedAction", "documentation"])
@pytest.mark.parametrize("odd", ["odd", ["odd", None], {"url": "x"}, [{"odd": 1}]])
def test_what_is_not_fhir_in_a_plan_is_no_crash(member, odd):
    outcome = apply_first(plan("p", {"id": "a", "title": "A", member: odd}, goal=odd))

    assert request_group.bundle(outcome, DECISION)["entry"]


def test_extensions_that_are_not_known_are_carried():
    foreign = {"url": "http://example.org/x", "valueString": "kept"}
    behavior = {
        "url": "http://hl7.org/fhir/StructureDefinition/cqf-applicabilityBehavior",
        "valueCode": "any",
    }
    own = [behavior, variable("x", "1")]
    (group,) = answer(plan("p", {"id": "a", "title": "A", "extension": [foreign, *own]}))

    assert group["action"][0]["extension"] == [foreign]


def test_a_group_names_the_encounter_in_which_it_is_proposed():
    outcome = apply_first(plan("p", {"id": "a", "title": "A"}))
    bundle = request_group.bundle(outcome, DECISION, encounter="Encounter/e")

    assert bundle["entry"][0]["resource"]["encounter"] == {"reference": "Encounter/e"}


def test_a_nested_plan_becomes_a_group_of_its_own():
    inner = plan("inner", {"id": "x", "title": "X"})
    outer, nested = answer(plan("outer", {"id": "a", "definitionCanonical": inner["url"]}), inner)

    assert nested["intent"] == "option"
    assert nested["action"][0]["title"] == "X"
    assert outer["action"][0]["resource"] == {"reference": f"RequestGroup/{nested['id']}"}


def test_plans_can_be_nested_to_any_depth():
    deepest = 30
    plans = [
        plan(f"p{level}", {"id": "a", "definitionCanonical": f"{BASE}/PlanDefinition/p{level + 1}"})
        for level in range(deepest)
    ]
    plans.append(plan(f"p{deepest}", {"id": "last", "title": "Deep down"}))

    assert len(answer(*plans)) == deepest + 1


def test_contained_definitions_are_found_by_their_id():
    contained = {key: value for key, value in activity("ServiceRequest").items() if key != "url"}
    resources = answer(
        plan("p", {"id": "a", "definitionCanonical": "#ServiceRequest"}, contained=[contained])
    )

    assert resources[1]["resourceType"] == "ServiceRequest"


def test_a_questionnaire_comes_as_it_is():
    form = {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": f"{BASE}/Questionnaire/q",
        "status": "draft",
        "title": "A form",
    }

    assert answer(plan("p", {"id": "a", "definitionCanonical": form["url"]}), form)[1] == form


def test_a_definition_uri_is_referred_to():
    (group,) = answer(plan("p", {"id": "a", "definitionUri": "https://x.example/protocol"}))

    assert group["action"][0]["resource"] == {"reference": "https://x.example/protocol"}


def test_the_goals_of_a_plan_are_proposed_for_the_subject():
    goal = {
        "category": CODE,
        "description": {"text": "Back to work"},
        "target": [{"measure": CODE, "due": {"value": 6, "unit": "wk"}}],
    }
    group, proposed = answer(plan("p", {"id": "a", "title": "A"}, goal=[goal]))

    assert proposed["resourceType"] == "Goal"
    assert proposed["lifecycleStatus"] == "proposed"
    assert proposed["target"] == [{"measure": CODE, "dueDuration": {"value": 6, "unit": "wk"}}]
    assert group["extension"][0]["valueReference"] == {"reference": f"Goal/{proposed['id']}"}


def test_participants_are_the_people_at_hand():
    participant = [{"type": "patient"}, {"type": "practitioner"}, {"type": "device"}]
    (group,) = answer(
        plan("p", {"id": "a", "title": "A", "participant": participant}),
        practitioner="Practitioner/1",
    )

    assert group["action"][0]["participant"] == [
        {"reference": "Patient/p1"},
        {"reference": "Practitioner/1"},
    ]


def test_dynamic_values_change_the_request_action():
    action = {
        "id": "a",
        "title": "A",
        "priority": "routine",
        "dynamicValue": [
            computed("action.priority", "'stat'"),
            computed("title", "'Born ' + birthDate.toString()"),
            computed("description", "{}"),
            computed("code.text", "'x'"),
        ],
    }
    (group,) = answer(plan("p", action))

    changed = group["action"][0]
    assert (changed["priority"], changed["title"]) == ("stat", "Born 1979-03-01")
    assert changed["code"] == [{"text": "x"}]
    assert "description" not in changed


def test_a_resource_and_children_never_stand_side_by_side():
    definition = activity("ServiceRequest", code=CODE)
    action = {
        "id": "a",
        "title": "A",
        "definitionCanonical": definition["url"],
        "action": [{"id": "b", "title": "B"}],
    }

    changed = answer(plan("p", action), definition)[0]["action"][0]

    assert "resource" not in changed
    assert [child["id"] for child in changed["action"]] == ["a-resource", "b"]


def test_texts_are_filled_with_their_facts():
    action = {
        "id": "a",
        "title": "Born {birth}, {nothing}",
        "extension": [variable("birth", "birthDate"), variable("nothing", "{}")],
    }
    (group,) = answer(plan("p", action))

    assert group["action"][0]["title"] == "Born 1 Mar 1979, –"


def test_repetitions_of_an_action_have_ids_of_their_own():
    action = {
        "id": "a",
        "title": "A",
        "extension": [expression_extension("for-each", "1 | 2", name="n")],
    }
    (group,) = answer(plan("p", action))

    assert [item["id"] for item in group["action"]] == ["a-0", "a-1"]


def test_what_could_not_be_judged_is_said_in_messages():
    (group,) = answer(
        plan(
            "p",
            {"id": "a", "title": "A", "condition": [condition("{}")]},
            {"id": "b", "title": "B", "condition": [condition("x", "text/cql")]},
            {"id": "c", "title": "C", "condition": [condition("false")]},
        )
    )

    told = [(issue["code"], issue["diagnostics"]) for issue in group["contained"][0]["issue"]]
    assert told == [
        ("incomplete", "p/a: cannot tell"),
        ("exception", "p/b: error: expressions in text/cql are not supported yet"),
    ]
    assert group["extension"][0]["valueReference"] == {"reference": "#messages"}


def test_a_line_that_names_a_fact_which_is_not_there_is_left_out():
    lines = {
        "id": "lines",
        "groupingBehavior": "sentence-group",
        "action": [
            {"id": "1", "description": "Found {fact}.", "extension": [variable("fact", "{}")]},
            {"id": "2", "description": "Always."},
        ],
    }
    (group,) = answer(plan("p", {"id": "a", "title": "A", "action": [lines]}))

    assert [line["id"] for line in group["action"][0]["action"][0]["action"]] == ["2"]


DO_NOT_PERFORM = "http://hl7.org/fhir/StructureDefinition/request-doNotPerform"


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("Appointment", {}),
        ("DeviceRequest", {"code": CODE}),
        ("NutritionOrder", {"dynamicValue": [computed("dateTime", "today()")]}),
        ("SupplyRequest", {"code": CODE, "quantity": {"value": 1}}),
        ("Task", {"code": CODE}),
    ],
)
def test_what_is_not_to_be_done_is_never_a_request_to_do_it(kind, members):
    definition = activity(kind, doNotPerform=True, **members)
    _, resource = answer(
        plan("p", {"id": "a", "definitionCanonical": definition["url"]}), definition
    )

    assert resource["modifierExtension"] == [{"url": DO_NOT_PERFORM, "valueBoolean": True}]


@pytest.mark.parametrize("kind", ["CommunicationRequest", "MedicationRequest", "ServiceRequest"])
def test_a_request_that_can_says_itself_that_it_is_not_to_be_done(kind):
    definition = activity(kind, doNotPerform=True, productCodeableConcept=CODE)
    _, resource = answer(
        plan("p", {"id": "a", "definitionCanonical": definition["url"]}), definition
    )

    assert resource["doNotPerform"] is True
    assert "modifierExtension" not in resource


def test_what_may_be_done_is_not_marked():
    definition = activity("Task", doNotPerform=False)
    _, resource = answer(
        plan("p", {"id": "a", "definitionCanonical": definition["url"]}), definition
    )

    assert "modifierExtension" not in resource


@pytest.mark.parametrize(
    ("kind", "element"),
    [("DeviceRequest", "code"), ("MedicationRequest", "medication"), ("SupplyRequest", "item")],
)
@pytest.mark.parametrize(
    ("product", "value"),
    [("CodeableConcept", {"text": "a brace"}), ("Reference", {"reference": "Device/brace"})],
)
def test_the_product_of_an_activity_is_what_its_request_asks_for(kind, element, product, value):
    definition = activity(kind, code=CODE, quantity={"value": 1}, **{f"product{product}": value})
    _, resource = answer(
        plan("p", {"id": "a", "definitionCanonical": definition["url"]}), definition
    )

    asked = {key: item for key, item in resource.items() if key.startswith(element)}
    assert asked == {f"{element}{product}": value}


def test_a_modifier_extension_of_an_action_is_carried():
    modifier = {"url": "http://example.org/only-if-asked", "valueBoolean": True}
    (group,) = answer(plan("p", {"id": "a", "title": "A", "modifierExtension": [modifier]}))

    assert group["action"][0]["modifierExtension"] == [modifier]


def test_a_dynamic_value_inside_a_member_leaves_the_rest_of_the_member():
    kept = {"url": "http://example.org/kept", "valueString": "kept"}
    action = {
        "id": "a",
        "title": "A",
        "code": [CODE],
        "extension": [kept],
        "timingTiming": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "dynamicValue": [
            computed("code.text", "'x'"),
            computed("extension('http://example.org/new').value", "'new'"),
            computed("timing.ofType(Timing).repeat.frequency", "2"),
        ],
    }
    (group,) = answer(plan("p", action))

    changed = group["action"][0]
    assert changed["code"] == [{**CODE, "text": "x"}]
    assert changed["extension"] == [kept, {"url": "http://example.org/new", "valueString": "new"}]
    assert changed["timingTiming"]["repeat"] == {"frequency": 2, "period": 1, "periodUnit": "d"}


def test_a_dynamic_timing_takes_the_place_of_one_of_another_type():
    action = {
        "id": "a",
        "title": "A",
        "timingDateTime": "2024-06-02",
        "dynamicValue": [computed("timing.ofType(Period).start", "today()")],
    }
    (group,) = answer(plan("p", action))

    assert group["action"][0]["timingPeriod"] == {"start": "2024-06-01"}
    assert "timingDateTime" not in group["action"][0]


def test_a_dynamic_value_does_not_change_the_plan():
    action = {"id": "a", "title": "A", "code": [CODE]}
    action["dynamicValue"] = [computed("code.coding.display", "'x'")]
    source = plan("p", action)
    content = compile_all(source)
    compiled = content.plans[source["url"]]

    apply(compiled, situation())

    assert compiled.actions[0].json["code"] == [CODE]


def repeated(over: str) -> dict[str, object]:
    return expression_extension("for-each", over, name=f"n{over[0]}")


def test_what_stands_below_a_repeated_action_has_ids_of_its_own():
    child = {"id": "b", "title": "B", "extension": [repeated("1 | 2")]}
    action = {"id": "a", "title": "A", "extension": [repeated("3 | 4")], "action": [child]}
    (group,) = answer(plan("p", action))

    below = [[item["id"] for item in outer["action"]] for outer in group["action"]]
    assert below == [["b-0-0", "b-0-1"], ["b-1-0", "b-1-1"]]


def test_relations_lead_to_the_same_repetition_or_to_all():
    def related(target):
        return [{"actionId": target, "relationship": "after", "offsetDuration": {"value": 1}}]

    inner = [{"id": "b", "title": "B"}, {"id": "c", "title": "C", "relatedAction": related("b")}]
    action = {"id": "a", "title": "A", "extension": [repeated("1 | 2")], "action": inner}
    last = {"id": "last", "title": "L", "relatedAction": related("a")}
    (group,) = answer(plan("p", action, last))

    assert [outer["action"][1]["relatedAction"] for outer in group["action"][:2]] == [
        related("b-0"),
        related("b-1"),
    ]
    assert group["action"][2]["relatedAction"] == related("a-0") + related("a-1")


def test_an_action_without_an_id_gets_none():
    (group,) = answer(plan("p", {"title": "A", "action": [{"title": "B"}]}, {"title": "C"}))

    assert "id" not in str(group["action"])
