"""What changes for whom between two revisions: the patients who gain or lose each rule."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.simulation.evaluation import Judgement


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule that is shown in other calls than before.

    `patients_gained` are the pseudonyms of those who get it now and never did before,
    `patients_lost` of those who got it and do not any more; a patient of whom only some calls
    changed is in neither.
    """

    rule: str
    calls_gained: int
    calls_lost: int
    patients_gained: tuple[str, ...]
    patients_lost: tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    gained: int = 0
    lost: int = 0
    now: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)


def between(judged: Iterable[Judgement]) -> tuple[RuleChange, ...]:
    """The rules with a difference, in order; nothing where only one revision was judged."""
    seen: defaultdict[str, _Seen] = defaultdict(_Seen)
    for call in (call for each in judged for call in each.calls):
        if call.before is None:
            continue
        now, before = call.shown.rules, call.before.rules
        for rule in now:
            seen[rule].now.add(call.patient)
            seen[rule].gained += rule not in before
        for rule in before:
            seen[rule].before.add(call.patient)
            seen[rule].lost += rule not in now
    return tuple(
        RuleChange(
            rule,
            found.gained,
            found.lost,
            tuple(sorted(found.now - found.before)),
            tuple(sorted(found.before - found.now)),
        )
        for rule, found in sorted(seen.items())
        if found.gained or found.lost
    )
