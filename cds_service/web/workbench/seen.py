"""Which outcomes of a plan's conditions the cases have shown, for the page of the plan.

By the plan's own cases, which the page runs anyway; by all cases of all plans once somebody has
asked for that, because it takes a while. What was found is kept while the same content is in force.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from cds_service.authoring import cases, coverage, exceptions
from cds_service.authoring.expressions import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import CaseResult
    from cds_service.authoring.coverage import Covered, Key, Tally
    from cds_service.authoring.expressions import Place
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.hooks.service import HookService


@dataclass(frozen=True, slots=True)
class PlanCoverage:
    """The conditions of one plan, by action and number; by all cases or by its own."""

    conditions: Mapping[Key, Covered]
    is_by_all: bool

    @property
    def percent(self) -> int:
        """The share of outcomes seen or excepted, rounded down: 100 means all."""
        return math.floor(coverage.percent_of(list(self.conditions.values())))


class Seen:
    """Coverage of single plans; knows the places, and the whole tally, of one revision."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._revision = ""
        self._places: list[Place] = []
        self._by_all: Tally | None = None

    def count_all(self, hooks: HookService, zone: ZoneInfo) -> None:
        """Run every case of the folder, if that was not done; raises ContentError for a bad one."""
        self._places_in(hooks.library)
        with self._lock:
            if self._by_all is None:
                results = cases.run_all(hooks.library.directory, hooks, zone)
                self._by_all = _tally(results)

    def by(self, results: Iterable[CaseResult], plan_id: str, library: PlanLibrary) -> PlanCoverage:
        """What all cases have shown of the plan if they were counted, else these results.

        Raises ContentError where the file of exceptions is wrong.
        """
        found = [
            place
            for place in self._places_in(library)
            if place.kind == "definition" or place.owner == plan_id
        ]
        by_all = self._by_all
        stated = exceptions.read(library.directory, exceptions.COVERAGE)
        measured = coverage.measure(found, by_all or _tally(results), stated)
        return PlanCoverage(
            {
                (item.place.action or ("", ""), item.place.number): item
                for item in measured.conditions
            },
            is_by_all=by_all is not None,
        )

    def _places_in(self, library: PlanLibrary) -> list[Place]:
        with self._lock:
            if self._revision != library.revision:
                self._places, self._by_all = places(library.content.sources), None
                self._revision = library.revision
            return self._places


def _tally(results: Iterable[CaseResult]) -> Tally:
    tally = coverage.Tally()
    for result in results:
        if result.answer is not None:
            tally.note(result.answer.outcome)
    return tally
