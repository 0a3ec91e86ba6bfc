"""The hook request that the small EHR sends: a chart, a moment in care, and what is on the pad.

A chart at hand is prefetched in full, as a good EHR does: a type without resources is known to be
empty, and a key that is switched off arrives as an OperationOutcome. A patient of a FHIR server is
not prefetched at all, so that the service reads what it needs itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cds_service.authoring import case_request
from cds_service.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cds_service.engine import Service

CLINICIAN = f"PractitionerRole/{case_request.GENERAL_PRACTITIONER['id']}"
"""Who uses the small EHR if the page does not say."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page asks for.

    Attributes:
        chart: the resources of the patient; None for a patient of `fhir_server`.
        user: who asks, as `userId` names it; a PractitionerRole is a general practitioner's.
        drafts: the orders on the pad; `selected` are the ids of those just chosen.
        unavailable: prefetch keys that the EHR could not obtain.
    """

    chart: Sequence[Mapping[str, Any]] | None
    user: str = CLINICIAN
    drafts: Sequence[Mapping[str, Any]] = ()
    selected: Sequence[str] | None = None
    unavailable: Sequence[str] = ()
    fhir_server: str | None = None
    patient_id: str | None = None


def build(asked: Asked, service: Service) -> dict[str, Any]:
    """The CDS Hooks request; raises RequestError for a chart without a Patient."""
    if asked.chart is None:
        return _to_be_read(asked, service)
    patients = [item for item in asked.chart if item.get("resourceType") == "Patient"]
    if not patients or not patients[0].get("id"):
        raise RequestError(
            "the chart holds no Patient with an id", hint="paste a Bundle with one Patient in it"
        )
    drafts = [_about(draft, str(patients[0]["id"]), asked.user) for draft in asked.drafts]
    described: dict[str, Any] = {
        "name": str(uuid4()),
        "userId": asked.user,
        "data": [*asked.chart, *_role_of(asked.user)],
        "draftOrders": drafts,
        "unavailable": list(asked.unavailable),
    }
    if asked.selected is not None:
        described["selections"] = _selections(drafts, asked.selected)
    return case_request.request_of(described, service) | {"hookInstance": str(uuid4())}


def _role_of(user: str) -> list[Mapping[str, Any]]:
    """The resource behind `user` where it is a PractitionerRole: a general practitioner's."""
    kind, _, id_ = user.partition("/")
    role = case_request.GENERAL_PRACTITIONER
    return [{**role, "id": id_}] if kind == role["resourceType"] else []


def _about(draft: Mapping[str, Any], patient: str, user: str) -> dict[str, Any]:
    """The draft as an EHR holds it: about this patient, by this user."""
    filled = {"requester": {"reference": user}, **draft}
    return filled | {"subject": {"reference": f"Patient/{patient}"}}


def _selections(drafts: Sequence[Mapping[str, Any]], selected: Sequence[str]) -> list[str]:
    return [f"{item['resourceType']}/{item['id']}" for item in drafts if item.get("id") in selected]


def _to_be_read(asked: Asked, service: Service) -> dict[str, Any]:
    """A request without prefetch that names the FHIR server to read from."""
    if not asked.fhir_server or not asked.patient_id:
        raise RequestError("name the FHIR server and the patient's id on it")
    context: dict[str, Any] = {"userId": asked.user, "patientId": asked.patient_id}
    if service.hook == "encounter-start":
        context["encounterId"] = "visit"
    drafts = [_about(draft, asked.patient_id, asked.user) for draft in asked.drafts]
    if service.hook.startswith("order-"):
        entries = [{"resource": draft} for draft in drafts]
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    if service.hook == "order-select":
        every = [str(draft.get("id")) for draft in drafts]
        context["selections"] = _selections(
            drafts, every if asked.selected is None else asked.selected
        )
    return {
        "hook": service.hook,
        "hookInstance": str(uuid4()),
        "fhirServer": asked.fhir_server,
        "context": context,
    }
