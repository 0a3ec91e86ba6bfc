"""Runs the cases against each mutant until one fails: killed, survived, or refused at load.

Only the cases in which the changed expression was evaluated are run again, those beside the plan
first. Workers are forked after everything is compiled, so that a mutant costs one changed file.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing import get_context
from multiprocessing.connection import wait
from random import Random
from typing import TYPE_CHECKING, Any

from cds_service.authoring import cases as case_running
from cds_service.authoring.expressions import places
from cds_service.authoring.mutation import NO_CODES, changed_resource, mutants
from cds_service.authoring.mutation_order import PlaceKey, cases_worth_running, key_of
from cds_service.engine import Source
from cds_service.engine.canonicals import BASE
from cds_service.engine.recompile import Recompiler
from cds_service.errors import ContentErrors
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import Case, CaseResult
    from cds_service.authoring.mutation import Mutant
    from cds_service.data.plan_library import PlanLibrary


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    REFUSED = "refused at load"


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant, its fate, and the file name of the case that failed."""

    mutant: Mutant
    fate: Fate
    case: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that judging a mutant takes: compiled content, and the cases worth running."""

    library: PlanLibrary
    recompiler: Recompiler
    cases: Sequence[Case]
    order: Mapping[PlaceKey, Sequence[int]]
    zone: ZoneInfo

    def judge(self, mutant: Mutant, first: int | None = None) -> tuple[Judged, int | None]:
        """The fate of a mutant, and the case that killed it; the case `first` is tried first."""
        element = mutant.place.element
        resource = changed_resource(
            element.source.resource, (*element.steps, "expression"), mutant.text
        )
        try:
            content = self.recompiler.with_changed(replace(element.source, resource=resource))
        except ContentErrors:
            return Judged(mutant, Fate.REFUSED), first
        service = HookService(replace(self.library, content=content))
        numbers = self.order[key_of(mutant.place)]
        if first is not None and first in numbers:
            numbers = [first, *(number for number in numbers if number != first)]
        for number in numbers:
            case = self.cases[number]
            if not case_running.run(case, service, self.zone).is_passed:
                return Judged(mutant, Fate.KILLED, case.path.name), number
        return Judged(mutant, Fate.SURVIVED), first


@dataclass(frozen=True, slots=True)
class Selection:
    """Which mutants to try: of what is in a folder, of these ids alone, or a seeded sample."""

    within: Path
    only: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0

    def is_whole(self, library: PlanLibrary) -> bool:
        """Whether nothing is left out."""
        is_root = self.within.resolve() == library.directory.resolve()
        return is_root and not self.only and self.sample is None

    def of(self, every: Sequence[Mutant], library: PlanLibrary) -> list[Mutant]:
        """The chosen ones, in file order."""
        chosen = [item for item in every if self._holds(item, library)]
        if self.sample is None or self.sample >= len(chosen):
            return chosen
        drawn = Random(self.seed).sample(range(len(chosen)), self.sample)  # noqa: S311 - no secret
        return [chosen[number] for number in sorted(drawn)]

    def _holds(self, mutant: Mutant, library: PlanLibrary) -> bool:
        place = mutant.place
        if self.only:
            return place.owner in self.only
        return (library.directory / place.file).resolve().is_relative_to(self.within.resolve())


def prepare(
    library: PlanLibrary, results: Sequence[CaseResult], zone: ZoneInfo, selection: Selection
) -> tuple[Trial, list[Mutant]]:
    """The trial and the mutants to try in it; all of the results are of cases that passed."""
    recompiler = Recompiler((*library.content.sources, _no_codes()))
    found = places(library.content.sources)
    value_sets = library.content.value_sets
    every = mutants(found, lambda text: value_sets.resolve(text) is not None)
    order = cases_worth_running(found, results, library.directory)
    trial = Trial(library, recompiler, [item.case for item in results], order, zone)
    return trial, selection.of(every, library)


def _no_codes() -> Source:
    resource = {
        "resourceType": "ValueSet",
        "id": NO_CODES,
        "url": f"{BASE}/ValueSet/{NO_CODES}",
        "status": "active",
        "expansion": {"contains": [{"system": f"urn:{NO_CODES}", "code": "none"}]},
    }
    return Source(f"{NO_CODES}.json", "{}", resource)


def judge_all(
    trial: Trial, every: Sequence[Mutant], *, jobs: int, note: Callable[[Judged], None]
) -> list[Judged]:
    """The fate of every mutant, in their order; `note` is told each as it is known."""
    gc.collect()
    gc.freeze()  # what is compiled stays in memory shared with the workers
    context = get_context("fork")
    open_ends: dict[Connection, Any] = {}
    for number in range(jobs):
        mine, theirs = context.Pipe(duplex=False)
        share = _share(every, number, jobs)
        worker = context.Process(target=_work, args=(trial, every, share, theirs))
        worker.start()
        theirs.close()
        open_ends[mine] = worker
    fates: dict[int, Judged] = {}
    for number, fate, case in _received(open_ends):
        fates[number] = judged = Judged(every[number], fate, case)
        note(judged)
    gc.unfreeze()
    return [fates[number] for number in range(len(every))]


def _share(every: Sequence[Mutant], number: int, jobs: int) -> list[int]:
    """The mutants of every `jobs`-th expression: those of one expression die by like cases."""
    expressions = {key: n for n, key in enumerate(dict.fromkeys(key_of(m.place) for m in every))}
    return [
        index
        for index, mutant in enumerate(every)
        if expressions[key_of(mutant.place)] % jobs == number
    ]


def _work(trial: Trial, every: Sequence[Mutant], share: Iterable[int], results: Connection) -> None:
    killer: int | None = None
    for index in share:
        judged, killer = trial.judge(every[index], killer)
        results.send((index, judged.fate, judged.case))
    results.close()


def _received(workers: dict[Connection, Any]) -> Iterator[tuple[int, Fate, str | None]]:
    """What the workers send, until all have ended."""
    while workers:
        ready = wait(list(workers))
        for end in [end for end in workers if end in ready]:
            try:
                yield end.recv()
            except EOFError:
                worker = workers.pop(end)
                worker.join()
                if worker.exitcode:
                    raise RuntimeError("a worker ended with an error; see above") from None
