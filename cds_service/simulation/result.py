"""The result of a simulation: what was judged, and the counts that every report shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cds_service.simulation import difference, tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cds_service.simulation.difference import RuleChange
    from cds_service.simulation.evaluation import Judgement, Shown
    from cds_service.simulation.tally import Tally


@dataclass(frozen=True, slots=True)
class Result:
    """What a simulation came to.

    Attributes:
        revision: the content revision of the guideline, as `/ready` tells it.
        against: the revision that it was held against, or None.
        strangers: patients who are spoken of without a Patient resource; they were left out.
        undated_resources: resources of the judged records without a date.
        undated_visits: encounters and orders without a date; they were left out.
        tally: the counts of the guideline; `older` those of the other revision.
        changes: the rules that are shown in other calls than before.
        judged: every call, by patient.
    """

    revision: str
    against: str | None
    strangers: int
    undated_resources: int
    undated_visits: int
    tally: Tally
    older: Tally | None
    changes: tuple[RuleChange, ...]
    judged: tuple[Judgement, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule on a card of one call; a call without a card is one row with an empty rule.

    `change` is `same`, `gained` or `lost` against the older revision, and empty without one; a rule
    that was lost has a row of its own, with the indicator that it had. `problem` is the code of the
    error of a call that was refused.
    """

    patient: str
    visit: int
    at: str
    hook: str
    orders: int
    rule: str
    indicator: str
    change: str
    problem: str


def of(
    judged: Sequence[Judgement], *, revision: str, against: str | None = None, strangers: int = 0
) -> Result:
    """The result that judgements come to."""
    return Result(
        revision=revision,
        against=against,
        strangers=strangers,
        undated_resources=sum(each.undated_resources for each in judged),
        undated_visits=sum(each.undated_visits for each in judged),
        tally=tally.of_newer(judged),
        older=tally.of_older(judged) if against is not None else None,
        changes=difference.between(judged),
        judged=tuple(judged),
    )


def rows(judged: Sequence[Judgement]) -> Iterator[Row]:
    """Who would have got which card: the rows of CSV and Parquet, in order."""
    for call in (call for each in judged for call in each.calls):
        shown, before = _indicators(call.shown), _indicators(call.before)
        pairs = [(rule, indicator, "gained") for rule, indicator in shown.items()]
        if call.before is None:
            pairs = [(rule, indicator, "") for rule, indicator, _ in pairs]
        else:
            pairs = [
                (rule, indicator, "same" if rule in before else change)
                for rule, indicator, change in pairs
            ]
            pairs += [(rule, before[rule], "lost") for rule in before if rule not in shown]
        for rule, indicator, change in sorted(pairs) or [("", "", "")]:
            yield Row(
                call.patient,
                call.visit,
                call.at,
                call.hook,
                call.orders,
                rule,
                indicator,
                change,
                call.shown.problem,
            )


def _indicators(shown: Shown | None) -> dict[str, str]:
    """Each rule with the indicator of the first card that carries it."""
    found: dict[str, str] = {}
    for card in shown.cards if shown else ():
        for rule in card.rules:
            found.setdefault(rule, card.indicator)
    return found


def as_json(result: Result) -> dict[str, Any]:
    """Everything that was counted, for programs; the calls themselves are in CSV and Parquet."""
    return {
        "revision": result.revision,
        "against": result.against,
        "leftOut": {
            "patientsWithoutPatientResource": result.strangers,
            "undatedEncountersAndOrders": result.undated_visits,
        },
        "undatedResources": result.undated_resources,
        "counts": _plain(result.tally),
        "countsBefore": _plain(result.older) if result.older else None,
        "changes": [asdict(change) for change in result.changes],
    }


def _plain(counts: Tally) -> dict[str, Any]:
    return asdict(counts) | {
        "indicators": dict(counts.indicators),
        "problems": dict(counts.problems),
    }
