"""Which outcomes of conditions the cases have shown: true, false and, where it can be, unknown.

Counted from the outcomes of `HookService.call` itself; there is no second evaluator. A condition
behind one that was not met is not evaluated, and so not seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cds_service.authoring import exceptions
from cds_service.authoring.coverage_unknown import UnknownRule
from cds_service.authoring.exceptions import Accepted, unused
from cds_service.authoring.expressions import places
from cds_service.engine import Verdict
from cds_service.engine.plan_definition import ActionKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cds_service.authoring.cases import CaseResult
    from cds_service.authoring.expressions import Place
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Outcome
    from cds_service.errors import ContentError

OUTCOMES = ("true", "false", "unknown")
_SEEN_AS = {
    Verdict.FIRED: "true",
    Verdict.NOT_MET: "false",
    Verdict.CANNOT_TELL: "unknown",
    Verdict.ERROR: "error",
}

Key = tuple[ActionKey, int]
"""An action and the number of one of its conditions."""


@dataclass(slots=True)
class Tally:
    """How often each condition came out how, over the outcomes noted."""

    seen: dict[Key, Counter[str]] = field(default_factory=dict)

    def note(self, outcome: Outcome) -> None:
        """Count the conditions that were evaluated for one request."""
        for item in outcome.walk():
            for number, condition in enumerate(item.conditions, 1):
                counts = self.seen.setdefault((item.action.key_in_files, number), Counter())
                counts[_SEEN_AS[condition.verdict]] += 1


@dataclass(frozen=True, slots=True)
class Covered:
    """One condition: how often each outcome was seen, and which outcomes were to be seen.

    `excepted` gives the author's reason for each outcome that need not be seen.
    """

    place: Place
    counts: Mapping[str, int]
    wanted: tuple[str, ...]
    excepted: Mapping[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The outcomes that no case has shown, exceptions aside."""
        open_ = (item for item in self.wanted if not self.counts.get(item))
        return tuple(item for item in open_ if item not in self.excepted)


@dataclass(frozen=True, slots=True)
class Coverage:
    """All conditions in file order, and the exceptions that are wrong."""

    conditions: tuple[Covered, ...]
    problems: tuple[ContentError, ...]

    @property
    def by_plan(self) -> Mapping[str, Sequence[Covered]]:
        """The conditions by the id of their plan."""
        plans: dict[str, list[Covered]] = {}
        for item in self.conditions:
            plans.setdefault(item.place.owner, []).append(item)
        return plans

    @property
    def percent(self) -> float:
        """The share of outcomes seen or excepted, of all that are to be seen."""
        return percent_of(self.conditions)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing and no exception is out of date."""
        return not self.problems and not any(item.missing for item in self.conditions)


def percent_of(conditions: Sequence[Covered]) -> float:
    """The share of outcomes seen or excepted among these conditions, in percent."""
    wanted = sum(len(item.wanted) for item in conditions)
    missing = sum(len(item.missing) for item in conditions)
    return 100.0 if not wanted else 100.0 * (wanted - missing) / wanted


def over(
    library: PlanLibrary,
    results: Iterable[CaseResult],
    *,
    within: Path,
    only: Sequence[str] = (),
) -> Coverage:
    """The coverage by these results of the plans in the folder `within`, or of those in `only`."""
    tally = Tally()
    for result in results:
        if result.answer is not None:
            tally.note(result.answer.outcome)
    stated = exceptions.read(library.directory, exceptions.COVERAGE)
    measured = measure(places(library.content.sources), tally, stated)
    inside = tuple(
        item for item in measured.conditions if _chosen(item.place, library, within, only)
    )
    is_whole = len(inside) == len(measured.conditions)
    return Coverage(inside, measured.problems if is_whole else ())


def _chosen(place: Place, library: PlanLibrary, within: Path, only: Sequence[str]) -> bool:
    if only:
        return place.owner in only
    return (library.directory / place.file).resolve().is_relative_to(within.resolve())


def measure(found: Sequence[Place], tally: Tally, stated: Iterable[Accepted]) -> Coverage:
    """The coverage of all conditions among the places, by what was noted in the tally."""
    rule = UnknownRule(found)
    excepted: dict[tuple[str, str, str], list[Accepted]] = {}
    for item in stated:
        excepted.setdefault((item.owner, item.place, item.expression), []).append(item)
    used: list[Accepted] = []
    conditions = []
    for place in found:
        if place.kind == "condition":
            its = excepted.get((place.owner, place.name, place.text), [])
            covered = _covered(place, tally, rule, its)
            used.extend(item for item in its if item.what in covered.excepted)
            conditions.append(covered)
    every = [item for group in excepted.values() for item in group]
    return Coverage(tuple(conditions), tuple(unused(every, used)))


def _covered(place: Place, tally: Tally, rule: UnknownRule, stated: Sequence[Accepted]) -> Covered:
    action = place.action or ("", "")
    counts = tally.seen.get((action, place.number), Counter())
    can = rule.can_be_unknown(place.text, place.items)
    wanted = OUTCOMES if can or counts.get("unknown") else OUTCOMES[:2]
    excepted = {item.what: item.reason for item in stated if not counts.get(item.what)}
    needed = {what: reason for what, reason in excepted.items() if what in wanted}
    return Covered(place, counts, wanted, needed)
