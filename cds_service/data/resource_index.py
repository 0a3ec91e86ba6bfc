"""References to resources at hand, and whether a resource is about the patient of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.data.prefetch_values import entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


_BESIDE_SUBJECT = fhir_json.PATIENT_MEMBERS[1:]


def listed(documents: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Full URL (or nothing) and resource, for plain resources and for the entries of Bundles."""
    for document in documents:
        if document["resourceType"] != "Bundle":
            yield "", document
            continue
        for entry in entries(document):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
                url = entry.get("fullUrl")
                yield url if isinstance(url, str) else "", resource


class ResourceIndex:
    """Finds resources by full URL, by type and id whatever the base URL, and by `urn:uuid:`.

    Of several resources under one reference the first one counts. Most calls resolve nothing, so
    the index is made at the first question.
    """

    __slots__ = ("_by_key", "_by_url", "_documents")

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self._documents: tuple[Mapping[str, Any], ...] | None = tuple(documents)
        self._by_url: dict[str, Mapping[str, Any]] = {}
        self._by_key: dict[tuple[str, str], Mapping[str, Any]] = {}

    def _index(self) -> None:
        documents, self._documents = self._documents or (), None
        for url, resource in listed(documents):
            if url:
                self._by_url.setdefault(url, resource)
            identifier = resource.get("id")
            if isinstance(identifier, str):
                self._by_key.setdefault((resource["resourceType"], identifier), resource)
                self._by_key.setdefault(("urn:uuid", identifier.lower()), resource)

    def resolve(self, reference: str) -> Mapping[str, Any] | None:
        """The resource that a literal reference names, or None when it is not at hand."""
        if self._documents is not None:
            self._index()
        if reference in self._by_url:
            return self._by_url[reference]
        key = fhir_json.reference_key(reference)
        return self._by_key.get(key) if key else None


def patient_names(
    patient_id: str, resources: Iterable[tuple[str, Mapping[str, Any]]]
) -> frozenset[str]:
    """Every lower-case `urn:` that means the patient: its id, and the full URLs of a Patient.

    `resources` is what `listed` answers. There is one Patient: `is_of_another_patient` refuses any
    with another id.
    """
    urls = {
        url.lower()
        for url, resource in resources
        if resource["resourceType"] == "Patient" and url.lower().startswith("urn:")
    }
    return frozenset(urls | {f"urn:uuid:{patient_id.lower()}"})


def is_of_another_patient(
    resource: Mapping[str, Any], patient_id: str, names: frozenset[str]
) -> bool:
    """Whether a resource is another Patient, or names one as its patient (REQ-21, REQ-22).

    References to a Group or Device, contained and conditional references do not name a patient.
    """
    if resource["resourceType"] == "Patient":
        return resource.get("id") not in (None, patient_id)
    own, subject = f"Patient/{patient_id}", resource.get("subject")
    is_named = isinstance(subject, dict) and subject.get("reference") == own
    if is_named and resource.keys().isdisjoint(_BESIDE_SUBJECT):
        return False  # as nearly all say it, and cheap to tell
    for reference in fhir_json.patient_references(resource):
        if reference != own and _names_another(reference, patient_id, names):
            return True
    return False


def _names_another(reference: str, patient_id: str, names: frozenset[str]) -> bool:
    literal, _, condition = reference.partition("?")
    if not literal or literal.startswith("#"):
        return False
    if literal.lower().startswith("urn:"):
        return literal.lower() not in names
    key = fhir_json.reference_key(literal)
    if key is None:
        return not condition and literal.rsplit("/", 1)[-1] != patient_id
    return key[0] == "Patient" and key[1] != patient_id
