"""Guideline files as elements that know where they stand, so that every problem names its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json, versions
from cds_service.errors import ContentError, ExpressionError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Source:
    """One guideline file: its name as the author knows it, its text, and the resource in it."""

    file: str
    text: str
    resource: Mapping[str, Any]

    @property
    def canonical(self) -> str:
        """The resource's `url`, or the empty string."""
        return str(self.resource.get("url", ""))

    @property
    def version(self) -> str | None:
        """The resource's business version, if it has one."""
        version = self.resource.get("version")
        return str(version) if version else None

    @property
    def versioned(self) -> str:
        """`url|version`, or the url alone: what tells it apart from all other files."""
        return versions.joined(self.canonical, self.version)

    @property
    def id(self) -> str:
        """The resource's `id`; without one, the last part of its url."""
        return str(self.resource.get("id") or self.canonical.rsplit("/", 1)[-1])

    def contained(self, reference: str) -> str:
        """What tells `#id`, a resource contained in this file, apart from those in all others."""
        return f"{self.resource.get('resourceType')}/{self.id}{reference}"

    @property
    def root(self) -> Element:
        """The whole resource as an element."""
        return Element(self, (), self.resource)


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON object inside a guideline file: its members, and the steps that lead to it."""

    source: Source
    steps: tuple[str | int, ...]
    json: Mapping[str, Any]

    def elements(self, key: str) -> Iterator[Element]:
        """The objects of a list member; what is not an object is passed over (lint reports it)."""
        value = self.json.get(key)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict):
                yield Element(self.source, (*self.steps, key, index), item)

    def element(self, key: str) -> Element | None:
        """An object member, or None."""
        value = self.json.get(key)
        return Element(self.source, (*self.steps, key), value) if isinstance(value, dict) else None

    def string(self, key: str) -> str | None:
        """A non-blank string member, or None."""
        value = self.json.get(key)
        return value if isinstance(value, str) and value.strip() else None

    def extensions(self, url: str) -> Iterator[Element]:
        """The extensions with this URL, in order."""
        for index, item in enumerate(self._extensions()):
            if isinstance(item, dict) and item.get("url") == url:
                yield Element(self.source, (*self.steps, "extension", index), item)

    def extension(self, url: str) -> Element | None:
        """The first extension with this URL, or None."""
        return next(self.extensions(url), None) if self._extensions() else None

    def _extensions(self) -> Sequence[object]:
        value = self.json.get("extension")
        return value if isinstance(value, list) else ()

    def place(self) -> Where:
        """File and FHIR path of this element: `where()` without reading the text again."""
        return Where(self.source.file, fhir_path(self.source.resource, self.steps))

    def where(self, *steps: str | int) -> Where:
        """File, FHIR path, line and column of this element, or of what `steps` lead to in it.

        Of a member that is not there, line and column are those of what should have it.
        """
        path = (*self.steps, *steps)
        existing = (path[:end] for end in range(len(path), -1, -1))
        places = (fhir_json.position(self.source.text, each) for each in existing)
        line, column = next((place for place in places if place), (None, None))
        return Where(self.source.file, fhir_path(self.source.resource, path), line, column)

    def nearest(self, *steps: str | int) -> Where:
        """`where()` of the deepest of `steps` that the file really has."""
        for end in range(len(steps), 0, -1):
            if fhir_json.position(self.source.text, (*self.steps, *steps[:end])) is not None:
                return self.where(*steps[:end])
        return self.where()

    def problem(
        self, message: str, *steps: str | int, code: str = "content", hint: str | None = None
    ) -> ContentError:
        """A content error standing at this element or below it."""
        return ContentError(message, code=code, hint=hint, where=self.where(*steps))

    def expression_problem(self, error: ExpressionError, *steps: str | int) -> ExpressionError:
        """The same FHIRPath error, placed at its true character inside the JSON string."""
        path = (*self.steps, *steps)
        place = fhir_json.string_position(self.source.text, path, error.offset)
        line, column = place or (None, None)
        return ExpressionError(
            error.message,
            expression=error.expression,
            offset=error.offset,
            code=error.code,
            hint=error.hint,
            where=Where(self.source.file, fhir_path(self.source.resource, path), line, column),
        )


@dataclass(slots=True)
class Problems:
    """The problems found so far in one load; collecting them all spares authors the ping-pong.

    `unsupported` is what does not stop the load: it is understood, and cannot be evaluated.
    """

    found: list[ContentError] = field(default_factory=list)
    unsupported: list[ContentError] = field(default_factory=list)

    def add(self, problem: ContentError) -> None:
        """Keep one more problem."""
        self.found.append(problem)


def fhir_path(resource: Mapping[str, Any], steps: tuple[str | int, ...]) -> str:
    """`PlanDefinition.action[0].title` for ("action", 0, "title")."""
    path = str(resource.get("resourceType", "resource"))
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def steps_of(path: str) -> tuple[str | int, ...]:
    """("action", 0, "title") for `PlanDefinition.action[0].title`: what `fhir_path` was made of."""
    return tuple(name or int(index) for name, index in _STEP.findall(path))
