"""The end of the guideline document: the definitions and the value sets that rules share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cds_service.authoring.guideline_text import anchor, code, table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from cds_service.authoring.guideline_names import Names
    from cds_service.data.plan_library import PlanLibrary


def definitions(names: Names) -> list[str]:
    """Every definition of the Libraries: what it is called, what it means, its expression."""
    rows = [
        [f"{anchor('name', item.name)}`{item.label}`", item.description or "", code(item.text)]
        for item in sorted(names.libraries.values(), key=lambda item: item.name.lower())
    ]
    return [
        "## Shared definitions",
        "",
        "Named in the rules as `%name`, or as `name()` on what stands before the dot.",
        "",
        *table(["name", "meaning", "expression"], rows),
        "",
    ]


def value_sets(library: PlanLibrary, used: Collection[str]) -> list[str]:
    """The value sets that rules ask for: what they hold, and how many codes of which system."""
    titles = _code_systems(library)
    rows = [
        [
            anchor("codes", str(item["id"])) + f"`{item['id']}`",
            item["title"],
            _counted(item, titles),
        ]
        for item in _of_type(library, "ValueSet")
        if item["id"] in used
    ]
    return [
        "## Value sets",
        "",
        "Codes are counted as written; an ICD-10 or ATC code stands for all longer codes as well.",
        "",
        *table(["value set", "", "codes"], rows),
    ]


def _of_type(library: PlanLibrary, resource_type: str) -> Iterator[Mapping[str, Any]]:
    for source in library.content.sources:
        if source.resource.get("resourceType") == resource_type:
            yield source.resource


def _code_systems(library: PlanLibrary) -> dict[str, str]:
    return {str(item["url"]): str(item["title"]) for item in _of_type(library, "CodeSystem")}


def _counted(value_set: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """`SNOMED CT 3, ICD-10 1`, and the sets that a union is made of."""
    count: Counter[str] = Counter()
    unites: list[str] = []
    for include in value_set["compose"]["include"]:
        unites += [str(item).rsplit("/", 1)[-1] for item in include.get("valueSet", ())]
        listed = len(include.get("concept", ())) + len(include.get("filter", ()))
        if listed:
            system = str(include["system"])
            count[titles.get(system, system)] += listed
    parts = [f"{system} {number}" for system, number in count.items()]
    return ", ".join([*parts, *(f"all of `{name}`" for name in unites)])
