"""The loaded guideline files as FHIR resources: by type, and by type and id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import UnknownService, did_you_mean, short

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cds_service.engine import Source

SUMMARIZED = frozenset(
    {
        "resourceType", "id", "implicitRules", "url", "identifier", "version", "name", "title",
        "status", "experimental", "type", "date", "publisher", "contact", "useContext",
        "jurisdiction", "content", "caseSensitive", "valueSet",
    }
)  # fmt: skip
"""The members that FHIR marks as summary in the types that are served, or that it requires."""

_SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


class Catalogue:
    """The resources of some types; a resource without an id has the end of its url as id."""

    def __init__(self, sources: Iterable[Source], types: Collection[str]) -> None:
        self._by_type: dict[str, dict[str, Mapping[str, Any]]] = {name: {} for name in types}
        for source in sources:
            of_type = self._by_type.get(str(source.resource["resourceType"]))
            if of_type is not None:
                of_type[source.id] = {**source.resource, "id": source.id}

    def of_type(self, resource_type: str) -> list[Mapping[str, Any]]:
        """The resources of a type; UnknownService when the type is not served."""
        return list(self._of_type(resource_type).values())

    def read(self, resource_type: str, id_: str) -> Mapping[str, Any]:
        """One resource; UnknownService names the closest ids."""
        of_type = self._of_type(resource_type)
        if id_ not in of_type:
            raise UnknownService(
                f"there is no {resource_type} '{short(id_)}'",
                code="not-found",
                hint=did_you_mean(id_, of_type) or f"all are listed at /fhir/{resource_type}",
            )
        return of_type[id_]

    def _of_type(self, resource_type: str) -> dict[str, Mapping[str, Any]]:
        if resource_type not in self._by_type:
            raise UnknownService(
                f"'{short(resource_type)}' is not served here",
                code="not-found",
                hint=did_you_mean(resource_type, self._by_type)
                or f"the types are: {', '.join(self._by_type)}",
            )
        return self._by_type[resource_type]


def summary(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What `_summary=true` shows of a resource, tagged as a part of it."""
    kept = {name: value for name, value in resource.items() if name in SUMMARIZED}
    meta = dict(resource.get("meta", {}))
    return {**kept, "meta": {**meta, "tag": [*meta.get("tag", ()), _SUBSETTED]}}
