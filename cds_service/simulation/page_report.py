"""The result of a simulation as a page: one self-contained HTML file, with plots."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from cds_service.authoring import page, plot
from cds_service.simulation.text_report import BY_HOOK, BY_MONTH, BY_RULE, burden, cell, left_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cds_service.simulation.result import Result
    from cds_service.simulation.tally import Tally


def html(result: Result) -> str:
    """The whole page."""
    counts = result.tally
    lead = (
        f"{counts.visits} visits of {counts.patients_seen} patients ({counts.patients} in the "
        f"cohort), {counts.calls} calls. {burden(counts)}. Guideline revision {result.revision}."
    )
    parts = [*_doubts(result), *_difference(result), *_counts(counts, result.older)]
    return page.page("What the guideline would have shown", lead, parts)


def _doubts(result: Result) -> Iterator[str]:
    for sentence in left_out(result):
        yield f"<p>{page.mark(sentence, 'quiet')}</p>"


def _counts(counts: Tally, older: Tally | None) -> Iterator[str]:
    if any(line.calls for line in (*counts.rules, *(older.rules if older else ()))):
        yield "<h2>Rules</h2>"
        yield _by_rule(counts, older)
    yield page.table(BY_RULE, _cells([astuple(line) for line in counts.rules]))
    yield "<h2>Months</h2>"
    months = [line.month for line in counts.months]
    if months:
        burdens = {"cards": [line.per_100_visits for line in counts.months]}
        yield plot.columns("Alert burden", "cards per 100 visits", months, burdens)
    table = page.table(BY_MONTH, _cells([astuple(line) for line in counts.months]))
    yield page.section("Month by month", table, is_open=False)
    yield "<h2>Hooks</h2>"
    yield page.table(BY_HOOK, _cells([astuple(line) for line in counts.hooks]))


def _by_rule(counts: Tally, older: Tally | None) -> str:
    """How often each rule is shown; with two revisions, beside how often it was."""
    rates = {"now": {line.rule: line.per_100_visits for line in counts.rules}}
    if older is not None:
        rates["before"] = {line.rule: line.per_100_visits for line in older.rules}
    rules = sorted({rule for each in rates.values() for rule, rate in each.items() if rate})
    series = {name: [each.get(rule, 0.0) for rule in rules] for name, each in rates.items()}
    return plot.paired_rows("Visits with the rule", "per 100 visits", rules, series)


def _difference(result: Result) -> Iterator[str]:
    if result.older is None:
        return
    yield f"<h2>Against {page.path(result.against)}</h2>"
    yield f"<p>Before: {page.text(burden(result.older))}.</p>"
    if not result.changes:
        yield "<p>No call shows another rule.</p>"
        return
    yield page.table(
        ("rule", "calls gained", "calls lost", "patients who gain it", "patients who lose it"),
        [
            (
                page.text(change.rule),
                str(change.calls_gained),
                str(change.calls_lost),
                page.code(" ".join(change.patients_gained)),
                page.code(" ".join(change.patients_lost)),
            )
            for change in result.changes
        ],
    )


def _cells(found: Sequence[Sequence[object]]) -> list[list[str]]:
    return [[page.text(cell(value)) for value in row] for row in found]
