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

Variable: TypeAlias = "tuple[str, str | None]"
"""Name and FHIR type of a variable."""
Way: TypeAlias = "tuple[str, str | None, str]"
"""A variable, and the path below it where the codes are; no path for all of its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """The rows of a variable that have a code of one value set; all rows where `test` is None."""

    way: Way
    test: Membership | None
    directory: Directory | None


@dataclass(frozen=True, slots=True, eq=False)
class Barren:
    """What a part answers when none of its leads comes upon a row: `answer`, never unknown."""

    leads: tuple[Lead, ...]
    answer: list[Any]

    def holds(self, coded: Mapping[Way, CodeIndex]) -> bool:
        """Whether no lead comes upon a row; False where that is not known yet."""
        for lead in self.leads:
            index = coded.get(lead.way)
            if index is None or index.directory is not lead.directory or lead.test in index.passed:
                return False
        return True

    def answering(self, before: list[Any], after: list[Any]) -> Barren | None:
        """The same for a function that makes `after` of `before`; None where this answers else."""
        return Barren(self.leads, after) if self.answer == before else None


def all_of(parts: list[Barren | None], answer: list[Any]) -> Barren | None:
    """What answers `answer` when every part does; None when one of them may answer else."""
    leads: tuple[Lead, ...] = ()
    for part in parts:
        if part is None or part.answer != answer:
            return None
        leads += part.leads
    return Barren(leads, answer) if len(leads) <= MOST else None
