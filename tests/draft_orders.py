"""Orders on the pad, as an EHR puts them into the context of the order hooks."""

from __future__ import annotations

from typing import Any


def mri(patient_id: str) -> dict[str, Any]:
    """An MRI of the lumbar spine that is about to be signed."""
    return {
        "resourceType": "ServiceRequest",
        "id": "draft-mri",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24968-0"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
    }
