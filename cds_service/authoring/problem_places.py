"""Where a problem stands, for problems that know less: a resource by name, a member of a case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.authoring import revisions
from cds_service.engine.source import steps_of
from cds_service.errors import ContentError, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from cds_service.engine.source import Element, Source


def deepest(source: Source, steps: tuple[str | int, ...]) -> Where:
    """The place of the deepest of `steps` that the file really has."""
    for end in range(len(steps), -1, -1):
        where = source.root.where(*steps[:end])
        if where.line is not None:
            break
    return where


def placed_in_case(error: ContentError, file: str, text: str) -> ContentError:
    """The same problem of a case, with the file as it is named in the folder, line and column."""
    where = error.where or Where()
    line, column = where.line, where.column
    if line is None:
        steps = steps_of(f".{where.path}") if where.path else ()
        line, column = next(
            place
            for end in range(len(steps), -1, -1)
            if (place := fhir_json.position(text, steps[:end])) is not None
        )
    error.where = Where(file, where.path, line, column)
    return error


_NAMED = re.compile(r"(?P<type>[A-Z]\w+)/(?P<name>[^\s]*?)(?P<at>\.[a-z]\w*(?:[.\[].*)?)?")


def located(problems: Iterable[ContentError], directory: Path) -> Iterator[ContentError]:
    """The problems with their file; what terminology says names a resource by type and id."""
    known: Mapping[tuple[str, str], Element] = {}
    for problem in problems:
        path = problem.where.path if problem.where and not problem.where.file else None
        match = _NAMED.fullmatch(path) if path else None
        if match is not None:
            known = known or _by_name(directory)
            holder = known.get((match["type"], match["name"]))
            if holder is not None:
                problem.where = deepest(
                    holder.source, (*holder.steps, *steps_of(match["at"] or ""))
                )
        yield problem


def _by_name(directory: Path) -> dict[tuple[str, str], Element]:
    """The files by type and id of their resource, and of what is contained in it."""
    found: dict[tuple[str, str], Element] = {}
    for source in revisions.of_folder(directory).values():
        for element in (source.root, *source.root.elements("contained")):
            kind, name = str(element.json.get("resourceType")), str(element.json.get("id"))
            found[kind, name] = found[kind, f"{source.canonical}#{name}"] = element
    return found
