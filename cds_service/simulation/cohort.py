"""A cohort on disk, by patient: an index of places, so that no more than a patient is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.errors import CohortError
from cds_service.simulation import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from cds_service.simulation.documents import Place

SUFFIXES = (".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Cohort:
    """The files of a cohort, and where in them the documents about each patient stand.

    `strangers` is the number of patients who are spoken of without a Patient resource.
    """

    files: tuple[Path, ...]
    places: Mapping[str, tuple[Place, ...]]
    strangers: int = 0

    @property
    def patients(self) -> tuple[str, ...]:
        """The ids of the patients, in the order in which they were first met."""
        return tuple(self.places)

    def record(self, patient: str) -> list[Mapping[str, Any]]:
        """Everything that the cohort holds about a patient, as `settled` puts it."""
        found: list[Mapping[str, Any]] = []
        for number, places in groupby(self.places[patient], key=lambda place: place.file):
            path = self.files[number]
            with path.open("rb") as file:
                for place in places:
                    file.seek(place.start)
                    document = documents.decoded(file.read(place.length), str(path), place.line)
                    found += [
                        resource
                        for owner, resource in documents.owned(document)
                        if owner == patient
                    ]
        return settled(found)


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of a cohort in a stable order; raises CohortError where there is none."""
    if path.is_file():
        return (path,)
    found = sorted(item for item in path.rglob("*") if item.suffix.lower() in SUFFIXES)
    if not found:
        raise CohortError(
            f"there is no .ndjson and no .json file in {path}",
            hint="name a folder of bulk-data NDJSON or of Bundles, or one such file",
        )
    return tuple(found)


def index(
    files: Sequence[Path], kinds: frozenset[str], note: Callable[[Path], None] = lambda _: None
) -> Cohort:
    """Read every file once and keep the places of what is about a patient and of these types.

    `note` is told each file that was read. Raises CohortError for a document that is none.
    """
    places: dict[str, list[Place]] = {}
    known: set[str] = set()
    for number, path in enumerate(files):
        for place, document in documents.of_file(path, number):
            owners = _owners(document, kinds)
            known |= {owner for owner, kind in owners if kind == "Patient"}
            for owner in dict.fromkeys(owner for owner, _ in owners):
                places.setdefault(owner, []).append(place)
        note(path)
    there = {owner: tuple(found) for owner, found in places.items() if owner in known}
    return Cohort(tuple(files), there, strangers=len(places) - len(there))


def _owners(document: Mapping[str, Any], kinds: frozenset[str]) -> list[tuple[str, str]]:
    if document["resourceType"] not in kinds | {"Bundle"}:
        return []
    return [
        (owner, resource["resourceType"])
        for owner, resource in documents.owned(document)
        if owner is not None and resource["resourceType"] in kinds
    ]


def settled(resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A record whose form does not depend on the order of files: by type and id, each id once.

    Of several versions the one updated last counts.
    """
    newest: dict[tuple[str, str], tuple[tuple[str, bytes], Mapping[str, Any]]] = {}
    for resource in resources:
        text = fhir_json.encode(resource)
        rank = (_last_updated(resource), text)
        key = (resource["resourceType"], str(resource.get("id") or text.decode()))
        if key not in newest or newest[key][0] < rank:
            newest[key] = (rank, resource)
    return [newest[key][1] for key in sorted(newest)]


def _last_updated(resource: Mapping[str, Any]) -> str:
    meta = resource.get("meta")
    return str(meta.get("lastUpdated", "")) if isinstance(meta, dict) else ""
