"""Parts of an expression that no code of the chart leads to.

`%obs.where(code.memberOf('X')).where(...).combine(...).exists()` stands in a guideline dozens of
times, and of most value sets no patient has a code. What such a part answers then is known when
it is compiled; at run time the directory of codes tells that it is so, and nothing of the part is
evaluated. Where anything is in doubt (rows without a code, data that is incomplete, variables of
a `for-each`), the part is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.fhirpath.definition import Directory, Membership
    from cds_service.fhirpath.index import CodeIndex

MOST = 12
"""How many leads are followed at once; a part with more of them is evaluated, and its parts ask."""

NO_TESTS: frozenset[Any] = frozenset()

Variable: TypeAlias = "tuple[str, str | None]"
"""Name and FHIR type of a variable."""
Way: TypeAlias = "tuple[str, str | None, str]"
"""A variable, and the path below it where the codes are; no path for all of its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """The rows of a variable that have a code of one of these value sets.

    Without a directory, and with the one test None: all of its rows.
    """

    way: Way
    directory: Directory | None
    tests: frozenset[Membership | None]


@dataclass(frozen=True, slots=True, eq=False)
class Barren:
    """What a part answers when none of its leads comes upon a row: `answer`, never unknown."""

    leads: tuple[Leads, ...]
    answer: list[Any]

    def holds(self, coded: Mapping[Way, CodeIndex]) -> bool:
        """Whether no lead comes upon a row; False where that is not known yet."""
        for leads in self.leads:
            index = coded.get(leads.way)
            if index is None or index.directory is not leads.directory:
                return False
            if not leads.tests.isdisjoint(index.passing):
                return False
        return True

    def answering(self, before: list[Any], after: list[Any]) -> Barren | None:
        """The same for a function that makes `after` of `before`; None where this answers else."""
        return Barren(self.leads, after) if self.answer == before else None


def all_of(parts: list[Barren | None], answer: list[Any]) -> Barren | None:
    """What answers `answer` when every part does; None when one of them may answer else."""
    together: dict[tuple[Way, Directory | None], frozenset[Membership | None]] = {}
    for part in parts:
        if part is None or part.answer != answer:
            return None
        for leads in part.leads:
            key = leads.way, leads.directory
            together[key] = together.get(key, NO_TESTS) | leads.tests
    if sum(map(len, together.values())) > MOST:
        return None
    return Barren(tuple(Leads(*key, tests) for key, tests in together.items()), answer)
