"""Reads a folder of guideline JSON from disk and compiles all of it.

A folder with any problem gives no library at all, unless files with problems may be left out: a
guideline is whole or it is not used.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service import collecting, fhir_json
from cds_service.engine import Content, Source, compile_content, compile_what_works
from cds_service.errors import (
    ContentError,
    ContentErrors,
    UnknownService,
    Where,
    did_you_mean,
    short,
)
from cds_service.versions import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cds_service.engine import Plan, Service

NOT_CONTENT = frozenset({"cases", "exceptions", "patients"})
"""Folder names below a guideline folder that hold tests, not guidelines."""


@dataclass(frozen=True, slots=True)
class PlanLibrary:
    """The compiled content of one folder; `revision` changes whenever a byte of it does."""

    directory: Path
    content: Content
    revision: str

    @property
    def services(self) -> Mapping[str, Service]:
        """The CDS services by id."""
        return self.content.services

    def service(self, service_id: str) -> Service:
        """The service with this id; raises UnknownService naming the closest ids."""
        service = self.content.services.get(service_id)
        if service is None:
            names = {name for item in self.content.left_out for name in (item.id, _tail(item.url))}
            if service_id in names:
                raise UnknownService(
                    f"the service '{service_id}' is left out, because its content has problems",
                    hint="those who run the service find them at /ready",
                )
            known = ", ".join(self.content.services) or "none"
            raise UnknownService(
                f"there is no service '{short(service_id)}'",
                hint=did_you_mean(service_id, self.services) or f"the services are: {known}",
            )
        return service

    def with_strategy(self, canonical: str, hook: str | None) -> PlanLibrary:
        """The library in which the version that a canonical names answers for its strategy.

        Of a strategy with several hooks it is the service for `hook`. Raises UnknownService.
        """
        plan = self.plan(canonical)
        found = {
            hook: service
            for (versioned, hook), service in self.content.strategies.items()
            if versioned == plan.versioned
        }
        if not found:
            raise UnknownService(
                f"'{short(canonical)}' is no strategy: no hook triggers it",
                hint="apply it with cds-service apply, or name a strategy",
            )
        service = found.get(hook or "", next(iter(found.values())))
        return replace(self, content=replace(self.content, services={service.id: service}))

    def plan(self, reference: str) -> Plan:
        """The plan that a canonical names, or that has this id; raises UnknownService.

        `url|version` is that very version, a url alone the version in force.
        """
        plan = self.plan_named(reference)
        if plan is not None:
            return plan
        ids = {plan.id: plan for plan in self.content.plans.values()}
        if reference in ids:
            return ids[reference]
        raise UnknownService(
            f"there is no plan '{short(reference)}'",
            hint=self.content.versions.without(reference)
            or did_you_mean(split(reference)[0], [*ids, *self.content.plans]),
        )

    def plan_named(self, canonical: str) -> Plan | None:
        """The plan that a canonical names: `url|version` that very version, a url the one in force.

        None where no such plan was compiled.
        """
        found = self.content.versions.find(canonical)
        if not isinstance(found, Source):
            return None
        named = (plan for plan in self.content.plans.values() if plan.versioned == found.versioned)
        return next(named, None)


def _tail(url: str) -> str:
    return url.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Folder:
    """The guideline files of a folder as they were read, with what is wrong with the others."""

    sources: tuple[Source, ...]
    problems: tuple[ContentError, ...]
    revision: str


@collecting.paused()
def load(directory: Path, *, traced: bool = False, leave_out: bool = False) -> PlanLibrary:
    """Compile every guideline file below `directory`.

    `traced` weaves in what explanations need. With `leave_out` the files with problems are left
    out, as far as something remains. Raises ContentErrors with all problems found.
    """
    folder = read_folder(directory)
    if folder.problems and not leave_out:
        raise ContentErrors(folder.problems)
    if leave_out:
        content = compile_what_works(folder.sources, folder.problems, traced=traced)
    else:
        content = compile_content(folder.sources, traced=traced)
    return PlanLibrary(directory, content, folder.revision)


def read_folder(directory: Path) -> Folder:
    """Every guideline file below `directory`; raises ContentErrors where there is no folder."""
    if not directory.is_dir():
        raise ContentErrors([ContentError(f"there is no folder {directory}", code="no-folder")])
    sources, problems, texts = [], [], []
    for path in guideline_files(directory):
        text = text_of(path)
        name = str(path.relative_to(directory))
        texts.append((name, text))
        try:
            sources.append(_source(name, text))
        except ContentError as error:
            problems.append(error)
    return Folder(tuple(sources), tuple(problems), _revision(texts))


def of_sources(directory: Path, sources: Sequence[Source]) -> PlanLibrary:
    """The library of guideline files that were read before, in the order of their names.

    Raises ContentErrors with all problems found.
    """
    ordered = sorted(sources, key=lambda source: Path(source.file).parts)
    return PlanLibrary(directory, compile_content(ordered), revision_of(ordered))


def revision_of(sources: Iterable[Source]) -> str:
    """The revision of these files, in the order of their names."""
    return _revision((source.file, source.text) for source in sources)


def _revision(texts: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, text in texts:
        digest.update(f"{name}\0{text}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]


def text_of(path: Path) -> str:
    """The text of a file; bytes that are no UTF-8 stay in it, and `decode_content` tells where."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def guideline_files(directory: Path) -> Iterator[Path]:
    """The guideline files below a folder, in a stable order; without cases and patients."""
    found: list[Path] = []
    for folder, folders, names in os.walk(directory):
        folders[:] = (name for name in folders if name not in NOT_CONTENT)
        found += (Path(folder, name) for name in names if name.endswith(".json"))
    yield from sorted(found)


def read_source(directory: Path, path: Path) -> Source:
    """One guideline file below `directory`; raises ContentError for what is no resource."""
    return _source(str(path.relative_to(directory)), text_of(path))


def _source(name: str, text: str) -> Source:
    resource = fhir_json.decode_content(text, name)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str) or not kind:
        raise ContentError(
            "this is not a FHIR resource: there is no resourceType",
            code="not-fhir",
            where=Where(name, line=1, column=1),
        )
    return Source(name, text, resource)
