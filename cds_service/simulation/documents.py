"""Files of a cohort → resources, each with the patient whom it is about.

A document is one JSON value: a line of an NDJSON file (FHIR Bulk Data), or a whole JSON file. It is
a resource or a Bundle. Inside a Bundle, references by `fullUrl` become `Type/id`, as a server would
hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cds_service import fhir_json
from cds_service.errors import CohortError, ContentError, RequestError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Place(NamedTuple):
    """Where a document stands: the file's number in its cohort, the bytes, and the first line."""

    file: int
    start: int
    length: int
    line: int


def is_ndjson(path: Path) -> bool:
    """Whether a file holds a document a line; one named `.json` is a single document."""
    return path.suffix.lower() != ".json"


def of_file(path: Path, number: int = 0) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Each document of a file, read line by line where it is NDJSON; blank lines are skipped.

    Raises:
        CohortError: a document is no JSON, or no FHIR resource; with file, line and column.
    """
    if not is_ndjson(path):
        body = path.read_bytes()
        yield Place(number, 0, len(body), 1), decoded(body, str(path), 1)
        return
    start = 0
    with path.open("rb") as file:
        for line, body in enumerate(file, start=1):
            if body.strip():
                yield Place(number, start, len(body), line), decoded(body, str(path), line)
            start += len(body)


def decoded(body: bytes, file: str, line: int) -> dict[str, Any]:
    """The resource in these bytes, which begin at a line of a file; raises CohortError."""
    try:
        value = fhir_json.decode(body)
    except RequestError as error:
        raise _unusable(body, error, Where(file, line=line)) from None
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise CohortError(
            "this is not a FHIR resource: there is no resourceType",
            hint="one resource or Bundle in each line of .ndjson, or one in a .json file",
            where=Where(file, line=line),
        )
    return value


def _unusable(body: bytes, error: RequestError, where: Where) -> CohortError:
    """The same problem, with its place in the file instead of in a message."""
    try:
        fhir_json.decode_content(body.decode("utf-8", "replace").rstrip("\r\n"), str(where.file))
    except ContentError as precise:
        lines_before = (precise.where.line or 1) - 1 if precise.where else 0
        column = precise.where.column if precise.where else None
        there = Where(where.file, line=(where.line or 1) + lines_before, column=column)
        return CohortError(precise.message, hint=_hint(where), where=there)
    return CohortError(error.message, hint=_hint(where), where=where)


def _hint(where: Where) -> str:
    if str(where.file).lower().endswith(".json"):
        return "a .json file holds one resource or Bundle; name files with one per line .ndjson"
    return "NDJSON holds one whole resource in each line"


def owned(document: Mapping[str, Any]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """Each resource of a document with the id of its patient; None where it names none."""
    if document["resourceType"] != "Bundle":
        yield patient_id(document), document
        return
    names = dict(_full_urls(document))
    for resource in fhir_json.resources(document):
        settled = _with_references(resource, names)
        yield patient_id(settled), settled


def patient_id(resource: Mapping[str, Any]) -> str | None:
    """The id of the Patient that a resource is, or is about."""
    if resource["resourceType"] == "Patient":
        identifier = resource.get("id")
        return identifier if isinstance(identifier, str) and identifier else None
    for reference in fhir_json.patient_references(resource):
        key = fhir_json.reference_key(reference)
        if key is not None and key[0] in {"Patient", "urn:uuid"}:
            return key[1]
    return None


def _full_urls(bundle: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        url = entry.get("fullUrl") if isinstance(entry, dict) else None
        if isinstance(url, str) and isinstance(resource, dict) and resource.get("id"):
            yield url, f"{resource.get('resourceType')}/{resource['id']}"


def _with_references(value: Any, names: Mapping[str, str]) -> Any:
    """A copy in which every `reference` that is a full URL of the Bundle is `Type/id`."""
    if isinstance(value, dict):
        return {
            key: names.get(item, item)
            if key == "reference" and isinstance(item, str)
            else _with_references(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_references(item, names) for item in value]
    return value
