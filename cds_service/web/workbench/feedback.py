"""Feedback: what users did with the cards of each rule, as bars and as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, g

from cds_service.authoring import feedback_report
from cds_service.hooks.integration import override_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cds_service.authoring.feedback_report import Line
    from cds_service.web.workbench.bench import Bench


@dataclass(frozen=True, slots=True)
class RuleFeedback:
    """How often cards of one rule were accepted and overridden, and for which reasons."""

    rule: str
    accepted: int
    overridden: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """All feedback on the rule."""
        return self.accepted + self.overridden

    @property
    def accepted_percent(self) -> int:
        """The share that was accepted, of 100."""
        return round(100 * self.accepted / self.total)


def routes(bench: Bench) -> Blueprint:
    """The one page; raises StoreUnavailable while the database is away."""
    pages = Blueprint("feedback", __name__)

    @pages.get("/feedback")
    def page() -> str:
        """Every rule that had feedback, the most overridden first."""
        counted = feedback_report.lines(bench.store.feedback())
        plans = bench.hooks.library.content.plans.values()
        return bench.page(
            "feedback.html",
            here="feedback",
            rules=by_rule(counted),
            plans={plan.id for plan in plans},
            said=override_words(plans, g.words.language),
        )

    return pages


def by_rule(lines: Sequence[Line]) -> list[RuleFeedback]:
    """The counts of each rule over all months, the most overridden rule first."""
    rules = dict.fromkeys(line.rule for line in lines)
    found = [_of([line for line in lines if line.rule == rule], rule) for rule in rules]
    return sorted(found, key=lambda item: (-item.overridden, item.rule))


def _of(lines: Iterable[Line], rule: str) -> RuleFeedback:
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for line in lines:
        outcomes[line.outcome] += line.count
        if line.outcome == "overridden":
            reasons[line.reason] += line.count
    return RuleFeedback(
        rule, outcomes["accepted"], outcomes["overridden"], tuple(reasons.most_common())
    )
