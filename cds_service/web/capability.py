"""What the FHIR face can do, as a CapabilityStatement (FHIR R4, 4.0.1)."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from cds_service.data import search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

FHIR_JSON = "application/fhir+json"
FHIR_VERSION = "4.0.1"
OPERATIONS = {
    "PlanDefinition": ("apply",),
    "ActivityDefinition": ("apply",),
    "Library": (),
    "ValueSet": ("expand", "validate-code"),
    "CodeSystem": (),
}
"""The resource types that are served, and the operations on each."""

_SPECIFICATION = "http://hl7.org/fhir"
_TERMINOLOGY = frozenset({"ValueSet", "CodeSystem"})


def statement(base: str, date: datetime) -> dict[str, Any]:
    """The CapabilityStatement of the instance whose FHIR address is `base`."""
    return {
        "resourceType": "CapabilityStatement",
        "name": "CdsServiceFhirFace",
        "title": "Guideline content of the CDS service",
        "status": "active",
        "date": date.isoformat(timespec="seconds"),
        "description": "Read-only access to the guideline content, $apply and terminology.",
        "kind": "instance",
        "software": {"name": "cds-service", "version": version("cds-service")},
        "implementation": {"description": "CDS service: FHIR face", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": [FHIR_JSON, "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Nothing that is sent is stored. Unknown search parameters are "
                "refused; the header Prefer: handling=lenient has them ignored.",
                "security": {"cors": True},
                "resource": [_resource(name) for name in OPERATIONS],
            }
        ],
    }


def _resource(resource_type: str) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "type": resource_type,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": list(_parameters(resource_type)),
    }
    if OPERATIONS[resource_type]:
        resource["operation"] = [
            {
                "name": name,
                "definition": f"{_SPECIFICATION}/OperationDefinition/{resource_type}-{name}",
            }
            for name in OPERATIONS[resource_type]
        ]
    return resource


def _parameters(resource_type: str) -> Iterator[dict[str, Any]]:
    family = "conformance" if resource_type in _TERMINOLOGY else resource_type
    for name, parameter in search.PARAMETERS.items():
        told: dict[str, Any] = {"name": name}
        if parameter.note is None:
            code = "Resource-id" if name == "_id" else f"{family}-{name}"
            told["definition"] = f"{_SPECIFICATION}/SearchParameter/{code}"
        told["type"] = parameter.kind
        if parameter.note is not None:
            told["documentation"] = parameter.note
        yield told
