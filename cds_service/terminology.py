"""Value set membership and displays from local ValueSet and CodeSystem JSON.

No input or output, no terminology server, and no system or code of its own: which systems have
aliases and which read a code as the root of its longer codes is said by the CodeSystem resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from cds_service.code_tables import CodeDirectory, CodeTable, Matcher, listed, union
from cds_service.errors import ContentError, Where, did_you_mean
from cds_service.versions import Versions, joined

Resource: TypeAlias = Mapping[str, Any]

ALTERNATE_URI = "https://lbp.example.org/fhir/StructureDefinition/alternate-uri"
PREFIX_HIERARCHY = "https://lbp.example.org/fhir/StructureDefinition/code-prefix-hierarchy"


class TerminologyError(ContentError):
    """A ValueSet or CodeSystem cannot be used: `resource` is the very object, `at` a path in it."""

    def __init__(
        self, resource: Resource, message: str, at: str = "", *, code: str, hint: str | None = None
    ) -> None:
        where = Where(
            path=f"{resource.get('resourceType')}/{_name(resource)}" + (f".{at}" if at else "")
        )
        super().__init__(message, code=code, hint=hint, where=where)
        self.resource = resource
        self.at = at


class ValueSets:
    """The ValueSets of one load, ready for `memberOf`, and `problems` for those that are not.

    A reference is a canonical URL, `url|version`, or a resource id; a URL alone names the newest
    version, as `versions` says. A set comes from its `compose`, or, where there is none or it
    cannot be judged without a terminology server, from an `expansion` that is stored whole.
    Matching costs a few dictionary look-ups, so nothing is cached by code: codes come from charts,
    and their number has no bound.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        loaded = list(resources)
        self._problems: list[TerminologyError] = []
        self._systems = _systems(_of_type(loaded, "CodeSystem"), self._problems)
        self._uris = {uri: system.uris for uri, system in self._systems.items()}
        self._resources = _by_reference(_of_type(loaded, "ValueSet"), self._problems)
        self._matchers: dict[int, Matcher | None] = {}
        self._stored: set[int] = set()
        self._names = sorted({str(resource.get("id")) for resource in self._resources.values()})
        for resource in self._resources.values():
            self._matcher(resource, ())
        CodeDirectory(matcher for matcher in self._matchers.values() if matcher is not None)

    @property
    def problems(self) -> tuple[TerminologyError, ...]:
        """What keeps a resource from being used; a set with a problem does not resolve."""
        return tuple(self._problems)

    @property
    def names(self) -> list[str]:
        """Ids of the loaded sets, for hints."""
        return list(self._names)

    def resolve(self, reference: str) -> Matcher | None:
        """The membership test of a set, or None when it is not loaded or not usable."""
        resource = self._resources.get(reference)
        return None if resource is None else self._matchers.get(id(resource))

    def display(self, system: str, code: str, language: str | None = None) -> str | None:
        """What the local CodeSystem calls a code, in `language` where it has that designation."""
        known = self._systems.get(system)
        concept = known.concepts.get(code) if known else None
        return None if concept is None else display_of(concept, language)

    def uris_of(self, system: str) -> tuple[str, ...]:
        """Every URI of a code system, its canonical one first; this one where it is not loaded."""
        return self._uris.get(system, (system,))

    def designations(self, system: str, code: str) -> dict[str, str]:
        """What the local CodeSystem calls a code in other languages, by language."""
        known = self._systems.get(system)
        concept: Resource = known.concepts.get(code, {}) if known else {}
        return {
            item["language"]: item["value"]
            for item in concept.get("designation", ())
            if "language" in item and "value" in item
        }

    def coding(self, system: str, code: str, language: str | None = None) -> dict[str, Any]:
        """A FHIR Coding with the display of `display()`, without one when the code is unknown."""
        display = self.display(system, code, language)
        coding = {"system": system, "code": code}
        return coding if display is None else {**coding, "display": display}

    def codings(self, reference: str | Resource) -> list[dict[str, Any]]:
        """The codes that a set lists one by one, in its own order, with displays and designations.

        Each is `{system, code, display?, designation?}`. `reference` may be the ValueSet itself,
        as when it is contained in a plan. An unknown reference raises ContentError.
        """
        resource = self._resources.get(reference) if isinstance(reference, str) else reference
        if resource is None:
            raise ContentError(
                f"no ValueSet '{reference}' is loaded",
                code="unknown-value-set",
                hint=did_you_mean(str(reference), self._names),
            )
        compose = resource.get("compose")
        if not compose or id(resource) in self._stored:
            return [self._listed(entry) for entry in _contains(resource)]
        codings: list[dict[str, Any]] = []
        for include in compose.get("include", ()):
            system = include.get("system")
            concepts = include.get("concept")
            if concepts is None and system in self._systems and not include.get("filter"):
                concepts = self._systems[system].concepts.values()
            codings += [self._listed({"system": system, **concept}) for concept in concepts or ()]
            for other in include.get("valueSet", ()) if system is None else ():
                codings += self.codings(other)
        return codings

    def _listed(self, entry: Resource) -> dict[str, Any]:
        """One concept of a set, completed from the CodeSystem where the set is silent."""
        known = self._systems.get(entry["system"])
        described: Resource = known.concepts.get(entry["code"], {}) if known else {}
        coding = {"system": entry["system"], "code": entry["code"]}
        for member in ("display", "designation"):
            value = entry.get(member) or described.get(member)
            if value:
                coding[member] = value
        return coding

    def _matcher(self, resource: Resource, path: tuple[str, ...]) -> Matcher | None:
        """Compiles a set once; `path` names the sets that are being compiled, to find circles."""
        key = id(resource)
        if key in self._matchers:
            return self._matchers[key]
        name = _name(resource)
        if name in path:
            self._report(resource, f"includes itself: {' → '.join([*path, name])}")
            return None
        count = len(self._problems)
        matcher = self._composed(resource, (*path, name))
        is_judged = len(self._problems) == count
        self._matchers[key] = matcher if is_judged else self._expanded(resource, count)
        return self._matchers[key]

    def _composed(self, resource: Resource, path: tuple[str, ...]) -> Matcher:
        """The set by its definition; what cannot be judged of it is reported."""
        count = len(self._problems)
        if resource.get("compose"):
            included = self._concept_sets(resource, "include", path)
            excluded = self._concept_sets(resource, "exclude", path)
        else:
            included = [listed(self._uris, _contains(resource))]
            excluded = []
        if len(self._problems) == count and not (included and all(included)):
            self._report(resource, "has no codes", hint="list them in compose.include")
        return self._difference(included, excluded)

    def _expanded(self, resource: Resource, since: int) -> Matcher | None:
        """The set by its stored expansion, which then replaces what was reported of it."""
        if not _has_whole_expansion(resource):
            return None
        reported = self._problems[since:]
        self._problems[since:] = [item for item in reported if item.resource is not resource]
        self._stored.add(id(resource))
        return union(self._uris, [listed(self._uris, _contains(resource))])

    def _difference(self, included: list[list[Matcher]], excluded: list[list[Matcher]]) -> Matcher:
        member = union(self._uris, included)
        if not excluded:
            return member
        banned = union(self._uris, excluded)
        return lambda system, code: member(system, code) and not banned(system, code)

    def _concept_sets(
        self, resource: Resource, member: str, path: tuple[str, ...]
    ) -> list[list[Matcher]]:
        """One list of tests for each include or exclude; all tests of a list must hold."""
        return [
            list(self._concept_set(resource, entry, f"compose.{member}[{index}]", path))
            for index, entry in enumerate(resource["compose"].get(member, ()))
        ]

    def _concept_set(
        self, resource: Resource, entry: Resource, at: str, path: tuple[str, ...]
    ) -> Iterator[Matcher]:
        system = entry.get("system")
        if system is not None:
            if any("code" not in concept for concept in entry.get("concept", ())):
                self._report(resource, "lists a concept without a code", f"{at}.concept")
            elif entry.get("concept"):
                concepts = ({"system": system, **concept} for concept in entry["concept"])
                yield from listed(self._uris, concepts)
            elif entry.get("filter"):
                for index, condition in enumerate(entry["filter"]):
                    yield from self._filter(resource, system, condition, f"{at}.filter[{index}]")
            else:
                yield from self._whole_system(resource, system, at)
        yield from self._included_sets(resource, entry, at, path)

    def _included_sets(
        self, resource: Resource, entry: Resource, at: str, path: tuple[str, ...]
    ) -> Iterator[Matcher]:
        for index, reference in enumerate(entry.get("valueSet", ())):
            other = self._resources.get(reference)
            if other is None:
                hint = did_you_mean(reference, [*self._names, *self._resources])
                problem = f"includes the ValueSet '{reference}', which is not loaded"
                self._report(resource, problem, f"{at}.valueSet[{index}]", hint)
                continue
            matcher = self._matcher(other, path)
            if matcher is not None:
                yield matcher

    def _filter(
        self, resource: Resource, uri: str, condition: Resource, at: str
    ) -> Iterator[Matcher]:
        """`concept is-a X` in a system whose codes carry their hierarchy in their first letters."""
        system = self._systems.get(uri)
        asked = f"{condition.get('property')} {condition.get('op')}"
        if system is None:
            problem = f"filters the code system '{uri}', which is not loaded"
            self._report(resource, problem, at, did_you_mean(uri, self._systems))
        elif asked != "concept is-a" or not system.is_prefix_hierarchy:
            hint = "list the codes; only 'concept is-a' in a code-prefix-hierarchy can be judged"
            self._report(resource, f"has a filter '{asked}' on '{uri}'", at, hint)
        elif not condition.get("value"):
            self._report(resource, "has a filter without a value", at)
        else:
            table = CodeTable(self._uris)
            table.add_root(system.uri, str(condition["value"]))
            yield table

    def _whole_system(self, resource: Resource, uri: str, at: str) -> Iterator[Matcher]:
        system = self._systems.get(uri)
        if system is None or not system.is_complete:
            hint = "list the codes; 'all codes' needs a CodeSystem with content 'complete'"
            self._report(resource, f"includes all of '{uri}'", at, hint)
        else:
            concepts = ({"system": uri, "code": code} for code in system.concepts)
            yield from listed(self._uris, concepts)

    def _report(
        self, resource: Resource, problem: str, at: str = "", hint: str | None = None
    ) -> None:
        message = f"ValueSet '{_name(resource)}' {problem}"
        self._problems.append(TerminologyError(resource, message, at, code="value-set", hint=hint))


class _System:
    """One CodeSystem resource: its canonical URI, its concepts by code, and how codes relate."""

    __slots__ = ("concepts", "is_complete", "is_prefix_hierarchy", "uri", "uris")

    def __init__(self, resource: Resource) -> None:
        self.uri = str(resource["url"])
        self.uris = (self.uri, *_extensions(resource, ALTERNATE_URI, "valueUri"))
        self.is_complete = resource.get("content") == "complete"
        self.is_prefix_hierarchy = True in _extensions(resource, PREFIX_HIERARCHY, "valueBoolean")
        concepts = _with_nested(resource, "concept")
        self.concepts = {str(concept.get("code")): concept for concept in concepts}


def _systems(resources: Iterable[Resource], problems: list[TerminologyError]) -> dict[str, _System]:
    """CodeSystems by canonical URI and by each alternate URI."""
    systems: dict[str, _System] = {}
    for resource in resources:
        if not resource.get("url"):
            problem = "a code system needs a url"
            problems.append(TerminologyError(resource, problem, code="code-system"))
            continue
        system = _System(resource)
        for uri in system.uris:
            if uri in systems:
                problem = f"the code system '{uri}' is loaded twice"
                problems.append(TerminologyError(resource, problem, "url", code="code-system"))
            systems[uri] = system
    return systems


def _by_reference(
    resources: Iterable[Resource], problems: list[TerminologyError]
) -> dict[str, Resource]:
    """ValueSets by everything a reference may say: id, url, and url|version."""
    named: dict[str, Resource] = {}
    loaded = list(resources)
    for resource in loaded:
        url, id_ = resource.get("url"), resource.get("id")
        pinned = joined(url, resource.get("version")) if url else None
        for reference in {name: None for name in (id_, pinned) if name}:
            if reference in named:
                problem = f"the ValueSet '{reference}' is loaded twice"
                problems.append(TerminologyError(resource, problem, code="value-set"))
            named[reference] = resource
    newest = Versions((resource, resource) for resource in loaded if resource.get("url"))
    found = {url: newest.find(url) for url in newest}
    return named | {url: resource for url, resource in found.items() if resource is not None}


def display_of(concept: Resource, language: str | None) -> str | None:
    """What a concept says that it is called: in the language where it can, else its display."""
    wanted = (language or "").lower()
    for tag in dict.fromkeys((wanted, wanted.split("-")[0])):
        for designation in concept.get("designation", ()):
            if tag and str(designation.get("language", "")).lower() == tag:
                return str(designation["value"])
    display = concept.get("display")
    return None if display is None else str(display)


def _extensions(resource: Resource, url: str, member: str) -> list[Any]:
    return [
        extension[member]
        for extension in resource.get("extension", ())
        if extension.get("url") == url and member in extension
    ]


def _name(resource: Resource) -> str:
    """What messages call it."""
    return str(resource.get("id") or resource.get("url"))


def _of_type(resources: Iterable[Resource], resource_type: str) -> list[Resource]:
    return [resource for resource in resources if resource.get("resourceType") == resource_type]


def _contains(resource: Resource) -> Iterator[Resource]:
    """Codes of an expansion, nested ones as well, abstract ones not."""
    return (
        entry
        for entry in _entries(resource)
        if "code" in entry and "system" in entry and not entry.get("abstract")
    )


def _entries(resource: Resource) -> Iterator[Resource]:
    return _with_nested(resource.get("expansion", {}), "contains")


def _with_nested(holder: Resource, member: str) -> Iterator[Resource]:
    """What stands under `member`, and under the same in it, in document order, however deep."""
    pending = list(reversed(holder.get(member, ())))
    while pending:
        entry = pending.pop()
        yield entry
        pending.extend(reversed(entry.get(member, ())))


_NARROWING = frozenset(("filter", "property", "exclude-system", "contextDirection"))


def _has_whole_expansion(resource: Resource) -> bool:
    """Whether an expansion is stored, and is no page, no selection and no sample of the set.

    Source: FHIR R4, ValueSet.expansion (`total`, `offset`, `parameter`) and the extensions
    `valueset-toocostly` and `valueset-unclosed`.
    """
    expansion = resource.get("expansion", {})
    codes, entries = len(list(_contains(resource))), len(list(_entries(resource)))
    is_page = expansion.get("offset") not in (None, 0)
    is_all = expansion.get("total") in (None, codes, entries)
    asked = {parameter.get("name") for parameter in expansion.get("parameter", ())}
    return (
        codes > 0
        and is_all
        and not is_page
        and asked.isdisjoint(_NARROWING)
        and not _unclosed(expansion)
    )


def _unclosed(expansion: Resource) -> bool:
    names = {str(item.get("url")).rpartition("/")[2] for item in expansion.get("extension", ())}
    return not names.isdisjoint(("valueset-toocostly", "valueset-unclosed"))
