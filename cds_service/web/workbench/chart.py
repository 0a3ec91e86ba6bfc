"""A chart as an EHR shows it: who the patient is, and a line for each thing that is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "problems": ("Condition",),
    "observations": ("Observation",),
    "medication": ("MedicationRequest", "MedicationStatement"),
    "orders": ("ServiceRequest",),
    "procedures": ("Procedure", "DiagnosticReport", "ImagingStudy"),
    "allergies": ("AllergyIntolerance",),
    "forms": ("QuestionnaireResponse",),
    "visits": ("Encounter",),
}
"""The sections of a chart, in order, and the resource types that stand in each."""

_DATES = (
    "onsetDateTime", "effectiveDateTime", "authoredOn", "performedDateTime", "started",
    "recordedDate", "issued", "authored",
)  # fmt: skip
_CONCEPTS = ("code", "medicationCodeableConcept", "class", "type")


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded thing: its reference, what it is, when it was, and its value or status."""

    reference: str
    text: str
    when: str
    value: str
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the chart, named by its key in `SECTIONS`, or `other`."""

    key: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient's chart; `name` is empty and `age` None where the record does not say."""

    patient: Mapping[str, Any]
    resources: tuple[Mapping[str, Any], ...]
    as_of: str | None = None
    """The day of the Bundle's `timestamp`: the day on which the chart is as it stands."""

    @property
    def id(self) -> str:
        """The patient's FHIR id."""
        return str(self.patient.get("id", ""))

    @property
    def name(self) -> str:
        """Given and family name."""
        for name in _list(self.patient.get("name")):
            return str(
                name.get("text") or " ".join([*name.get("given", ()), name.get("family", "")])
            )
        return ""

    def age(self, day: date) -> int | None:
        """Completed years on this day; None when the birth date is missing or not a whole date."""
        parts = str(self.patient.get("birthDate", "")).split("-")
        if len(parts) != 3 or not all(part.isdigit() for part in parts):
            return None
        year, month, of_month = (int(part) for part in parts)
        return day.year - year - ((day.month, day.day) < (month, of_month))

    def sections(self) -> Iterator[Section]:
        """The sections that hold something, in order; what fits nowhere comes last."""
        left = [item for item in self.resources if item.get("resourceType") != "Patient"]
        for key, types in SECTIONS.items():
            found = [item for item in left if item.get("resourceType") in types]
            left = [item for item in left if item not in found]
            if found:
                yield Section(key, _entries(found))
        if left:
            yield Section("other", _entries(left))


def read(value: object) -> Chart:
    """The chart in a Bundle or a single resource; raises RequestError for other JSON."""
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise RequestError("this is not a FHIR resource", hint="give a Bundle with the chart")
    is_bundle = value["resourceType"] == "Bundle"
    every = tuple(fhir_json.resources(value)) if is_bundle else (value,)
    patient = next((item for item in every if item.get("resourceType") == "Patient"), {})
    as_of = value.get("timestamp") if is_bundle else None
    return Chart(patient, every, as_of[:10] if isinstance(as_of, str) else None)


def label(resource: Mapping[str, Any]) -> str:
    """What a resource is about in its own words: the text or display of its code, else its type."""
    for member in _CONCEPTS:
        concept = resource.get(member)
        for item in _list(concept):
            text = item.get("text") or item.get("display")
            displays = (coding.get("display") for coding in fhir_json.codings(item))
            found = text or next((display for display in displays if display), None)
            if found:
                return str(found)
    return str(resource.get("resourceType", ""))


def _entries(resources: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            f"{item.get('resourceType')}/{item.get('id', '')}",
            label(item),
            next((str(item[name])[:10] for name in _DATES if item.get(name)), ""),
            _value(item),
            item,
        )
        for item in resources
    )


def _value(resource: Mapping[str, Any]) -> str:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, dict):
        unit = str(quantity.get("unit") or quantity.get("code") or "")
        return f"{quantity.get('value')} {'' if unit.startswith('{') else unit}".strip()
    concept = resource.get("valueCodeableConcept")
    if isinstance(concept, dict):
        return label({"code": concept, "resourceType": ""})
    status = resource.get("clinicalStatus") or resource.get("status")
    if isinstance(status, dict):
        return next((str(coding.get("code", "")) for coding in fhir_json.codings(status)), "")
    return str(status or "")


def _list(value: object) -> list[Mapping[str, Any]]:
    """The objects of a member that may hold one, several or none."""
    return [
        item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)
    ]
