"""The expressions of guideline files that decide something, and where each is written.

Coverage counts the conditions; mutation changes conditions, repetitions and the definitions that
they use. Nothing here evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from cds_service import fhir_json
from cds_service.engine.canonicals import DEFINITION_PARAMETERS, FOR_EACH, VARIABLE
from cds_service.engine.scope import in_fhirpath
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.syntax import names_in, texts_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.engine.plan_definition import ActionKey
    from cds_service.engine.source import Element, Source
    from cds_service.errors import Where
    from cds_service.fhirpath.syntax import Syntax

Kind = Literal["condition", "for-each", "definition"]


@dataclass(frozen=True, slots=True)
class Place:
    """One expression: `owner` is the id of its file's resource, `name` its action or definition.

    `element` is the FHIR Expression; `number` counts the conditions of an action from 1; `items`
    are the names that repetitions around it bind.
    """

    kind: Kind
    owner: str
    name: str
    element: Element
    action: ActionKey | None = None
    number: int = 0
    parameters: tuple[str, ...] | None = None
    items: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The FHIRPath text."""
        return self.element.string("expression") or ""

    @property
    def description(self) -> str | None:
        """The author's words for it."""
        return self.element.string("description")

    @property
    def file(self) -> str:
        """The file, as the author knows it."""
        return self.element.source.file

    @property
    def where(self) -> Where:
        """File, line and column of the text."""
        return self.element.where("expression")

    def line_at(self, offset: int) -> int | None:
        """The line on which this character of the text stands."""
        steps = (*self.element.steps, "expression")
        place = fhir_json.string_position(self.element.source.text, steps, offset)
        return place[0] if place else None

    @property
    def label(self) -> str:
        """What it is, for reports: `card, condition 2`, `draft, for-each`, `%W6`."""
        if self.kind == "definition":
            return f"%{self.name}" if self.parameters is None else f"{self.name}()"
        return f"{self.name}, {self.kind}" + (f" {self.number}" if self.number else "")


def places(sources: Iterable[Source]) -> list[Place]:
    """Every condition, repetition and definition of plans and Libraries, in file order."""
    found: list[Place] = []
    for source in sources:
        kind = source.resource.get("resourceType")
        owner = str(source.resource.get("id", source.file))
        if kind == "Library":
            found.extend(_definitions(source.root, owner))
        elif kind == "PlanDefinition":
            for root in _plans(source.root):
                found.extend(_definitions(root, owner))
                found.extend(_actions(root, owner, (), frozenset()))
    return found


def _plans(root: Element) -> Iterator[Element]:
    yield root
    for contained in root.elements("contained"):
        if contained.json.get("resourceType") == "PlanDefinition":
            yield contained


def _definitions(owner: Element, owner_id: str) -> Iterator[Place]:
    for extension in owner.extensions(VARIABLE):
        element = extension.element("valueExpression")
        name = element.string("name") if element else None
        if element is not None and name is not None:
            yield Place("definition", owner_id, name, element, parameters=_parameters(element))


def _parameters(element: Element) -> tuple[str, ...] | None:
    extension = element.extension(DEFINITION_PARAMETERS)
    if extension is None:
        return None
    return tuple(item.string("valueString") or "" for item in extension.extensions("name"))


def _actions(
    owner: Element, owner_id: str, path: tuple[str, ...], outer: frozenset[str]
) -> Iterator[Place]:
    for index, action in enumerate(owner.elements("action")):
        here = (*path, action.string("id") or str(index))
        name, key = "/".join(here), _key(action)
        yield from _definitions(action, owner_id)
        extension = action.extension(FOR_EACH)
        repeat = extension.element("valueExpression") if extension else None
        items = outer
        if repeat is not None:
            yield Place("for-each", owner_id, name, repeat, key, items=outer)
            items = outer | {repeat.string("name") or ""}
        for number, expression in enumerate(_conditions(action), 1):
            yield Place("condition", owner_id, name, expression, key, number, items=items)
        yield from _actions(action, owner_id, here, items)


def _conditions(action: Element) -> Iterator[Element]:
    """The expressions of the applicability conditions, in order."""
    for condition in action.elements("condition"):
        expression = condition.element("expression")
        if condition.json.get("kind") == "applicability" and expression is not None:
            yield in_fhirpath(expression)


def _key(action: Element) -> ActionKey:
    place = action.place()
    return place.file, place.path


@dataclass(frozen=True, slots=True)
class Mentions:
    """The names of variables and functions in an expression, and the texts in quotes."""

    names: frozenset[str]
    texts: frozenset[str]


@lru_cache(maxsize=8192)  # a guideline has some 1,500 expressions
def tree_of(text: str) -> Syntax:
    """The syntax tree of an expression; raises ExpressionError for what is none."""
    return parse(text)


def mentions(text: str) -> Mentions:
    """What an expression mentions; raises ExpressionError for what is none."""
    tree = tree_of(text)
    return Mentions(names_in(tree), texts_in(tree))


def uses(found: Iterable[Place]) -> Mapping[str, frozenset[str]]:
    """For each definition the names that its expression mentions; one name may be written twice."""
    mentioned: dict[str, frozenset[str]] = {}
    for place in found:
        if place.kind == "definition":
            names = mentioned.get(place.name, frozenset())
            mentioned[place.name] = names | mentions(place.text).names
    return mentioned


def reach(names: Iterable[str], mentioned: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The definitions that these names lead to, themselves included."""
    found: set[str] = set()
    open_names = [name for name in names if name in mentioned]
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names.extend(other for other in mentioned[name] if other in mentioned)
    return frozenset(found)
