"""Every text of a guideline that a reader of cards or of discovery sees, and where it is written.

The walk over actions follows `hooks.cards`: what becomes a summary there is a summary here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cds_service.engine.canonicals import OVERRIDE_REASONS
from cds_service.engine.texts import designations_of, is_message_system, translations_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cds_service.engine import Content
    from cds_service.engine.source import Element
    from cds_service.errors import Where

Kind = Literal[
    "summary", "detail", "line", "heading", "label", "action", "source", "topic", "reason",
    "message", "service", "title",
]  # fmt: skip
"""What a text is for; `title` names a plan."""

Role = Literal["card", "part", "step", "line"]
"""What an action is at its place: a card, a part of one, a step of a suggestion, a line."""

_KINDS: dict[Role, tuple[Kind, Kind]] = {
    "card": ("summary", "detail"), "part": ("label", "action"),
    "step": ("action", "action"), "line": ("line", "line"),
}  # fmt: skip
"""The kinds of title and description, by role."""

_BELOW: dict[Role, Role] = {"card": "part", "part": "step", "step": "step", "line": "line"}


@dataclass(frozen=True, slots=True)
class Place:
    """One text: the element that holds it, its member there, and what it is for."""

    element: Element
    key: str
    kind: Kind

    @property
    def text(self) -> str:
        """The English text."""
        return self.element.string(self.key) or ""

    @property
    def is_concept(self) -> bool:
        """Whether it is the display of a CodeSystem concept, translated by designations."""
        return self.key == "display" and self.element.source.resource["resourceType"] == (
            "CodeSystem"
        )

    @property
    def translations(self) -> dict[str, str]:
        """The translations by language."""
        if self.is_concept:
            found = designations_of(self.element)
        else:
            found = translations_of(self.element, self.key)
        return {language: text for language, text, _ in found}

    @property
    def where(self) -> Where:
        """File, FHIR path, line and column."""
        return self.element.where(self.key)

    def __str__(self) -> str:
        place = self.element.place()
        return f"{place.file} {place.path}.{self.key}"


def places(content: Content) -> list[Place]:
    """Every text to translate, in file order."""
    shown: dict[tuple[str, str], Kind] = {}
    found: list[Place] = []
    for source in content.sources:
        if source.resource.get("resourceType") == "PlanDefinition":
            contained = source.root.elements("contained")
            plans = [item for item in contained if item.json["resourceType"] == "PlanDefinition"]
            for root in (source.root, *plans):
                found.extend(_plan(root, content, shown))
    for source in content.sources:
        if source.resource.get("resourceType") == "CodeSystem":
            found.extend(_concepts(source.root, shown))
    return [place for place in found if place.text]


def _plan(root: Element, content: Content, shown: dict[tuple[str, str], Kind]) -> Iterator[Place]:
    yield Place(root, "title", "title")
    yield Place(root, "publisher", "source")
    if any(action.json.get("trigger") for action in root.elements("action")):
        yield Place(root, "description", "service")
        yield Place(root, "usage", "service")
    yield from _codings(root.elements("topic"), content, shown)
    yield from _actions(root, "card", content, shown)


def _actions(
    owner: Element, role: Role, content: Content, shown: dict[tuple[str, str], Kind]
) -> Iterator[Place]:
    for action in owner.elements("action"):
        grouping = action.string("groupingBehavior")
        below = _BELOW[role]
        if grouping == "sentence-group":
            yield Place(action, "title", "heading")
            below = "line"
        elif grouping is not None or (role == "card" and action.string("title") is None):
            yield Place(action, "description", _KINDS[role][1])
            below = role
        else:
            yield Place(action, "title", _KINDS[role][0])
            yield Place(action, "description", _KINDS[role][1])
        for document in action.elements("documentation"):
            yield Place(document, "display", "source")
        if role == "card":  # below a card, a code is data for what is ordered
            yield from _codings(action.elements("code"), content, shown)
        _reasons(action, content, shown)
        yield from _actions(action, below, content, shown)


def _codings(
    concepts: Iterable[Element], content: Content, shown: dict[tuple[str, str], Kind]
) -> Iterator[Place]:
    """Topics: the concepts of a loaded CodeSystem are translated there, others where they stand."""
    for concept in concepts:
        for coding in concept.elements("coding"):
            system, code = coding.string("system"), coding.string("code")
            if system and code and content.value_sets.display(system, code) is not None:
                shown[system, code] = "topic"
            else:
                yield Place(coding, "display", "topic")


def _reasons(action: Element, content: Content, shown: dict[tuple[str, str], Kind]) -> None:
    extension = action.extension(OVERRIDE_REASONS)
    reference = extension.string("valueCanonical") if extension else None
    if reference is None:
        return
    url = action.source.contained(reference) if reference.startswith("#") else reference
    for coding in content.value_sets.codings(url):
        shown[coding["system"], coding["code"]] = "reason"


def _concepts(root: Element, shown: dict[tuple[str, str], Kind]) -> Iterator[Place]:
    """The concepts of a CodeSystem that readers see."""
    is_messages = is_message_system(root)
    for concept in root.elements("concept"):
        kind = shown.get((root.source.canonical, concept.string("code") or ""))
        if is_messages:
            kind = "message"
        if kind is not None:
            yield Place(concept, "display", kind)
