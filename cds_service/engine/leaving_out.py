"""Compiles what works: files with problems are left out, and so is what cannot do without them.

An action that leads to a definition that was left out stays, and is judged *error*: the absence of
one guideline is never silent, and the others are judged (risk A12).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cds_service.engine.actions import coded_in
from cds_service.engine.content import Content, compile_parts
from cds_service.engine.plan_definition import LeftOut
from cds_service.engine.source import Problems
from cds_service.engine.texts import text_of
from cds_service.errors import ContentErrors
from cds_service.messages import Text
from cds_service.terminology import ValueSets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.engine.source import Source
    from cds_service.errors import ContentError

_NO_VALUE_SETS = ValueSets([])


def compile_what_works(
    sources: Iterable[Source], unreadable: Iterable[ContentError] = (), *, traced: bool = False
) -> Content:
    """The content of the files without problems, with `left_out` and `problems` for the others.

    `unreadable` are the problems of files that are no FHIR at all. A file that uses one that was
    left out has a problem too, except by an action's definitionCanonical. Raises ContentErrors
    when a problem cannot be laid to a file, and when no service remains.
    """
    remaining, problems = tuple(sources), list(unreadable)
    left_out: dict[str, LeftOut] = {}
    while True:
        try:
            content, _ = compile_parts(remaining, traced=traced, left_out=left_out)
        except ContentErrors as found:
            problems += found.problems
            concerned = [item for item in remaining if _concerns(item, found.problems)]
            if not concerned:
                raise ContentErrors(problems) from found
            names = {item.versioned for item in concerned if item.canonical}
            for item in concerned:
                left_out.setdefault(item.versioned, _described(item, found.problems))
            remaining = tuple(
                item for item in remaining if item not in concerned and item.versioned not in names
            )
        else:
            if problems and not content.services:
                raise ContentErrors(problems)
            return replace(content, left_out=tuple(left_out.values()), problems=tuple(problems))


def _concerns(source: Source, problems: Iterable[ContentError]) -> bool:
    return any(_stands_in(problem, source) for problem in problems)


def _stands_in(problem: ContentError, source: Source) -> bool:
    return problem.where is not None and problem.where.file == source.file


def _described(source: Source, problems: Iterable[ContentError]) -> LeftOut:
    root, ignored = source.root, Problems()
    id_ = source.id or source.file
    own = next(problem for problem in problems if _stands_in(problem, source))
    title = text_of(root, "title", ignored)
    return LeftOut(
        id=id_,
        url=source.canonical,
        version=source.version,
        status=root.string("status") or "",
        title=Text(id_, {}) if title is None or ignored.found else title,
        topic=coded_in(root.elements("topic"), _NO_VALUE_SETS, ignored),
        reason=str(own),
    )
