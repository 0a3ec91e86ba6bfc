"""The feedback report as a picture: of each rule, how many cards were accepted or not, or quiet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cds_service.authoring import plot
from cds_service.authoring.feedback_report import QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cds_service.authoring.feedback_report import Line


def as_svg(report: Sequence[Line]) -> str:
    """A stacked bar for each rule; no script in it."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in report:
        counts[line.rule, line.outcome] += line.count
    rules = sorted({line.rule for line in report})
    series = {
        outcome: [counts[rule, outcome] for rule in rules]
        for outcome in ("accepted", "overridden", QUIET)
    }
    return plot.rows("What users did with cards", "cards", rules, series)
