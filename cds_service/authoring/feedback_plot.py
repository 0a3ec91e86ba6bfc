"""The feedback report as a picture: per rule, how many cards were accepted, overridden and quiet.

The only user of pygal.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pygal

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
    plot = pygal.HorizontalStackedBar(
        js=[], title="What users did with cards", x_title="cards", disable_xml_declaration=True
    )
    plot.x_labels = rules
    for outcome in ("accepted", "overridden", QUIET):
        plot.add(outcome, [counts[rule, outcome] for rule in rules])
    plot.add_xml_filter(_without_scripts)
    svg: str = plot.render(is_unicode=True)
    return svg


def _without_scripts(root: Any) -> Any:
    """The picture without what pygal adds for its tooltips: pages that forbid scripts show it."""
    for parent in root.iter():
        for child in [item for item in parent if str(item.tag).endswith("script")]:
            parent.remove(child)
    return root
