"""The FHIR R4 types: which elements a type has, and what is a kind of what.

The table `r4_model.json` (CC0, from hl7.fhir.r4.core) is read once, at first use.
"""

from __future__ import annotations

import json
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import Any

from cds_service.errors import did_you_mean

SYSTEM_TYPES = frozenset(
    {
        "Any", "Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time",
        "Quantity",
    }
)  # fmt: skip
"""The names of the System types."""

INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
"""The FHIR types whose values are whole numbers."""

ABSTRACT = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})
"""Types of which the data always holds a more specific one, so nothing is known of its elements."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a type.

    `choices` are the JSON keys and types of a choice element (`value[x]`). `concrete_of` is the
    element's own name when this entry is one JSON key of a choice (`valueQuantity` of `value`).
    """

    types: tuple[str, ...]
    choices: tuple[tuple[str, str], ...] = ()
    concrete_of: str | None = None


@dataclass(frozen=True, slots=True)
class TypeSpecifier:
    """A type as written in an expression; `namespace` is None when it was left out."""

    namespace: str | None
    name: str


@cache
def _table() -> tuple[dict[str, str | None], dict[str, dict[str, Any]]]:
    raw = pkgutil.get_data("cds_service.fhirpath", "r4_model.json")
    table = json.loads(raw or b"{}")
    return table["parents"], table["elements"]


@cache
def elements_of(type_name: str | None) -> dict[str, Element]:
    """The elements of a FHIR type by name; empty for a type that is not FHIR R4's.

    The JSON keys of choice elements are included, marked by `concrete_of`.
    """
    _, table = _table()
    found: dict[str, Element] = {}
    for name, (types, _) in table.get(type_name or "", {}).items():
        if not name.endswith("[x]"):
            found[name] = Element(tuple(types))
            continue
        base = name[:-3]
        choices = tuple((base + kind[0].upper() + kind[1:], kind) for kind in types)
        found[base] = Element(tuple(types), choices)
        for key, kind in choices:
            found.setdefault(key, Element((kind,), concrete_of=base))
    return found


def is_fhir_type(name: str) -> bool:
    """Whether FHIR R4 has a type of this name."""
    parents, elements = _table()
    return name in parents or name in elements


def fhir_types() -> list[str]:
    """The names of all FHIR R4 types and resources."""
    return [name for name in _table()[1] if "." not in name]


@cache
def ancestors(type_name: str) -> frozenset[str]:
    """The type itself and everything it is a kind of."""
    parents, _ = _table()
    found = {type_name}
    current = parents.get(type_name)
    while current is not None and current not in found:
        found.add(current)
        current = parents.get(current)
    return frozenset(found)


@cache
def type_specifier(text: str) -> TypeSpecifier | None:
    """The type that `text` names (`Quantity`, `System.Quantity`, `FHIR.Patient`), or None."""
    namespace, dot, name = text.rpartition(".")
    if dot and namespace == "System":
        is_known = name in SYSTEM_TYPES or is_fhir_type(name)
        return TypeSpecifier("System", name) if is_known else None
    if dot and namespace == "FHIR":
        return TypeSpecifier("FHIR", name) if is_fhir_type(name) else None
    if is_fhir_type(text) or text in SYSTEM_TYPES:
        return TypeSpecifier(None, text)
    return None


def unknown_type_hint(text: str) -> str | None:
    """Close matches of a type name that is not known."""
    return did_you_mean(text.rpartition(".")[2], [*fhir_types(), *SYSTEM_TYPES])


def static_types(specifier: TypeSpecifier) -> frozenset[str] | None:
    """The static type of something known to be of this type; None where that says nothing."""
    if specifier.namespace == "System" or not is_fhir_type(specifier.name):
        return frozenset({f"System.{specifier.name}"})
    if specifier.name in ABSTRACT:
        return None
    return frozenset({specifier.name})


def element_shape(type_name: str, name: str) -> tuple[str, bool] | None:
    """The type of an element and whether it is a list; None for what the type does not have."""
    _, table = _table()
    entry = table.get(type_name, {}).get(name)
    if entry is not None:
        return entry[0][0], bool(entry[1])
    element = elements_of(type_name).get(name)
    return None if element is None else (element.types[0], False)
