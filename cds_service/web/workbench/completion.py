"""What the editor can complete: the names that mean something in a plan, with what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.authoring.expressions import places
from cds_service.engine import Source
from cds_service.engine.scope import REQUEST_TYPES
from cds_service.fhirpath.functions import FUNCTIONS
from cds_service.fhirpath.model import elements_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Plan

_ROOT = "PlanDefinition"
_PLAIN = ("Patient", "Condition", "Observation", "ServiceRequest", "MedicationRequest")
"""Types whose elements are offered in expressions whatever stands before the dot."""


def names_for(plan: Plan, library: PlanLibrary) -> dict[str, Any]:
    """The names by kind; each is a pair of the name and a few words on it."""
    definitions = list(_definitions(plan, library))
    return {
        "functions": sorted(
            [(name, function.section) for name, function in FUNCTIONS.items()]
            + [(name, about) for name, about, is_function in definitions if is_function]
        ),
        "variables": sorted(
            {
                **{name: about for name, about, is_function in definitions if not is_function},
                **{name: kind or "" for name, kind in REQUEST_TYPES.items()},
                **{
                    key: query
                    for service in library.services.values()
                    for key, query in service.prefetch.items()
                },
            }.items()
        ),
        "valueSets": [(name, "") for name in sorted(library.content.value_sets.names)],
        "canonicals": [
            (source.canonical, str(source.resource.get("title", "")))
            for source in library.content.sources
            if source.resource["resourceType"] in {"PlanDefinition", "ActivityDefinition"}
        ],
        "elements": [(name, kind) for name, kind in sorted(_of_records().items())],
        "types": _types(),
        "root": _ROOT,
    }


def _definitions(plan: Plan, library: PlanLibrary) -> Iterator[tuple[str, str, bool]]:
    """Name, words and whether it takes arguments, of what this plan's expressions may use."""
    named = [*plan.json.get("library", ()), plan.versioned]
    found = [library.content.versions.find(str(name)) for name in named]
    for place in places(source for source in found if isinstance(source, Source)):
        if place.kind == "definition":
            yield place.name, place.description or place.text, place.parameters is not None


def _of_records() -> dict[str, str]:
    """Elements of the records that guidelines read, by name, with where they are."""
    found: dict[str, str] = {}
    for kind in _PLAIN:
        for name in elements_of(kind):
            found.setdefault(name, kind)
    return found


def _types() -> Mapping[str, Mapping[str, str]]:
    """For each type that can stand in a plan: its JSON keys, and the type below each."""
    found: dict[str, dict[str, str]] = {}
    open_types = [_ROOT]
    while open_types:
        kind = open_types.pop()
        if kind in found or not elements_of(kind):
            continue
        found[kind] = {
            name: element.types[0]
            for name, element in elements_of(kind).items()
            if element.types and not element.choices
        }
        open_types.extend(found[kind].values())
    return found
