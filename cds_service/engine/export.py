"""A plan as plain FHIRPath: what other engines need to run it without our definitions.

Every expression of the plan is written with standard functions. What the definitions named are
`variable` extensions (HL7's) of the plan or the action, in the order in which they can be set.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service import fhirpath
from cds_service.engine.canonicals import (
    ACTION_RESOURCE,
    ALTERNATIVE_EXPRESSION,
    FOR_EACH,
    QUIETING,
    VARIABLE,
)
from cds_service.engine.scope import (
    LANGUAGE,
    NOT_FHIRPATH,
    REQUEST_TYPES,
    definitions_in,
    requirements_in,
)
from cds_service.engine.source import Element, Problems, Source
from cds_service.errors import ContentError
from cds_service.fhirpath.export import Exporter
from cds_service.messages import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cds_service.engine.content import Content
    from cds_service.engine.plan_definition import Plan
    from cds_service.fhirpath.plain_form import PlainExpression, PlainVariable
    from cds_service.fhirpath.standard_form import Codes

_EXPRESSIONS = frozenset({FOR_EACH, ACTION_RESOURCE})
"""The extensions of an action that hold an expression."""


def export(
    plan: Plan, content: Content, *, inline_value_sets: bool = False, self_contained: bool = False
) -> dict[str, Any]:
    """The plan as JSON: its conditions by action, the variables they read, and the PlanDefinition.

    Args:
        plan: the plan; plans that it refers to are exported on their own.
        content: the content that the plan belongs to.
        inline_value_sets: write membership as comparisons of codes, where a set lists its codes.
        self_contained: let each condition set its variables itself, with `defineVariable`.

    Raises ExpressionError for an expression that has no plain form.
    """
    value_sets = _ValueSets(content)
    listed = value_sets.codes if inline_value_sets else lambda _reference: None
    exporter = Exporter(value_sets.canonical, listed)
    source = next((item for item in content.sources if item.versioned == plan.versioned), None)
    if source is None:
        raise ContentError(
            f"the plan {plan.canonical} is contained in another one",
            hint="export the plan that contains it",
        )
    return _PlanExport(source, content, exporter, self_contained).export()


@dataclass(slots=True)
class _PlanExport:
    source: Source
    content: Content
    exporter: Exporter
    self_contained: bool
    problems: Problems = field(default_factory=Problems)
    conditions: list[dict[str, Any]] = field(default_factory=list)
    owners: dict[int, dict[str, Any]] = field(default_factory=dict)

    def export(self) -> dict[str, Any]:
        root = self.source.root
        libraries = self._libraries()
        outer = self._library_names(libraries)
        names = outer.extend(self._definitions(root))
        plain: dict[str, Any] = deepcopy(dict(root.json))
        _without_definitions(plain)
        if libraries:
            plain["library"] = [
                self.content.name_of(item)
                for item in libraries
                if "dataRequirement" in item.resource
            ]
        for extension in plain.get("extension", ()):
            if extension.get("url") == QUIETING:
                self._rewrite_parts(extension, names)
        self._action_list(root, plain, names)
        self._add_variables(plain, {id(outer), id(names)})
        version = plain.get("version")
        return {
            "plan": f"{plain['url']}|{version}" if version else plain["url"],
            "variables": [
                {"name": item.name, "expression": item.expression}
                for item in self.exporter.variables.values()
            ],
            "conditions": self.conditions,
            "planDefinition": plain,
        }

    # -- names ------------------------------------------------------------------------------

    def _libraries(self) -> list[Source]:
        find = self.content.versions.find
        found = [find(str(name)) for name in self.source.resource.get("library", ())]
        return [item for item in found if isinstance(item, Source)]

    def _library_names(self, libraries: Sequence[Source]) -> fhirpath.Library:
        roots = [item.root for item in libraries]
        requirements = requirements_in(roots, "dataRequirement", self.problems)
        types = {name: item.resource_type for name, item in requirements.items()}
        definitions: dict[str, fhirpath.Definition] = {}
        for root in roots:
            definitions |= self._definitions(root)
        return fhirpath.Library(
            definitions,
            {**REQUEST_TYPES, **types},
            self.content.value_sets,
            messages=self.content.messages,
            root_type="Patient",
        )

    def _definitions(self, owner: Element) -> dict[str, fhirpath.Definition]:
        written = definitions_in(owner, self.problems)
        return {
            item.definition.name: item.definition
            for item in written
            if NOT_FHIRPATH not in item.definition.expression
        }

    # -- the plan, expression by expression -----------------------------------------------------

    def _action_list(self, owner: Element, plain: dict[str, Any], names: fhirpath.Library) -> None:
        """The actions below a plan or action; `plain` is the copy that is rewritten."""
        self._placeholders(plain, names)
        for element, copy in zip(owner.elements("action"), plain.get("action", ()), strict=True):
            self._action(element, copy, names)

    def _action(self, element: Element, plain: dict[str, Any], outer: fhirpath.Library) -> None:
        bound: dict[str, Any] = {
            str(item.json["id"]): item.string("type")
            for item in element.elements("input")
            if "id" in item.json
        }
        for extension in element.extensions(FOR_EACH):
            bound[str(extension.json["valueExpression"]["name"])] = None
        names = outer.extend(self._definitions(element), bound)
        _without_definitions(plain)
        for extension in plain.get("extension", ()):
            if extension.get("url") in _EXPRESSIONS:
                is_outside = extension["url"] == FOR_EACH
                self._rewrite(extension["valueExpression"], outer if is_outside else names)
        for value in plain.get("dynamicValue", ()):
            self._rewrite(value.get("expression", {}), names)
        for index, condition in enumerate(plain.get("condition", ())):
            place = f"{element.place().path}.condition[{index}]"
            self._condition(condition.get("expression", {}), place, element, names)
        self._action_list(element, plain, names)
        self._add_variables(plain, {id(names)})

    def _condition(
        self, expression: dict[str, Any], place: str, element: Element, names: fhirpath.Library
    ) -> None:
        written = expression.get("expression")
        plain = self._rewrite(expression, names)
        if plain is None:
            return
        entry = {"path": place, "written": written, "expression": plain.expression}
        if element.string("id"):
            entry = {"path": place, "action": element.string("id"), **entry}
        if self.self_contained:
            entry["expression"] = plain.self_contained
        elif plain.variables:
            entry["variables"] = [item.name for item in plain.variables]
        self.conditions.append(entry)

    def _rewrite(
        self, expression: dict[str, Any], names: fhirpath.Library
    ) -> PlainExpression | None:
        """Put the plain text into a FHIR Expression; None when it is not FHIRPath."""
        if expression.get("language", LANGUAGE) != LANGUAGE:
            for extension in expression.get("extension", ()):
                if extension.get("url") == ALTERNATIVE_EXPRESSION:
                    return self._rewrite(extension.get("valueExpression", {}), names)
            return None
        plain = self.exporter.expression(str(expression.get("expression", "")), names)
        expression["expression"] = plain.expression
        return plain

    def _rewrite_parts(self, extension: dict[str, Any], names: fhirpath.Library) -> None:
        for part in extension.get("extension", ()):
            if "valueExpression" in part:
                self._rewrite(part["valueExpression"], names)

    def _placeholders(self, plain: dict[str, Any], names: fhirpath.Library) -> None:
        """The variables that `{names}` in the texts of an action or plan stand for."""
        texts = [*_strings({key: plain.get(key) for key in _TEXTS})]
        for name in dict.fromkeys(found for text in texts for found in sorted(parse(text).names)):
            variable = self.exporter.variable(name, names)
            if variable is not None and variable.name != name:
                raise ContentError(
                    f"the text names {{{name}}}, which means two things in this plan",
                    hint="give one of the two definitions another name",
                )

    def _add_variables(self, plain: dict[str, Any], owners: set[int]) -> None:
        variables = [item for item in self.exporter.variables.values() if id(item.owner) in owners]
        written = [item for item in plain.get("extension", ()) if item.get("url") != VARIABLE]
        if variables or written:
            plain["extension"] = [*map(_extension, variables), *written]


_TEXTS = ("title", "_title", "description", "_description")


def _extension(variable: PlainVariable) -> dict[str, Any]:
    value = {
        "name": variable.name,
        "language": LANGUAGE,
        "expression": variable.expression,
    }
    return {"url": VARIABLE, "valueExpression": value}


def _without_definitions(plain: dict[str, Any]) -> None:
    rest = [item for item in plain.pop("extension", ()) if item.get("url") != VARIABLE]
    if rest:
        plain["extension"] = rest


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


class _ValueSets:
    """The value sets of the content: their URLs, and the codes of those that list them all."""

    def __init__(self, content: Content) -> None:
        self._named: dict[str, str] = {}
        self._by_reference: dict[str, Mapping[str, Any]] = {}
        self._uris_of = content.value_sets.uris_of
        for source in content.sources:
            resource = source.resource
            if resource.get("resourceType") == "ValueSet":
                name = content.name_of(source)
                self._named[source.id] = name
                names = (source.id, name, source.versioned)
                self._by_reference |= dict.fromkeys(names, resource)

    def canonical(self, reference: str) -> str:
        """The canonical of a set named by its id; any other reference as it is."""
        return self._named.get(reference, reference)

    def codes(self, reference: str) -> Codes | None:
        """The codes of a set under every URI of their systems; None when it does not list them."""
        listed = self._listed(reference, frozenset())
        if not listed:
            return None
        return [
            (uri, list(codes)) for system, codes in listed.items() for uri in self._uris_of(system)
        ]

    def _listed(self, reference: str, path: frozenset[str]) -> dict[str, dict[str, None]] | None:
        resource = self._by_reference.get(reference)
        compose = resource.get("compose", {}) if resource else {}
        if not compose or compose.get("exclude") or reference in path:
            return None
        found: dict[str, dict[str, None]] = {}
        for include in compose.get("include", ()):
            part = self._included(include, path | {reference})
            if part is None:
                return None
            for system, codes in part.items():
                found.setdefault(system, {}).update(codes)
        return found

    def _included(
        self, include: Mapping[str, Any], path: frozenset[str]
    ) -> dict[str, dict[str, None]] | None:
        concepts, sets = include.get("concept"), include.get("valueSet", ())
        if include.get("filter") or bool(concepts) is bool(sets) or len(sets) > 1:
            return None
        if sets:
            return self._listed(str(sets[0]), path)
        return {str(include["system"]): {str(item["code"]): None for item in concepts or ()}}
