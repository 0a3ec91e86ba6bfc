"""Which version of a resource a canonical names: `url|version` that very one, `url` the newest.

Unpinned is the newest *active* version; where none is active the newest that is not retired. A
retired version is found only by its own name. Source: FHIR R4, References (canonical) and
`PublicationStatus`; the choice of the newest active one is CRMI's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")

ACTIVE, RETIRED = "active", "retired"

_NUMBERED = re.compile(
    r"v?(?P<core>\d+(?:\.\d+)+|\d+(?![\d-]))"
    r"(?:-(?P<before>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z.-]+)?"
)
_NUMBER = re.compile(r"(\d+)")


def split(canonical: str) -> tuple[str, str | None]:
    """The url and the version of a canonical; with a fragment it is one name, without a version."""
    url, _, version = (canonical, "", "") if "#" in canonical else canonical.partition("|")
    return url, version or None


def joined(url: str, version: str | None) -> str:
    """`url|version`, or the url alone."""
    return f"{url}|{version}" if version else url


def precedence(version: str | None) -> tuple[Any, ...]:
    """What versions are ordered by, lowest first.

    Numbered versions (`1.2`, `1.2.3`, `1.2.3-draft.1+5`, `v2`) compare as semantic versions do:
    number by number, missing ones are 0, a pre-release is before its release, and what follows
    `+` does not count. Before them come all others (`2024-06-01`, `spring`), compared as texts
    in which digits are numbers; before these, no version.
    """
    if version is None:
        return (0,)
    match = _NUMBERED.fullmatch(version)
    if match is None:
        return (1, _natural(version), version)
    core = [int(part) for part in match["core"].split(".")]
    while len(core) > 1 and core[-1] == 0:
        core.pop()
    return (2, tuple(core), _release(match["before"]), version)


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    parts = _NUMBER.split(text.casefold())
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part)


def _release(before: str | None) -> tuple[Any, ...]:
    """A release is after each of its pre-releases; in these numbers come before words."""
    if before is None:
        return (1,)
    parts = before.split(".")
    return (0, *((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts))


@dataclass(frozen=True, slots=True)
class Version(Generic[T]):
    """One version of a resource: how it is numbered, its status, and what it is here."""

    number: str | None
    status: str
    item: T

    def __str__(self) -> str:
        return f"{self.number or 'without a version'} ({self.status})"


class Versions(Generic[T]):
    """The versions of resources, by their urls; the first of two that are named alike counts.

    `forced` are urls of which every reference names this version, whichever it says (CRMI,
    `forceArtifactVersion`).
    """

    def __init__(
        self,
        resources: Iterable[tuple[Mapping[str, Any], T]],
        forced: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        self._forced = forced
        self._by_url: dict[str, dict[str | None, Version[T]]] = {}
        for resource, item in resources:
            number = resource.get("version")
            found = Version(str(number) if number else None, str(resource.get("status", "")), item)
            self._by_url.setdefault(str(resource.get("url", "")), {}).setdefault(
                found.number, found
            )

    def replaced(self, was: Mapping[str, Any], now: Mapping[str, Any], item: T) -> Versions[T]:
        """The same, with `item` for the resource `now` in place of `was`, of the same url."""
        made: Versions[T] = Versions([(now, item)], self._forced)
        url, number = str(was.get("url", "")), str(was.get("version") or "") or None
        others = {key: found for key, found in self._by_url[url].items() if key != number}
        made._by_url = self._by_url | {url: others | made._by_url[url]}
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_url)

    def of(self, url: str) -> list[Version[T]]:
        """The versions of a url, the newest first; none where nothing has this url."""
        found = self._by_url.get(url, {}).values()
        return sorted(found, key=lambda version: precedence(version.number), reverse=True)

    def find(self, canonical: str) -> T | None:
        """What the canonical names; None where nothing has this url, or not in this version."""
        url, number = split(canonical)
        versions = self._by_url.get(url)
        if versions is None:
            return None
        number = self._forced.get(url, number)
        chosen = versions.get(number) if number else _in_force(versions.values())
        return None if chosen is None else chosen.item

    def is_in_force(self, url: str, number: str | None) -> bool:
        """Whether this version is the one that the url alone names."""
        if url in self._forced:
            return self._forced[url] == number
        chosen = _in_force(self._by_url.get(url, {}).values())
        return chosen is not None and chosen.number == number

    def without(self, canonical: str) -> str | None:
        """Why a canonical of a known url names nothing, as a sentence; None for an unknown url."""
        url, number = split(canonical)
        found = self.of(url)
        if not found:
            return None
        there = ", ".join(f"{joined(url, item.number)} ({item.status})" for item in found)
        if number is None:
            return f"of {url} only retired versions are loaded: {there}"
        return f"{url} is not loaded in version {number}; loaded: {there}"


def _in_force(found: Iterable[Version[T]]) -> Version[T] | None:
    usable = [version for version in found if version.status != RETIRED]
    active = [version for version in usable if version.status == ACTIVE]
    return max(active or usable, key=lambda version: precedence(version.number), default=None)
