"""Warnings of lint that authors accept, each with a reason: `exceptions/lint.json`.

A list of `{"code", "file", "path", "reason"}`; `path` is the FHIR path as lint prints it. Problems
cannot be accepted: the service would not start. One that is not needed any more is a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.authoring import exceptions
from cds_service.errors import ContentError, Where

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from pathlib import Path

LINT = "lint.json"
_MEMBERS = ("code", "file", "path", "reason")


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """One accepted warning: its code, and the file and FHIR path where it stands."""

    code: str
    file: str
    path: str
    reason: str
    where: Where

    def fits(self, finding: ContentError) -> bool:
        """Whether this is the warning that was accepted."""
        where = finding.where or Where()
        return (self.code, self.file, self.path) == (finding.code, where.file, where.path)


def read(directory: Path) -> list[AcceptedFinding]:
    """The accepted warnings of a guideline folder; none where there is no file."""
    return [_entry(entry, where) for entry, where in exceptions.entries(directory, LINT)]


def _entry(entry: object, where: Where) -> AcceptedFinding:
    if not isinstance(entry, dict) or set(entry) != set(_MEMBERS):
        raise exceptions.wrong(f"an accepted warning has the members {', '.join(_MEMBERS)}", where)
    if not all(isinstance(value, str) and value.strip() for value in entry.values()):
        raise exceptions.wrong("every member of an accepted warning is a text", where)
    return AcceptedFinding(**entry, where=where)


def without_accepted(
    warnings: Iterable[ContentError], accepted: Iterable[AcceptedFinding], looked: AbstractSet[str]
) -> tuple[list[ContentError], list[ContentError]]:
    """The warnings that stay, and a problem for each acceptance that fits none of them.

    `looked` holds the codes that this run looked for; an acceptance of another is left alone.
    """
    open_, needed = [], set()
    given = list(accepted)
    for finding in warnings:
        fitting = [item for item in given if item.fits(finding)]
        needed.update(fitting)
        if not fitting:
            open_.append(finding)
    return open_, [_stale(item) for item in given if item not in needed and item.code in looked]


def _stale(item: AcceptedFinding) -> ContentError:
    return ContentError(
        f"lint does not find {item.code} at {item.file} {item.path} any more",
        code="stale-exception",
        hint="take the entry out; problems, unlike warnings, cannot be accepted",
        where=item.where,
    )
