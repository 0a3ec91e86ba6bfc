"""ActivityDefinition/$apply: a definition of a kind → a draft request resource for the subject.

Source: FHIR R4 ActivityDefinition `$apply`, CPG-on-FHIR. Nothing is persisted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cds_service.engine.canonicals import DO_NOT_PERFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine.plan_definition import Activity


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one request type spells what definitions have in common.

    `copied` maps the definition's members to the request's. `subject`, `encounter` and `requester`
    are its members for them, None where it has none; `canonicals` is how many definitions it can
    name as its origin: none, "one", or a "list". `product` is the choice element that takes what
    the definition has as product.
    """

    copied: Mapping[str, str]
    subject: str | None = "subject"
    encounter: str | None = "encounter"
    requester: str | None = "requester"
    status: str = "draft"
    intent: str | None = "proposal"
    canonicals: Literal["none", "one", "list"] = "list"
    product: str | None = None


_SHARED = {"priority": "priority", "doNotPerform": "doNotPerform"}
_TIMING = {
    "timingDateTime": "occurrenceDateTime",
    "timingPeriod": "occurrencePeriod",
    "timingTiming": "occurrenceTiming",
}

_KINDS: Mapping[str, _Kind] = {
    "Appointment": _Kind(
        {
            "code": "serviceType[]",
            "description": "description",
            "timingPeriod": "requestedPeriod[]",
        },
        subject=None,
        encounter=None,
        requester=None,
        status="proposed",
        intent=None,
        canonicals="none",
    ),
    "CommunicationRequest": _Kind(
        {
            **_SHARED,
            "timingDateTime": "occurrenceDateTime",
            "timingPeriod": "occurrencePeriod",
        },
        intent=None,
        canonicals="none",
    ),
    "DeviceRequest": _Kind(
        {"priority": "priority", "code": "codeCodeableConcept", **_TIMING},
        product="code",
    ),
    "MedicationRequest": _Kind(
        {**_SHARED, "dosage": "dosageInstruction"},
        product="medication",
    ),
    "NutritionOrder": _Kind({}, subject="patient", requester="orderer"),
    "ServiceRequest": _Kind(
        {
            **_SHARED,
            "code": "code",
            "bodySite": "bodySite",
            "quantity": "quantityQuantity",
            "location": "locationReference[]",
            **_TIMING,
        }
    ),
    "SupplyRequest": _Kind(
        {
            "priority": "priority",
            "code": "itemCodeableConcept",
            "quantity": "quantity",
            **_TIMING,
        },
        subject=None,
        encounter=None,
        intent=None,
        canonicals="none",
        product="item",
    ),
    "Task": _Kind(
        {
            "priority": "priority",
            "code": "code",
            "description": "description",
            "location": "location",
        },
        subject="for",
        canonicals="one",
    ),
}

KINDS = tuple(_KINDS)
"""The kinds of ActivityDefinition that can be instantiated."""


def instantiate(
    activity: Activity, *, id_: str, subject: str, encounter: str | None, requester: str | None
) -> dict[str, Any]:
    """The request resource of this definition: status draft, intent as defined or `proposal`.

    References are relative (`Patient/1`). An Appointment is proposed with the subject as its
    participant, a SupplyRequest delivers to the subject, and a NutritionOrder needs its `dateTime`
    from a dynamic value, because R4 demands these. A CommunicationRequest says what the code says.
    A product goes before the code where both would stand in one place. What is not to be done is
    marked by a modifier extension where the request has no `doNotPerform`. Dynamic values are the
    caller's work.
    """
    definition = activity.json
    kind_name = str(definition["kind"])
    kind = _KINDS[kind_name]
    canonical = _versioned(definition)
    origins = {"none": None, "one": canonical, "list": [canonical]}
    profile = definition.get("profile")
    members: dict[str, Any] = {
        "resourceType": kind_name,
        "id": id_,
        "meta": {"profile": [profile]} if profile else None,
        "modifierExtension": _prohibition(definition, kind),
        "instantiatesCanonical": origins[kind.canonicals],
        "status": kind.status,
        "intent": kind.intent and definition.get("intent", kind.intent),
        **_copied(definition, kind),
        **_product(definition, kind),
        kind.subject or "": {"reference": subject},
        kind.encounter or "": {"reference": encounter} if encounter else None,
        kind.requester or "": {"reference": requester} if requester else None,
        **_demanded(kind_name, subject, definition),
    }
    return {name: value for name, value in members.items() if name and value is not None}


def _copied(definition: Mapping[str, Any], kind: _Kind) -> dict[str, Any]:
    """The members that the definition has, under the request's names; `name[]` makes a list."""
    copied = {}
    for theirs, its in kind.copied.items():
        value = definition.get(theirs)
        is_list = its.endswith("[]") and value is not None
        copied[its.removesuffix("[]")] = [value] if is_list else value
    return copied


def _product(definition: Mapping[str, Any], kind: _Kind) -> dict[str, Any]:
    """The product, as the one type of the element that takes it."""
    for type_name in ("Reference", "CodeableConcept"):
        product = definition.get(f"product{type_name}")
        if kind.product is not None and product is not None:
            return {f"{kind.product}CodeableConcept": None, f"{kind.product}{type_name}": product}
    return {}


def _prohibition(definition: Mapping[str, Any], kind: _Kind) -> list[dict[str, Any]] | None:
    """That this is not to be done, for a request that has no member to say so."""
    if definition.get("doNotPerform") is not True or "doNotPerform" in kind.copied:
        return None
    return [{"url": DO_NOT_PERFORM, "valueBoolean": True}]


def _demanded(kind_name: str, subject: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """What R4 demands of a request of this type beyond what definitions have, or has elsewhere."""
    code = definition.get("code")
    said = code.get("text") if isinstance(code, dict) else None
    if kind_name == "CommunicationRequest" and said:
        return {"payload": [{"contentString": said}]}
    if kind_name == "Appointment":
        return {"participant": [{"actor": {"reference": subject}, "status": "needs-action"}]}
    if kind_name == "SupplyRequest":
        return {"deliverTo": {"reference": subject}}
    return {}


def _versioned(definition: Mapping[str, Any]) -> str:
    url, version = definition.get("url"), definition.get("version")
    return f"{url}|{version}" if version else f"{url}"
