"""A hook request that works as it stands, for the start page and `/openapi.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXAMPLE_ID = "example"


def example_request(hook: str, templates: Mapping[str, str]) -> dict[str, Any]:
    """A request body that works as it stands: an adult about whom nothing else is recorded."""
    context: dict[str, Any] = {
        "userId": f"Practitioner/{_EXAMPLE_ID}",
        "patientId": _EXAMPLE_ID,
    }
    if hook.startswith("encounter-"):
        context["encounterId"] = _EXAMPLE_ID
    if hook.startswith("order-"):
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection"}
    if hook == "order-select":
        context["selections"] = []
    patient = {"resourceType": "Patient", "id": _EXAMPLE_ID, "birthDate": "1980-01-01"}
    prefetch = {
        key: patient if template.startswith("Patient/") else None
        for key, template in templates.items()
    }
    return {
        "hook": hook,
        "hookInstance": "00000000-0000-4000-8000-000000000000",
        "context": context,
        "prefetch": prefetch,
    }
