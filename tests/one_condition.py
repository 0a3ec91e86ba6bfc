"""A guideline of one card, and charts that show its conditions true, false and unknown."""

from __future__ import annotations

from plans import EXTENSIONS, condition, plan

PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1979-03-01"}
OBSERVATION = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}


def requirement(key, resource_type, query):
    pattern = "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern"
    return {
        "id": key,
        "type": resource_type,
        "extension": [
            {"url": pattern, "valueString": query},
            {"url": f"{EXTENSIONS}/need", "valueCode": "may"},
        ],
    }


def strategy(*conditions):
    return plan(
        "my-service",
        {
            "id": "root",
            "groupingBehavior": "logical-group",
            "trigger": [{"type": "named-event", "name": "patient-view"}],
            "input": [
                requirement("patient", "Patient", "Patient/{{context.patientId}}"),
                requirement("obs", "Observation", "Observation?patient={{context.patientId}}"),
            ],
            "action": [
                {
                    "id": "card",
                    "title": "T",
                    "code": [{"coding": [{"system": "urn:rules", "code": "lbpR16"}]}],
                    "condition": [condition(text) for text in conditions],
                }
            ],
        },
        description="D",
    )


FOUND = {"data": [PATIENT, OBSERVATION]}
NOTHING = {"data": [PATIENT]}
NOT_OBTAINED = {"data": [PATIENT], "unavailable": ["obs"]}
