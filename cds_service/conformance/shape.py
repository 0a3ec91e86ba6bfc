"""Small questions about JSON that came from elsewhere, each answered with sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAY_BE_EMPTY = frozenset({"$.cards", "$.services"})
"""The two lists that CDS Hooks lets be empty (GEN-4)."""


def text(
    place: str, holder: Mapping[str, Any], member: str, *, needed: bool = True
) -> Iterator[str]:
    """The member is a string with something in it."""
    if member not in holder:
        if needed:
            yield f"{place}.{member} is missing"
    elif not isinstance(holder[member], str) or not holder[member].strip():
        yield f"{place}.{member} must be a string that is not blank, not {holder[member]!r:.60}"


def one_of(place: str, holder: Mapping[str, Any], member: str, allowed: set[str]) -> Iterator[str]:
    """The member is one of these strings."""
    value = holder.get(member)
    if not isinstance(value, str) or value not in allowed:
        yield f"{place}.{member} must be one of {', '.join(sorted(allowed))}, not {value!r:.60}"


def url(place: str, holder: Mapping[str, Any], member: str) -> Iterator[str]:
    """The member, if there, is an absolute URL."""
    if member in holder:
        value = holder[member]
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or not parts.scheme or not parts.netloc:
            yield f"{place}.{member} must be an absolute URL, not {value!r:.60}"


def coding(place: str, value: object, *, display: bool = False) -> Iterator[str]:
    """A Coding: code and system, and a display where it is shown."""
    if not isinstance(value, dict):
        yield f"{place} must be a Coding object"
        return
    for member in ("code", "system", *(["display"] if display else [])):
        yield from text(place, value, member)


def objects(place: str, holder: Mapping[str, Any], member: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a list member, each with its place; none when it is no list."""
    found = holder.get(member)
    return [
        (f"{place}.{member}[{number}]", item)
        for number, item in enumerate(found if isinstance(found, list) else ())
        if isinstance(item, dict)
    ]


def array_of_objects(place: str, holder: Mapping[str, Any], member: str) -> Iterator[str]:
    """The member, if there, is an array, and everything in it is an object."""
    found = holder.get(member, [])
    if not isinstance(found, list):
        yield f"{place}.{member} must be an array, not {found!r:.60}"
        return
    for number, item in enumerate(found):
        if not isinstance(item, dict):
            yield f"{place}.{member}[{number}] must be an object, not {item!r:.60}"


def odd_extensions(value: object, place: str = "$") -> Iterator[str]:
    """Members named `extension` that are no objects (GEN-8), outside of FHIR resources."""
    if isinstance(value, dict) and "resourceType" not in value:
        if not isinstance(value.get("extension", {}), dict):
            yield f"{place}.extension must be an object, not {value['extension']!r:.60}"
        for name, member in value.items():
            yield from odd_extensions(member, f"{place}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from odd_extensions(item, f"{place}[{number}]")


def empties(value: object, place: str = "$", *, inside_resource: bool = False) -> Iterator[str]:
    """Members that are null or empty (GEN-3, GEN-4); FHIR resources have rules of their own."""
    if value is None and not inside_resource:
        yield f"{place} is null"
    elif value in ("", [], {}) and place not in MAY_BE_EMPTY and not inside_resource:
        yield f"{place} is empty"
    elif isinstance(value, dict):
        within = inside_resource or "resourceType" in value
        for name, member in value.items():
            yield from empties(member, f"{place}.{name}", inside_resource=within)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from empties(item, f"{place}[{number}]", inside_resource=inside_resource)
