"""Dynamic values: where their paths lead, as which type they are written, and what is refused.

Source: FHIR R4 PlanDefinition.action.dynamicValue.path, a simple subset of FHIRPath: identifiers,
constant indexes, extension() and ofType().
"""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from plans import BASE, DECISION, apply_first, plan

from cds_service import fhir_json
from cds_service.engine import Verdict, request_group

SNOMED = "http://snomed.info/sct"
URL = "http://example.org/x"
CODE = {"coding": [{"system": SNOMED, "code": "308447003"}]}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": CODE,
    "effectiveDateTime": "2024-05-01T10:00:00+02:00",
    "valueQuantity": {"value": 4, "unit": "mg", "system": "http://unitsofmeasure.org"},
}


def dynamic(path: str, expression: str) -> dict[str, Any]:
    return {
        "path": path,
        "expression": {"language": "text/fhirpath", "expression": expression},
    }


def applied(*values: tuple[str, str], kind: str | None = "ServiceRequest", **members: Any) -> Any:
    """The outcome of one action with these dynamic values, on a request of this kind."""
    action: dict[str, Any] = {
        "id": "a",
        "title": "A",
        "input": [{"id": "observations", "type": "Observation"}],
        "dynamicValue": [dynamic(*value) for value in values],
    }
    if kind is None:
        return apply_first(plan("p", action), observations=[OBSERVATION])
    definition = {
        "resourceType": "ActivityDefinition",
        "id": "act",
        "url": f"{BASE}/ActivityDefinition/act",
        "status": "draft",
        "kind": kind,
        "code": CODE,
        **members,
    }
    action["definitionCanonical"] = definition["url"]
    return apply_first(plan("p", action), definition, observations=[OBSERVATION])


def request(*values: tuple[str, str], kind: str = "ServiceRequest", **members: Any) -> Any:
    """The request that results, in a Bundle that is valid R4B."""
    outcome = applied(*values, kind=kind, **members)
    (action,) = outcome.actions
    assert action.verdict is Verdict.FIRED, action.note
    bundle = request_group.bundle(outcome, DECISION)
    get_fhir_model_class("Bundle").model_validate_json(fhir_json.encode(bundle))
    return bundle["entry"][1]["resource"]


@pytest.mark.parametrize(
    ("path", "expression", "key", "value"),
    [
        ("occurrence", "today()", "occurrenceDateTime", "2024-06-01"),
        ("occurrence[x]", "today()", "occurrenceDateTime", "2024-06-01"),
        ("occurrence.ofType(dateTime)", "@2024-06-02", "occurrenceDateTime", "2024-06-02"),
        ("ServiceRequest.occurrence", "@2024", "occurrenceDateTime", "2024"),
        ("%resource.occurrence", "@2024-06", "occurrenceDateTime", "2024-06"),
        ("occurrence.ofType(Period).start", "today()", "occurrencePeriod", {"start": "2024-06-01"}),
        ("asNeeded", "true", "asNeededBoolean", True),
        ("asNeeded", "%observations.code", "asNeededCodeableConcept", CODE),
        ("quantity", "%observations.value", "quantityQuantity", OBSERVATION["valueQuantity"]),
    ],
)
def test_of_a_choice_the_path_or_the_value_says_the_type(path, expression, key, value) -> None:
    assert request((path, expression))[key] == value


def test_a_choice_has_one_type_only() -> None:
    timing = {"timingPeriod": {"start": "2024-01-01"}}
    for path in ("occurrence", "occurrenceDateTime"):
        resource = request((path, "today()"), **timing)
        assert "occurrencePeriod" not in resource
        assert resource["occurrenceDateTime"] == "2024-06-01"


def test_what_stands_there_says_the_type_on_the_way() -> None:
    resource = request(("occurrence.end", "today()"), timingPeriod={"start": "2024-01-01"})
    assert resource["occurrencePeriod"] == {"start": "2024-01-01", "end": "2024-06-01"}


def test_a_choice_on_the_way_that_is_open_is_an_error() -> None:
    (action,) = applied(("occurrence.start", "today()")).actions
    assert action.verdict is Verdict.ERROR
    assert "several types" in str(action.note)


@pytest.mark.parametrize(
    ("path", "expression", "member", "value"),
    [
        (f"extension('{URL}').value", "'x'", "extension", [{"url": URL, "valueString": "x"}]),
        (f"extension('{URL}').value", "1.50", "extension", [{"url": URL, "valueDecimal": 1.5}]),
        (f"extension('{URL}').value[x]", "true", "extension", [{"url": URL, "valueBoolean": True}]),
        (
            f"extension('{URL}').extension('a').value",
            "%observations.status",
            "extension",
            [{"url": URL, "extension": [{"url": "a", "valueCode": "final"}]}],
        ),
        (
            f"priority.extension('{URL}').value",
            "2",
            "_priority",
            {"extension": [{"url": URL, "valueInteger": 2}]},
        ),
        (
            f"code.coding[0].extension('{URL}').value.ofType(code)",
            "'x'",
            "code",
            {"coding": [{**CODE["coding"][0], "extension": [{"url": URL, "valueCode": "x"}]}]},
        ),
    ],
)
def test_a_path_can_lead_through_extensions(path, expression, member, value) -> None:
    assert request((path, expression), priority="urgent")[member] == value


def test_an_extension_that_is_there_is_changed_and_not_doubled() -> None:
    path = f"extension('{URL}').value"
    resource = request((path, "'x'"), (path, "'y'"), (path, "5"))
    assert resource["extension"] == [{"url": URL, "valueInteger": 5}]


@pytest.mark.parametrize(
    ("path", "expression", "member", "value"),
    [
        ("reasonCode[0].text", "'a'", "reasonCode", [{"text": "a"}]),
        ("code.coding[1].code", "'b'", "code", {"coding": [*CODE["coding"], {"code": "b"}]}),
        ("code.coding.display", "'b'", "code", {"coding": [{**CODE["coding"][0], "display": "b"}]}),
        ("reasonCode", "%observations.code.coding", "reasonCode", [CODE]),
        ("reasonReference", "%observations", "reasonReference", [{"reference": "Observation/o1"}]),
        ("note.text", "'n'", "note", [{"text": "n"}]),
        ("authoredOn", "now()", "authoredOn", "2024-06-01T12:00:00.000Z"),
        ("authoredOn", "%observations.effective", "authoredOn", "2024-05-01T10:00:00+02:00"),
        ("patientInstruction", "today()", "patientInstruction", "2024-06-01"),
        ("doNotPerform", "%observations.exists()", "doNotPerform", True),
    ],
)  # fmt: skip
def test_a_value_is_written_as_the_type_of_the_element(path, expression, member, value) -> None:
    assert request((path, expression))[member] == value


def test_a_quantity_brings_its_ucum_code() -> None:
    written = request(
        ("dispenseRequest.expectedSupplyDuration", "5 days"),
        ("dispenseRequest.quantity", "2 'mg'"),
        kind="MedicationRequest",
        productCodeableConcept=CODE,
    )["dispenseRequest"]
    ucum = {"system": "http://unitsofmeasure.org"}
    assert written["expectedSupplyDuration"] == {"value": 5, "unit": "day", "code": "d", **ucum}
    assert written["quantity"] == {"value": 2, "unit": "mg", "code": "mg", **ucum}


@pytest.mark.parametrize(
    ("path", "expression", "told"),
    [
        ("priority", "5", "takes a code"),
        ("doNotPerform", "'yes'", "takes a boolean"),
        ("authoredOn", "'soon'", "takes a dateTime"),
        ("authoredOn", "@2024-06-01T10:00", "takes a dateTime"),
        ("code", "'x'", "takes a CodeableConcept"),
        ("code", "%observations.value", "takes a CodeableConcept"),
        ("text.status", "%observations.code", "takes a code"),
        ("occurrence", "'x'", "several types"),
        ("nothing", "'x'", "no element 'nothing'"),
        ("code.coding.where(code = 'x').display", "'x'", "not a path"),
        ("code.coding[0", "'x'", "not a path"),
        ("%subject.id", "'x'", "not a path"),
        (f"extension('{URL}')", "'x'", "names an extension"),
        ("code.text", "'a' | 'b'", "takes one value"),
        ("reasonCode[2].text", "'x'", "none at 2"),
    ],
)
def test_what_would_not_be_fhir_is_an_error_of_the_action(path, expression, told) -> None:
    (action,) = applied((path, expression)).actions
    assert action.verdict is Verdict.ERROR
    assert told in str(action.note)


@pytest.mark.parametrize("prefix", ["action.", "%action."])
def test_a_path_of_the_action_changes_the_action(prefix) -> None:
    outcome = applied((f"{prefix}priority", "'stat'"), (f"{prefix}timing", "today()"))
    group, resource = (
        entry["resource"] for entry in request_group.bundle(outcome, DECISION)["entry"]
    )
    assert group["action"][0]["priority"] == "stat"
    assert group["action"][0]["timingDateTime"] == "2024-06-01"
    assert "priority" not in resource


def test_without_a_resource_every_path_is_of_the_action() -> None:
    outcome = applied(("priority", "'stat'"), ("timing", "2 weeks"), kind=None)
    (entry,) = request_group.bundle(outcome, DECISION)["entry"]
    action = entry["resource"]["action"][0]
    assert action["priority"] == "stat"
    assert action["timingDuration"]["code"] == "wk"


@pytest.mark.parametrize(
    ("path", "code"), [("action.priority", "high"), ("action.selectionBehavior", "one")]
)
def test_a_code_that_fhir_does_not_have_there_is_not_set(path, code) -> None:
    (action,) = applied((path, f"'{code}'")).actions

    assert action.verdict is Verdict.ERROR
    assert f"is '{code}', not one of " in action.note
