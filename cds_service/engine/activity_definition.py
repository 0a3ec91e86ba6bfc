"""ActivityDefinition/$apply: a definition of a kind → a draft request resource for the subject.

Source: FHIR R4 ActivityDefinition `$apply`, CPG-on-FHIR. Nothing is persisted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine.plan_definition import Activity


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one request type spells what definitions have in common.

    `copied` maps the definition's members to the request's; `canonicals` is how many definitions
    the request can name as its origin: none, "one", or a "list".
    """

    copied: Mapping[str, str]
    subject: str = "subject"
    intent: str | None = "proposal"
    canonicals: Literal["none", "one", "list"] = "list"


_SHARED = {"priority": "priority", "doNotPerform": "doNotPerform"}

_KINDS: Mapping[str, _Kind] = {
    "CommunicationRequest": _Kind(_SHARED, intent=None, canonicals="none"),
    "MedicationRequest": _Kind(
        {
            **_SHARED,
            "productCodeableConcept": "medicationCodeableConcept",
            "productReference": "medicationReference",
            "dosage": "dosageInstruction",
        }
    ),
    "ServiceRequest": _Kind(
        {
            **_SHARED,
            "code": "code",
            "bodySite": "bodySite",
            "quantity": "quantityQuantity",
            "timingDateTime": "occurrenceDateTime",
            "timingPeriod": "occurrencePeriod",
            "timingTiming": "occurrenceTiming",
        }
    ),
    "Task": _Kind({"priority": "priority", "code": "code"}, subject="for", canonicals="one"),
}

KINDS = tuple(_KINDS)
"""The kinds of ActivityDefinition that can be instantiated."""


def instantiate(
    activity: Activity, *, id_: str, subject: str, encounter: str | None, requester: str | None
) -> dict[str, Any]:
    """The request resource of this definition: status draft, intent as defined or `proposal`.

    References are relative (`Patient/1`). Dynamic values are the caller's work.
    """
    definition = activity.json
    kind_name = str(definition["kind"])
    kind = _KINDS[kind_name]
    canonical = _versioned(definition)
    origins = {"none": None, "one": canonical, "list": [canonical]}
    profile = definition.get("profile")
    members = {
        "resourceType": kind_name,
        "id": id_,
        "meta": {"profile": [profile]} if profile else None,
        "instantiatesCanonical": origins[kind.canonicals],
        "status": "draft",
        "intent": kind.intent and definition.get("intent", kind.intent),
        **{its: definition.get(theirs) for theirs, its in kind.copied.items()},
        kind.subject: {"reference": subject},
        "encounter": {"reference": encounter} if encounter else None,
        "requester": {"reference": requester} if requester else None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _versioned(definition: Mapping[str, Any]) -> str:
    url, version = definition.get("url"), definition.get("version")
    return f"{url}|{version}" if version else f"{url}"
