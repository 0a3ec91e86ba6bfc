"""A hook request that works as it stands, for whoever has none at hand.

The start page and `/openapi.json` show it, and the conformance kit sends it. Pure.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID = "example"
_PATIENT = {"resourceType": "Patient", "id": _ID, "birthDate": "1980-01-01"}
_ORDERS: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
_CONTEXT: Mapping[str, Mapping[str, Any]] = {
    "appointment-book": {"appointments": _ORDERS},
    "encounter-discharge": {"encounterId": _ID},
    "encounter-start": {"encounterId": _ID},
    "order-dispatch": {"dispatchedOrders": ["ServiceRequest/1"], "performer": "Organization/1"},
    "order-select": {"draftOrders": _ORDERS, "selections": []},
    "order-sign": {"draftOrders": _ORDERS},
}
"""What the hooks of CDS Hooks demand in the context beside the user and the patient."""


def example_request(hook: str, templates: Mapping[str, object]) -> dict[str, Any]:
    """A call about an adult of whom nothing else is recorded, with a fixed `hookInstance`.

    `templates` are the prefetch templates of the service by key.
    """
    context = {"userId": f"Practitioner/{_ID}", "patientId": _ID, **_CONTEXT.get(hook, {})}
    return {
        "hook": hook,
        "hookInstance": "00000000-0000-4000-8000-000000000000",
        "context": copy.deepcopy(context),
        "prefetch": {key: _found(template) for key, template in templates.items()},
    }


def _found(template: object) -> dict[str, str] | None:
    """The patient for a template that reads one; for others null, known to be empty."""
    return dict(_PATIENT) if str(template).startswith("Patient/") else None
