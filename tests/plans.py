"""Small guideline content for tests: JSON in, compiled content out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cds_service.engine import Content, Outcome, Situation, Source, apply, compile_content

BASE = "https://lbp.example.org/fhir"
EXTENSIONS = f"{BASE}/StructureDefinition"
NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
DECISION = UUID("00000000-0000-4000-8000-000000000001")
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1979-03-01", "gender": "female"}


def plan(name: str, *actions: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "PlanDefinition",
        "id": name,
        "url": f"{BASE}/PlanDefinition/{name}",
        "version": "1.0.0",
        "status": "draft",
        "title": name,
        "action": list(actions),
        **members,
    }


def condition(expression: str, language: str = "text/fhirpath") -> dict[str, Any]:
    return {
        "kind": "applicability",
        "expression": {"language": language, "expression": expression},
    }


def variable(name: str, expression: str, parameters: list[str] | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": name,
        "language": "text/fhirpath",
        "expression": expression,
    }
    if parameters is not None:
        names = [{"url": "name", "valueString": item} for item in parameters]
        value["extension"] = [
            {
                "url": f"{EXTENSIONS}/definition-parameters",
                **({"extension": names} if names else {}),
            }
        ]
    return {"url": "http://hl7.org/fhir/StructureDefinition/variable", "valueExpression": value}


def expression_extension(extension: str, expression: str, **members: Any) -> dict[str, Any]:
    value = {"language": "text/fhirpath", "expression": expression, **members}
    return {"url": f"{EXTENSIONS}/{extension}", "valueExpression": value}


def compile_all(*resources: dict[str, Any], traced: bool = False) -> Content:
    return compile_content(
        (
            Source(f"{item.get('id', index)}.json", json.dumps(item, indent=2), item)
            for index, item in enumerate(resources)
        ),
        traced=traced,
    )


def apply_first(*resources: dict[str, Any], traced: bool = False, **variables: Any) -> Outcome:
    """Apply the first resource, a plan, to the patient of these tests."""
    content = compile_all(*resources, traced=traced)
    return apply(content.plans[resources[0]["url"]], situation(**variables))


def situation(**variables: Any) -> Situation:
    return Situation(
        subject="Patient/p1",
        resource=PATIENT,
        variables={"profile": "core", "hook": "patient-view", **variables},
        now=NOW,
        decision_id=DECISION,
    )
