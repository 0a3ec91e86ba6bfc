"""What a check is, the list of all of them, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cds_service.conformance.observation import Observed

_SHOWN = 5
"""Problems that one result lists; the rest are counted."""


class Level(StrEnum):
    """How binding the requirement is: RFC 2119, or advice from what real clients do."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    ADVICE = "advice"


class Status(StrEnum):
    """What was found."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SEEN = "not seen"


class NotSeen(Exception):
    """There was nothing to judge; the message says what was missing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of a CDS service, and the ids of the requirements that it stands for."""

    ids: tuple[str, ...]
    level: Level
    promise: str
    problems: Callable[[Observed], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """One check with its outcome; `said` are the problems, or why there was nothing to judge."""

    check: Check
    status: Status
    said: tuple[str, ...]

    @property
    def breaks(self) -> bool:
        """Whether the service does not conform: a SHALL failed."""
        return self.status is Status.FAILED and self.check.level is Level.SHALL


CHECKS: list[Check] = []


def check(
    *ids: str, level: Level = Level.SHALL
) -> Callable[[Callable[[Observed], Iterator[str]]], Callable[[Observed], Iterator[str]]]:
    """Lists a function as a check: its docstring promises, and it yields what is wrong."""

    def listed(judge: Callable[[Observed], Iterator[str]]) -> Callable[[Observed], Iterator[str]]:
        promise = (judge.__doc__ or "").strip().split("\n\n")[0]
        CHECKS.append(Check(ids, level, " ".join(promise.split()), judge))
        return judge

    return listed


def check_all(observed: Observed) -> tuple[Result, ...]:
    """Every check on what was observed, in order."""
    return tuple(_result(item, observed) for item in CHECKS)


def _result(item: Check, observed: Observed) -> Result:
    try:
        problems = list(dict.fromkeys(item.problems(observed)))
    except NotSeen as nothing:
        return Result(item, Status.NOT_SEEN, (str(nothing),))
    said = problems[:_SHOWN]
    if len(problems) > _SHOWN:
        said.append(f"and {len(problems) - _SHOWN} more")
    return Result(item, Status.FAILED if problems else Status.PASSED, tuple(said))
