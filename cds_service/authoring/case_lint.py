"""Lint rules that need the cases to be run: conditions that came out one way only, or never."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.authoring.coverage import Coverage, Covered

WARNINGS = frozenset({"always-true", "always-false", "never-evaluated"})


def findings(coverage: Coverage) -> Iterator[ContentError]:
    """The conditions that no case has shown both true and false, where they could be.

    What `exceptions/coverage.json` accepts is not told again.
    """
    for item in coverage.conditions:
        missing = {"true", "false"} & set(item.missing)
        if missing == {"true", "false"} and not item.counts:
            yield _told(item, "no case evaluates this condition", "never-evaluated")
        elif missing == {"false"} and item.counts.get("true"):
            yield _told(item, "this condition is true in every case that asks it", "always-true")
        elif missing == {"true"} and item.counts.get("false"):
            yield _told(item, "this condition is false in every case that asks it", "always-false")


def _told(item: Covered, message: str, code: str) -> ContentError:
    return ContentError(
        f"{message}: {item.place.label}",
        code=code,
        hint="write the case that shows the other, or take the condition out",
        where=item.place.where,
    )
