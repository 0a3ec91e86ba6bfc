"""Lint over plan folders: everything the loader refuses, and FHIR validity of every resource.

The only user of `fhir.resources`; R4B is its nearest package to R4 (4.0.1).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.authoring import (
    accepted_findings,
    case_content,
    case_lint,
    cases,
    coverage,
    extension_lint,
    mechanical,
    metadata_lint,
    naming_lint,
    prefetch_lint,
    required_codes,
    revisions,
    translation_lint,
    use_lint,
    version_lint,
)
from cds_service.authoring.problem_places import placed_in_case
from cds_service.data import plan_library
from cds_service.errors import ContentError, ContentErrors, Where, did_you_mean
from cds_service.fhirpath.model import elements_of, fhir_types
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Content, Source

HINT = "see the element's definition in FHIR R4 (hl7.org/fhir/R4)"

_RULES = (
    translation_lint,
    use_lint,
    naming_lint,
    extension_lint,
    metadata_lint,
    prefetch_lint,
    mechanical,
)
"""The modules whose rules look at content that loads."""

_ALWAYS_LOOKED_FOR = (
    translation_lint.WARNINGS
    | use_lint.WARNINGS
    | naming_lint.WARNINGS
    | metadata_lint.WARNINGS
    | mechanical.WARNINGS
    | case_content.WARNINGS
)
WARNINGS = _ALWAYS_LOOKED_FOR | case_lint.WARNINGS
"""The codes of what is told and does not fail a lint."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What lint has to say: problems must be mended, warnings should be read."""

    problems: tuple[ContentError, ...]
    warnings: tuple[ContentError, ...]

    @property
    def all(self) -> list[ContentError]:
        """Both, in the order of the files."""
        return sorted((*self.problems, *self.warnings), key=_place)


def lint(directory: Path) -> list[ContentError]:
    """Every problem in a folder of guidelines, in the order of its files; none when clean."""
    return list(check(directory).problems)


def check(
    directory: Path,
    *,
    since: str | None = None,
    cases_in: ZoneInfo | None = None,
    within: Collection[Path] = (),
) -> Findings:
    """Every problem and every warning, in the order of the files.

    `within` are files and folders of this content: only what stands there is told, and whatever
    keeps the content from loading, because nothing in it can be judged then.

    With `since`, a git revision, versions are compared with those there. With `cases_in`, the
    site's time zone, the cases are run and conditions that came out one way only are told.
    """
    folders = [path.resolve() for path in within or (directory,)]
    found: list[ContentError] = []
    stops: tuple[ContentError, ...] = ()
    looked = _ALWAYS_LOOKED_FOR
    try:
        library = plan_library.load(directory)
    except ContentErrors as error:
        stops = tuple(error.problems)
        looked = frozenset()
    else:
        found.extend(_in_content(library, since))
        if cases_in is not None:
            found.extend(_in_cases(library, cases_in))
            looked |= case_lint.WARNINGS
    told = {item.where for item in stops}
    for path in files_within(directory, folders):
        with suppress(ContentError):  # what is no resource stops the load, and is told so
            invalid = invalid_fhir(plan_library.read_source(directory, path))
            found.extend(item for item in invalid if item.where not in told)
    found.extend(_broken_cases(directory, None if stops else library.content))
    findings = _judged([*stops, *found], directory, looked)
    return findings if not within else _of_files(findings, directory, folders, stops)


def files_within(directory: Path, within: Iterable[Path]) -> Iterator[Path]:
    """The guideline files of a content that are, or lie below, one of these paths."""
    folders = [path.resolve() for path in within]
    for path in plan_library.guideline_files(directory) if directory.is_dir() else ():
        if _is_within(path, folders):
            yield path


def _is_within(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a file is, or lies below, one of these resolved paths."""
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _of_files(
    findings: Findings, directory: Path, folders: list[Path], stops: Sequence[ContentError]
) -> Findings:
    """The findings at these files and below these folders, and what stops the load."""

    def kept(every: tuple[ContentError, ...]) -> tuple[ContentError, ...]:
        files = ((item, (item.where or Where()).file) for item in every)
        return tuple(
            item
            for item, file in files
            if file is None or item in stops or _is_within(directory / file, folders)
        )

    return Findings(kept(findings.problems), kept(findings.warnings))


def _in_content(library: PlanLibrary, since: str | None) -> Iterator[ContentError]:
    yield from library.content.unsupported
    for rules in _RULES:
        yield from rules.findings(library.content)
    if since is not None:
        before = revisions.at(since, library.directory).values()
        yield from version_lint.findings(before, library.content.sources, since)


def _in_cases(library: PlanLibrary, zone: ZoneInfo) -> Iterator[ContentError]:
    results = cases.run_all(library.directory, HookService(library), zone)
    yield from case_lint.findings(coverage.over(library, results, within=library.directory))


def _judged(found: list[ContentError], directory: Path, looked: frozenset[str]) -> Findings:
    """The findings as problems and warnings, those aside that the authors accept."""
    problems = [item for item in found if item.code not in WARNINGS]
    warnings = [item for item in found if item.code in WARNINGS]
    try:
        accepted = accepted_findings.read(directory)
    except ContentError as error:
        problems.append(error)
        accepted = []
    warnings, stale = accepted_findings.without_accepted(warnings, accepted, looked)
    return Findings(
        tuple(sorted([*problems, *stale], key=_place)), tuple(sorted(warnings, key=_place))
    )


def warnings_in(content: Content, file: str, directory: Path) -> list[ContentError]:
    """What the rules say of one file of content that need not be saved, in the order of the file.

    What the authors of the folder accept is left out. Cases and versions are not looked at.
    """
    found = [item for rules in _RULES for item in rules.findings(content)]
    found.extend(content.unsupported)
    judged = _judged(found, directory, frozenset())
    return [item for item in judged.all if item.where is not None and item.where.file == file]


def invalid_fhir(source: Source) -> Iterator[ContentError]:
    """What FHIR itself objects to in one resource, each at its place in the file."""
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - slow; only lint needs it
    from pydantic import ValidationError  # noqa: PLC0415 - comes with fhir.resources

    resource_type = str(source.resource["resourceType"])
    try:
        model = get_fhir_model_class(resource_type)
    except (KeyError, ValueError):
        message = f"'{resource_type}' is not a FHIR R4 resource type"
        hint = did_you_mean(resource_type, fhir_types())
        yield source.root.problem(message, "resourceType", code="fhir-type", hint=hint)
        return
    try:
        read = model.model_validate_json(fhir_json.encode(source.resource))
    except ValidationError as error:
        for item in error.errors():
            message, hint = _objection(source, item)
            where = source.root.nearest(*item["loc"])
            yield ContentError(message, code="fhir", hint=hint, where=where)
        return
    for wrong in required_codes.wrong_codes(read):
        message = f"{wrong.steps[-1]} is '{wrong.code}', not one of {', '.join(wrong.allowed)}"
        hint = did_you_mean(wrong.code, wrong.allowed) or HINT
        yield source.root.problem(message, *wrong.steps, code="fhir", hint=hint)


def _objection(source: Source, item: Mapping[str, Any]) -> tuple[str, str]:
    """What FHIR objects to, as a sentence and a hint; `item` is an error of the models."""
    if item["type"] == "extra_forbidden":
        return _unknown_element(source, item["loc"])
    if item["type"] == "list_type":
        return "a list is needed here", "put it in square brackets: [ … ]"
    if item["type"] == "string_pattern_mismatch":
        return f"{item['input']!r} is not written as FHIR asks for here", HINT
    return item["msg"].removeprefix("Value error, "), HINT


def _unknown_element(source: Source, steps: Sequence[str | int]) -> tuple[str, str]:
    """The sentence about an element that its type does not have, and what may be meant."""
    value: Any = source.resource
    kind = str(value["resourceType"])
    for step in steps[:-1]:
        value = value[step]
        if isinstance(step, str):
            element = elements_of(kind).get(step)
            kind = element.types[0] if element and element.types else ""
        if isinstance(value, dict):
            kind = str(value.get("resourceType", kind))
    name = str(steps[-1])
    owner = kind or "what stands here"
    return f"{owner} has no element '{name}'", did_you_mean(name, elements_of(kind)) or HINT


def _broken_cases(directory: Path, content: Content | None) -> Iterator[ContentError]:
    """What is wrong in case files by themselves, and against content that loads."""
    rules = frozenset() if content is None else case_content.rules_in(content)
    for path in cases.case_files(directory):
        found: list[ContentError] = []
        try:
            case = cases.read(path)
            if content is not None:
                case_content.check_versions(case.json, content, str(path))
                found = list(case_content.unknown_rules(case.json, rules, str(path)))
        except ContentError as error:
            found = [error]
        for problem in found:
            name = str(path.relative_to(directory))
            yield placed_in_case(problem, name, plan_library.text_of(path))


def _place(problem: ContentError) -> tuple[Any, ...]:
    where = problem.where or Where()
    return (where.file or "", where.line or 0, where.column or 0)
