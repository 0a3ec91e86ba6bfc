"""Asks the cases of each mutant until one fails: killed, survived, or refused at load.

Only the cases in which the changed expression may have been evaluated are asked, those beside the
plan first; of their answers only the actions that the change can touch are judged again. Workers
are forked after everything is compiled and every request is read.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from cds_service import forking
from cds_service.authoring import cases as case_running
from cds_service.authoring.case_content import FORCED
from cds_service.authoring.expressions import places
from cds_service.authoring.mutation import NO_CODES, changed_resource, mutants
from cds_service.authoring.mutation_order import Dependence, key_of
from cds_service.engine import Source
from cds_service.engine.canonicals import BASE
from cds_service.engine.outcome import Verdict
from cds_service.engine.recompile import Recompiler
from cds_service.errors import ContentErrors
from cds_service.hooks import cards
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import Case, CaseResult
    from cds_service.authoring.mutation import Mutant
    from cds_service.authoring.mutation_order import PlaceKey
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Outcome
    from cds_service.engine.outcome import ActionOutcome
    from cds_service.hooks.service import Question


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
class Asked:
    """A case, its request as the service understands it, and what it comes to without a change."""

    case: Case
    question: Question
    outcome: Outcome
    by_path: Mapping[str, ActionOutcome]


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that judging a mutant takes: compiled content, and the cases worth running."""

    library: PlanLibrary
    recompiler: Recompiler
    asked: Mapping[int, Asked]
    dependence: Dependence

    def judge(self, mutant: Mutant, first: int | None = None) -> tuple[Judged, int | None]:
        """The fate of a mutant, and the case that killed it; the case `first` is tried first."""
        element = mutant.place.element
        resource = changed_resource(
            element.source.resource, (*element.steps, "expression"), mutant.text
        )
        try:
            content = self.recompiler.with_changed(
                replace(element.source, resource=resource), self.dependence.stale(mutant.place)
            )
        except ContentErrors:
            return Judged(mutant, Fate.REFUSED), first
        service = HookService(replace(self.library, content=content))
        numbers = self.dependence.cases(mutant.place)
        if first is not None and first in numbers:
            numbers = [first, *(number for number in numbers if number != first)]
        for number in numbers:
            if is_noticed(self.asked[number], service):
                name = self.asked[number].case.path.name
                return Judged(mutant, Fate.KILLED, name), number
        return Judged(mutant, Fate.SURVIVED), first


_APPLIES = (Verdict.FIRED, Verdict.SHADOW)


def is_noticed(asked: Asked, service: HookService) -> bool:
    """Whether the case fails with the changed content; where nothing changed, it does not."""
    outcome = service.outcome(asked.question, asked.by_path)
    if is_alike(outcome.actions, asked.outcome.actions):
        return False
    shown = cards.from_outcome(outcome, asked.question.reader)
    return bool(case_running.failures(asked.case, shown, case_running.in_shadow(outcome)))


def is_alike(ones: Sequence[ActionOutcome], others: Sequence[ActionOutcome]) -> bool:
    """Whether the same actions apply, with the same facts, so that the cards are the same."""
    return len(ones) == len(others) and all(map(_is_alike, ones, others))


def _is_alike(one: ActionOutcome, other: ActionOutcome) -> bool:
    if one is other:
        return True
    if one.verdict not in _APPLIES or other.verdict not in _APPLIES:
        return one.verdict not in _APPLIES and other.verdict not in _APPLIES
    return _facts(one) == _facts(other) and is_alike(one.children, other.children)


def _facts(one: ActionOutcome) -> tuple[object, ...]:
    """What of an action that applies can show in its card."""
    return (one.verdict, one.path, one.values, one.changes, one.resource)


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
    service = HookService(replace(library, content=recompiler.content))
    asked = {
        number: _asked(result.case, service, zone)
        for number, result in enumerate(results)
        if result.answer is not None and FORCED not in result.case.json
    }
    dependence = Dependence.of(
        recompiler.content,
        found,
        {number: (item.case, item.outcome) for number, item in asked.items()},
        library.directory,
    )
    return Trial(library, recompiler, asked, dependence), selection.of(every, library)


def _asked(case: Case, service: HookService, zone: ZoneInfo) -> Asked:
    question = case_running.question_of(case, service, zone)
    outcome = service.outcome(question)
    return Asked(case, question, outcome, {item.path: item for item in outcome.walk()})


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

    def judged(groups: Iterator[Sequence[int]]) -> Iterator[tuple[int, Fate, str | None]]:
        gc.disable()
        killer: int | None = None
        for group in groups:
            for number in group:
                found, killer = trial.judge(every[number], killer)
                yield number, found.fate, found.case
                gc.collect()  # what a mutant was compiled to is full of circles

    fates: dict[int, Judged] = {}
    for number, fate, case in forking.spread(judged, _groups(every), workers=jobs):
        fates[number] = Judged(every[number], fate, case)
        note(fates[number])
    return [fates[number] for number in range(len(every))]


def _groups(every: Sequence[Mutant]) -> list[list[int]]:
    """The mutants by expression: those of one expression die by like cases."""
    groups: dict[PlaceKey, list[int]] = {}
    for index, mutant in enumerate(every):
        groups.setdefault(key_of(mutant.place), []).append(index)
    return list(groups.values())
