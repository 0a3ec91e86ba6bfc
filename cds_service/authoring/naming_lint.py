"""Lint rules for names: definitions that hide another, and triggers that are nearly a hook."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from cds_service.authoring.expressions import places
from cds_service.engine import Source
from cds_service.engine.scope import REQUEST_TYPES
from cds_service.errors import ContentError
from cds_service.hooks.contexts import CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.authoring.expressions import Place
    from cds_service.engine import Content
    from cds_service.engine.source import Element

WARNINGS = frozenset({"hidden-name", "misspelt-hook"})
_CLOSE = 0.8
"""How alike the names of two hooks are of which one is the other misspelt."""


def findings(content: Content) -> Iterator[ContentError]:
    """Definitions that hide another name, and triggers that no EHR has."""
    written: dict[str, list[Place]] = {}
    for place in places(content.sources):
        if place.kind == "definition":
            written.setdefault(place.file, []).append(place)
    for source in content.sources:
        libraries = list(_libraries(source, content))
        known = dict.fromkeys(REQUEST_TYPES, "what every request brings")
        for holder in (source, *libraries):
            keys = holder.root.elements("dataRequirement")
            known |= {str(item.json.get("id")): f"the data of {holder.file}" for item in keys}
        for library in libraries:
            names = (place.name for place in written.get(library.file, ()))
            known |= dict.fromkeys(names, f"the definition of {library.file}")
        yield from _hiding(written.get(source.file, ()), known)
        yield from _hooks(source.root)


def _libraries(source: Source, content: Content) -> Iterator[Source]:
    """The Libraries that a plan or an activity lists."""
    for canonical in source.resource.get("library", ()):
        found = content.versions.find(str(canonical))
        if isinstance(found, Source):
            yield found


def _hiding(written: Iterable[Place], known: Mapping[str, str]) -> Iterator[ContentError]:
    """The definitions of one file that hide what is known there, or one that stands around them."""
    before: dict[str, list[tuple[str | int, ...]]] = {}
    for place in written:
        owner = place.element.steps[:-3]  # without extension, its number, valueExpression
        outer = before.setdefault(place.name, [])
        hidden = known.get(place.name)
        if any(owner[: len(steps)] == steps for steps in outer):
            hidden = "another of this file"
        outer.append(owner)
        if hidden is not None:
            yield ContentError(
                f"the definition {place.label} hides {hidden}",
                code="hidden-name",
                hint="give it another name",
                where=place.element.where("name"),
            )


def _hooks(root: Element) -> Iterator[ContentError]:
    """Triggers named nearly as a hook of the specification."""
    for action in root.elements("action"):
        for trigger in action.elements("trigger"):
            name = trigger.string("name") or ""
            close = get_close_matches(name, CONTEXTS, n=1, cutoff=_CLOSE)
            if close and name not in CONTEXTS:
                yield trigger.problem(
                    f"no EHR calls the hook '{name}'",
                    "name",
                    code="misspelt-hook",
                    hint=f"did you mean '{close[0]}'?",
                )
