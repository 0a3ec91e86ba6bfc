"""ValueSet `$expand` and `$validate-code` over the loaded sets, from what they themselves say.

Source: FHIR R4 ValueSet operations. Membership is decided by `terminology`, as in every rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.errors import UnknownService, did_you_mean, short
from cds_service.terminology import display_of
from cds_service.versions import Versions, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cds_service.terminology import ValueSets

UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
_COPIED = ("id", "url", "version", "name", "title", "status", "experimental", "publisher")


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of an expansion that is asked for, and how its codes are shown."""

    text: str | None = None
    offset: int = 0
    count: int | None = None
    language: str | None = None
    designations: bool = False


@dataclass(frozen=True, slots=True)
class Validation:
    """What `$validate-code` found: yes or no, why, and what the code is called here."""

    result: bool
    message: str | None = None
    display: str | None = None


class Terminology:
    """The loaded ValueSets by `url` and `url|version`."""

    def __init__(self, resources: Iterable[Mapping[str, Any]], value_sets: ValueSets) -> None:
        self._value_sets = value_sets
        self._sets = Versions(
            (resource, resource)
            for resource in resources
            if resource.get("resourceType") == "ValueSet"
        )

    def find(self, canonical: str) -> Mapping[str, Any]:
        """The set that a canonical names; UnknownService when it, or that version, is not here."""
        found = self._sets.find(canonical)
        if found is None:
            raise UnknownService(
                f"no ValueSet '{short(canonical)}' is loaded",
                code="not-found",
                hint=self._sets.without(canonical) or did_you_mean(canonical, self._sets),
            )
        return found

    def expand(
        self, value_set: Mapping[str, Any], selection: Selection, *, identifier: str, timestamp: str
    ) -> dict[str, Any]:
        """The set with the codes that it lists; marked as unclosed when it means more than those.

        A code that stands for all longer codes (ICD-10, ATC) is listed itself, they are not.
        """
        entries = [item for item in self._entries(value_set) if _has_words(item, selection.text)]
        end = None if selection.count is None else selection.offset + selection.count
        shown = entries[selection.offset : end]
        unclosed = {"url": UNCLOSED, "valueBoolean": True}
        expansion = {
            "extension": [unclosed] if any(self._roots(value_set)) else [],
            "identifier": identifier,
            "timestamp": timestamp,
            "total": len(entries),
            "offset": selection.offset,
            "parameter": list(_parameters(selection)),
            "contains": [self._shown(item, selection) for item in shown],
        }
        return {
            "resourceType": "ValueSet",
            **{member: value_set[member] for member in _COPIED if member in value_set},
            "expansion": {name: value for name, value in expansion.items() if value != []},
        }

    def validate(
        self,
        value_set: Mapping[str, Any],
        codings: Sequence[Mapping[str, Any]],
        language: str | None = None,
    ) -> Validation:
        """Whether one of the codings is in the set and its display, if any, is one of its names."""
        is_member = self._value_sets.resolve(_versioned(value_set))
        for coding in codings:
            system, code = coding.get("system"), coding.get("code")
            is_coded = isinstance(system, str) and isinstance(code, str)
            if is_member and is_coded and is_member(system, str(code)):
                return self._named(value_set, coding, language)
        what = ", ".join(_told(coding) for coding in codings) or "a concept without a coding"
        return Validation(
            result=False, message=f"{what} is not in the value set {_versioned(value_set)}"
        )

    def _named(
        self, value_set: Mapping[str, Any], coding: Mapping[str, Any], language: str | None
    ) -> Validation:
        key = (self._value_sets.uris_of(coding["system"])[0], coding["code"])
        entry = next(
            (item for item in self._entries(value_set) if self._key(item) == key),
            self._value_sets.coding(*key),
        )
        called = self._display(entry, language)
        names = [entry.get("display"), called]
        names += [item.get("value") for item in entry.get("designation", ())]
        known = {_folded(name) for name in names if isinstance(name, str)}
        given = coding.get("display")
        if not isinstance(given, str) or _folded(given) in known:
            return Validation(result=True, display=called)
        if not known:
            message = f"the display of {_told(coding)} is not known here and was not checked"
            return Validation(result=True, message=message)
        message = f"'{given}' is not a display of {_told(coding)}; that is '{called}'"
        return Validation(result=False, message=message, display=called)

    # -- what a set lists -------------------------------------------------------------------

    def _entries(self, value_set: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The codes that the set names one by one and that are its members, each once."""
        is_member = self._value_sets.resolve(_versioned(value_set)) or (lambda *_: False)
        seen: set[tuple[str, str]] = set()
        for entry in (*self._value_sets.codings(value_set), *self._roots(value_set)):
            key = self._key(entry)
            if key not in seen and is_member(entry["system"], entry["code"]):
                seen.add(key)
                yield entry

    def _roots(self, value_set: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The codes that stand for themselves and all below, here and in the sets included."""
        for include in value_set.get("compose", {}).get("include", ()):
            for condition in include.get("filter", ()):
                yield self._value_sets.coding(include["system"], condition["value"])
            for other in include.get("valueSet", ()):
                yield from self._roots(self.find(other))

    def _shown(self, entry: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
        display = self._display(entry, selection.language)
        shown = {"system": entry["system"], "code": entry["code"]}
        shown |= {"display": display} if display else {}
        if selection.designations and entry.get("designation"):
            shown["designation"] = entry["designation"]
        return shown

    def _display(self, entry: Mapping[str, Any], language: str | None) -> str | None:
        """What the set calls the code, in the language where it can, else what the system does."""
        own = display_of(entry, language)
        return own or self._value_sets.display(entry["system"], entry["code"], language)

    def _key(self, entry: Mapping[str, Any]) -> tuple[str, str]:
        return self._value_sets.uris_of(entry["system"])[0], str(entry["code"])


def _has_words(entry: Mapping[str, Any], text: str | None) -> bool:
    """Whether every word of `text` occurs in the code, the display or a designation."""
    names = [entry["code"], entry.get("display", "")]
    names += [item.get("value", "") for item in entry.get("designation", ())]
    within = " ".join(map(str, names)).casefold()
    return all(word in within for word in (text or "").casefold().split())


def _parameters(selection: Selection) -> Iterator[dict[str, Any]]:
    """The parameters that shaped the expansion, as the expansion must tell them."""
    if selection.text:
        yield {"name": "filter", "valueString": selection.text}
    if selection.count is not None:
        yield {"name": "count", "valueInteger": selection.count}
    if selection.language:
        yield {"name": "displayLanguage", "valueCode": selection.language}
    if selection.designations:
        yield {"name": "includeDesignations", "valueBoolean": True}


def _versioned(value_set: Mapping[str, Any]) -> str:
    return joined(str(value_set["url"]), value_set.get("version"))


def _told(coding: Mapping[str, Any]) -> str:
    system = coding.get("system")
    return f"the code '{coding.get('code')}' of " + (f"'{system}'" if system else "no system")


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
