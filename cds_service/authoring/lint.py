"""Lint over plan folders: everything the loader refuses, and FHIR validity of every resource.

The only user of `fhir.resources`; R4B is its nearest package to R4 (4.0.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.authoring import cases, translation_lint
from cds_service.data import plan_library
from cds_service.errors import ContentError, ContentErrors, Where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cds_service.engine import Source

HINT = "see the element's definition in FHIR R4 (hl7.org/fhir/R4)"


@dataclass(frozen=True, slots=True)
class Findings:
    """What lint has to say: problems must be mended, warnings should be read."""

    problems: tuple[ContentError, ...]
    warnings: tuple[ContentError, ...]


def lint(directory: Path) -> list[ContentError]:
    """Every problem in a folder of guidelines, in the order of its files; none when clean."""
    return list(check(directory).problems)


def check(directory: Path) -> Findings:
    """Every problem and every warning, in the order of the files."""
    problems: list[ContentError] = []
    try:
        library = plan_library.load(directory)
    except ContentErrors as error:
        problems.extend(error.problems)
    else:
        for source in library.content.sources:
            problems.extend(invalid_fhir(source))
        problems.extend(library.content.unsupported)
        problems.extend(translation_lint.findings(library.content))
    problems.extend(_broken_cases(directory))
    found = sorted(problems, key=_place)
    return Findings(
        tuple(item for item in found if item.code not in translation_lint.WARNINGS),
        tuple(item for item in found if item.code in translation_lint.WARNINGS),
    )


def invalid_fhir(source: Source) -> Iterator[ContentError]:
    """What FHIR itself objects to in one resource, each at its place in the file."""
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - slow; only lint needs it
    from pydantic import ValidationError  # noqa: PLC0415 - comes with fhir.resources

    resource_type = str(source.resource["resourceType"])
    try:
        model = get_fhir_model_class(resource_type)
    except KeyError:
        yield source.root.problem(
            f"'{resource_type}' is not a FHIR R4 resource type", "resourceType", code="fhir-type"
        )
        return
    try:
        model.model_validate_json(fhir_json.encode(source.resource))
    except ValidationError as error:
        for item in error.errors():
            yield _located(source, tuple(item["loc"]), item["msg"])


def _located(source: Source, steps: tuple[str | int, ...], message: str) -> ContentError:
    """The problem at the deepest of `steps` that the file really has."""
    for end in range(len(steps), -1, -1):
        where = source.root.where(*steps[:end])
        if where.line is not None:
            break
    return ContentError(message, code="fhir", hint=HINT, where=where)


def _broken_cases(directory: Path) -> Iterator[ContentError]:
    for path in cases.case_files(directory):
        try:
            cases.read(path)
        except ContentError as error:
            yield error


def _place(problem: ContentError) -> tuple[Any, ...]:
    where = problem.where or Where()
    return (where.file or "", where.line or 0, where.column or 0)
