"""What users did with the cards of each rule, month by month: counts as a table and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NO_RULE = "unknown card"
NO_REASON = "-"
_LONGEST_REASON = 60  # the client chose it, and one code must not widen every line of the table
QUIET, SHADOW = "quiet", "shadow"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """How often, in a month, cards of a rule were accepted, overridden, quiet or only tried.

    A card of several rules counts for each of them. `reason` is `-` where there is none. A quiet
    card was not shown, for the reason of an earlier override; one in shadow is never shown.
    """

    rule: str
    month: str
    outcome: str
    reason: str
    count: int


def lines(
    events: Iterable[Mapping[str, Any]],
    quiet: Iterable[Mapping[str, Any]] = (),
    shadow: Iterable[Mapping[str, Any]] = (),
) -> list[Line]:
    """The counts of feedback events, quiet cards and those in shadow (`store.export`), in order."""
    counted = Counter(
        (rule, _month(event), event["outcome"], _reason(event.get("reason_code")))
        for event in events
        for rule in event["rules"] or [NO_RULE]
    )
    counted.update(
        (rule, card["at"][:7], QUIET, _reason(card["quieted"]["reason"]))
        for card in quiet
        for rule in card["rules"]
    )
    counted.update(
        (rule, card["at"][:7], SHADOW, NO_REASON)
        for card in shadow
        for rule in card["rules"] or [NO_RULE]
    )
    return sorted(Line(*key, count) for key, count in counted.items())


def _month(event: Mapping[str, Any]) -> str:
    """When it happened; a client's clock that is ahead moves nothing behind its arrival."""
    return str(min(event["at"], event["received"]))[:7]


def _reason(code: str | None) -> str:
    """A reason as one short word of the table, without what moves a terminal's cursor."""
    if not code:
        return NO_REASON
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in code[:_LONGEST_REASON])
    return shown if len(code) <= _LONGEST_REASON else f"{shown}…"


def as_text(report: Sequence[Line]) -> str:
    """A table for the terminal."""
    head = tuple(field.name for field in fields(Line))
    rows = [head, *(tuple(map(str, astuple(line))) for line in report)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_csv(report: Sequence[Line]) -> str:
    """Comma-separated values with a head line; a cell that a spreadsheet would run is quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Line)])
    writer.writerows([_inert(cell) for cell in astuple(line)] for line in report)
    return text.getvalue()


def _inert(cell: object) -> object:
    """Text that a client chose must not become a formula."""
    is_formula = isinstance(cell, str) and cell != NO_REASON and cell[:1] in {*"=+-@\t\r"}
    return f"'{cell}" if is_formula else cell
