"""A patient's resources without the patient: what a case may keep of a real request.

The rule is what may stay, not what must go: of each element its FHIR R4 type decides. Codes,
numbers, booleans and quantities stay; dates move, all by the same days; ids become new ones, and
references follow them. Names, identifiers, addresses, contacts, attachments, notes, narratives,
extensions, metadata and every free text go; what has only free text says `(text)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.fhirpath.model import elements_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT = "(text)"
"""What stands where there was a free text that a reader of the chart must know of."""

OLDEST = 90
"""Years that the oldest are given: beyond 89 an age alone can name a person (45 CFR 164.514)."""

_KEPT = frozenset(
    {"code", "boolean", "integer", "positiveInt", "unsignedInt", "decimal", "time", "canonical"}
)
_DATES = frozenset({"date", "dateTime", "instant"})
_TEXTS = frozenset({"string", "markdown"})
_DROPPED = frozenset(
    {
        "Identifier", "HumanName", "Address", "ContactPoint", "ContactDetail", "Attachment",
        "Annotation", "Narrative", "Signature", "Meta", "Extension", "SampledData",
    }
)  # fmt: skip
_KEPT_TEXTS = frozenset(
    {("Quantity", "unit"), ("Age", "unit"), ("Duration", "unit"), ("SimpleQuantity", "unit")}
) | {("QuestionnaireResponse.item", "linkId")}
_OF_PATIENT = frozenset({"resourceType", "id", "gender", "birthDate", "deceasedBoolean"})
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(.*)", re.DOTALL)


@dataclass(slots=True)
class Deidentifier:
    """One request's pseudonyms: ids as they come up, and `shift`, by which every date moves.

    `today` is the day of the request, before the shift.
    """

    today: date
    shift: timedelta
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """The resource with nothing that could name the patient."""
        kind = str(resource["resourceType"])
        kept = {"resourceType": kind}
        if isinstance(resource.get("id"), str):
            kept["id"] = self.name(kind, resource["id"])
        members = resource
        if kind == "Patient":
            members = {key: value for key, value in resource.items() if key in _OF_PATIENT}
            if isinstance(members.get("birthDate"), str):
                members = {**members, "birthDate": self._not_too_old(members["birthDate"])}
        return {**kept, **self._members(members, kind)}

    def name(self, kind: str, identity: str) -> str:
        """The new id of a resource: `patient`, `condition-1`, `condition-2`."""
        key = (kind, identity)
        if key not in self.names:
            number = self.counts[kind] = self.counts.get(kind, 0) + 1
            is_first_patient = kind == "Patient" and number == 1
            self.names[key] = "patient" if is_first_patient else f"{kind.lower()}-{number}"
        return self.names[key]

    def reference(self, reference: str) -> str | None:
        """The reference with the new id; None for one that names nothing by type and id."""
        if reference.startswith("#"):
            return f"#{self.name('contained', reference[1:])}"
        found = fhir_json.reference_key(reference)
        if found is None:
            return None
        kind, identity = found
        if kind == "urn:uuid":
            known = [key for key in self.names if key[1].lower() == identity]
            return f"{known[0][0]}/{self.names[known[0]]}" if known else None
        return f"{kind}/{self.name(kind, identity)}"

    # -- by type ----------------------------------------------------------------------------

    def _members(self, value: Mapping[str, Any], kind: str) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for member, item in value.items():
            element = elements_of(kind).get(member)
            if element is None or member in {"resourceType", "id"}:
                continue
            is_choice = element.concrete_of is not None
            new = self._value(item, element.types[0], (kind, member), is_choice=is_choice)
            if new not in (None, {}, []):
                kept[member] = new
        return kept

    def _value(self, value: Any, kind: str, at: tuple[str, str], *, is_choice: bool) -> Any:
        """The value of a member as it may stay; None for one that goes."""
        if isinstance(value, list):
            items = (self._value(item, kind, at, is_choice=is_choice) for item in value)
            return [item for item in items if item not in (None, {})]
        if isinstance(value, dict):
            return None if kind in _DROPPED else self._object(value, kind)
        if kind in _DATES:
            return shifted(value, self.shift) if isinstance(value, str) else None
        if kind in _TEXTS:
            return value if at in _KEPT_TEXTS else TEXT if is_choice else None
        return value if kind in _KEPT or at[1] == "system" else None

    def _object(self, value: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
        if "resourceType" in value:  # contained, or an entry of a Bundle
            inner = self.resource(value)
            if kind == "Resource" and isinstance(value.get("id"), str):
                inner["id"] = self.name("contained", value["id"])
            return inner
        if kind == "Reference":
            new = self.reference(str(value.get("reference", "")))
            return {"reference": new} if new else None
        if kind == "Coding":
            return _coding(value)
        kept = self._members(value, kind)
        if kind == "CodeableConcept" and not kept and "text" in value:
            return {"text": TEXT}
        return kept

    def _not_too_old(self, birth: str) -> str:
        """The birth date; of those beyond 89 years one of a person of 90."""
        born = _DATE.fullmatch(birth)
        if born is None or self.today.year - int(born[1]) <= OLDEST - 1:
            return birth
        return f"{self.today.year - OLDEST}-01-01"


def _coding(value: Mapping[str, Any]) -> dict[str, Any]:
    """System and code, and the display where they say whose word it is."""
    members = ("system", "code", "display") if "system" in value and "code" in value else ("code",)
    return {member: value[member] for member in members if member in value}


def shifted(text: str, by: timedelta) -> str | None:
    """A FHIR date, dateTime or instant some days later, as precise as it was; None for no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, rest = match.groups()
    try:
        moved = date(int(year), int(month or 7), int(day or (15 if month else 1))) + by
    except (ValueError, OverflowError):
        return None
    precision = 10 if day else 7 if month else 4
    return moved.isoformat()[:precision] + rest


def resources_in(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every resource that a request brings in prefetch, alone or in a Bundle."""
    for value in (request.get("prefetch") or {}).values():
        if isinstance(value, dict) and value.get("resourceType") == "Bundle":
            yield from fhir_json.resources(value)
        elif isinstance(value, dict) and value.get("resourceType") not in (
            None, "OperationOutcome",
        ):  # fmt: skip
            yield value
