"""The bodies that are sent: the example requests, and one large chart made here.

The large chart is the same in every run: 100 Observations of a year, about 96 KB as one body.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXAMPLES = Path("examples/requests")
OBSERVATIONS = 100
_LAST_DAY = date(2024, 6, 1)
_PATIENT = "bench"
# LOINC code, what it is called, unit, first value, step
_MEASURES = (
    ("8310-5", "Body temperature", "Cel", "36.6", "0.1"),
    ("29463-7", "Body weight", "kg", "81.5", "0.5"),
    ("8867-4", "Heart rate", "/min", "68", "1"),
    ("30341-2", "Erythrocyte sedimentation rate", "mm/h", "8", "1"),
    ("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", "2.0", "0.5"),
    (
        "72514-3",
        "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
        "{score}",
        "4",
        "1",
    ),
)


@dataclass(frozen=True, slots=True)
class Body:
    """One request: its name in the report, the hook it is for, and its bytes."""

    name: str
    hook: str
    content: bytes


def examples(folder: Path = EXAMPLES) -> Iterator[Body]:
    """Every example of a hook call, by name."""
    for path in sorted(folder.glob("*.json")):
        content = path.read_bytes()
        hook = fhir_json.decode(content).get("hook")
        if hook is not None:  # feedback names none
            yield Body(path.stem, hook, content)


def large(templates: Mapping[str, str], observations: int = OBSERVATIONS) -> Body:
    """A patient-view request that fills every prefetch key of discovery's `templates`."""
    chart = [_patient(), *_conditions()]
    chart += [_measurement(index) for index in range(observations)]
    message = {
        "hook": "patient-view",
        "hookInstance": "00000000-0000-4000-8000-0000000000be",
        "context": {"userId": "Practitioner/bench", "patientId": _PATIENT},
        "prefetch": {key: _answer(template, chart) for key, template in templates.items()},
    }
    return Body(f"made-{observations}-observations", "patient-view", fhir_json.encode(message))


def _answer(template: str, chart: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What a client sends for one template: the resources of its type, or null for none."""
    resource_type = template.replace("?", "/").split("/", 1)[0]
    found = [item for item in chart if item["resourceType"] == resource_type]
    if "?" not in template:
        return found[0] if found else None
    entries = [{"resource": item, "search": {"mode": "match"}} for item in found]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return bundle | ({"entry": entries} if entries else {})


def _patient() -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": _PATIENT,
        "gender": "female",
        "birthDate": "1975-04-12",
    }


def _conditions() -> list[dict[str, Any]]:
    """Back pain, and numbness without a date: it counts as new, so there is a card on any day."""
    return [
        _condition("back", "http://hl7.org/fhir/sid/icd-10", "M54.5")
        | {"onsetDateTime": "2024-05-02"},
        _condition("saddle-numbness", "http://snomed.info/sct", "449813001"),
    ]


def _condition(identifier: str, system: str, code: str) -> dict[str, Any]:
    terms = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "id": identifier,
        "clinicalStatus": {"coding": [{"system": f"{terms}/condition-clinical", "code": "active"}]},
        "verificationStatus": {
            "coding": [{"system": f"{terms}/condition-ver-status", "code": "confirmed"}]
        },
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{_PATIENT}"},
    }


def _measurement(index: int) -> dict[str, Any]:
    code, display, unit, first, step = _MEASURES[index % len(_MEASURES)]
    day = _LAST_DAY - timedelta(days=1 + index * 3)
    number = fhir_json.decode(first.encode()) + index % 5 * fhir_json.decode(step.encode())
    category = {
        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
        "code": "laboratory" if unit in {"mm/h", "mg/L"} else "vital-signs",
        "display": "Laboratory" if unit in {"mm/h", "mg/L"} else "Vital Signs",
    }
    return {
        "resourceType": "Observation",
        "id": f"o{index}",
        "meta": {"versionId": "1", "lastUpdated": f"{day}T10:30:00.000+02:00"},
        "identifier": [{"system": "https://lab.example.org/results", "value": f"R-{index:06}"}],
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": code, "display": display}],
            "text": display,
        },
        "subject": {"reference": f"Patient/{_PATIENT}"},
        "encounter": {"reference": f"Encounter/e{index // 3}"},
        "effectiveDateTime": f"{day}T10:15:00+02:00",
        "issued": f"{day}T10:30:00.000+02:00",
        "performer": [{"reference": "Organization/lab", "display": "Example laboratory"}],
        "valueQuantity": {
            "value": number,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
        "referenceRange": [{"text": "as printed on the laboratory's report"}],
    }
