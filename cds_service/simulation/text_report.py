"""The result of a simulation for the terminal, and its calls as CSV."""

from __future__ import annotations

import csv
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, TextIO

from cds_service.errors import counted
from cds_service.simulation.result import Row, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cds_service.simulation.result import Result
    from cds_service.simulation.tally import Tally

BY_RULE = ("rule", "calls", "visits", "patients", "per 100 visits", "cannot tell")
BY_HOOK = ("hook", "calls", "with cards", "cards", "per 100 calls")
BY_MONTH = ("month", "visits", "calls", "cards", "per 100 visits")
"""The titles of the members of RuleLine, HookLine and MonthLine."""
NAMED = 5
"""How many pseudonyms the terminal shows of a list; it says how many more there are."""


def lines(result: Result) -> Iterator[str]:
    """The whole report."""
    counts = result.tally
    yield (
        f"{counted(counts.patients, 'patient')}, {counts.patients_seen} with a visit, "
        f"{counts.patients_with_cards} with a card"
    )
    yield f"{counted(counts.visits, 'visit')}, {counted(counts.calls, 'call')}, {burden(counts)}"
    yield from left_out(result)
    yield from _part(BY_RULE, [astuple(line) for line in counts.rules])
    yield from _part(BY_HOOK, [astuple(line) for line in counts.hooks])
    yield from _part(BY_MONTH, [astuple(line) for line in counts.months])
    if result.older is not None:
        yield from _difference(result, result.older)


def burden(counts: Tally) -> str:
    """The alert burden in words."""
    urgent = ", ".join(f"{count} {name}" for name, count in counts.indicators if count)
    return (
        f"{counted(counts.cards, 'card')}{f' ({urgent})' if urgent else ''}: "
        f"{counts.cards_per_100_visits:g} per 100 visits"
    )


def left_out(result: Result) -> Iterator[str]:
    """What does not count, or counts with a doubt, in sentences."""
    if result.strangers:
        yield f"left out: {counted(result.strangers, 'patient')} without a Patient resource"
    if result.undated_visits:
        many = counted(result.undated_visits, "encounter or order", "encounters or orders")
        yield f"left out: {many} without a date"
    if result.undated_resources:
        yield f"without a date: {counted(result.undated_resources, 'resource')} of the chart"
    for problem, count in result.tally.problems:
        kind = "not judged" if problem.startswith("failed ") else "refused"
        yield f"{kind}: {counted(count, 'call')} ({problem})"


def _difference(result: Result, older: Tally) -> Iterator[str]:
    yield ""
    yield f"against {result.against}: {burden(older)} before"
    if not result.changes:
        yield "no call shows another rule"
        return
    head = ("rule", "calls gained", "lost", "patients gained", "lost")
    yield from table(
        head,
        [
            (
                change.rule,
                change.calls_gained,
                change.calls_lost,
                len(change.patients_gained),
                len(change.patients_lost),
            )
            for change in result.changes
        ],
    )
    for change in result.changes:
        for what, patients in (("gained", change.patients_gained), ("lost", change.patients_lost)):
            if patients:
                yield f"{change.rule} {what} by {named(patients)}"


def named(patients: Sequence[str]) -> str:
    """The first pseudonyms of a list, and how many more there are."""
    more = len(patients) - NAMED
    return ", ".join(patients[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _part(head: Sequence[str], found: Sequence[Sequence[object]]) -> Iterator[str]:
    yield ""
    if found:
        yield from table(head, found)
    else:
        yield f"{head[0]}: none"


def table(head: Sequence[str], found: Sequence[Sequence[object]]) -> Iterator[str]:
    """Columns under their titles: the first to the left, numbers to the right."""
    cells = [list(head), *([cell(value) for value in row] for row in found)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        first, *others = (
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def cell(value: object) -> str:
    """A value of a table; rates have two decimals."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def write_csv(result: Result, file: TextIO) -> None:
    """Who would have got which card, with a head line: the rows of `result.rows`."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in rows(result.judged))
