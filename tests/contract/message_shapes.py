"""One and the same call as different kinds of clients write it, and what they send back.

The shapes follow the specification's versions and the vendors' documentation: what is left out,
what is added, how an empty search and a medication look.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]

EPIC_SERVER = "https://ehr.example.org/interconnect/api/FHIR/R4"


def spec_2_0_1(call: Message) -> Message:
    """As CDS Hooks 2.0.1 writes it."""
    return copy.deepcopy(call)


def as_1_0(call: Message) -> Message:
    """A Practitioner as the user, null for what was not found, leftovers from before 1.0."""
    call = copy.deepcopy(call)
    call["context"]["userId"] = "Practitioner/gp"
    call["user"] = "Practitioner/gp"
    call["patient"] = call["context"]["patientId"]
    for key, found in call["prefetch"].items():
        if isinstance(found, dict) and found.get("resourceType") == "Bundle":
            entries = found.get("entry")
            call["prefetch"][key] = found if entries else None
    return call


def as_3_0(call: Message) -> Message:
    """SMART v2 scopes, the client's version, extensions, context Bundles as collections."""
    call = copy.deepcopy(call)
    call["fhirServer"] = "https://ehr.example.org/fhir"
    call["fhirAuthorization"] = {
        "access_token": "opaque",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "user/Patient.rs user/Observation.rs?category=laboratory",
        "subject": "cds-service",
        "patient": call["context"]["patientId"],
    }
    call["extension"] = {"org.example.ehr": {"version": "3.0.0"}}
    return call


def as_epic(call: Message) -> Message:
    """Vendor extensions, absolute references, an outcome entry in each empty search.

    Medications are entries of their own that orders refer to, and their category is one object, as
    in STU3. One key of prefetch is of the hospital's making.
    """
    call = as_3_0(call)
    call["fhirServer"] = EPIC_SERVER
    call["fhirAuthorization"]["scope"] = "epic.scanning.dmsusername PATIENT.READ"
    call["extension"] = {
        "com.epic.cdshooks.request.bpa-trigger-action": "60",
        "com.epic.cdshooks.request.cds-hooks-specification-version": "1.1",
        "internal": {"epic": {"build": "11.1"}},
    }
    for found in call["prefetch"].values():
        if isinstance(found, dict) and found.get("resourceType") == "Bundle":
            if not found.get("entry"):
                found["total"] = 0
                found["entry"] = [_nothing_found()]
            found["entry"] = [each for entry in found["entry"] for each in _entries(entry)]
    call["prefetch"]["-user"] = {"resourceType": "Practitioner", "id": "eFz3"}
    drafts = call["context"].get("draftOrders")
    if drafts:
        drafts["entry"] = [each for entry in drafts["entry"] for each in _entries(entry)]
    return call


def _entries(entry: Message) -> list[Message]:
    """The entry with absolute references, and after it the medication that it names, if any."""
    resource = entry["resource"]
    if "subject" in resource:
        resource["subject"]["reference"] = f"{EPIC_SERVER}/{resource['subject']['reference']}"
    medication = resource.pop("medicationCodeableConcept", None)
    if medication is None:
        return [entry]
    identifier = f"{resource['id']}-drug"
    url = f"{EPIC_SERVER}/Medication/{identifier}"
    resource["medicationReference"] = {"reference": url, "display": "as the pharmacy names it"}
    resource["category"] = {"text": "outpatient"}
    named = {"resourceType": "Medication", "id": identifier, "code": medication}
    return [entry, {"fullUrl": url, "resource": named, "search": {"mode": "include"}}]


def _nothing_found() -> Message:
    issue = {
        "severity": "warning",
        "code": "processing",
        "diagnostics": "Resource request returns no results.",
    }
    return {
        "fullUrl": "urn:uuid:00000000-0000-5000-8000-000000000000",
        "resource": {"resourceType": "OperationOutcome", "issue": [issue]},
        "search": {"mode": "outcome"},
    }


def as_oracle_health(call: Message) -> Message:
    """No extension and no encounter beyond what patient-view needs."""
    call = copy.deepcopy(call)
    call["fhirServer"] = "https://fhir-ehr.example.org/r4/tenant"
    call["prefetch"].pop("encounter", None)
    return call


CALLS: dict[str, Callable[[Message], Message]] = {
    "cds-hooks-2.0": spec_2_0_1,
    "1.0-tolerant": as_1_0,
    "3.0": as_3_0,
    "epic": as_epic,
    "oracle-health": as_oracle_health,
}
"""By the name of the client profile."""


def epic_override(card: str) -> Message:
    """Epic's feedback on a card that was not followed: plural, and all of it in an extension."""
    return {
        "feedback": [
            {
                "card": card,
                "outcome": "overridden",
                "overrideReasons": {
                    "extension": {
                        "com.epic.cdshooks.feedback.overrideReason.code": "3",
                        "com.epic.cdshooks.feedback.overrideReason.title": "Not relevant",
                    },
                },
                "outcomeTimestamp": "2024-06-01T10:05:31Z",
            }
        ]
    }
